"""Concat: blobs side by side along one axis. Source: Caffe concat_layer.cpp."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, model_validator

from netspec.core.calls import Call, Calls, Phase, Run
from netspec.core.model import Aka, wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, axis_of, count
from netspec.layers.base import ANY_LAYOUT, MANY, NOTHING, Abilities, Arity, Layer, Passing, Purpose, one_axis
from netspec.lowering.conv_passes import flat
from netspec.lowering.layout import memory_order

if TYPE_CHECKING:
    from netspec.core.calls import Array, Arrays, Move


class Concat(Layer):
    """Join blobs along an axis.

    Bottoms: any number, equal in all axes but one. Top: their lengths along that axis added up. A single bottom is
    passed on as it is. Not in place.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [few, many], shape: [[2, 3, 5, 4], [2, 6, 5, 4]]}
- {name: concat, type: Concat, bottom: [few, many], axis: 1}
"""

    bottoms: ClassVar[Arity] = MANY

    axis: Annotated[int, Aka("axes", "concat_axis", "dim")] = Field(
        1, description="The axis along which the bottoms are joined; negative counts from the end."
    )
    concat_dim: int | None = Field(None, ge=0, description="Caffe's old word for `axis`.")

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return (self.axis if self.concat_dim is None else self.concat_dim) > 0

    @property
    def abilities(self) -> Abilities:
        """Any layout; backward reads nothing."""
        return Abilities(layouts=ANY_LAYOUT, reads=NOTHING)

    @model_validator(mode="after")
    def _check(self) -> Concat:
        if self.concat_dim is not None and "axis" in self.model_fields_set:
            raise wrong("`axis` and `concat_dim` say the same", field="concat_dim", help="leave `concat_dim` out")
        return self

    def identity(self) -> dict[str, Any]:
        """With `concat_dim` as the axis that it is."""
        return one_axis(super().identity(), "concat_dim")

    def joint(self, shape: Shape) -> int:
        """The axis of the joint, counted from the front."""
        return axis_of(self.axis, shape) if self.concat_dim is None else axis_of(self.concat_dim, shape, "concat_dim")

    @property
    def passing(self) -> Passing:
        """Zeros stay."""
        return Passing("all")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottoms' shape, with their lengths along `axis` added up."""
        first = bottoms[0]
        axis = self.joint(first)
        for i, shape in enumerate(bottoms):
            others = (*shape[:axis], *shape[axis + 1 :])
            if len(shape) != len(first) or others != (*first[:axis], *first[axis + 1 :]):
                raise ShapeError(
                    f"{{bottom[0]}} and {{bottom[{i}]}} differ in more than axis {axis}", field=f"bottom.{i}"
                )
        return ((*first[:axis], sum(shape[axis] for shape in bottoms), *first[axis + 1 :]),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """3+5 = 8."""
        axis = self.joint(bottoms[0])
        lengths = [shape[axis] for shape in bottoms]
        return f"{'+'.join(map(str, lengths))} = {sum(lengths)}" if len(lengths) > 1 else ""

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The union of the bottoms' fields; bottoms that follow each other in the image are seen from their places."""
        axis = self.joint(bottoms[0])
        if len(bottoms[0]) == 4 and axis >= 2:
            starts = accumulate((shape[axis] for shape in bottoms), initial=0)
            fields = [field.shifted(axis, -start) for field, start in zip(fields, starts, strict=False)]
        return union(bottoms, fields)

    def moves(self, phase: Phase) -> Move:
        """Join the arrays."""
        return self._joined

    def _joined(self, bottoms: Arrays) -> Arrays:
        import numpy as np

        return (np.concatenate(bottoms, self.joint(bottoms[0].shape)),)

    def aliases(self, phase: Phase) -> bool:
        """Whether there is only one bottom."""
        return self.bottom is None or len(self.bottom) == 1

    def pitched(self, bottoms: Shapes) -> bool:
        """Where it joins the channels of images."""
        return len(bottoms[0]) == 4 and self.joint(bottoms[0]) == 1

    def _blocks(self, run: Run) -> Iterator[tuple[int, int]]:
        """For each bottom: (values of its block, offset of its block in the top's)."""
        order = memory_order(len(run.bottom_shapes[0]), run.layout)
        axis = order.index(self.joint(run.bottom_shapes[0]))
        widths = [count(tuple(shape[i] for i in order[axis:])) for shape in run.bottom_shapes]
        yield from zip(widths, accumulate(widths, initial=0), strict=False)

    def _copied(
        self, run: Run, arrays: tuple[Array | None, ...], top: Array
    ) -> Iterator[tuple[Array, Array, tuple[int, int, int]]]:
        """Arrays of the bottoms that do not lie inside the top already, with the top's values and their blocks there.

        A block is (values, values from one block of the top to the next, offset in the first).
        """
        if len(run.bottom) == 1:
            return
        blocks = list(self._blocks(run))
        whole, pitch = (top, sum(width for width, _ in blocks)) if top.flags.c_contiguous else flat(top)
        for array, (width, offset), inside in zip(arrays, blocks, run.placed or (False,) * len(arrays), strict=True):
            if array is not None and not inside:
                yield array, whole, (width, pitch, offset)

    def forward(self, run: Run) -> Calls:
        """Copy each bottom's blocks into the top, but for those that lie there."""
        from netspec.kernels import copy

        for bottom, top, block in self._copied(run, run.bottom, run.top[0]):
            yield Call(copy.concat_forward, bottom, top, *block)

    def backward(self, run: Run) -> Calls:
        """Copy each wanted bottom's blocks back."""
        from netspec.kernels import copy

        for diff, top, block in self._copied(run, run.bottom_diff, run.top_diff[0]):
            yield Call(copy.concat_backward, diff, top, *block)
