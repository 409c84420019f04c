"""Cases of layers that stretch a second blob over the axes of the first: Scale and Bias."""

from __future__ import annotations

import numpy as np

X = (2, 3, 4, 5)

CASES = [
    ({}, (3,)),
    ({"axis": 0}, (2,)),
    ({"axis": 0, "num_axes": 2}, (2, 3)),
    ({"num_axes": 2}, (3, 4)),
    ({"axis": 2, "num_axes": -1}, (4, 5)),
    ({"axis": -1}, (5,)),
    ({"axis": 0, "num_axes": -1}, X),
    ({"axis": 3, "num_axes": 0}, ()),
]


def wide(w: np.ndarray, axis: int) -> np.ndarray:
    """w with axes of length 1 behind it, so that NumPy broadcasts it from `axis` of x on."""
    return w.reshape(*w.shape, *(1,) * (len(X) - axis % len(X) - w.ndim)) if w.ndim else w


def along(x: np.ndarray, w: np.ndarray, axis: int) -> np.ndarray:
    """The value of w that stands at each place of x, found place by place."""
    result, first = np.empty(x.shape), axis % len(X)
    for place in np.ndindex(*x.shape):
        result[place] = w[place[first : first + w.ndim]]
    return result
