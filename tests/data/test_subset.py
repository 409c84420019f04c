"""Subsets of a feed: how many samples, which, and what cannot be one."""

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.feed import OrderError, open_feed
from netspec.data.spec import FeedSpec
from netspec.data.subset import SubsetError
from netspec.formats.files import MissingDataError, WrongFormatError

LABELS = (0,) * 40 + (1,) * 15 + (2,) * 5


def samples(subset, base=None, labels=LABELS, **fields):
    source = {"type": "Arrays", "values": (tuple(range(len(labels))), labels)}
    spec = FeedSpec.model_validate({"source": source, "batch_size": 2, "subset": subset, **fields})
    feed = open_feed(spec, "TEST", 1, base)
    return feed.batch(0, len(feed))[0].astype(int).tolist()


@pytest.mark.parametrize(
    ("subset", "counts"), [(0.2, [8, 3, 1]), (12, [8, 3, 1]), (1.0, [40, 15, 5]), (60, [40, 15, 5])]
)
def test_a_share_or_a_number_takes_every_class_alike(subset, counts):
    index = samples(subset)
    assert index == sorted(set(index))
    assert np.bincount(np.array(LABELS)[index]).tolist() == counts


@pytest.mark.parametrize("number", range(1, 61, 7))
def test_a_number_is_met_exactly(number):
    assert len(samples(number)) == number


def test_a_seed_draws_others():
    assert samples(20) == samples({"size": 20, "seed": 1}) != samples({"size": 20, "seed": 2})


def test_a_list_is_taken_as_it_stands(tmp_path):
    (tmp_path / "list.txt").write_text("7\n3\n\n5\n")
    np.save(tmp_path / "list.npy", np.array([7, 3, 5]))
    for subset in ((7, 3, 5), {"index": (7, 3, 5)}, "list.txt", {"file": "list.npy"}):
        assert samples(subset, tmp_path) == [7, 3, 5]
    assert samples("list.txt", tmp_path, limit=2) == [7, 3]


@pytest.mark.parametrize(
    ("subset", "message"),
    [
        (61, "a subset of 61 of only 60 samples"),
        ((0, 60), "there is no sample 60 among 60 samples"),
        ((-1,), "there is no sample -1"),
        ((4, 4), "sample 4 is listed 2 times"),
        ("empty.txt", "is empty"),
    ],
)
def test_subsets_that_are_not_there(subset, message, tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(SubsetError, match=message):
        samples(subset, tmp_path)


def test_files_that_hold_no_numbers(tmp_path):
    (tmp_path / "words.txt").write_text("3\nfour\n")
    np.save(tmp_path / "reals.npy", np.array([0.5]))
    for name in ("words.txt", "reals.npy"):
        with pytest.raises(WrongFormatError):
            samples(name, tmp_path)
    with pytest.raises(MissingDataError):
        samples("none.txt", tmp_path)


@pytest.mark.parametrize("subset", [1.5, 0, True, {}, {"size": 3, "index": (1,)}])
def test_what_is_no_subset(subset):
    with pytest.raises(ValidationError):
        samples(subset)


def test_samples_that_follow_one_another_have_no_subset():
    text = {"type": "Text", "split": "train", "steps": 4}
    with pytest.raises(OrderError):
        open_feed(FeedSpec.model_validate({"source": text, "batch_size": 2, "subset": 0.5}), "TRAIN", 1)


@pytest.mark.parametrize("number", [2**63, 10**30, -(10**30)])
def test_a_number_that_no_machine_counts_to(number):
    with pytest.raises(ValidationError, match="index"):
        samples((0, number))
