"""What of MXNet cannot be read is refused with the reason, the place and what to do; and MXNet is left as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from unicnn_mxnet import importer
from unicnn_mxnet.compat import mx

import unicnn as un
from unicnn.errors import PortError
from unicnn.porting.reading import from_framework

from .interpret import distance
from .nets_gluon import gluon_lenet, lenet, numbers

autograd, gluon, nd, nn = mx.autograd, mx.gluon, mx.nd, mx.gluon.nn


class Straight(autograd.Function):
    """Be a function whose derivative is not that of what it computes."""

    def forward(self, x: Any) -> Any:
        return nd.sign(x)

    def backward(self, dy: Any) -> Any:
        return dy


@pytest.mark.parametrize(
    ("net", "words"),
    [
        pytest.param(lambda x: nd.array(x.asnumpy()), ["asnumpy()", "mx.nd throughout"], id="leaving MXNet"),
        pytest.param(lambda x: x if nd.sum(x).asscalar() > 0 else -x, ["asscalar()"], id="branching on a value"),
        pytest.param(lambda x: x.as_np_ndarray(), ["mx.np"], id="going over to NumPy's imitation"),
        pytest.param(lambda x: Straight()(x), ["Straight", "a derivative of its own"], id="a derivative of its own"),
        pytest.param(lambda x: nd.LeakyReLU(x, numbers(1), act_type="prelu"), ["prelu", "Use LeakyReLU"], id="a learned slope"),
        pytest.param(lambda x, w: x * w, ["lambda x: net(x, parameters)"], id="an argument too many"),
        pytest.param(lambda x: nd.ones((2, 3)), ["does not depend"], id="a constant output"),
        pytest.param(lambda x: (x, 3), ["returns int"], id="an output that is no array"),
        pytest.param(lambda x: nd.Dropout(x, p=0.5, mode="always"), ["mode='always'", "Leave out the mode"], id="dropout in inference"),
        pytest.param(lambda x: nd.Dropout(x, p=0.5, axes=(2, 3)), ["axes"], id="dropout of channels"),
        pytest.param(lambda x: nd.SoftmaxOutput(x, nd.zeros((2, 3, 5))), ["loss", "softmax"], id="a loss"),
        pytest.param(
            lambda x: nd.Pooling(x, kernel=(2, 2), stride=(3, 3), pad=(1, 1), pooling_convention="full"),
            ["starts inside the padding", "ceil_mode=False"],
            id="a window in the padding",
        ),
    ],
)
def test_what_cannot_be_recorded_says_why_and_what_to_do(net: Any, words: list[str]) -> None:
    with pytest.raises(PortError) as caught:
        importer.record(net, ((2, 3, 5, 5),))
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("net", "word"),
    [
        pytest.param(lambda x: nd.Activation(x, act_type="softsign"), "Activation(act_type=softsign)", id="softsign"),
        pytest.param(lambda x: nd.UpSampling(x, scale=2, sample_type="nearest"), "UpSampling", id="upsampling"),
        pytest.param(lambda x: nd.BlockGrad(x), "BlockGrad", id="a stopped gradient"),
        pytest.param(lambda x: x.detach(), "BlockGrad", id="detach"),
        pytest.param(lambda x: nd.Pad(x, mode="reflect", pad_width=(0, 0, 0, 0, 1, 1, 1, 1)), "Pad(mode=reflect)", id="reflection"),
        pytest.param(lambda x: x.astype("int32"), "Cast(dtype=int32)", id="whole numbers"),
        pytest.param(lambda x: x + nd.random.normal(shape=(1,)), "_random_normal", id="noise"),
        pytest.param(lambda x: nd.LRN(x, nsize=3), "LRN", id="local response normalisation"),
    ],
)
def test_what_has_no_word_keeps_its_own_name_and_the_lifting_refuses_it_with_the_line(net: Any, word: str) -> None:
    tape = importer.record(net, ((2, 3, 5, 5),)).tape
    assert word in {call.op for call in tape.calls}
    with pytest.raises(PortError) as caught:
        from_framework(net, (2, 3, 5, 5), dialect="gluon")
    assert word in str(caught.value)
    assert f"{__file__}:" in str(caught.value)


def test_values_may_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    def net(x: Any) -> Any:
        print(x)
        return nd.relu(x)

    assert [call.op for call in importer.record(net, ((2, 3),)).tape.calls] == ["relu"]
    assert "NDArray 2x3" in capsys.readouterr().out


def test_mxnets_imitation_of_numpy_is_refused() -> None:
    with mx.util.np_array(True), pytest.raises(PortError, match="reset_np"):
        importer.record(lambda x: x, ((2, 3),))


def test_an_array_called_like_the_input_is_another_thing() -> None:
    input = numbers(1, 3)
    tape = importer.record(lambda x: x * input, ((2, 3),)).tape
    assert tape.calls[0].inputs == ("input_input", "input")


def test_a_batch_norm_without_scale_and_center_has_neither() -> None:
    net = nn.BatchNorm(scale=False, center=False)
    net.initialize()
    call = importer.record(net, ((2, 3, 4, 4),)).tape.calls[0]
    assert [operand is None for operand in call.inputs] == [False, True, True, False, False]
    frozen = nn.BatchNorm()
    frozen.initialize()
    frozen.collect_params().setattr("grad_req", "null")
    assert None not in importer.record(frozen, ((2, 3, 4, 4),)).tape.calls[0].inputs


def test_numbers_of_float16_are_refused() -> None:
    net = nn.Dense(3, in_units=5)
    net.initialize()
    net.cast("float16")
    with pytest.raises(PortError, match=r"net.cast\('float32'\)"):
        importer.record(net, ((2, 5),))


def test_a_block_without_values_is_refused() -> None:
    with pytest.raises(PortError, match=r"Call net.initialize\(\)"):
        importer.record(gluon_lenet(), ((2, 1, 28, 28),))


def test_objects_of_mxnet_are_accepted_and_others_are_not() -> None:
    for value in (gluon_lenet(), lenet, lambda x: nd.relu(x), lambda x: lenet(x)):
        assert importer.accepts(value)
    for value in (3, np.ones(3), len, un.zoo.lenet, dict, distance, lambda x: np.maximum(x, 0)):
        assert not importer.accepts(value)


def test_mxnet_is_as_it_was_after_reading() -> None:
    watched = [
        (mx.nd.register, "_imperative_invoke"), (gluon.Block, "__call__"), (gluon.HybridBlock, "_call_cached_op"), (autograd.Function, "__call__"),
        *((mx.nd.NDArray, name) for name in ("reshape", "__getitem__", "detach", "asnumpy", "as_np_ndarray")),
    ]  # fmt: skip
    before = [getattr(owner, name) for owner, name in watched]
    importer.record(lenet, ((2, 28, 28, 1),))
    with pytest.raises(PortError):
        importer.record(lambda x: nd.array(x.asnumpy()), ((2, 3),))
    assert [getattr(owner, name) for owner, name in watched] == before
