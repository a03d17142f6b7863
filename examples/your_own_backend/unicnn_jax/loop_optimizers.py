"""Optimisers as optax text: its own wherever one does exactly what a recipe says, otherwise a chain of its parts."""

from __future__ import annotations

from typing import Any

from unicnn.porting.loops import call, constant
from unicnn.porting.loops.rates import shifted
from unicnn.porting.loops.words import grouped, tidy
from unicnn.training.clipping import ClipGlobalNorm, ClipNorm, ClipValue
from unicnn.training.optimizers import SGD, Adagrad, Optimizer, RMSProp
from unicnn.training.recipe import Recipe
from unicnn.training.schedules import ConstantRate, CosineDecay, MultiStepDecay, PolynomialDecay, StepDecay

DEFAULTS: dict[str, Any] = {
    "momentum": 0.0, "nesterov": False, "b1": 0.9, "b2": 0.999, "eps": 1e-8, "decay": 0.9, "eps_in_sqrt": True, "centered": False,
    "initial_accumulator_value": 0.1,
}  # fmt: skip

KERNELS = '''def kernels(parameters):
    """Say of each parameter whether it is a kernel."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: "kernel" in jax.tree_util.keystr(path), parameters
    )'''
EACH = '''def clip_each(gradients, _):
    """Scale each gradient down to a norm of {limit}."""
    return jax.tree.map(
        lambda g: g * ({limit} / jnp.maximum(jnp.sqrt((g**2).sum()), {limit})), gradients
    )'''
ALL = '''def clip_all(gradients, _):
    """Scale all gradients down to a norm of {limit}, to which {eps} is added."""
    norm = optax.global_norm(gradients) + {eps}
    return jax.tree.map(lambda g: g * ({limit} / jnp.maximum(norm, {limit})), gradients)'''
ADAM = '''def scale_by_adam(b1, b2, eps):
    """Add eps before the bias correction, as Keras and MXNet do, not after it."""

    def init(parameters):
        zeros = jax.tree.map(jnp.zeros_like, parameters)
        return zeros, zeros, jnp.zeros([], jnp.int32)

    def update(gradients, state, _=None):
        mean, square, t = state
        t = t + 1
        mean = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, mean, gradients)
        square = jax.tree.map(lambda s, g: b2 * s + (1 - b2) * g**2, square, gradients)
        size = jnp.sqrt(1 - b2**t) / (1 - b1**t)
        steps = jax.tree.map(lambda m, s: size * m / (jnp.sqrt(s) + eps), mean, square)
        return steps, (mean, square, t)

    return optax.GradientTransformation(init, update)'''
RSS = '''def scale_by_rss(initial, eps):
    """Add eps outside the root, as PyTorch does, not inside."""

    def init(parameters):
        return jax.tree.map(lambda w: jnp.full_like(w, initial), parameters)

    def update(gradients, square, _=None):
        square = jax.tree.map(lambda s, g: s + g**2, square, gradients)
        steps = jax.tree.map(lambda g, s: g / (jnp.sqrt(s) + eps), gradients, square)
        return steps, square

    return optax.GradientTransformation(init, update)'''


def definitions(recipe: Recipe) -> list[str]:
    """Return what optax lacks."""
    of, clip = recipe.optimizer, recipe.clip
    found = [KERNELS] if grouped(recipe) else []
    if isinstance(clip, ClipNorm):
        found.append(EACH.format(limit=repr(clip.limit)))
    if isinstance(clip, ClipGlobalNorm) and clip.eps:
        found.append(ALL.format(limit=repr(clip.limit), eps=repr(clip.eps)))
    if getattr(of, "eps_placement", None) == "uncorrected":
        found.append(ADAM)
    if isinstance(of, Adagrad) and of.eps_placement == "outside":
        found.append(RSS)
    return found


def made(recipe: Recipe) -> list[str]:
    """Return the statements that make the transformation of gradients into updates."""
    rate = scheduled(recipe)
    before = [*shifted(recipe.schedule, "later"), f"schedule = {rate}"] if "(" in rate else []
    name = "schedule" if before else rate or "learning_rate"
    parts = [*_clipped(recipe), *_l2(recipe), *_core(recipe, name)]
    whole = parts[0] if len(parts) == 1 else f"optax.chain({', '.join(parts)})"
    if rate:
        return [*before, f"transform = {whole}"]
    return [
        "",
        "@optax.inject_hyperparams",
        "def optimizer_of(learning_rate):",
        f"    return {whole}",
        "",
        f"transform = optimizer_of({recipe.optimizer.learning_rate!r})",
    ]


def _clipped(recipe: Recipe) -> list[str]:
    clip = recipe.clip
    if isinstance(clip, ClipValue):
        return [f"optax.clip({clip.limit!r})"]
    if isinstance(clip, ClipNorm):
        return ["optax.stateless(clip_each)"]
    if isinstance(clip, ClipGlobalNorm):
        return ["optax.stateless(clip_all)" if clip.eps else f"optax.clip_by_global_norm({clip.limit!r})"]
    return []


def _mask(recipe: Recipe) -> str:
    return ", mask=kernels" if grouped(recipe) else ""


def _decays(recipe: Recipe, form: str) -> bool:
    return bool(recipe.optimizer.weight_decay) and recipe.optimizer.decay == form


def _l2(recipe: Recipe) -> list[str]:
    return [f"optax.add_decayed_weights({recipe.optimizer.weight_decay!r}{_mask(recipe)})"] if _decays(recipe, "l2") else []


def _core(recipe: Recipe, rate: str) -> list[str]:
    of = recipe.optimizer
    if whole := _own(recipe, rate):
        return [whole]
    momentum = getattr(of, "momentum", 0.0)
    nesterov = {"nesterov": bool(getattr(of, "nesterov", False))}
    trace = [call("optax.trace", repr(momentum), options=nesterov, defaults={"nesterov": False})] if momentum else []
    rated = [f"optax.scale_by_learning_rate({rate})"]
    decay = [f"optax.add_decayed_weights({of.weight_decay!r}{_mask(recipe)})"] if _decays(recipe, "decoupled") else []
    if momentum and of.form == "velocity" and not constant(recipe.schedule):
        after = [f"optax.add_decayed_weights(-learning_rate * {of.weight_decay!r}{_mask(recipe)})"] if decay else []
        return [*_scaled(of), *rated, *trace, *after]
    return [*_scaled(of), *trace, *decay, *rated]


def _scaled(of: Optimizer) -> list[str]:
    if isinstance(of, SGD):
        return []
    if isinstance(of, RMSProp):
        name = "optax.scale_by_stddev" if of.centered else "optax.scale_by_rms"
        return [call(name, options={"decay": of.rho, "eps": of.eps, "eps_in_sqrt": of.eps_placement == "inside"}, defaults=DEFAULTS)]
    if isinstance(of, Adagrad):
        own = "optax.scale_by_rss" if of.eps_placement == "inside" else "scale_by_rss"
        return [f"{own}({of.initial!r}, {of.eps!r})"]
    settings = of.fields()
    if settings["eps_placement"] == "uncorrected":
        return [f"scale_by_adam({settings['beta1']!r}, {settings['beta2']!r}, {settings['eps']!r})"]
    options = {"b1": settings["beta1"], "b2": settings["beta2"], "eps": settings["eps"]}
    return [call("optax.scale_by_adam", options=options, defaults=DEFAULTS)]


def _own(recipe: Recipe, rate: str) -> str:
    """Return optax's own optimiser, or nothing if only a chain says the same."""
    of = recipe.optimizer
    buffered = not getattr(of, "momentum", 0.0) or constant(recipe.schedule)
    decoupled = _decays(recipe, "decoupled")
    if isinstance(of, SGD) and not decoupled and (buffered or of.form == "buffer"):
        options = {"momentum": of.momentum, "nesterov": of.nesterov and bool(of.momentum)}
        return call("optax.sgd", rate, options=options, defaults=DEFAULTS)
    if isinstance(of, RMSProp) and not decoupled and (buffered or of.form == "velocity"):
        options = {
            "decay": of.rho,
            "eps": of.eps,
            "eps_in_sqrt": of.eps_placement == "inside",
            "centered": of.centered,
            "momentum": of.momentum,
        }
        return call("optax.rmsprop", rate, options=options, defaults=DEFAULTS)
    if isinstance(of, Adagrad) and not decoupled and of.eps_placement == "inside":
        options = {"initial_accumulator_value": of.initial, "eps": of.eps}
        return call("optax.adagrad", rate, options=options, defaults={**DEFAULTS, "eps": 1e-7})
    settings = of.fields()
    if settings.get("eps_placement") != "corrected":
        return ""
    options = {"b1": settings["beta1"], "b2": settings["beta2"], "eps": settings["eps"]}
    if not decoupled:
        return call("optax.adam", rate, options=options, defaults=DEFAULTS)
    whole = call("optax.adamw", rate, options={**options, "weight_decay": of.weight_decay}, defaults={**DEFAULTS, "weight_decay": 1e-4})
    return whole[:-1] + _mask(recipe) + ")"


def scheduled(recipe: Recipe) -> str:
    """Return the rate, or optax's own schedule of it, or nothing if the loop has to set it."""
    of, rate, optimizer = recipe.schedule, recipe.optimizer.learning_rate, recipe.optimizer
    if isinstance(of, ConstantRate):
        return repr(rate)
    velocity = bool(getattr(optimizer, "momentum", 0.0)) and optimizer.form == "velocity"
    if of.unit != "update" or (velocity and _decays(recipe, "decoupled")):
        return ""
    if isinstance(of, StepDecay):
        options = {"transition_steps": of.size, "decay_rate": of.gamma, "staircase": True}
        return call("optax.exponential_decay", repr(rate), options=options)
    if isinstance(of, MultiStepDecay) and len(set(of.milestones)) == len(of.milestones):
        places = {place + (of.boundary == "earlier"): of.gamma for place in of.milestones}
        return f"optax.piecewise_constant_schedule({rate!r}, {places!r})"
    if isinstance(of, CosineDecay) and of.after == "hold" and not of.first:
        return call(
            "optax.cosine_decay_schedule", repr(rate), options={"decay_steps": of.length, "alpha": of.final}, defaults={"alpha": 0.0}
        )
    if isinstance(of, PolynomialDecay) and not of.first:
        options = {"end_value": tidy(of.final * rate), "power": of.exponent, "transition_steps": of.length}
        return call("optax.polynomial_schedule", repr(rate), options=options)
    return ""


__all__ = ["definitions", "made", "scheduled"]
