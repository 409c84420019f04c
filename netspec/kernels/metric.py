"""Measures that are not learned from. x: (outer, C, inner); label and hit: (outer * inner,)."""

from __future__ import annotations

import math

from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Array3, Doubles, Ints, Vector
from netspec.kernels.loss import is_label

MISS, HIT, IGNORED, NO_CLASS = 0, 1, 2, 3


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
        if ignoring and is_label(label[p], ignore):
            hit[p] = IGNORED
        elif not (label[p] >= 0 and label[p] < classes):
            hit[p] = NO_CLASS
        else:
            own = int(label[p])
            better = 0
            for c in range(classes):
                better += c != own and not x[o, c, i] < x[o, own, i]
            hit[p] = HIT if better < top_k else MISS


@kernel
def accuracy_mean(hit: Ints, top: Vector, part: int, parts: int) -> None:
    """top (1,) = hits over positions that are not ignored; 0 without any, NaN when a label is no class.

    Runs as one part.
    """
    hits = 0
    valid = 0
    wrong = 0
    for p in range(hit.size):
        hits += hit[p] == HIT
        valid += hit[p] != IGNORED
        wrong += hit[p] == NO_CLASS
    top[0] = math.nan if wrong else hits / max(1, valid)


@kernel
def accuracy_per_class(hit: Ints, label: Vector, counts: Doubles, top: Vector, part: int, parts: int) -> None:
    """top (C,) = hits over positions with each label, 0 where it does not occur; counts: (C * 2,). Runs as one part."""
    for i in range(counts.size):
        counts[i] = 0.0
    for p in range(hit.size):
        if hit[p] == HIT or hit[p] == MISS:
            c = int(label[p])
            counts[2 * c] += hit[p]
            counts[2 * c + 1] += 1.0
    for c in range(top.size):
        top[c] = counts[2 * c] / max(1.0, counts[2 * c + 1])
