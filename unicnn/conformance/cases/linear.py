"""Cases of the fully connected layer."""

from unicnn.conformance.case import Setting
from unicnn.ops import Linear

SETTINGS = (
    Setting("plain", Linear(5), ((7,),), exact=True),
    Setting("no-bias", Linear(5, bias=False), ((7,),), exact=True),
    Setting("one-feature", Linear(1), ((1,),), exact=True),
    Setting("one-output", Linear(1), ((9,),), exact=True),
    Setting("one-sample", Linear(4), ((6,),), exact=True, batch=1),
    Setting("large", Linear(128), ((1250,),), exact=True, batch=16),
    Setting("long-sum-65536", Linear(2), ((65536,),), exact=True),
)
