"""Flatten: several axes become one. Source: Caffe flatten_layer.cpp."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.model import Aka
from netspec.core.shape import ShapeError, Shapes, axis_of, count
from netspec.layers._view import ViewLayer
from netspec.layers.base import BatchAxes, Passing, Purpose


class Flatten(ViewLayer):
    """Merge the axes from `axis` to `end_axis` into one.

    Bottom: x, any shape. Top: the same memory under the new shape; nothing is computed.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: flat, type: Flatten, axis: 2}
"""

    axis: Annotated[int, Aka("axes", "dim")] = Field(
        1, description="First axis to merge; negative counts from the end."
    )
    end_axis: int = Field(-1, description="Last axis to merge; negative counts from the end.")

    def _axes(self, bottoms: Shapes) -> tuple[int, int]:
        first, last = axis_of(self.axis, bottoms[0]), axis_of(self.end_axis, bottoms[0], "end_axis")
        if last < first:
            field = "end_axis" if "end_axis" in self.model_fields_set else "axis"
            raise ShapeError(f"`end_axis` {self.end_axis} lies before `axis` {self.axis} in {{bottom[0]}}", field=field)
        return first, last

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    @property
    def passing(self) -> Passing:
        """Zeros stay, and the channels where they are the first axis that is merged."""
        return Passing("all", channels="alike" if self.axis == 1 else None)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape, with the merged axes' count in their place."""
        first, last = self._axes(bottoms)
        return ((*bottoms[0][:first], count(bottoms[0][first : last + 1]), *bottoms[0][last + 1 :]),)

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The merged axis where the batch is merged, else the batch's axis, which may have moved."""
        first, last = self._axes(bottoms)
        axis = axes[0]
        return (axis if axis is None or axis <= first else max(first, axis - (last - first)),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """3*6*5 = 90."""
        first, last = self._axes(bottoms)
        return f"{'*'.join(map(str, bottoms[0][first : last + 1]))} = {count(bottoms[0][first : last + 1])}"
