"""Base of layers that drop values at random while training: the ratio, the scale of what is kept, TEST as an alias.

Source: Srivastava et al. 2014; kept values are scaled up while training, as in Caffe's dropout_layer.cpp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from netspec.core.calls import Call, Calls, Phase, Run
from netspec.core.model import Aka
from netspec.core.shape import Shapes
from netspec.layers.base import ANY_LAYOUT, NOTHING, Abilities, Layer, Passing

if TYPE_CHECKING:
    from netspec.core.calls import Move


class Dropping(Layer):
    """A layer whose top is its bottom with random values set to 0; backward draws them again."""

    dropout_ratio: Annotated[
        float, Aka("dropout", "p", "rate", "ratio", "drop_ratio", "drop_prob", "drop_path_rate")
    ] = Field(0.5, ge=0, lt=1, description="Probability p that an element becomes 0.")

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

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
            yield self.dropped(run, run.bottom[0], run.top[0])

    def backward(self, run: Run) -> Calls:
        """Draw and apply the same mask to the diff."""
        if run.phase == "TRAIN" and run.bottom_diff[0] is not None:
            yield self.dropped(run, run.top_diff[0], run.bottom_diff[0])

    def dropped(self, run: Run, x: Any, y: Any) -> Call:
        """The Call that writes y = x with values dropped; `drawing` has the arguments of a draw."""
        raise NotImplementedError

    def drawing(self, run: Run) -> tuple[Any, int, int, float]:
        """Clock, seed, the probability as a share of 2^32, and the scale of kept values."""
        return run.clock, run.seed % 2**63, round(self.dropout_ratio * 2**32), 1 / (1 - self.dropout_ratio)


def pixels_last(run: Run) -> tuple[int, int] | None:
    """(C, pixels) of a bottom whose channels are innermost in memory; None where they are not."""
    shape = run.bottom_shapes[0]
    return (shape[1], shape[2] * shape[3]) if run.layout == "NHWC" and len(shape) == 4 else None
