"""BlobProto: Caffe's message of one array, as in its `.binaryproto` files: means of images, matrices, weights.

A file may hold one, or a row of them (BlobProtoVector). Source: Caffe caffe.proto; blob.cpp, FromProto and ToProto.
NVIDIA's fork stores numbers as plain bytes with a word for their type.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.shape import Shape, count, counted, text
from netspec.formats import wire
from netspec.formats.files import WrongSizeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

NAME = "BlobProto"

_LEGACY = (1, 2, 3, 4)
"""Fields num, channels, height, width: the shape before there were shapes."""
_DATA, _DIFF, _SHAPE, _DOUBLE_DATA, _DOUBLE_DIFF = 5, 6, 7, 8, 9
_RAW_TYPES, _RAW = {10: 12, 11: 13}, {12: _DATA, 13: _DIFF}
"""Fields of NVIDIA's fork: the type of the plain bytes of another field, and what these bytes are."""
_RAW_SIZES = {0: 8, 1: 4, 2: 2}
"""Bytes of a number by its type there: double, float, half."""
_DIM = 1
_BLOBS = 1
_MOST_AXES = 32


@dataclass(frozen=True)
class Numbers:
    """Numbers as they stand in a file: little-endian floats of 2, 4 or 8 bytes."""

    data: bytes | memoryview
    size: int

    def __len__(self) -> int:
        return len(self.data) // self.size

    def array(self, shape: Shape) -> Array:
        """The numbers in a shape, which must hold as many; the array cannot be written to."""
        import numpy as np

        return np.frombuffer(self.data, f"<f{self.size}").reshape(shape)


@dataclass(frozen=True)
class BlobProto:
    """An array: its shape, its values, and their gradient where the file holds one.

    `legacy`: the shape is of the time when all had four axes, and those that were missing stand in front as 1.
    """

    shape: Shape
    values: Numbers
    gradient: Numbers | None = None
    legacy: bool = False

    @property
    def data(self) -> Array:
        """The values, float16, float32 or float64."""
        return self.values.array(self.shape)

    @property
    def diff(self) -> Array | None:
        """The gradient."""
        return None if self.gradient is None else self.gradient.array(self.shape)


def read_blob(path: Path, most: int = wire.MOST) -> BlobProto:
    """The BlobProto in a file of at most `most` bytes.

    Raises MissingDataError, UnreadableDataError, WrongFormatError, WrongSizeError.
    """
    return blob_of(wire.read_message(path, NAME, most))


def blob_of(message: wire.Message) -> BlobProto:
    """The BlobProto in a message. Doubles win over floats. Raises WrongFormatError, WrongSizeError."""
    legacy: dict[int, int] = {}
    dims: list[int] = []
    pieces: dict[tuple[int, int], list[memoryview]] = {}
    types: dict[int, wire.Field] = {}
    raw: dict[int, memoryview] = {}
    for field in message.fields():
        if field.number in _LEGACY:
            legacy[field.number] = _length(field.integer(), field)
        elif field.number == _SHAPE:
            dims += _dims(field.message("BlobShape"))
        elif field.number in (_DATA, _DIFF):
            pieces.setdefault((field.number, 4), []).append(field.numbers(4))
        elif field.number in (_DOUBLE_DATA, _DOUBLE_DIFF):
            kind = _DATA if field.number == _DOUBLE_DATA else _DIFF
            pieces.setdefault((kind, 8), []).append(field.numbers(8))
        elif field.number in _RAW_TYPES and field.kind == wire.VARINT:
            types[_RAW_TYPES[field.number]] = field
        elif field.number in _RAW and field.kind == wire.BYTES:
            raw[field.number] = field.message("numbers").data
    for number in raw.keys() & types.keys():
        pieces[_RAW[number], 0] = [raw[number]]
    shape = tuple(legacy.get(number, 0) for number in _LEGACY) if legacy else tuple(dims)
    values = _numbers(message, shape, pieces, _DATA, types.get(12)) or Numbers(b"", 4)
    if len(values) != count(shape):
        raise _other_number(message, shape, len(values), "values")
    return BlobProto(shape, values, _numbers(message, shape, pieces, _DIFF, types.get(13)), bool(legacy))


def _length(value: int, field: wire.Field) -> int:
    if value < 0:
        raise field.within.fault(field.place, f"an axis of length {value}")
    return value


def _dims(message: wire.Message) -> list[int]:
    found: list[int] = []
    for field in message.fields():
        if field.number == _DIM:
            found += [_length(value, field) for value in field.integers()]
        if len(found) > _MOST_AXES:
            raise message.fault(field.place, f"a shape of more than {_MOST_AXES} axes")
    return found


def _numbers(
    message: wire.Message,
    shape: Shape,
    pieces: dict[tuple[int, int], list[memoryview]],
    kind: int,
    type: wire.Field | None,
) -> Numbers | None:
    """The values or gradients, where there are any: doubles, floats, or plain bytes of a `type`."""
    for size in (8, 4, 0):
        held = pieces.get((kind, size), [])
        if any(map(len, held)):
            found = Numbers(held[0] if len(held) == 1 else b"".join(held), size or _raw_size(message, type, held[0]))
            if len(found) != count(shape):
                raise _other_number(message, shape, len(found), "values" if kind == _DATA else "gradients")
            return found
    return None


def _raw_size(message: wire.Message, type: wire.Field | None, data: memoryview) -> int:
    """Bytes of each number in plain bytes. Raises WrongFormatError."""
    assert type is not None
    size = _RAW_SIZES.get(type.integer(), 0)
    if not size or len(data) % size:
        raise message.fault(type.place, "plain bytes that are no doubles, floats or halves by the type that it gives")
    return size


def _other_number(message: wire.Message, shape: Shape, held: int, what: str) -> WrongSizeError:
    return WrongSizeError(
        f"'{message.path}' has a {NAME} of shape {text(shape)}, which is {counted(count(shape), 'value')}, at byte "
        f"{message.start:,}; it holds {held:,} {what}",
        help="the file is damaged or of another kind",
    )


def read_blobs(path: Path, most: int = wire.MOST) -> tuple[BlobProto, ...]:
    """The BlobProtos in a file of a BlobProtoVector, or the only one of a file of a BlobProto.

    Raises MissingDataError, UnreadableDataError, WrongFormatError, WrongSizeError.
    """
    message = wire.read_message(path, "BlobProtoVector", most)
    first = next(message.fields(), None)
    if first is not None and (first.number, first.kind) != (_BLOBS, wire.BYTES):
        return (read_blob(path, most),)
    return tuple(blob_of(field.message(NAME)) for field in message.fields() if field.number == _BLOBS)


def pieces(data: Array, diff: Array | None = None) -> list[bytes | memoryview]:
    """The BlobProto of an array, as Caffe writes it: float64 as doubles, all other numbers as floats.

    It comes in pieces, so that an array that is stored as it lies is not copied.
    """
    import numpy as np

    double = data.dtype == "float64"
    size = 8 if double else 4
    fields: dict[int, list[bytes | memoryview]] = {_SHAPE: [wire.row(_SHAPE, wire.integers(_DIM, data.shape))]}
    for number, array in ((_DOUBLE_DATA if double else _DATA, data), (_DOUBLE_DIFF if double else _DIFF, diff)):
        if array is not None:
            numbers = np.ascontiguousarray(array, f"<f{size}").reshape(-1).view(np.uint8)
            fields[number] = [wire.head(number, numbers.size), numbers.data]
    return [piece for number in sorted(fields) for piece in fields[number]]


def written(data: Array, diff: Array | None = None) -> bytes:
    """The BlobProto of an array in one piece."""
    return b"".join(pieces(data, diff))


def write_blob(path: Path, data: Array, diff: Array | None = None) -> None:
    """Write an array, and its gradient where there is one, to a BlobProto file."""
    path.write_bytes(written(data, diff))


def write_blobs(path: Path, arrays: Iterable[Array]) -> None:
    """Write arrays to a file of a BlobProtoVector."""
    path.write_bytes(b"".join(wire.row(_BLOBS, written(array)) for array in arrays))
