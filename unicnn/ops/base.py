"""What every op of the vocabulary states about itself."""

from __future__ import annotations

import dataclasses
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, TypeVar

from unicnn.errors import DescriptionError, closest
from unicnn.ops.fields import brief, choice, field, optional, shortest
from unicnn.ops.symbolic import Symbol, apply

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_):  # noqa: D103 - Python has it from 3.11 on
        return lambda decorator: decorator


Shape: TypeAlias = tuple[int, ...]
AnyOp = TypeVar("AnyOp", bound="Op")


class Misfit(Exception):
    """Carry why an op cannot take a shape, and what to do; inference adds which layer it was."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(f"{why} {hint}")
        self.why, self.hint = why, hint


@dataclass(frozen=True)
class Parameter:
    """Describe one array that a layer holds.

    `kind` says how its axes are laid out, so that a backend may keep it in another layout of its own:
    "conv" (O, I/g, kh, kw), "conv_transpose" (I, O/g, kh, kw), "linear" (out, in), "vector", or "array" (as it is).
    `fan_in` and `fan_out` are what initialisers scale by; a bias carries its weight's.
    """

    shape: Shape
    kind: str
    fan_in: int = 0
    fan_out: int = 0
    trainable: bool = True

    @property
    def size(self) -> int:
        """Return the number of elements."""
        return math.prod(self.shape)


class Op(ABC):
    """Be one operation with its hyperparameters; immutable, comparable, free of sizes that follow from the input.

    Shapes leave the batch axis out. Axes count it, as axis 0.
    """

    prefix: ClassVar[str]
    inputs: ClassVar[int | None] = 1
    """How many values the op takes; None for two or more."""
    operands: ClassVar[tuple[str, ...]] = ()
    """The parameters in the order in which the lowering takes them, after the inputs."""
    states: ClassVar[tuple[str, ...]] = ()
    """Parameters of which the lowering returns a new value, after the output, in this order."""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):  # type: ignore[arg-type]
            try:
                value = item.metadata["check"](getattr(self, item.name))
            except ValueError as error:
                raise DescriptionError(f"{type(self).__name__}: {item.name} {error}, not {getattr(self, item.name)!r}.") from None
            object.__setattr__(self, item.name, value)

    masked: ClassVar[bool] = False
    """In training the lowering takes, after the inputs, a mask that the core draws."""

    @abstractmethod
    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the output's shape; raise Misfit if the op cannot take the inputs."""

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        """Return the normal form: every keyword argument of the lowering, with nothing left implied."""
        return self.fields()

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """Return the arrays the op holds, by the name of the operand."""
        return {}

    def multiply_adds(self, *shapes: Shape) -> int:
        """Return the multiplications of one sample's forward pass that an accumulation follows."""
        return 0

    def vanishes(self, training: bool) -> bool:
        """Tell whether the op passes its input on unchanged, so that no backend needs to see it."""
        return False

    @classmethod
    def lowering(cls) -> str:
        """Return the name under which every backend implements the op: Conv2d is `conv2d`."""
        return snake_case(cls.__name__)

    def fields(self) -> dict[str, Any]:
        """Return the op's fields by name."""
        return {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def required(cls) -> set[str]:
        """Return the names of the fields that have no default."""
        return {item.name for item in dataclasses.fields(cls) if item.default is dataclasses.MISSING}  # type: ignore[arg-type]

    def written(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, each in its shortest spelling."""
        defaults = {item.name: item.default for item in dataclasses.fields(self)}  # type: ignore[arg-type]
        checks = {item.name: item.metadata["check"] for item in dataclasses.fields(self)}  # type: ignore[arg-type]
        return {
            name: shortest(value)
            for name, value in self.fields().items()
            if defaults[name] is dataclasses.MISSING or checks[name](defaults[name]) != value
        }

    def __call__(self, *inputs: Symbol, name: str | None = None) -> Symbol:
        """Apply the op to symbols, and return the symbol of its output."""
        return apply(self, inputs, name)

    def __repr__(self) -> str:
        required = self.required()
        parts = [repr(value) if key in required else f"{key}={value!r}" for key, value in self.written().items()]
        return f"{type(self).__name__}({', '.join(parts)})"

    def __str__(self) -> str:
        required = self.required()
        values = {key: brief(getattr(self, key)) for key in self.written()}
        parts = [value if key in required else f"{key} {value}" for key, value in values.items()]
        return f"{type(self).__name__} {', '.join(parts)}".strip()


VOCABULARY: dict[str, type[Op]] = {}
"""Every op by its name, in the order of definition."""


@dataclass_transform(field_specifiers=(field,))
def op(prefix: str | None) -> Callable[[type[AnyOp]], type[AnyOp]]:
    """Register a class of the vocabulary, whose layers are named prefix1, prefix2, … unless the user names them; None is for a base."""

    def register(cls: type[AnyOp]) -> type[AnyOp]:
        frozen = dataclass(frozen=True, repr=False)(cls)
        if prefix is not None:
            frozen.prefix = prefix
            VOCABULARY[cls.__name__] = frozen
        return frozen

    return register


ACTIVATIONS = (
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "sigmoid",
    "tanh",
    "silu",
    "gelu",
    "hardswish",
    "hardsigmoid",
    "softmax",
    "log_softmax",
)


@op(None)
class Activated(Op):
    """Offer ``activation="relu"``, which the description expands into a layer of its own."""

    activation: str | None = field(optional(choice(*ACTIVATIONS)), default=None, kw_only=True)

    def __call__(self, *inputs: Symbol, name: str | None = None) -> Symbol:
        plain, activation = self.expand()
        output = apply(plain, inputs, name)
        return output if activation is None else apply(activation, (output,), name and f"{name}_{activation.prefix}")

    def expand(self) -> tuple[Op, Op | None]:
        """Return the op without its activation, and the activation's op or None."""
        if self.activation is None:
            return self, None
        return dataclasses.replace(self, activation=None), lookup_lowering(self.activation)()

    def attributes(self, *shapes: Shape) -> dict[str, Any]:
        return {key: value for key, value in self.fields().items() if key != "activation"}


def lookup(name: str) -> type[Op]:
    """Return the op class called `name`, or raise with the closest one."""
    if name not in VOCABULARY:
        raise DescriptionError(f"There is no op called {name!r}.{closest(name, VOCABULARY)}")
    return VOCABULARY[name]


def lookup_lowering(name: str) -> Any:
    """Return the op class whose lowering is called `name`."""
    return next(cls for cls in VOCABULARY.values() if cls.lowering() == name)


def family(cls: type[Op]) -> str:
    """Return the file, in the core and in every backend, that holds the op, such as "conv" or "pool"."""
    return cls.__module__.rpartition(".")[2]


def snake_case(name: str) -> str:
    """Return `name` in snake case: ConvTranspose2d is conv_transpose2d, GELU is gelu, SiLU is silu."""
    special = {"ReLU": "Relu", "SiLU": "Silu", "GELU": "Gelu", "ELU": "Elu"}
    for word, plain in special.items():
        name = name.replace(word, plain)
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def resolve_axis(axis: int, rank: int) -> int:
    """Return `axis` counted from the front, batch axis included and excluded as a choice, or raise Misfit."""
    resolved = axis + rank if axis < 0 else axis
    if not 1 <= resolved < rank:
        raise Misfit(f"axis {axis} is not one of the axes 1 to {rank - 1} (axis 0 is the batch).", "Choose one of those.")
    return resolved


def need_image(shape: Shape) -> tuple[int, int, int]:
    """Return (channels, height, width), or raise Misfit if the value is not an image."""
    if len(shape) != 3:
        raise Misfit(
            f"it needs channels x height x width, and this has {len(shape)} axes.",
            "Reshape the value first, for instance with Reshape((1, 28, 28)).",
        )
    return shape  # type: ignore[return-value]
