"""Reshape: the same values under another shape. Source: Caffe reshape_layer.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, field_validator

from netspec.core.model import Aka, Listed, wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, count, counted, text
from netspec.layers._view import ViewLayer
from netspec.layers.base import BatchAxes, Passing, Purpose


def _unwrapped(value: Any) -> Any:
    """Refuse Caffe's `{dim: [...]}` in words."""
    if isinstance(value, dict):
        dim = value.get("dim", (0, -1))
        sizes = ", ".join(map(str, dim if isinstance(dim, tuple) else (dim,)))
        raise wrong("`shape` is a list of sizes", help=f"write `shape: [{sizes}]`")
    return value


class Reshape(ViewLayer):
    """Give a blob, or some of its axes, other lengths.

    Bottom: x, any shape. Top: the same memory under the new shape; nothing is computed.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: reshape, type: Reshape, shape: [0, 6, -1]}
"""

    shape: Annotated[
        Listed[Annotated[int, Field(ge=-1)]], BeforeValidator(_unwrapped), Aka("dims", "new_shape", "target_shape")
    ] = Field(description="The new lengths; 0 copies the bottom's at that place, -1 (once) is what is left over.")
    axis: Annotated[int, Aka("axes", "dim")] = Field(
        0, description="First axis that is replaced; -1 is behind the last, -2 the last."
    )
    num_axes: int = Field(
        -1, ge=-1, description="How many axes are replaced; -1: all from `axis` on, 0: none, the new ones are put in."
    )

    @field_validator("shape")
    @classmethod
    def _check(cls, shape: tuple[int, ...]) -> tuple[int, ...]:
        if shape.count(-1) > 1:
            raise wrong("only one length can be -1, what is left over")
        return shape

    def _span(self, x: Shape) -> tuple[int, int]:
        """The first axis that is replaced, and the first behind them. Raises ShapeError."""
        first = self.axis if self.axis >= 0 else len(x) + 1 + self.axis
        if not 0 <= first <= len(x):
            raise ShapeError(f"axis {self.axis} does not exist in {{bottom[0]}}", field="axis")
        last = len(x) if self.num_axes == -1 else first + self.num_axes
        if last > len(x):
            axes = counted(self.num_axes, "axis", "axes")
            raise ShapeError(f"{{bottom[0]}} has no {axes} from axis {first} on", field="num_axes")
        return first, last

    def _sizes(self, x: Shape) -> tuple[Shape, int]:
        """The whole new shape with -1 still in it, and the product of all its other lengths. Raises ShapeError."""
        first, last = self._span(x)
        sizes = list(self.shape)
        for i, size in enumerate(sizes):
            if size == 0:
                if first + i >= len(x):
                    raise ShapeError(
                        f"{{bottom[0]}} has no axis {first + i} whose length could be copied", field=f"shape.{i}"
                    )
                sizes[i] = x[first + i]
        result = (*x[:first], *sizes, *x[last:])
        return result, count(size for size in result if size != -1)

    @property
    def passing(self) -> Passing:
        """Zeros stay, and the channels where only the axes behind the batch are merged."""
        return Passing("all", channels="alike" if self.shape == (0, -1) and self.axis == 0 else None)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The new shape, of as many values as the bottom."""
        x = bottoms[0]
        result, known = self._sizes(x)
        if -1 not in result:
            if known != count(x):
                message = f"{text(result)} = {counted(known, 'value')}, but {{bottom[0]}} has {count(x):,}"
                raise ShapeError(message, field="shape", help=_HELP)
            return (result,)
        if count(x) % known:
            raise ShapeError(
                f"the {counted(count(x), 'value')} of {{bottom[0]}} are not a multiple of {known:,}, the other lengths",
                field="shape",
                help=_HELP,
            )
        return (tuple(count(x) // known if size == -1 else size for size in result),)

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field; the whole image where height and width are other than the bottom's."""
        field, (top,) = union(bottoms, fields), self.top_shapes(bottoms)
        moved = len(top) == 2 + len(field.axes) and top[2:] != bottoms[0][2:]
        return field.whole(*(moved and bool(reach) for reach in field.axes))

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The axis that keeps or copies the batch's length, or has it at the same place; else the axis given as -1.

        None where neither is there.
        """
        (first, last), axis = self._span(bottoms[0]), axes[0]
        if axis is None or axis < first:
            return (axis,)
        if axis >= last:
            return (axis - last + first + len(self.shape),)
        copied = self.shape[axis - first] if axis - first < len(self.shape) else None
        before = all(size in {0, x} for size, x in zip(self.shape, bottoms[0][first:axis], strict=False))
        if copied == 0 or (copied == bottoms[0][axis] and before):
            return (axis,)
        return (first + self.shape.index(-1) if -1 in self.shape else None,)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """180/2 = 90, where a length is what is left over."""
        result, known = self._sizes(bottoms[0])
        total = count(bottoms[0])
        return f"{total}/{known} = {total // known}" if -1 in result else ""


_HELP = "a length of 0 is that of the bottom at its place, as for the batch; -1 is what is left over"
