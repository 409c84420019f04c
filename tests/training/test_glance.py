"""What a glance at data shows: statistics of inputs, labels and their order, what sets share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.training.feeds import open_phases
from netspec.training.glance import look, shift_probe, still_feed
from netspec.training.job import load_solver
from netspec.training.probe import DataProbe
from netspec.training.rules import base_examples as made

Values = dict[str, Any]


def looked(values: Values) -> DataProbe:
    job = load_solver(values)
    return look(job, open_phases(job, 1))


def array(samples: range) -> np.ndarray:
    return np.array([[made.value(i, j) for j in range(made.FEATURES)] for i in samples])


def test_inputs_are_those_of_numpy_after_the_transforms() -> None:
    half = [{"type": "Scale", "factor": 0.5}]
    seen = looked(made.solver(train=made.feed(transform=half), test=made.feed(samples=range(90, 120), transform=half)))
    for one, samples in zip(seen.inputs, (range(80), range(90, 120)), strict=True):
        x = 0.5 * array(samples)
        figures = (one.least, one.most, one.mean, one.deviation)
        assert figures == pytest.approx((x.min(), x.max(), x.mean(), x.std()), rel=1e-5, abs=1e-7)
        assert (one.name, one.bad, one.constant, one.features, one.truth) == ("data", 0, 0, 6, False)
    assert [one.feed for one in seen.inputs] == ["train", "test"]


def test_labels_are_counted_and_their_order_is_that_of_the_training() -> None:
    def label(sample: int) -> int:
        return 0 if sample < 50 else 3

    for shuffle, low, high in ((False, 0.98, 0.99), (True, 0.3, 0.7)):
        labels = looked(made.solver(train=made.feed(label=label, shuffle=shuffle))).labels
        assert [(one.feed, one.counts, one.looked) for one in labels] == [("train", (50, 0, 0, 30), 80)]
        assert labels[0].repeats is not None and low < labels[0].repeats < high
        assert labels[0].chance_repeats == pytest.approx((50**2 + 30**2) / 80**2)


def test_samples_that_two_sets_share_are_found_with_their_names() -> None:
    seen = looked(made.solver(test=made.feed(samples=range(70, 110)))).shared
    assert [(one.feed, one.found, one.looked, one.values) for one in seen] == [("test", 10, 40, 6)]
    assert seen[0].first[0].startswith("sample 0 ") and seen[0].first[1].startswith("sample 70 ")
    assert not looked(made.solver(test=made.feed(samples=range(80, 110)))).shared


def test_equal_samples_with_other_labels_are_counted() -> None:
    def x(sample: int, feature: int) -> float:
        return made.value(min(sample, 60), feature)

    seen = looked(made.solver(train=made.feed(x)))
    labels = [made.own_class(i) for i in range(60, 80)]
    assert seen.twisted == sum(label != labels[0] for label in labels) and seen.paired == 80


def test_a_shift_is_found_with_any_number_of_classes() -> None:
    numbers = np.random.default_rng(4)
    for classes, shift in ((2, 1), (7, 3), (5, 0)):
        centres = 5 * numbers.normal(size=(classes, 9))
        labels, asked = numbers.integers(0, classes, 60), numbers.integers(0, classes, 50)
        x, y = (centres[own] + numbers.normal(size=(len(own), 9)) for own in (labels, asked))
        one = shift_probe("test", classes, (x, labels), (y, (asked - shift) % classes))
        assert one is not None and one.shift == shift and one.other > 0.9 and one.samples == 50
        assert (one.own > 0.9) == (shift == 0)
    assert shift_probe("test", 20, (x, labels), (y, asked)) is None


def test_a_still_feed_has_no_random_transforms_and_may_be_shuffled() -> None:
    values = [[[[[1.0, 2.0, 3.0]]] for _ in range(6)], list(range(6))]
    feed = {"source": {"type": "Arrays", "values": values}, "batch_size": 6, "transform": ["Mirror"]}
    first = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[6, 1, 1, 3], [6]]}
    last = {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]}
    layers = [first, made.product("ip", 6, bottom="data"), last]
    job = load_solver(
        {"net": {"layers": layers}, "data": {"train": feed}, "base_lr": 1, "lr_policy": "fixed", "max_iter": 1}
    )
    still, mixed = still_feed(job), still_feed(job, shuffled=True)
    assert still is not None and mixed is not None
    for one in (still, mixed):
        assert (one.batch(0, 6)[0] == [1, 2, 3]).all()
    assert still.batch(0, 6)[1].tolist() == list(range(6))
    assert mixed.batch(0, 6)[1].tolist() != list(range(6)) == sorted(mixed.batch(0, 6)[1].tolist())
