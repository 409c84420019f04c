import numpy as np
import pytest
from PIL import Image

from netspec.core.shape import ANY
from netspec.data.sources.base import EmptyDataError
from netspec.data.sources.image_list import ImageList, ListLineError
from netspec.formats.files import FileError, MissingDataError, UnreadableDataError, WrongSizeError
from tests.data.sources.conftest import pixels

FILES = {"a.png": (4, 5), "my photos/b 2.png": (4, 5), "c.png": (4, 5)}


@pytest.fixture
def folder(tmp_path, write_images):
    return write_images(tmp_path, FILES)


def opened(folder, text, **fields):
    content = text if isinstance(text, bytes) else text.encode()
    (folder / "list.txt").write_bytes(content)
    return ImageList(file="list.txt", **fields).open(folder)


def test_lines_of_paths_and_labels(folder):
    data = opened(folder, "c.png 2\r\n\nmy photos/b 2.png 0\n  a.png   1  ")
    assert data.shapes == ((3, 4, 5), ())
    np.testing.assert_array_equal(data.labels(1), [2, 0, 1])
    assert data.labels(1).dtype == np.int64
    x, labels = data.read(np.array([1, 0]))
    np.testing.assert_array_equal(labels, [0, 2])
    np.testing.assert_array_equal(x.transpose(0, 2, 3, 1), [pixels(1, (4, 5)), pixels(2, (4, 5))])
    assert data.name(1) == f"{folder}/my photos/b 2.png"
    assert data.describe() == f"{folder}/list.txt: 3 images of 3x4x5"


def test_several_labels_and_numbers_that_are_not_whole(folder):
    data = opened(folder, "a.png 2 -1 0.5\nc.png\t1\t3\t4\n")
    assert data.shapes == ((3, 4, 5), (3,))
    np.testing.assert_array_equal(data.labels(1), [[2, -1, 0.5], [1, 3, 4]])


def test_labels_in_words(folder):
    data = opened(folder, "a.png dog\nc.png cat\nmy photos/b 2.png 1\n", classes=("cat", "dog"))
    np.testing.assert_array_equal(data.labels(1), [1, 0, 1])
    assert data.classes(1) == ("cat", "dog")
    assert data.describe().endswith(", 2 classes")


def test_a_path_that_ends_in_a_number_needs_tabs(tmp_path, write_images):
    write_images(tmp_path, {"image 1.png": (4, 5), "other.png": (4, 5)})
    (tmp_path / "image 1.png").rename(tmp_path / "image 1")
    with pytest.raises(ListLineError, match=r"line 2 of .* has 1 label, but line 1 has 2") as caught:
        opened(tmp_path, "image 1 7\nother.png 8\n")
    assert "separate by tabs" in caught.value.help
    np.testing.assert_array_equal(opened(tmp_path, "image 1\t7\nother.png 8\n").labels(1), [7, 8])


def test_images_alone(folder):
    data = opened(folder, "my photos/b 2.png\na.png", target="none", color="gray")
    assert (data.shapes, data.labels(1)) == (((1, 4, 5),), None)
    assert list(data.files) == ["my photos/b 2.png", "a.png"]


def test_paths_begin_in_the_root(folder):
    (folder / "lists").mkdir()
    data = opened(folder / "lists", "a.png 0\n", root="..")
    assert data.name(0) == f"{folder}/a.png"
    data.read(np.array([0]))


@pytest.fixture
def masks(folder):
    for number, name in enumerate(("a", "c")):
        Image.fromarray(((np.arange(20) + number) % 5).astype(np.uint8).reshape(4, 5)).save(folder / f"{name}_mask.png")
    return folder


def test_masks(masks):
    data = opened(masks, "a.png a_mask.png\nc.png c_mask.png\n", target="mask", classes=("sky", "road"))
    assert data.shapes == ((3, 4, 5), (1, 4, 5))
    assert data.masks == {1} and data.classes(1) == ("sky", "road") and data.labels(1) is None
    x, y = data.read(np.array([1, 0]))
    np.testing.assert_array_equal(y[:, 0].reshape(2, -1), [(np.arange(20) + 1) % 5, np.arange(20) % 5])
    np.testing.assert_array_equal(x[1].transpose(1, 2, 0), pixels(0, (4, 5)))
    assert data.name(1, 1) == f"{masks}/c_mask.png"
    data.read_through(np.arange(2))


def test_masks_of_eight_and_of_sixteen_bits_keep_their_numbers(masks):
    Image.fromarray(np.full((4, 5), 300, np.uint16)).save(masks / "c_mask.png")
    data = opened(masks, "a.png a_mask.png\nc.png c_mask.png\n", target="mask")
    _, y = data.read(np.array([0, 1]))
    np.testing.assert_array_equal(y.reshape(2, -1), [np.arange(20) % 5, [300] * 20])


def test_masks_of_images_that_differ_in_size(masks, write_images):
    write_images(masks, {"c.png": (3, 2)})
    Image.fromarray(np.ones((3, 2), np.uint8)).save(masks / "c_mask.png")
    data = opened(masks, "a.png a_mask.png\nc.png c_mask.png\n", target="mask")
    assert data.shapes == ((3, ANY, ANY), (1, ANY, ANY))
    _, y = data.read(np.array([0, 1]))
    assert [mask.shape for mask in y] == [(1, 4, 5), (1, 3, 2)]


def test_a_mask_of_another_size_is_an_error_or_left_out(masks):
    Image.fromarray(np.zeros((4, 6), np.uint8)).save(masks / "c_mask.png")
    text = "a.png a_mask.png\nc.png c_mask.png\nc.png none.png"
    data = opened(masks, text, target="mask")
    with pytest.raises(WrongSizeError, match=r"the mask '.*c_mask.png' is 4x6, but its image 4x5: '.*c.png'"):
        data.read(np.array([0, 1]))
    with pytest.raises(MissingDataError, match=r"none\.png"):
        data.read(np.array([2]))
    data = opened(masks, text, target="mask", on_error="skip")
    assert (len(data), len(data.skipped), data.shapes) == (1, 2, ((3, 4, 5), (1, 4, 5)))


@pytest.mark.parametrize(
    ("text", "fields", "says"),
    [
        ("a.png 1\nc.png\n", {}, r"line 2 of '.*list.txt' has no label: 'c.png'"),
        ("a.png cat\n", {}, "line 1 .* ends without a label"),
        ("a.png bird\n", {"classes": ("cat", "dog")}, "line 1 .* ends without a label"),
        ("a.png\tx\t1\n", {}, "line 1 .* has the label 'x', which is no number"),
        ("a.png 1\nc.png 1 2\n", {}, "line 2 .* has 2 labels, but line 1 has 1"),
        ("a.png 1\nc.png nan\n", {}, "line 2 .* has a label that is not finite"),
        ("a.png\n", {"target": "mask"}, "line 1 .* names no mask"),
        ("a.png\tb.png\t1\n", {"target": "mask"}, "line 1 .* has 3 parts"),
    ],
)
def test_lines_that_are_none(folder, text, fields, says):
    with pytest.raises(ListLineError, match=says) as caught:
        opened(folder, text, **fields)
    assert (caught.value.field, caught.value.exit_code, bool(caught.value.help)) == ("file", 4, True)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("\n \n", EmptyDataError, "names no images"),
        (b"a.png 1\nM\xfcller.png 2\n", UnreadableDataError, "line 2 .* is no UTF-8: byte 9 of the file is 0xfc"),
        ("a.png 1\nd.png 1\n", FileError, r"there is no file '.*d.png'"),
    ],
)
def test_lists_that_are_none(folder, text, error, says):
    with pytest.raises(error, match=says):
        opened(folder, text)


def test_a_mark_of_utf8_at_the_beginning_is_passed_over(folder):
    assert opened(folder, b"\xef\xbb\xbfa.png 1\n").files == ("a.png",)


def test_a_null_character_in_a_path_is_an_error(tmp_path):
    (tmp_path / "list.txt").write_text("a\0.png 0\nb.png 1\n")
    with pytest.raises(UnreadableDataError, match="null character"):
        ImageList(file="list.txt").open(tmp_path)
