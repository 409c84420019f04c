"""Rows of an array in a file, read as they are asked for: a mapped file that is cut short ends the process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from netspec.core.shape import Shape
from netspec.formats.files import Watched

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]

IN_MEMORY = 2**28
"""Bytes of an array that is read whole when it is opened: a system call a sample less."""


class Rows:
    """An array (len, ...) in row-major order in a file, from byte `start` on; `take` reads rows."""

    def __init__(self, file: Watched, start: int, shape: Shape, dtype: np.dtype[Any]) -> None:
        self._file, self._start = file, start
        self.shape, self.dtype = shape, dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def reshape(self, *shape: int) -> Rows:
        """The same rows in another shape; the first axis stays."""
        return Rows(self._file, self._start, shape, self.dtype)

    def take(self, index: Index, axis: int = 0) -> Array:
        """The rows at `index` (N,), each where the file has it now. Raises ChangedDataError, UnreadableDataError."""
        import numpy as np

        result = np.empty((len(index), *self.shape[1:]), self.dtype)
        if not result.size:
            return result
        size = result[:1].nbytes
        into = result.reshape(-1).view(np.uint8).data
        starts = np.flatnonzero(np.diff(index, prepend=-2) != 1)  # runs of neighbours are read at once
        places, ends = (self._start + index[starts] * size).tolist(), [*starts[1:].tolist(), len(index)]
        for place, first, last in zip(places, starts.tolist(), ends, strict=True):
            self._file.fill(place, into[first * size : last * size])
        return result

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        import numpy as np

        result = np.empty(self.shape, self.dtype)
        self._file.fill(self._start, result.reshape(-1).view(np.uint8).data)
        return result.astype(dtype or self.dtype, copy=False)


def open_rows(file: Watched, start: int, shape: Shape, dtype: np.dtype[Any], columns: bool = False) -> Array | Rows:
    """The array in a file from byte `start` on: its rows, or in memory where it is small or stored by `columns`."""
    import numpy as np

    rows = Rows(file, start, shape[::-1] if columns else shape, dtype)
    if columns:
        return np.asarray(rows).T
    return np.asarray(rows) if rows.size * dtype.itemsize <= IN_MEMORY else rows
