"""Which samples make up each batch, and by what their gradient is divided."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import unicnn as un
from unicnn.errors import InputError
from unicnn.training.batches import Batches


def recipe(**settings: Any) -> un.Recipe:
    return un.Recipe(**{"optimizer": un.SGD(0.1), "batch_size": 4, "epochs": 3, **settings})


def batches(count: int = 10, seed: int = 5, **settings: Any) -> Batches:
    return Batches.of(recipe(**settings), count, seed)


def epoch(of: Batches, number: int) -> list[list[int]]:
    return [of.indices(number * of.per_epoch + place).tolist() for place in range(of.per_epoch)]


def flat(lists: list[list[int]]) -> list[int]:
    return [item for one in lists for item in one]


# Ten samples in batches of four, seed 5: the same on every machine, for ever

LITERAL = {
    "shuffle": [[9, 0, 7, 8], [3, 2, 1, 6], [5, 4], [7, 3, 8, 6], [9, 2, 4, 5], [0, 1]],
    "sequential": [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], [0, 1, 2, 3], [4, 5, 6, 7], [8, 9]],
    "sample": [[5, 8, 5, 6], [7, 9, 5, 8], [3, 4, 1, 9], [2, 7, 8, 8], [7, 2, 4, 4], [0, 6, 7, 0]],
}


@pytest.mark.parametrize("order", LITERAL)
def test_the_batches_of_a_seed_are_these(order: str) -> None:
    of = batches(order=order)
    assert epoch(of, 0) + epoch(of, 1) == LITERAL[order]
    assert of.indices(0).dtype == np.int64


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        pytest.param("keep", LITERAL["shuffle"], id="kept"),
        pytest.param("drop", [[9, 0, 7, 8], [3, 2, 1, 6], [7, 3, 8, 6], [9, 2, 4, 5]], id="dropped"),
        pytest.param(
            "pad",
            [[9, 0, 7, 8], [3, 2, 1, 6], [5, 4, 9, 0], [7, 3, 8, 6], [9, 2, 4, 5], [0, 1, 7, 3]],
            id="padded from the beginning of its epoch",
        ),
    ],
)
def test_a_short_last_batch_is(last: str, expected: list[list[int]]) -> None:
    of = batches(last=last)
    assert epoch(of, 0) + epoch(of, 1) == expected


@pytest.mark.parametrize("count", [8, 9, 10, 11])
def test_a_padded_batch_is_the_one_that_mxnets_iterator_makes(count: int) -> None:
    pytest.importorskip("unicnn_mxnet")
    from unicnn_mxnet.compat import mx

    theirs = mx.io.NDArrayIter(np.arange(count), batch_size=4)
    of = batches(count, order="sequential", last="pad")
    assert epoch(of, 0) == [batch.data[0].asnumpy().tolist() for batch in theirs]


@pytest.mark.parametrize("last", ["keep", "drop"])
def test_batches_in_order_are_those_of_pytorchs_loader(last: str) -> None:
    data = pytest.importorskip("torch.utils.data")
    theirs = data.DataLoader(range(10), batch_size=4, drop_last=last == "drop")
    assert epoch(batches(order="sequential", last=last), 0) == [batch.tolist() for batch in theirs]


# What holds for every number of samples, size and seed

COUNTS = st.integers(1, 60)
SIZES = st.integers(1, 25)
SEEDS = st.integers(0, 2**31)
ORDERS = st.sampled_from(["shuffle", "sequential"])


@given(COUNTS, SIZES, SEEDS, ORDERS)
def test_each_sample_comes_once_an_epoch(count: int, size: int, seed: int, order: str) -> None:
    of = Batches(count, size, order, "keep", seed)
    for number in (0, 3):
        found = epoch(of, number)
        assert sorted(flat(found)) == list(range(count))
        assert {len(batch) for batch in found[:-1]} <= {size}
        assert 1 <= len(found[-1]) <= size


@given(COUNTS, SIZES, SEEDS, ORDERS)
def test_dropping_and_padding_change_the_last_batch_alone(count: int, size: int, seed: int, order: str) -> None:
    kept, dropped, padded = (epoch(Batches(max(count, size), size, order, last, seed), 1) for last in ("keep", "drop", "pad"))
    whole = [batch for batch in kept if len(batch) == size]
    assert dropped == whole
    assert padded[: len(whole)] == whole
    assert all(len(batch) == size for batch in padded)
    if len(kept) > len(whole):
        assert padded[-1] == kept[-1] + flat(kept)[: size - len(kept[-1])]
    assert len(padded) == len(kept)


@given(COUNTS, SIZES, SEEDS)
def test_samples_drawn_with_replacement_fill_every_batch(count: int, size: int, seed: int) -> None:
    for last in ("keep", "drop", "pad"):
        of = Batches(count, size, "sample", last, seed)
        assert of.per_epoch == -(-count // size)
        assert all(len(batch) == size and min(batch) >= 0 and max(batch) < count for batch in epoch(of, 2))


def test_samples_are_drawn_evenly_and_some_twice() -> None:
    of = batches(count=10, order="sample", batch_size=50)
    drawn = Counter(int(index) for step in range(200) for index in of.indices(step))
    assert max(Counter(of.indices(0).tolist()).values()) > 1
    # 10000 draws: each sample some 1000 times, with a standard deviation of 30
    assert set(drawn) == set(range(10))
    assert all(abs(times - 1000) < 150 for times in drawn.values())


@pytest.mark.parametrize("order", ["shuffle", "sample"])
def test_another_seed_and_another_epoch_give_another_order(order: str) -> None:
    found = [epoch(batches(20, seed, order=order), number) for seed in range(4) for number in range(4)]
    assert len({str(batches_) for batches_ in found}) == 16


def test_the_order_is_not_that_of_the_samples() -> None:
    """Each place is as likely as any: over 400 epochs of 5 samples, each is first some 80 times, with a standard deviation of 8."""
    of = batches(5, batch_size=5)
    first = Counter(int(of.indices(step)[0]) for step in range(400))
    assert set(first) == set(range(5))
    assert all(abs(times - 80) < 40 for times in first.values())


@pytest.mark.parametrize("order", LITERAL)
@pytest.mark.parametrize("last", ["keep", "drop", "pad"])
def test_any_batch_can_be_made_alone_and_again(order: str, last: str) -> None:
    one, other = (batches(order=order, last=last) for _ in range(2))
    forwards = [one.indices(step).tolist() for step in range(12)]
    assert [other.indices(step).tolist() for step in reversed(range(12))] == forwards[::-1]
    assert other.indices(10**9).tolist() == one.indices(10**9).tolist()


@pytest.mark.parametrize(
    ("last", "reason"),
    [pytest.param("drop", "leaves no batch", id="drop"), pytest.param("pad", "would repeat them in one batch", id="pad")],
)
def test_a_batch_larger_than_the_data_is_refused(last: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        batches(3, last=last)
    assert str(caught.value) == (
        f"recipe: a batch of 4 is larger than the data, 3 samples, and last = {last!r} {reason}. "
        'Use a smaller batch_size, or last = "keep".'
    )
    assert epoch(batches(3, last="keep"), 0) == [epoch(Batches(3, 3, "shuffle", "keep", 5), 0)[0]]
    assert batches(4, last=last).per_epoch == 1


# The divisor: what a run multiplies the gradient of the reported loss by

MEAN, SUM = un.CrossEntropy(), un.CrossEntropy("sum")


@pytest.mark.parametrize(
    ("loss", "divisor", "factors"),
    [
        pytest.param(MEAN, "actual", (1, 1), id="a mean over the batch, as it is"),
        pytest.param(MEAN, "nominal", (1, Fraction(3, 4)), id="a mean over the batch, divided by the nominal size"),
        pytest.param(MEAN, 16, (Fraction(1, 4), Fraction(3, 16)), id="a mean over the batch, divided by 16"),
        pytest.param(SUM, "actual", (Fraction(1, 4), Fraction(1, 3)), id="a sum, divided by the actual size"),
        pytest.param(SUM, "nominal", (Fraction(1, 4), Fraction(1, 4)), id="a sum, divided by the nominal size"),
        pytest.param(SUM, 1, (1, 1), id="a sum as it is"),
        pytest.param(SUM, 0.5, (2, 2), id="a sum, divided by a half"),
    ],
)
def test_the_summed_gradient_is_divided(loss: Any, divisor: Any, factors: tuple[Any, Any]) -> None:
    of = recipe(loss=loss, divisor=divisor)
    assert (of.scale(4), of.scale(3)) == tuple(float(factor) for factor in factors)
    assert of.scaled is (factors != (1, 1))


@pytest.mark.parametrize(
    ("preset", "loss", "divisor"),
    [
        ("torch", MEAN, "actual"), ("torch", SUM, 1.0), ("keras", MEAN, "actual"), ("keras", SUM, 1.0), ("gluon", MEAN, "nominal"),
        ("gluon", SUM, "nominal"), ("torch", un.SquaredError(reduction="sum"), 1.0), ("gluon", un.SquaredError(), "nominal"),
    ],
)  # fmt: skip
def test_the_divisor_left_open_is_the_presets(preset: str, loss: Any, divisor: Any) -> None:
    assert recipe(preset=preset, loss=loss).divisor == divisor
    assert recipe(preset=preset, loss=loss, divisor="actual").divisor == "actual"


def test_twice_the_divisor_is_half_the_step() -> None:
    network = un.Sequential([un.Flatten(), un.Linear(2)], input=(1, 2, 2), name="line")
    x, labels = np.arange(24.0).reshape(6, 1, 2, 2), np.array([0, 1, 1, 0, 1, 0])
    start = {name: array.astype(np.float64) for name, array in un.initial_weights(network).items()}
    moves = []
    for divisor in (4, 8):
        of = recipe(divisor=divisor, epochs=None, steps=1)
        _, program = un.train(network, of, "numpy", "float64", data=(x, labels), weights=start)
        moves.append(program.weights()["linear1.weight"] - start["linear1.weight"])
    assert np.abs(moves[0]).max() > 0.01
    assert np.abs(moves[0] - 2 * moves[1]).max() < 1e-15
