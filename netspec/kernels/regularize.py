"""Loops of regularizers that are more than two coefficients.

w: (K, M), the row k being the weights of output unit k; `gate` (2,) holds 1 if everything is finite, else 0.
"""

from __future__ import annotations

import math

from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Matrix, Vector
from netspec.kernels.update import squares


@kernel
def project(w: Matrix, gate: Vector, limit: float, part: int, parts: int) -> None:
    """Shorten every row of w that is longer than `limit` to that L2 norm. Nothing while the gate is shut."""
    if gate[0] == 0:
        return
    for row in range(*span(w.shape[0], part, parts)):
        unit = w[row]
        norm = math.sqrt(squares(unit))
        if norm > limit:
            factor = limit / norm
            for i in range(unit.size):
                unit[i] *= factor


@kernel
def off_identity(gram: Matrix, factor: float, part: int, parts: int) -> None:
    """gram = factor * (gram - I); gram: (S, S)."""
    for row in range(*span(gram.shape[0], part, parts)):
        line = gram[row]
        line[row] -= 1.0
        for i in range(line.size):
            line[i] *= factor
