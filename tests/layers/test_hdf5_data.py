"""HDF5Data as Caffe's hdf5data_layer test has it: several tops, two files, whole numbers, and batches across files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.core.errors import DataError
from netspec.data.feed import open_feed
from tests.helpers.checks import make_layer

h5py = pytest.importorskip("h5py")

TOPS = ["data", "label", "label2"]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Data 10x8x6x5 = 0..2399, labels 1..10, and label2 = label + 1; a packed second file with 2400 more."""
    folder = tmp_path_factory.mktemp("hdf5")
    data, label = np.arange(2400, dtype=np.float32).reshape(10, 8, 6, 5), np.arange(1, 11)
    for name, more, kind, packed in (("one", 0, "f4", None), ("two", 2400, "u1", "gzip")):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_dataset("data", data=data + more, compression=packed)
            file["label"], file["label2"] = label.astype(kind), (label + 1).astype(kind)
    (folder / "list.txt").write_text("one.h5\ntwo.h5\n")
    return folder / "list.txt"


def test_batches_across_files(source: Path) -> None:
    layer = make_layer(type="HDF5Data", top=TOPS, source=str(source), batch_size=5)
    assert layer.top_shapes(()) == ((5, 8, 6, 5), (5,), (5,))
    feed = open_feed(layer.brings, "TRAIN", 1)
    for start in range(0, 45, 5):
        data, label, other = feed.batch(start, 5)
        first = start % 20
        np.testing.assert_array_equal(data.reshape(-1), np.arange(first * 240, (first + 5) * 240))
        np.testing.assert_array_equal(label, first % 10 + 1 + np.arange(5))
        np.testing.assert_array_equal(other, label + 1)


def test_shuffled_epochs_hold_every_sample_once(source: Path) -> None:
    layer = make_layer(type="HDF5Data", top=["data"], source=str(source), batch_size=5, shuffle=True)
    feed = open_feed(layer.brings, "TRAIN", 1)
    first, second = (feed.batch(start, 20)[0][:, 0, 0, 0] for start in (0, 20))
    wanted = np.arange(20) * 240
    assert np.sort(first).tolist() == np.sort(second).tolist() == wanted.tolist()
    assert first.tolist() != wanted.tolist() and first.tolist() != second.tolist()


def test_what_is_wrong(source: Path) -> None:
    with pytest.raises(DataError, match="has no dataset 'labels'"):
        make_layer(type="HDF5Data", top=["data", "labels"], source=str(source), batch_size=5).top_shapes(())
