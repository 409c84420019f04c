"""Losses of distances between samples. Blobs of samples: (N, C); y: (N,), 1 where two samples are alike, 0 where not.

`partial`, `dtop` and `norm` are as in `kernels/loss.py`; `norm` is N, or 2N for the contrastive loss. Any other value
of y makes the loss NaN, unless `loose` says that any number is a label. Each sample is computed whole, by one part.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Doubles, Matrix, Vector
from netspec.kernels.loss import is_class
from netspec.kernels.sums import apart, dot_of


@helper
def squared(a: Matrix, b: Matrix, n: int, shift: float) -> float:
    """The sum of (a - b + shift)^2 of a sample."""
    return apart(a[n], b[n], shift)


@helper
def pairing(y: float, loose: int) -> int:
    """1 where y says that a pair is alike, 0 where not, -1 where y is no label."""
    if loose and y == y:
        return 0 if -1 < y < 1 else 1
    return int(y) if is_class(y, 2) else -1


@kernel
def contrastive_forward(
    a: Matrix, b: Matrix, y: Vector, partial: Doubles, margin: float, legacy: int, loose: int, part: int, parts: int
) -> None:
    """The sum of d^2 where alike, else of max(margin - d, 0)^2, or of max(margin - d^2, 0) in the legacy form."""
    total = 0.0
    for n in range(*span(a.shape[0], part, parts)):
        far, alike = squared(a, b, n, 0.0), pairing(y[n], loose)
        if alike < 0:
            total = math.nan
        elif alike == 1:
            total += far
        else:
            short = margin - (far if legacy else math.sqrt(far))
            if not short <= 0:
                total += short if legacy else short * short
    partial[2 * part] = total
    partial[2 * part + 1] = 0.0


CLOSE = 1e-4
"""Added to a distance before it divides. Source: Caffe contrastive_loss_layer.cpp."""


@kernel
def contrastive_backward(
    a: Matrix,
    b: Matrix,
    y: Vector,
    dtop: Vector,
    norm: Doubles,
    da: Matrix,
    margin: float,
    legacy: int,
    loose: int,
    sign: int,
    part: int,
    parts: int,
) -> None:
    """da = sign * (a - b) * 2 dtop / norm where alike, else times -(margin - d) / (d + 1e-4), or -1 in the legacy form.

    It is 0 beyond the margin. `sign` is 1, or -1 for the diff of b.
    """
    scale = sign * 2.0 * dtop[0] / norm[0]
    for n in range(*span(a.shape[0], part, parts)):
        factor, alike = scale, pairing(y[n], loose)
        if alike < 0:
            factor = math.nan
        elif alike == 0:
            far = squared(a, b, n, 0.0)
            distance = math.sqrt(far)
            short = margin - (far if legacy else distance)
            factor = 0.0 if short <= 0 else -scale * (1.0 if legacy else short / (distance + CLOSE))
        slope = da.dtype.type(factor)
        for c in range(a.shape[1]):
            da[n, c] = slope * (a[n, c] - b[n, c])


TINY = 1e-12
"""Added to squared lengths before their root. Source: PyTorch's CosineEmbeddingLoss."""


@helper
def products(a: Matrix, b: Matrix, n: int) -> tuple[float, float, float]:
    """(a b, a a + TINY, b b + TINY) of a sample."""
    return dot_of(a[n], b[n]), dot_of(a[n], a[n]) + TINY, dot_of(b[n], b[n]) + TINY


@kernel
def cosine_forward(a: Matrix, b: Matrix, y: Vector, partial: Doubles, margin: float, part: int, parts: int) -> None:
    """The sum of 1 - cos where alike, else of max(0, cos - margin)."""
    total = 0.0
    for n in range(*span(a.shape[0], part, parts)):
        both, one, two = products(a, b, n)
        cosine = both / math.sqrt(one * two)
        if not is_class(y[n], 2):
            total = math.nan
        elif y[n] == 1:
            total += 1.0 - cosine
        elif not cosine <= margin:
            total += cosine - margin
    partial[2 * part] = total
    partial[2 * part + 1] = 0.0


@kernel
def cosine_backward(
    a: Matrix,
    b: Matrix,
    y: Vector,
    dtop: Vector,
    norm: Doubles,
    da: Matrix,
    margin: float,
    part: int,
    parts: int,
) -> None:
    """da = the derivative of cos(a, b), which is b / (|a| |b|) - cos a / |a|^2, times dtop / norm; the sign is turned
    where a and b are alike.

    It is 0 where they are not and the cosine is below the margin. With a and b exchanged it writes the diff of b.
    """
    scale = dtop[0] / norm[0]
    for n in range(*span(a.shape[0], part, parts)):
        both, one, two = products(a, b, n)
        length = math.sqrt(one * two)
        factor = -scale
        if not is_class(y[n], 2):
            factor = math.nan
        elif y[n] == 0:
            factor = 0.0 if both / length <= margin else scale
        for c in range(a.shape[1]):
            da[n, c] = factor * (b[n, c] / length - both / length * a[n, c] / one)


NEAR = 1e-6
"""Added to every difference, so that the root has a derivative. Source: PyTorch's TripletMarginLoss."""


@helper
def shortfall(a: Matrix, b: Matrix, c: Matrix, n: int, margin: float, square: int) -> tuple[float, float, float]:
    """(margin + |a - b| - |a - c|, |a - b|, |a - c|) of a sample, of distances or their squares."""
    if square:
        near, far = squared(a, b, n, 0.0), squared(a, c, n, 0.0)
    else:
        near, far = math.sqrt(squared(a, b, n, NEAR)), math.sqrt(squared(a, c, n, NEAR))
    return margin + near - far, near, far


@kernel
def triplet_forward(
    a: Matrix, b: Matrix, c: Matrix, partial: Doubles, margin: float, square: int, part: int, parts: int
) -> None:
    """The sum of max(0, margin + |a - b| - |a - c|), of distances or their squares."""
    total = 0.0
    for n in range(*span(a.shape[0], part, parts)):
        short, _, _ = shortfall(a, b, c, n, margin, square)
        if not short <= 0:
            total += short
    partial[2 * part] = total
    partial[2 * part + 1] = 0.0


@kernel
def triplet_backward(
    a: Matrix,
    b: Matrix,
    c: Matrix,
    dtop: Vector,
    norm: Doubles,
    diff: Matrix,
    margin: float,
    square: int,
    slot: int,
    part: int,
    parts: int,
) -> None:
    """diff = the derivative by a, b or c, which `slot` 0, 1 or 2 names; 0 beyond the margin."""
    scale = dtop[0] / norm[0]
    for n in range(*span(a.shape[0], part, parts)):
        short, near, far = shortfall(a, b, c, n, margin, square)
        if short <= 0:
            for k in range(a.shape[1]):
                diff[n, k] = 0
            continue
        shift = 0.0 if square else NEAR
        left = scale * (2.0 if square else 1.0 / near)
        right = scale * (2.0 if square else 1.0 / far)
        for k in range(a.shape[1]):
            pull = (np.float64(a[n, k]) - b[n, k] + shift) * left
            push = (np.float64(a[n, k]) - c[n, k] + shift) * right
            diff[n, k] = pull - push if slot == 0 else (-pull if slot == 1 else push)
