"""Identical numerics on one backend: which function computes each layer, which rule differentiates it, and who watches for overflow."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable, Sequence
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from unicnn.backend import Backend, BackendInfo, Runtime
from unicnn.derivatives import RULES, Rule, Thunks, reverse
from unicnn.errors import InputError
from unicnn.graph import Graph
from unicnn.numerics.arithmetic import Arithmetic, Array, Derivative, Function, Learn, Tensor
from unicnn.numerics.identical import contractions, functions, host, pooling
from unicnn.numerics.identical import rounded as r
from unicnn.numerics.identical.rounded import Rounded
from unicnn.numerics.identical.selftest import trusted
from unicnn.ops.base import Op
from unicnn.plan import Argument, Plan, Step

LARGEST = float(np.finfo(np.float32).max)

MOVES = ("identity", "relu", "relu6", "max_pool2d", "flatten", "reshape", "transpose", "pad", "concat")
"""The ops that choose or move values: the backend's own functions are exact already."""
CONTRACTIONS = ("conv2d", "conv_transpose2d", "linear")
FORMULAS: dict[str, Callable[..., Any]] = {
    **{name: getattr(functions, name) for name in (
        "batch_norm2d", "layer_norm", "dropout", "leaky_relu", "elu", "silu", "gelu", "hardswish", "hardsigmoid", "softmax",
        "log_softmax", "add", "mul", "cross_entropy", "squared_error",
    )},
    **{name: getattr(pooling, name) for name in ("avg_pool2d", "adaptive_avg_pool2d")},
    **{name: getattr(r, name) for name in ("sigmoid", "tanh")},
}  # fmt: skip
"""The ops that are written as formulas over rounded values."""


class Table:
    """Be the namespace `t`: the primitives of a backend, its functions as `ops`, constants, and the watch over what must be finite."""

    def __init__(self, backend: Backend, runtime: Runtime) -> None:
        self._exact = importlib.import_module(f"{backend.info.package}.exact")
        self.ops = SimpleNamespace(**backend.table())
        self.runtime = runtime
        self._local = threading.local()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._exact, name)
        setattr(self, name, value)  # found at once the next time
        return value

    def constant(self, array: Array, kind: str = "") -> Tensor:
        """Return a canonical array as a value inside, or as a parameter of `kind`."""
        return self.runtime.pack(kind, array) if kind else self.runtime.enter(self.runtime.tensor(array))

    def watch(self, x: Tensor) -> None:
        """Remember the largest magnitude, which must not exceed the largest float32."""
        self._local.seen.append(self.reshape(self.widen(self.largest(x, tuple(range(len(self.shape(x)))))), (1,)))

    def watched(self, run: Callable[[], Sequence[Tensor]]) -> tuple[Tensor, ...]:
        """Return what `run` returns and, behind it, the largest of all that was watched meanwhile, of shape (1,)."""
        before, self._local.seen = getattr(self._local, "seen", []), []
        try:
            results = run()
            seen = self._local.seen or [self.constant(np.zeros(1))]
            return (*results, self.largest(self.ops.concat(*seen, axis=0), (0,)) if len(seen) > 1 else seen[0])
        finally:
            self._local.seen = before


@cache
def _version(info: BackendInfo) -> str:
    # Looked up once: metadata is a file to be read and parsed, and every program asks.
    return info.version() or ""


class Identical(Arithmetic):
    """Compute every layer by exact sums and rounded formulas over the primitives of the backend."""

    def __init__(self, backend: Backend, runtime: Runtime) -> None:
        super().__init__(backend, runtime)
        self.table = Table(backend, runtime)
        key = (backend.info.title, _version(backend.info), runtime.device)
        self.table.ops = trusted(self.table, key, runtime.compile)
        self.rules = _rules(self.table)

    def function(self, op: str, lowering: Function) -> Function:
        if op in MOVES:
            return lowering
        if op in CONTRACTIONS:
            return partial(getattr(contractions, op), self.table)
        return partial(_over_rounded, self.table, FORMULAS[op])

    @property
    def enter(self) -> Function:
        return partial(_entered, self.table)

    @property
    def leave(self) -> Function:
        return self.runtime.leave

    def attributes(self, op: Op, attributes: dict[str, Any]) -> dict[str, Any]:
        if "value" in attributes:
            attributes["value"] = float(host.narrow(np.asarray(attributes["value"], np.float64)))
        if op.lowering() in ("conv2d", "conv_transpose2d"):
            attributes["kernel_size"] = op.kernel_size  # type: ignore[attr-defined]
        return attributes

    def prepared(self, op: Op, training: bool, gradients: bool) -> tuple[str, ...]:
        if op.lowering() in CONTRACTIONS:
            return (*contractions.FORWARD, *((contractions.BACKWARD,) if gradients else ()))
        return functions.PREPARED if op.states and not training else ()

    def prepare(self, graph: Graph, name: str, weight: Callable[[str], Array]) -> Tensor:
        layer, _, key = name.rpartition(".")
        node = next(node for node in graph.nodes if node.name == layer)
        held = {key: weight(f"{layer}.{key}") for key in node.parameters}
        if node.op.states:
            array, kind = functions.prepare(key, held, node.attributes["eps"]), "vector"
        else:
            array, kind = contractions.prepare(key, node.op.lowering(), node.attributes.get("groups", 1), held["weight"], held.get("bias"))
        return self.runtime.pack(kind, array)

    def canonical(self, graph: Graph, weights: dict[str, Array]) -> dict[str, Array]:
        for name, array in weights.items():
            if not np.isfinite(array).all():
                raise InputError(
                    f"{graph.model.name}: the weight {name!r} holds a value that is not finite, and identical numerics have no place for one. "
                    'Repair the weights, or use numerics="native".'
                )
        return {name: host.narrow(array.astype(np.float64)) for name, array in weights.items()}

    def plan(self, arguments: Sequence[Argument], steps: Sequence[Step], results: Sequence[int], training: bool) -> Plan:
        return WatchedPlan(self.table, arguments, steps, results, training=training)

    def formula(self, function: Function) -> Function:
        return partial(_over_rounded, self.table, partial(function, r))

    def vjp(self, plan: Plan, wanted: Sequence[int]) -> Derivative:
        run = self._backward(plan, wanted, None)
        return lambda arguments, cotangents: run(arguments, cotangents, ())

    def step(self, plan: Plan, wanted: Sequence[int], update: Plan) -> Learn:
        return self._backward(plan, wanted, update)

    def _backward(self, plan: Plan, wanted: Sequence[int], update: Plan | None) -> Learn:
        t = self.table
        step = reverse(plan, wanted, t, self.rules, join=lambda a, b: t.narrow(t.widen(a) + t.widen(b)), like=partial(_like, t))
        compiled: dict[tuple[bool, ...], Callable[[Sequence[Tensor]], Sequence[Tensor]]] = {}

        def run(
            arguments: Sequence[Tensor], cotangents: Sequence[Tensor | None], rest: Sequence[Tensor]
        ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
            given = tuple(cotangent is not None for cotangent in cotangents)
            if given not in compiled:
                compiled[given] = self.runtime.compile(Backward(t, plan, step, given, wanted, update))
            found = compiled[given]([*arguments, *(cotangent for cotangent in cotangents if cotangent is not None), *rest])
            first = len(plan.results)
            return [*found[:first], found[-1]], found[first:-1]

        return run

    def alarmed(self, results: Sequence[Tensor]) -> bool:
        return not self.runtime.array(results[-1]).item() <= LARGEST


class WatchedPlan(Plan):
    """Be a plan whose last result is the largest of what its layers watched."""

    static = True

    def __init__(self, table: Table, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        self.table = table

    def __call__(self, arguments: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return self.table.watched(lambda: super(WatchedPlan, self).__call__(arguments))


class Backward(Plan):
    """Be a plan of its own that runs another one forward and backward, and perhaps an update: its arguments, the cotangents given, the rest."""

    static = True

    def __init__(
        self, table: Table, plan: Plan, step: Derivative, given: tuple[bool, ...], wanted: Sequence[int], update: Plan | None
    ) -> None:
        heads = [Argument(f"cotangent{place}", "values", ()) for place, one in enumerate(given) if one]
        rest = [] if update is None else update.arguments[2 * len(wanted) :]
        super().__init__([*plan.arguments, *heads, *rest], (), (), training=plan.training)
        self.table, self.step, self.given, self.taken = table, step, given, len(plan.arguments)
        self.wanted, self.update = tuple(wanted), update

    def __call__(self, arguments: Sequence[Tensor]) -> tuple[Tensor, ...]:
        t, rest = self.table, iter(arguments[self.taken :])
        cotangents = [next(rest) if one else None for one in self.given]

        def all_of_it() -> list[Tensor]:
            results, found = self.step(arguments[: self.taken], cotangents)
            for gradient in found:
                t.watch(gradient)
            if self.update is not None:
                found = self.update([*(arguments[place] for place in self.wanted), *found, *rest])
                for moved in found:
                    t.watch(moved)
            return [*results, *found]

        return self.table.watched(all_of_it)


def _entered(t: Table, x: Tensor) -> Tensor:
    """Return what comes from outside as a canonical value inside: no subnormal, no -0, and an alarm if it is not finite."""
    values = t.runtime.enter(x)
    t.watch(values)
    return t.narrow(t.widen(values))


def _like(t: Table, x: Tensor, value: float) -> Tensor:
    """Return `value` in the shape of `x`."""
    return t.narrow(t.widen(x) * 0.0 + value)


def _over_rounded(t: Table, formula: Callable[..., Any], *operands: Tensor, **attributes: Any) -> Any:
    """Call a formula over rounded values with tensors, and return tensors."""
    found = formula(*[None if operand is None else Rounded(t, operand) for operand in operands], **attributes)
    return tuple(part.raw for part in found) if isinstance(found, tuple) else found.raw


def _rules(t: Table) -> dict[str, Rule]:
    """Return the derivative of every op over tensors: those of contractions, and the core's over rounded values."""
    exact = {name: getattr(contractions, f"{name}_rule") for name in CONTRACTIONS}
    over = _rule_table(t)
    return {
        **{name: partial(_rule_over_rounded, t, over, rule) for name, rule in RULES.items()},
        **{name: partial(_without_table, t, rule) for name, rule in exact.items()},
        "enter": lambda _, dy, y, x: (lambda: t.runtime.leave(dy),),
        "leave": lambda _, dy, y, x: (lambda: _entered(t, dy),),
    }


def _without_table(t: Table, rule: Callable[..., Thunks], _: Any, *operands: Tensor, **attributes: Any) -> Thunks:
    return rule(t, *operands, **attributes)


OPERANDS = {"batch_norm2d": 5}
"""How many operands a rule takes where the function takes more, that are prepared."""


def _rule_over_rounded(
    t: Table, over: SimpleNamespace, rule: Rule, _: Any, dy: Tensor, y: Tensor, *operands: Tensor, **attributes: Any
) -> Thunks:
    """Call a rule of the core with rounded values, and return thunks of tensors."""
    taken = operands[: OPERANDS.get(rule.__name__, len(operands))]
    wrapped = [None if value is None else Rounded(t, value) for value in (dy, y, *taken)]
    thunks = rule(over, *wrapped, **attributes)
    raw = [None if thunk is None else partial(_raw, thunk) for thunk in thunks]
    return (*raw, *(None,) * (len(operands) - len(taken)))


def _raw(thunk: Callable[[], Rounded]) -> Tensor:
    return thunk().raw


def _rule_table(t: Table) -> SimpleNamespace:
    """Return the functions in which the core writes derivatives, over rounded values."""

    def move(name: str) -> Callable[..., Rounded]:
        return lambda x, **attributes: Rounded(t, getattr(t.ops, name)(x.raw, **attributes))

    return SimpleNamespace(
        relu_gradient=lambda dy, y: Rounded(t, t.where(y.raw > 0, dy.raw, 0.0)),
        softmax=functions.softmax,
        **{name: getattr(r, name) for name in ("sum", "where", "exp", "log", "sqrt", "erf", "tanh", "sigmoid", "one_hot")},
        **{name: getattr(pooling, name) for name in ("max_pool2d_gradient", "avg_pool2d_gradient", "adaptive_avg_pool2d_gradient")},
        **{name: move(name) for name in ("reshape", "transpose")},
    )
