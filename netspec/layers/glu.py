"""GLU: y = a / (1 + e^-b), where a is the first half of x along an axis, and b the second.

Source: Dauphin et al. 2017, "Language modeling with gated convolutional networks"; PyTorch GLU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.model import Aka
from netspec.core.shape import ShapeError, Shapes, axis_of, count
from netspec.core.worked import LayerArrays, Term, Worked
from netspec.layers.base import BOTTOM, Abilities, Layer, Passing, Purpose


class GLU(Layer):
    """Multiply one half of the channels with the sigmoid of the other half.

    Bottom: x, with an even length along `axis`. Top: y, half as long along `axis`. As in PyTorch the axis is the last;
    for the channels of an image say `axis: 1`.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 6, 5, 4]]}
- {name: glu, type: GLU, axis: 1}
"""

    axis: Annotated[int, Aka("dim")] = Field(-1, description="Axis that is halved; negative counts from the end.")

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    @property
    def abilities(self) -> Abilities:
        """Backward reads the bottom."""
        return Abilities(reads=BOTTOM)

    @property
    def passing(self) -> Passing:
        """Zeros stay, as they are multiplied."""
        return Passing("all")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """Half the length along the axis."""
        (x,) = bottoms
        axis = axis_of(self.axis, x)
        if x[axis] % 2:
            raise ShapeError(f"axis {self.axis} of {{bottom[0]}} is {x[axis]} long, which has no halves", field="axis")
        return ((*x[:axis], x[axis] // 2, *x[axis + 1 :]),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """6/2 = 3."""
        size = bottoms[0][axis_of(self.axis, bottoms[0])]
        return f"{size}/2 = {size // 2}"

    def _inner(self, run: Run) -> int:
        """Number of values of a half, for each place before the axis."""
        shape = run.top_shapes[0]
        return count(shape[axis_of(self.axis, shape) :])

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import groups

        yield Call(groups.glu_forward, run.bottom[0], run.top[0], self._inner(run))

    def backward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import groups

        if run.bottom_diff[0] is not None:
            yield Call(groups.glu_backward, run.bottom[0], run.top_diff[0], run.bottom_diff[0], self._inner(run))

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The product of the two halves' values."""
        x, axis = arrays.bottoms[0], axis_of(self.axis, arrays.bottoms[0].shape)
        other = (*index[:axis], index[axis] + x.shape[axis] // 2, *index[axis + 1 :])
        yield (Term(x[index]) * Term(x[other]).sigmoid()).at("y", index)
