"""Pages written from the cases and the backends: run ``python -m unicnn.conformance.document DIR`` to renew them."""

from __future__ import annotations

import importlib.metadata
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from unicnn import plugins
from unicnn.backend import Refusal
from unicnn.conformance import differences
from unicnn.conformance.cases import CASES, SETTINGS
from unicnn.conformance.decisions import DECISIONS
from unicnn.conformance.differences import Difference
from unicnn.conformance.relations import RELATIONS
from unicnn.ops import VOCABULARY
from unicnn.ops.base import family
from unicnn.ops.fields import by

BUILT_IN = plugins.ORDER
"""The backends that the pages are about: the table must not depend on what else is installed."""

SPECIAL_VALUES = """# Special values

What NaN, infinities, signed zeros, ties and corners give was decided once; `unicnn.conformance.decisions` holds the decisions
as cases, and the tests check every one on every backend. Under native numerics a framework may depart from a decision; each
departure is a [known difference](differences.md), and the tests fail when one is missing or no longer true.
Run `python -m unicnn.conformance.document docs` to write this page anew.
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

DIFFERENCES = """# Known differences

Where a framework, run natively, departs from what unicnn [decided](special_values.md), and why. Every row stands in its backend's
`known_differences.toml` and is strict: on the versions and devices named, each of its cases departs, or the tests fail; a row marked
"varies" depends on the processor, and may or may not. No row concerns identical numerics, where there are no differences.
`unicnn conformance --backend B --case 'PATTERN'` shows a row's cases on your machine. Run `python -m unicnn.conformance.document docs` to
write this page anew.
"""

SUPPORT = """# What is supported

Derived from the code: a function that exists is supported, and what a framework refuses is declared beside it. Every "yes" is checked by
the number of cases on the right, forward and backward, float32, float64 and identical numerics.
Run `python -m unicnn.conformance.document docs` to write this page anew.
"""

CASE_LIST = """# The cases

Every setting below, an op with its fields on inputs of the given shapes, is checked at every level that applies to it. On the command
line a case's id is the setting's name, the level, the recipe that draws its numbers, and the dtype:
`conv2d/pad-asymmetric/exact-lattice-float32`. Run `python -m unicnn.conformance.document docs` to write this page anew.
"""

LEVELS = {
    "exact": "on whole numbers, no sum of which can round: every bit is the one right answer, in plain float32 and float64",
    "bounded": "every error, forward and backward, within a bound derived for any order of summation",
    "sharp": "contractions within 6 u sqrt(K) abs(x)'abs(w): statistical, so a warning; shows TF32, bfloat16 and lost terms",
    "identical": "the bytes that every backend gives under identical numerics, forward and backward",
    "special": "NaN, infinities, the largest number, signed zeros, ties: what was decided, value class by value class",
    "relations": "what must hold between results of one backend, without an oracle",
}


def special_values() -> str:
    """Return the page of special values as markdown."""
    notes: list[str] = []
    rows = []
    for case in DECISIONS:
        cells = [_cell(name, case.id, notes) for name in BUILT_IN]
        rows.append(f"| `{case.op}/{case.name}` | {case.question} | {case.decision} | {' | '.join(cells)} |")
    head = f"| case | question | decision | {' | '.join(BUILT_IN)} |\n| {' | '.join(['---'] * (3 + len(BUILT_IN)))} |"
    listed = "\n".join(f"{place}. {note}" for place, note in enumerate(notes, 1))
    return f"{SPECIAL_VALUES}\n{head}\n" + "\n".join(rows) + f"\n\n## Departures\n\n{listed}\n{ELSEWHERE}"


def _cell(name: str, case: str, notes: list[str]) -> str:
    known = next((item for item in differences.known(name) if item.covers(case)), None)
    if known is None:
        return "follows"
    note = f"{_who(name, known)}: {known.reason}. [Source]({known.link})."
    if note not in notes:
        notes.append(note)
    return f"departs ({notes.index(note) + 1})"


def _who(name: str, known: Difference) -> str:
    info = plugins.info(name)
    versions = ", ".join(pattern.replace(".*", "") for pattern in known.versions)
    return f"**{name if info is None else info.title}** {versions} on {', '.join(known.devices)}"


def known_differences() -> str:
    """Return the page of known differences as markdown: a count of cases by op and backend, then every difference by op."""
    rows = [(name, item) for name in BUILT_IN for item in differences.known(name)]
    covered = {id(item): [case for case in CASES if item.covers(case.id)] for _, item in rows}
    ops = list(dict.fromkeys(case.op for case in CASES if any(case in cases for cases in covered.values())))
    totals = Counter(case.op for case in CASES)
    lines = [DIFFERENCES, f"| op | cases | {' | '.join(BUILT_IN)} |", f"| {' | '.join(['---'] * (2 + len(BUILT_IN)))} |"]
    for op in ops:
        counts = [sum(case.op == op for name, item in rows if name == backend for case in covered[id(item)]) for backend in BUILT_IN]
        lines.append(f"| [{op}](#{op}) | {totals[op]} | {' | '.join(str(count or '') for count in counts)} |")
    for op in ops:
        lines += ["", f"## {op}", ""]
        for name, item in rows:
            cases = [case for case in covered[id(item)] if case.op == op]
            if cases:
                lines.append(_entry(name, item, len(cases)))
    return "\n".join(lines) + "\n"


def _entry(name: str, item: Difference, count: int) -> str:
    varies = ", varies with the processor" if item.varies else ""
    shown = f" [Reproduction](reproductions/{item.reproduction}/README.md)." if item.reproduction else ""
    return f"- {_who(name, item)} ({item.kind}{varies}): {item.reason}. `{item.case}`, {count} case{'s' * (count > 1)}. [Source]({item.link}).{shown}"


def support() -> str:
    """Return the matrix of ops and backends, and what each backend needs."""
    notes: list[str] = []
    counts = Counter(case.op for case in CASES)
    lines = [SUPPORT, f"| op | {' | '.join(BUILT_IN)} | cases |", f"| {' | '.join(['---'] * (2 + len(BUILT_IN)))} |"]
    for cls in VOCABULARY.values():
        cells = [_supported(name, family(cls), cls.lowering(), notes) for name in BUILT_IN]
        lines.append(f"| {cls.__name__} | {' | '.join(cells)} | {counts[cls.lowering()]} |")
    lines += ["", *(f"{place}. {note}" for place, note in enumerate(notes, 1))]
    lines += ["", "| backend | needs | last Python | devices |", "| --- | --- | --- | --- |"]
    lines += [_needs(name) for name in BUILT_IN]
    return "\n".join(lines) + "\n"


def _supported(name: str, file: str, op: str, notes: list[str]) -> str:
    function = plugins.backend(name).function(file, op)
    if function is None:
        return "yes" if op == "identity" else "no"  # an identity is taken out before a backend sees it
    refused: tuple[Refusal, ...] = getattr(function, "refusals", ())
    for item in refused:
        note = f"{name}, {op}: {item.reason}."
        if note not in notes:
            notes.append(note)
    return "yes" if not refused else "except " + ", ".join(f"({notes.index(f'{name}, {op}: {item.reason}.') + 1})" for item in refused)


def _needs(name: str) -> str:
    found = plugins.descriptor(name)
    assert found.info is not None
    needs = [item for item in importlib.metadata.requires(found.distribution) or [] if not item.startswith("unicnn")]
    last = "any" if found.info.python is None else ".".join(map(str, found.info.python))
    return f"| {found.info.title} | {', '.join(f'`{item}`' for item in sorted(needs))} | {last} | {'cpu, cuda' if found.info.devices.__name__ != 'cpu_only' else 'cpu'} |"


def case_list() -> str:
    """Return the page of all cases: levels, settings and relations."""
    totals, lines = Counter(case.level for case in CASES), [CASE_LIST, "| level | cases | what is asked |", "| --- | --- | --- |"]
    lines += [f"| {level} | {totals[level]:,} | {text} |" for level, text in LEVELS.items()]
    lines += [
        f"| **all** | **{len(CASES):,}** | |",
        "",
        "## Settings",
        "",
        "| setting | op | inputs | batch | cases |",
        "| --- | --- | --- | --- | --- |",
    ]
    counts = Counter(case.id.rpartition("/")[0] for case in CASES)
    for setting in SETTINGS:
        shapes, mode = " and ".join(by(shape) for shape in setting.shapes), ", training" if setting.training else ""
        lines.append(f"| `{setting.path}` | `{setting.op!r}` | {shapes} | {setting.batch}{mode} | {counts[setting.path]} |")
    lines += ["", "## Relations", "", "| relation | what must hold | cases |", "| --- | --- | --- |"]
    held = Counter(case.relation.name for case in CASES if case.level == "relations")  # type: ignore[union-attr]
    lines += [f"| {name} | {text} | {held[name]} |" for name, text in dict.fromkeys((item.name, item.statement) for item in RELATIONS)]
    return "\n".join(lines) + "\n"


def pages() -> Iterable[tuple[str, str]]:
    """Yield the name and the content of every generated page."""
    yield "special_values.md", special_values()
    yield "differences.md", known_differences()
    yield "support.md", support()
    yield "cases.md", case_list()


if __name__ == "__main__":
    for name, content in pages():
        Path(sys.argv[1], name).write_text(content, encoding="utf-8")
