"""Writing down activations."""

from __future__ import annotations

from unicnn_mxnet.importing.heard import Heard
from unicnn_mxnet.importing.page import Page, writes

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717


@writes("relu", "sigmoid", "tanh")
def same(heard: Heard, page: Page) -> None:
    page.last(heard.op, heard.operands[0])


@writes("Activation")
def activation(heard: Heard, page: Page) -> None:
    kind = heard.get("act_type")
    if kind in ("relu", "sigmoid", "tanh"):
        page.last(kind, heard.operands[0])
    else:
        page.foreign(f"act_type={kind}")


@writes("LeakyReLU")
def leaky_relu(heard: Heard, page: Page) -> None:
    kind, x, slope = heard.get("act_type", "leaky"), heard.operands[0], heard.number("slope", 0.25)
    if kind == "leaky":
        page.last("leaky_relu", x, negative_slope=slope)
    elif kind == "elu":
        page.last("elu", x, alpha=slope)
    elif kind == "gelu":
        page.last("gelu", x, approximate="none")
    elif kind == "selu":
        page.last("mul", page.step("elu", (x,), heard.shapes[0], alpha=SELU_ALPHA), SELU_SCALE)
    elif kind == "prelu":
        raise page.refused("its slope is learned (prelu), and a description has slopes that are given.", "Use LeakyReLU with a slope.")
    else:
        page.foreign(f"act_type={kind}")


@writes("hard_sigmoid")
def hard_sigmoid(heard: Heard, page: Page) -> None:
    page.last("hardsigmoid", heard.operands[0], slope=heard.number("alpha", 0.2), offset=heard.number("beta", 0.5))


@writes("softmax", "log_softmax", "softmin")
def softmax(heard: Heard, page: Page) -> None:
    if heard.flag("use_length"):
        return page.foreign("use_length=True")
    x, temperature = heard.operands[0], heard.get("temperature")
    if temperature is not None and float(temperature) != 1.0:
        x = page.step("div", (x, float(temperature)), heard.sizes[0])
    if heard.op == "softmin":
        x = page.step("neg", (x,), heard.sizes[0])
    page.last(heard.op.replace("min", "max"), x, axis=heard.axis("axis", -1))
    return None


@writes("SoftmaxActivation")
def softmax_activation(heard: Heard, page: Page) -> None:
    # Of a value with more axes, "instance" is said to mean all of a sample's values; it is the last axis alone.
    page.last("softmax", heard.operands[0], axis=1 if heard.get("mode", "instance") == "channel" else len(heard.sizes[0]) - 1)


@writes("SoftmaxOutput", "LinearRegressionOutput", "LogisticRegressionOutput", "MAERegressionOutput", "SVMOutput", "MakeLoss")
def loss(heard: Heard, page: Page) -> None:
    raise page.refused(
        "it is a loss as much as an output: its derivative is not that of what it returns.",
        "Return the scores, or softmax of them, and leave the loss to the training.",
    )
