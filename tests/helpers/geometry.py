"""Slow definitions of resampling: one pixel, one point, one neighbour at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec.core import rng

Array = NDArray[Any]
Map = Callable[[float, float], tuple[float, float]]


def drawn(stream: str, name: str, sample: int, seed: int = 3, epoch: int = 0) -> float:
    """The number in [0, 1) that a transform draws for a sample."""
    return float(rng.uniform(seed, f"{stream} {name}", np.array([epoch]), np.array([sample]))[0])


def read(image: Array, u: float, v: float, fill: float) -> Array:
    """The image (C, H, W) at a point, between the centres of four pixels; (C,)."""
    _, height, width = image.shape
    if not (0 <= u < width and 0 <= v < height):
        return np.full(len(image), fill)
    total = np.zeros(len(image))
    for row in range(-1, height + 1):
        for column in range(-1, width + 1):
            weight = max(0, 1 - abs(column + 0.5 - u)) * max(0, 1 - abs(row + 0.5 - v))
            if weight:
                total += weight * image[:, min(max(row, 0), height - 1), min(max(column, 0), width - 1)]
    return total


def warped(image: Array, size: tuple[int, int], seen: Map, fill: float = 0.0) -> Array:
    """The image (C, H, W) seen through a map from points of the result; the mean of cells where it shrinks."""
    result = np.zeros((len(image), *size))
    step = 1e-5
    for r in range(size[0]):
        for q in range(size[1]):
            x, y = q + 0.5, r + 0.5
            u, v = seen(x, y)
            across = (np.array(seen(x + step, y)) - seen(x - step, y)) / (2 * step)
            down = (np.array(seen(x, y + step)) - seen(x, y - step)) / (2 * step)
            wide, high = (min(8, max(1, math.ceil(math.hypot(*side) - 0.25))) for side in (across, down))
            for j in range(high):
                for i in range(wide):
                    s, t = (i + 0.5) / wide - 0.5, (j + 0.5) / high - 0.5
                    point = np.array([u, v]) + s * across + t * down
                    result[:, r, q] += read(image, *point, fill) / (wide * high)
    return result


def resized(image: Array, size: tuple[int, int], box: tuple[float, ...], fill: float = 0.0) -> Array:
    """A box (top, left, height, width) of the image (C, H, W) in another size, through a triangle filter."""
    top, left, height, width = box
    rows = _weights(size[0], image.shape[1], top, height)
    columns = _weights(size[1], image.shape[2], left, width)
    inside = np.outer(rows.any(axis=1), columns.any(axis=1))
    return np.where(inside, np.einsum("ri,qj,cij->crq", rows, columns, image.astype(float)), fill)


def _weights(new: int, old: int, start: float, length: float) -> Array:
    """How much each old pixel counts in each new one, (new, old)."""
    weights = np.zeros((new, old))
    for q in range(new):
        centre = start + (q + 0.5) * length / new
        for i in range(old):
            weights[q, i] = max(0.0, 1 - abs(i + 0.5 - centre) / max(1.0, length / new))
        weights[q] *= (0 <= centre < old) / (weights[q].sum() or 1)
    return weights


def pictures(count: int = 5, shape: tuple[int, int, int] = (2, 7, 9)) -> Array:
    """Images of real numbers, (count, C, H, W), smooth enough that a wrong place shows as a wrong number."""
    return np.random.default_rng(1).normal(size=(count, *shape)).astype(np.float32)
