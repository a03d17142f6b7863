"""What a diff found: data, and its texts."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unicnn.graph import Node
from unicnn.porting.difference.patching import Atom

NO_EFFECT = "no effect"
REPORTING = "reporting differs only"
INITIAL = "initialisation differs only"
TRAINING = "training differs only"
INFERENCE = "inference differs"
ORDER = (NO_EFFECT, REPORTING, INITIAL, TRAINING, INFERENCE)
"""Every severity, from the least to the gravest."""

LONG = 4
"""A run of more layers than this that only one network has is one difference, and told in one line."""
NOTHING = 1e-10
"""A relative change below this, in float64, is rounding."""


@dataclass(frozen=True)
class Effect:
    """Say what a change does if it alone is made to the first network, or recipe.

    All numbers are relative to the largest value of what is compared: `local` is the change of the layer's own output, `output` that of the
    network's, `argmax` the share of samples whose largest output is another one, `training` the largest change of a gradient or a running
    statistic in a training pass, `weights` how far the weights are apart after some steps, as a share of how far they went, and `step` the
    first update after which they are. What was not measured is None, and `note` says why.
    """

    local: float | None = None
    output: float | None = None
    argmax: float | None = None
    training: float | None = None
    weights: float | None = None
    step: int | None = None
    note: str = ""

    @property
    def measured(self) -> bool:
        """Tell whether anything was measured."""
        return any(value is not None for value in (self.local, self.output, self.training, self.weights))

    @property
    def nothing(self) -> bool:
        """Tell whether the outputs were measured and nothing that was measured changed, gradients included if they were."""
        return self.output is not None and max(self.local or 0.0, self.output, self.training or 0.0) <= NOTHING


@dataclass(frozen=True)
class Difference:
    """Be one difference. `kind` is "hyperparameter", "op", "missing", "added", "order", "wiring", "input", or, of recipes, "setting".

    `a` and `b` name the layers, `what` the field; `a_value` and `b_value` are what was written, `a_normal` and `b_normal` what it comes to.
    """

    kind: str
    a: str | None
    b: str | None
    what: str
    a_value: str
    b_value: str
    a_normal: str
    b_normal: str
    severity: str
    cause: str = ""
    effect: Effect = field(default_factory=Effect)
    atoms: tuple[Atom, ...] = ()
    rows: tuple[int, ...] = ()
    op: str = ""
    layers: tuple[tuple[str | None, str | None], ...] = ()
    """All layers that differ in this way, by both names, if there are several; `a` and `b` are the first."""
    undone: bool = False
    """Whether another difference makes up for this one."""

    def to_dict(self) -> dict[str, Any]:
        """Return the difference as plain data."""
        effect = {key: plain(value) for key, value in vars(self.effect).items() if value not in (None, "")}
        shown = {key: getattr(self, key) for key in ("kind", "a", "b", "what", "a_value", "b_value", "a_normal", "b_normal", "severity")}
        several = {"layers": [list(names) for names in self.layers]} if self.layers else {}
        return shown | several | {"undone": self.undone, "effect": effect, "cause": self.cause}


@dataclass(frozen=True)
class Row:
    """Be a layer of each network side by side. `apart` is their largest difference as a share of the layer's scale, None if unknown."""

    a: Node | None
    b: Node | None
    differences: tuple[int, ...] = ()
    apart: float | None = None

    @property
    def plain(self) -> bool:
        """Tell whether there is nothing to see: both have the layer, with as many numbers and the same hyperparameters."""
        return not self.differences and self.a is not None and self.b is not None and self.a.size == self.b.size

    @property
    def resized(self) -> bool:
        """Tell whether both networks have the layer and it gives other shapes."""
        return self.a is not None and self.b is not None and self.a.shape != self.b.shape

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return {"a": _layer(self.a), "b": _layer(self.b), "differences": list(self.differences), "apart": plain(self.apart)}


class _Told:
    """Offer what both kinds of result have in common: a table, and JSON."""

    def table(self, width: int = 110, *, every: bool = False) -> str:
        """Return the diff as text for a terminal or a file; with `every`, equal layers too."""
        from unicnn.porting.difference.report import as_text

        return as_text(self, width, every=every)

    def to_dict(self) -> dict[str, Any]:
        """Return the diff as plain data."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return the diff as JSON text; infinities are the string "inf"."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


@dataclass(frozen=True)
class NetworkDiff(_Told):
    """Hold what differs between two networks. `apart` is how far their outputs are apart with the first one's weights."""

    a: str
    b: str
    rows: tuple[Row, ...]
    differences: tuple[Difference, ...]
    parameters: tuple[int, int]
    renamed: int
    samples: int
    apart: float | None
    argmax: float | None
    training: float | None
    weights: str
    """What can be said of the weights that came with both networks; empty if they did not."""
    same_weights: bool | None
    note: str = ""

    @property
    def same(self) -> bool:
        """Tell whether the two are one network, weights aside: nothing differs, or nothing that differs has an effect."""
        numbers = max(self.apart or 0.0, self.training or 0.0) <= NOTHING
        return numbers and all(item.severity == NO_EFFECT for item in self.differences)

    @property
    def first(self) -> Row | None:
        """Return the first row at which the numbers of the two part, from the first difference on that has an effect."""
        begin = min((place for item in self.differences if item.severity != NO_EFFECT for place in item.rows), default=len(self.rows))
        return next((row for row in self.rows[begin:] if row.apart is not None and row.apart > NOTHING), None)

    @property
    def verdict(self) -> str:
        """Return the whole in one sentence."""
        from unicnn.porting.difference.verdict import network

        return network(self)

    def to_dict(self) -> dict[str, Any]:
        first = self.first
        return {
            "kind": "network",
            "a": self.a,
            "b": self.b,
            "same": self.same,
            "verdict": self.verdict,
            "parameters": list(self.parameters),
            "renamed": self.renamed,
            "samples": self.samples,
            "apart": plain(self.apart),
            "argmax": plain(self.argmax),
            "training": plain(self.training),
            "first": None if first is None or first.a is None else first.a.name,
            "weights": self.weights,
            "same_weights": self.same_weights,
            "note": self.note,
            "differences": [item.to_dict() for item in self.differences],
            "rows": [row.to_dict() for row in self.rows],
        }


@dataclass(frozen=True)
class RecipeDiff(_Told):
    """Hold what differs between two recipes. `rates` are (update, epoch, rate of the first, rate of the second), counted from 1."""

    a: str
    b: str
    differences: tuple[Difference, ...]
    equal: int
    rates: tuple[tuple[int, int, float, float], ...]
    first_rate: int | None
    """The first update whose learning rates differ, counted from 1."""
    updates: tuple[int, int]
    steps: int
    together: Effect
    note: str = ""
    shown: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Every choice of both, by its name."""

    @property
    def same(self) -> bool:
        """Tell whether the two train alike."""
        return all(item.severity == NO_EFFECT for item in self.differences)

    @property
    def verdict(self) -> str:
        """Return the whole in one sentence."""
        from unicnn.porting.difference.verdict import recipe

        return recipe(self)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": "recipe",
            "a": self.a,
            "b": self.b,
            "same": self.same,
            "verdict": self.verdict,
            "differences": [item.to_dict() for item in self.differences],
            "equal": self.equal,
            "first_rate": self.first_rate,
            "updates": list(self.updates),
            "rates": [list(item) for item in self.rates],
            "steps": self.steps,
            "together": {key: plain(value) for key, value in vars(self.together).items() if value not in (None, "")},
            "note": self.note,
        }


def plain(value: Any) -> Any:
    """Return a number as JSON knows it."""
    return "inf" if isinstance(value, float) and not math.isfinite(value) else value


def _layer(node: Node | None) -> dict[str, Any] | None:
    if node is None:
        return None
    fields = {key: list(value) if isinstance(value, tuple) else value for key, value in node.op.written().items()}
    return {
        "name": node.name,
        "op": type(node.op).__name__,
        "fields": fields,
        "inputs": list(node.inputs),
        "shape": list(node.shape),
        "parameters": node.size,
    }
