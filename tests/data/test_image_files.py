"""Folders of images as feeds: batches for any number of threads, sizes that differ, and what `check --data` reads."""

import numpy as np
import pytest
from PIL import Image

from netspec.core.errors import DataError
from netspec.core.shape import ANY
from netspec.data import pipeline
from netspec.data.feed import open_feed
from netspec.data.image_files import ImageFiles, natural
from netspec.data.labels import BadLabelError, LabelRule
from netspec.data.prefetch import Prefetcher
from netspec.data.spec import FeedSpec
from netspec.data.transforms.base import Transform

N = 23
SIZES = [(6 + number % 3, 5 + number % 4) for number in range(N)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of two classes: images of one size in `even`, of several in `uneven`, each told apart by its pixels."""
    path = tmp_path_factory.mktemp("images")
    for number, size in enumerate(SIZES):
        for kind, (h, w) in (("even", (6, 5)), ("uneven", size)):
            file = path / kind / f"class{number % 2}" / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((h, w, 3), 10 * number, np.uint8)).save(file)
    return path


SEEN = []


class Corner(Transform):
    """The upper left 5x4 pixels; it notes the sizes of the batches that it gets."""

    def output_shape(self, shape):
        return (shape[0], 5, 4)

    def bind(self, setting):
        return lambda x, draw: SEEN.append(x.shape) or x[:, :, :5, :4]


def feed_of(folder, kind, phase="TRAIN", transform=(), train=None, **source):
    fields = {"source": {"type": "ImageFolder", "folder": kind, **source}, "batch_size": 10, "transform": ()}
    spec = FeedSpec.model_validate(fields).model_copy(update={"transform": transform})
    return open_feed(spec, phase, 3, folder, train=spec if train else None)


@pytest.mark.parametrize(("kind", "transform"), [("even", ()), ("uneven", (Corner(),))])
def test_batches_are_equal_for_any_number_of_threads(folder, kind, transform):
    wanted = feed_of(folder, kind, transform=transform)
    for readers in (1, 2, 4):
        feed = feed_of(folder, kind, transform=transform)
        into = feed.buffers(10)
        with Prefetcher(feed, 30, 10, readers=readers) as prefetch:  # as after a resume
            for position in range(30, 80, 10):
                prefetch.take(into)
                for got, want in zip(into, wanted.batch(position, 10), strict=True):
                    np.testing.assert_array_equal(got, want)


def test_images_that_differ_in_size_are_never_all_in_memory(folder, monkeypatch):
    most, read = [], ImageFiles.read
    monkeypatch.setattr(ImageFiles, "read", lambda self, index: most.append(len(index)) or read(self, index))
    SEEN.clear()
    feed = feed_of(folder, "uneven", "TEST", (Corner(),))
    assert feed.data.shapes == ((3, ANY, ANY), ()) and feed.shapes == ((3, 5, 4), ())
    x, labels = feed.batch(0, N)
    assert max(most) == pipeline.FEW and sum(most) == N
    order = [*range(0, N, 2), *range(1, N, 2)]
    np.testing.assert_array_equal(x, np.multiply.outer(np.array(order) * 10, np.ones((3, 5, 4))))
    np.testing.assert_array_equal(labels, [number % 2 for number in order])
    assert {shape[0] for shape in SEEN} == {1}


def test_a_mean_over_images_that_differ_in_size_reads_few_at_a_time(folder, monkeypatch):
    from netspec.data.transforms.subtract_mean import SubtractMean

    most, read = [], ImageFiles.read
    mean = SubtractMean(computed="channel")
    monkeypatch.setattr(ImageFiles, "read", lambda self, index: most.append(len(index)) or read(self, index))
    x, _ = feed_of(folder, "uneven", "TEST", (Corner(), mean), train=True).batch(0, N)
    assert max(most) == pipeline.FEW
    np.testing.assert_allclose(x.mean(), 0, atol=1e-4)


def test_natural_order():
    names = ["b", "a10", "a9", "a09", "a", "A", "a9b2", "a9b10", "1", "02", "é"]
    assert sorted(names, key=natural) == ["1", "02", "A", "a", "a09", "a9", "a9b2", "a9b10", "a10", "b", "é"]


# --- check --data


def test_all_files_are_read_through(folder, tmp_path):
    for number in range(4):
        path = tmp_path / "photos" / f"class{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = (folder / "even" / f"class{number % 2}" / f"{number}.png").read_bytes()
        path.write_bytes(content if number < 3 else content[:-30])
    feed = feed_of(tmp_path, "photos")
    with pytest.raises(DataError, match=r"class1/3\.png' cannot be decoded"):
        feed.read_through()
    feed_of(tmp_path, "photos", on_error="skip").read_through()


def test_labels_of_masks_are_read_through(tmp_path):
    lines = []
    for number in range(5):
        Image.fromarray(np.full((3, 4), number, np.uint8)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png {number}.png")
    (tmp_path / "list.txt").write_text("\n".join(lines))
    fields = {"source": {"type": "ImageList", "file": "list.txt", "target": "mask"}, "batch_size": 2}
    feed = open_feed(FeedSpec.model_validate(fields), "TRAIN", 1, tmp_path)
    places = np.ones((2, 12), bool)
    feed.check_labels([LabelRule(1, 5, None, "layer 'loss'", places)])
    feed.read_through()
    feed.check_labels([LabelRule(1, 4, None, "layer 'loss'", places)])
    with pytest.raises(
        BadLabelError, match=rf"{tmp_path}/4.png has the label 4 at \[0, 0, 0\], which is not one of 0..3"
    ):
        feed.read_through()
