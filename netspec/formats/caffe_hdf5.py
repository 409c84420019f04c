"""Caffe's HDF5 files: weights, `.caffemodel.h5`, and states of a solver, `.solverstate.h5`.

Weights are datasets `/data/LAYER/NUMBER`; a param that layers share stands under the layer that owns it. Arrays that
lie in one piece are views of the mapped file. Source: Caffe net.cpp, ToHDF5; sgd_solver.cpp,
SnapshotSolverStateToHDF5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.optional import library
from netspec.core.shape import Shape, count, counted, text
from netspec.formats.caffemodel import NAME
from netspec.formats.files import WrongFormatError, WrongSizeError, opened
from netspec.formats.hdf5 import looking, open_file
from netspec.formats.mapped import mapped
from netspec.formats.solverstate import SolverState

if TYPE_CHECKING:
    from netspec.formats.mapped import Array

MAGIC = b"\x89HDF\r\n\x1a\n"
"""The first bytes of an HDF5 file."""
_DATA, _DIFF, _HISTORY = "data", "diff", "history"
_MOST, _DEEP = 2**16, 16
"""Most members of a file, and groups within groups, that are looked at."""
_TIMES = 4
"""As many times the file's size as its values may take in memory: Caffe packs nothing."""


@dataclass(frozen=True)
class H5Blob:
    """An array of a file: its shape, and its values."""

    shape: Shape
    data: Array
    legacy: bool = False


@dataclass(frozen=True)
class H5Layer:
    """A layer of a file: its name, and its blobs by number. A number is missing where another layer has the param."""

    name: str
    blobs: dict[int, H5Blob]


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 files do. Raises MissingDataError, UnreadableDataError."""
    with opened(path) as file:
        return file.read(len(MAGIC)) == MAGIC


def read_layers(path: Path) -> list[H5Layer]:
    """The layers with blobs of a `.caffemodel.h5`. Raises FileError, NoLibraryError."""
    with _reading(path) as reader:
        data = reader.member(_DATA, NAME)
        return [H5Layer(name, blobs) for name, blobs in reader.layers(data)]


def read_state(path: Path) -> SolverState:
    """The state in a `.solverstate.h5`. Raises FileError, NoLibraryError."""
    with _reading(path) as reader:
        iter, net, step = (reader.member(name, "solverstate") for name in ("iter", "learned_net", "current_step"))
        held = reader.blobs(reader.member(_HISTORY, "solverstate"))
        if sorted(held) != [*range(len(held))]:
            raise reader.fault("its history is not numbered from 0 on")
        numbers = [reader.number(each) for each in (iter, step)]
        history = tuple(held[number].data for number in range(len(held)))
        return SolverState(numbers[0], reader.string(net), history, numbers[1])


@contextmanager
def _reading(path: Path) -> Iterator[_Reader]:
    with open_file(path) as file, looking(path):
        yield _Reader(path, file, mapped(path))


class _Reader:
    """An open file, and the same file mapped."""

    def __init__(self, path: Path, file: Any, bytes: memoryview) -> None:
        self.path, self._file, self._bytes, self._room = path, file, bytes, _TIMES * len(bytes)
        self._h5py = library("h5py", "hdf5", "an HDF5 file")
        self._left = _MOST

    def fault(self, why: str) -> WrongFormatError:
        """The error for something in the file that Caffe does not write."""
        return WrongFormatError(f"'{self.path}' is no file of Caffe, or a damaged one: {why}")

    def member(self, name: str, kind: str) -> Any:
        """A member of the file. Raises WrongFormatError."""
        if name not in self._file:
            held = ", ".join(list(self._file)[:4]) or "nothing"
            raise WrongFormatError(f"'{self.path}' is no {kind} of Caffe: it has no '{name}', but {held}")
        if not isinstance(self._file.get(name, getlink=True), self._h5py.HardLink):
            raise self.fault(f"'{name}' is a link")
        return self._file[name]

    def _members(self, group: Any) -> Iterator[tuple[str, Any]]:
        """The members of a group by name; links to other files are not followed."""
        if not isinstance(group, self._h5py.Group):
            raise self.fault(f"'{group.name}' is no group")
        for name in group:
            self._left -= 1
            if self._left < 0:
                raise self.fault(f"it has more than {_MOST:,} members")
            if isinstance(group.get(name, getlink=True), self._h5py.HardLink):
                yield name, group[name]

    def layers(self, group: Any, prefix: str = "", deep: int = 0) -> Iterator[tuple[str, dict[int, H5Blob]]]:
        """The layers in a group; a name with slashes is a group in a group."""
        if deep > _DEEP:
            raise self.fault(f"its groups are nested more than {_DEEP} deep")
        for name, member in self._members(group):
            if isinstance(member, self._h5py.Group):
                found = self.blobs(member)
                if found:
                    yield prefix + name, found
                yield from self.layers(member, f"{prefix}{name}/", deep + 1)

    def blobs(self, group: Any) -> dict[int, H5Blob]:
        """The datasets in a group that are called by numbers."""
        numbered = [
            (name, member)
            for name, member in self._members(group)
            if name.isdecimal() and isinstance(member, self._h5py.Dataset)
        ]
        return {int(name): H5Blob(tuple(member.shape), self._array(member)) for name, member in numbered}

    def _array(self, dataset: Any) -> Array:
        """The values of a dataset. Raises WrongFormatError, WrongSizeError."""
        import numpy as np

        size = self._size(dataset, "f", "no floats")
        kind = self._h5py.h5t.py_create(dataset.dtype)
        start = dataset.id.get_offset() if dataset.id.get_type() == kind else None  # else the library converts it
        if start is None or start + size > len(self._bytes) or not size:
            return np.asarray(dataset[()])
        return np.frombuffer(self._bytes[start : start + size], dataset.dtype).reshape(dataset.shape)

    def _size(self, dataset: Any, kinds: str, what: str) -> int:
        """Bytes of a dataset's values, which are of some kinds. Raises WrongFormatError, WrongSizeError."""
        if not isinstance(dataset, self._h5py.Dataset) or dataset.shape is None or dataset.dtype.kind not in kinds:
            raise self.fault(f"'{dataset.name}' holds {what}")
        if dataset.external or dataset.is_virtual:
            raise self.fault(f"the values of '{dataset.name}' are in another file")
        size: int = count(dataset.shape) * dataset.dtype.itemsize
        self._room -= size
        if self._room < 0:
            raise WrongSizeError(
                f"'{self.path}' is too small for what it says it holds: '{dataset.name}' of {text(dataset.shape)} "
                f"takes {counted(size, 'byte')}",
                help="the file is damaged",
            )
        return size

    def number(self, dataset: Any) -> int:
        """The only number in a dataset."""
        self._size(dataset, "iu", "no whole number")
        if dataset.size != 1 or dataset[()].min() < 0:
            raise self.fault(f"'{dataset.name}' is no single number from 0 on")
        found: int = dataset[()].reshape(-1)[0].item()
        return found

    def string(self, dataset: Any) -> str:
        """The text in a dataset."""
        self._size(dataset, "OS", "no text")
        if dataset.size != 1:
            raise self.fault(f"'{dataset.name}' is no single text")
        held = dataset[()]
        return bytes(held if isinstance(held, bytes) else held.reshape(-1)[0]).decode(errors="backslashreplace")


Rows = Iterable[tuple[str, Sequence["Array | None"]]]
"""Layers by name with their arrays, None where another layer has the param."""


def write_layers(path: Path, layers: Rows, diffs: Rows = ()) -> None:
    """Write a `.caffemodel.h5`: the blobs of layers, and their gradients where wanted."""
    h5py = library("h5py", "hdf5", "an HDF5 file")
    with h5py.File(path, "w") as file:
        file.create_group(_DATA)
        for head, rows in ((_DATA, layers), (_DIFF, diffs)):
            for name, arrays in rows:
                group = file.require_group(f"{head}/{name}")
                for number, array in enumerate(arrays):
                    if array is not None:
                        group.create_dataset(str(number), data=array)


def write_state(path: Path, state: SolverState) -> None:
    """Write a `.solverstate.h5`."""
    import numpy as np

    h5py = library("h5py", "hdf5", "an HDF5 file")
    with h5py.File(path, "w") as file:
        file.create_dataset("iter", data=np.array([state.iter], np.int32))
        net = state.learned_net.encode()
        file.create_dataset("learned_net", data=np.array(net, f"S{len(net) + 1}"))  # Caffe reads up to a zero
        file.create_dataset("current_step", data=np.array([state.current_step], np.int32))
        history = file.create_group(_HISTORY)
        for number, array in enumerate(state.history):
            history.create_dataset(str(number), data=array)
