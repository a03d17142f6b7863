"""The function `load_weights`: neutral names and layouts into Flax's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from unicnn import ops
from unicnn.ops.base import Shape
from unicnn.porting.outline import Member, Outline
from unicnn.porting.outline.classes import names_of
from unicnn.porting.outline.files import loading
from unicnn.porting.outline.layouts import place
from unicnn.porting.outline.text import value
from unicnn_jax.emitting.spelling import Spelling

_ROLES = {"weight": "kernel", "shift": "bias"}


def load_weights(plan: Outline, spelling: Spelling, source: str) -> str:
    """Return the source of ``load_weights`` for a network whose own source is `source`."""
    roles, _ = loading(plan, _ROLES)
    layers = _moved(plan)
    rows = spelling.flattened.rows
    lines = [f"layers = {layers!r}"] if layers else []
    lines += [f"roles = {roles!r}"] if roles else []
    if rows:
        lines += ["# What comes from an image has its channels last here, and first in the file.", f"images = {_table(rows)}"]
    norms = _norms(plan)
    if norms:
        lines += [f"norms = {norms!r}"]
    lines += [
        "for name, value in load_file(path).items():",
        *(f"    {line}" for line in _each(plan, bool(layers), bool(roles), rows, norms, source)),
    ]
    body = "\n".join(f"    {line}" for line in lines)
    return f'def load_weights(net, path):\n    """Read the weights from a safetensors file with neutral names and layouts."""\n{body}\n'


def _each(plan: Outline, layers: bool, roles: bool, rows: dict[str, Shape], norms: tuple[str, ...], source: str) -> list[str]:
    lines = ['place, _, role = name.rpartition(".")']
    if rows:
        lines += ['if role == "weight" and place in images:', "    value = value.reshape(-1, *images[place])"]
    if ranks := {len(parameter.shape) for name, parameter in plan.graph.parameters.items() if name.endswith(".weight")}:
        image, matrix = "value.transpose(2, 3, 1, 0)", "value.T"
        both = 4 in ranks and 2 in ranks
        lines += [
            'if role == "weight":',
            f"    value = {f'{image} if value.ndim == 4 else {matrix}' if both or rows else image if 4 in ranks else matrix}",
        ]
    if norms:
        lines += ["if place in norms:", "    value = np.moveaxis(value, 0, -1)"]
    lines += ["layer = net", f'for part in {"layers.get(place, place)" if layers else "place"}.split("."):']
    if "nnx.Sequential" in source:
        lines += ["    if isinstance(layer, nnx.Sequential):", "        layer = layer.layers"]
    lines += ["    layer = getattr(layer, part)", f"parameter = getattr(layer, {'roles.get(role, role)' if roles else 'role'})"]
    return [*lines, "parameter[...] = jnp.asarray(value.reshape(parameter.shape))"]


def _moved(plan: Outline) -> dict[str, str]:
    """Return where the layers with parameters stand, if not under their names: entries of nnx.Sequential stand under their places."""
    places = dict(_places(plan, plan.root.members, plan.root.sequence, "", ""))
    held = dict.fromkeys(name.rpartition(".")[0] for name in plan.graph.parameters)
    found = {name: places.get(plan.renamed.get(name, name), name) for name in held}
    return {name: place for name, place in found.items() if name != place}


def _places(plan: Outline, members: Iterable[Member], sequence: bool, old: str, new: str) -> Iterator[tuple[str, str]]:
    definitions = {item.name: item for item in plan.definitions}
    entries = [(name, member) for member in members if member.kind != "flag" for name in names_of([member])]
    for i, (name, member) in enumerate(entries):
        before, after = f"{old}{name}", f"{new}{i if sequence else name}"
        inner = definitions.get(member.make.callee) if member.kind == "part" and member.make is not None else None
        if inner is not None:
            yield from _places(plan, inner.members, inner.sequence, f"{before}.", f"{after}.")
        elif member.children:
            yield from _places(plan, member.children, member.kind == "sequence", f"{before}.", f"{after}.")
        else:
            yield before, after


def _norms(plan: Outline) -> tuple[str, ...]:
    """Return the layers whose scale and shift are arrays with the channels in front."""
    found = []
    for node in plan.graph.nodes:
        if isinstance(node.op, ops.LayerNorm) and len(node.shape) == 3:
            axes = node.attributes["axes"]
            if 1 in axes and len(axes) > 1 and node.parameters:
                assert place(1, 4) == 3
                found.append(node.name)
    return tuple(found)


def _table(rows: dict[str, Shape]) -> str:
    return f"{{{', '.join(f'{value(name)}: {shape}' for name, shape in rows.items())}}}"
