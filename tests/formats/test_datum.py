"""Datum against bytes that are worked out by hand from Caffe's message, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.formats import wire
from netspec.formats.datum import datum_of, written
from netspec.formats.files import WrongFormatError, WrongSizeError

RAW = bytes([0x08, 1, 0x10, 2, 0x18, 3, 0x22, 6, 10, 11, 12, 13, 14, 255, 0x28, 7])
FLOAT = bytes([0x08, 1, 0x10, 1, 0x18, 2, 0x28, 5]) + b"\x35\x00\x00\xc0\x3f\x35\x00\x00\x00\xc0"


def read(data: bytes):
    return datum_of(wire.Message(Path("x"), "Datum", memoryview(data)))


def test_raw_bytes_floats_and_encoded() -> None:
    raw = read(RAW)
    assert raw.label == 7 and raw.array.tolist() == [[[10, 11, 12], [13, 14, 255]]] and raw.encoded is None
    floats = read(FLOAT)
    assert floats.label == 5 and floats.array.tolist() == [[[1.5, -2.0]]] and floats.array.dtype == np.float32
    packed = bytes([0x08, 1, 0x10, 1, 0x18, 2, 0x32, 8]) + FLOAT[9:13] + FLOAT[14:]
    assert read(packed).array.tolist() == [[[1.5, -2.0]]]
    encoded = read(b"\x22\x03abc\x28\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x38\x01")
    assert bytes(encoded.encoded or b"") == b"abc" and encoded.label == -1


def test_it_writes_what_caffe_writes() -> None:
    assert written(np.array([[[10, 11, 12], [13, 14, 255]]], np.uint8), 7) == RAW
    assert written(np.array([[[1.5, -2.0]]]), 5) == FLOAT
    assert written(b"abc", 4) == b"\x22\x03abc\x28\x04\x38\x01"


@pytest.mark.parametrize(
    ("error", "data", "said"),
    [
        (WrongFormatError, RAW + b"\x48\x01", "a field of number 9, which it does not have"),
        (WrongFormatError, RAW[:-3], "a value of 6 bytes, of which 5 bytes are there"),
        (WrongFormatError, b"\x08", "a number that does not end"),
        (WrongFormatError, b"\x0a\x01a", "field 1 as a length and bytes"),
        (WrongSizeError, b"\x08\x01\x10\x02\x18\x03", "an image of shape 1x2x3, and 0 values"),
        (WrongSizeError, b"\x22\x01a", "an image without a shape, and 1 value"),
    ],
)
def test_other_bytes(error: type[Exception], data: bytes, said: str) -> None:
    with pytest.raises(error, match=said):
        read(data)
