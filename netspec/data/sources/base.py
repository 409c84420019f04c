"""Sources: where samples come from. A sample is a function of (source, index) alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from netspec.core.errors import DataError
from netspec.core.locate import beside
from netspec.core.model import Model
from netspec.core.rooms import Room
from netspec.core.shape import Shapes, counted, text
from netspec.data.dataset import Dataset
from netspec.formats.blob_proto import read_blob
from netspec.formats.files import Watched, about, stamp
from netspec.formats.npy import read_npy
from netspec.formats.rows import Rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]

_MOST_LABELS = 2**24
"""Values of an output of more than one number a sample that are looked at before they are read for a batch."""


_MOST_HASHED = 2**24
"""Bytes of arrays in memory that are read for the name of their content."""


class UnequalLengthsError(DataError):
    """The outputs of a source have different numbers of samples."""

    code = "NS607"


class EmptyDataError(DataError):
    """A source has no samples, or samples without values."""

    code = "NS608"


class UnusableArrayError(DataError):
    """An array that cannot feed a net: not real numbers, or without an axis of samples."""

    code = "NS609"


@dataclass(frozen=True, eq=False)
class ArrayDataset(Dataset):
    """Outputs that are whole arrays, in memory or in files.

    `arrays[i]` is (len, *shape); `names[i]` says where it came from; `kinds[i]` are the names of the classes that an
    output numbers. The files `watched` must stay as they are.
    """

    title: str
    names: tuple[str, ...]
    arrays: tuple[Array | Rows, ...]
    watched: tuple[Watched, ...] = field(default=(), kw_only=True)
    kinds: Mapping[int, tuple[str, ...]] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        for name, array in zip(self.names, self.arrays, strict=True):
            if array.dtype.kind not in "biuf":
                raise UnusableArrayError(f"{name} holds {array.dtype}, not real numbers")
            if not array.ndim:
                raise UnusableArrayError(f"{name} is a single number", help="the first axis counts the samples")
            if not array.size:
                raise EmptyDataError(f"{name} is empty: it is {text(array.shape)}")
        if not self.arrays:
            raise EmptyDataError(f"{self.title} holds no arrays")
        lengths = [len(array) for array in self.arrays]
        if len(set(lengths)) > 1:
            each = ", ".join(f"{name} has {length:,}" for name, length in zip(self.names, lengths, strict=True))
            help = _turned(self.names, self.arrays) or "do the files belong together?"
            raise UnequalLengthsError(f"the outputs differ in their number of samples: {each}", help=help)

    @property
    def shapes(self) -> Shapes:
        """The shape of each output of one sample."""
        return tuple(array.shape[1:] for array in self.arrays)

    def __len__(self) -> int:
        return len(self.arrays[0])

    def read(self, index: Index) -> tuple[Array, ...]:
        """Copies of the rows at `index`. Raises ChangedDataError where a file is no longer what was opened."""
        rows = tuple(array.take(index, axis=0) for array in self.arrays)
        for file in self.watched:
            file.check()
        return rows

    def labels(self, output: int) -> Array | None:
        """The array itself, unless it is large."""
        import numpy as np

        array = self.arrays[output]
        return np.asarray(array) if array.ndim == 1 or array.size <= _MOST_LABELS else None

    def digest(self) -> str | None:
        """The paths, sizes and times of the files; of small arrays in memory their bytes."""
        import numpy as np

        if self.watched:
            return json.dumps([self.names, [stamp(file.path) for file in self.watched]])
        arrays = [array for array in self.arrays if not isinstance(array, Rows)]
        if len(arrays) < len(self.arrays) or sum(array.nbytes for array in arrays) > _MOST_HASHED:
            return None
        state = blake2b(digest_size=16)
        for array in arrays:
            state.update(f"{array.dtype.str} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes())
        return state.hexdigest()

    def classes(self, output: int) -> tuple[str, ...] | None:
        """The names that the source knows."""
        return self.kinds.get(output)

    def describe(self) -> str:
        """The title, the number of samples and the shape of the first output."""
        return f"{self.title}: {counted(len(self), 'sample')} of {text(self.shapes[0])}"

    def name(self, index: int, output: int = 0) -> str:
        """The index and the file of the output."""
        return f"sample {index} of {self.names[output]}"


def _turned(names: tuple[str, ...], arrays: tuple[Array | Rows, ...]) -> str | None:
    """Help where one array has as many samples as the others on another axis than the first."""
    for i, (name, array) in enumerate(zip(names, arrays, strict=True)):
        lengths = {len(other) for j, other in enumerate(arrays) if j != i}
        axes = [axis for axis, size in enumerate(array.shape) if lengths == {size}]
        if axes and axes[0] > 0:
            return f"the first axis counts the samples: of {name} take np.moveaxis(array, {axes[0]}, 0)"
    return None


class Source(Model):
    """Names data and the place where they lie."""

    order: ClassVar[Literal["rgb", "bgr"]] = "rgb"
    """The order of the channels of its images, in which new ones are read for a net that was trained on them."""

    @property
    def bundled(self) -> bool:
        """Whether the data come with netspec or stand in the spec, so that they can be opened anywhere."""
        return False

    def open(self, base: Path | None) -> Dataset:
        """The data; relative paths start at `base`, the folder of the file that names them. Raises DataError."""
        raise NotImplementedError

    def unlabelled(self, path: Path, facts: dict[str, Any]) -> Dataset | None:
        """New samples in a file of the kind that this source reads, without targets: only the first output counts.

        `facts` are those of the data that the net was trained on. None where this source reads no such files: then
        images and arrays are read by what the file is. Raises DataError.
        """
        return None


def load_array(base: Path | None, path: str) -> Array:
    """The array in a file that the `file` of some spec value names: .npy, or Caffe's .binaryproto of one image.

    Caffe keeps a mean as a batch of one image, (1, C, H, W): it is given as (C, H, W). Raises DataError.
    """
    place = beside(base, path)
    with about("file"):
        if place.suffix != ".binaryproto":
            return read_npy(place)
        array = read_blob(place).data
        return array[0] if array.ndim == 4 and len(array) == 1 else array


SOURCES: Room[Source] = Room("netspec.data.sources", Source, "source")

AnySource = Annotated[Source, BeforeValidator(SOURCES.parse)]
