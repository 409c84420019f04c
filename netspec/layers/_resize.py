"""Base of Upsample and Interp: an image enlarged or shrunk along the axes behind its channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from netspec.core.calls import Calls, Run, Workspace
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, Shapes
from netspec.layers.base import ANY_LAYOUT, NOTHING, Abilities, Layer, Passing
from netspec.lowering.resampling import Resampled, Rule


class Resized(NamedTuple):
    """An axis before and behind a layer: lengths, and how many old positions lie between two new ones."""

    size: int
    new: int
    step: float


class ResizeLayer(Layer):
    """A layer that makes each new pixel a weighted mean of old ones around it."""

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Any layout; backward reads nothing."""
        return Abilities(layouts=ANY_LAYOUT, reads=NOTHING)

    @property
    def passing(self) -> Passing:
        """Zeros stay; each channel is resized alone."""
        return Passing("all", channels="alike")

    def resized(self, x: Shape) -> tuple[Resized, ...]:
        """The axes behind the channels of a bottom. Raises ShapeError."""
        raise NotImplementedError

    @property
    def taps(self) -> int:
        """Old values along an axis that a new one is made of, at most."""
        raise NotImplementedError

    def rule(self, axis: Resized) -> Rule:
        """How an axis is made anew."""
        raise NotImplementedError

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, C, H', W')."""
        return ((*bottoms[0][:2], *(axis.new for axis in self.resized(bottoms[0]))),)

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field, widened by the taps; neighbours see places that are nearer, or farther apart."""
        axes, window = self.resized(bottoms[0]), (self.taps, 1, (self.taps - 1) // 2, 1)
        return union(bottoms, fields).through([window] * len(axes)).magnified(*(axis.step for axis in axes))

    def _resampled(self, x: Shape) -> Resampled:
        return Resampled(x, 2, tuple(map(self.rule, self.resized(x))))

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Lines of sums, and weights."""
        return self._resampled(bottoms[0]).spaces()

    def forward(self, run: Run) -> Calls:
        """Sum rows, then columns."""
        return self._resampled(run.bottom_shapes[0]).forward(run)

    def backward(self, run: Run) -> Calls:
        """The same with the transposed weights."""
        return self._resampled(run.bottom_shapes[0]).backward(run)
