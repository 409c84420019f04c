"""Datum: Caffe's message of one image and its label, as its databases hold them.

An image is raw bytes, numbers of 4 bytes, or an encoded file such as JPEG. Source: Caffe caffe.proto;
data_transformer.cpp.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.core.shape import Shape, count, counted, text
from netspec.formats import wire
from netspec.formats.files import WrongFormatError, WrongSizeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

NAME = "Datum"

_SIZES = {1: "channels", 2: "height", 3: "width"}
_DATA, _LABEL, _FLOAT_DATA, _ENCODED = 4, 5, 6, 7


@dataclass(frozen=True)
class Datum:
    """An image and its label: raw `values` of a shape (C, H, W), or the bytes of an image file, `encoded`."""

    label: int
    shape: Shape = ()
    values: bytes | memoryview = b""
    dtype: str = "u1"
    encoded: bytes | memoryview | None = None

    @property
    def array(self) -> Array:
        """The raw image (C, H, W), bytes or float32; it cannot be written to."""
        import numpy as np

        return np.frombuffer(self.values, self.dtype).reshape(self.shape)


def datum_of(message: wire.Message) -> Datum:
    """The Datum in a message. Raises WrongFormatError, WrongSizeError."""
    sizes: dict[int, int] = {}
    label, encoded, data = 0, False, memoryview(b"")
    floats: list[memoryview] = []
    for field in message.fields():
        if field.number in _SIZES:
            sizes[field.number] = field.integer()
        elif field.number == _DATA:
            data = field.message(NAME).data
        elif field.number == _LABEL:
            label = field.integer()
        elif field.number == _FLOAT_DATA:
            floats.append(field.numbers(4))
        elif field.number == _ENCODED:
            encoded = bool(field.integer())
        else:
            raise message.fault(field.place, f"a field of number {field.number}, which it does not have")
    if encoded:
        if not len(data):
            raise WrongFormatError(f"{message.name} says that its image is encoded, but holds none")
        return Datum(label, encoded=data)
    shape = tuple(sizes.get(number, 0) for number in _SIZES)
    values, dtype = (data, "u1") if len(data) else (b"".join(floats), "<f4")
    held = len(values) // (1 if dtype == "u1" else 4)
    if min(shape) <= 0 or count(shape) != held:
        wanted = f"of shape {text(shape)}, " if min(shape) > 0 else "without a shape, "
        raise WrongSizeError(f"it has an image {wanted}and {counted(held, 'value')}")
    return Datum(label, shape, values, dtype)


def written(image: Array | bytes, label: int) -> bytes:
    """The Datum of an image (C, H, W), bytes or other numbers, or of an image file, as Caffe writes it."""
    parts = []
    if not isinstance(image, bytes):
        parts += [wire.integer(number, size) for number, size in zip(_SIZES, image.shape, strict=True)]
        if image.dtype == "uint8":
            parts.append(wire.row(_DATA, image.tobytes()))
    else:
        parts.append(wire.row(_DATA, image))
    parts.append(wire.integer(_LABEL, label))
    if isinstance(image, bytes):
        parts.append(wire.integer(_ENCODED, 1))
    elif image.dtype != "uint8":
        tag = wire.varint(_FLOAT_DATA << 3 | wire.FIXED32)
        parts += [tag + value.tobytes() for value in image.astype("<f4").reshape(-1)]
    return b"".join(parts)
