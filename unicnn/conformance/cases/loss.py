"""Cases of losses."""

from unicnn.conformance.case import Setting
from unicnn.ops import CrossEntropy, SquaredError

SETTINGS = (
    Setting("mean", CrossEntropy(), ((10,),), batch=6),
    Setting("sum", CrossEntropy("sum"), ((10,),), batch=6),
    Setting("two-classes", CrossEntropy(), ((2,),), batch=5),
    Setting("one-sample", CrossEntropy(), ((10,),), batch=1),
    Setting("thousand-classes", CrossEntropy(), ((1000,),), batch=4),
    Setting("mean", SquaredError(), ((7,),), batch=5),
    Setting("sum", SquaredError(reduction="sum"), ((7,),), batch=5),
    Setting("half", SquaredError(0.5), ((7,),), batch=5),
    Setting("image", SquaredError(), ((3, 4, 5),), batch=2),
)
