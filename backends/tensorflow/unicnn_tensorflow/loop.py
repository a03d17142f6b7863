"""Training loops as Keras text: of a recipe, `train` and `initialize`. Nothing here imports TensorFlow."""

from __future__ import annotations

from unicnn.porting.loops import Frame, assembled, call, counters, divided, rate_function, reason
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.rates import shifted
from unicnn.porting.loops.words import comment, each, grouped, labelled, target, tidy
from unicnn.training.clipping import ClipGlobalNorm, ClipNorm, ClipValue
from unicnn.training.optimizers import power
from unicnn.training.recipe import Recipe
from unicnn.training.schedules import ConstantRate, CosineDecay, MultiStepDecay, PolynomialDecay, StepDecay
from unicnn_tensorflow.loop_init import initialization
from unicnn_tensorflow.loop_optimizers import made, spares, written_out

METRICS = {
    "accuracy": "(scores.numpy().argmax(1) == labels).sum()",
    "top_5": "hits = tf.math.top_k(scores, 5).indices.numpy() == labels[:, None]\nhits.any(1).sum()",
}


def training(recipe: Recipe) -> str:
    """Return the source of `train`."""
    schedule, own = _schedule(recipe), written_out(recipe)
    rate = "" if schedule else rate_function(recipe.optimizer.learning_rate, recipe.schedule)
    units = () if schedule else counters(recipe.schedule)
    made_rate = schedule or repr(recipe.optimizer.learning_rate)
    notes = shifted(recipe.schedule, "earlier") or (["# Keras would end at 1e-4."] if "end_learning_rate=0.0" in schedule else [])
    setup = [*notes, f"learning_rate = {schedule}"] if "(" in schedule else []
    setting = f"optimizer.learning_rate = learning_rate({', '.join({'update': 'len(losses)'}.get(unit, unit) for unit in units)})"
    return assembled(
        recipe,
        Frame(
            imports=["import keras", "import tensorflow as tf"],
            definitions=[text for text in (own, rate) if text],
            setup=[
                *setup,
                f"optimizer = {made(recipe, 'learning_rate' if setup else made_rate, bool(own), _by_optimizer(recipe))}",
                *spares(recipe),
                "weights = net.trainable_variables",
                *_step_function(recipe),
            ],
            epoch=[setting] if units == ("epoch",) else [],
            step=[*([setting] if "update" in units else []), f"loss, scores = step(x, {target(recipe)})"],
            loss="float(loss)",
            metrics={name: METRICS[name] for name in recipe.metrics or ()},
        ),
    )


def _step_function(recipe: Recipe) -> list[str]:
    share = divided(recipe, "x.shape[0]")
    body = [
        "with tf.GradientTape() as tape:",
        *indented(["scores = net(x, training=True)", *_loss(recipe)]),
        *indented([*comment(reason(recipe)), f"scaled = loss {share}"] if share else []),
        f"gradients = tape.gradient({'scaled' if share else 'loss'}, weights)",
        *([] if _by_optimizer(recipe) else _clipped(recipe)),
        *_l2(recipe),
        "optimizer.apply(gradients, weights)",
        "return loss, scores",
    ]
    return ["", "@tf.function", f"def step(x, {target(recipe)}):", *indented(body), ""]


def _loss(recipe: Recipe) -> list[str]:
    reduce = {"mean": "tf.reduce_mean", "sum": "tf.reduce_sum"}[recipe.loss.reduction]
    if labelled(recipe):
        return [
            "loss = keras.losses.sparse_categorical_crossentropy(",
            "    labels, scores, from_logits=True",
            ")",
            f"loss = {reduce}(loss)",
        ]
    scale = "" if recipe.loss.scale == 1 else f"{recipe.loss.scale!r} * "
    return [f"loss = {scale}{reduce}((scores - tf.cast(targets, scores.dtype)) ** 2)"]


def _by_optimizer(recipe: Recipe) -> bool:
    """Tell whether Keras's optimiser clips as the recipe does: what comes after clipping must then be its own, too."""
    l2 = recipe.optimizer.weight_decay and recipe.optimizer.decay == "l2"
    return recipe.clip is None or not (l2 or getattr(recipe.clip, "eps", 0.0))


def _clipped(recipe: Recipe) -> list[str]:
    clip = recipe.clip
    if isinstance(clip, ClipValue):
        return [f"gradients = [tf.clip_by_value(g, -{clip.limit!r}, {clip.limit!r}) for g in gradients]"]
    if isinstance(clip, ClipNorm):
        return [f"gradients = [tf.clip_by_norm(g, {clip.limit!r}) for g in gradients]"]
    assert isinstance(clip, ClipGlobalNorm)
    if not clip.eps:
        return [f"gradients, _ = tf.clip_by_global_norm(gradients, {clip.limit!r})"]
    return [
        *comment(f"global_clipnorm would add nothing to the norm; here it is {clip.eps!r}."),
        f"norm = tf.linalg.global_norm(gradients) + {clip.eps!r}",
        f"factor = {clip.limit!r} / tf.maximum(norm, {clip.limit!r})",
        "gradients = [factor * g for g in gradients]",
    ]


def _l2(recipe: Recipe) -> list[str]:
    of = recipe.optimizer
    if not of.weight_decay or of.decay != "l2":
        return []
    chosen = ' if "kernel" in w.name else g' if grouped(recipe) else ""
    return [
        *comment("Decay in the gradient; weight_decay of a Keras optimizer is decoupled."),
        *each("gradients", f"g + {of.weight_decay!r} * w{chosen}", "for g, w in zip(gradients, weights, strict=True)", 2),
    ]


# Rates


def _schedule(recipe: Recipe) -> str:
    """Return the rate, or Keras's own schedule of it, or nothing if the loop has to set it."""
    of, rate = recipe.schedule, recipe.optimizer.learning_rate
    if isinstance(of, ConstantRate):
        return repr(rate)
    if of.unit != "update":
        return ""
    name = f"keras.optimizers.schedules.{type(of).__name__}"
    if isinstance(of, StepDecay):
        return call(
            name.replace("StepDecay", "ExponentialDecay"),
            repr(rate),
            options={"decay_steps": of.size, "decay_rate": of.gamma, "staircase": True},
        )
    if isinstance(of, MultiStepDecay) and of.milestones:
        # Keras's boundary still has the earlier rate.
        places = [place - (of.boundary == "later") for place in sorted(of.milestones)]
        rates = [tidy(rate * power(of.gamma, passed)) for passed in range(len(places) + 1)]
        fits = places[0] >= 0 and len(set(places)) == len(places)
        return call(name.replace("MultiStepDecay", "PiecewiseConstantDecay"), repr(places), repr(rates)) if fits else ""
    if isinstance(of, CosineDecay) and of.after == "hold" and not of.first:
        return call(name, repr(rate), options={"decay_steps": of.length, "alpha": of.final}, defaults={"alpha": 0.0})
    if isinstance(of, PolynomialDecay) and not of.first:
        options = {"decay_steps": of.length, "end_learning_rate": tidy(of.final * rate), "power": of.exponent}
        return call(name, repr(rate), options=options, defaults={"end_learning_rate": 1e-4, "power": 1})
    return ""


__all__ = ["initialization", "training"]
