"""AdaptivePooling: pooling to a given size, whatever the size of the image.

Window i of an axis reaches from floor(i*H/P) to ceil((i+1)*H/P), of H values and P windows. AVE: its mean. MAX: its
maximum, the first of equals. Source: PyTorch's AdaptiveAvgPool2d and AdaptiveMaxPool2d, whose numbers these are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka, Listed, wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import ShapeError, Shapes, each_axis
from netspec.layers.base import ANY_LAYOUT, NOTHING, Abilities, Arity, Layer, Passing, Purpose
from netspec.lowering.planes import shares


class AdaptivePooling(Layer):
    """Shrink each plane of an image to a given size, by the averages or maxima of windows that cover it evenly.

    Bottom: x (N, C, H, W); also (N, C, W) or (N, C, D, H, W). Top: y (N, C, P, Q); with MAX an optional second top of
    that shape holds the place of each maximum, (d*H + h)*W + w. Windows may overlap by a value.
    """

    tops: ClassVar[Arity] = Arity(1, 2)
    purpose: ClassVar[Purpose] = "pooling"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 7, 5]]}
- {name: mean, type: AdaptivePooling, output_size: [3, 2]}
- {name: most, type: AdaptivePooling, output_size: 3, pool: MAX, bottom: data}
"""

    output_size: Annotated[Listed[Annotated[int, Field(gt=0)]], Aka("output", "size")] = Field(
        description="Windows along all axes behind the channels, or along each.", min_length=1
    )
    pool: Literal["AVE", "MAX"] = Field("AVE", description="Average or maximum of a window.")

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Any layout; backward reads the places of maxima alone."""
        return Abilities(layouts=ANY_LAYOUT, reads=NOTHING)

    @model_validator(mode="after")
    def _check(self) -> AdaptivePooling:
        if self.pool == "AVE" and len(self.top_names()) > 1:
            raise wrong("only MAX pooling has a second top, the places of the maxima", field="top")
        return self

    @property
    def passing(self) -> Passing:
        """Zeros stay; each channel is pooled alone."""
        return Passing("all", channels="alike")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, C, P, Q), once or twice."""
        x, spatial = bottoms[0], len(bottoms[0]) - 2
        if not 1 <= spatial <= 3:
            text = "pooling reads N x C x H x W (or one or three axes behind N x C), not {bottom[0]}"
            raise ShapeError(text, field="bottom.0")
        return ((*x[:2], *each_axis(self.output_size, spatial, "output_size")),) * len(self.top_names())

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field widened by a window; the whole image where windows are not equal and equally far apart."""
        field, (top, *_) = union(bottoms, fields), self.top_shapes(bottoms)
        sizes = list(zip(bottoms[0][2:], top[2:], strict=True))
        even = [size % new == 0 for size, new in sizes]
        field = field.through([(max(1, size // new), max(1, size // new), 0, 1) for size, new in sizes])
        return field.whole(*(not own and bool(reach) for own, reach in zip(even, field.axes, strict=True)))

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The places of the maxima."""
        places = Workspace(self.top_shapes(bottoms)[0], "int32", kept=backward)
        return {"places": places} if self.pool == "MAX" else {}

    def forward(self, run: Run) -> Calls:
        """One pass over the windows; then, for a second top, the places as real numbers."""
        from netspec.kernels import window_sums, windows

        over = shares(run.bottom_shapes[0], run.top_shapes[0], run.layout)
        if self.pool == "AVE":
            yield Call(window_sums.mean, run.bottom[0], run.top[0], over)
            return
        places = run.workspace["places"]
        yield Call(windows.max_places, run.bottom[0], run.top[0], places, over)
        for top in run.top[1:]:
            yield Call(windows.places_top, places, top)

    def backward(self, run: Run) -> Calls:
        """Each window adds its share to the pixels; the places have no gradient."""
        from netspec.kernels import window_sums, windows

        dy, dx = run.top_diff[0], run.bottom_diff[0]
        over = shares(run.bottom_shapes[0], run.top_shapes[0], run.layout)
        if dx is not None and self.pool == "AVE":
            yield Call(window_sums.mean_backward, dy, dx, over, 0)
        elif dx is not None:
            yield Call(windows.put_places, dy, run.workspace["places"], dx, over, 0)
