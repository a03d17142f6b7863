"""Networks as people write them: containers, several inputs and outputs, precisions, wrappers, what a forward leaves behind."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import numpy as np
import pytest

from unicnn import ops
from unicnn.porting.imported import Imported
from unicnn.porting.reading import from_framework

from .proving import distances, worst
from .torch_families import Does, F, held, learned, nn, scrambled, torch

SHAPE = (2, 4, 8, 8)
Pair = namedtuple("Pair", "logits aux")


def proven(net: nn.Module, shape: Any = SHAPE, *, training: bool = True) -> Imported:
    imported = from_framework(scrambled(net), shape, training=training)
    place, distance = worst(distances(imported))
    assert distance < 1e-10, place
    return imported


def layers(imported: Imported) -> list[str]:
    return [f"{layer.name}: {type(layer.op).__name__}" for layer in imported.model.layers]


class Containers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Conv2d(4, 4, 1), nn.Sequential(nn.Conv2d(4, 4, 1), nn.Tanh(), nn.Conv2d(4, 4, 1))])
        self.named = nn.ModuleDict({"act": nn.SiLU(inplace=True), "last": nn.Conv2d(4, 4, 1)})
        self.scales = nn.ParameterList([learned(4, 1, 1), learned(4, 1, 1)])
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return self.named["last"](self.named["act"](x)) * self.scales[0] + self.scales[1]


def test_containers_give_layers_their_paths() -> None:
    assert layers(proven(Containers())) == [
        "blocks.0: Conv2d", "blocks.1.0: Conv2d", "blocks.1.1: Tanh", "blocks.1.2: Conv2d", "named.act: SiLU", "named.last: Conv2d", "conv1: Conv2d",
    ]  # fmt: skip


OUTPUTS = {
    "a tuple": (lambda net, x: (net.conv(x), F.relu(x)), [None, None]),
    "a dict": (lambda net, x: {"b": net.conv(x), "a": F.relu(x)}, ["b", "a"]),
    "an ordered dict": (lambda net, x: OrderedDict(out=net.conv(x), aux=F.relu(x)), ["out", "aux"]),
    "a named tuple": (lambda net, x: Pair(net.conv(x), F.relu(x)), ["logits", "aux"]),
    "a named tuple with nothing in it": (lambda net, x: Pair(net.conv(x), None), ["logits"]),
    "a tuple with the input": (lambda net, x: (net.conv(x), x), [None, None]),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_may_be(name: str) -> None:
    function, keys = OUTPUTS[name]
    assert [key for key, _ in proven(Does(function, conv=nn.Conv2d(4, 4, 1))).model.outputs] == keys


def test_several_inputs_keep_their_names() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(4, 4, 1)

        def forward(self, image, other):
            return self.conv(image) + other

    assert [name for name, _ in proven(Two(), (SHAPE, SHAPE)).model.inputs] == ["image", "other"]


def test_layers_without_weights_may_be_called_again() -> None:
    net = Does(lambda net, x: net.act(net.conv(net.act(x))), act=nn.ReLU(), conv=nn.Conv2d(4, 4, 1))
    assert layers(proven(net)) == ["act1: ReLU", "conv: Conv2d", "act2: ReLU"]


def test_what_changes_in_place_changes_for_every_reader() -> None:
    net = Does(lambda net, x: (lambda y: F.relu(y, inplace=True) + y)(net.conv(x)), conv=nn.Conv2d(4, 4, 1))
    imported = proven(net)
    assert imported.model.layers[-1].inputs == ("relu1", "relu1")


def test_a_sum_in_place_is_a_sum() -> None:
    def forward(net, x):
        y = net.conv(x)
        y += x
        return F.relu_(y)

    assert layers(proven(Does(forward, conv=nn.Conv2d(4, 4, 1)))) == ["conv: Conv2d", "add1: Add", "relu1: ReLU"]


def test_a_bias_is_not_given_to_a_layer_that_others_read_under_another_name() -> None:
    def forward(net, x):
        y = net.conv(x).contiguous()
        return (y + net.bias) * y

    imported = proven(Does(forward, conv=nn.Conv2d(4, 4, 1, bias=False), bias=learned(4, 1, 1)))
    assert not imported.model.layers[0].op.bias


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_a_network_may_have_another_precision(dtype: str) -> None:
    imported = proven(nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU()).to(getattr(torch, dtype)))
    assert all(array.dtype == np.float32 for array in imported.weights.values())
    assert not imported.rounded


def test_digits_that_float32_cannot_hold_are_told() -> None:
    net = scrambled(nn.Sequential(nn.Conv2d(4, 4, 3)).double())
    with torch.no_grad():
        net[0].weight.mul_(1.1)
    assert from_framework(net, SHAPE).rounded == ("conv1.weight",)


def test_a_cast_to_float_is_nothing_in_a_network_of_floats() -> None:
    assert layers(proven(Does(lambda net, x: net.conv(x.float()), conv=nn.Conv2d(4, 4, 1)))) == ["conv: Conv2d"]


def test_a_frozen_network_is_read_like_any_other() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)).requires_grad_(False)
    assert proven(net).notes == ()


def test_a_frozen_layer_is_noted() -> None:
    net = Does(lambda net, x: net.head(net.body(x)), body=nn.Conv2d(4, 4, 3).requires_grad_(False), head=nn.Conv2d(4, 4, 3))
    assert any(note.startswith("body: numbers that are fixed") for note in proven(net).notes)


def test_a_normalised_weight_is_folded_where_only_inference_is_wanted() -> None:
    net = Does(lambda net, x: net.conv(x), conv=nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3)))
    assert layers(proven(net, training=False)) == ["conv: Conv2d"]


def test_the_old_form_of_weight_norm_can_be_run_again() -> None:
    with pytest.warns(FutureWarning):
        net = Does(lambda net, x: net.conv(x), conv=nn.utils.weight_norm(nn.Conv2d(4, 4, 3)))
    net(torch.zeros(SHAPE))
    assert layers(proven(net, training=False)) == ["conv: Conv2d"]


def test_normalisation_with_fixed_numbers_is_one_map() -> None:
    def forward(net, x):
        scale = net.weight * (net.var + 1e-5).rsqrt()
        return x * scale.reshape(1, -1, 1, 1) + (net.bias - net.mean * scale).reshape(1, -1, 1, 1)

    imported = proven(Does(forward, weight=held(4), bias=held(4), mean=held(4), var=held(4)))
    assert layers(imported) == ["conv1: Conv2d"]
    assert imported.model.layers[0].op == ops.Conv2d(4, 1, groups=4)


def test_normalisation_of_vectors_keeps_the_module_s_name() -> None:
    net = Does(lambda net, x: net.norm(net.linear(x)), linear=nn.Linear(6, 5), norm=nn.BatchNorm1d(5))
    assert "norm: BatchNorm2d" in layers(proven(net, (2, 6)))


def test_nn_identity_is_a_layer() -> None:
    net = Does(lambda net, x: net.fc(net.conv(x)), conv=nn.Conv2d(4, 4, 1), fc=nn.Identity())
    assert layers(proven(net)) == ["conv: Conv2d", "fc: Identity"]


def test_a_view_for_one_sample_is_read_with_one_sample() -> None:
    net = Does(lambda net, x: net.linear(x.view(1, -1)), linear=nn.Linear(256, 3))
    assert layers(proven(net, (1, 4, 8, 8))) == ["flatten1: Flatten", "linear: Linear"]


def test_a_sum_of_several_in_one_expression_is_one_layer() -> None:
    net = Does(lambda net, x: net.a(x) + net.b(x) + x, a=nn.Conv2d(4, 4, 1), b=nn.Conv2d(4, 4, 1))
    assert proven(net).model.layers[-1].inputs == ("a", "b", "input")


class Keeping(nn.Module):
    """Keep what was computed, as networks do whose features somebody wants to see; export refuses it, torch.fx does not."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.seen = nn.Conv2d(4, 4, 1), None

    def forward(self, x):
        self.seen = self.conv(x)
        return F.relu(self.seen)


def test_what_a_forward_keeps_is_as_it_was_after_the_reading() -> None:
    net = Keeping()
    assert layers(proven(net)) == ["conv: Conv2d", "relu1: ReLU"]
    assert net.seen is None
    net(torch.zeros(SHAPE))
    seen = net.seen
    proven(net)
    assert net.seen is seen


def test_nothing_of_the_module_changes() -> None:
    net = scrambled(nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Identity()))
    net[1].eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    hooks, state = [len(module._forward_hooks) for module in net.modules()], torch.get_rng_state()
    distances(from_framework(net, SHAPE))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert [module.training for module in net] == [True, False, True, True]
    assert [len(module._forward_hooks) for module in net.modules()] == hooks
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in net.parameters())


def test_the_weights_stay_when_the_original_is_trained_on() -> None:
    net = nn.Sequential(nn.Conv2d(4, 4, 3))
    imported = from_framework(net, SHAPE)
    before = imported.weights["conv1.weight"].copy()
    with torch.no_grad():
        net[0].weight.add_(1.0)
    assert np.array_equal(imported.weights["conv1.weight"], before)


WRAPPERS = {"torch.compile": lambda net: torch.compile(net), "DataParallel": lambda net: nn.DataParallel(net)}


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_wrapper_is_looked_through(wrapper: str) -> None:
    assert layers(proven(WRAPPERS[wrapper](Keeping()))) == ["conv: Conv2d", "relu1: ReLU"]


def test_reading_works_where_gradients_are_switched_off() -> None:
    with torch.no_grad():
        proven(nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU()))
