"""Cifar10: 60,000 colour 32x32 pictures of ten kinds of animals and vehicles.

A record of the binary version is one label byte, then the red, the green and the blue plane: 1 + 3 * 32 * 32 = 3073
bytes.
Source: Krizhevsky 2009, "Learning multiple layers of features from tiny images".
"""

from __future__ import annotations

import os
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal

from pydantic import Field

from netspec.core.locate import beside
from netspec.core.model import SpecPath
from netspec.core.shape import counted
from netspec.data.dataset import Dataset
from netspec.data.sources.base import ArrayDataset, Source
from netspec.formats.files import Watched, WrongSizeError, about, first_of, opened

RECORD = 1 + 3 * 32 * 32

_FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}
_PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
_HELP = f"fetch cifar-10-binary.tar.gz from {_PAGE} and name the folder it is unpacked in"


class Cifar10(Source):
    """Image (3, 32, 32), planes red, green, blue, and label 0..9; 50,000 for training and 10,000 for testing."""

    folder: SpecPath = Field(description="The folder of the binary version, or the one it was unpacked in.")
    split: Literal["train", "test"] = Field(description="Which part.")

    def open(self, base: Path | None) -> Dataset:
        """The images and labels, in memory. Raises DataError."""
        import numpy as np

        folder = beside(base, self.folder)
        if (folder / "cifar-10-batches-bin").is_dir():
            folder /= "cifar-10-batches-bin"
        with about("folder"):
            read = [_records(first_of(folder, [name], _HELP)) for name in _FILES[self.split]]
        batches, watched = zip(*read, strict=True)
        records = np.concatenate([np.frombuffer(batch, np.uint8).reshape(-1, RECORD) for batch in batches])
        arrays = (np.ascontiguousarray(records[:, 1:]).reshape(-1, 3, 32, 32), records[:, 0].copy())
        ends = tuple(accumulate(len(batch) // RECORD for batch in batches))
        files = tuple(_FILES[self.split])
        return _Batches(
            f"CIFAR-10 {self.split}, {folder}", (", ".join(files),) * 2, arrays, files, ends, watched=watched
        )


@dataclass(frozen=True, eq=False)
class _Batches(ArrayDataset):
    """Samples that know their batch file: file i ends before sample `ends[i]`."""

    files: tuple[str, ...]
    ends: tuple[int, ...]

    def name(self, index: int, output: int = 0) -> str:
        """The record within its batch file."""
        file = bisect(self.ends, index)
        return f"sample {index - (self.ends[file - 1] if file else 0)} of {self.files[file]}"


def _records(path: Path) -> tuple[bytes, Watched]:
    """The bytes of one batch file, and the file. Raises WrongSizeError."""
    with opened(path) as file:
        size, watched = os.fstat(file.fileno()).st_size, Watched(path, file)
        if size % RECORD:
            raise WrongSizeError(
                f"'{path}' holds {counted(size, 'byte')}, not a whole number of {RECORD}-byte records", help=_HELP
            )
        return file.read(), watched
