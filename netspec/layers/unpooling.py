"""Unpooling: pooled values put back to the places that a pooling took them from, y[mask[i]] = x[i], 0 elsewhere.

Values that go to one place, as from windows that overlap, are added up, so that the gradient is exact: dx[i] =
dy[mask[i]]. Along each axis the size is (P-1)*stride - 2*pad + kernel, unless it is given. Source: Zeiler, Taylor &
Fergus 2011; PyTorch's MaxUnpool2d.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from netspec.codegen.geometry import Planes
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka, Listed, wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, count, each_axis
from netspec.layers._spatial import once
from netspec.layers._window import Windowed
from netspec.layers.base import ANY_LAYOUT, NOTHING, Abilities, Arity, Passing, Purpose
from netspec.lowering.planes import shares


class Unpooling(Windowed):
    """Undo a MAX pooling: put each value to its maximum's place, and zeros around it.

    Bottoms: x (N, C, P, Q), or of one or three axes behind its channels; the places, of x's shape, as the second top of
    Pooling holds them; and, where neither a window nor `output_size` is given, the blob (N, C, H, W) that was pooled,
    of which only the size counts. Top: y (N, C, H, W). Places are positions in a plane of y; where one is none, y gets
    a NaN.
    """

    bottoms: ClassVar[Arity] = Arity(2, 3)
    no_diff: ClassVar[frozenset[int]] = frozenset({1, 2})
    purpose: ClassVar[Purpose] = "pooling"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 7, 6]]}
- {name: pool, type: Pooling, kernel_size: 2, stride: 2, top: [pool, places]}
- {name: back, type: Unpooling, bottom: [pool, places, data]}
"""

    output_size: Annotated[Listed[Annotated[int, Field(gt=0)]], Aka("size")] = Field(
        (), description="Lengths of y behind the channels: one for all axes, or one for each."
    )

    @property
    def abilities(self) -> Abilities:
        """Any layout; backward reads the places that forward kept."""
        return Abilities(layouts=ANY_LAYOUT, reads=NOTHING)

    @model_validator(mode="after")
    def _check(self) -> Unpooling:
        window = bool(self.kernel_size) or self.kernel_h is not None
        if window and self.output_size:
            raise wrong("`output_size` and a window exclude each other", field="output_size")
        if self.bottom is not None and len(self.bottom) == 3 and (window or self.output_size):
            raise wrong("the size is that of the third bottom", field="output_size" if self.output_size else "bottom")
        if self.bottom is not None and len(self.bottom) == 2 and not window and not self.output_size:
            help = "name the blob that was pooled as a third bottom, or give `output_size`, or the window"
            raise wrong("the size of the top is not given", field="bottom", help=help)
        return self

    @property
    def passing(self) -> Passing:
        """Nothing is known: the places do not count as values."""
        return Passing()

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, C, H, W)."""
        x, mask, *pooled = bottoms
        if not 3 <= len(x) <= 5:
            text = "an unpooling reads N x C x P x Q (or one or three axes behind N x C), not {bottom[0]}"
            raise ShapeError(text, field="bottom.0")
        if mask != x:
            raise ShapeError("{bottom[1]} must have the shape of {bottom[0]}, a place for each value", field="bottom.1")
        if pooled and (len(pooled[0]) != len(x) or pooled[0][:2] != x[:2]):
            raise ShapeError("{bottom[2]} must have the channels of {bottom[0]}, and as many axes", field="bottom.2")
        return (tuple(pooled[0]) if pooled else (*x[:2], *self._sizes(x)),)

    def _sizes(self, x: Shape) -> tuple[int, ...]:
        """The lengths behind the channels, as given. Raises ShapeError."""
        spatial = len(x) - 2
        if self.output_size:
            return each_axis(self.output_size, spatial, "output_size")
        windows = self.axes(spatial)
        sizes = tuple((size - 1) * w.stride - 2 * w.pad + w.kernel for size, w in zip(x[2:], windows, strict=True))
        if min(sizes) < 1:
            field = "pad" if self.pad else "pad_h"
            raise ShapeError("the padding leaves nothing of the image", field=field)
        return sizes

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """(4-1)*2-2*0+2 = 8, for each axis where they differ."""
        if self.output_size or len(bottoms) == 3:
            return ""
        (top,), windows = self.top_shapes(bottoms), self.axes(len(bottoms[0]) - 2)
        axes = zip(bottoms[0][2:], windows, top[2:], strict=True)
        words = [f"({size}-1)*{w.stride}-2*{w.pad}+{w.kernel} = {new}" for size, w, new in axes]
        return once(words)

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The whole image: a value may come from any place."""
        field = union(bottoms[:2], fields[:2])
        return field.whole(*map(bool, field.axes))

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """The places must lie in a plane of the top."""
        (top,) = self.top_shapes(bottoms)
        return {1: (count(top[2:]), None)}

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The places as whole numbers."""
        return {"places": Workspace(bottoms[0], "int32", kept=backward)}

    def _planes(self, run: Run) -> Planes:
        """Planes of the top, with a window for each value of x."""
        return shares(run.top_shapes[0], run.bottom_shapes[0], run.layout)

    def forward(self, run: Run) -> Calls:
        """Read the places, then put the values there."""
        from netspec.kernels import windows

        places, over = run.workspace["places"], self._planes(run)
        yield Call(windows.read_places, run.bottom[1], places, over)
        yield Call(windows.put_places, run.bottom[0], places, run.top[0], over, 0)

    def backward(self, run: Run) -> Calls:
        """Take the diffs from the places."""
        from netspec.kernels import windows

        if run.bottom_diff[0] is not None:
            yield Call(
                windows.take_places, run.top_diff[0], run.workspace["places"], run.bottom_diff[0], self._planes(run)
            )
