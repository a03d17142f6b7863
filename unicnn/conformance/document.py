"""Pages written from the cases: run ``python -m unicnn.conformance.document DIR`` to renew them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from unicnn import plugins
from unicnn.conformance import differences
from unicnn.conformance.special import SPECIALS

INTRODUCTION = """# Special values

What NaN, infinities, signed zeros, ties and corners give was decided once; `unicnn.conformance.special` holds the decisions
as cases, and the tests check every one on every backend. Under native numerics a framework may depart from a decision; each
departure is listed with its reason in the backend's `known_differences.toml`, and the tests fail when one is missing or no
longer true. Run `python -m unicnn.conformance.document docs` to write this page anew.
"""

ELSEWHERE = """
## Decided by the description itself

These never reach a backend as a question: the description is explicit, or refuses.

| question | decision |
| --- | --- |
| ceil mode, a last window inside the padding | dropped; every backend receives explicit padding and counts |
| does padding count in an average | `count_include_pad`, with PyTorch's default, true; resolved to a divisor for each window |
| "same" with a stride above 1 | TensorFlow's rule: the odd pixel goes after; resolved to explicit sides |
| a window larger than its padded input | refused, naming the layer |
| padding of a pooling window as large as the window | refused, since a window would hold padding only |
| an empty batch | the right shape, without asking a framework; its loss is refused |
| batch norm in training on one value a channel | refused |
| running variance of batch norm | `running_var`: "biased" (the default) or "unbiased" |
| GELU | `approximate`: "none" (the default) or "tanh" |
| slopes of leaky ReLU, ELU and hard sigmoid | fields with PyTorch's defaults |
| a label that is not a class, or NaN | refused, naming the first |
| float32 subnormals | as the framework does natively: TensorFlow flushes them to zero, the others keep them; zero under identical numerics |
| NaN and infinity under identical numerics | refused, naming the layer that is given one |
| the sign of a zero under identical numerics | always + |
"""


def special_values() -> str:
    """Return the page of special values as markdown."""
    names = [item.name for item in plugins.discover() if item.info is not None]
    notes: list[str] = []
    rows = []
    for case in SPECIALS:
        cells = [_cell(name, case.path, notes) for name in names]
        rows.append(f"| `{case.path}` | {case.question} | {case.decision} | {' | '.join(cells)} |")
    head = f"| case | question | decision | {' | '.join(names)} |\n| {' | '.join(['---'] * (3 + len(names)))} |"
    listed = "\n".join(f"{place}. {note}" for place, note in enumerate(notes, 1))
    return f"{INTRODUCTION}\n{head}\n" + "\n".join(rows) + f"\n\n## Departures\n\n{listed}\n{ELSEWHERE}"


def _cell(name: str, path: str, notes: list[str]) -> str:
    known = differences.find(name, path)
    if known is None:
        return "follows"
    note = f"**{name}** ({known.versions}): {known.reason}. [Source]({known.link})."
    if note not in notes:
        notes.append(note)
    return f"departs ({notes.index(note) + 1})"


def pages() -> Iterable[tuple[str, str]]:
    """Yield the name and the content of every generated page."""
    yield "special_values.md", special_values()


if __name__ == "__main__":
    for name, content in pages():
        Path(sys.argv[1], name).write_text(content, encoding="utf-8")
