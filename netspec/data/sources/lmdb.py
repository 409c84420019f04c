"""Lmdb: Caffe's database of images and labels. Records are Datum messages, in the order of their keys.

Encoded images are decoded to blue, green, red, as OpenCV does it for Caffe, so that the databases of Caffe's tools have
one order of channels, raw or encoded. Source: Caffe data_layer.cpp, db_lmdb.cpp; io.cpp, DecodeDatumToCVMat.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from netspec.core.cores import decoders
from netspec.core.errors import DataError
from netspec.core.locate import beside
from netspec.core.model import Listed, SpecPath
from netspec.core.shape import ANY, Shape, Shapes, counted, text
from netspec.data.dataset import Dataset
from netspec.data.sources.base import EmptyDataError, Source
from netspec.formats import wire
from netspec.formats.datum import Datum, datum_of
from netspec.formats.files import FileError, WrongFormatError, about
from netspec.formats.images import decode
from netspec.formats.lmdb import Database, open_lmdb, shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from netspec.data.dataset import Batch

    Array = NDArray[Any]
    Index = NDArray[np.int64]

_LOOKED_AT = 16
"""Records that are looked at when the database is opened, spread over all, to see whether images are equally large."""


_PIECE = 64
"""Records that are read at once where all are looked at."""


class UnequalImagesError(DataError):
    """The images of a database differ in shape where the first ones are alike."""

    code = "NS638"


class Lmdb(Source):
    """Image (C, H, W) and label, by records of a database; it is never read whole.

    Encoded images that differ in size need a transform that makes them equal.
    """

    order: ClassVar[Literal["rgb", "bgr"]] = "bgr"

    path: SpecPath = Field(description="The folder of the database, or its file.")
    force: Literal["color", "gray"] | None = Field(
        None, description="Decode encoded images to three channels, or to one; left out: as each file has it."
    )
    uneven: bool = Field(
        False, description="Encoded images differ in size, even if the first ones, and those in between, are alike."
    )
    classes: Listed[str] | None = Field(None, description="The names of the classes 0, 1, ....")

    def open(self, base: Path | None) -> Dataset:
        """The records, of which some are read to know their shape. Raises DataError."""
        path = beside(base, self.path)
        with about("path"):
            records = _Records(open_lmdb(path), str(path), self.force, self.classes)
            return records.sized(self.uneven)


@dataclass(frozen=True, eq=False)
class _Records(Dataset):
    """The records of a database; `shape` is that of an image."""

    database: Database
    title: str
    force: str | None
    kinds: tuple[str, ...] | None
    shape: Shape = ()
    encoded: bool = False

    @property
    def readers(self) -> int:  # type: ignore[override]
        """One for each core, where records are decoded."""
        return decoders() if self.encoded else 1

    def sized(self, uneven: bool) -> _Records:
        """Itself, knowing the shape of its images. Raises DataError."""
        import numpy as np

        if not len(self):
            raise EmptyDataError(f"'{self.title}' holds no records")
        first = self._datum(0, self.database.values([0])[0])
        shape = self._image(0, first).shape
        some = np.linspace(0, len(self) - 1, min(_LOOKED_AT, len(self))).astype(int).tolist()
        pairs = zip(some, self.database.values(some), strict=True)
        sizes = {self._image(number, self._datum(number, value)).shape[1:] for number, value in pairs}
        if len(sizes) > 1 or (uneven and first.encoded is not None):
            shape = (shape[0], ANY, ANY)
        return replace(self, shape=shape, encoded=first.encoded is not None)

    @property
    def shapes(self) -> Shapes:
        """That of an image, and a label."""
        return self.shape, ()

    def __len__(self) -> int:
        return len(self.database)

    def read(self, index: Index) -> tuple[Batch, ...]:
        """Images (N, C, H, W), or a list of them where they differ in size, and labels (N,). Raises DataError."""
        import numpy as np

        numbers = index.tolist()
        pairs = zip(numbers, self.database.values(numbers), strict=True)
        records = [(number, self._datum(number, value)) for number, value in pairs]
        images = [self._checked(number, self._image(number, datum)) for number, datum in records]
        labels = np.array([datum.label for _, datum in records], np.int64)
        return images if ANY in self.shape else np.stack(images), labels

    def read_through(self, index: Index) -> None:
        """Read and decode all, some at a time. Raises DataError."""
        for start in range(0, len(index), _PIECE):
            self.read(index[start : start + _PIECE])

    def _datum(self, number: int, value: bytes) -> Datum:
        """The Datum of a record. Raises WrongFormatError, which says that this is no database of Caffe."""
        try:
            return datum_of(wire.Message(self.database.path, "Datum", memoryview(value)))
        except FileError as error:
            raise WrongFormatError(
                f"the value of key '{shown(self.database.key(number))}' of '{self.title}' is no Datum of Caffe: "
                f"{error.message.rpartition(' has ')[2] if ' is no Datum: ' in error.message else error.message}",
                help="other programs keep other things in an LMDB: netspec reads those of Caffe",
            ) from None

    def _image(self, number: int, datum: Datum) -> Array:
        """The image of a record (C, H, W), which is not copied. Raises DataError."""
        if datum.encoded is None:
            return datum.array
        name, data = self.name(number), bytes(datum.encoded)
        gray = self.force == "gray" or (self.force is None and _is_gray(data))
        return decode(io.BytesIO(data), name, "gray" if gray else "bgr")

    def _checked(self, number: int, image: Array) -> Array:
        """An image of the shape that all have. Raises UnequalImagesError."""
        if len(image.shape) == len(self.shape) and all(
            wanted in (ANY, size) for wanted, size in zip(self.shape, image.shape, strict=True)
        ):
            return image
        help = "make the database anew, of images of one shape"
        if self.encoded:
            same = image.shape[0] == self.shape[0]
            help = "say `uneven: true`, and make them equal by a transform" if same else "say `force: color`, or gray"
        raise UnequalImagesError(f"{self.name(number)} is {text(image.shape)}, others {text(self.shape)}", help=help)

    def classes(self, output: int) -> tuple[str, ...] | None:
        """The names in the spec."""
        return self.kinds if output == 1 else None

    def describe(self) -> str:
        """The place, how many records, and their shape."""
        return f"LMDB {self.title}: {counted(len(self), 'record')} of {text(self.shape)}"

    def name(self, index: int, output: int = 0) -> str:
        """The key of a record."""
        return f"record {shown(self.database.key(index))} of {self.title}"


def _is_gray(data: bytes) -> bool:
    """Whether an image file says that it has one channel; what cannot be read, decoding names."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.mode in {"1", "L", "I", "I;16", "I;16B", "LA"}
    except Exception:
        return False
