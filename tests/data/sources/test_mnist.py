"""Mnist: the four files under each of their usual names and places."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.data.sources.mnist import Mnist
from netspec.formats.files import MissingDataError


@pytest.mark.parametrize(
    ("within", "joint", "packed"), [("", "-", True), ("MNIST/raw", "-", False), ("raw", ".", False)]
)
def test_names_and_places(write_idx, tmp_path, within: str, joint: str, packed: bool) -> None:
    folder = tmp_path / "set" / within
    folder.mkdir(parents=True)
    for stem, n in (("train", 5), ("t10k", 3)):
        images = write_idx("x", (n, 4, 2), bytes(range(n * 8)), packed=packed)
        images.rename(folder / f"{stem}-images{joint}idx3-ubyte{'.gz' * packed}")
        labels = write_idx("y", (n,), bytes(range(n)), packed=packed)
        labels.rename(folder / f"{stem}-labels{joint}idx1-ubyte{'.gz' * packed}")
    data = Mnist(folder="set", split="train").open(tmp_path)
    assert data.shapes == ((1, 4, 2), ()) and len(data) == 5
    images, labels = data.read(np.array([3]))
    assert images.reshape(-1).tolist() == list(range(24, 32)) and labels.tolist() == [3]
    assert data.classes(1) == tuple("0123456789") and data.classes(0) is None
    assert len(Mnist(folder="set", split="test").open(tmp_path)) == 3


def test_missing_files(tmp_path) -> None:
    with pytest.raises(MissingDataError, match=r"holds no train-images-idx3-ubyte\.gz"):
        Mnist(folder=".", split="train").open(tmp_path)
