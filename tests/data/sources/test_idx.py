import gzip
import struct

import numpy as np
import pytest

from netspec.core.errors import DataError
from netspec.data.sources.base import SOURCES, EmptyDataError, UnequalLengthsError, UnusableArrayError
from netspec.data.sources.idx import Idx
from netspec.formats.files import (
    BrokenGzipError,
    MissingDataError,
    UnreadableDataError,
    WrongFormatError,
    WrongSizeError,
)
from netspec.formats.idx import read_idx

IMAGES = bytes(range(2 * 3 * 4))  # two images of 3x4
LABELS = bytes([7, 9])


@pytest.mark.parametrize("packed", [False, True])
def test_images_and_labels(tmp_path, write_idx, packed):
    write_idx("images", (2, 3, 4), IMAGES, packed=packed)
    write_idx("labels", (2,), LABELS, packed=packed)
    data = SOURCES.parse({"type": "Idx", "images": "images", "labels": "labels"}).open(tmp_path)
    assert data.shapes == ((1, 3, 4), ())
    assert len(data) == 2
    images, labels = data.read(np.array([1, 0, 1]))
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images[:, 0, 0, 0], [12, 0, 12])
    np.testing.assert_array_equal(images[1, 0], [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]])
    np.testing.assert_array_equal(labels, [9, 7, 9])
    np.testing.assert_array_equal(data.labels(1), [7, 9])
    np.testing.assert_array_equal(data.labels(0), images[[1, 0]])
    assert data.name(1, 1) == "sample 1 of labels"
    assert data.describe() == f"idx {tmp_path / 'images'}: 2 samples of 1x3x4"


@pytest.mark.parametrize(
    ("kind", "code"), [(0x08, "B"), (0x09, "b"), (0x0B, "h"), (0x0C, "i"), (0x0D, "f"), (0x0E, "d")]
)
@pytest.mark.parametrize("packed", [False, True])
def test_every_type_is_big_endian(write_idx, kind, code, packed):
    path = write_idx("x", (3,), struct.pack(f">3{code}", 1, 2, 100), kind, packed)
    np.testing.assert_array_equal(read_idx(path)[0], [1, 2, 100])


def test_other_ranks_keep_their_shape_and_labels_may_be_left_out(tmp_path, write_idx):
    write_idx("rows", (2, 5), bytes(10))
    write_idx("colour", (2, 3, 1, 2), bytes(12))
    assert Idx(images="rows").open(tmp_path).shapes == ((5,),)
    assert Idx(images="colour").open(tmp_path).shapes == ((3, 1, 2),)


def fails(error, path, *says):
    with pytest.raises(error) as caught:
        read_idx(path)
    assert caught.value.exit_code == 4
    for word in says:
        assert word in str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_short_and_long_files(write_idx, packed):
    fails(
        WrongSizeError, write_idx("short", (2, 3, 4), IMAGES[:-1], packed=packed), "24 bytes", "2x3x4", "ends after 23"
    )
    fails(WrongSizeError, write_idx("long", (2, 3, 4), IMAGES + b"!", packed=packed), "24 bytes", "goes on")


def test_a_header_that_lies_about_its_size_reserves_no_memory(write_idx):
    shape = (2**31 - 1, 2**31 - 1)
    fails(WrongSizeError, write_idx("liar", shape, b"x"), "ends after 1")
    fails(WrongSizeError, write_idx("liar.gz", shape, b"x", packed=True), "ends after 1")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x00",
        b"\x89PNG\r\n\x1a\n",
        b"\x00\x00\x0a\x01\x00\x00\x00\x00",
        b"\x00\x00\x08\x00",
        b"\x00\x00\x08\xff",
    ],
)
def test_what_is_not_idx(tmp_path, data, packed):
    path = tmp_path / "x"
    path.write_bytes(gzip.compress(data) if packed else data)
    fails(WrongFormatError, path, "not an idx file", data[:4].hex(" ") or "nothing")


def test_a_header_cut_short(tmp_path):
    (tmp_path / "x").write_bytes(b"\x00\x00\x08\x03\x00\x00\x00\x01\x00\x00")
    fails(WrongSizeError, tmp_path / "x", "for 3 axes")


def test_every_way_of_cutting_and_spoiling_a_gzip_file_is_a_data_error(write_idx):
    path = write_idx("x.gz", (2, 3, 4), IMAGES, packed=True)
    whole = path.read_bytes()
    for end in range(2, len(whole)):
        path.write_bytes(whole[:end])
        fails(BrokenGzipError, path, "does not unpack")
    for at in range(10, len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        with pytest.raises(DataError):
            read_idx(path)


def test_missing_files_and_directories(tmp_path, write_idx):
    write_idx("train-images", (2, 3, 4), IMAGES)
    fails(MissingDataError, tmp_path / "train-image", "did you mean 'train-images'?")
    fails(MissingDataError, tmp_path / "there" / "x", "no folder")
    fails(MissingDataError, tmp_path / "train-images" / "x", "no file")
    fails(UnreadableDataError, tmp_path, "is a directory")


def test_files_that_do_not_belong_together(tmp_path, write_idx):
    write_idx("images", (2, 3, 4), IMAGES)
    write_idx("labels", (1,), b"\x01")
    with pytest.raises(UnequalLengthsError, match="images has 2, labels has 1"):
        Idx(images="images", labels="labels").open(tmp_path)


def test_no_samples(tmp_path, write_idx):
    write_idx("images", (0, 3, 4), b"")
    with pytest.raises(EmptyDataError, match="images is empty: it is 0x1x3x4"):
        Idx(images="images").open(tmp_path)
    write_idx("packed", (0, 3, 4), b"", packed=True)
    with pytest.raises(EmptyDataError):
        Idx(images="packed").open(tmp_path)


def test_errors_know_the_field_that_names_the_file(tmp_path, write_idx):
    write_idx("images", (2, 3, 4), IMAGES)
    with pytest.raises(MissingDataError) as caught:
        Idx(images="images", labels="labels").open(tmp_path)
    assert caught.value.field == "labels"
    assert issubclass(UnusableArrayError, DataError)


def test_a_header_of_no_values_and_more_than_a_machine_holds(tmp_path):
    sizes = (0, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    path = tmp_path / "x.idx"
    path.write_bytes(bytes([0, 0, 8, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes))
    with pytest.raises(WrongSizeError, match="more than any machine"):
        read_idx(path)
