"""SPP: spatial pyramid pooling, the same number of values for images of any size.

Level l pools each plane to n x n values, n = 2^l: windows of ceil(H/n) values, as far apart, with (n * ceil(H/n) - H +
1) / 2 zeros before the image. The levels are flattened and joined. Source: He, Zhang, Ren & Sun 2014; Caffe
spp_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from netspec.codegen.geometry import Planes
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, Window
from netspec.layers._engine import Engine
from netspec.layers.base import NOTHING, Abilities, Passing, Purpose
from netspec.lowering.planes import planes


class Level(NamedTuple):
    """A level of the pyramid: its windows over a bottom, the values of a sample, and where these begin in the top."""

    number: int
    over: Planes
    values: int
    offset: int


class SPP(Engine):
    """Pool an image in finer and finer grids, to a vector whose length does not depend on the image's.

    Bottom: x (N, C, H, W). Top: y (N, C * (4^P - 1)/3) for P = `pyramid_height`; with P = 1 it is (N, C, 1, 1), as in
    Caffe. Caffe's STOCHASTIC is refused, since most levels need padding.
    """

    purpose: ClassVar[Purpose] = "pooling"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 7, 6]]}
- {name: most, type: SPP, pyramid_height: 2}
- {name: mean, type: SPP, pyramid_height: 3, pool: AVE, bottom: data}
"""

    pyramid_height: int = Field(gt=0, le=16, description="Number of levels, P; level l has 2^l x 2^l windows.")
    pool: Literal["MAX", "AVE"] = Field("MAX", description="Maximum or average of a window.")

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Row-major; backward reads the places of maxima alone."""
        return Abilities(reads=NOTHING)

    @property
    def passing(self) -> Passing:
        """Zeros stay; each channel is pooled alone."""
        return Passing("all", channels="alike")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, C * (1 + 4 + 16 + ...)), or (N, C, 1, 1) of a single level."""
        x = bottoms[0]
        if len(x) != 4:
            raise ShapeError("spatial pyramid pooling reads N x C x H x W, not {bottom[0]}", field="bottom.0")
        for size in x[2:]:
            window = self._window(size, self.pyramid_height - 1)
            if window.pad >= window.kernel:
                bins = 2 ** (self.pyramid_height - 1)
                text = f"{bins} windows along the {size} values of an axis of {{bottom[0]}} would lie in padding alone"
                raise ShapeError(text, field="pyramid_height")
        if self.pyramid_height == 1:
            return ((*x[:2], 1, 1),)
        return ((x[0], x[1] * (4**self.pyramid_height - 1) // 3),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """3*(1+4+16) = 63."""
        bins = [4**level for level in range(self.pyramid_height)]
        return f"{bottoms[0][1]}*({'+'.join(map(str, bins))}) = {bottoms[0][1] * sum(bins)}" if len(bins) > 1 else ""

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The whole image, which the first level sees."""
        field = union(bottoms, fields)
        return field.whole(*map(bool, field.axes))

    def _window(self, size: int, level: int) -> Window:
        """The windows of a level along an axis."""
        bins = 2**level
        kernel = -(-size // bins)
        return Window(kernel, kernel, (kernel * bins - size + 1) // 2)

    def _levels(self, x: Shape) -> Iterator[Level]:
        """The levels over a bottom (N, C, H, W)."""
        values = [x[1] * 4**level for level in range(self.pyramid_height)]
        for level, offset in enumerate(accumulate(values[:-1], initial=0)):
            windows = [self._window(size, level) for size in x[2:]]
            over = planes(x, (*x[:2], 2**level, 2**level), windows, "NCHW")
            yield Level(level, over, values[level], offset)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """For each level its values, or their diffs, and the places of its maxima."""
        spaces = {}
        for level in self._levels(bottoms[0]):
            shape = (bottoms[0][0], level.values)
            spaces[f"values {level.number}"] = Workspace(shape)
            if self.pool == "MAX":
                spaces[f"places {level.number}"] = Workspace(shape, "int32", kept=backward)
        return spaces

    def forward(self, run: Run) -> Calls:
        """Each level is pooled, and put into its place of the top."""
        from netspec.kernels import copy, window_sums, windows

        width = run.top[0].size // run.top_shapes[0][0]
        for level in self._levels(run.bottom_shapes[0]):
            values = run.workspace[f"values {level.number}"]
            if self.pool == "MAX":
                places = run.workspace[f"places {level.number}"]
                yield Call(windows.max_places, run.bottom[0], values, places, level.over)
            else:
                yield Call(window_sums.mean, run.bottom[0], values, level.over)
            yield Call(copy.concat_forward, values, run.top[0], level.values, width, level.offset)

    def backward(self, run: Run) -> Calls:
        """The first level writes the diff, and each other adds to it."""
        from netspec.kernels import copy, window_sums, windows

        dx, width = run.bottom_diff[0], run.top_diff[0].size // run.top_shapes[0][0]
        if dx is None:
            return
        for level in self._levels(run.bottom_shapes[0]):
            values, add = run.workspace[f"values {level.number}"], int(level.number > 0)
            yield Call(copy.concat_backward, values, run.top_diff[0], level.values, width, level.offset)
            if self.pool == "MAX":
                yield Call(windows.put_places, values, run.workspace[f"places {level.number}"], dx, level.over, add)
            else:
                yield Call(window_sums.mean_backward, values, dx, level.over, add)
