"""Hdf5 against arrays in memory: files, lists of files, any order of rows, and what is wrong with files."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from netspec.core.errors import DataError
from netspec.data.sources.base import EmptyDataError, UnequalLengthsError, UnusableArrayError
from netspec.data.sources.hdf5 import Hdf5, UnequalFilesError
from netspec.formats import hdf5 as files
from netspec.formats.files import ChangedDataError, MissingDataError, UnreadableDataError, WrongFormatError

h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Three files of 10, 0 and 4 samples; values as in Caffe's own test: 0, 1, 2, ..., labels from 1."""
    path = tmp_path_factory.mktemp("hdf5")
    start = 0
    for name, n, packed in (("one", 10, {}), ("none", 0, {}), ("two", 4, {"compression": "gzip", "chunks": True})):
        data = np.arange(start * 30, (start + n) * 30, dtype=np.float32).reshape(n, 2, 3, 5)
        with h5py.File(path / f"{name}.h5", "w") as file:
            file.create_dataset("data", data=data, **packed)
            file["label"] = np.arange(start + 1, start + n + 1, dtype=np.uint8 if packed else np.int64)
            file["group/deep"] = data[:, 0, 0]
            file["words"] = ["a"] * n
            file["one"] = 3.0
        start += n
    (path / "list.txt").write_text("one.h5\n\n none.h5 \ntwo.h5\n")
    return path


KEYS = ("data", "label")


def test_files_follow_one_another(folder) -> None:
    data = Hdf5(files=("list.txt",), keys=KEYS).open(folder)
    assert len(data) == 14 and data.shapes == ((2, 3, 5), ())
    index = np.array([13, 0, 9, 10, 3, 4, 5, 3, 11])
    x, labels = data.read(index)
    wanted = np.arange(14 * 30, dtype=np.float32).reshape(14, 2, 3, 5)[index]
    np.testing.assert_array_equal(x, wanted)
    assert x.dtype == np.float32 and labels.dtype == np.int64 and labels.tolist() == (index + 1).tolist()
    assert data.labels(1).tolist() == list(range(1, 15)) and data.labels(0) is None
    assert data.name(12, 1) == "sample 2 of two.h5[label]" and data.name(9) == "sample 9 of one.h5[data]"
    assert "and 2 more files (data, label): 14 samples of 2x3x5" in data.describe()
    data.close()
    np.testing.assert_array_equal(data.read(index)[0], wanted)  # it opens them again
    data.close()


def test_several_threads_and_few_open_files(folder, monkeypatch) -> None:
    monkeypatch.setattr(files, "_AT_ONCE", 1)
    data = Hdf5(files=("one.h5", "two.h5"), keys=KEYS).open(folder)
    index = [np.random.default_rng(i).integers(0, 14, 20) for i in range(12)]
    with ThreadPoolExecutor(4) as pool:
        for one, (_, labels) in zip(index, pool.map(data.read, index), strict=True):
            assert labels.tolist() == (one + 1).tolist()
    data.close()


def test_all_datasets_and_groups(folder, tmp_path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["b"], file["a"] = np.zeros((3, 2)), np.ones((3,), bool)
        file["g/c"] = np.zeros((4, 2))
    data = Hdf5(files=("x.h5",), classes=("no", "yes")).open(tmp_path)
    assert data.shapes == ((), (2,)) and data.classes(1) == ("no", "yes") and data.classes(0) is None
    assert Hdf5(files=("one.h5",), keys=("group/deep",)).open(folder).shapes == ((5,),)


@pytest.mark.parametrize(
    ("error", "source", "said"),
    [
        (MissingDataError, {"files": ("one.h5",), "keys": ("data", "labels")}, "has no dataset 'labels'"),
        (MissingDataError, {"files": ("no.h5",)}, "there is no file"),
        (UnusableArrayError, {"files": ("one.h5",), "keys": ("words",)}, "not real numbers"),
        (UnusableArrayError, {"files": ("one.h5",), "keys": ("one",)}, "is a single number"),
        (UnusableArrayError, {"files": ("one.h5",), "keys": ("group",)}, "is a group"),
        (EmptyDataError, {"files": ("none.h5",), "keys": KEYS}, "hold no samples"),
        (WrongFormatError, {"files": ("garbage.h5",)}, "is no HDF5 file"),
        (WrongFormatError, {"files": ("cut.h5",)}, "truncated"),
        (WrongFormatError, {"files": ("empty.h5",)}, "neither an HDF5 file nor a list"),
        (MissingDataError, {"files": ("text.txt",)}, "as a list of files it names"),
        (UnequalLengthsError, {"files": ("unequal.h5",)}, "'a' has 3, 'b' has 4"),
        (UnequalFilesError, {"files": ("shape1.h5", "shape2.h5")}, "'a' is 2 in .* and 5 in"),
        (EmptyDataError, {"files": ("bare.h5",)}, "no datasets outside of groups"),
        (EmptyDataError, {"files": ("flat.h5",)}, "'a' in .* is empty: it is 3x0"),
    ],
)
def test_what_is_wrong(folder, error, source, said) -> None:
    if not (folder / "cut.h5").exists():
        _spoil(folder)
    with pytest.raises(error, match=said):
        Hdf5(**source).open(folder)


def _spoil(folder: Path) -> None:
    (folder / "garbage.h5").write_bytes(bytes(range(256)))
    (folder / "empty.h5").write_bytes(b"")
    (folder / "text.txt").write_text("some\nwords\n")
    sets = {"unequal": {"a": (3,), "b": (4,)}, "shape1": {"a": (3, 2)}, "shape2": {"a": (3, 5)}, "flat": {"a": (3, 0)}}
    for name, held in {**sets, "bare": {"g/a": (3,)}}.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            for key, shape in held.items():
                file[key] = np.zeros(shape)
    (folder / "cut.h5").write_bytes((folder / "one.h5").read_bytes()[:3000])


def test_a_file_that_changes_or_goes(folder, tmp_path) -> None:
    path = tmp_path / "x.h5"
    path.write_bytes((folder / "one.h5").read_bytes())
    data = Hdf5(files=("x.h5",), keys=KEYS).open(tmp_path)
    with h5py.File(path, "a") as file:
        file["more"] = np.zeros(3000)
    with pytest.raises(ChangedDataError, match="was written to"):
        data.read(np.array([1]))
    path.unlink()
    with pytest.raises(UnreadableDataError, match="No such file"):
        data.read(np.array([1]))


def test_a_damaged_chunk(folder, tmp_path) -> None:
    path = tmp_path / "x.h5"
    values = np.random.default_rng(1).random((50, 20))
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=values, compression="gzip", chunks=(50, 20))
        place = file["data"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 40 : place + 400] = bytes(360)
    path.write_bytes(content)
    data = Hdf5(files=("x.h5",)).open(tmp_path)
    with pytest.raises(UnreadableDataError, match=r"rows 4 to 4 of 'data' in .* cannot be read"):
        data.read(np.array([4]))


def test_it_is_never_read_whole(tmp_path) -> None:
    with h5py.File(tmp_path / "large.h5", "w") as file:
        file.create_dataset("data", (10**9, 1000), "f4", chunks=(100, 1000))  # four terabytes that nobody wrote
        file.create_dataset("label", (10**9,), "i4", chunks=(1000,))
    data = Hdf5(files=("large.h5",)).open(tmp_path)
    x, labels = data.read(np.array([999_999_999, 5]))
    assert x.shape == (2, 1000) and not x.any() and labels.tolist() == [0, 0] and data.labels(1) is None
    data.close()


def test_a_dataset_is_looked_up_once_a_batch(folder, monkeypatch) -> None:
    data, looked = Hdf5(files=("one.h5",), keys=KEYS).open(folder), []
    own = h5py.Group.__getitem__
    monkeypatch.setattr(h5py.Group, "__getitem__", lambda self, name: (looked.append(name), own(self, name))[1])
    data.read(np.arange(len(data))[::-1])
    data.close()
    assert looked == list(KEYS)


def test_a_large_file_is_told_from_a_list_by_its_beginning(tmp_path) -> None:
    path = tmp_path / "large.h5"
    with path.open("wb") as file:
        file.write(b"\x89HDF\r\n\x1a\n")
        file.truncate(2**23)
    tracemalloc.start()
    assert files.listed(path) == [path]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize("version", ["earliest", "latest"])
@pytest.mark.parametrize("keys", [None, KEYS])
def test_a_byte_that_is_wrong_anywhere_is_an_error_or_harmless(tmp_path, version, keys) -> None:
    with h5py.File(tmp_path / "x.h5", "w", libver=version) as file:
        file["data"], file["label"] = np.ones((4, 3)), np.zeros(4)
    content = (tmp_path / "x.h5").read_bytes()
    damaged = 0
    for place in range(8, len(content), 29):
        (tmp_path / "y.h5").write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            data = Hdf5(files="y.h5", keys=keys).open(tmp_path)
            data.read(np.arange(len(data)))
            data.close()
        except (DataError, MemoryError) as error:
            damaged += isinstance(error, WrongFormatError)
    assert damaged


@pytest.mark.parametrize("how", ["link", "raw", "virtual"])
def test_no_file_leads_out_of_its_folder(how: str, tmp_path: Path) -> None:
    """What lies in another file is read beside the file that names it, and nowhere else."""
    inner, outer = tmp_path / "inner", tmp_path / "secret"
    for folder in (inner, outer):
        folder.mkdir()
        (folder / "raw").write_bytes(np.arange(12, dtype=np.float32).tobytes())
        with h5py.File(folder / "other.h5", "w") as file:
            file["data"] = np.arange(12, dtype=np.float32).reshape(4, 3)

    def leading(to: str, name: str) -> Path:
        with h5py.File(inner / name, "w") as file:
            if how == "link":
                file["data"] = h5py.ExternalLink(f"{to}other.h5", "/data")
            elif how == "raw":
                file.create_dataset("data", (4, 3), "f4", external=[(f"{to or f'{inner}/'}raw", 0, 48)])
            else:
                layout = h5py.VirtualLayout((4, 3), "f4")
                layout[:] = h5py.VirtualSource(f"{to}other.h5", "data", shape=(4, 3))
                file.create_virtual_dataset("data", layout)
        return inner / name

    source = Hdf5(files=str(leading("", "good.h5")), keys=("data",)).open(None)
    np.testing.assert_array_equal(source.read(np.array([2]))[0], [[6, 7, 8]])
    for number, to in enumerate(("../secret/", f"{outer}/")):
        with pytest.raises(
            WrongFormatError, match=r"'data' in '.*bad..h5' has its values in '.*secret/.*', outside of"
        ):
            Hdf5(files=str(leading(to, f"bad{number}.h5")), keys=("data",)).open(None)
