"""Every layer of Keras that can be read, in all its options: what its tape says is what it computes."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from unicnn.errors import PortError

from .keras_agreement import agreement, calls, function_of, images, keras, only, recorded, sequential, tf

layers = keras.layers


def options(**choices: list[Any]) -> Any:
    """Return a parameter for each combination, its id a sentence of what is chosen."""
    combinations = itertools.product(*choices.values())
    return [
        pytest.param(
            dict(zip(choices, item, strict=True)),
            id=" and ".join(f"{key} {getattr(value, '__name__', value)}" for key, value in zip(choices, item, strict=True)),
        )
        for item in combinations
    ]


@pytest.mark.parametrize(
    "given",
    [
        *options(padding=["valid", "same"], strides=[1, 2, (1, 3)], data_format=["channels_last", "channels_first"]),
        *options(padding=["valid", "same"], dilation_rate=[2, (1, 3)], use_bias=[True, False]),
        *options(groups=[2, 4], strides=[1, 2], data_format=["channels_last", "channels_first"]),
        *options(activation=["relu", "gelu", "softmax", tf.nn.relu, keras.activations.silu, layers.LeakyReLU(0.25)]),
    ],
)
@pytest.mark.parametrize("kernel", [3, (2, 5)], ids=["square kernel", "oblong kernel"])
def test_convolution(given: dict[str, Any], kernel: Any) -> None:
    shape = (4, 9, 14) if given.get("data_format") == "channels_first" else (9, 14, 4)
    recording = agreement(sequential(layers.Conv2D(8, kernel, name="conv1", **given), shape=shape), (2, *shape))
    call = only(recording.tape, "conv")
    assert (call.path, call.own) == ("conv1", True)
    assert call.inputs == ("input", "conv1/kernel", "conv1/bias" if given.get("use_bias", True) else None)
    assert {other.path for other in recording.tape.calls} == {"conv1"}


@pytest.mark.parametrize(
    "given",
    [
        *options(padding=["valid", "same"], strides=[1, 2], data_format=["channels_last", "channels_first"], depth_multiplier=[1, 2]),
        *options(padding=["valid", "same"], dilation_rate=[2, (3, 3)], use_bias=[True, False]),
        *options(padding=["valid", "same"], strides=[2], dilation_rate=[2]),
    ],
)
@pytest.mark.parametrize("cls", [layers.DepthwiseConv2D, layers.SeparableConv2D], ids=["depthwise", "separable"])
def test_depthwise_convolution(cls: Any, given: dict[str, Any]) -> None:
    shape = (3, 9, 17) if given.get("data_format") == "channels_first" else (9, 17, 3)
    first = {"filters": 5} if cls is layers.SeparableConv2D else {}
    recording = agreement(sequential(cls(**first, kernel_size=3, activation="tanh", **given), shape=shape), (2, *shape))
    assert calls(recording.tape) == (["conv", "conv", "tanh"] if first else ["conv", "tanh"])


@pytest.mark.parametrize(
    "given",
    [
        *options(padding=["valid", "same"], strides=[1, 2, (1, 3)], kernel_size=[1, 2, 3, 4]),
        *options(padding=["valid", "same"], strides=[(2, 2), (3, 3)], output_padding=[0, 1]),
        *options(padding=["valid", "same"], use_bias=[False]),
    ],
)
def test_transposed_convolution(given: dict[str, Any]) -> None:
    given = {"kernel_size": 3, **given}
    recording = agreement(sequential(layers.Conv2DTranspose(5, activation="relu", **given), shape=(4, 5, 3)), (2, 4, 5, 3))
    assert calls(recording.tape) == ["conv_transpose", "relu"]


def test_a_transposed_convolution_of_padding_same_crops_after_the_image() -> None:
    tape = recorded(sequential(layers.Conv2DTranspose(2, 3, strides=2, padding="same"), shape=(4, 4, 1)), (1, 4, 4, 1)).tape
    assert only(tape, "conv_transpose").attributes["crop"] == ((0, 1), (0, 1))


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_dilated_transposed_convolution_is_read_although_no_cpu_runs_it(padding: str) -> None:
    tape = recorded(sequential(layers.Conv2DTranspose(5, 3, dilation_rate=2, padding=padding), shape=(6, 7, 3)), (2, 6, 7, 3)).tape
    (output,) = function_of(tape, images((2, 6, 7, 3)))
    crop = {"valid": ((0, 0), (0, 0)), "same": ((2, 2), (2, 2))}[padding]
    assert only(tape, "conv_transpose").attributes == {
        "stride": (1, 1), "crop": crop, "dilation": (2, 2), "groups": 1, "data": "NHWC", "kernel": "HWOI",
    }  # fmt: skip
    assert output.shape == {"valid": (2, 10, 11, 5), "same": (2, 6, 7, 5)}[padding]


def test_a_bias_that_keras_adds_along_the_width_is_refused() -> None:
    model = sequential(layers.Conv2D(6, 3, data_format="channels_first", name="conv1"), shape=(4, 9, 8))
    with pytest.raises(PortError, match="conv1 .Conv2D. adds its bias along the width"):
        recorded(model, (2, 4, 9, 8))


@pytest.mark.parametrize("shape", [(6,), (3, 6), (4, 5, 6)], ids=["of vectors", "of sequences", "of images"])
@pytest.mark.parametrize("given", options(use_bias=[True, False], activation=[None, "sigmoid"]))
def test_dense(shape: tuple[int, ...], given: dict[str, Any]) -> None:
    recording = agreement(sequential(layers.Dense(7, **given), shape=shape), (3, *shape))
    assert only(recording.tape, "linear").attributes == {"kernel": "IO"}


@pytest.mark.parametrize("given", options(axis=[-1, 1], scale=[True, False], center=[True, False]))
def test_batch_normalisation(given: dict[str, Any]) -> None:
    model = sequential(layers.BatchNormalization(epsilon=1.001e-5, momentum=0.9, **given))
    recording = agreement(model, (2, 9, 8, 4))
    call = only(recording.tape, "batch_norm")
    assert call.attributes == {"eps": 1.001e-5, "keep": 0.9, "unbiased": False, "axis": given["axis"] % 4}
    assert not any(item.trainable for name, item in recording.tape.constants.items() if "moving" in name)
    assert all(item.trainable for name, item in recording.tape.constants.items() if "moving" not in name)
    assert recorded(model, (2, 9, 8, 4), training=True).tape.calls[0] == call


@pytest.mark.parametrize("given", options(axis=[-1, 1, [1, 2, 3], [3, 1]], scale=[True, False], center=[True, False]))
def test_layer_normalisation(given: dict[str, Any]) -> None:
    recording = agreement(sequential(layers.LayerNormalization(**given)), (2, 9, 8, 4))
    assert only(recording.tape, "layer_norm").attributes["eps"] == 1e-3


@pytest.mark.parametrize("cls", [layers.MaxPooling2D, layers.AveragePooling2D], ids=["largest", "mean"])
@pytest.mark.parametrize(
    "given",
    options(pool_size=[2, (3, 2)], strides=[None, 1, (2, 3)], padding=["valid", "same"], data_format=["channels_last", "channels_first"]),
)
def test_pooling(cls: Any, given: dict[str, Any]) -> None:
    agreement(sequential(cls(**given)), (2, 9, 8, 4))


@pytest.mark.parametrize("given", options(keepdims=[False, True], data_format=["channels_last", "channels_first"]))
@pytest.mark.parametrize(
    ("cls", "word"), [(layers.GlobalAveragePooling2D, "mean"), (layers.GlobalMaxPooling2D, "max")], ids=["mean", "largest"]
)
def test_global_pooling(cls: Any, word: str, given: dict[str, Any]) -> None:
    recording = agreement(sequential(cls(**given)), (2, 9, 8, 4))
    axes = (1, 2) if given["data_format"] == "channels_last" else (2, 3)
    assert only(recording.tape, word).attributes == {"axes": axes, "keepdims": given["keepdims"]}


@pytest.mark.parametrize(("data", "size"), [("channels_last", 2), ("channels_last", (9, 8)), ("channels_first", (4, 3))])
def test_adaptive_pooling(data: str, size: Any) -> None:
    shape = (9, 8, 4) if data == "channels_last" else (4, 9, 8)
    recording = agreement(sequential(layers.AdaptiveAveragePooling2D(size, data_format=data), shape=shape), (2, *shape))
    assert calls(recording.tape) == ["adaptive_avg_pool"]


ACTIVATIONS = [
    (layers.ReLU(), ["relu"]),
    (layers.ReLU(max_value=6), ["relu6"]),
    (layers.ReLU(negative_slope=0.25), ["leaky_relu"]),
    (layers.LeakyReLU(), ["leaky_relu"]),
    (layers.ELU(), ["elu"]),
    (layers.ELU(0.3), ["elu"]),
    (layers.Softmax(), ["softmax"]),
    (layers.Softmax(axis=1), ["transpose", "softmax", "transpose"]),
    (layers.Activation("linear"), ["identity"]),
    (layers.Identity(), ["identity"]),
    (layers.Activation("relu6"), ["relu6"]),
    (layers.Activation("elu"), ["elu"]),
    (layers.Activation("sigmoid"), ["sigmoid"]),
    (layers.Activation("tanh"), ["tanh"]),
    (layers.Activation("silu"), ["silu"]),
    (layers.Activation("gelu"), ["gelu"]),
    (layers.Activation("hard_sigmoid"), ["add", "relu6", "div"]),
    (layers.Activation("hard_silu"), ["add", "relu6", "div", "mul"]),
    (layers.Activation("log_softmax"), ["log_softmax"]),
    (layers.Activation("exponential"), ["exp"]),
    (layers.Activation("hard_tanh"), None),
    (layers.Activation(lambda x: keras.activations.gelu(x, approximate=True)), None),
    (layers.Activation(lambda x: tf.nn.leaky_relu(x, 0.1)), ["leaky_relu"]),
]


@pytest.mark.parametrize(("layer", "words"), ACTIVATIONS, ids=[f"{i} {layer.name}" for i, (layer, _) in enumerate(ACTIVATIONS)])
def test_activation(layer: Any, words: list[str] | None) -> None:
    recording = agreement(sequential(layer), (2, 9, 8, 4))
    assert words is None or calls(recording.tape) == words
    assert {(call.path, call.own) for call in recording.tape.calls} == {(layer.name, True)}


MOVING = [
    layers.ZeroPadding2D(2),
    layers.ZeroPadding2D(((1, 2), (0, 3)), data_format="channels_first"),
    layers.Cropping2D(((1, 2), (0, 3))),
    layers.Cropping2D(1, data_format="channels_first"),
    layers.Flatten(),
    layers.Flatten(data_format="channels_first"),
    layers.Reshape((8, 9, 4)),
    layers.Reshape((-1, 4)),
    layers.Permute((3, 1, 2)),
    layers.Rescaling(1 / 255),
    layers.Rescaling(0.5, offset=-1.0),
    layers.Rescaling([1.0, 2.0, 3.0, 4.0], offset=[0.0, 0.5, 1.0, 1.5]),
    layers.Normalization(mean=[0.1, 0.2, 0.3, 0.4], variance=[1.0, 2.0, 3.0, 4.0]),
    layers.Dropout(0.25),
    layers.ActivityRegularization(l2=0.1),
]


@pytest.mark.parametrize("layer", MOVING, ids=[f"{i} {layer.name}" for i, layer in enumerate(MOVING)])
def test_layers_that_move_and_scale(layer: Any) -> None:
    recording = agreement(sequential(layer), (2, 9, 8, 4))
    assert {(call.path, call.own) for call in recording.tape.calls} == {(layer.name, True)}


ONE_AXIS = [
    layers.Conv1D(6, 3, padding="same"),
    layers.Conv1D(6, 3, padding="causal"),
    layers.Conv1D(6, 3, strides=2, activation="relu"),
    layers.MaxPooling1D(2),
    layers.AveragePooling1D(2, padding="same"),
    layers.GlobalAveragePooling1D(),
    layers.ZeroPadding1D(2),
]


@pytest.mark.parametrize("layer", ONE_AXIS, ids=[f"{i} {layer.name}" for i, layer in enumerate(ONE_AXIS)])
def test_layers_over_one_axis_are_read_from_what_they_do(layer: Any) -> None:
    agreement(sequential(layer, shape=(9, 4)), (2, 9, 4))


MERGING = [
    (layers.Add(), ["add"]),
    (layers.Subtract(), ["sub"]),
    (layers.Multiply(), ["mul"]),
    (layers.Average(), None),
    (layers.Maximum(), ["maximum", "maximum"]),
    (layers.Minimum(), ["minimum", "minimum"]),
    (layers.Concatenate(), ["concat"]),
    (layers.Concatenate(axis=1), ["concat"]),
]


@pytest.mark.parametrize(("layer", "words"), MERGING, ids=[f"{i} {layer.name}" for i, (layer, _) in enumerate(MERGING)])
def test_layers_that_join(layer: Any, words: list[str] | None) -> None:
    inputs = [keras.Input((5, 4, 3), name=name) for name in ("left", "middle", "right")]
    taken = inputs[:2] if isinstance(layer, layers.Subtract) else inputs
    recording = agreement(keras.Model(taken, layer(taken)), *[(2, 5, 4, 3)] * len(taken))
    assert words is None or calls(recording.tape) == words
    assert [name for name, _ in recording.tape.inputs] == ["left", "middle", "right"][: len(taken)]


REFUSED = [
    (layers.UpSampling2D(2), "UpSampling2D"),
    (layers.GroupNormalization(2), "GroupNormalization"),
    (layers.UnitNormalization(), "UnitNormalization"),
    (layers.AdaptiveMaxPooling2D(2), "AdaptiveMaxPooling2D"),
    (layers.PReLU(), "PReLU"),
    (layers.BatchNormalization(renorm=True), "BatchNormalization(renorm=True)"),
]


@pytest.mark.parametrize(("layer", "word"), REFUSED, ids=[word for _, word in REFUSED])
def test_layers_without_a_word_go_by_their_own_name(layer: Any, word: str) -> None:
    tape = recorded(sequential(layer, layers.ReLU()), (2, 9, 8, 4)).tape
    assert calls(tape) == [word, "relu"]
    assert tape.calls[0].path == layer.name


def test_attention_and_recurrence_go_by_their_own_name() -> None:
    x = keras.Input((6, 4))
    attention = layers.MultiHeadAttention(2, 3, name="attention")(x, x)
    tape = recorded(keras.Model(x, layers.LSTM(3, name="lstm")(attention)), (2, 6, 4)).tape
    assert calls(tape) == ["MultiHeadAttention", "LSTM"]


@pytest.mark.parametrize(
    "layer", [layers.SpatialDropout2D(0.3), layers.GaussianNoise(0.1), layers.GaussianDropout(0.1), layers.RandomCrop(4, 4), layers.Dropout(0.3, noise_shape=(None, 1, 1, 4))],
    ids=lambda layer: layer.name,
)  # fmt: skip
def test_what_acts_only_in_training_shows_only_there(layer: Any) -> None:
    model = sequential(layer)
    assert calls(agreement(model, (2, 9, 8, 4)).tape) == ["identity"]
    (trained,) = calls(recorded(model, (2, 9, 8, 4), training=True).tape)
    assert trained.startswith(type(layer).__name__)


def test_dropout_is_on_both_tapes() -> None:
    model = sequential(layers.Dropout(0.25))
    for training in (False, True):
        assert only(recorded(model, (2, 9, 8, 4), training=training).tape, "dropout").attributes == {"p": 0.25}


def test_a_frozen_normalisation_and_a_dropout_that_never_sleeps_are_told_apart() -> None:
    frozen = sequential(layers.BatchNormalization(trainable=False))
    assert calls(recorded(frozen, (2, 9, 8, 4)).tape) == ["batch_norm"]
    assert calls(recorded(frozen, (2, 9, 8, 4), training=True).tape) == ["BatchNormalization(trainable=False)"]

    class Awake(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dropout = layers.Dropout(0.5)

        def call(self, x: Any) -> Any:
            return self.dropout(x, training=True)

    awake = Awake()
    assert calls(recorded(awake, (2, 4)).tape) == ["Dropout(training=True)"]
    assert calls(recorded(awake, (2, 4), training=True).tape) == ["dropout"]


def test_one_learned_slope_is_refused_with_what_would_work() -> None:
    model = sequential(layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25), shared_axes=[1, 2, 3], name="slope"))
    model.get_layer("slope").alpha.assign([[[0.125]]])
    with pytest.raises(PortError, match=r"slope \(PReLU.*LeakyReLU\(0\.125\)"):
        recorded(model, (2, 9, 8, 4))


def test_half_precision_is_refused() -> None:
    model = sequential(layers.Conv2D(3, 3, dtype="mixed_float16", name="conv1"))
    with pytest.raises(PortError, match="conv1 computes in float16"):
        recorded(model, (2, 9, 8, 4))


def test_a_layer_of_the_users_own_is_glue_even_if_it_derives_from_one_of_keras() -> None:
    class Doubled(layers.Conv2D):
        def call(self, x: Any) -> Any:
            return 2.0 * super().call(x)

    recording = agreement(sequential(Doubled(3, 3, name="twice")), (2, 9, 8, 4))
    assert [word for word in calls(recording.tape) if word != "reshape"] == ["conv", "add", "mul"]
    assert {(call.path, call.own) for call in recording.tape.calls} == {("twice", False)}
