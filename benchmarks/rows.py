"""What is measured: each row of the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.task import Task

SMALL, LARGE, DEEP = Task("lenet", 1), Task("lenet", 256), Task("resnet18", 8)
STEP = Task("lenet", 256, gradients=True)
TRAINING = Task("lenet", 256, training=True)

FRAMEWORKS = ("torch", "tensorflow", "mxnet")
NUMPY_TARGETS = {SMALL: 1.0, LARGE: 1.0, STEP: 1.5, TRAINING: 1.3}
IDENTICAL_TARGETS = {LARGE: 3.0, DEEP: 3.0, STEP: 4.0, TRAINING: 4.0}
"""How much longer identical numerics may take than native ones."""
TITLES = {
    "torch": "torch eager",
    "tensorflow": "tf.function",
    "mxnet": "Gluon hybrid",
    "keras": "Keras model(x)",
    "keras-predict": "Keras predict_on_batch",
    "keras-train": "Keras train_on_batch",
}
FASTER_OPENBLAS = {"OPENBLAS_CORETYPE": "SkylakeX"}


@dataclass(frozen=True)
class Row:
    """Name two contestants and what they are measured at; at most `target` times the other's time is good."""

    task: Task
    ours: str
    theirs: str
    target: float | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    memory: bool = False
    """Whether memory is measured, and not time."""

    @property
    def case(self) -> str:
        """Return what is computed, in words."""
        return f"{self.task.title}, memory" if self.memory else self.task.title

    @property
    def measured(self) -> str:
        """Return who is measured, in words."""
        name = TITLES.get(self.ours, self.ours.replace("-", " "))
        return " ".join((name, *self.environment.values()))

    @property
    def against(self) -> str:
        """Return whom it is measured against, in words."""
        return TITLES.get(self.theirs, self.theirs.replace("-", " "))

    @property
    def apart(self) -> bool:
        """Tell whether the two need processes of their own, because their libraries have threads of their own."""
        return self.ours == "unicnn-numpy" or self.environment == {"KERAS_BACKEND": "tensorflow"}


@dataclass(frozen=True)
class Command:
    """Name a command that may take at most `target` seconds of processor time more than Python alone."""

    arguments: tuple[str, ...]
    target: float

    case = "processor time"
    against = "python -c pass"

    @property
    def measured(self) -> str:
        """Return the command as it is typed."""
        return " ".join(("unicnn", *self.arguments))


def rows() -> Iterator[Row | Command]:
    """Yield everything there is to measure on this machine."""
    for framework in FRAMEWORKS:
        for task in (SMALL, LARGE, DEEP, STEP, TRAINING):
            yield Row(task, f"unicnn-{framework}", framework, 1.05)
    for environment in ({}, FASTER_OPENBLAS) if has_avx512() else ({},):
        for task, target in NUMPY_TARGETS.items():
            yield Row(task, "unicnn-numpy", "torch", target, environment)
    for backend in ("numpy", *FRAMEWORKS):
        for task, target in IDENTICAL_TARGETS.items():
            yield Row(task, f"unicnn-{backend}-identical", f"unicnn-{backend}", target)
    for framework in FRAMEWORKS:
        yield Row(TRAINING, f"unicnn-{framework}", framework, 1.2, memory=True)
    yield Row(TRAINING, "unicnn-numpy", "torch", 1.2, memory=True)
    for peer in ("keras", "keras-predict"):
        yield Row(SMALL, peer, "torch", environment={"KERAS_BACKEND": "torch"})
    for framework in ("torch", "tensorflow"):
        yield Row(TRAINING, "keras-train", "torch", environment={"KERAS_BACKEND": framework})
    yield Command(("--help",), 0.3)
    yield Command(("backends",), 0.3)


def has_avx512() -> bool:
    """Tell whether the processor has AVX-512, as far as the system says."""
    try:
        return "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
