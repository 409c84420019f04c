"""Dropout: y = x * m / (1 - p), m = 1 with probability 1 - p, else 0; while testing y = x.

Each m is a function of (seed, iteration, sub-iteration, index) alone, so backward draws it again instead of keeping it.
The index counts in the order N, C, H, W, whatever the memory layout.
Source: Srivastava et al. 2014; the inverted form of Caffe dropout_layer.cpp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Phase, Run
from netspec.core.model import Aka
from netspec.core.shape import Shapes
from netspec.layers.base import ANY_LAYOUT, NOTHING, Abilities, Layer, Passing, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Move


class Dropout(Layer):
    """Set random elements to 0 while training and scale the others up, so that the mean stays.

    Bottom: x, any shape (N, ...). Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "noise"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: drop, type: Dropout, dropout_ratio: 0.4}
"""

    dropout_ratio: Annotated[float, Aka("dropout", "p", "rate", "ratio")] = Field(
        0.5, ge=0, lt=1, description="Probability p that an element becomes 0."
    )

    @property
    def abilities(self) -> Abilities:
        """In place: backward draws the mask again."""
        return Abilities(reads=NOTHING, layouts=ANY_LAYOUT, in_place=True)

    @property
    def passing(self) -> Passing:
        """Zeros stay; channels become unequal by chance."""
        return Passing("all")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        return bottoms

    def aliases(self, phase: Phase) -> bool:
        """While testing nothing is dropped, and the top is the bottom."""
        return phase == "TEST"

    def moves(self, phase: Phase) -> Move | None:
        """While testing, or where nothing is ever dropped, the bottom itself."""
        return self._reshaped if phase == "TEST" or self.dropout_ratio == 0 else None

    def forward(self, run: Run) -> Calls:
        """Draw and apply the mask; nothing while testing."""
        if run.phase == "TRAIN":
            yield self._apply(run, run.bottom[0], run.top[0])

    def backward(self, run: Run) -> Calls:
        """Draw and apply the same mask to the diff."""
        if run.phase == "TRAIN" and run.bottom_diff[0] is not None:
            yield self._apply(run, run.top_diff[0], run.bottom_diff[0])

    def _apply(self, run: Run, x: Any, y: Any) -> Call:
        from netspec.kernels import random

        threshold = round(self.dropout_ratio * 2**32)
        drawn = (run.clock, run.seed % 2**63, threshold, 1 / (1 - self.dropout_ratio))
        shape = run.bottom_shapes[0] if run.layout == "NHWC" else ()
        if len(shape) == 4:
            return Call(random.dropout_channels_last, x, y, *drawn, shape[1], shape[2] * shape[3])
        return Call(random.dropout, x, y, *drawn)
