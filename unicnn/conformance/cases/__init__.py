"""All cases, one file for each family of the vocabulary."""

from unicnn.conformance.cases import activation, conv, linear, loss, merge, norm, pool, shape

CASES = (
    *conv.CASES,
    *pool.CASES,
    *linear.CASES,
    *norm.CASES,
    *activation.CASES,
    *shape.CASES,
    *merge.CASES,
    *loss.CASES,
)
