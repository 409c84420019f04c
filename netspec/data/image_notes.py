"""Notes: what is known of image files: their sizes, and which cannot be read.

It is kept on the disk by path, size and times of the last change, so that a file is looked at again only when it is
another. Whatever is wrong with the notes costs another look.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from netspec.core.locate import cache_root
from netspec.formats.files import FileError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

T = TypeVar("T")
R = TypeVar("R")

Size = tuple[int, int]
_PIECE = 64
"""Items that a thread takes at a time."""
_BROKEN: Size = (0, 0)


class Notes:
    """What is known of the files below a folder: (H, W) of each that can be read."""

    def __init__(self, root: Path) -> None:
        import PIL

        self._root = root
        place = f"{os.path.realpath(root)}\0{PIL.__version__}"
        digest = blake2b(place.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        self._file = cache_root() / "images" / f"{digest}.npy"
        self._known = self._read()
        self._new: dict[int, Size] = {}

    def of(
        self,
        files: Sequence[str],
        look: Callable[[Path], Size],
        readers: int,
        faults: dict[int, FileError] | None = None,
    ) -> list[Size]:
        """(H, W) of each file, by the notes or else by `look`.

        A file that cannot be read is (0, 0), and its error stands in `faults` by its number; without `faults` the
        first of such errors is raised.
        """
        import numpy as np

        keys = np.array([self._key(file, look.__name__) for file in files], np.uint64)
        sizes: list[Size] = [_BROKEN] * len(files)
        unknown = []
        places = np.minimum(np.searchsorted(self._known["key"], keys), max(len(self._known) - 1, 0))
        for i, (key, place) in enumerate(zip(keys.tolist(), places.tolist(), strict=True)):
            if key in self._new:
                sizes[i] = self._new[key]
            elif len(self._known) and int(self._known["key"][place]) == key:
                sizes[i] = (int(self._known["height"][place]), int(self._known["width"][place]))
            else:
                unknown.append(i)

        def seen(number: int) -> Size | FileError:
            try:
                return look(self._root / files[number])
            except FileError as error:
                return error

        for i, found in zip(unknown, spread(seen, unknown, readers), strict=True):
            if isinstance(found, FileError):
                if faults is None:
                    raise found
                faults[i] = found
            else:
                sizes[i] = found
                if keys[i]:
                    self._new[int(keys[i])] = found
        return sizes

    def _key(self, file: str, how: str) -> int:
        """A number for a file as it is now, and for how it is looked at; 0 where the system does not know it."""
        try:
            found = os.stat(self._root / file)
        except (OSError, ValueError):  # ValueError: a null character in the name
            return 0
        text = f"{file}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ctime_ns}\0{how}"
        return int.from_bytes(blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")

    def _read(self) -> Array:
        import numpy as np

        kind = np.dtype([("key", np.uint64), ("height", np.uint32), ("width", np.uint32)])
        try:
            with self._file.open("rb") as file:
                known = np.lib.format.read_array(file)
        except Exception:  # there are none yet, or any other file stands there
            known = None
        return known if known is not None and known.dtype == kind and known.ndim == 1 else np.empty(0, kind)

    def keep(self) -> None:
        """Write the notes, with what is new; a disk that refuses is left alone."""
        import numpy as np

        if not self._new:
            return
        rows = [(key, *size) for key, size in self._new.items()]
        known = np.concatenate([self._known, np.array(rows, self._known.dtype)])
        _, first = np.unique(known["key"], return_index=True)
        beside = self._file.with_suffix(f".{os.getpid()}")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                np.save(file, known[first])
            beside.replace(self._file)
        except OSError:
            beside.unlink(missing_ok=True)


def spread(function: Callable[[T], R], items: Sequence[T], threads: int) -> Iterator[R]:
    """Yield what the function makes of each item, in their order, computed in several threads."""
    from concurrent.futures import ThreadPoolExecutor

    def piece(start: int) -> list[R]:
        return [function(item) for item in items[start : start + _PIECE]]

    pool = ThreadPoolExecutor(threads)
    try:
        for results in pool.map(piece, range(0, len(items), _PIECE)):
            yield from results
    finally:
        pool.shutdown(cancel_futures=True)
