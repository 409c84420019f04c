"""Kinds of arguments that kernels take, as the annotations of their parameters: arrays of the net's number type unless they say else."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[Any]
Matrix = NDArray[Any]
Array3 = NDArray[Any]
Array4 = NDArray[Any]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]
Clock = NDArray[np.int64]
Code = Any
"""Inside kernels the address (an int64) of something Compiled; in a Call the thing itself."""

Codes = Any
"""Inside kernels an array of such addresses; in a Call a tuple of things Compiled, None where there is none."""
