"""Rows: arrays of samples that a MemoryData layer walks through, batch after batch, as Caffe's does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from netspec.api.arguments import BadArgumentError, WrongShapeError
from netspec.api.blobs import Cell
from netspec.core.shape import text

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Rows:
    """Fills blobs with the next rows of arrays, again from the first behind the last. It reads them as they then are.

    `taken` is the number of the batch that comes next. `done` is called when the blobs are filled.
    """

    waited = 0.0

    def __init__(self, cells: Sequence[Cell], arrays: Sequence[Array], done: Callable[[], None]) -> None:
        self.taken, self._cells, self._arrays, self._done = 0, cells, arrays, done

    def take(self, into: Any = (), between: Callable[[], None] = lambda: None) -> None:
        """Copy the next batch into the blobs."""
        for cell, array in zip(self._cells, self._arrays, strict=True):
            size = len(cell.data)
            first = self.taken * size % len(array)
            cell.data[...] = array[first : first + size].reshape(cell.data.shape)
        self.taken += 1
        self._done()

    def close(self) -> None:
        """There is nothing to end."""


def checked(cells: Sequence[Cell], data: Any, labels: Any) -> tuple[Array, Array]:
    """Arrays of images and labels for a layer's tops, not copied. Raises BadArgumentError, WrongShapeError."""
    import numpy as np

    images, truth = np.asarray(data), np.asarray(labels)
    wanted = cells[0].data.shape
    if images.shape[1:] != wanted[1:]:
        raise WrongShapeError(f"the images are {text(images.shape)}, but the layer's are N x {text(wanted[1:])}")
    if truth.size != len(images):
        raise WrongShapeError(f"{len(images)} images, but {truth.size} labels")
    if not len(images) or len(images) % wanted[0]:
        raise BadArgumentError(f"{len(images)} images are no multiple of the batch size, {wanted[0]}")
    for array, what in ((images, "images"), (truth, "labels")):
        if array.dtype.kind not in "biuf":
            raise BadArgumentError(f"the {what} must be numbers, not {array.dtype}")
    return images, truth
