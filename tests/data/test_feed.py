import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.data.feed import LimitError, NoTrainingDataError, open_feed
from netspec.data.labels import BadLabelError, LabelRule
from netspec.data.prefetch import Prefetcher
from netspec.data.sources.base import ArrayDataset, Source
from netspec.data.spec import FeedSpec
from netspec.formats.files import MissingDataError, UnreadableDataError
from netspec.language.document import parse

N = 7
IMAGES = np.arange(N * 2 * 5 * 6).astype(np.uint8).reshape(N, 2, 5, 6)
LABELS = np.arange(N) % 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data")
    np.save(path / "x.npy", IMAGES)
    np.save(path / "y.npy", LABELS)
    np.save(path / "maps.npy", np.stack([LABELS, LABELS], axis=1))
    return path


def spec(outputs=("x.npy", "y.npy"), **fields):
    return FeedSpec.model_validate({"source": {"type": "Arrays", "outputs": outputs}, "batch_size": 3, **fields})


RANDOM = ({"type": "Crop", "size": (4, 3)}, "Mirror", {"type": "Scale", "factor": 0.5}, "Mirror")


def test_a_test_feed_gives_the_samples_in_their_order(folder):
    feed = open_feed(spec(transform={"type": "Scale", "factor": 2.0}), "TEST", 1, folder)
    x, y = feed.batch(5, 4)
    assert (feed.shapes, len(feed)) == (((2, 5, 6), ()), 7)
    assert x.dtype == y.dtype == np.float32
    np.testing.assert_array_equal(x, 2.0 * IMAGES[[5, 6, 0, 1]])
    np.testing.assert_array_equal(y, LABELS[[5, 6, 0, 1]])


def test_shapes_and_words_of_a_feed(folder):
    feed = open_feed(spec(transform=RANDOM), "TRAIN", 1, folder)
    assert feed.shapes == ((2, 4, 3), ())
    assert feed.describe() == f"{folder}/x.npy, {folder}/y.npy: 7 samples of 2x5x6, fed as 2x4x3"


def test_each_epoch_holds_each_sample_once_in_another_order(folder):
    feed = open_feed(spec(), "TRAIN", 1, folder)
    firsts = feed.batch(0, 5 * N)[0][:, 0, 0, 0].reshape(5, N)
    for epoch in firsts:
        np.testing.assert_array_equal(np.sort(epoch), np.sort(IMAGES[:, 0, 0, 0]))
    assert len({tuple(epoch) for epoch in firsts}) > 1


@pytest.mark.parametrize(
    ("phase", "said", "ordered"),
    [("TRAIN", None, False), ("TRAIN", False, True), ("TEST", None, True), ("TEST", True, False)],
)
def test_when_samples_are_shuffled(folder, phase, said, ordered):
    x, _ = open_feed(spec(shuffle=said), phase, 1, folder).batch(0, N)
    assert (x == IMAGES).all() == ordered


def test_images_and_labels_stay_together(folder):
    x, y = open_feed(spec(), "TRAIN", 1, folder).batch(0, 3 * N)
    which = [int(np.flatnonzero((image == IMAGES).all(axis=(1, 2, 3)))[0]) for image in x]
    np.testing.assert_array_equal(y, LABELS[which])


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 40), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_batches_are_the_same_however_they_are_cut(folder, start, sizes):
    whole = open_feed(spec(transform=RANDOM), "TRAIN", 1, folder).batch(start, sum(sizes))
    feed, position = open_feed(spec(transform=RANDOM), "TRAIN", 1, folder), start
    for size in reversed(sizes):  # the later ones are asked for last, the order of asking does not matter either
        feed.batch(position + size, 1)
    for size in sizes:
        for part, all_of_it in zip(feed.batch(position, size), whole, strict=True):
            np.testing.assert_array_equal(part, all_of_it[position - start : position - start + size])
        position += size


def test_seeds_and_epochs_change_the_draws_but_not_other_transforms(folder):
    def crops(seed, transform):
        return open_feed(spec(shuffle=False, transform=transform), "TRAIN", seed, folder).batch(0, 2 * N)[0]

    crop = {"type": "Crop", "size": 2}
    one = crops(1, (crop,))
    assert (one != crops(2, (crop,))).any()
    assert (one[:N] != one[N:]).any()
    np.testing.assert_array_equal(crops(1, ({"type": "Scale", "factor": 1}, crop)), one)


def test_two_transforms_of_one_type_draw_for_themselves(folder):
    feed = open_feed(spec(shuffle=False, transform=("Mirror", "Mirror")), "TRAIN", 1, folder)
    x, _ = feed.batch(0, 3 * N)
    assert (x != np.concatenate([IMAGES] * 3)).any()  # two equal flips would be none


def test_float64_keeps_every_digit():
    feed = open_feed(
        FeedSpec.model_validate({"source": {"type": "Arrays", "values": (((0.05, 0.1),),)}, "batch_size": 1}),
        "TRAIN",
        1,
        dtype="float64",
    )
    np.testing.assert_array_equal(feed.batch(0, 1)[0], [[0.05, 0.1]])
    assert feed.batch(0, 1)[0].dtype == np.float64


def test_zeros_around_an_image_are_the_mean_where_it_was_subtracted_before(folder):
    mean, crop = {"type": "SubtractMean", "values": (3.5, 5.5)}, {"type": "Crop", "size": (5, 6), "pad": 3}
    kept = IMAGES - np.array([3.5, 5.5], np.float32)[:, None, None]

    def values(phase, *transform):
        return open_feed(spec(shuffle=False, transform=transform), phase, 1, folder).batch(0, 4 * N)[0]

    np.testing.assert_array_equal(values("TEST", mean, crop), np.concatenate([kept] * 4))
    assert set(np.unique(values("TRAIN", mean, crop))) - set(np.unique(kept)) == {0}
    black = values("TRAIN", crop, mean)[:, 0]
    assert (black == -3.5).any() and (black != 0).all()


# --- limits


def test_a_limit_takes_the_first_samples_of_the_source(folder):
    feed = open_feed(spec(limit=4), "TEST", 1, folder)
    assert (len(feed), feed.shapes) == (4, ((2, 5, 6), ()))
    assert feed.describe() == f"{folder}/x.npy, {folder}/y.npy: 7 samples of 2x5x6, the first 4"
    np.testing.assert_array_equal(feed.batch(0, 9)[0], IMAGES[[0, 1, 2, 3, 0, 1, 2, 3, 0]])
    shuffled = open_feed(spec(limit=4), "TRAIN", 1, folder).batch(0, 12)[1].reshape(3, 4)
    np.testing.assert_array_equal(np.sort(shuffled), [np.sort(LABELS[:4])] * 3)


def test_a_limit_of_all_samples_is_none(folder):
    assert open_feed(spec(limit=N), "TEST", 1, folder).describe() == open_feed(spec(), "TEST", 1, folder).describe()


def test_labels_beyond_a_limit_are_not_looked_at():
    feed_of([0, 1, 2, 9], limit=3).check_labels([rule(3)])
    with pytest.raises(BadLabelError, match="sample 3 of output 1"):
        feed_of([0, 1, 2, 9], limit=4).check_labels([rule(3)])


def test_the_mean_is_that_of_the_samples_within_the_limit(folder):
    transform = {"type": "SubtractMean", "computed": "channel"}
    train = spec(limit=3, transform=transform)
    mean = IMAGES[:3].mean(axis=(0, 2, 3))
    for feed in (
        open_feed(train, "TRAIN", 1, folder),
        open_feed(spec(transform=transform), "TEST", 1, folder, train=train),
    ):
        x = feed.batch(0, len(feed))[0]
        kept = IMAGES[: len(feed)] - mean[:, None, None]
        np.testing.assert_allclose(np.sort(x, axis=0), np.sort(kept, axis=0), rtol=1e-5)


def test_a_limit_beyond_the_source(folder):
    with pytest.raises(LimitError, match="`limit` asks for 8 samples, but there are only 7") as caught:
        located(folder, SOLVER.replace("size: 9", "size: 2").replace("batch_size: 3", "batch_size: 3\n  limit: 8"))
    assert (str(caught.value.at), caught.value.code, caught.value.exit_code) == ("solver.yaml:4:10", "NS613", 4)


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_of_nothing(limit):
    with pytest.raises(ValidationError, match="greater than 0"):
        spec(limit=limit)


# --- computed means


def test_the_mean_is_that_of_the_training_data_as_they_arrive(folder, tmp_path):
    np.save(tmp_path / "x.npy", IMAGES[:2] + 1)
    transform = (
        {"type": "Crop", "size": 1},
        {"type": "Scale", "factor": 2},
        {"type": "SubtractMean", "computed": "channel"},
    )
    train, test = (
        spec(outputs=(str(folder / "x.npy"),), transform=transform),
        spec(outputs=("x.npy",), transform=transform),
    )
    centre = IMAGES[:, :, 2, 2].astype(np.float64)  # floor((5-1)/2), floor((6-1)/2)
    mean = 2 * centre.mean(axis=0)
    x = open_feed(test, "TEST", 1, tmp_path, train=train).batch(0, 2)[0]
    np.testing.assert_allclose(x[:, :, 0, 0], 2 * (centre[:2] + 1) - mean, rtol=1e-6)
    # while training crops at random, the mean is still that of the centres
    x = open_feed(train, "TRAIN", 1, dtype="float64").batch(0, 3 * N)[0]
    np.testing.assert_allclose((x + mean[:, None, None]) % 2, 0, atol=1e-12)


def test_no_training_data_to_compute_a_mean_of(folder, tmp_path):
    test = spec(transform={"type": "SubtractMean", "computed": "pixel"})
    with pytest.raises(NoTrainingDataError, match="there are none"):
        open_feed(test, "TEST", 1, folder)
    np.save(tmp_path / "small.npy", IMAGES[:, :, :2])
    with pytest.raises(NoTrainingDataError, match="training samples are 2x2x6, test samples 2x5x6"):
        open_feed(test, "TEST", 1, folder, train=spec(outputs=(str(tmp_path / "small.npy"),)))


def test_a_mean_file_is_found_beside_the_spec(folder, tmp_path):
    np.save(tmp_path / "mean.npy", IMAGES[0])
    fields = spec(outputs=(str(folder / "x.npy"),), transform={"type": "SubtractMean", "file": "mean.npy"})
    assert (open_feed(fields, "TEST", 1, tmp_path).batch(0, 1)[0] == 0).all()


# --- labels


def feed_of(labels, **fields):
    source = {"type": "Arrays", "values": (tuple(range(len(labels))), tuple(labels))}
    return open_feed(FeedSpec.model_validate({"source": source, "batch_size": 2, **fields}), "TRAIN", 1)


def rule(classes, ignore=None, places=((True,),) * 2, output=1):
    return LabelRule(output, classes, ignore, "layer 'loss' (SoftmaxWithLoss)", np.array(places))


def test_labels_that_are_classes():
    feed_of([0, 1, 2, 2]).check_labels([rule(3)])
    feed_of([0.0, 1.0, 255.0]).check_labels([rule(2, ignore=255)])
    feed_of([0, -1]).check_labels([rule(1, ignore=-1)])


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([0, 3, 1], "sample 1 of output 1 of `values` has the label 3, which is not one of 0..2"),
        ([0, 3, 1, -1, 7], "0..2 (and 2 more are wrong)"),
        ([0, 1, 1.5], "sample 2 of output 1 of `values` has the label 1.5, which is not a whole number"),
        ([0, float("nan")], "the label nan, which is not a whole number"),
        ([1, 2, 3], "these seem to count from 1"),
        ([1, 2, 3, 9, 9], "these seem to count from 1"),
        ([1, 1, 2, 3, 0], "layer 'loss' (SoftmaxWithLoss) has 3 classes"),
        ([1, 2, 4], "layer 'loss' (SoftmaxWithLoss) has 3 classes"),
    ],
)
def test_labels_that_are_not(labels, says):
    with pytest.raises(BadLabelError) as caught:
        feed_of(labels).check_labels([rule(3, ignore=9)])
    assert says in str(caught.value)
    assert (caught.value.code, caught.value.exit_code) == ("NS610", 4)


COLUMNS = [(0, 1), (2, 4), (1, 0), (0, 3), (2, 9)]
"""The first of 3 classes, the second of 4, where 9 is ignored; a wrong 4 in sample 1."""


def columns(values, transform=()):
    source = {"type": "Arrays", "values": (tuple(values), tuple(values))}
    fields = {"source": source, "batch_size": 2, "shuffle": False, "transform": transform}
    return open_feed(FeedSpec.model_validate(fields), "TRAIN", 1)


def test_each_column_has_classes_of_its_own():
    first, second = rule(3, places=((True, False),) * 2), rule(4, ignore=9, places=((False, True),) * 2)
    columns(COLUMNS).check_labels([first])
    with pytest.raises(BadLabelError, match=r"sample 1 of output 1 of `values` has the label 4 at \[1\], which is not"):
        columns(COLUMNS).check_labels([first, second])
    with pytest.raises(BadLabelError, match="count from 1"):
        columns([(row[0], row[1] + 1) for row in COLUMNS if row[1] in {0, 1, 3}]).check_labels([first, second])


def test_labels_whose_place_depends_on_the_batch_are_checked_batch_by_batch():
    """The second sample of a batch has 4 classes, the first has 5."""
    labels = [4, 3, 4, 4, 0]
    split = [rule(5, places=((True,), (False,))), rule(4, places=((False,), (True,)))]
    feed_of(labels, shuffle=False).check_labels(split, [0])
    with pytest.raises(
        BadLabelError, match=r"sample 3 of output 1 of `values` has the label 4, which is not one of 0\.\.3"
    ):
        feed_of(labels, shuffle=False).check_labels(split, [0, 2])
    feed = feed_of(labels, shuffle=False)
    feed.check_labels(split)
    feed.batch(0, 2)
    feed.batch(3, 2)
    feed.batch(2, 1)  # a batch of another size has rules of its own
    with pytest.raises(BadLabelError, match="sample 3 "):
        feed.batch(2, 2)


def test_labels_that_the_source_does_not_know_are_checked_batch_by_batch(monkeypatch):
    """What a single batch holds says nothing about where labels begin."""
    monkeypatch.setattr(ArrayDataset, "labels", lambda self, output: None)
    feed = feed_of([0, 2, 1, 2, 3], shuffle=False)
    feed.check_labels([rule(3)])
    feed.batch(0, 4)
    with pytest.raises(BadLabelError, match="sample 4 of output 1 of `values` has the label 3") as caught:
        feed.batch(2, 3)
    assert caught.value.help == "layer 'loss' (SoftmaxWithLoss) has 3 classes"


def test_labels_that_a_transform_changes_are_checked_behind_it():
    feed = columns([(2.0,), (4.0,), (6.0,), (1.0,)], {"type": "Scale", "factor": 0.5})
    feed.check_labels([rule(3, output=0)])
    feed.batch(0, 2)
    with pytest.raises(BadLabelError, match=r"sample 2 .* has the label 3\.0, which is not one of 0\.\.2"):
        feed.batch(1, 2)
    with pytest.raises(BadLabelError, match=r"sample 3 .* has the label 0\.5, which is not a whole number"):
        feed.batch(3, 1)


# --- places


SOLVER = """\
train:
  source: {type: Arrays, outputs: [x.npy, y.npy]}
  batch_size: 3
  transform:
    - {type: Scale, factor: 2}
    - {type: Crop, size: 9}
"""


def located(folder, text):
    node = parse(text, "solver.yaml").root.items["train"]
    return open_feed(FeedSpec.model_validate(node.plain()).read_from(node), "TRAIN", 1, folder)


@pytest.mark.parametrize(
    ("change", "error", "place"),
    [
        (("", ""), ShapeError, "solver.yaml:6:26"),  # the 9
        (("y.npy", "z.npy"), MissingDataError, "solver.yaml:2:43"),
        (("y.npy", "."), UnreadableDataError, "solver.yaml:2:43"),
        (("Crop, size: 9", "SubtractMean, file: no.npy"), MissingDataError, "solver.yaml:6:34"),
        (("Crop, size: 9", "SubtractMean, values: [1, 2, 3]"), ShapeError, "solver.yaml:6:36"),
    ],
)
def test_errors_point_at_what_was_written(folder, change, error, place):
    with pytest.raises(error) as caught:
        located(folder, SOLVER.replace(*change))
    assert str(caught.value.at) == place


def test_labels_point_at_the_source(folder):
    feed = located(folder, SOLVER.replace("size: 9", "size: 2"))
    with pytest.raises(BadLabelError) as caught:
        feed.check_labels([rule(2)])
    assert str(caught.value.at) == "solver.yaml:2:11"


# --- prefetching


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 20), st.integers(1, 9), st.integers(1, 12), st.integers(1, 4))
def test_a_prefetcher_gives_what_the_feed_gives(folder, position, size, step, depth):
    feed = open_feed(spec(transform=RANDOM), "TRAIN", 1, folder)
    direct = open_feed(spec(transform=RANDOM), "TRAIN", 1, folder)
    into = tuple(np.zeros(array.shape) for array in feed.buffers(size))
    with Prefetcher(feed, position, size, step=step, depth=depth) as prefetcher:
        for turn in range(6):
            prefetcher.take(into)
            for got, wanted in zip(into, direct.batch(position + turn * step, size), strict=True):
                np.testing.assert_array_equal(got, wanted)
        assert prefetcher.waited >= 0


def test_the_last_batch_is_cut_short_where_the_data_end(folder):
    feed = open_feed(spec(), "TEST", 1, folder)
    seen = []
    with Prefetcher(feed, 0, 3, stop=len(feed)) as prefetcher:
        for size in (3, 3, 1):
            into = feed.buffers(size)
            prefetcher.take(into)
            seen.append(into[0])
        for _ in range(2):
            with pytest.raises(IndexError):
                prefetcher.take(into)
    np.testing.assert_array_equal(np.concatenate(seen), IMAGES)


class Counting(ArrayDataset):
    """Counts what is read, and fails at sample 5."""

    reads = 0

    def read(self, index):
        type(self).reads += 1
        if 5 in index:
            raise MissingDataError("gone")
        return super().read(index)


class CountingSource(Source):
    def open(self, base):
        Counting.reads = 0
        return Counting("counting", ("x", "y"), (IMAGES, LABELS))


def counting_feed():
    return open_feed(
        FeedSpec.model_construct(source=CountingSource(), batch_size=1, transform=(), shuffle=None), "TEST", 1
    )


def test_errors_reach_the_one_who_takes_at_their_batch():
    feed = counting_feed()
    into = feed.buffers(1)
    with Prefetcher(feed, 0, 1) as prefetcher:
        for _ in range(5):
            prefetcher.take(into)
        for _ in range(2):
            with pytest.raises(MissingDataError, match="gone"):
                prefetcher.take(into)
    assert Counting.reads == 6


def test_no_more_than_the_ring_is_prepared_and_close_ends_the_thread():
    feed = counting_feed()
    before = threading.active_count()
    prefetcher = Prefetcher(feed, 0, 1, depth=2)
    deadline = time.monotonic() + 5
    while Counting.reads < 2 and time.monotonic() < deadline:
        pass
    prefetcher.take(feed.buffers(1))
    prefetcher.close()
    assert Counting.reads in {2, 3}
    assert threading.active_count() == before
    prefetcher.close()  # twice does no harm


def test_waiting_is_counted():
    feed = counting_feed()
    gate = threading.Event()
    fill = feed.fill
    feed.fill = lambda *args: (gate.wait(), fill(*args))
    with Prefetcher(feed, 0, 1, stop=1) as prefetcher:
        threading.Timer(0.05, gate.set).start()
        prefetcher.take(feed.buffers(1))
        assert prefetcher.waited >= 0.04


def test_a_batch_never_goes_into_arrays_of_another_shape(folder):
    feed = open_feed(spec(), "TEST", 1, folder)
    with Prefetcher(feed, 6, 3, stop=7) as prefetcher, pytest.raises(ValueError, match="1x2x5x6"):
        prefetcher.take(feed.buffers(3))


def test_a_net_may_take_the_first_outputs_only(folder):
    feed = open_feed(spec(), "TEST", 1, folder)
    (x,) = into = feed.buffers(2)[:1]
    with Prefetcher(feed, 3, 2) as prefetcher:
        prefetcher.take(into)
    np.testing.assert_array_equal(x, IMAGES[3:5])
    with pytest.raises(ValueError, match="zip"):
        feed.fill(0, (*feed.buffers(2), x))
