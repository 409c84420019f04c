"""Input: blobs that are fed from outside. Source: Caffe input_layer.cpp."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from netspec.core.model import Aka, Listed, wrong
from netspec.core.shape import Shapes
from netspec.layers._fed import AnyShapes, Fed, each, one_for_each
from netspec.layers.base import MANY, Arity, BatchAxes, Purpose


class Input(Fed):
    """Hold what the solver's data, or a caller, puts into the net.

    Bottom: none. Top: one or more blobs of the declared shapes; the batch size replaces `batch_axis`, which a
    scalar has not.
    """

    purpose: ClassVar[Purpose] = "data"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 3], [4]]}
- {name: loss, type: SoftmaxWithLoss, bottom: [data, label]}
"""

    tops: ClassVar[Arity] = MANY

    shape: Annotated[AnyShapes, Aka("dims")] = Field(
        description="One shape for all tops, or a list with one shape for each."
    )
    batch_axis: Listed[Annotated[int, Field(ge=0)]] = Field(
        (0,), description="The axis of the batch: one number for all tops, or one for each; 1 for T x N blobs."
    )

    @model_validator(mode="after")
    def _check(self) -> Input:
        tops = len(self.top_names())
        one_for_each(self.shape, tops)
        if len(self.batch_axis) not in {1, tops}:
            text = f"{len(self.batch_axis)} batch axes for {tops} top{'s' * (tops != 1)}"
            raise wrong(text, field="batch_axis", help="give one for all, or one for each")
        for shape, axis in zip(self.top_shapes(()), self.batch_axes((), ()), strict=True):
            if axis is not None and axis >= len(shape):
                raise wrong(f"{list(shape)} has no axis {axis}", field="batch_axis", help="axes count from 0")
        return self

    def identity(self) -> dict[str, Any]:
        """The shapes of a batch of one: the batch size is the feed's."""
        return super().identity() | {"shape": self.for_batch(self.top_shapes(()), 1)}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The declared shapes."""
        return each(self.shape, len(self.top_names()))

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The declared `batch_axis` of each top; none of a scalar."""
        declared = self.batch_axis if len(self.batch_axis) > 1 else self.batch_axis * len(self.top_names())
        return tuple(axis if shape else None for axis, shape in zip(declared, self.top_shapes(()), strict=True))
