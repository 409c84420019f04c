"""Caffe's files of weights, `.caffemodel`: the layers of a NetParameter with their blobs, of all its versions.

A file is mapped into memory and walked there: blobs are views of the map, so that a file of any size takes the memory
of what is looked at. Source: Caffe caffe.proto; upgrade_proto.cpp; net.cpp, ToProto.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.formats import blob_proto, wire
from netspec.formats.blob_proto import BlobProto, blob_of
from netspec.formats.files import WrongFormatError
from netspec.formats.mapped import map_message

if TYPE_CHECKING:
    from netspec.formats.mapped import Array

NAME = "caffemodel"

_NAME, _V1_LAYERS, _LAYERS = 1, 2, 100
"""Fields of a net: its name, its layers in the first version with parameters of their own, and since."""
_IN_LAYER = (1, 7)
"""Fields of a layer: name, blobs."""
_IN_V1, _V0 = (4, 6), 1
"""Those of a layer of the version before, and the layer of the first version that it may hold."""
_IN_V0 = (1, 50)
BEGINNINGS = (b"\x0a", b"\x12", b"\xa2\x06")
"""The first bytes of a file: its name, or a layer of either version."""
_MOST_LAYERS, _MOST_BLOBS = 2**16, 2**10
"""More layers of a file, or blobs of a layer, are no net: each takes more memory than its few bytes in the file."""


@dataclass(frozen=True)
class LayerBlobs:
    """A layer of a file that has blobs: its name, and the blobs as they lie in the file."""

    name: str
    messages: tuple[wire.Message, ...]

    @property
    def blobs(self) -> tuple[BlobProto, ...]:
        """The blobs, read now. Raises WrongFormatError, WrongSizeError."""
        return tuple(map(blob_of, self.messages))


def read_layers(path: Path) -> list[LayerBlobs]:
    """The layers with blobs of a `.caffemodel`, in the order of the file; a name may stand there more than once.

    Raises MissingDataError, UnreadableDataError, WrongFormatError, WrongSizeError.
    """
    return layers_of(map_message(path, NAME))


def layers_of(message: wire.Message) -> list[LayerBlobs]:
    """The layers with blobs of a NetParameter. Raises WrongFormatError.

    As in Caffe, layers of the version before count alone where a net has both.
    """
    found: dict[int, list[LayerBlobs]] = {}
    seen = 0
    for field in message.fields():
        if field.number not in (_LAYERS, _V1_LAYERS):
            continue
        seen += 1
        if seen > _MOST_LAYERS:
            raise message.fault(field.place, f"more than {_MOST_LAYERS:,} layers")
        own = found.setdefault(field.number, [])
        layer = _layer(field.message(NAME), *_IN_LAYER) if field.number == _LAYERS else _old(field.message(NAME))
        if layer is not None:
            own.append(layer)
    if not seen:
        raise WrongFormatError(
            f"'{message.path}' is no {message.name}: it has no layers",
            help="a solverstate, a mean of images or a file of another program? weights end in .caffemodel",
        )
    return found[_V1_LAYERS if _V1_LAYERS in found else _LAYERS]


def _old(message: wire.Message) -> LayerBlobs | None:
    """A layer of the version before, or of the first one in it."""
    for field in message.fields():
        if field.number == _V0:
            return _layer(field.message(NAME), *_IN_V0)
    return _layer(message, *_IN_V1)


def _layer(message: wire.Message, named: int, held: int) -> LayerBlobs | None:
    """A layer by the fields of its name and blobs; None where it has no blobs."""
    name, blobs = "", []
    for field in message.fields():
        if field.number == named:
            name = field.text()
        elif field.number == held:
            blobs.append(field.message(blob_proto.NAME))
            if len(blobs) > _MOST_BLOBS:
                raise message.fault(field.place, f"more than {_MOST_BLOBS:,} blobs in a layer")
    return LayerBlobs(name, tuple(blobs)) if blobs else None


@dataclass(frozen=True)
class Written:
    """A layer to write: its LayerParameter in bytes, without blobs, and its arrays with gradients where wanted."""

    parameter: bytes
    arrays: Sequence[Array]
    diffs: Sequence[Array | None] = ()


def pieces(name: str, layers: Iterable[Written]) -> Iterator[bytes | memoryview]:
    """The bytes of a `.caffemodel`, in pieces: no array is copied that is stored as it lies."""
    yield wire.row(_NAME, name.encode())
    for layer in layers:
        diffs = layer.diffs or (None,) * len(layer.arrays)
        own: list[bytes | memoryview] = [layer.parameter]
        for array, diff in zip(layer.arrays, diffs, strict=True):
            blob = blob_proto.pieces(array, diff)
            own += [wire.head(_IN_LAYER[1], sum(map(len, blob))), *blob]
        yield wire.head(_LAYERS, sum(map(len, own)))
        yield from own


def parameter(name: str, type: str, bottoms: Iterable[str] = (), tops: Iterable[str] = ()) -> bytes:
    """The LayerParameter of a layer without settings: enough for Caffe to find its blobs by name."""
    fields = ((1, (name,)), (2, (type,)), (3, bottoms), (4, tops))
    return b"".join(wire.row(number, text.encode()) for number, texts in fields for text in texts)
