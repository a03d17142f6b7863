"""Cases of losses."""

from unicnn.conformance.case import Case
from unicnn.ops import CrossEntropy, SquaredError

CASES = (
    Case("mean", CrossEntropy(), ((10,),), batch=6),
    Case("sum", CrossEntropy("sum"), ((10,),), batch=6),
    Case("two-classes", CrossEntropy(), ((2,),), batch=5),
    Case("one-sample", CrossEntropy(), ((10,),), batch=1),
    Case("thousand-classes", CrossEntropy(), ((1000,),), batch=4),
    Case("mean", SquaredError(), ((7,),), batch=5),
    Case("sum", SquaredError(reduction="sum"), ((7,),), batch=5),
    Case("half", SquaredError(0.5), ((7,),), batch=5),
    Case("image", SquaredError(), ((3, 4, 5),), batch=2),
)
