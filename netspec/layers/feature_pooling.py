"""FeaturePooling: y = the maximum, the mean or the root of the sum of squares over k neighbouring channels.

Source: Goodfellow et al. 2013, "Maxout networks", for the maximum; Hyvarinen & Hoyer 2000, "Emergence of phase- and
shift-invariant features", for the root of squares.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka
from netspec.core.shape import Shape, ShapeError, Shapes, axis_of, count
from netspec.core.worked import LayerArrays, Term, Worked, greatest, total
from netspec.layers.base import NOTHING, Abilities, Layer, Passing, Purpose


class FeaturePooling(Layer):
    """Pool every `group_size` neighbouring channels into one.

    Bottom: x (N, C, ...). Top: y (N, C / group_size, ...). Of equal maxima the first gets the gradient; where all
    values of a group are 0, the root of squares passes none.
    """

    purpose: ClassVar[Purpose] = "pooling"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 6, 5, 4]]}
- {name: greatest, type: FeaturePooling, group_size: 3}
- {name: mean, type: FeaturePooling, bottom: data, group_size: 2, pool: AVE}
- {name: root, type: FeaturePooling, bottom: data, group_size: 3, pool: L2}
"""

    pool: Annotated[Literal["MAX", "AVE", "L2"], Aka("method", "mode")] = Field(
        "MAX", description="MAX: the greatest value; AVE: the mean; L2: the root of the sum of squares."
    )
    group_size: Annotated[int, Aka("kernel_size", "pool_size", "size", "pieces", "k")] = Field(
        gt=0, description="Number of channels that are pooled into one, k."
    )
    axis: Annotated[int, Aka("dim")] = Field(1, description="Axis of the channels; negative counts from the end.")

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    @property
    def abilities(self) -> Abilities:
        """The root of squares reads its blobs again; the others know where gradients go."""
        return Abilities() if self.pool == "L2" else Abilities(reads=NOTHING)

    @property
    def passing(self) -> Passing:
        """Zeros stay; of the root of squares none passes a gradient."""
        return Passing("all", stops=self.pool == "L2")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """C / group_size channels."""
        (x,) = bottoms
        axis = axis_of(self.axis, x)
        if x[axis] % self.group_size:
            raise ShapeError(
                f"the {x[axis]} channels of {{bottom[0]}} do not split into groups of {self.group_size}",
                field="group_size",
            )
        return ((*x[:axis], x[axis] // self.group_size, *x[axis + 1 :]),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """6/3 = 2."""
        size = bottoms[0][axis_of(self.axis, bottoms[0])]
        return f"{size}/{self.group_size} = {size // self.group_size}"

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The place of each maximum in its group."""
        return {"arg": Workspace(self.top_shapes(bottoms)[0], "int32", kept=backward)} if self.pool == "MAX" else {}

    def _around(self, shape: Shape) -> tuple[int, int]:
        """(k, values behind the axis of channels)."""
        return self.group_size, count(shape[axis_of(self.axis, shape) + 1 :])

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import groups

        x, y, around = run.bottom[0], run.top[0], self._around(run.bottom_shapes[0])
        if self.pool == "MAX":
            yield Call(groups.max_forward, x, y, run.workspace["arg"], *around)
        else:
            yield Call(groups.mean_forward if self.pool == "AVE" else groups.norm_forward, x, y, *around)

    def backward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import groups

        dy, dx, around = run.top_diff[0], run.bottom_diff[0], self._around(run.bottom_shapes[0])
        if dx is None:
            return
        if self.pool == "MAX":
            yield Call(groups.max_backward, dy, run.workspace["arg"], dx, *around)
        elif self.pool == "AVE":
            yield Call(groups.mean_backward, dy, dx, *around)
        else:
            yield Call(groups.norm_backward, run.bottom[0], run.top[0], dy, dx, *around)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The pooled values."""
        x, axis = arrays.bottoms[0], axis_of(self.axis, arrays.bottoms[0].shape)
        places = [
            (*index[:axis], index[axis] * self.group_size + i, *index[axis + 1 :]) for i in range(self.group_size)
        ]
        terms = [Term(x[place]) for place in places]
        if self.pool == "MAX":
            value = greatest(terms)
        elif self.pool == "AVE":
            value = total(terms) / float(self.group_size)
        else:
            value = total([term.power(2) for term in terms]).sqrt()
        yield value.at("y", index)
