"""Batches of stores are equal for any number of reader threads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.data.feed import open_feed
from netspec.data.prefetch import Prefetcher
from netspec.data.spec import FeedSpec
from netspec.formats.datum import written


@pytest.mark.parametrize("kind", ["Lmdb", "Hdf5"])
def test_batches_are_equal_for_any_number_of_readers(tmp_path: Path, kind: str) -> None:
    h5py, lmdb = pytest.importorskip("h5py"), pytest.importorskip("lmdb")
    images = np.random.default_rng(1).integers(0, 256, (23, 2, 5, 6)).astype(np.uint8)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data"], file["label"] = images, np.arange(23)
    with lmdb.open(str(tmp_path / "db"), map_size=1 << 20) as database, database.begin(write=True) as turn:
        for i, image in enumerate(images):
            turn.put(b"%02d" % i, written(image, i))
    source = {"type": "Hdf5", "files": ("x.h5",)} if kind == "Hdf5" else {"type": "Lmdb", "path": "db"}
    words = {"source": source, "batch_size": 4, "transform": ({"type": "Crop", "size": 3}, {"type": "Mirror"})}
    feed = open_feed(FeedSpec.model_validate(words), "TRAIN", 7, tmp_path)
    wanted = [feed.batch(4 * number, 4) for number in range(15)]
    for readers in (1, 2, 4):
        with Prefetcher(feed, 0, 4, readers=readers) as prefetch:
            for data, label in wanted:
                got = np.empty_like(data), np.empty_like(label)
                prefetch.take(got)
                np.testing.assert_array_equal(got[0], data)
                np.testing.assert_array_equal(got[1], label)
