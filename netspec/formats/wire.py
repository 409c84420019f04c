"""The wire format of Protocol Buffers: a message is a row of fields, each a number, a kind and a value.

Nothing here knows what a message means. A message is walked where it lies in memory: no field reserves memory by what
it says of its length. Source: Protocol Buffers, "Encoding".
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from netspec.core.shape import counted
from netspec.formats.files import WrongFormatError, WrongSizeError, opened

MOST = 2**31 - 1
"""Bytes of the largest message that Protocol Buffers take."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Kinds of values: a whole number, 8 bytes, any number of bytes, 4 bytes."""

_KINDS = {VARINT: "a whole number", FIXED64: "8 bytes", BYTES: "a length and bytes", FIXED32: "4 bytes"}


@dataclass(frozen=True)
class Message:
    """The bytes of a message, or of any other value that has a length.

    `name` says what it should be, for errors, and `start` where it begins in the file at `path`.
    """

    path: Path
    name: str
    data: memoryview
    start: int = 0

    def fields(self) -> Iterator[Field]:
        """Its fields in the order of the file. Raises WrongFormatError where the bytes are no fields."""
        place = 0
        while place < len(self.data):
            first = place
            tag, place = self._varint(place)
            number, kind = tag >> 3, tag & 7
            if not number or kind not in _KINDS:
                raise self.fault(first, f"a field of number {number} and kind {kind}, which do not exist")
            behind = place
            value, place = self._value(kind, place)
            more = self._alike(first, behind, place) if kind in (FIXED32, FIXED64) else 0
            yield Field(self, number, kind, value, first, more)
            place += more * (place - first)

    def _value(self, kind: int, place: int) -> tuple[int | Message, int]:
        """The value at a place, and the place behind it."""
        if kind == VARINT:
            return self._varint(place)
        size = 8 if kind == FIXED64 else 4
        if kind == BYTES:
            size, place = self._varint(place)
        if size > len(self.data) - place:
            left = counted(len(self.data) - place, "byte")
            raise self.fault(place, f"a value of {counted(size, 'byte')}, of which {left} are there")
        inner = Message(self.path, self.name, self.data[place : place + size], self.start + place)
        return inner, place + size

    def _alike(self, first: int, behind: int, end: int) -> int:
        """How many fields of the same number and kind follow one of a fixed size; its number ends at `behind`."""
        tag, size = self.data[first:behind], end - first
        if self.data[end : end + len(tag)] != tag:
            return 0
        import numpy as np

        fields = np.frombuffer(self.data[end : len(self.data) - (len(self.data) - end) % size], np.uint8)
        found, step = 0, 64
        while found * size < len(fields):
            rows = fields[found * size : (found + step) * size].reshape(-1, size)[:, : len(tag)]
            other = (rows != np.frombuffer(tag, np.uint8)).any(1)
            if other.any():
                return found + int(other.argmax())
            found, step = found + len(rows), min(2 * step, 2**16)
        return found

    def _varint(self, place: int) -> tuple[int, int]:
        """The whole number at a place, seven bits a byte, and the place behind it."""
        first, value = place, 0
        for shift in range(0, 70, 7):
            if place == len(self.data):
                raise self.fault(first, "a number that does not end")
            byte = self.data[place]
            value, place = value | (byte & 127) << shift, place + 1
            if byte < 128:
                return value & (2**64 - 1), place
        raise self.fault(first, "a number of more than ten bytes")

    def fault(self, place: int, found: str) -> WrongFormatError:
        """The error that there is something else than a message at a place."""
        return WrongFormatError(
            f"'{self.path}' is no {self.name}: at byte {self.start + place:,} it has {found}",
            help="the file is damaged or of another kind",
        )


@dataclass(frozen=True)
class Field:
    """A field of a message: its number, the kind of its value, the value, and where it begins in the message.

    A value of a fixed size stands for itself and for `more` of the same number that follow it.
    """

    within: Message
    number: int
    kind: int
    value: int | Message
    place: int
    more: int = 0

    def _of(self, *kinds: int) -> None:
        if self.kind not in kinds:
            wanted = " or ".join(_KINDS[kind] for kind in kinds)
            raise self.within.fault(self.place, f"field {self.number} as {_KINDS[self.kind]}, not {wanted}")

    def integer(self) -> int:
        """Its value as an int32 or int64. Raises WrongFormatError where the kind is another, as all of these do."""
        self._of(VARINT)
        return _signed(self.value) if isinstance(self.value, int) else 0

    def message(self, name: str) -> Message:
        """Its value as a message; `name` says what it should be."""
        self._of(BYTES)
        value = self._bytes()
        return Message(value.path, name, value.data, value.start)

    def text(self) -> str:
        """Its value as a text; bytes that are no UTF-8 stand as escapes."""
        return bytes(self.message("text").data).decode(errors="backslashreplace")

    def integers(self) -> list[int]:
        """Its values as int64, many in a row or a single one."""
        self._of(VARINT, BYTES)
        if self.kind == VARINT:
            return [self.integer()]
        row, place, found = self._bytes(), 0, []
        while place < len(row.data):
            value, place = row._varint(place)
            found.append(_signed(value))
        return found

    def numbers(self, size: int) -> memoryview:
        """Its values as the bytes of little-endian floats of `size` bytes, many in a row or a single one."""
        self._of(FIXED32 if size == 4 else FIXED64, BYTES)
        row = self._bytes()
        if self.more:
            return self._together(row, size)
        if len(row.data) % size:
            raise self.within.fault(
                self.place, f"field {self.number} of {len(row.data):,} bytes, not a multiple of {size}"
            )
        return row.data

    def _together(self, first: Message, size: int) -> memoryview:
        """The values of fields that follow one another, of `size` bytes each, without what stands between them."""
        import numpy as np

        step = first.start + size - self.within.start - self.place
        fields = self.within.data[self.place : self.place + (self.more + 1) * step]
        values = np.frombuffer(fields, np.uint8).reshape(-1, step)[:, -size:]
        return np.ascontiguousarray(values).reshape(-1).data

    def _bytes(self) -> Message:
        assert isinstance(self.value, Message)
        return self.value


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def read_message(path: Path, name: str, most: int = MOST) -> Message:
    """The file at `path` as a message of at most `most` bytes; `name` says what it should be.

    Raises MissingDataError, UnreadableDataError, WrongSizeError.
    """
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            text = f"'{path}' holds {counted(size, 'byte')}; a {name} here has at most {most:,}"
            raise WrongSizeError(text, help="is it really this kind of file?")
        data = file.read(size)
    return Message(path, name, memoryview(data))


def varint(value: int) -> bytes:
    """A whole number as it is written, seven bits a byte; negative numbers take ten bytes."""
    value &= 2**64 - 1
    pieces = bytearray()
    while value > 127:
        pieces.append(value & 127 | 128)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


def head(number: int, size: int) -> bytes:
    """What stands before the bytes of a field that has `size` of them."""
    return varint(number << 3 | BYTES) + varint(size)


def row(number: int, data: bytes) -> bytes:
    """A field of bytes: a text, a message, or numbers in a row."""
    return head(number, len(data)) + data


def integer(number: int, value: int) -> bytes:
    """A field of a whole number."""
    return varint(number << 3 | VARINT) + varint(value)


def integers(number: int, values: Iterable[int]) -> bytes:
    """A field of whole numbers in a row."""
    return row(number, b"".join(map(varint, values)))
