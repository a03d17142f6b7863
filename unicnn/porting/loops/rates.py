"""Learning rates as text: what a schedule multiplies the rate by, as an expression of `update` and `epoch`, counted from 0."""

from __future__ import annotations

from unicnn.porting.loops.words import tidy
from unicnn.training.schedules import ConstantRate, CosineDecay, MultiStepDecay, PolynomialDecay, Schedule, StepDecay, Warmup


def constant(schedule: Schedule) -> bool:
    """Tell whether the rate stays the same, so that forms of momentum are one."""
    return isinstance(schedule, ConstantRate)


def counters(schedule: Schedule) -> tuple[str, ...]:
    """Return what a schedule counts: nothing, "update", "epoch", or both."""
    if isinstance(schedule, ConstantRate):
        return ()
    inner = counters(schedule.then) if isinstance(schedule, Warmup) else ()
    return tuple(name for name in ("update", "epoch") if name == schedule.unit or name in inner)


def _factor(schedule: Schedule, unit: str, offset: int) -> str:
    index = _index(unit, offset)
    if isinstance(schedule, StepDecay):
        return f"{schedule.gamma!r} ** ({_group(index)} // {schedule.size})"
    if isinstance(schedule, MultiStepDecay):
        return _steps(schedule, index)
    if isinstance(schedule, CosineDecay):
        place = _group(index) if schedule.after == "return" and not schedule.first else _place(schedule, unit, offset)
        return f"(1 + math.cos(math.pi * {place} / {schedule.length})) / 2"
    if isinstance(schedule, PolynomialDecay):
        rest = f"1 - {_place(schedule, unit, offset)} / {schedule.length}"
        return f"({rest}) ** {schedule.exponent}" if schedule.exponent > 1 else rest
    return "1.0"


def _steps(schedule: MultiStepDecay, index: str) -> str:
    after = ">=" if schedule.boundary == "later" else ">"
    if not schedule.milestones:
        return "1.0"
    if len(schedule.milestones) == 1:
        return f"{schedule.gamma!r} ** ({index} {after} {schedule.milestones[0]})"
    return f"{schedule.gamma!r} ** sum({index} {after} place for place in {schedule.milestones})"


def _place(schedule: CosineDecay | PolynomialDecay, unit: str, offset: int) -> str:
    index = _index(unit, offset - (schedule.first or 0))
    if isinstance(schedule, CosineDecay) and schedule.after == "return":
        return _group(index)
    return f"min({index}, {schedule.length})"


def _index(unit: str, offset: int) -> str:
    return f"{unit} - {offset}" if offset > 0 else f"{unit} + {-offset}" if offset < 0 else unit


def _group(index: str) -> str:
    return f"({index})" if " " in index else index


def shifted(schedule: Schedule, boundary: str) -> list[str]:
    """Return the comment on milestones that are moved by one, `boundary` being what the framework's own mean."""
    if not isinstance(schedule, MultiStepDecay) or schedule.boundary == boundary:
        return []
    if boundary == "later":
        return ["# One later each: at a milestone the earlier rate still holds."]
    return ["# One earlier each: at Keras's boundary the earlier rate still holds."]


def rate_function(rate: float, schedule: Schedule) -> str:
    """Return the definition of `learning_rate(update)`, or of `epoch`, or of both."""
    names = counters(schedule)
    said = f"{' and '.join(names)} {'are' if len(names) > 1 else 'is'}"
    lines = [f'"""Return the learning rate; {said} counted from 0."""', *_returned(rate, schedule, 0)]
    return "\n".join([f"def learning_rate({', '.join(names)}):", *("    " + line for line in lines)])


def factor_function(schedule: Schedule) -> str:
    """Return the definition of `factor(update)` or `factor(epoch)`."""
    (name,) = counters(schedule)
    lines = [f'"""Return what the rate is multiplied by; the first {name} is 0."""', *_returned(1.0, schedule, 0)]
    return "\n".join([f"def factor({name}):", *("    " + line for line in lines)])


def _returned(rate: float, schedule: Schedule, offset: int) -> list[str]:
    if final := getattr(schedule, "final", 0.0):
        least = repr(tidy(final * rate))
        return [f"falling = {_factor(schedule, schedule.unit or 'update', offset)}", f"return {least} + ({rate!r} - {least}) * falling"]
    if not isinstance(schedule, Warmup):
        return [f"return {_times(rate, schedule, offset)}"]
    index, share = _index(schedule.unit or "update", offset), f"{_group(_index(schedule.unit or 'update', offset))} / {schedule.length}"
    rising = f"{schedule.start!r} + (1 - {schedule.start!r}) * {share}" if schedule.start else share
    own = schedule.then.unit == schedule.unit
    return [
        f"if {index} < {schedule.length}:",
        f"    return {rising if rate == 1 else f'{rate!r} * ({rising})' if schedule.start else f'{rate!r} * {rising}'}",
        *_returned(rate, schedule.then, offset + schedule.length if own else 0),
    ]


def _times(rate: float, schedule: Schedule, offset: int) -> str:
    text = _factor(schedule, schedule.unit or "update", offset)
    if rate == 1:
        return text
    if isinstance(schedule, ConstantRate):
        return repr(rate)
    is_sum = isinstance(schedule, PolynomialDecay) and schedule.exponent == 1
    return f"{rate!r} * ({text})" if is_sum else f"{rate!r} * {text}"
