"""Splits in a spec: what each feed gets of `all`, and what is wrong with a split."""

from itertools import chain
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from netspec.data.dataset import Dataset
from netspec.data.feed import open_feed
from netspec.data.sources.base import ArrayDataset
from netspec.data.spec import FeedsSpec
from netspec.data.splits import (
    DividedOrderError,
    EmptyPartError,
    GroupError,
    NoClassesError,
    SmallClassError,
    SplitSpec,
    parts_of,
)

N = 60
THIRDS = {"train": 0.5, "validation": 0.25, "test": 0.25}


def values(labels):
    numbers = tuple(range(len(labels)))
    return {"type": "Arrays", "values": (numbers, tuple(labels))}


def feeds(split=THIRDS, labels=(0, 1, 2) * (N // 3), **fields):
    every = {"source": values(labels), "split": split, **fields}
    return FeedsSpec.model_validate({"all": every, **{name: {"batch_size": 4} for name in split if name != "extra"}})


def samples(spec, name, seed=1):
    feed = open_feed(spec.named(name), "TEST", seed)
    return feed.batch(0, len(feed))[0].astype(int).tolist()


def test_each_feed_gets_its_part_in_the_order_of_the_source():
    spec = feeds()
    parts = {name: samples(spec, name) for name in THIRDS}
    assert {name: len(part) for name, part in parts.items()} == {"train": 30, "validation": 15, "test": 15}
    assert sorted(chain(*parts.values())) == list(range(N))
    for part in parts.values():
        assert part == sorted(part)
        assert np.ptp(np.bincount(np.array(part) % 3)) == 0


def test_a_training_with_another_seed_has_the_same_split():
    assert samples(feeds(), "test", 1) == samples(feeds(), "test", 99)
    assert samples(feeds(), "test") != samples(feeds(seed=2), "test")


def test_further_test_sets_take_parts_and_a_feed_may_have_its_own_source():
    spec = FeedsSpec.model_validate(
        {
            "all": {"source": values([0, 1] * 10), "split": {"train": 0.5, "night": 0.5}},
            "train": {"batch_size": 2},
            "test": {"batch_size": 2, "source": values([7, 8])},
            "tests": {"night": {"batch_size": 2}},
        }
    )
    assert sorted(samples(spec, "train") + samples(spec, "night")) == list(range(20))
    assert samples(spec, "test") == [0, 1]


@settings(deadline=None, max_examples=30)
@given(
    st.integers(2, 6), st.integers(0, 9), st.sampled_from([THIRDS, {"train": 0.9, "validation": 0.1}]), st.booleans()
)
def test_folds_are_disjoint_and_cover_all(number, seed, split, grouped):
    group = {"group": {"output": 1}} if grouped else {}
    labels = [i // 3 for i in range(N)] if grouped else [i % 3 for i in range(N)]
    held = "test" if "test" in split else "validation"
    every = []
    for fold in range(number):
        spec = feeds(split, labels, folds=number, fold=fold, seed=seed, stratify=False, **group)
        parts = {name: samples(spec, name) for name in split}
        assert sorted(chain(*parts.values())) == list(range(N))
        if grouped:
            assert sum(len({i // 3 for i in part}) for part in parts.values()) == N // 3
        every += parts[held]
    assert sorted(every) == list(range(N))


def test_the_other_folds_are_divided_as_the_split_says():
    spec = feeds({"train": 0.6, "validation": 0.2, "test": 0.2}, folds=5, fold=3)
    assert [len(samples(spec, name)) for name in spec.all.split] == [36, 12, 12]
    rest = feeds({"train": 0.4, "test": 0.2}, folds=3)  # of the 40 that are no fold half are left over, as 0.4 of 0.8
    assert [len(samples(rest, name)) for name in rest.all.split] == [20, 20]


class Ward(ArrayDataset):
    """Numbers with a column and files."""

    files: ClassVar = ["a/one_1.png", "a/one_2.png", "b/two_1.png", "b/two_2.png", "a/three_1.png", "b/three_2.png"]

    def column(self, name):
        return np.array(["x", "y", "x", "z", "y", "z"]) if name == "patient" else None

    def file(self, index):
        return self.files[index]


DATA = Ward("ward", ("x", "y"), (np.arange(6.0), np.array([4, 4, 5, 5, 6, 6])))
HALVES = {"train": 0.67, "test": 0.33}


def grouped(group, data=DATA):
    spec = SplitSpec.model_validate({"source": values([0]), "split": HALVES, "group": group, "stratify": False})
    return [part.tolist() for part in parts_of(spec, data).values()]


@pytest.mark.parametrize(
    ("group", "together"),
    [
        ({"column": "patient"}, [{0, 2}, {1, 4}, {3, 5}]),
        ({"output": 1}, [{0, 1}, {2, 3}, {4, 5}]),
        ({"files": r"(\w+)_\d"}, [{0, 1}, {2, 3}, {4, 5}]),
        ({"files": r"_\d"}, [{0, 2, 4}, {1, 3, 5}]),
    ],
)
def test_samples_of_a_group_stay_together(group, together):
    train, test = grouped(group)
    assert sorted(train + test) == list(range(6))
    for one in together:
        assert one <= set(train) or one <= set(test)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ({"column": "age"}, "no column 'age'"),
        ({"output": 2}, "output 2 has no single value"),
        ({"files": "one"}, "the expression 'one' is not found in 'b/two_1.png'"),
    ],
)
def test_groups_that_cannot_be_made(group, message):
    with pytest.raises(GroupError, match=message):
        grouped(group)


def test_arrays_have_no_files():
    with pytest.raises(GroupError, match="none of their own"):
        grouped({"files": "x"}, ArrayDataset("plain", ("x",), (np.arange(6),)))


def opened(labels, **fields):
    spec = feeds({"train": 0.8, "test": 0.2}, labels, **fields)
    return open_feed(spec.train, "TRAIN", 1)


def test_a_class_smaller_than_the_parts():
    with pytest.raises(SmallClassError, match="class 1 has 1 sample, fewer than the 2 parts"):
        opened([0] * 9 + [1])
    with pytest.raises(SmallClassError, match="class 1 has 3 samples, fewer than the 4 folds"):
        opened([0] * 9 + [1] * 3, folds=4)
    assert len(opened([0] * 9 + [1], stratify=False)) == 8


def test_targets_of_regression_are_no_classes():
    assert len(opened([0.5, 1.25, 7.0, 9.0, 3.0])) == 4
    with pytest.raises(NoClassesError):
        opened([0.5, 1.25, 7.0, 9.0, 3.0], stratify=True)
    assert len(opened([1.0, 2.0] * 5, stratify=True)) == 8


def test_a_part_that_comes_out_empty():
    with pytest.raises(EmptyPartError, match="the part 'test' comes out empty, of 1 sample in all"):
        opened([0], stratify=False)


def test_samples_that_follow_one_another_are_not_divided():
    source = {"type": "Text", "split": "train", "steps": 4}
    spec = SplitSpec.model_validate({"source": source, "split": HALVES})
    with pytest.raises(DividedOrderError):
        spec.open(None)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"split": {"train": 0.8, "test": 0.3}}, "sum to 1.1, more than 1"),
        ({"split": {}}, "the split has no parts"),
        ({"split": {"train": 0.8, "test": 0}}, "the share of 'test' must be more than 0"),
        ({"split": {"train": 0.8, "test": 0.1, "tset": 0.1}}, "there is no feed 'tset'"),
        ({"split": {"train": 0.8}}, "the split has no part 'test'"),
        ({"fold": 1}, "`fold` needs `folds`"),
        ({"folds": 3, "fold": 3}, "there is no fold 3"),
        ({"folds": 3, "split": {"train": 1.0}}, "a fold is the part"),
        ({"group": {}}, "it names nothing"),
        ({"group": {"column": "a", "output": 1}}, "`column` and `output` exclude each other"),
        ({"group": {"files": "("}}, "is no regular expression"),
    ],
)
def test_mistakes_in_a_split(fields, message):
    every = {"source": values([0, 1]), "split": {"train": 0.8, "test": 0.2}, **fields}
    with pytest.raises(ValidationError, match=message):
        FeedsSpec.model_validate({"all": every, "train": {"batch_size": 1}, "test": {"batch_size": 1}})


def test_a_split_that_nobody_takes():
    own = {"batch_size": 1, "source": values([0, 1])}
    with pytest.raises(ValidationError, match="no feed takes a part"):
        FeedsSpec.model_validate({"all": {"source": values([0]), "split": HALVES}, "train": own})


def test_a_source_is_opened_once_and_closed_with_its_last_feed(monkeypatch):
    counts = {"opened": 0, "closed": 0}
    monkeypatch.setattr(Dataset, "close", lambda self: counts.update(closed=counts["closed"] + 1))
    spec = feeds()
    source = type(spec.all.source)
    really = source.open

    def open(self, base):
        counts["opened"] += 1
        return really(self, base)

    monkeypatch.setattr(source, "open", open)
    data = [spec.named(name).source.open(None) for name in THIRDS]
    assert counts == {"opened": 1, "closed": 0}
    for one in data:
        one.close()
    assert counts == {"opened": 1, "closed": 1}
    again = spec.train.source.open(None)
    assert counts["opened"] == 2
    again.close()
