"""Cases of the fully connected layer."""

from unicnn.conformance.case import Case
from unicnn.ops import Linear

CASES = (
    Case("plain", Linear(5), ((7,),), exact=True),
    Case("no-bias", Linear(5, bias=False), ((7,),), exact=True),
    Case("one-feature", Linear(1), ((1,),), exact=True),
    Case("one-output", Linear(1), ((9,),), exact=True),
    Case("one-sample", Linear(4), ((6,),), exact=True, batch=1),
    Case("large", Linear(128), ((1250,),), exact=True, batch=16),
    Case("long-sum-65536", Linear(2), ((65536,),), exact=True),
)
