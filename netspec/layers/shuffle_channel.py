"""ShuffleChannel: channels of groups dealt out in turn, y[n, j*G + i] = x[n, i*C/G + j].

Source: Zhang, Zhou, Lin & Sun 2018, "ShuffleNet".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Phase
from netspec.core.model import Aka
from netspec.core.shape import ShapeError, Shapes
from netspec.layers._moving import MovingLayer
from netspec.layers.base import Purpose
from netspec.lowering.moving import Route, Step, steps

if TYPE_CHECKING:
    from netspec.core.calls import Arrays, Move


class ShuffleChannel(MovingLayer):
    """Mix the channels of groups, so that a grouped convolution behind it sees all groups.

    Bottom: x (N, C, ...), C a multiple of `group`. Top: y of x's shape: the first channel of each group, then the
    second of each, and so on. Not in place.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 6, 5, 4]]}
- {name: shuffle, type: ShuffleChannel, group: 3}
"""

    group: Annotated[int, Aka("groups")] = Field(1, gt=0, description="Number of groups, G.")

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        x = bottoms[0]
        if len(x) < 2:
            raise ShapeError("{bottom[0]} has no channels", field="bottom.0")
        if x[1] % self.group:
            text = f"the {x[1]} channels of {{bottom[0]}} are not a multiple of `group` {self.group}"
            raise ShapeError(text, field="group")
        return (x,)

    def moves(self, phase: Phase) -> Move:
        """Deal the channels out."""
        return self._dealt

    def _dealt(self, bottoms: Arrays) -> Arrays:
        (x,) = bottoms
        grouped = x.reshape(x.shape[0], self.group, x.shape[1] // self.group, *x.shape[2:])
        return (grouped.swapaxes(1, 2).reshape(x.shape),)

    def route(self, bottoms: Shapes, layout: str) -> Route:
        """The axes of x, with the channels as two: groups, and the channels of each."""
        x, step = bottoms[0], steps(bottoms[0], layout)
        each, c = x[1] // self.group, step[1]
        apart = Step(self.group, each * c, c), Step(each, c, self.group * c)
        return Route((Step(x[0], step[0], step[0]), *apart, *map(Step, x[2:], step[2:], step[2:])))
