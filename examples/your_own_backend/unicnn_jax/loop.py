"""Training loops as Flax NNX and optax text: of a recipe, `train` and `initialize`. Nothing here imports JAX."""

from __future__ import annotations

from unicnn.porting.loops import Frame, assembled, counters, divided, rate_function, reason
from unicnn.porting.loops.frame import indented
from unicnn.porting.loops.words import comment, labelled, target
from unicnn.training.recipe import Recipe
from unicnn_jax.loop_init import initialization
from unicnn_jax.loop_optimizers import definitions, made, scheduled

METRICS = {
    "accuracy": "(scores.argmax(1) == labels).sum().item()",
    "top_5": "hits = jax.lax.top_k(scores, 5)[1] == labels[:, None]\nhits.any(1).sum().item()",
}


def training(recipe: Recipe) -> str:
    """Return the source of `train`."""
    units = () if scheduled(recipe) else counters(recipe.schedule)
    arguments = ", ".join({"update": "len(losses)"}.get(unit, unit) for unit in units)
    setting = [f"rate[...] = learning_rate({arguments})"]
    rate = [rate_function(recipe.optimizer.learning_rate, recipe.schedule)] if units else []
    return assembled(
        recipe,
        Frame(
            imports=["import jax", "import jax.numpy as jnp", "import optax", "from flax import nnx"],
            definitions=[*definitions(recipe), *rate],
            setup=[
                "dtype = jax.tree.leaves(nnx.state(net, nnx.Param))[0].dtype",
                *made(recipe),
                "optimizer = nnx.Optimizer(net, transform, wrt=nnx.Param)",
                *(['rate = optimizer.opt_state.hyperparams["learning_rate"]'] if units else []),
                "net.train()",
                *_step_function(recipe),
            ],
            epoch=setting if units == ("epoch",) else [],
            step=[
                "x = jnp.asarray(x, dtype)",
                *([] if labelled(recipe) else ["targets = jnp.asarray(targets, dtype)"]),
                *(setting if "update" in units else []),
                f"loss, scores = step(net, optimizer, x, {target(recipe)})",
            ],
            metrics={name: METRICS[name] for name in recipe.metrics or ()},
        ),
    )


def _step_function(recipe: Recipe) -> list[str]:
    share, given = divided(recipe, "len(x)"), target(recipe)
    value, rest = (f"loss {share}", "(loss, scores)") if share else ("loss", "scores")
    return [
        "",
        f"def loss_function(net, x, {given}):",
        *indented(["scores = net(x)", *_loss(recipe), *(comment(reason(recipe)) if share else []), f"return {value}, {rest}"]),
        "",
        "@nnx.jit",
        f"def step(net, optimizer, x, {given}):",
        "    gradient = nnx.value_and_grad(loss_function, has_aux=True)",
        f"    ({'_' if share else 'loss'}, {rest}), gradients = gradient(net, x, {given})",
        "    optimizer.update(net, gradients)",
        "    return loss, scores",
        "",
    ]


def _loss(recipe: Recipe) -> list[str]:
    if labelled(recipe):
        name = "optax.softmax_cross_entropy_with_integer_labels"
        return [f"loss = {name}(scores, labels)", f"loss = loss.{recipe.loss.reduction}()"]
    scale = "" if recipe.loss.scale == 1 else f"{recipe.loss.scale!r} * "
    return [f"loss = {scale}jnp.{recipe.loss.reduction}((scores - targets) ** 2)"]


__all__ = ["initialization", "training"]
