"""Writes a set of samples in another form: NumPy arrays, HDF5, Caffe's LMDB, or a folder of PNGs a class.

What is written is made under another name beside its place and moved there at the end, so that nothing half done is
left. Samples are read some at a time.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import UsageError
from netspec.core.optional import library
from netspec.core.outputs import refuse_existing, writing
from netspec.core.shape import ANY
from netspec.data.dataset import Dataset
from netspec.formats import wire

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class UnfitFormError(UsageError):
    """Samples cannot be written in the form that is asked for."""

    code = "NS673"


class Form(StrEnum):
    """Forms of sets of samples."""

    npy = "npy"
    hdf5 = "hdf5"
    lmdb = "lmdb"
    folder = "folder"


_ANY_SAMPLES = "npy and hdf5 take any samples"
_PIECE = 256
"""Samples that are read at a time."""

_COMMIT = 1000
"""Samples of one LMDB transaction, as Caffe's tools write them."""

_LEAST_MAP = 64 << 20
"""Bytes of a new LMDB map; it grows as it is filled."""

Progress = Callable[[int], None]


def convert(data: Dataset, form: Form, place: Path, progress: Progress = lambda done: None) -> None:
    """Write all samples of a set. Raises UnfitFormError, ExistsError, WriteError, DataError."""
    refuse_existing(place, "say another place")
    _check(data, form)
    hidden = place.parent / f".{place.name}.tmp"
    write = {Form.npy: _npy, Form.hdf5: _hdf5, Form.lmdb: _lmdb, Form.folder: _folder}[form]
    try:
        with writing(place):
            write(data, hidden, progress)
            hidden.rename(place)
    finally:
        if hidden.is_dir():
            shutil.rmtree(hidden, ignore_errors=True)
        else:
            hidden.unlink(missing_ok=True)


def _check(data: Dataset, form: Form) -> None:
    """Refuse samples that have no place in a form."""
    shape, *others = data.shapes
    if form in (Form.npy, Form.hdf5) and any(ANY in one for one in data.shapes):
        text = f"the samples differ in size, and {form} holds arrays of one shape"
        raise UnfitFormError(text, help="lmdb and folder take images of any size")
    if form is Form.lmdb and (len(shape) != 3 or others[:1] not in ([], [()]) or len(others) > 1):
        raise UnfitFormError("a Datum of Caffe's LMDB holds an image and one label", help=_ANY_SAMPLES)
    if form is Form.folder and (len(shape) != 3 or shape[0] not in {1, 3}):
        raise UnfitFormError("only grey and colour images can be PNGs", help=_ANY_SAMPLES)


def _pieces(data: Dataset, progress: Progress) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """The number of the first sample of each piece, and its outputs."""
    import numpy as np

    for start in range(0, len(data), _PIECE):
        index = np.arange(start, min(start + _PIECE, len(data)))
        yield start, data.read(index)
        progress(int(index[-1]) + 1)


def _npy(data: Dataset, place: Path, progress: Progress) -> None:
    """A folder with 0.npy, 1.npy, ...: an array of each output, and classes.txt where the classes have names."""
    import numpy as np

    place.mkdir(parents=True)
    arrays: list[Any] = []
    for start, batch in _pieces(data, progress):
        if not arrays:
            named = ((place / f"{number}.npy", output) for number, output in enumerate(batch))
            arrays = [
                np.lib.format.open_memmap(path, "w+", output.dtype, (len(data), *output.shape[1:]))
                for path, output in named
            ]
        for array, output in zip(arrays, batch, strict=True):
            array[start : start + len(output)] = output
    for array in arrays:
        array.flush()
    if (names := _names(data)) is not None:
        (place / "classes.txt").write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


def _hdf5(data: Dataset, place: Path, progress: Progress) -> None:
    """One file with the datasets `data`, `label`, and `output2`, ... for further outputs, as Caffe's HDF5Data reads."""
    h5py = library("h5py", "hdf5", "hdf5")
    place.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(place, "w") as file:
        for start, batch in _pieces(data, progress):
            for number, output in enumerate(batch):
                name = ("data", "label")[number] if number < 2 else f"output{number}"
                if start == 0:
                    file.create_dataset(name, (len(data), *output.shape[1:]), output.dtype)
                file[name][start : start + len(output)] = output
        if (names := _names(data)) is not None:
            file.attrs["classes"] = list(names)


def _lmdb(data: Dataset, place: Path, progress: Progress) -> None:
    """Datums under the keys 00000000, 00000001, ... Source: Caffe tools/convert_imageset.cpp."""
    lmdb = library("lmdb", "lmdb", "lmdb")
    place.mkdir(parents=True)
    size = _LEAST_MAP
    with lmdb.open(str(place), map_size=size, writemap=False) as env:
        rows: list[tuple[bytes, bytes]] = []
        for start, (images, *others) in _pieces(data, progress):
            labels = others[0] if others else [0] * len(images)
            rows += [
                (b"%08d" % (start + i), datum(image, int(label)))
                for i, (image, label) in enumerate(zip(images, labels, strict=True))
            ]
            if len(rows) >= _COMMIT or start + len(images) == len(data):
                while not _put(lmdb, env, rows):
                    size *= 2
                    env.set_mapsize(size)
                rows = []
    (place / "lock.mdb").unlink(missing_ok=True)


def _put(lmdb: Any, env: Any, rows: list[tuple[bytes, bytes]]) -> bool:
    """Write rows in one transaction; False where the map is too small for them."""
    try:
        with env.begin(write=True) as transaction:
            for key, value in rows:
                transaction.put(key, value, append=True)
    except lmdb.MapFullError:
        return False
    return True


def datum(image: Array, label: int) -> bytes:
    """Caffe's Datum of an image (C, H, W): bytes as they are, all others as floats. Source: Caffe caffe.proto."""
    import numpy as np

    sizes = b"".join(wire.varint(number << 3) + wire.varint(size) for number, size in enumerate(image.shape, 1))
    if image.dtype == np.uint8:
        values = wire.row(4, np.ascontiguousarray(image).tobytes())
        return sizes + values + wire.varint(5 << 3) + wire.varint(label)
    values = wire.row(6, np.ascontiguousarray(image, "<f4").tobytes())
    return sizes + wire.varint(5 << 3) + wire.varint(label) + values


def _folder(data: Dataset, place: Path, progress: Progress) -> None:
    """A folder a class with a PNG for each sample, called by its number; one folder where there are no classes."""
    import numpy as np
    from PIL import Image

    names = _names(data)
    digits = len(str(len(data)))
    place.mkdir(parents=True)
    for start, (images, *others) in _pieces(data, progress):
        labels = others[0] if others else None
        for i, image in enumerate(images):
            if image.dtype != np.uint8:
                raise UnfitFormError(f"the samples are {image.dtype}, and PNGs hold bytes", help=_ANY_SAMPLES)
            folder = place if labels is None else place / _folder_name(int(labels[i]), names)
            folder.mkdir(exist_ok=True)
            pixels = image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
            Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{start + i:0{digits}}.png")


def _folder_name(label: int, names: tuple[str, ...] | None) -> str:
    """The name of a class as the name of a folder."""
    name = names[label] if names is not None and 0 <= label < len(names) else str(label)
    return name.replace("/", "_").replace("\0", "_").strip(".") or str(label)


def _names(data: Dataset) -> tuple[str, ...] | None:
    return data.classes(1) if len(data.shapes) > 1 else None
