"""Base of layers that only move values along axes: Permute, ShuffleChannel, PixelShuffle, Crop, Pad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes, count
from netspec.layers.base import ANY_LAYOUT, NOTHING, Abilities, Layer, Passing
from netspec.lowering.moving import Route, moving

if TYPE_CHECKING:
    from netspec.core.calls import Array


class MovingLayer(Layer):
    """A layer each of whose top's values is one of its bottom's, or `filling`."""

    @property
    def abilities(self) -> Abilities:
        """Any layout; backward reads nothing."""
        return Abilities(layouts=ANY_LAYOUT, reads=NOTHING)

    @property
    def passing(self) -> Passing:
        """Zeros stay."""
        return Passing("all")

    @property
    def filling(self) -> float:
        """The value of the top where no value goes to."""
        return 0.0

    def route(self, bottoms: Shapes, layout: str) -> Route:
        """The axes along which values go from the bottom, x, to the top, y."""
        raise NotImplementedError

    def forward(self, run: Run) -> Calls:
        """Copy the values to their places."""
        yield from _moved(run.bottom[0], run.top[0], self.route(run.bottom_shapes, run.layout), self.filling)

    def backward(self, run: Run) -> Calls:
        """Copy the diffs back."""
        if run.bottom_diff[0] is not None:
            back = self.route(run.bottom_shapes, run.layout).back()
            yield from _moved(run.top_diff[0], run.bottom_diff[0], back, 0.0)


def _moved(x: Array, y: Array, route: Route, filling: float) -> Calls:
    from netspec.kernels import copy

    if count(step.length for step in route.axes) < y.size:
        yield Call(copy.fill, y, filling)
    yield moving(x, y, route)
