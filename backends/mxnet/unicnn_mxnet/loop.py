"""Training loops as Gluon text: of a recipe, `train` and `initialize`. Nothing here imports MXNet."""

from __future__ import annotations

from itertools import pairwise

from unicnn.porting.loops import Frame, assembled, call, counters, rate_function
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.rates import shifted
from unicnn.porting.loops.words import comment, labelled, short, target, tidy
from unicnn.training.clipping import ClipGlobalNorm, ClipNorm
from unicnn.training.recipe import Recipe
from unicnn.training.schedules import CosineDecay, MultiStepDecay, PolynomialDecay, StepDecay
from unicnn_mxnet.loop_init import initialization
from unicnn_mxnet.loop_optimizers import by_hand, decayed, made, written_out

METRICS = {
    "accuracy": "(scores.asnumpy().argmax(1) == labels).sum()",
    "top_5": "hits = scores.topk(k=5).asnumpy() == labels[:, None]\nhits.any(1).sum()",
}


def training(recipe: Recipe) -> str:
    """Return the source of `train`."""
    own, schedule = written_out(recipe), _schedule(recipe)
    units = () if schedule else counters(recipe.schedule)
    rate = rate_function(recipe.optimizer.learning_rate, recipe.schedule) if units else ""
    arguments = ", ".join({"update": "len(losses)"}.get(unit, unit) for unit in units)
    setting = [f"trainer.set_learning_rate(learning_rate({arguments}))"]
    return assembled(
        recipe,
        Frame(
            imports=["import mxnet as mx", "from mxnet import autograd, gluon"],
            definitions=[text for text in (own, rate) if text],
            setup=[
                "parameters = net.collect_params()",
                "like = next(iter(parameters.values()))  # batches get its type and context",
                'kind = {"dtype": like.dtype, "ctx": like.list_ctx()[0]}',
                *([*_notes(recipe), f"schedule = {schedule}"] if schedule else []),
                *made(recipe, own, bool(schedule)),
                *_loss_function(recipe),
            ],
            epoch=setting if units == ("epoch",) else [],
            step=[
                "x = mx.nd.array(x, **kind)",
                "with autograd.record():",
                "    scores = net(x)",
                *indented(_loss(recipe)),
                "loss.backward()  # of the sum, which the trainer divides",
                *_clipped(recipe),
                *(setting if "update" in units else []),
                *decayed(recipe),
                *_stepped(recipe),
            ],
            loss=f"loss.{recipe.loss.reduction}().asscalar().item()",
            metrics={name: METRICS[name] for name in recipe.metrics or ()},
        ),
    )


def _loss_function(recipe: Recipe) -> list[str]:
    if labelled(recipe):
        return ["loss_function = gluon.loss.SoftmaxCrossEntropyLoss()"]
    if recipe.loss.reduction == "sum":
        return []
    weight = tidy(2 * recipe.loss.scale)
    lines = [f"loss_function = {call('gluon.loss.L2Loss', options={'weight': weight}, defaults={'weight': 1.0})}"]
    return lines if weight == 1 else ["# L2Loss takes half the squares.", *lines]


def _loss(recipe: Recipe) -> list[str]:
    if labelled(recipe) or recipe.loss.reduction == "mean":
        return [f"loss = loss_function(scores, mx.nd.array({target(recipe)}, **kind))"]
    scale = "" if recipe.loss.scale == 1 else f"{recipe.loss.scale!r} * "
    return [f"loss = {scale}(scores - mx.nd.array(targets, **kind)) ** 2"]


def _divisor(recipe: Recipe) -> str:
    if recipe.divisor == "actual":
        return "len(x)"
    return short(recipe.batch_size if recipe.divisor == "nominal" else recipe.divisor)


def _stepped(recipe: Recipe) -> list[str]:
    note = "  # a short batch is divided by it, too" if recipe.divisor == "nominal" else ""
    return [f"trainer.step({_divisor(recipe)}){note}"]


def _clipped(recipe: Recipe) -> list[str]:
    clip = recipe.clip
    if not isinstance(clip, (ClipNorm, ClipGlobalNorm)):
        return []
    size, limit = _divisor(recipe), clip.limit
    size = "" if size == "1" else f" / {size}"
    lines = ['gradients = [p.grad() for p in parameters.values() if p.grad_req != "null"]']
    if isinstance(clip, ClipNorm):
        return [
            *lines,
            "for gradient in gradients:",
            f"    norm = gradient.norm().asscalar(){size}",
            f"    gradient *= {limit!r} / max(norm, {limit!r})",
        ]
    eps = f" + {clip.eps!r}" if clip.eps else ""
    return [
        *comment("Of the mean gradients; gluon.utils.clip_global_norm would limit the sums."),
        *lines,
        "squares = sum((gradient**2).sum().asscalar() for gradient in gradients)",
        f"norm = squares**0.5{size}{eps}",
        "for gradient in gradients:",
        f"    gradient *= {limit!r} / max(norm, {limit!r})",
    ]


def _notes(recipe: Recipe) -> list[str]:
    if isinstance(recipe.schedule, StepDecay):
        return ["# MXNet would let the rate fall to 1e-8 at the least."]
    return shifted(recipe.schedule, "later")


def _schedule(recipe: Recipe) -> str:
    """Return MXNet's own scheduler, or nothing if there is none or the loop has to know the rate beforehand."""
    of, rate = recipe.schedule, recipe.optimizer.learning_rate
    if of.unit != "update" or by_hand(recipe):
        return ""
    name, base = "mx.lr_scheduler.", {"base_lr": rate}
    if isinstance(of, StepDecay) and of.gamma <= 1:
        return call(f"{name}FactorScheduler", repr(of.size), options={"factor": of.gamma, "stop_factor_lr": 0.0, **base})
    if isinstance(of, MultiStepDecay) and of.gamma <= 1:
        places = [place + (of.boundary == "earlier") for place in of.milestones]
        fits = places and places[0] > 0 and all(one < two for one, two in pairwise(places))
        return call(f"{name}MultiFactorScheduler", repr(places), options={"factor": of.gamma, **base}) if fits else ""
    if isinstance(of, CosineDecay) and of.after == "hold" and of.first == 1:
        options = {**base, "final_lr": tidy(of.final * rate)}
        return call(f"{name}CosineScheduler", repr(of.length), options=options, defaults={"final_lr": 0.0})
    if isinstance(of, PolynomialDecay) and of.first == 1:
        options = {**base, "pwr": of.exponent, "final_lr": tidy(of.final * rate)}
        return call(f"{name}PolyScheduler", repr(of.length), options=options, defaults={"pwr": 2, "final_lr": 0.0})
    return ""


__all__ = ["initialization", "training"]
