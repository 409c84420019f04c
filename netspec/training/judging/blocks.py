"""Blocks: what a head reads, sample by sample, cut anew into pieces whose size depends on the shape of a sample alone.

Sums of floats depend on the order in which they are added. Since a block begins and ends at the same samples whatever
the batch size, all scores that are made of blocks are equal bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netspec.core.task import Task

if TYPE_CHECKING:
    from netspec.core.calls import Array

BLOCK = 2**20
"""Values of a block, about."""


def laid(task: Task, scores: Array, truth: Array, batch: int) -> tuple[Array, Array]:
    """Scores as (N, P, C): samples, positions, classes; the truth as (N, P), where it is labels, or as the scores.

    `batch` is the batch axis of the scores. The truth holds a value for each position, or each score, in their order.
    """
    import numpy as np

    if task.axis is None or scores.ndim == 1:
        x = scores.reshape(len(scores), 1, -1)
        return x, truth.reshape(len(x), 1) if _labelled(task) else truth.reshape(x.shape)
    axis = task.axis % scores.ndim
    if axis == batch:  # of a sequence T x N x C the channels stand last; of T x N each step is a number
        axis = scores.ndim - 1 if batch < scores.ndim - 1 else 0
    samples, classes = scores.shape[batch], scores.shape[axis]
    x = np.moveaxis(scores, (batch, axis), (0, -1)).reshape(samples, -1, classes)
    if _labelled(task):
        shape = scores.shape[:axis] + scores.shape[axis + 1 :]
        return x, np.moveaxis(truth.reshape(shape), batch - (batch > axis), 0).reshape(samples, -1)
    t = np.moveaxis(truth.reshape(scores.shape), (batch, axis), (0, -1))
    return x, t.reshape(x.shape)


def _labelled(task: Task) -> bool:
    """Whether the truth is a label for each position."""
    return task.kind == "classes" and not task.soft


class Blocks:
    """Takes arrays of any number of samples, and gives them back in blocks of equally many."""

    def __init__(self) -> None:
        self._parts: list[tuple[Array, ...]] = []
        self._samples = 0

    def add(self, *arrays: Array) -> Iterator[tuple[Array, ...]]:
        """Take arrays (n, ...), whose values are copied, and yield the blocks that are full."""
        size = max(1, BLOCK // max(1, arrays[0][0].size))
        self._parts.append(tuple(array.copy() for array in arrays))
        self._samples += len(arrays[0])
        if self._samples < size:
            return
        whole = self._joined()
        full = self._samples // size * size
        for start in range(0, full, size):
            yield tuple(array[start : start + size] for array in whole)
        self._samples -= full
        self._parts = [tuple(array[full:].copy() for array in whole)] if self._samples else []

    def rest(self) -> Iterator[tuple[Array, ...]]:
        """Yield the last block, which is not full, if there is one."""
        if self._samples:
            yield self._joined()
        self._parts, self._samples = [], 0

    def _joined(self) -> tuple[Array, ...]:
        import numpy as np

        return tuple(map(np.concatenate, zip(*self._parts, strict=True)))
