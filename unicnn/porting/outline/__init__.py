"""From a graph to the form of a source file: which modules there are, which of them are alike, and what each one's forward does."""

from unicnn.porting.outline.building import outline
from unicnn.porting.outline.form import (
    REQUIRED,
    Apply,
    Argument,
    Code,
    Definition,
    Expression,
    Hints,
    Make,
    Member,
    Outline,
    Parameter,
    Spelling,
    Statement,
    Template,
    Value,
)

__all__ = [
    "REQUIRED", "Apply", "Argument", "Code", "Definition", "Expression", "Hints", "Make", "Member", "Outline", "Parameter",
    "Spelling", "Statement", "Template", "Value", "outline",
]  # fmt: skip
