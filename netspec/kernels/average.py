"""Averages of weights over the iterations, which follow the weights in the call that updates them."""

from __future__ import annotations

from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Doubles, Vector


@kernel
def follow(w: Vector, average: Vector, gate: Vector, share: Doubles, part: int, parts: int) -> None:
    """average += share * (w - average). Nothing while the gate is shut.

    w, average: (M,), gate: (2,), whose first value is 0 where it is shut; share: (1,), which is 1 where the average
    becomes the weights themselves, and 0 where it stays.
    """
    if gate[0] == 0 or share[0] == 0:
        return
    first, last = span(w.size, part, parts)
    w, average = w[first:last], average[first:last]
    if share[0] == 1:
        for i in range(w.size):
            average[i] = w[i]
    else:
        for i in range(w.size):
            average[i] += share[0] * (w[i] - average[i])
