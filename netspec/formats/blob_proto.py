"""BlobProto: Caffe's message of one array, as in its `.binaryproto` files: means of images, matrices, weights.

Source: Caffe caffe.proto; blob.cpp, FromProto and ToProto.
"""

from __future__ import annotations

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
_DIM = 1
_MOST_AXES = 32


@dataclass(frozen=True)
class Numbers:
    """Numbers as they stand in a file: little-endian floats of 4 or 8 bytes."""

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
    """An array: its shape, its values, and their gradient where the file holds one."""

    shape: Shape
    values: Numbers
    gradient: Numbers | None = None

    @property
    def data(self) -> Array:
        """The values, float32 or float64."""
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
    pieces: dict[int, list[memoryview]] = {}
    for field in message.fields():
        if field.number in _LEGACY:
            legacy[field.number] = _length(field.integer(), field)
        elif field.number == _SHAPE:
            dims += _dims(field.message("BlobShape"))
        elif field.number in (_DATA, _DIFF):
            pieces.setdefault(field.number, []).append(field.numbers(4))
        elif field.number in (_DOUBLE_DATA, _DOUBLE_DIFF):
            pieces.setdefault(field.number, []).append(field.numbers(8))
    shape = tuple(legacy.get(number, 0) for number in _LEGACY) if legacy else tuple(dims)
    values = _numbers(message, shape, pieces, _DATA, _DOUBLE_DATA) or Numbers(b"", 4)
    if len(values) != count(shape):
        raise _other_number(message, shape, len(values), "values")
    return BlobProto(shape, values, _numbers(message, shape, pieces, _DIFF, _DOUBLE_DIFF))


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
    message: wire.Message, shape: Shape, pieces: dict[int, list[memoryview]], single: int, double: int
) -> Numbers | None:
    """The numbers of a pair of fields, where there are any."""
    for number, size in ((double, 8), (single, 4)):
        held = pieces.get(number, [])
        if any(map(len, held)):
            found = Numbers(held[0] if len(held) == 1 else b"".join(held), size)
            if len(found) != count(shape):
                raise _other_number(message, shape, len(found), "values" if single == _DATA else "gradients")
            return found
    return None


def _other_number(message: wire.Message, shape: Shape, held: int, what: str) -> WrongSizeError:
    return WrongSizeError(
        f"'{message.path}' has a {NAME} of shape {text(shape)}, which is {counted(count(shape), 'value')}, at byte "
        f"{message.start:,}; it holds {held:,} {what}",
        help="the file is damaged or of another kind",
    )


def written(data: Array, diff: Array | None = None) -> bytes:
    """The BlobProto of an array, as Caffe writes it: float64 as doubles, all other numbers as floats."""
    double = data.dtype == "float64"
    size = 8 if double else 4
    fields = {_SHAPE: wire.row(_SHAPE, wire.integers(_DIM, data.shape))}
    for number, array in ((_DOUBLE_DATA if double else _DATA, data), (_DOUBLE_DIFF if double else _DIFF, diff)):
        if array is not None:
            fields[number] = wire.row(number, array.astype(f"<f{size}").tobytes())
    return b"".join(fields[number] for number in sorted(fields))


def write_blob(path: Path, data: Array, diff: Array | None = None) -> None:
    """Write an array, and its gradient where there is one, to a BlobProto file."""
    path.write_bytes(written(data, diff))
