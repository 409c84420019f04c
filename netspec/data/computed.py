"""What is computed over training data, such as means and components: computed once, kept by a name.

A run and its snapshots hold these arrays, so that tests and predictions never see training files. What took long is
also kept on the disk of the machine, by a digest of the data's content, so that the next training finds it.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.locate import cache_root

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

Arrays = Mapping[str, "Array"]
"""Arrays of finite floats by their names."""

_NAME = re.compile(r"\w+-[0-9a-f]{16}")
_WORTH = 0.1
"""Seconds of computing that are worth a file in the cache."""
_KEPT_DAYS = 60
"""A file in the cache that nobody has read for so long is deleted when another one is written."""


class Computed:
    """Arrays by the name of what they are: those that are known, and those that are computed on the way.

    A name is a digest of the transforms, as they are written, up to the one that asks. The training data are not in it:
    a job has one training set, and weights belong to the mean that they were trained with, whatever the files say now.
    """

    def __init__(self, known: Mapping[str, Arrays] | None = None) -> None:
        self.known = dict(known or {})
        self.used: dict[str, Arrays] = {}
        """What the feeds of a job asked for: this is what a run and a snapshot keep."""

    def of(self, name: str, content: Callable[[], str | None], compute: Callable[[], Arrays]) -> Arrays:
        """The arrays of a name; they are computed where they are neither known nor in the cache.

        `content` gives a digest of all that is computed with, None where the data have none.
        """
        if name not in self.known:
            self.known[name] = _cached(name, content, compute)
        self.used[name] = self.known[name]
        return self.used[name]


def _cached(name: str, content: Callable[[], str | None], compute: Callable[[], Arrays]) -> Arrays:
    """The arrays from the cache; or computed, and kept there where that took long."""
    digest = content()
    file = cache_root() / "computed" / f"{name}-{digest}.npz" if digest else None
    if file is not None and (found := unpacked(file)) is not None:
        with contextlib.suppress(OSError):
            os.utime(file)
        return found
    start = time.perf_counter()
    arrays = compute()
    if file is not None and time.perf_counter() - start > _WORTH:
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time, and nothing else
            _put(file, packed(arrays))
    return arrays


def _put(file: Path, content: bytes) -> None:
    """Write a file of the cache whole, and delete those that were not used for long."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(content)
    os.replace(temporary, file)
    oldest = time.time() - _KEPT_DAYS * 86400
    for other in file.parent.glob("*-*.*"):
        if other.stat().st_mtime < oldest:
            other.unlink(missing_ok=True)


def packed(arrays: Arrays) -> bytes:
    """The content of an .npz file of arrays: equal bytes for equal arrays."""
    import numpy as np

    file = BytesIO()
    np.savez(file, allow_pickle=False, **dict(sorted(arrays.items())))
    return file.getvalue()


def unpacked(file: Path) -> Arrays | None:
    """The arrays in an .npz file; None where it is not there, or is damaged: they can be computed again."""
    import numpy as np

    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception:  # zipfile and NumPy raise errors of a dozen types about bytes that no one foresaw
        return None


def in_folder(folder: Path) -> dict[str, Arrays]:
    """All that a run has kept in its folder of computed arrays."""
    files = sorted(folder.glob("*.npz")) if folder.is_dir() else []
    found = {file.stem: unpacked(file) for file in files if _NAME.fullmatch(file.stem)}
    return {name: arrays for name, arrays in found.items() if arrays is not None}
