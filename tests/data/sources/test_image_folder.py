import os
import tracemalloc

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ANY
from netspec.data.image_files import images_in
from netspec.data.sources.base import EmptyDataError
from netspec.data.sources.image_folder import ClassFoldersError, ImageFolder
from netspec.formats.files import ChangedDataError, MissingDataError, UnreadableDataError, WrongFormatError
from tests.data.sources.conftest import pixels

ONE, OTHER = (4, 5), (6, 3)
FILES = {
    "10/b.png": ONE,
    "2/img10.png": ONE,
    "2/img9.PNG": ONE,
    "2/deep/er/x.png": ONE,
    "2/.hidden.png": ONE,
    ".trash/x.png": ONE,
    "__MACOSX/x.png": ONE,
}


@pytest.fixture
def folder(tmp_path, write_images):
    write_images(tmp_path / "photos", FILES)
    (tmp_path / "photos" / "2" / "notes.txt").write_text("no image")
    return tmp_path


def opened(folder, **fields):
    return ImageFolder(folder="photos", **fields).open(folder)


def test_classes_and_files_come_in_natural_order(folder):
    data = opened(folder)
    assert data.classes(1) == ("2", "10")
    assert data.classes(0) is None
    assert list(data.files) == ["2/deep/er/x.png", "2/img9.PNG", "2/img10.png", "10/b.png"]
    np.testing.assert_array_equal(data.labels(1), [0, 0, 0, 1])
    assert data.describe() == f"{folder}/photos: 4 images of 3x4x5, 2 classes"
    assert data.name(2) == f"{folder}/photos/2/img10.png"


def test_images_of_one_size_are_one_array(folder):
    data = opened(folder)
    assert data.shapes == ((3, 4, 5), ())
    x, labels = data.read(np.array([3, 1]))
    np.testing.assert_array_equal(labels, [1, 0])
    wanted = [pixels(list(FILES).index(name), ONE) for name in ("10/b.png", "2/img9.PNG")]
    np.testing.assert_array_equal(x.transpose(0, 2, 3, 1), wanted)
    assert x.transpose(0, 2, 3, 1).flags.c_contiguous


def test_images_that_differ_in_size_are_a_list(folder, write_images):
    write_images(folder / "photos", {"10/c.png": OTHER})
    data = opened(folder, color="gray")
    assert data.shapes == ((1, ANY, ANY), ())
    x, _ = data.read(np.array([4, 0]))
    assert [image.shape for image in x] == [(1, *OTHER), (1, *ONE)]
    assert data.describe() == f"{folder}/photos: 5 images of 1x?x?, 2 classes"


def test_the_order_of_a_directory_listing_does_not_matter(folder, monkeypatch):
    files, scan = opened(folder).files, os.scandir

    class Turned:
        def __init__(self, path):
            self.entries = list(scan(path))[::-1]

        def __enter__(self):
            return iter(self.entries)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", Turned)
    assert opened(folder).files == files


def test_classes_that_are_named_count_in_their_order(folder, write_images):
    write_images(folder / "photos", {"7/x.png": ONE, "loose.png": ONE, "other.png": ONE})
    data = opened(folder, classes=("10", "7"))
    assert data.classes(1) == ("10", "7")
    np.testing.assert_array_equal(data.labels(1), [0, 1])
    assert f"{folder}/photos, without 1 other folder and 2 images beside the folders of classes: 2 i" in data.describe()
    assert opened(folder, classes=("10",)).classes(1) == ("10",)  # one class, where it is asked for
    (folder / "photos" / "8").mkdir()
    assert len(opened(folder, classes=("10", "8"))) == 1  # so is one without images


def test_a_class_that_is_not_there(folder):
    with pytest.raises(MissingDataError, match="holds no folder '20'") as caught:
        opened(folder, classes=("10", "20"))
    assert (caught.value.field, caught.value.help) == ("classes.1", "did you mean '2'?")


def test_without_labels_all_images_count(folder, write_images):
    write_images(folder / "photos", {"loose.png": ONE})
    data = opened(folder, labels=False)
    assert (data.shapes, len(data), data.classes(1), data.labels(1)) == (((3, 4, 5),), 5, None, None)
    (x,) = data.read(np.array([4]))
    np.testing.assert_array_equal(x[0].transpose(1, 2, 0), pixels(0, ONE))


def test_a_link_to_a_folder_above_ends(folder):
    (folder / "photos" / "2" / "again").symlink_to(folder / "photos" / "2")
    (folder / "photos" / "11").symlink_to(folder / "photos" / "10")
    data = opened(folder)
    assert len(data) == 5 and data.classes(1) == ("2", "10", "11")


@pytest.mark.parametrize(
    ("files", "error", "says"),
    [
        ({"a/x.png": ONE}, ClassFoldersError, "all images of .* are of one class, 'a'"),
        ({"x.png": ONE, "y.png": ONE}, ClassFoldersError, "holds 2 images, but no folder of a class"),
        ({"a/x.png": ONE, "b/y.png": ONE, "c/.z.png": ONE, "d/.z.png": ONE}, ClassFoldersError, r"'c' has no .*1 more"),
        ({".x.png": ONE}, EmptyDataError, "holds no images"),
        ({"a/.x.png": ONE, "b/.x.png": ONE}, EmptyDataError, "holds no images"),
    ],
)
def test_folders_that_are_no_classes(tmp_path, write_images, files, error, says):
    write_images(tmp_path / "photos", files)
    with pytest.raises(error, match=says) as caught:
        opened(tmp_path)
    assert caught.value.help and caught.value.exit_code == 4


def test_no_folder(folder):
    with pytest.raises(MissingDataError, match="there is no folder"):
        ImageFolder(folder="nowhere").open(folder)
    with pytest.raises(UnreadableDataError, match="is not a folder"):
        ImageFolder(folder="photos/10/b.png").open(folder)
    with pytest.raises(EmptyDataError, match="holds no images"):
        ImageFolder(folder="photos/none", labels=False).open((folder / "photos" / "none").mkdir() or folder)


@pytest.mark.parametrize("fields", [{"classes": ("a", "b", "a")}, {"classes": ("a",), "labels": False}])
def test_fields_that_do_not_fit(fields):
    with pytest.raises(ValidationError):
        ImageFolder(folder="photos", **fields)


# --- files that cannot be read


def test_a_broken_head_is_an_error_at_once(folder):
    (folder / "photos" / "2" / "img9.PNG").write_bytes(b"text")
    with pytest.raises(WrongFormatError, match=r"photos/2/img9\.PNG' is no image") as caught:
        opened(folder)
    assert caught.value.field == "folder"


def cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def test_a_cut_file_is_an_error_when_it_is_read_and_when_all_are(folder):
    cut(folder / "photos" / "2" / "img9.PNG")
    cut(folder / "photos" / "10" / "b.png")
    data = opened(folder)
    data.read(np.array([0, 2]))
    with pytest.raises(Exception, match=r"img9\.PNG' cannot be decoded"):
        data.read(np.array([0, 1]))
    with pytest.raises(Exception, match=r"img9\.PNG' cannot be decoded.* \(and 1 more of 4 files cannot be read\)"):
        data.read_through(np.arange(4))
    with pytest.raises(Exception, match=r"b\.png' cannot be decoded: image file is truncated") as caught:
        data.read_through(np.array([0, 2, 3]))
    assert "more" not in caught.value.message
    data.read_through(np.array([0, 2]))


def test_cut_files_are_left_out_and_counted(folder, write_images):
    cut(folder / "photos" / "2" / "img9.PNG")
    write_images(folder / "photos", {"10/c.png": OTHER})
    (folder / "photos" / "10" / "c.png").write_bytes(b"")
    for _ in range(2):  # by decoding, and by the notes on the disk
        data = opened(folder, on_error="skip")
        assert list(data.files) == ["2/deep/er/x.png", "2/img10.png", "10/b.png"]
        np.testing.assert_array_equal(data.labels(1), [0, 0, 1])
        assert data.shapes == ((3, *ONE), ())  # that of those that count
        assert data.describe().endswith("3 images of 3x4x5, 2 classes, 2 files that cannot be read left out")
        assert "img9.PNG' cannot be decoded" in data.skipped[0] and "c.png' is empty" in data.skipped[1]


def test_a_file_that_is_mended_counts_again(folder, write_images):
    cut(folder / "photos" / "10" / "b.png")
    with pytest.raises(ClassFoldersError, match="the class '10' has no images that can be read"):
        opened(folder, on_error="skip")
    write_images(folder / "photos", {"10/b.png": ONE})
    assert len(opened(folder, on_error="skip")) == 4


def test_nothing_can_be_read(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "x.png").write_bytes(b"")
    with pytest.raises(Exception, match=r"a/x\.png' is empty \(and 1 more of 2 files cannot be read\)"):
        opened(tmp_path, on_error="skip")


def test_an_image_that_changes_its_size_is_an_error(folder, write_images):
    data = opened(folder)
    write_images(folder / "photos", {"10/b.png": OTHER})
    with pytest.raises(ChangedDataError, match=r"b\.png' is 6x3, but was 4x5 when it was opened"):
        data.read(np.array([3]))


def test_looking_at_a_folder_again_decodes_nothing(folder, monkeypatch):
    first = opened(folder, on_error="skip")
    monkeypatch.setattr("netspec.data.image_files.read_image", None)
    assert opened(folder, on_error="skip").shapes == first.shapes


def test_notes_that_are_damaged_are_made_anew(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(tmp_path / "cache"))
    opened(folder)
    (notes,) = (tmp_path / "cache" / "images").iterdir()
    for content in (b"", b"\x93NUMPY", b"PK\x03\x04", os.urandom(100)):
        notes.write_bytes(content)
        assert opened(folder).shapes == ((3, *ONE), ())
    notes.write_bytes(b"")
    notes.parent.chmod(0o500)
    try:
        assert opened(folder).shapes == ((3, *ONE), ())
    finally:
        notes.parent.chmod(0o700)


def test_a_hundred_thousand_files_open_within_a_hundred_megabytes(tmp_path):
    """Of so many the heads are not looked at; here fewer, each of which costs a share."""
    for name in ("first", "second"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for file in range(2000):
            os.close(os.open(tmp_path / "photos" / name / f"image_{file}.jpg", os.O_CREAT))
    tracemalloc.start()
    names = [file for name in ("first", "second") for file in images_in(tmp_path / "photos", name)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(names) == 4000 and peak < 100e6 * 4000 / 100_000


def test_folders_that_link_to_one_another_are_entered_once(tmp_path, write_images):
    names = "abcdefghij"
    write_images(tmp_path, {f"{name}/{name}.png": ONE for name in names})
    for name in names:
        for other in names:
            (tmp_path / name / f"to_{other}").symlink_to(tmp_path / other)
    found = list(images_in(tmp_path))
    assert sorted(file[-5:] for file in found) == [f"{name}.png" for name in names]
