"""Convolution by its definition in float64 NumPy, with stride 1."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def windows(x: Array, taps: int, pad: int) -> Array:
    """All windows of x (N, C, H, W): (N, C, P, Q, taps, taps)."""
    wide = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    return np.lib.stride_tricks.sliding_window_view(wide, (taps, taps), axis=(2, 3))


def by_definition(x: Array, w: Array, v: Array, pad: int, groups: int) -> tuple[Array, Array, Array]:
    """y, dx and dw of a convolution whose top's diff is v."""
    taps, found = w.shape[-1], []
    for xs, ws, vs in zip(*(np.split(a, groups, axis) for a, axis in ((x, 1), (w, 0), (v, 1))), strict=True):
        y = np.einsum("ncpquv,kcuv->nkpq", windows(xs, taps, pad), ws, optimize=True)
        dx = np.einsum("nkpquv,kcuv->ncpq", windows(vs, taps, taps - 1 - pad), ws[:, :, ::-1, ::-1], optimize=True)
        found.append((y, dx, np.einsum("ncpquv,nkpq->kcuv", windows(xs, taps, pad), vs, optimize=True)))
    y, dx, dw = zip(*found, strict=True)
    return np.concatenate(y, 1), np.concatenate(dx, 1), np.concatenate(dw, 0)


def near(found: Array | None, wanted: Array, bound: float) -> None:
    """Every value within `bound` of the largest."""
    assert found is not None
    np.testing.assert_allclose(found, wanted, rtol=0, atol=bound * np.abs(wanted).max())
