"""Measures that are not learned from. x: (outer, C, inner); label and hit: (outer * inner,)."""

from __future__ import annotations

import math

from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Array3, Doubles, Ints, Vector
from netspec.kernels.loss import is_class

MISS, HIT, IGNORED, NO_CLASS = 0, 1, 2, 3
UNKNOWN = 4
"""Added to MISS or HIT where a score is NaN."""


@kernel
def accuracy_hits(
    x: Array3, label: Vector, hit: Ints, top_k: int, ignoring: int, ignore: int, part: int, parts: int
) -> None:
    """hit = HIT where fewer than top_k other classes score at least as high as the label.

    A tie or a NaN counts against the label. x: (outer, C, inner), label, hit: (outer * inner,).
    """
    classes, inner = x.shape[1], x.shape[2]
    for p in range(*span(x.shape[0] * inner, part, parts)):
        o, i = p // inner, p % inner
        if ignoring and label[p] == ignore:
            hit[p] = IGNORED
        elif not is_class(label[p], classes):
            hit[p] = NO_CLASS
        else:
            own = int(label[p])
            better = 0
            unknown = 0
            for c in range(classes):
                better += c != own and not x[o, c, i] < x[o, own, i]
                unknown += x[o, c, i] != x[o, c, i]
            hit[p] = (HIT if better < top_k else MISS) + (UNKNOWN if unknown else 0)


@kernel
def accuracy_mean(hit: Ints, top: Vector, part: int, parts: int) -> None:
    """top (1,) = hits over positions that are not ignored; 0 without any, NaN when a label is no class.

    Runs as one part.
    """
    hits = 0
    valid = 0
    wrong = 0
    for p in range(hit.size):
        hits += hit[p] % UNKNOWN == HIT
        valid += hit[p] != IGNORED
        wrong += hit[p] == NO_CLASS
    top[0] = math.nan if wrong else hits / max(1, valid)


@kernel
def accuracy_counts(hit: Ints, label: Vector, counts: Doubles, part: int, parts: int) -> None:
    """counts (C * 2 + 1,) = hits and positions of each label; last NaN if a label is no class or a score NaN, else 0.

    Runs as one part.
    """
    for i in range(counts.size):
        counts[i] = 0.0
    for p in range(hit.size):
        if hit[p] == NO_CLASS or hit[p] >= UNKNOWN:
            counts[counts.size - 1] = math.nan
        if hit[p] != NO_CLASS and hit[p] != IGNORED:
            c = int(label[p])
            counts[2 * c] += hit[p] % UNKNOWN == HIT
            counts[2 * c + 1] += 1.0


@kernel
def accuracy_per_class(counts: Doubles, top: Vector, part: int, parts: int) -> None:
    """top (C,) = hits over positions with each label, 0 where it does not occur. Runs as one part."""
    for c in range(top.size):
        top[c] = counts[2 * c] / max(1.0, counts[2 * c + 1])
