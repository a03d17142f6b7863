"""From an outline to the functions of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from unicnn.graph import Node
from unicnn.ops.base import Shape
from unicnn.porting.outline import Make, Outline
from unicnn.porting.outline.functional import FunctionWriter, variables
from unicnn.porting.outline.layouts import native
from unicnn.porting.outline.lines import Line, written
from unicnn.porting.outline.text import value
from unicnn_tensorflow.emitting.lines import expression, fitted
from unicnn_tensorflow.emitting.spelling import Spelling
from unicnn_tensorflow.emitting.steps import shown


class Writer(FunctionWriter):
    """Write the functions of one network."""

    def __init__(self, plan: Outline, spelling: Spelling, entry: str) -> None:
        super().__init__(plan, {entry, *spelling.reserved, *variables(plan)})
        self.spelling, self.entry = spelling, entry

    def spelt(self, line: Line, scope: str) -> str:
        return expression(line, scope)

    def head(self, name: str, inputs: tuple[str, ...], needed: str, options: str) -> str:
        return f"{name}({', '.join(filter(None, [*inputs, needed, 'name', options]))})"

    def shown(self, shape: Shape) -> Shape:
        return native(shape)

    def fit(self, line: str) -> str:
        return fitted(line)

    def layer(self, node: Node, make: Make, name: str, inputs: tuple[str, ...], target: str, shape: Shape | None) -> Iterator[Line]:
        steps, name = self.spelling.steps(node), self.spelling.label(node.name) and name
        for extra in steps.before:
            yield Line(target, extra.make.callee, extra.make.arguments, f"{name}_{extra.suffix}", inputs, reason=extra.reason)
            inputs = (target,)
        shapes = [*[None] * len(steps.after), shape if shown(node) is not None else None]
        listed = node.op.inputs is None
        yield Line(target, make.callee, make.arguments, name, inputs, listed, shape=shapes.pop(0), reason=steps.reason)
        for extra in steps.after:
            label = f"{name}_{extra.suffix}"
            yield Line(target, extra.make.callee, extra.make.arguments, label, (target,), shape=shapes.pop(0), reason=extra.reason)

    def source(self) -> str:
        """Return the function that makes the network."""
        model = self.graph.model
        single = len(model.inputs) == 1
        renamed = {given: "inputs" if single else f"{given}_input" for given in self.plan.root.inputs}
        text = []
        for (name, shape), given in zip(model.inputs, self.plan.root.inputs, strict=True):
            label = "" if single and name == "input" else f", name={value(name)}"
            text.append(f"{renamed[given]} = keras.Input({value(native(shape))}{label})")
        lines, results = self.network(renamed)
        text += written(lines, lambda line: self.spelt(line, ""))
        inputs = ", ".join(renamed.values())
        text.append(f"return keras.Model({inputs if single else f'[{inputs}]'}, {_outputs(results)}, name={value(model.name)})")
        return "\n".join([f"def {self.entry}():", *(self.fit(f"    {line}") for line in text)])


def _outputs(results: Sequence[tuple[str | None, str]]) -> str:
    if all(key is not None for key, _ in results):
        return f"{{{', '.join(f'{value(str(key))}: {name}' for key, name in results)}}}"
    return results[0][1] if len(results) == 1 else f"[{', '.join(name for _, name in results)}]"
