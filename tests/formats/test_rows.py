"""Data files that are cut, written to, renamed or deleted while they are in use; rows read one by one and in runs."""

from __future__ import annotations

import gc
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.data.dataset import Dataset
from netspec.data.sources.base import SOURCES
from netspec.formats import rows
from netspec.formats.files import ChangedDataError, UnreadableDataError, Watched

X = np.arange(7 * 2 * 3 * 5, dtype=np.float32).reshape(7, 2, 3, 5)
Y = np.array([4, 0, 1, 3, 2, 0, 1])
RECORD = bytes([3]) + bytes(3072)


def npy(folder: Path) -> dict[str, Any]:
    np.save(folder / "x.npy", X)
    np.save(folder / "y.npy", Y)
    return {"type": "Arrays", "outputs": ("y.npy", "x.npy")}


def npz(folder: Path) -> dict[str, Any]:
    np.savez(folder / "x.npz", x=X, y=Y)
    return {"type": "Arrays", "file": "x.npz"}


def raw_idx(folder: Path, name: str = "x.idx", pack: Callable[[bytes], bytes] = bytes) -> dict[str, Any]:
    head = bytes([0, 0, 8, 3]) + b"".join(size.to_bytes(4, "big") for size in (7, 2, 3))
    (folder / name).write_bytes(pack(head + bytes(range(42))))
    return {"type": "Idx", "images": name}


def packed_idx(folder: Path) -> dict[str, Any]:
    return raw_idx(folder, "x.gz", gzip.compress)


def cifar(folder: Path) -> dict[str, Any]:
    for batch in range(1, 6):
        (folder / f"data_batch_{batch}.bin").write_bytes(RECORD * 2)
    (folder / "data_batch_2.bin").rename(folder / "x.bin")
    (folder / "data_batch_2.bin").symlink_to("x.bin")
    return {"type": "Cifar10", "folder": ".", "split": "train"}


SOURCES_OF_FILES = (npy, npz, raw_idx, packed_idx, cifar)


def opened(make: Callable[[Path], dict[str, Any]], folder: Path) -> tuple[Dataset, Path]:
    """The data of a source, and one of its files."""
    data = SOURCES.parse(make(folder)).open(folder)
    (path,) = folder.glob("x.*")
    return data, path


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def grown(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def overwritten(path: Path) -> None:
    was = path.stat()
    path.write_bytes(path.read_bytes()[::-1])
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns + 10**9))  # a coarse clock would tell no difference


@pytest.mark.parametrize("in_memory", [0, 2**28])
@pytest.mark.parametrize("damage", [cut, emptied, grown, overwritten])
@pytest.mark.parametrize("make", SOURCES_OF_FILES)
def test_a_file_that_changes_while_it_is_in_use_is_an_error_that_names_it(
    make: Any, damage: Any, in_memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "IN_MEMORY", in_memory)
    data, path = opened(make, tmp_path)
    first = data.read(np.array([5, 2]))
    np.testing.assert_array_equal(data.read(np.array([5, 2]))[0], first[0])
    damage(path)
    with pytest.raises(ChangedDataError) as caught:
        data.read(np.array([6, 2]))
    assert (tmp_path / "data_batch_2.bin" if make is cifar else path).name in caught.value.message


@pytest.mark.parametrize("in_memory", [0, 2**28])
@pytest.mark.parametrize("make", SOURCES_OF_FILES)
def test_a_file_that_is_replaced_or_deleted_stays_readable(
    make: Any, in_memory: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "IN_MEMORY", in_memory)
    data, path = opened(make, tmp_path)
    first = data.read(np.array([5, 2]))
    (tmp_path / "other").write_bytes(b"other")
    os.replace(tmp_path / "other", path)
    for again in (1, 2):
        np.testing.assert_array_equal(data.read(np.array([5, 2]))[0], first[0])
        if again == 1:
            path.unlink()


@pytest.mark.parametrize("index", [[], [3], [0, 1, 2], [6, 5, 4], [2, 3, 0, 5, 6, 6, 1]])
def test_rows_are_those_of_the_array(index: list[int], tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"head" + X.tobytes())
    with path.open("rb") as file:
        found = rows.Rows(Watched(path, file), 4, X.shape, X.dtype)
    np.testing.assert_array_equal(found.take(np.array(index, np.int64)), X[index])
    np.testing.assert_array_equal(found.reshape(7, 10, 3).take(np.array(index, np.int64)), X.reshape(7, 10, 3)[index])
    assert (found.ndim, found.size, len(found)) == (4, X.size, 7)
    np.testing.assert_array_equal(np.asarray(found), X)


def test_a_disk_that_fails_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(X.tobytes()[:-1])
    with path.open("rb") as file:
        found = rows.Rows(Watched(path, file), 0, X.shape, X.dtype)
    with pytest.raises(UnreadableDataError, match="x' cannot be read: it ends early"):
        np.asarray(found)


def test_files_are_closed_with_the_data(tmp_path: Path) -> None:
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("this system does not list a process's files")
    data, path = opened(npy, tmp_path)

    def held() -> int:
        return sum(os.path.realpath(one) == str(path) for one in descriptors.iterdir())

    assert held() == 1
    del data
    gc.collect()
    assert held() == 0
