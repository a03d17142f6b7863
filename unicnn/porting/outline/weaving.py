"""What a forward does, as few statements as a person would write: a variable only where a value has two readers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from unicnn.ops import Add, Concat, Conv2d, ConvTranspose2d, Flatten, Linear, Mul, Reshape, Transpose
from unicnn.porting.outline.form import Apply, Expression, Statement, Template, Value
from unicnn.porting.outline.text import text
from unicnn.porting.outline.tree import Unit

WIDTH = 66
"""How long a statement's expression may become by nesting; what is longer is taken apart."""
DEPTH = 4
"""How many calls may be nested."""

_HEAVY = (Conv2d, ConvTranspose2d, Linear)
_MOVING = (Flatten, Reshape, Transpose)
_MERGING = (Add, Mul, Concat)


@dataclass(frozen=True)
class Pending:
    """Be a value that has been computed but has no name yet; all its layers follow those of what is pending before it."""

    value: str
    expression: Expression
    calls: int


PLAIN = Template("{self}({all})")
Form = Callable[[Unit], tuple[Template, str]]


class Weaver:
    """Turn the units of a scope into statements, in their order."""

    def __init__(
        self, units: Sequence[Unit], form: Form, arguments: Mapping[str, str], outputs: Sequence[str], *, nested: bool = True
    ) -> None:
        self.units, self.form, self.outputs, self.nested = units, form, outputs, nested
        self.names = dict(arguments)
        self.remaining = Counter(source for unit in units for source in unit.inputs) + Counter(outputs)
        self.pending: list[Pending] = []
        self.statements: list[Statement] = []
        self.reasons: dict[str, tuple[str, ...]] = {}
        self.values: list[str] = []
        """What each statement computes, to find its shape."""

    def weave(self, options: Mapping[str, str], passes: Mapping[str, int] | None = None) -> list[Expression]:
        """Make the statements, and return the expressions of the outputs.

        `options` maps units that may be absent to the first of those that are absent together; `passes` says which input each passes on.
        """
        done: set[str] = set()
        self.passes = passes or {}
        for i, unit in enumerate(self.units):
            if unit.name in done:
                continue
            if unit.name in options:
                run = [other for other in self.units[i:] if options.get(other.name) == options[unit.name]]
                self._optional(run)
                done |= {other.name for other in run}
            else:
                self._take(unit)
        return self._finish()

    def _take(self, unit: Unit) -> None:
        template, target = self.form(unit)
        self._settle(unit, template, target)
        reasons = [reason for source in unit.inputs if source not in self.names for reason in self.reasons.pop(source, ())]
        expressions, calls = self._inputs(unit)
        applied = Apply(template, target, expressions, unit.node, "" if unit.scope is None else unit.scope.path)
        self.pending.append(Pending(unit.output, applied, calls + 1))
        self.reasons[unit.output] = tuple(dict.fromkeys([*reasons, *filter(None, [template.reason])]))
        if self.remaining[unit.output] != 1:
            self._flush()

    def _settle(self, unit: Unit, template: Template, target: str) -> None:
        """Give names to what is pending and cannot be nested into the unit."""
        wanted = [source for source in unit.inputs if source not in self.names]
        tail = self.pending[len(self.pending) - len(wanted) :] if wanted else []
        in_order = [item.value for item in tail] == wanted and len(set(wanted)) == len(wanted)
        if not in_order or not self.nested or not self._nests(unit, template, target, tail):
            self._flush()

    def _nests(self, unit: Unit, template: Template, target: str, tail: list[Pending]) -> bool:
        if not tail:
            return True
        op = unit.node.op if unit.node is not None else None
        if template.text.count("{0}") > 1:
            return False
        if op is None or isinstance(op, (*_HEAVY, *_MOVING)) or any(isinstance(_op(item), _MOVING) for item in tail):
            return False
        if isinstance(op, _MERGING) and any(item.calls > 1 for item in tail):
            return False
        if isinstance(op, Concat):
            return len(tail) == len(unit.inputs) or len(tail) == 1
        if 1 + sum(item.calls for item in tail) > DEPTH:
            return False
        expressions = tuple(Value("x") if source in self.names else self._found(source).expression for source in unit.inputs)
        return len(text(Apply(template, target, expressions))) <= WIDTH

    def _found(self, value: str) -> Pending:
        return next(item for item in self.pending if item.value == value)

    def _inputs(self, unit: Unit) -> tuple[tuple[Expression, ...], int]:
        expressions: list[Expression] = []
        calls = 0
        for source in unit.inputs:
            self.remaining[source] -= 1
            if source in self.names:
                expressions.append(Value(self.names[source]))
            else:
                item = self._found(source)
                self.pending.remove(item)
                expressions.append(item.expression)
                calls += item.calls
        return tuple(expressions), calls

    def _flush(self) -> None:
        """Assign all that is pending to variables, in order."""
        while self.pending:
            item = self.pending.pop(0)
            target = self._variable(item)
            self._assign(target, item)
            self.names[item.value] = target

    def _assign(self, target: str | None, item: Pending, condition: str | None = None) -> None:
        self.statements.append(Statement(target, item.expression, condition, None, self.reasons.pop(item.value, ())))
        self.values.append(item.value)

    def _variable(self, item: Pending) -> str:
        """Return a variable for a value: one that is read no more, or else a new one."""
        alive = {name for value, name in self.names.items() if self.remaining[value] > 0}
        alive |= {name for other in self.pending for name in variables(other.expression)}
        if dead := [name for name in variables(item.expression) if name not in alive]:
            return dead[0]
        part = item.expression.target.rpartition(".")[2] if isinstance(item.expression, Apply) and item.expression.part else ""
        several = sum(unit.scope is not None for unit in self.units) > 1
        choices = [part] if several and part.isidentifier() else []
        choices += ["x", "y", "z", "u", "v", "w", *(f"y{i}" for i in range(1, 1 + len(self.units)))]
        return next(name for name in choices if name not in alive)

    def _optional(self, run: list[Unit]) -> None:
        """Write units that may be absent: they replace their input, if they are there."""
        self._flush()
        source = run[0].inputs[self.passes.get(run[0].name, 0)]
        inputs: tuple[Expression, ...] = tuple(Value(self.names[value]) for value in run[0].inputs)
        for unit in run:
            template, target = self.form(unit)
            expression = Apply(template, target, inputs, unit.node, "" if unit.scope is None else unit.scope.path)
            self.remaining.subtract(unit.inputs)
            inputs = (expression,)
        target = self.names[source]
        if any(name == target and self.remaining[value] > 0 for value, name in self.names.items()):
            copied = Pending(source, Value(target), 0)
            target = self._variable(Pending(source, Apply(PLAIN, "", ()), 0))
            self._assign(target, copied)
        self.names[run[-1].output] = target
        self._assign(target, Pending("", expression, len(run)), run[0].name)

    def _finish(self) -> list[Expression]:
        left = [item.value for item in self.pending]
        wanted = [value for value in self.outputs if value not in self.names]
        if left != wanted:
            self._flush()
        results: list[Expression] = []
        for value in self.outputs:
            results.append(Value(self.names[value]) if value in self.names else self._found(value).expression)
        return results


def _op(item: Pending) -> object:
    return item.expression.node.op if isinstance(item.expression, Apply) and item.expression.node is not None else None


def variables(expression: Expression) -> list[str]:
    """Return the variables that an expression reads, in order."""
    if isinstance(expression, Value):
        return [expression.name]
    return [name for item in expression.inputs for name in variables(item)]
