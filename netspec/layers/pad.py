"""Pad: values put around a blob: a constant, the blob mirrored at its ends, or its ends repeated.

constant: y = `value` outside of x. reflect: the position -i is i, and n-1+i is n-1-i, so that the ends themselves are
not repeated. replicate: all before the first is the first, all behind the last is the last. Source: PyTorch's
`functional.pad`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.core.calls import Calls, Phase, Run, Workspace
from netspec.core.model import Aka, Listed, wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, axis_of, each_axis
from netspec.layers._moving import MovingLayer
from netspec.layers._spatial import once
from netspec.layers.base import Passing, Purpose
from netspec.lowering.moving import Route, Step, steps
from netspec.lowering.resampling import Resampled, padded

if TYPE_CHECKING:
    from netspec.core.calls import Arrays, Move

Sides = Listed[Annotated[int, Field(ge=0)]]


class Pad(MovingLayer):
    """Put values around a blob.

    Bottom: x, any shape. Top: y, longer along the axes from `axis` on: `pad` on both sides of each, or `pad_beg` before
    and `pad_end` behind. `reflect` and `replicate` pad at most three axes.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: zeros, type: Pad, pad: 1}
- {name: mirrored, type: Pad, mode: reflect, pad_beg: [2, 1], pad_end: [0, 3], bottom: data}
- {name: repeated, type: Pad, mode: replicate, pad: [3, 1], bottom: data}
"""

    pad: Annotated[Sides, Aka("padding", "pads")] = Field(
        (), description="Values on both sides: one number for all axes from `axis` on, or one for each."
    )
    pad_beg: Sides = Field((), description="Values before x (default 0): one number for all axes, or one for each.")
    pad_end: Sides = Field((), description="Values behind x (default 0): one number for all axes, or one for each.")
    axis: Annotated[int, Aka("dim")] = Field(
        2, description="The first axis that is padded, with all behind it; negative counts from the end."
    )
    mode: Literal["constant", "reflect", "replicate"] = Field("constant", description="What is put around x.")
    value: Annotated[float, Aka("constant", "fill")] = Field(0.0, description="The constant.", allow_inf_nan=False)

    @model_validator(mode="after")
    def _check(self) -> Pad:
        if self.pad and (self.pad_beg or self.pad_end):
            field = "pad_beg" if self.pad_beg else "pad_end"
            raise wrong(f"`pad` and `{field}` exclude each other", field=field)
        if not (self.pad or self.pad_beg or self.pad_end):
            raise wrong("nothing is padded", help="give `pad`, or `pad_beg` and `pad_end`")
        if self.value and self.mode != "constant":
            raise wrong(f"`value` has no meaning for `mode: {self.mode}`", field="value")
        return self

    @property
    def alone(self) -> bool:
        """Unless the items are among what lies along `axis`."""
        return self.axis > 0

    @property
    def passing(self) -> Passing:
        """Zeros stay, unless a constant is put around them."""
        return Passing(None if self.value else "all", channels="alike" if self.axis == 2 else None)

    @property
    def filling(self) -> float:
        """The constant."""
        return self.value

    def _sides(self, x: Shape) -> tuple[tuple[int, int], ...]:
        """Values before and behind each axis of x. Raises ShapeError."""
        axis = axis_of(self.axis, x)
        names = ("pad", "pad") if self.pad else ("pad_beg", "pad_end")
        both = (each_axis(getattr(self, name) or (0,), len(x) - axis, name, "padded") for name in names)
        return (*((0, 0),) * axis, *zip(*both, strict=True))

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The lengths of x with what is put around them."""
        x, sides = bottoms[0], self._sides(bottoms[0])
        axis = axis_of(self.axis, x)
        if self.mode != "constant" and len(x) - axis > 3:
            text = f"`mode: {self.mode}` pads at most 3 axes, but {{bottom[0]}} has {len(x) - axis} from axis {axis} on"
            raise ShapeError(text, field="axis")
        for size, (before, behind) in zip(x, sides, strict=True):
            if self.mode == "reflect" and max(before, behind) >= size:
                text = (
                    f"{size} values of {{bottom[0]}} can be mirrored to at most {size - 1}, not {max(before, behind)}"
                )
                field = "pad" if self.pad else "pad_beg" if before >= size else "pad_end"
                raise ShapeError(text, field=field)
        return (tuple(size + sum(both) for size, both in zip(x, sides, strict=True)),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """1+5+2 = 8, for each axis that is padded."""
        axes = zip(bottoms[0], self._sides(bottoms[0]), strict=True)
        words = [f"{a}+{size}+{b} = {a + size + b}" for size, (a, b) in axes if a or b]
        return once(words)

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field, whose first value now lies behind the padding."""
        field, sides = union(bottoms, fields), self._sides(bottoms[0])
        for axis in range(2, len(sides)) if len(sides) == 2 + len(field.axes) else ():
            field = field.shifted(axis, -sides[axis][0])
        return field

    def moves(self, phase: Phase) -> Move | None:
        """Put what is there around the array; a constant is no value of it."""
        return self._padded if self.mode != "constant" else None

    def _padded(self, bottoms: Arrays) -> Arrays:
        import numpy as np

        return (np.pad(bottoms[0], self._sides(bottoms[0].shape), "reflect" if self.mode == "reflect" else "edge"),)

    def route(self, bottoms: Shapes, layout: str) -> Route:
        """The axes of x, from behind the padding in y."""
        x, (top,) = bottoms[0], self.top_shapes(bottoms)
        of_y = steps(top, layout)
        y0 = sum(before * step for (before, _), step in zip(self._sides(x), of_y, strict=True))
        return Route(tuple(map(Step, x, steps(x, layout), of_y)), y0=y0)

    def _resampled(self, x: Shape) -> Resampled:
        """Each padded axis of x made of its own values."""
        axis = axis_of(self.axis, x)
        axes = zip(x[axis:], self._sides(x)[axis:], strict=True)
        return Resampled(x, axis, tuple(padded(size, *both, self.mode == "reflect") for size, both in axes))

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Lines and weights, unless a constant is put around x."""
        return {} if self.mode == "constant" else self._resampled(bottoms[0]).spaces()

    def forward(self, run: Run) -> Calls:
        """Copy x between constants, or take each value from its place."""
        return super().forward(run) if self.mode == "constant" else self._resampled(run.bottom_shapes[0]).forward(run)

    def backward(self, run: Run) -> Calls:
        """Copy the diffs back, or add those of each place."""
        return super().backward(run) if self.mode == "constant" else self._resampled(run.bottom_shapes[0]).backward(run)
