"""Cifar100: records of two labels, and the names of classes beside the data."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.data.sources.cifar100 import Cifar100
from netspec.formats.files import MissingDataError, WrongSizeError


@pytest.fixture
def folder(tmp_path):
    inner = tmp_path / "cifar-100-binary"
    inner.mkdir()
    record = [bytes([i, 10 * i, *([i + 1] * 1024), *([100] * 1024), *([200] * 1024)]) for i in range(4)]
    (inner / "train.bin").write_bytes(b"".join(record))
    (inner / "test.bin").write_bytes(record[3])
    (inner / "fine_label_names.txt").write_text("".join(f"kind_{i}\n" for i in range(100)))
    (inner / "coarse_label_names.txt").write_text("too few\n")
    return tmp_path


def test_records(folder) -> None:
    data = Cifar100(folder=".", split="train").open(folder)
    assert data.shapes == ((3, 32, 32), ()) and len(data) == 4
    images, labels = data.read(np.array([2, 0]))
    assert labels.tolist() == [20, 0] and images[:, :, 31, 5].tolist() == [[3, 100, 200], [1, 100, 200]]
    assert data.classes(1)[99] == "kind_99" and data.classes(0) is None
    assert data.name(3) == "sample 3 of train.bin"


def test_coarse_labels_without_their_names(folder) -> None:
    data = Cifar100(folder=".", split="test", labels="coarse").open(folder)
    assert data.read(np.array([0]))[1].tolist() == [3] and data.classes(1) is None


def test_broken_files(folder) -> None:
    path = folder / "cifar-100-binary" / "train.bin"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(WrongSizeError, match="12,291 bytes, not a whole number of 3074-byte records"):
        Cifar100(folder=".", split="train").open(folder)
    path.unlink()
    with pytest.raises(MissingDataError, match=r"holds no train\.bin"):
        Cifar100(folder=".", split="train").open(folder)
