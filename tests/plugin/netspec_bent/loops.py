"""The loops of Bent. Arrays are flat, (M,)."""

from __future__ import annotations

from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Vector


@kernel
def forward(x: Vector, y: Vector, slope: float, part: int, parts: int) -> None:
    """y = slope * x where x > 0, else x / slope."""
    for i in range(*span(x.size, part, parts)):
        y[i] = slope * x[i] if x[i] > 0 else x[i] / slope


@kernel
def backward(x: Vector, dy: Vector, dx: Vector, slope: float, part: int, parts: int) -> None:
    """dx = slope * dy where x > 0, else dy / slope."""
    for i in range(*span(x.size, part, parts)):
        dx[i] = slope * dy[i] if x[i] > 0 else dy[i] / slope
