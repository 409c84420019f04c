"""Cifar10: 60,000 colour 32x32 pictures of ten kinds of animals and vehicles.

A record of the binary version is one label byte, then the red, the green and the blue plane: 1 + 3 * 32 * 32 = 3073
bytes.
Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from netspec.core.locate import beside
from netspec.core.model import SpecPath
from netspec.data.dataset import Dataset
from netspec.data.sources._cifar import open_batches
from netspec.data.sources.base import Source
from netspec.formats.files import about

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The kinds of animals and vehicles, 0 to 9."""

_FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
_PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
_HELP = f"fetch cifar-10-binary.tar.gz from {_PAGE} and name the folder it is unpacked in"


class Cifar10(Source):
    """Image (3, 32, 32), planes red, green, blue, and label 0..9; 50,000 for training and 10,000 for testing."""

    folder: SpecPath = Field(description="The folder of the binary version, or the one it was unpacked in.")
    split: Literal["train", "test"] = Field(description="Which part.")

    def open(self, base: Path | None) -> Dataset:
        """The images and labels, in memory. Raises DataError."""
        folder = beside(base, self.folder)
        if (folder / "cifar-10-batches-bin").is_dir():
            folder /= "cifar-10-batches-bin"
        with about("folder"):
            return open_batches(f"CIFAR-10 {self.split}, {folder}", folder, _FILES[self.split], 1, 0, CLASSES, _HELP)
