"""Why a choice of two recipes may differ, and what it means, in a sentence."""

from __future__ import annotations

from unicnn.porting.difference.choices import Choice
from unicnn.porting.difference.result import NO_EFFECT
from unicnn.training.recipe import Recipe
from unicnn.training.schedules import ConstantRate

_REASONS = {
    "optimizer.form": "Momentum has two forms: PyTorch's buffer and the velocity of Keras and MXNet. They are equal until the rate changes.",
    "optimizer.eps": "Adam's eps is 1e-8 in PyTorch, MXNet and Optax and 1e-7 in Keras; other optimisers' differ, too.",
    "optimizer.eps_placement": "eps is added to the corrected root in PyTorch and Optax, to the uncorrected one in Keras and MXNet: 32 times more at first.",
    "optimizer.decay": "weight_decay is added to the gradient in PyTorch's SGD and Adam and in MXNet, and taken off the weight in Keras and AdamW.",
    "optimizer.weight_decay": "AdamW decays by 0.01 by default in PyTorch, by 0.004 in Keras, other optimisers not at all.",
    "optimizer.decay_applies_to": "PyTorch and MXNet decay biases and batch norm's parameters, too; Keras's kernel_regularizer only kernels, twice as much.",
    "optimizer.learning_rate": "SGD's default is 0.01 in MXNet and Keras, 0.001 in PyTorch; a loss that is summed asks for a smaller rate than a mean.",
    "optimizer.rho": "RMSProp's default is 0.99 in PyTorch and 0.9 elsewhere.",
    "optimizer.initial": "AdaGrad's sum begins at 0.1 in Keras and Optax, at 0 in PyTorch and MXNet.",
    "optimizer.nesterov": "Gluon has Nesterov's momentum as an optimiser of its own, nag.",
    "schedule.boundary": "Keras's piecewise constant rate keeps the earlier value at a boundary, the others have the later one.",
    "schedule.first": "MXNet's schedules begin at position 1, everybody else's at 0.",
    "schedule.after": "PyTorch's cosine comes back up after its end, Keras's and MXNet's stay down.",
    "schedule.unit": "PyTorch's schedulers are stepped once an epoch as a rule, Keras's and MXNet's count updates.",
    "divisor": "Gluon's trainer.step(n) divides by the n it is given, also where the last batch is shorter; a mean loss divides by the real size.",
    "averaging": "A mean of batch means gives a short last batch too much weight; Keras's fit weights by samples. Weights do not depend on it.",
    "loss.reduction": "What is reported is a sum instead of a mean; the update divides the summed gradient by the divisor either way.",
    "last": "PyTorch, Gluon and Keras keep a short last batch; MXNet's NDArrayIter fills it from the beginning.",
    "order": "Keras's fit shuffles by default, loaders of PyTorch and Gluon do not.",
    "batch_size": "Keras's fit takes 32 by default, PyTorch's loader 1.",
    "data.divide_by": "ToTensor divides by 255 in Gluon and PyTorch (there only bytes); Keras does not scale by itself.",
    "init.weight": "Default weights: uniform in 0.07 in Gluon, within 1/sqrt(fan in) in PyTorch, Glorot uniform in Keras.",
    "init.bias": "Biases begin at 0, except in PyTorch, where they are uniform within 1/sqrt(fan in).",
    "clip": "MXNet's clip_gradient limits each element, clip_grad_norm_ all together, Keras's clipnorm each weight.",
    "metrics": "Only what is reported differs.",
    "test_batch_size": "It matters where figures are means over batches.",
}

_IDLE = {
    "form": "Without momentum there is only one form, and while the rate is constant both are equal.",
    "nesterov": "Without momentum there is nothing to look ahead along.",
    "decay": "There is no weight decay.",
    "decay_applies_to": "There is no weight decay.",
    "divisor": "For every size that a batch can have here, the two divide by the same number.",
    "last": "No batch is short.",
    "test_batch_size": "Figures are means over samples, however they are batched.",
    "resize_method": "Nothing is resized.",
    "model": "One of them leaves open what it trains.",
    "unit": "The rate is multiplied by the same in every update.",
}


def reason(choice: Choice, a: Recipe, b: Recipe, severity: str) -> str:
    """Return what a choice means, and who makes it which way."""
    field = choice.name.rpartition(".")[2]
    if severity == NO_EFFECT:
        if field == "form" and any(getattr(item.optimizer, "momentum", 0.0) for item in (a, b)):
            return "The two forms of momentum are equal as long as the rate does not change, and here it never does."
        return _IDLE.get(field, "The rate is multiplied by the same in every update.")
    if choice.name == "schedule" and isinstance(a.schedule, ConstantRate) != isinstance(b.schedule, ConstantRate):
        return "Only one of the two changes its learning rate."
    if choice.name == "optimizer":
        return "Two optimisers: nothing else about the update can be compared."
    return _REASONS.get(choice.name, "")
