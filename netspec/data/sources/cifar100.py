"""Cifar100: 60,000 colour 32x32 pictures of a hundred kinds of things, which belong to twenty larger kinds.

A record of the binary version is the byte of the larger kind, the byte of the kind, then the red, the green and the
blue plane: 2 + 3 * 32 * 32 = 3074 bytes. Source: Krizhevsky 2009, "Learning multiple layers of features from tiny
images".
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

_NUMBER = {"coarse": 20, "fine": 100}
_PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
_HELP = f"fetch cifar-100-binary.tar.gz from {_PAGE} and name the folder it is unpacked in"


class Cifar100(Source):
    """Image (3, 32, 32), planes red, green, blue, and label; 50,000 for training and 10,000 for testing.

    The classes have their names from fine_label_names.txt and coarse_label_names.txt, which lie beside the data.
    """

    folder: SpecPath = Field(description="The folder of the binary version, or the one it was unpacked in.")
    split: Literal["train", "test"] = Field(description="Which part.")
    labels: Literal["fine", "coarse"] = Field("fine", description="The 100 kinds, or the 20 that they belong to.")

    def open(self, base: Path | None) -> Dataset:
        """The images and labels, in memory. Raises DataError."""
        folder = beside(base, self.folder)
        if (folder / "cifar-100-binary").is_dir():
            folder /= "cifar-100-binary"
        label, kinds = ("coarse", "fine").index(self.labels), self._names(folder)
        title = f"CIFAR-100 {self.split} ({self.labels} labels), {folder}"
        with about("folder"):
            return open_batches(title, folder, [f"{self.split}.bin"], 2, label, kinds, _HELP)

    def _names(self, folder: Path) -> tuple[str, ...]:
        """The names of the classes; none where their file is not there, or is another."""
        try:
            names = (folder / f"{self.labels}_label_names.txt").read_text(encoding="utf-8").split()
        except (OSError, UnicodeDecodeError):
            return ()
        return tuple(names) if len(names) == _NUMBER[self.labels] else ()
