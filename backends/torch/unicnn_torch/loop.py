"""Training loops as PyTorch text: of a recipe, `train` and `initialize`. Nothing here imports PyTorch."""

from __future__ import annotations

from unicnn.porting.loops import Frame, assembled, call, counters, divided, factor_function, rate_function, reason
from unicnn.porting.loops.rates import shifted
from unicnn.porting.loops.words import comment, labelled, target, tidy
from unicnn.training.clipping import ClipGlobalNorm, ClipNorm, ClipValue
from unicnn.training.recipe import Recipe
from unicnn.training.schedules import CosineDecay, MultiStepDecay, PolynomialDecay, Schedule, StepDecay
from unicnn_torch.loop_init import initialization
from unicnn_torch.loop_optimizers import decayed, made, written_out

METRICS = {
    "accuracy": "(scores.argmax(1) == labels).sum().item()",
    "top_5": "hits = (scores.topk(5).indices == labels[:, None]).any(1)\nhits.sum().item()",
}


def training(recipe: Recipe) -> str:
    """Return the source of `train`."""
    units, own = counters(recipe.schedule), written_out(recipe)
    scheduler = _scheduler(recipe) if len(units) == 1 else ""
    imports = ["import torch", "from torch import nn"]
    imports += ["from torch.optim import lr_scheduler"] if scheduler else []
    definitions = [own, rate_function(recipe.optimizer.learning_rate, recipe.schedule) if len(units) > 1 else ""]
    definitions += [factor_function(recipe.schedule)] if "factor)" in scheduler else []
    advance = ["scheduler.step()"] if scheduler else []
    return assembled(
        recipe,
        Frame(
            imports=[*imports],
            definitions=[text for text in definitions if text],
            setup=[
                "like = next(net.parameters())  # batches get its type and device",
                *made(recipe, bool(own)),
                *([*shifted(recipe.schedule, "later"), f"scheduler = {scheduler}"] if scheduler else []),
                *_loss_function(recipe),
                "net.train()",
            ],
            step=[
                *_step(recipe),
                *_clipped(recipe),
                *(_set_rate() if len(units) > 1 else []),
                *decayed(recipe, bool(own)),
                "optimizer.step()",
                *(advance if units == ("update",) else []),
            ],
            metrics={name: METRICS[name] for name in recipe.metrics or ()},
            after=advance if units == ("epoch",) else [],
        ),
    )


def _loss_function(recipe: Recipe) -> list[str]:
    name = "nn.CrossEntropyLoss" if labelled(recipe) else "nn.MSELoss"
    return [f"loss_function = {call(name, options={'reduction': recipe.loss.reduction}, defaults={'reduction': 'mean'})}"]


def _step(recipe: Recipe) -> list[str]:
    kind = "torch.long" if labelled(recipe) else "like.dtype"
    scale = "" if labelled(recipe) or recipe.loss.scale == 1 else f"{recipe.loss.scale!r} * "
    share = divided(recipe, "len(x)")
    return [
        "x = torch.tensor(x, dtype=like.dtype, device=like.device)",
        f"{target(recipe)} = torch.tensor({target(recipe)}, dtype={kind}, device=like.device)",
        "scores = net(x)",
        f"loss = {scale}loss_function(scores, {target(recipe)})",
        "optimizer.zero_grad()",
        *(comment(reason(recipe)) if share else []),
        f"(loss {share}).backward()" if share else "loss.backward()",
    ]


def _clipped(recipe: Recipe) -> list[str]:
    clip = recipe.clip
    if isinstance(clip, ClipValue):
        return [f"nn.utils.clip_grad_value_(net.parameters(), {clip.limit!r})"]
    if isinstance(clip, ClipNorm):
        return [
            *comment("Each gradient by itself; clip_grad_norm_ would add 1e-6 to its norm."),
            "for weight in net.parameters():",
            f"    weight.grad *= {clip.limit!r} / weight.grad.norm().clamp(min={clip.limit!r})",
        ]
    if not isinstance(clip, ClipGlobalNorm):
        return []
    if clip.eps == 1e-6:
        return [f"nn.utils.clip_grad_norm_(net.parameters(), {clip.limit!r})"]
    return [
        *comment(f"clip_grad_norm_ would add 1e-6 to the norm, not {clip.eps or 0}."),
        "norms = [weight.grad.norm() for weight in net.parameters()]",
        "norm = torch.stack(norms).norm()",
        "for weight in net.parameters():",
        f"    weight.grad *= {clip.limit!r} / {f'(norm + {clip.eps!r})' if clip.eps else 'norm'}.clamp(min={clip.limit!r})",
    ]


def _set_rate() -> list[str]:
    return ["for group in optimizer.param_groups:", '    group["lr"] = learning_rate(len(losses), epoch)']


def _scheduler(recipe: Recipe) -> str:
    """Return the scheduler that does what the schedule says; the rates of an update or an epoch are PyTorch's to the last digits."""
    return f"lr_scheduler.{_own_scheduler(recipe.schedule, recipe.optimizer.learning_rate) or 'LambdaLR(optimizer, factor)'}"


def _own_scheduler(of: Schedule, rate: float) -> str:
    if isinstance(of, StepDecay):
        return call("StepLR", "optimizer", options={"step_size": of.size, "gamma": of.gamma}, defaults={"gamma": 0.1})
    if isinstance(of, MultiStepDecay):
        # A milestone at which Keras still has the earlier rate is PyTorch's next one.
        places = [place + (of.boundary == "earlier") for place in of.milestones]
        return call("MultiStepLR", "optimizer", options={"milestones": places, "gamma": of.gamma}, defaults={"gamma": 0.1})
    if isinstance(of, CosineDecay) and of.after == "return" and not of.first:
        return call(
            "CosineAnnealingLR", "optimizer", options={"T_max": of.length, "eta_min": tidy(of.final * rate)}, defaults={"eta_min": 0.0}
        )
    if isinstance(of, PolynomialDecay) and not of.first and not of.final:
        return call("PolynomialLR", "optimizer", options={"total_iters": of.length, "power": of.exponent}, defaults={"power": 1})
    return ""


__all__ = ["initialization", "training"]
