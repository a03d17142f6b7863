"""Write a network as Gluon source. Nothing of MXNet is imported here."""

from __future__ import annotations

from typing import Any

from unicnn.graph import Graph
from unicnn.ops import BatchNorm2d
from unicnn.porting.outline import Hints, Outline, outline
from unicnn.porting.outline.files import assembled, heading, loading
from unicnn.porting.outline.words import class_name, safe
from unicnn.training.recipe import Recipe
from unicnn_mxnet import loop
from unicnn_mxnet.emitting.blocks import blocks
from unicnn_mxnet.emitting.spelling import Spelling
from unicnn_mxnet.emitting.writing import GluonWriter

_ROLES = {"scale": "gamma", "shift": "beta", "mean": "running_mean", "var": "running_var"}
_IMPORTS = (
    (r"\bmx\.", "import mxnet as mx"),
    (r"\bnn\.", "from mxnet.gluon import nn"),
    (r"\bload_file\b", "from safetensors.numpy import load_file"),
)

_LOAD = '''def load_weights(net, path, ctx=None):
    """Read the weights from a safetensors file%s."""
    %snet.initialize(ctx=ctx, force_reinit=True)
    parameters = net._collect_params_with_prefix()  # as net.save_parameters names them
    for name, value in load_file(path).items():
        %sparameter = parameters[%s]
        parameter.set_data(mx.nd.array(value, dtype=parameter.dtype))
'''


def write(graph: Graph, *, style: str, recipe: Recipe | None, hints: Any) -> str:
    """Return the source of a network, with its training if there is a recipe."""
    given = hints or Hints()
    plan = outline(graph, Spelling(), given, sequential=style == "sequential")
    writer = GluonWriter()
    written = [*map(writer.definition, plan.definitions), writer.network(plan)]
    own = {item.name for item in plan.definitions} | {plan.root.name}
    parts = [*blocks("\n".join(written), own), *written, _load(plan)]
    if recipe is not None:
        parts += [loop.initialization(recipe), loop.training(recipe)]
    return assembled(heading(graph, given, _notes(graph)), parts, _IMPORTS)


def entry(name: str) -> str:
    """Return the name of the network's class."""
    return safe(class_name(name), Spelling.reserved)


def training(recipe: Recipe) -> str:
    """Return the source of ``train``, with its imports."""
    return loop.training(recipe)


def _notes(graph: Graph) -> list[str]:
    if any(isinstance(node.op, BatchNorm2d) and node.op.running_var == "unbiased" for node in graph.nodes):
        return [
            "Training keeps the biased running variance, as MXNet does; in the original it was the unbiased one, larger by n / (n - 1). "
            "Inference with loaded weights is the same."
        ]
    return []


def _load(plan: Outline) -> str:
    roles, layers = loading(plan, _ROLES)
    if not roles and not layers:
        return _LOAD % ("", "", "", "name")
    tables = [f"roles = {roles!r}\n    "] * bool(roles) + [f"layers = {layers!r}\n    "] * bool(layers)
    layer = "layers.get(layer, layer)" if layers else "layer"
    role = "roles.get(role, role)" if roles else "role"
    split = 'layer, _, role = name.rpartition(".")\n        '
    return _LOAD % (" with neutral names", "".join(tables), split, f'f"{{{layer}}}.{{{role}}}"')
