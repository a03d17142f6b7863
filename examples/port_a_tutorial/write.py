"""Write the page and the files of this example anew: ``python -m examples.port_a_tutorial.write``, in the folder of the project."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.with_suffix(".md")
ORIGINAL = "gluon_lenet.py:lenet"
TARGETS = {
    "torch": "lenet_torch.py",
    "keras": "lenet_keras.py",
    "numpy": "lenet_numpy.py",
}
MISTAKE = (
    "    # Images are flattened in the order H, W, C here, and in the order C, H, W there.\n"
    '    weight = arrays["linear1.weight"].reshape(-1, 50, 5, 5)\n'
    '    arrays["linear1.weight"] = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)\n'
)
"""What somebody who ports by hand forgets."""


def command(*arguments: str) -> list[str]:
    """Return the command line that a reader types."""
    return ["unicnn", *arguments]


def port(dialect: str, *more: str) -> list[str]:
    """Return the command that ports the tutorial's network."""
    return command(
        "port",
        ORIGINAL,
        "--input",
        "1,1,28,28",
        "--to",
        dialect,
        "-o",
        TARGETS[dialect],
        "--recipe",
        "gluon-lenet",
        *more,
    )


def run(arguments: list[str], folder: Path, width: int = 100) -> str:
    """Run a command in a folder, and return what it prints."""
    import os

    environment = {**os.environ, "COLUMNS": str(width), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "unicnn.cli", *arguments[1:]],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    return "\n".join(line.rstrip() for line in done.stdout.splitlines())


def wrong(text: str) -> str:
    """Return the Keras port as somebody who does not know about flattening writes it."""
    assert MISTAKE in text
    return text.replace(MISTAKE, "")


def shown(path: Path, language: str = "py", start: str = "") -> str:
    """Return a file, from the line that begins with `start` on, as a block of the page."""
    text = path.read_text(encoding="utf-8")
    return f"```{language}\n{text[text.index(start) :].rstrip()}\n```"


def page(folder: Path) -> str:
    """Return the page, running everything that it shows in `folder`."""
    shutil.copy(HERE / "gluon_lenet.py", folder)
    printed = {dialect: run(port(dialect, "--force"), folder) for dialect in TARGETS}
    mistaken = folder / "lenet_keras_by_hand.py"
    mistaken.write_text(
        wrong((folder / TARGETS["keras"]).read_text(encoding="utf-8")), encoding="utf-8"
    )
    check = command(
        "verify", ORIGINAL, mistaken.name, "--input", "1,1,28,28", "--to", "keras"
    )
    refuted = run(check, folder)
    template = (HERE / "page.md").read_text(encoding="utf-8")
    values = {
        "gluon": shown(folder / "gluon_lenet.py"),
        "torch": shown(folder / TARGETS["torch"]),
        "keras": shown(folder / TARGETS["keras"]),
        "numpy": shown(folder / TARGETS["numpy"], start="class LeNet"),
        "numpy lines": str(
            len((folder / TARGETS["numpy"]).read_text(encoding="utf-8").splitlines())
        ),
        "port torch": " ".join(port("torch")),
        "port keras": " ".join(port("keras")),
        "port numpy": " ".join(port("numpy")),
        "certificate": printed["torch"],
        "keras verdict": _verdict(printed["keras"]),
        "numpy verdict": _verdict(printed["numpy"]),
        "check": " ".join(check),
        "refuted": refuted,
    }
    return re.sub(r"\{\{(.+?)\}\}", lambda match: values[match[1]], template)


def _verdict(text: str) -> str:
    return text[text.index("Proven") if "Proven" in text else 0 :].strip()


def main() -> None:
    """Write everything into this folder, but the weights and the certificates."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = page(folder)
        for file in TARGETS.values():
            shutil.copy(folder / file, HERE)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
