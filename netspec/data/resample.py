"""The images of a batch, resampled through maps: one call of a kernel for all samples that come out in one size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from netspec.data.dataset import Batch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Points = tuple[NDArray[np.float64], NDArray[np.float64]]

Size = tuple[int, int]
"""Height and width."""

Matrix = tuple[float, float, float, float, float, float, float, float, float]
"""A projective map, row by row: (x', y', z') = M (x, y, 1), and the point is (x'/z', y'/z')."""

Bend = Callable[["Points"], "Points"]
"""A map of any form: x and y of points of the result, arrays of one shape, to x and y of points of the image."""

Moves = Sequence[tuple[Size, Sequence[Matrix | Bend]]]
"""Of each sample the size that comes out, and the maps from there to the image, which follow one another."""

SAME: Matrix = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def images(x: Batch, moves: Moves, fill: tuple[float, ...], equal: bool, real: Any) -> Batch:
    """Images (C, H, W) seen through their maps, in their own type where they are bytes, else in that of the net.

    `equal` says whether all come out in one size, as an array; else they come out as a list.
    """
    import numpy as np

    kind = np.uint8 if all(sample.dtype == np.uint8 for sample in x) else real
    y: list[Array] = []
    if equal:
        return _resampled(x, moves, fill, np.empty((len(x), len(x[0]), *moves[0][0]), kind))
    for sample, move in zip(x, moves, strict=True):
        y.append(_resampled([sample], [move], fill, np.empty((1, len(sample), *move[0]), kind))[0])
    return y


def labels(x: Batch, moves: Moves, label: int, equal: bool) -> Batch:
    """Label pictures (..., H, W) seen through their maps: each label that of the nearest pixel, or `label` outside.

    `equal` says whether all come out in one size, as an array; else they come out as a list.
    """
    import numpy as np

    done = [_labels(sample, *move, label) for sample, move in zip(x, moves, strict=True)]
    return np.stack(done) if equal else done


def _labels(x: Array, size: Size, maps: Sequence[Matrix | Bend], label: int) -> Array:
    import numpy as np

    from netspec.codegen.direct import call
    from netspec.kernels import warp

    matrix, points = _seen(size, maps)
    index = np.empty(size, np.int64)
    call(
        warp.nearest,
        "float32",
        np.array(matrix, np.float64),
        points,
        index,
        np.array(x.shape[-2:], np.int64),
        size[0],
    )
    flat = x.reshape(*x.shape[:-2], -1)
    kind = np.result_type(x.dtype, np.min_scalar_type(label))
    return np.where(index < 0, kind.type(label), flat[..., np.maximum(index, 0)].astype(kind, copy=False))


def _resampled(x: Batch, moves: Moves, fill: tuple[float, ...], y: Array) -> Array:
    """Write the images to y (N, C, h, w), and return it."""
    import numpy as np

    frames, alive = _frames(x, y.dtype)
    seen = [_seen(size, maps) for size, maps in moves]
    maps = np.array([matrix for matrix, _ in seen], np.float64)
    upright = ~maps[:, [1, 3, 6, 7]].any(axis=1) & (maps[:, 8] == 1) & [points.size == 0 for _, points in seen]
    if upright.all():
        _resize(frames, maps[:, [4, 5, 0, 2]], y, fill)
    else:  # one by one: the kernel of a sample does not depend on the others of its batch
        for one, (_, points) in enumerate(seen):
            part = slice(one, one + 1)
            if upright[one]:
                _resize(frames[part], maps[part][:, [4, 5, 0, 2]], y[part], fill)
            else:
                _warp(frames[part], maps[part], points, y[part], fill)
    del alive
    return y


def _resize(frames: Array, boxes: Array, y: Array, fill: tuple[float, ...]) -> None:
    """Write axis-aligned boxes, (N, 4): a and b of the rows, a and b of the columns."""
    import numpy as np

    from netspec.codegen.direct import call
    from netspec.kernels import pictures, resize

    real = "float32" if y.dtype == np.uint8 else y.dtype.name
    most = int(2 * max(1.0, float(np.abs(boxes[:, ::2]).max()))) + 3
    taps = resize.Taps(
        most,
        np.empty(2 * y.shape[3], np.int64),
        np.empty((y.shape[3] + 1) * most, real),
        np.empty(int(frames[:, 3].max()) * y.shape[1], real),
    )
    kernel = resize.resize_bytes if y.dtype == np.uint8 else resize.resize_reals
    call(kernel, real, frames, np.ascontiguousarray(boxes), y, _target(y, fill, pictures.Target), taps)


def _warp(frames: Array, maps: Array, points: Array, y: Array, fill: tuple[float, ...]) -> None:
    """Write images seen through maps (N, 9), or, where there are points (N, h, w, 2), through these."""
    import numpy as np

    from netspec.codegen.direct import call
    from netspec.kernels import pictures, warp

    real = "float32" if y.dtype == np.uint8 else y.dtype.name
    kernel = warp.warp_bytes if y.dtype == np.uint8 else warp.warp_reals
    to = _target(y, fill, pictures.Target)
    room = warp.Room(
        np.empty(y.shape[1] * y.shape[3], real), np.empty(4 * warp.POINTS, np.int64), np.empty(3 * warp.POINTS, real)
    )
    call(kernel, real, frames, maps, points, y, to, room)


def _target(y: Array, fill: tuple[float, ...], target: Any) -> Any:
    import numpy as np

    values = np.broadcast_to(np.array(fill, np.float64), y.shape[1]).copy()
    return target(*y.shape[1:], values, 0.5 if y.dtype == np.uint8 else 0.0)


def _frames(x: Batch, kind: np.dtype[Any]) -> tuple[Array, list[Array]]:
    """The description of images (N, FRAME), and the arrays that must outlive its use."""
    import numpy as np

    alive, rows = [], []
    for sample in x:
        sample = np.asarray(sample, kind)
        last = sample.transpose(1, 2, 0)
        if not sample.flags.c_contiguous and last.flags.c_contiguous:
            form = (1, *last.shape)
        else:
            sample = np.ascontiguousarray(sample)
            form = (*sample.shape, 1)
        alive.append(sample)
        rows.append((sample.__array_interface__["data"][0], *form))
    return np.array(rows, np.int64), alive


def _seen(size: Size, maps: Sequence[Matrix | Bend]) -> tuple[Matrix, Array]:
    """The map of a sample: a matrix, and where that is not enough the old point of each new centre, (h, w, 2)."""
    import numpy as np

    if len(maps) == 1 and isinstance(maps[0], tuple):
        return maps[0], np.empty(0)
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    for one in maps:
        x, y = _through(one, x, y) if isinstance(one, tuple) else one((x, y))
    return SAME, np.stack([x, y], axis=-1)


def _through(m: Matrix, x: Array, y: Array) -> tuple[Array, Array]:
    """Points through a matrix; what is behind the eye comes out outside of every image."""
    import numpy as np

    z = m[6] * x + m[7] * y + m[8]
    front = z > 0
    z = np.where(front, z, 1.0)
    u, v = (m[0] * x + m[1] * y + m[2]) / z, (m[3] * x + m[4] * y + m[5]) / z
    return np.where(front, u, -1e9), np.where(front, v, -1e9)
