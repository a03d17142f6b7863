"""A campaign: so many random networks from a seed, every failure shrunk, each bug reported once."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unicnn.conformance import differences
from unicnn.conformance.fuzzing.generating import Drawn, draw
from unicnn.conformance.fuzzing.ledger import Finding, Ledger
from unicnn.conformance.fuzzing.reproducing import write_network, write_spot
from unicnn.conformance.fuzzing.running import Beyond, Suspect, cut, fails, run
from unicnn.conformance.fuzzing.shrinking import shrink
from unicnn.conformance.fuzzing.simplifying import simplify
from unicnn.conformance.fuzzing.spot import Fault, Spot
from unicnn.errors import BackendError
from unicnn.ops import VOCABULARY


@dataclass(frozen=True)
class Options:
    """Say how many networks to draw from which seed, on which backends, for how many seconds at most, and where reproductions go."""

    n: int
    seed: int
    backends: tuple[str, ...]
    out: Path
    seconds: float | None = None


class Enough(BaseException):
    """End a campaign whose time is over. No Exception, which hypothesis would take for a failure and shrink."""


class Broken(BaseException):
    """Carry an error of the campaign itself, such as that of a full disk, past hypothesis."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class Whole(Exception):
    """Carry a fault that no layer shows alone, for hypothesis to shrink the network."""

    def __init__(self, fault: Fault, drawn: Drawn) -> None:
        super().__init__(str(fault))
        self.fault, self.drawn = fault, drawn


def campaign(options: Options, tell: Callable[[Ledger], None] = lambda _: None) -> Ledger:
    """Run a campaign and return its ledger; `tell` is called after every network."""
    engine = _hypothesis()
    hunt = Hunt(options, tell)
    with tempfile.TemporaryDirectory() as home:
        engine.configuration.set_hypothesis_home_dir(home)  # or it leaves a folder where the command is called
        try:
            with np.errstate(all="ignore"):  # overflows are met on purpose
                _sessions(engine, hunt)
        finally:
            engine.configuration.set_hypothesis_home_dir(None)
    return hunt.ledger


def _sessions(engine: Any, hunt: Hunt) -> None:
    """Draw networks until there are enough; a failure that has to be shrunk as a whole ends a session, and another one begins."""
    for session in range(hunt.options.n):
        before = hunt.ledger.networks
        try:
            _session(engine, hunt, hunt.options.seed * 1_000_003 + session)
        except (Enough, KeyboardInterrupt):
            return
        except Broken as broken:
            raise broken.error from None
        except Whole as whole:
            hunt.report_whole(whole)
        except engine.errors.HypothesisException:  # the network did not fail a second time
            hunt.report_whole(hunt.whole)
        if hunt.ledger.networks in (before, hunt.options.n):
            return


def _hypothesis() -> Any:
    try:
        import hypothesis
        import hypothesis.configuration
        import hypothesis.errors
        import hypothesis.strategies
    except ImportError:
        raise BackendError(
            "Fuzzing needs hypothesis, which draws the networks and is not installed here. Install it: pip install 'unicnn[fuzz]'"
        ) from None
    return hypothesis


def _session(engine: Any, hunt: Hunt, seed: int) -> None:
    """Draw networks until there are enough, or until one fails that has to be shrunk as a whole, which is then raised."""
    strategies = engine.strategies

    settings = engine.settings(
        max_examples=hunt.options.n - hunt.ledger.networks,
        database=None,
        deadline=None,
        phases=(engine.Phase.generate, engine.Phase.shrink),
        suppress_health_check=list(engine.HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=engine.Verbosity.quiet,
    )

    def each(rng: Any, number: int) -> None:
        hunt.network(draw(rng, number))

    hunt.whole = None
    given = engine.given(strategies.randoms(use_true_random=False), strategies.integers(0, 2**32 - 1))
    engine.seed(seed)(settings(given(each)))()


class Hunt:
    """Run networks one after the other, and follow up what is suspect."""

    def __init__(self, options: Options, tell: Callable[[Ledger], None]) -> None:
        self.options, self.tell = options, tell
        self.ledger = Ledger(options.backends)
        self.started = time.monotonic()
        self.whole: Whole | None = None

    def network(self, drawn: Drawn) -> None:
        """Run one network; raise Whole if it fails only as a whole, Enough if time is over."""
        try:
            fault = self._first(drawn) if self.whole is None else self._again(drawn)
        except Exception as error:
            raise Broken(error) from error
        if fault is not None:
            # hypothesis takes two errors for the same one only if they are raised in the same place.
            raise Whole(fault, drawn)

    def _first(self, drawn: Drawn) -> Fault | None:
        """Run a new network, and return the fault that only the whole of it shows, if there is one."""
        if self.options.seconds is not None and time.monotonic() - self.started > self.options.seconds:
            raise Enough
        seen = run(drawn, self.options.backends)
        self.ledger.networks += 1
        self.ledger.judged += seen.judged
        self.ledger.refused += seen.refused
        for suspect in seen.suspects:
            self._follow(drawn, suspect)
        self.tell(self.ledger)
        return None if self.whole is None else self.whole.fault

    def _again(self, drawn: Drawn) -> Fault | None:
        """Return the fault that is being shrunk if a smaller network has it, too."""
        assert self.whole is not None
        for suspect in run(drawn, self.options.backends).suspects:
            if suspect.fault == self.whole.fault and self._cut(drawn, suspect) is None:
                return suspect.fault
        return None

    def _cut(self, drawn: Drawn, suspect: Suspect) -> tuple[Fault, Spot] | Beyond | None:
        """Return the layer that shows a fault alone, None if none does, or why it is no fault."""
        try:
            return cut(drawn, suspect, self.options.backends)
        except Beyond as beyond:
            return beyond

    def _follow(self, drawn: Drawn, suspect: Suspect) -> None:
        if self.ledger.again(suspect.fault):
            return
        found = self._cut(drawn, suspect)
        if isinstance(found, Beyond):
            self.ledger.beyond += 1
            return
        if found is None:
            self.whole = self.whole or Whole(suspect.fault, drawn)
            return
        fault, spot = found
        if known(fault):
            self.ledger.known += 1
            return
        self.ledger.met[suspect.fault] = fault
        if not self.ledger.again(suspect.fault):
            self._report(fault, spot)

    def _report(self, fault: Fault, spot: Spot) -> None:
        small = smallest(spot, fault, self.options.backends)
        written = write_spot(self.options.out, fault, small, self.options.backends)
        self.ledger.findings[fault] = Finding(fault, summary(small), 1, written.where, written.stands_alone)

    def report_whole(self, whole: Whole | None) -> None:
        """Take down a fault that only a network of several layers shows."""
        if whole is None or whole.fault in self.ledger.findings:
            return
        written = write_network(self.options.out, whole.fault, whole.drawn, self.options.backends)
        layers = ", ".join(str(layer.op) for layer in whole.drawn.model.layers)
        self.ledger.met[whole.fault] = whole.fault
        self.ledger.findings[whole.fault] = Finding(whole.fault, layers, 1, written.where, written.stands_alone)


def smallest(spot: Spot, fault: Fault, backends: Sequence[str]) -> Spot:
    """Return the smallest and simplest spot found that shows a fault."""

    def shows(candidate: Spot) -> bool:
        return fails(candidate, fault, backends)

    return simplify(shrink(spot, shows), shows)


def known(fault: Fault) -> bool:
    """Tell whether a backend's known differences cover a native fault, under the path "fuzz/conv2d"."""
    op = VOCABULARY.get(fault.op)
    if fault.level != "native" or op is None:
        return False
    return any(item.covers(f"fuzz/{op.lowering()}") for item in differences.known(fault.backend))


def summary(spot: Spot) -> str:
    """Return a spot in words: "Conv2d 1, 1x1 on 1x1x2x2"."""
    sizes = " and ".join("x".join(map(str, array.shape)) for array in spot.inputs)
    return f"{spot.op} on {sizes}{', in training' if spot.training and spot.op.states else ''}"
