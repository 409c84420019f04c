"""Hdf5: datasets of HDF5 files as outputs, or of Caffe's text file that lists such files.

Caffe reads a file whole, and knows a shuffle of files and within a file. Here rows are read as they are asked for, and
samples of all files are shuffled together. Source: Caffe hdf5_data_layer.cpp.
"""

from __future__ import annotations

from bisect import bisect
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from netspec.core.errors import DataError
from netspec.core.locate import beside
from netspec.core.model import Listed, SpecPath
from netspec.core.shape import Shapes, count, counted, text
from netspec.core.spelling import enumerated, suggest
from netspec.data.dataset import Dataset
from netspec.data.sources.base import EmptyDataError, Source, UnequalLengthsError, UnusableArrayError
from netspec.formats.files import MissingDataError, about
from netspec.formats.hdf5 import Handles, Stamp, check_own, listed, looking, open_file, stamp
from netspec.formats.hdf5 import rows as rows_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]

_MOST_LABELS = 2**24
"""Samples whose labels are looked at before they are read for a batch."""


_PIECE = 256
"""Samples that are read at once where all are looked at."""


class UnequalFilesError(DataError):
    """The files of a source have samples of different shapes."""

    code = "NS637"


class Hdf5(Source):
    """One dataset for each output of a sample; the first axis of every dataset counts the samples.

    Files may hold different numbers of samples, which follow one another. They are never read whole.
    """

    files: Listed[SpecPath] = Field(
        min_length=1, description="HDF5 files, or a text file with the path of one a line, relative to itself."
    )
    keys: Listed[str] | None = Field(
        None, description="The dataset of each output, with groups as group/name; left out: all that are in no group."
    )
    classes: Listed[str] | None = Field(
        None, description="The names of the classes 0, 1, ... that the last output numbers."
    )

    def open(self, base: Path | None) -> Dataset:
        """The files, of which only the heads are read. Raises DataError."""
        paths: list[Path] = []
        for i, written in enumerate(self.files):
            with about(f"files.{i}"):
                paths += listed(beside(base, written))
        parts: list[_Part] = []
        for path in paths:
            with about("files"):
                parts.append(_part(path, parts[0].keys if parts else self.keys))
        for part in parts[1:]:
            if part.shapes != parts[0].shapes:
                each = ", ".join(
                    f"'{key}' is {text(one)} in '{parts[0].path}' and {text(other)} in '{part.path}'"
                    for key, one, other in zip(part.keys, parts[0].shapes, part.shapes, strict=True)
                    if one != other
                )
                raise UnequalFilesError(f"samples of different files differ in shape: {each}")
        if not sum(part.length for part in parts):
            raise EmptyDataError(f"{enumerated([str(path) for path in paths[:3]])} hold no samples")
        return _Files(tuple(parts), self.classes)


@dataclass(frozen=True)
class _Part:
    """The facts of one file: its datasets, the shape of a sample in each, and how many samples it has."""

    path: Path
    keys: tuple[str, ...]
    shapes: Shapes
    kinds: tuple[str, ...]
    length: int
    was: Stamp


@dataclass(frozen=True, eq=False)
class _Files(Dataset):
    """The samples of all files, one file behind the other."""

    parts: tuple[_Part, ...]
    names: tuple[str, ...] | None
    handles: Handles = field(default_factory=Handles)

    @property
    def shapes(self) -> Shapes:
        """The shape of each output of one sample."""
        return self.parts[0].shapes

    def __len__(self) -> int:
        return sum(part.length for part in self.parts)

    @property
    def _starts(self) -> list[int]:
        """The number of the first sample of each file."""
        starts = [0]
        for part in self.parts[:-1]:
            starts.append(starts[-1] + part.length)
        return starts

    def _kind(self, output: int) -> np.dtype[Any]:
        """The type that holds the numbers of an output in all files."""
        import numpy as np

        return np.result_type(*(part.kinds[output] for part in self.parts))

    def read(self, index: Index) -> tuple[Array, ...]:
        """Rows of each dataset, (N, *shape). Raises ChangedDataError, UnreadableDataError."""
        import numpy as np

        outputs = tuple(np.empty((len(index), *shape), self._kind(output)) for output, shape in enumerate(self.shapes))
        files = np.searchsorted(self._starts, index, side="right") - 1  # an empty file starts where the next one does
        for file in np.unique(files).tolist():
            places = np.flatnonzero(files == file)
            rows = index[places] - self._starts[file]
            order = np.argsort(rows, kind="stable")
            self._read_part(self.parts[file], rows[order], places[order], outputs)
        return outputs

    def read_through(self, index: Index) -> None:
        """Read all, some at a time. Raises DataError."""
        for start in range(0, len(index), _PIECE):
            self.read(index[start : start + _PIECE])

    def _read_part(self, part: _Part, rows: Index, places: Index, outputs: tuple[Array, ...]) -> None:
        """Read rows of one file, in order, into places of the outputs; neighbours are read at once."""
        import numpy as np

        with self.handles.open(part.path, part.was) as file:
            begins = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
            datasets = [file[key] for key in part.keys]  # looking one up takes as long as reading a row of it
            for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(rows)], strict=True):
                first = int(rows[begin])
                for values, dataset in zip(outputs, datasets, strict=True):
                    values[places[begin:end]] = rows_of(part.path, dataset, first, first + end - begin)

    def labels(self, output: int) -> Array | None:
        """The whole dataset where it is one number a sample, and not long."""
        import numpy as np

        if self.shapes[output] or len(self) > _MOST_LABELS:
            return None
        return np.concatenate([self._labels(part, output) for part in self.parts])

    def _labels(self, part: _Part, output: int) -> Array:
        with self.handles.open(part.path, part.was) as file:
            values: Array = rows_of(part.path, file[part.keys[output]], 0, part.length)
            return values

    def classes(self, output: int) -> tuple[str, ...] | None:
        """The names in the spec, of the last output."""
        return self.names if output == len(self.shapes) - 1 else None

    def describe(self) -> str:
        """The first file, how many more, and the samples."""
        more = f" and {counted(len(self.parts) - 1, 'more file')}" if len(self.parts) > 1 else ""
        keys = ", ".join(self.parts[0].keys)
        return f"HDF5 {self.parts[0].path}{more} ({keys}): {counted(len(self), 'sample')} of {text(self.shapes[0])}"

    def name(self, index: int, output: int = 0) -> str:
        """The row within its file."""
        file = bisect(self._starts, index) - 1
        return f"sample {index - self._starts[file]} of {self.parts[file].path.name}[{self.parts[file].keys[output]}]"

    def close(self) -> None:
        """Close the files."""
        self.handles.close()


def _part(path: Path, keys: tuple[str, ...] | None) -> _Part:
    """The facts of a file. Raises DataError."""
    was = stamp(path)
    with open_file(path) as file, looking(path):
        names = keys if keys is not None else tuple(key for key in file if _is_set(file, key))
        if not names:
            raise EmptyDataError(f"'{path}' holds no datasets outside of groups", help="name them by `keys`")
        sets = [_dataset(file, path, key, None if keys is None else i) for i, key in enumerate(names)]
        lengths = {len(one) for one in sets}
        if len(lengths) > 1:
            each = ", ".join(f"'{key}' has {len(one):,}" for key, one in zip(names, sets, strict=True))
            raise UnequalLengthsError(f"the datasets of '{path}' differ in their number of samples: {each}")
        kinds = tuple(one.dtype.newbyteorder("=").str for one in sets)
        return _Part(path, names, tuple(one.shape[1:] for one in sets), kinds, lengths.pop(), was)


def _is_set(file: Any, key: str) -> bool:
    return hasattr(file.get(key), "dtype")


def _dataset(file: Any, path: Path, key: str, number: int | None) -> Any:
    """A dataset of numbers. Raises MissingDataError, UnusableArrayError."""
    field = None if number is None else f"keys.{number}"
    found = file.get(key) if key in file else None
    if found is None:
        there = [name for name in file if _is_set(file, name)]
        help = suggest(key, there) or (f"it holds {enumerated(there)}" if there else "it holds none outside of groups")
        raise MissingDataError(f"'{path}' has no dataset '{key}'", help=help).changed(field=field)
    if not hasattr(found, "dtype"):
        inside = [f"{key}/{name}" for name in found]
        raise UnusableArrayError(
            f"'{key}' in '{path}' is a group, not a dataset", help=f"it holds {enumerated(inside)}" if inside else None
        )
    check_own(path, found)
    if found.dtype.kind not in "biuf":
        raise UnusableArrayError(f"'{key}' in '{path}' holds {found.dtype}, not real numbers")
    if not found.ndim:
        raise UnusableArrayError(f"'{key}' in '{path}' is a single number", help="the first axis counts the samples")
    if not count(found.shape[1:]):
        raise EmptyDataError(f"'{key}' in '{path}' is empty: it is {text(found.shape)}")
    return found
