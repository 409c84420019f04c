"""Mnist: 70,000 grey 28x28 pictures of handwritten digits.

Source: LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition".
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from netspec.core.locate import beside
from netspec.core.model import SpecPath
from netspec.data.dataset import Dataset
from netspec.data.sources.base import Source
from netspec.data.sources.idx import open_pair

CLASSES = tuple("0123456789")

_WITHIN = ("MNIST/raw", "raw")
"""Where other programs put the files within the folder that they are told."""

_HELP = "fetch the four files train-images-idx3-ubyte.gz, ..., from one of the places that keep MNIST"


class Mnist(Source):
    """Image (1, 28, 28) and label 0..9; 60,000 for training and 10,000 for testing, in four idx files, raw or gzipped.

    They may also lie in `MNIST/raw` of the folder, where torchvision puts them.
    """

    folder: SpecPath = Field(description="The folder of the four idx files.")
    split: Literal["train", "test"] = Field(description="Which part.")

    def open(self, base: Path | None) -> Dataset:
        """The images and labels. Raises DataError."""
        folder = beside(base, self.folder)
        folder = next((folder / within for within in _WITHIN if (folder / within).is_dir()), folder)
        return open_pair(f"MNIST {self.split}, {folder}", folder, self.split, CLASSES, _HELP)
