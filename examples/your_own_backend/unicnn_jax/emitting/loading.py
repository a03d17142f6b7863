"""The function `load_weights`: neutral names and layouts into Flax's."""

from __future__ import annotations

from unicnn import ops
from unicnn.porting.outline import Outline
from unicnn.porting.outline.files import loading
from unicnn.porting.outline.text import value
from unicnn_jax.emitting.layouts import Shape, place
from unicnn_jax.emitting.spelling import Spelling

_ROLES = {"weight": "kernel", "shift": "bias"}


def load_weights(plan: Outline, spelling: Spelling, source: str) -> str:
    """Return the source of ``load_weights`` for a network whose own source is `source`."""
    roles, layers = loading(plan, _ROLES)
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
