"""BlobProto against bytes written by hand after the encoding's own rules, and files that are damaged or foreign."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.core.errors import DataError
from netspec.formats import wire
from netspec.formats.blob_proto import read_blob, write_blob, written
from netspec.formats.files import FileError, MissingDataError, WrongFormatError, WrongSizeError

MEAN = bytes.fromhex("08 01 10 02 18 01 20 03".replace(" ", "")) + b"\x2a\x18" + struct.pack("<6f", 1, 2, 3, 4, 5, 6)
"""num: 1 channels: 2 height: 1 width: 3 data: 1..6, as Caffe writes the mean of images."""
SHAPED = b"\x2a\x08" + struct.pack("<2f", 1.5, -2) + b"\x3a\x04\x0a\x02\x02\x01"
"""data: 1.5, -2 shape { dim: 2 dim: 1 }"""


def read(path: Path, data: bytes) -> np.ndarray:
    path.write_bytes(data)
    return read_blob(path).data


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "blob.binaryproto"


def test_shapes_old_and_new(path: Path) -> None:
    old = read(path, MEAN)
    np.testing.assert_array_equal(old, np.arange(1, 7, dtype=np.float32).reshape(1, 2, 1, 3))
    assert old.dtype == np.float32
    np.testing.assert_array_equal(read(path, SHAPED), [[1.5], [-2]])
    scalar = b"\x2a\x04" + struct.pack("<f", 7) + b"\x3a\x00"
    assert read(path, scalar).shape == () and read(path, scalar) == 7


def test_numbers_that_are_not_in_a_row(path: Path) -> None:
    """A reader takes both, whatever the schema says: so does Protocol Buffers'."""
    single = b"".join(b"\x2d" + struct.pack("<f", v) for v in (1.5, -2)) + b"\x3a\x04\x08\x02\x08\x01"
    np.testing.assert_array_equal(read(path, single), [[1.5], [-2]])
    pieces = b"\x2a\x04" + struct.pack("<f", 1.5) + b"\x2a\x04" + struct.pack("<f", -2) + b"\x3a\x03\x0a\x01\x02"
    np.testing.assert_array_equal(read(path, pieces), [1.5, -2])


def test_doubles_win_and_unknown_fields_are_passed_over(path: Path) -> None:
    double = b"\x42\x10" + struct.pack("<2d", 0.1, 0.2)
    unknown = b"\x50\x05\x59" + bytes(8) + b"\x65" + bytes(4) + b"\x6a\x02hi"
    found = read(path, unknown + double + SHAPED)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, [[0.1], [0.2]])


def test_the_gradient(path: Path) -> None:
    path.write_bytes(SHAPED + b"\x32\x08" + struct.pack("<2f", 3, 4))
    np.testing.assert_array_equal(read_blob(path).diff, [[3], [4]])
    path.write_bytes(SHAPED)
    assert read_blob(path).diff is None


def test_what_is_written_is_what_caffe_writes(path: Path) -> None:
    assert written(np.array([[1.5], [-2]], np.float32)) == SHAPED
    for dtype in (np.float32, np.float64):
        data = np.random.default_rng(1).standard_normal((3, 1, 4, 2)).astype(dtype)
        write_blob(path, data, 2 * data)
        again = read_blob(path)
        assert again.data.dtype == dtype
        np.testing.assert_array_equal(again.data, data)
        np.testing.assert_array_equal(again.diff, 2 * data)
    empty = np.zeros((0, 3), np.float32)
    assert read(path, written(empty)).shape == (0, 3)
    assert read(path, written(np.zeros(300, np.float32))).shape == (300,)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (MEAN[:-1], "at byte 10 it has a value of 24 bytes, of which 23 bytes are there"),
        (MEAN[:9], "at byte 9 it has a number that does not end"),
        (b"\x0a\x03net", "at byte 0 it has field 1 as a length and bytes, not a whole number"),
        (b"\x89PNG\r\n\x1a\n", "at byte 2"),
        (b"\x00\x00\x08\x03", "at byte 0 it has a field of number 0 and kind 0, which do not exist"),
        (b"\x0b", "a field of number 1 and kind 3"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "a number of more than ten bytes"),
        (b"\x2a\x05\x00\x00\x00\x00\x00", "field 5 of 5 bytes, not a multiple of 4"),
        (b"\x3a\x0b\x08" + wire.varint(-1), "an axis of length -1"),
        (wire.row(7, wire.integers(1, [1] * 33)), "a shape of more than 32 axes"),
        (b"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "a value of 9,223,372,036,854,775,807 bytes, of which 0 bytes"),
        (b"\x3a\x03\x0a\x02\x02", "at byte 4 it has a value of 2 bytes, of which 1 byte"),
    ],
)
def test_damaged_and_foreign_files(path: Path, data: bytes, text: str) -> None:
    with pytest.raises(WrongFormatError, match=text):
        read(path, data)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "shape scalar, which is 1 value, at byte 0; it holds 0 values"),
        (MEAN[:10] + b"\x2a\x04" + bytes(4), "1x2x1x3"),
        (SHAPED + b"\x32\x04" + bytes(4), "2x1, which is 2 values, at byte 0; it holds 1 gradients"),
        (wire.row(7, wire.integers(1, [2**40, 2**40])), "1099511627776x1099511627776"),
    ],
)
def test_other_numbers_of_values_than_the_shape_says(path: Path, data: bytes, text: str) -> None:
    data = data.replace(MEAN[:10], MEAN[:8])
    with pytest.raises(WrongSizeError, match=text):
        read(path, data)


def test_files_that_cannot_be_read(tmp_path: Path, path: Path) -> None:
    with pytest.raises(MissingDataError):
        read_blob(path)
    with pytest.raises(DataError, match="is a directory"):
        read_blob(tmp_path)
    path.write_bytes(SHAPED)
    with pytest.raises(WrongSizeError, match="holds 16 bytes; a BlobProto here has at most 15"):
        read_blob(path, 15)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_blob_or_an_error(data: bytes) -> None:
    from netspec.formats.blob_proto import blob_of

    try:
        blob = blob_of(wire.Message(Path("any"), "BlobProto", memoryview(data)))
    except FileError:
        return
    assert blob.data.size * blob.data.itemsize <= len(data)


def test_memory_is_bounded_by_the_file(path: Path) -> None:
    lies = wire.row(7, wire.integers(1, [2**30])) + b"\x2a\xfc\xff\xff\xff\x0f"
    path.write_bytes(lies)
    tracemalloc.start()
    with pytest.raises(WrongFormatError):
        read_blob(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=5))
def test_whole_numbers_come_back(values: list[int]) -> None:
    message = wire.Message(Path("any"), "numbers", memoryview(wire.integers(3, values)))
    (field,) = message.fields()
    assert field.number == 3 and field.integers() == values
