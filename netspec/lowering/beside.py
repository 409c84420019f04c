"""What a run asks of a layer beside its own, for BatchNorms and the watch, as kernels take it; empty where nothing is.

See `core/beside.py`. Kernels get these tuples in every call, and look at the size of one array.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from netspec.codegen.geometry import GRAIN
from netspec.core.beside import PIECES, Lens, Pieces, Products, Pull
from netspec.core.shape import Shape, count

if TYPE_CHECKING:
    from netspec.core.calls import Array, Run


def lens_of(run: Run, slot: int = 0) -> Lens:
    """How a bottom is seen."""
    found = run.lenses[slot] if slot < len(run.lenses) else None
    return found or _plain(run.bottom[slot].dtype)


def pull_of(run: Run) -> Pull:
    """How the diff of top 0 is seen."""
    if run.pull is not None:
        return run.pull
    lens = _plain(run.bottom[0].dtype)
    none = lens.factor
    return Pull(none, 0, lens, none, none, none, none)


def pulls_once(run: Run) -> bool:
    """Whether the weight's pass may leave the top's diff pulled in its place, for the bottom's pass."""
    if run.pull is None or not run.pull.once:
        return False
    return run.param_diff[0] is not None and run.bottom_diff[0] is not None


def moments_of(run: Run) -> Pieces:
    """Where forward leaves the moments of top 0."""
    return run.moments or _nothing()


def products_of(run: Run, slot: int = 0) -> Products:
    """What backward does to the diff of a bottom when that is complete."""
    found = run.products[slot] if slot < len(run.products) else None
    if found is not None:
        return found
    lens = _plain(run.bottom[slot].dtype)
    return Products(lens.factor, 0, lens, lens.factor, _nothing())


def squares_of(run: Run, slot: int = 0) -> Array:
    """Where backward leaves the sum of squares of a param's diff, by parts."""
    import numpy as np

    wanted = run.param_squares[slot] if slot < len(run.param_squares) else None
    return np.zeros(0) if wanted is None else wanted


def pieces(shape: Shape, rows: int) -> int:
    """Pieces in which a kernel that shares `rows` rows of a blob among its parts leaves sums; none is without a row."""
    return max(1, min(PIECES, rows, count(shape) // GRAIN))


def _plain(dtype: Any) -> Lens:
    import numpy as np

    none = np.zeros(0, dtype)
    return Lens(none, none, math.nan)


def _nothing() -> Pieces:
    import numpy as np

    none = np.zeros(0)
    return Pieces(none, none, 0)
