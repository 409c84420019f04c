"""Caffe's weights in HDF5: what h5py writes and reads, names with slashes, shared params, and damaged files."""

from __future__ import annotations

import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from netspec.formats.caffe_hdf5 import is_hdf5, read_layers, write_layers
from netspec.formats.files import FileError, WrongFormatError, WrongSizeError
from tests.helpers.damage import mutated
from tests.helpers.mutations import seeds

h5py = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "net.caffemodel.h5"


def ones(*shape: int) -> np.ndarray:
    return np.arange(1, 1 + int(np.prod(shape)), dtype="f4").reshape(shape)


def test_layers_come_back(path: Path) -> None:
    rows = [
        ("conv", [ones(2, 3), ones(2)]),
        ("data", []),
        ("in", [ones(4)]),
        ("in/1x1", [ones(3, 2)]),
        ("shared", [None, ones(5)]),
        ("scalar", [ones()]),
        ("double", [ones(3).astype("f8")]),
    ]
    write_layers(path, rows, [("conv", [ones(2, 3) + 1, None])])
    assert is_hdf5(path)
    found = {layer.name: layer.blobs for layer in read_layers(path)}
    assert found.keys() == {name for name, arrays in rows if arrays}
    for name, arrays in rows:
        wanted = {number: array for number, array in enumerate(arrays) if array is not None}
        assert found.get(name, {}).keys() == wanted.keys()
        for number, array in wanted.items():
            np.testing.assert_array_equal(found[name][number].data, array)
            assert found[name][number].data.dtype == array.dtype and not found[name][number].legacy
    with h5py.File(path) as file:
        assert list(file["data/data"]) == [] and list(file["data/in"]) == ["0", "1x1"]
        np.testing.assert_array_equal(file["diff/conv/0"], ones(2, 3) + 1)
        assert list(file["diff/conv"]) == ["0"]


def test_packed_chunks_are_read_too(path: Path) -> None:
    values = np.random.default_rng(1).random((40, 50)).astype("f4")
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("data/ip/0", data=values, chunks=(7, 9), compression="gzip")
        file.create_dataset("data/ip/1", data=values[0])
        file.create_dataset("data/ip/2", data=values[1].astype(">f4"))
        kind = h5py.h5t.IEEE_F32LE.copy()  # a float of 16 bits with the exponent of one of 32
        kind.set_fields(15, 7, 8, 0, 7)
        kind.set_size(2)
        kind.set_ebias(127)
        space = h5py.h5s.create_simple((3,))
        short = h5py.h5d.create(file["data/ip"].id, b"3", kind, space)
        short.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1.5, -2, 0.25], "f4"))
    ((_, blobs),) = ((layer.name, layer.blobs) for layer in read_layers(path))
    for number, wanted in enumerate((values, values[0], values[1], [1.5, -2, 0.25])):
        np.testing.assert_array_equal(blobs[number].data, wanted)


def test_what_caffe_does_not_write(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("model_weights")
    with pytest.raises(WrongFormatError, match="is no caffemodel of Caffe: it has no 'data', but model_weights"):
        read_layers(path)
    with h5py.File(path, "w") as file:
        file["data/ip/0"] = [1, 2]
    with pytest.raises(WrongFormatError, match="'/data/ip/0' holds no floats"):
        read_layers(path)
    with h5py.File(path, "w") as file:
        file["data"] = ones(3)
    with pytest.raises(WrongFormatError, match="'/data' is no group"):
        read_layers(path)
    with h5py.File(path, "w") as file:
        file["data/" + "/".join("x" * 20) + "/0"] = ones(3)
    with pytest.raises(WrongFormatError, match="nested more than 16 deep"):
        read_layers(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(WrongFormatError, match="is no HDF5 file, or a damaged one"):
        read_layers(path)


def test_a_link_leads_to_no_other_file(path: Path) -> None:
    write_layers(path.with_name("other.h5"), [("ip", [ones(3)])])
    with h5py.File(path, "w") as file:
        group = file.create_group("data")
        group["ip"] = h5py.ExternalLink("other.h5", "/data/ip")
    assert read_layers(path) == []
    with h5py.File(path, "w") as file:
        file["data"] = h5py.ExternalLink("other.h5", "/data")
    with pytest.raises(WrongFormatError, match="'data' is a link"):
        read_layers(path)
    path.with_name("raw").write_bytes(bytes(12))
    with h5py.File(path, "w") as file:
        file.create_dataset("data/ip/0", (3,), "f4", external=[("raw", 0, 12)])
    with pytest.raises(WrongFormatError, match="the values of '/data/ip/0' are in another file"):
        read_layers(path)
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "data/ip/0", shape=(3,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data/ip/0", layout)
    with pytest.raises(WrongFormatError, match="the values of '/data/ip/0' are in another file"):
        read_layers(path)


def test_no_memory_is_taken_by_what_a_file_says(path: Path) -> None:
    """A dataset of which no value was ever written takes no room in the file."""
    with h5py.File(path, "w") as file:
        file.create_dataset("data/ip/0", (2**20, 2**10), "f4", chunks=(8, 1024))
    tracemalloc.start()
    with pytest.raises(WrongSizeError, match="too small for what it says it holds: '/data/ip/0' of 1048576x1024"):
        read_layers(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_mutations_are_read_or_refused(path: Path) -> None:
    write_layers(path, [("conv", [ones(4, 3, 5), ones(4)]), ("in/1x1", [ones(5, 6)])])
    raw, draw, refused = path.read_bytes(), random.Random(1), 0
    for _ in seeds(60):
        data = mutated(raw, draw)
        path.write_bytes(data)
        tracemalloc.start()
        try:
            found = read_layers(path)
            assert sum(blob.data.nbytes for layer in found for blob in layer.blobs.values()) <= 4 * len(data)
        except FileError:
            refused += 1
        assert tracemalloc.get_traced_memory()[1] < 4 * len(data) + 2**18
        tracemalloc.stop()
    assert refused > len(seeds(60)) / 4
