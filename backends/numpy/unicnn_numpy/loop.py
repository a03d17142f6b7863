"""Training loops as NumPy text: of a recipe, `train` and `initialize`, of a network that has `parameters`, `gradients` and `backward`."""

from __future__ import annotations

from unicnn.porting.loops import Frame, assembled, constants, counters, divided, formula, rate_function, reason, spelled
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.words import comment, labelled, target, tidy
from unicnn.training.clipping import ClipGlobalNorm, ClipNorm, ClipValue
from unicnn.training.recipe import Recipe
from unicnn_numpy.loop_init import initialization

METRICS = {
    "accuracy": "(scores.argmax(axis=1) == labels).sum()",
    "top_5": "hits = np.argsort(-scores, axis=1)[:, :5] == labels[:, None]\nhits.any(axis=1).sum()",
}
SPELLED = {"sqrt": "np.sqrt", "positive": "np.maximum"}


def training(recipe: Recipe) -> str:
    """Return the source of `train`."""
    of, found, units = recipe.optimizer, formula(recipe.optimizer), counters(recipe.schedule)
    rate = rate_function(of.learning_rate, recipe.schedule) if units else ""
    setting = [f"lr = learning_rate({', '.join({'update': 'len(losses)'}.get(unit, unit) for unit in units)})"]
    share = divided(recipe, "len(x)")
    return assembled(
        recipe,
        Frame(
            imports=["import numpy as np"],
            definitions=[_loss(recipe), *([rate] if rate else [])],
            setup=[
                "dtype = next(iter(net.parameters.values())).dtype",
                *([] if units else [f"lr = {of.learning_rate!r}"]),
                *constants(found.constants),
                *(f"{slot} = dict.fromkeys(net.parameters, {start!r})" for slot, start in found.slots.items()),
            ],
            epoch=setting if units == ("epoch",) else [],
            step=[
                "x = x.astype(dtype)",
                "scores = net(x, training=True)",
                f"loss, gradient = {_name(recipe)}(scores, {target(recipe)})",
                *(comment(reason(recipe)) if share else []),
                f"net.backward(gradient {share})" if share else "net.backward(gradient)",
                *_global(recipe),
                *(setting if "update" in units else []),
                *(["t = len(losses) + 1"] if found.counts else []),
                "for name, g in net.gradients.items():",
                *indented(_update(recipe)),
            ],
            loss="float(loss)",
            metrics={name: METRICS[name] for name in recipe.metrics or ()},
        ),
    )


def _name(recipe: Recipe) -> str:
    return "cross_entropy" if labelled(recipe) else "squared_error"


def _loss(recipe: Recipe) -> str:
    mean = recipe.loss.reduction == "mean"
    kind = "mean" if mean else "sum"
    if labelled(recipe):
        return "\n".join(
            [
                "def cross_entropy(scores, labels):",
                f'    """Return the {kind} of the cross-entropy of raw scores, and its gradient."""',
                "    scores = scores - scores.max(axis=1, keepdims=True)",
                "    log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))",
                "    rows = np.arange(len(labels))",
                "    gradient = np.exp(log_p)",
                "    gradient[rows, labels] -= 1",
                f"    return -log_p[rows, labels].{kind}(), gradient{' / len(labels)' if mean else ''}",
            ]
        )
    scale = "" if recipe.loss.scale == 1 else f"{recipe.loss.scale!r} * "
    return "\n".join(
        [
            "def squared_error(scores, targets):",
            f'    """Return the {kind} of the squared error, and its gradient."""',
            "    error = scores - targets.astype(scores.dtype)",
            f"    return {scale}(error**2).{kind}(), {tidy(2 * recipe.loss.scale)!r} * error{' / error.size' if mean else ''}",
        ]
    )


def _global(recipe: Recipe) -> list[str]:
    clip = recipe.clip
    if not isinstance(clip, ClipGlobalNorm):
        return []
    eps = f" + {clip.eps!r}" if clip.eps else ""
    return [
        "squares = sum((g**2).sum() for g in net.gradients.values())",
        f"norm = float(squares) ** 0.5{eps}",
        f"factor = {clip.limit!r} / max(norm, {clip.limit!r})",
    ]


def _update(recipe: Recipe) -> list[str]:
    of, found, limit = recipe.optimizer, formula(recipe.optimizer), getattr(recipe.clip, "limit", None)
    clipped = {
        ClipValue: [f"g = np.clip(g, -{limit!r}, {limit!r})"],
        ClipNorm: [f"g = g * ({limit!r} / max(float(np.linalg.norm(g)), {limit!r}))"],
        ClipGlobalNorm: ["g = factor * g"],
    }
    lines = ["w = net.parameters[name]", *clipped.get(type(recipe.clip), [])]
    decay = (
        [] if not of.weight_decay else [f"g = g + {of.weight_decay!r} * w" if of.decay == "l2" else f"w *= 1 - lr * {of.weight_decay!r}"]
    )
    if decay and of.decay_applies_to == "weights":
        decay = ['if name.endswith(".weight"):', *indented(decay)]
    lines += decay
    kept = {slot: f"{slot}[name]" for slot in found.slots}
    for slot, text in found.lines:
        lines.append(f"{kept.get(slot, slot)} = {_spelled(text, kept)}")
    return [*lines, f"w {found.sign}= {_spelled(found.change, kept)}"]


def _spelled(text: str, kept: dict[str, str]) -> str:
    # positive(x) is np.maximum(x, 0)
    text = f"{text[:-1]}, 0)" if text.startswith("positive(") else text
    return spelled(text, SPELLED | kept)


__all__ = ["initialization", "training"]
