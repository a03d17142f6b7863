"""Under identical numerics a whole training gives the same bytes on every backend: weights, the optimiser's state and the history."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import unicnn as un
from unicnn import plugins
from unicnn.sources import find_recipe, model_of
from unicnn.training.fingerprint import fingerprint, trained
from unicnn.training.run import Run

README = Path(__file__).parents[2] / "README.md"
STEPS = 12

NET = un.Sequential(
    [
        un.Conv2d(6, 5, padding=2, bias=False), un.BatchNorm2d(), un.ReLU(), un.MaxPool2d(2), un.Conv2d(8, 3), un.BatchNorm2d(running_var="unbiased"),
        un.Tanh(), un.AvgPool2d(2), un.Flatten(), un.Dropout(0.25), un.Linear(16), un.ReLU(), un.Linear(10),
    ],
    input=(1, 28, 28), name="small",
)  # fmt: skip

# 4 batches of 48, and with 20 samples more a short fifth: 12 steps end with the third epoch, or within it.
DATA = un.Data("fashion-mnist", source="embedded", train=192, test=0)
SHORT = un.Data("fashion-mnist", source="embedded", train=212, test=40)

RECIPES = {
    "sgd": {"optimizer": un.SGD(0.25)},
    "sgd-of-gluon-with-a-short-last-batch-and-test-samples": {"optimizer": un.SGD(0.25), "preset": "gluon", "data": SHORT},
    "momentum-as-a-buffer-with-decay": {"optimizer": un.SGD(0.02, momentum=0.9, weight_decay=1e-4)},
    "momentum-as-a-velocity-nesterov": {"optimizer": un.SGD(0.02, momentum=0.9, nesterov=True), "preset": "keras"},
    "adam": {"optimizer": un.Adam(0.002)},
    "adam-of-keras-drawn-with-replacement-summed": {"optimizer": un.Adam(0.002), "preset": "keras", "order": "sample", "loss": un.CrossEntropy("sum")},
    "adamw": {"optimizer": un.AdamW(0.002)},
    "rmsprop": {"optimizer": un.RMSProp(0.001)},
    "rmsprop-centred-with-momentum": {"optimizer": un.RMSProp(0.001, centered=True), "preset": "gluon"},
    "adagrad": {"optimizer": un.Adagrad(0.02)},
    "clipped-by-value": {"optimizer": un.SGD(0.5), "clip": un.ClipValue(0.01)},
    "clipped-by-norm": {"optimizer": un.SGD(0.5), "clip": un.ClipNorm(0.25)},
    "clipped-by-global-norm-with-warm-up-and-cosine": {
        "optimizer": un.SGD(0.5), "clip": un.ClipGlobalNorm(0.5), "schedule": un.Warmup(4, 0.25, un.CosineDecay(8, unit="update"), unit="update"),
    },
}  # fmt: skip

DIGESTS = {
    "sgd": "f546ad52686dd697e8d749687014d91e8cdce02c0a62985ee0ef77722d853703",
    "sgd-of-gluon-with-a-short-last-batch-and-test-samples": "2f25821144bb70435ac12e0ccf4caaff9fabf71ddd115e4ea9ce43ade985035e",
    "momentum-as-a-buffer-with-decay": "bfc59b6e1aff981694e33daed9b522b2a4db1521453385396ae728e389481d2c",
    "momentum-as-a-velocity-nesterov": "16a2bc5cbd46e2b82c17d372989809bbf9f8c8d089aef596835f4cb88a4583ac",
    "adam": "b35b3ad600c7a0cdbccedd921de931474f407328e6d70b42247d790c9800db72",
    "adam-of-keras-drawn-with-replacement-summed": "ae95207770f14450d8fc775cc2f68bccb0def386f7805f23c34dcbd2822a04e0",
    "adamw": "e402ce65960d7d0bfd6bcffb71752ce55ebbb0bdadfd1c671532cdcc32b8c312",
    "rmsprop": "a09b460f03bcebc204fadd61aa5a73c4e3f96b28ed027a6386656fb0554ce672",
    "rmsprop-centred-with-momentum": "60f0bd9b48e91e7ff773e2aaa6e1d72f06c49572ec08da1b13cbfb854be532a6",
    "adagrad": "21bd3309260319d36e15b0368325bb6ee459f52fc72dd5b914939facc77f231a",
    "clipped-by-value": "68b19fe15d9f65d1f3fb10b3f8803eb7ce0dae1cb9413603ef7fb0245f1de8f7",
    "clipped-by-norm": "00ccc3da7f99ea1bb5bfabb4892627956215b6eaec5b92365978f8d92ee7aa1f",
    "clipped-by-global-norm-with-warm-up-and-cosine": "4cb1ee3daf452fd3ed61cd55fc54e14005a6a539b0f0b214c3fb1a81b8cd54f0",
}
"""Printed by running this file; the same for every backend, processor and device."""


def recipe(name: str, **changes: object) -> un.Recipe:
    return un.Recipe(**{"data": DATA, "batch_size": 48, "steps": STEPS, **RECIPES[name], **changes})  # type: ignore[arg-type]


def run(name: str, backend: str, **changes: object) -> Run:
    made = Run(NET, recipe(name, **changes), backend, "identical", seed=5)
    made.go()
    return made


@pytest.mark.parametrize("name", RECIPES)
def test_a_training_has_one_digest_everywhere(name: str, backend: str) -> None:
    found = run(name, backend)
    before = Run(NET, recipe(name), backend, "identical", seed=5).program.weights()
    after = found.program.weights()
    assert all(np.isfinite(array).all() and (array != before[key]).any() for key, array in after.items())
    losses = found.history.losses
    assert len(losses) == STEPS
    assert min(losses[-3:]) < losses[0], "nothing was learned, so the digest proves nothing"
    assert found.sha256() == DIGESTS[name]


def told() -> list[tuple[str, int, str]]:
    """Return the fingerprints of trainings that README shows: recipe, steps, and the lines below the command."""
    found = re.findall(
        r"^\$ unicnn fingerprint (\S+) --steps (\d+)\n((?:[0-9a-f]{64} .*\n)+)", README.read_text(encoding="utf-8"), re.MULTILINE
    )
    return [(name, int(steps), lines) for name, steps, lines in found]


def test_readme_shows_the_fingerprint_of_a_training() -> None:
    assert told()


@pytest.mark.parametrize(("name", "steps", "lines"), told(), ids=lambda value: str(value) if len(str(value)) < 20 else "lines")
def test_the_fingerprint_of_a_training_in_readme_holds(name: str, steps: int, lines: str, backend: str) -> None:
    recipe = find_recipe(name).replace(steps=steps)
    found = fingerprint(trained(model_of(recipe), recipe, backend))
    assert {line.split()[0] for line in lines.splitlines()} == {found.sha256}


def test_every_recipe_has_a_digest_of_its_own() -> None:
    assert set(DIGESTS) == set(RECIPES)
    assert len(set(DIGESTS.values())) == len(DIGESTS)


def test_a_seed_or_a_rate_makes_another_digest() -> None:
    base = run("sgd", "numpy")
    other_rate = run("sgd", "numpy", optimizer=un.SGD(float(np.nextafter(np.float32(0.05), np.float32(1)))))
    other_seed = Run(NET, recipe("sgd"), "numpy", "identical", seed=6)
    other_seed.go()
    assert len({base.sha256(), other_rate.sha256(), other_seed.sha256()}) == 3


@pytest.mark.parametrize("stop", [1, 5, 7], ids=lambda step: f"stopped-after-step-{step}")
@pytest.mark.parametrize("name", ["momentum-as-a-buffer-with-decay", "adam"])
def test_begun_on_one_backend_and_finished_on_the_next_it_is_the_same_training(name: str, stop: int, tmp_path: Path) -> None:
    chain = plugins.usable()
    whole = recipe(name)
    total, done = STEPS, 0
    for place, backend in enumerate(chain):
        last = place == len(chain) - 1
        done = total if last else min(total, done + stop)
        part = Run(NET, whole.replace(steps=total), backend, "identical", seed=5)
        part.folder = tmp_path
        if place:
            assert part.resume(tmp_path) == ()
        part.go(until=done)
        part.save()
    assert part.sha256() == DIGESTS[name]


if __name__ == "__main__":
    for name in RECIPES:
        found = run(name, "numpy")
        print(f'    "{name}": "{found.sha256()}",  # {found.history.losses[0]:.3f} to {min(found.history.losses[-3:]):.3f}')
