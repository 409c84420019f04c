"""Noise on activations: normal numbers that are added; planes, channels and square regions that become 0.

Every number is drawn by the index that its value has in the order N, C, H, W, so backward draws it again. Source of
DropBlock: Ghiasi, Lin & Le 2018.
"""

from __future__ import annotations

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Bytes, Clock, Vector
from netspec.codegen.rows import Real, Row, rows
from netspec.kernels.random import GOLDEN, Word, drop, mixed, perturb, stream


@rows(group=2)
def scaled(x: Row, y: Row, factor: Real) -> None:
    """y = factor * x."""
    y.put(factor * x.get())


@rows(group=2)
def emptied(y: Row) -> None:
    """y = 0."""
    y.put(y.fill(0))


@rows()
def scaled_where(x: Row, mask: Row, y: Row, factor: Real) -> None:
    """y = factor * x where the mask is not 0, else 0."""
    y.put((factor * x.get()).cleared(mask.get().equals(0)))


@helper
def drawn(key: Word, index: int) -> np.int64:
    """The random 32 bits of an index."""
    return np.int64(mixed(key + np.uint64(index + 1) * GOLDEN) >> np.uint64(32))


@kernel
def gaussian_noise(x: Vector, y: Vector, clock: Clock, seed: int, deviation: float, part: int, parts: int) -> None:
    """x, y: (M,). y = x + deviation * a normal number for each index."""
    first, last = span(x.size, part, parts)
    perturb(last - first, x, first, y, first, np.int64(stream(seed, clock)), first, 1, deviation)


@kernel
def gaussian_noise_channels_last(
    x: Vector, y: Vector, clock: Clock, seed: int, deviation: float, c: int, pixels: int, part: int, parts: int
) -> None:
    """x, y: (N * pixels * c,). As `gaussian_noise`, each value with the index that it would have in (N, c, pixels)."""
    key = np.int64(stream(seed, clock))
    for row in range(*span(x.size // c, part, parts)):
        perturb(c, x, row * c, y, row * c, key, row // pixels * c * pixels + row % pixels, pixels, deviation)


@kernel
def drop_planes(
    x: Vector, y: Vector, clock: Clock, seed: int, threshold: int, scale: float, width: int, part: int, parts: int
) -> None:
    """y = scale * x in planes of `width` values whose word is at least `threshold` (of 2^32), else 0.

    x, y: (M,). Serves both directions.
    """
    key = stream(seed, clock)
    at, last = span(x.size, part, parts)
    while at < last:
        plane = at // width
        size = min(last, (plane + 1) * width) - at
        if drawn(key, plane) >= threshold:
            scaled(size, x, at, y, at, scale)
        else:
            emptied(size, y, at)
        at += size


@kernel
def drop_channels(
    x: Vector,
    y: Vector,
    clock: Clock,
    seed: int,
    threshold: int,
    scale: float,
    c: int,
    pixels: int,
    part: int,
    parts: int,
) -> None:
    """x, y: (N * pixels * c,). As `drop_planes`, for the planes of c channels that lie innermost."""
    key = np.int64(stream(seed, clock))
    for row in range(*span(x.size // c, part, parts)):
        drop(c, x, row * c, y, row * c, key, row // pixels * c, 1, threshold, scale)


@kernel
def draw_blocks(
    mask: Bytes,
    counts: Clock,
    clock: Clock,
    seed: int,
    threshold: int,
    size: int,
    c: int,
    height: int,
    width: int,
    step: int,
    part: int,
    parts: int,
) -> None:
    """mask (N, c, height, width) = 0 in square blocks of `size` whose word is below `threshold`, else 1.

    The word's index is that of the block's first corner. counts (parts,) = the ones that each part wrote. `step` lies
    between neighbouring pixels: 1, or c where channels are innermost. A part owns planes.
    """
    key, pixels = stream(seed, clock), height * width
    number = mask.size // pixels
    total = 0
    for plane in range(*span(number, part, parts)):
        start = plane * pixels if step == 1 else plane // c * c * pixels + plane % c
        for i in range(pixels):
            mask[start + i * step] = 1
        for i in range(height - size + 1):
            for j in range(width - size + 1):
                if drawn(key, plane * pixels + i * width + j) < threshold:
                    for p in range(i, i + size):
                        for q in range(j, j + size):
                            mask[start + (p * width + q) * step] = 0
        for i in range(pixels):
            total += mask[start + i * step]
    counts[part] = total


@kernel
def keep_blocks(x: Vector, mask: Bytes, counts: Clock, y: Vector, part: int, parts: int) -> None:
    """y = x * (all values / kept values) where the mask is 1, else 0; counts: the kept values, by parts of the mask.

    x, mask, y: (M,). Serves both directions.
    """
    first, last = span(x.size, part, parts)
    kept = 0
    for i in range(counts.size):
        kept += counts[i]
    scaled_where(last - first, x, first, mask, first, y, first, x.size / kept if kept else 0.0)
