"""The places that windows meet, as tables for kernels that owe nothing to the number of axes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from netspec.core.shape import Shape, Window


def met(sizes: Shape, windows: Sequence[Window], counts: Shape) -> list[int]:
    """For each of `counts` windows along the axes, and each of its taps, the place that it meets, or -1 outside.

    Windows, taps and places are counted along the axes in their order, the last fastest.
    """
    axes = [
        [
            [at if 0 <= (at := i * w.stride - w.pad + tap * w.dilation) < size else -1 for tap in range(w.kernel)]
            for i in range(number)
        ]
        for size, w, number in zip(sizes, windows, counts, strict=True)
    ]
    found = []
    for rows in product(*axes):
        for places in product(*rows):
            at = 0
            for place, size in zip(places, sizes, strict=True):
                at = at * size + place if at >= 0 and place >= 0 else -1
            found.append(at)
    return found
