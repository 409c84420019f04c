"""HDF5 files, databases and lists of windows that are broken, for the golden files of tests/cli/broken."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import lmdb
import numpy as np

from netspec.formats.datum import written

_SETS: dict[str, dict[str, np.ndarray]] = {
    "good": {"data": np.zeros((4, 3), np.float32), "label": np.zeros(4, np.int32)},
    "wide": {"data": np.zeros((4, 5), np.float32), "label": np.zeros(4, np.int32)},
    "lengths": {"data": np.zeros((4, 3), np.float32), "label": np.zeros(5, np.int32)},
    "words": {"data": np.zeros((4, 3), np.float32), "label": np.array([b"a", b"b", b"c", b"d"])},
    "grouped": {"train/data": np.zeros((4, 3), np.float32), "train/label": np.zeros(4, np.int32)},
}

_WINDOWS = "# 0\na.png\n3\n9\n8\n2\n1 0.9 1 1 5 5\n0 0.1 2 2 7 7\n"


def make(folder: Path) -> None:
    """Create them in a folder."""
    folder.mkdir()
    _make_hdf5(folder)
    image, wide = np.zeros((3, 4, 5), np.uint8), np.zeros((3, 4, 6), np.uint8)
    _database(folder / "other", {b"0001": pickle.dumps({"x": 1}, 2)})
    _database(folder / "uneven", {b"%04d" % i: written(wide if i == 9 else image, 0) for i in range(40)})
    _database(folder / "text", {b"0001": written(b"no image", 1)})
    _database(folder / "nothing", {})
    _database(folder / "whole", {b"%04d" % i: written(np.zeros((3, 40, 40), np.uint8), 0) for i in range(9)})
    (folder / "cut.mdb").write_bytes((folder / "whole" / "data.mdb").read_bytes()[:20_000])
    (folder / "text.mdb").write_bytes(b"text" * 4000)
    (folder / "level").mkdir()
    (folder / "level" / "CURRENT").touch()
    (folder / "windows_line.txt").write_text(_WINDOWS.replace("1 0.9 1 1 5 5", "1 0.9 1 1 5"))
    (folder / "windows_short.txt").write_text(_WINDOWS.rpartition("0 0.1")[0])
    (folder / "windows_ground.txt").write_text(_WINDOWS.replace("1 0.9", "0 0.2"))
    (folder / "windows.txt").write_text(_WINDOWS)
    np.save(folder / "mean.npy", np.zeros((1, 9, 9), np.float32))


def _make_hdf5(folder: Path) -> None:
    for name, sets in _SETS.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            for key, values in sets.items():
                file[key] = values
    (folder / "text.h5").write_bytes(b"\0 this is no HDF5 file")
    (folder / "cut.h5").write_bytes((folder / "good.h5").read_bytes()[:2000])
    (folder / "list.txt").write_text("good.h5\nbetter.h5\n")
    (folder / "none.txt").write_text("\n")
    with h5py.File(folder / "damaged.h5", "w") as file:
        values = np.random.default_rng(1).random((4, 3))
        file.create_dataset("data", data=values, compression="gzip", chunks=(4, 3))
        file["label"] = np.zeros(4, np.int32)
        place = file["data"].id.get_chunk_info(0).byte_offset
    content = bytearray((folder / "damaged.h5").read_bytes())
    content[place : place + 16] = bytes(16)
    (folder / "damaged.h5").write_bytes(content)


def _database(path: Path, records: dict[bytes, bytes]) -> None:
    with lmdb.open(str(path), map_size=1 << 22) as database, database.begin(write=True) as turn:
        for key, value in records.items():
            turn.put(key, value)
