"""Batch files of the CIFAR sets: records of one or more label bytes, then a 32x32 picture, red, green, blue plane."""

from __future__ import annotations

import os
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from netspec.core.shape import counted
from netspec.data.sources.base import ArrayDataset
from netspec.formats.files import Watched, WrongSizeError, first_of, opened

_PICTURE = 3 * 32 * 32


def open_batches(
    title: str, folder: Path, files: Sequence[str], bytes: int, label: int, kinds: tuple[str, ...], help: str
) -> ArrayDataset:
    """Pictures (len, 3, 32, 32) and labels (len,) of some files of a folder, in memory. Raises DataError.

    A record has `bytes` label bytes, of which `label` is taken. `kinds` are the names of the classes, where they are
    known, and `help` says where the files come from.
    """
    import numpy as np

    size = bytes + _PICTURE
    read = [_records(first_of(folder, [name], help), size, help) for name in files]
    batches, watched = zip(*read, strict=True)
    records = np.concatenate([np.frombuffer(batch, np.uint8).reshape(-1, size) for batch in batches])
    arrays = (np.ascontiguousarray(records[:, bytes:]).reshape(-1, 3, 32, 32), records[:, label].copy())
    ends = tuple(accumulate(len(batch) // size for batch in batches))
    names = (", ".join(files),) * 2
    return _Batches(title, names, arrays, tuple(files), ends, watched=watched, kinds={1: kinds} if kinds else {})


@dataclass(frozen=True, eq=False)
class _Batches(ArrayDataset):
    """Samples that know their batch file: file i ends before sample `ends[i]`."""

    files: tuple[str, ...]
    ends: tuple[int, ...]

    def name(self, index: int, output: int = 0) -> str:
        """The record within its batch file."""
        file = bisect(self.ends, index)
        return f"sample {index - (self.ends[file - 1] if file else 0)} of {self.files[file]}"


def _records(path: Path, record: int, help: str) -> tuple[bytes, Watched]:
    """The bytes of one batch file, and the file. Raises WrongSizeError."""
    with opened(path) as file:
        size, watched = os.fstat(file.fileno()).st_size, Watched(path, file)
        if size % record:
            raise WrongSizeError(
                f"'{path}' holds {counted(size, 'byte')}, not a whole number of {record}-byte records", help=help
            )
        return file.read(), watched
