"""Im2col: the values of each window as channels, so that a product with a matrix would be a convolution.

y[n, c*Fh*Fw + u*Fw + v, i, j] = x[n, c, i*S - P + u*D, j*S - P + v*D], 0 in the padding. Source: Caffe
im2col_layer.cpp, im2col.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, ClassVar

from netspec.codegen.geometry import GRAIN, MOST_PARTS
from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes, Window, count
from netspec.core.worked import LayerArrays, Term, Worked, total
from netspec.layers._engine import Engine
from netspec.layers._spatial import Spatial
from netspec.layers._window import meetings
from netspec.layers.base import NOTHING, Abilities, Passing, Purpose
from netspec.lowering.windows import met

if TYPE_CHECKING:
    from netspec.core.calls import Array, Kernel


class Im2col(Engine, Spatial):
    """Lay out the windows of a blob as channels.

    Bottom: x (N, C, H, W), or with any number of spatial axes, (N..., C, S...). Top: y (N, C*Fh*Fw, H', W'), in the
    order channel, row of the window, column. Not in place.
    """

    action: ClassVar[str] = "im2col"
    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 6, 5]]}
- {name: windows, type: Im2col, kernel_size: [3, 2], stride: [2, 1], pad: 1}
"""

    @property
    def abilities(self) -> Abilities:
        """Backward reads nothing."""
        return Abilities(reads=NOTHING)

    @property
    def passing(self) -> Passing:
        """Zeros stay."""
        return Passing("all")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N..., C*F..., P...)."""
        batch, c, _ = self.cut(bottoms[0])
        windows = self.windows(bottoms[0])
        return ((*batch, c * prod(window.kernel for window in windows), *self.convolved(bottoms[0])),)

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import im2col

        yield self._call(im2col.im2col_forward, run, run.bottom[0], run.top[0])

    def backward(self, run: Run) -> Calls:
        """Each pixel adds up the diffs of its copies."""
        from netspec.kernels import im2col

        if run.bottom_diff[0] is not None:
            yield self._call(im2col.im2col_backward, run, run.top_diff[0], run.bottom_diff[0])

    def _call(self, kernel: Kernel, run: Run, *arrays: Array) -> Call:
        import numpy as np

        from netspec.kernels.conv_geometry import Columns

        x = run.bottom_shapes[0]
        batch, c, spatial = self.cut(x)
        *leading, last = self.windows(x) or (Window(1),)
        *places, windows = self.convolved(x) or (1,)
        *lines, width = spatial or (1,)
        kernels = (last.kernel, last.stride, last.pad, last.dilation)
        columns = Columns(count(tuple(lines)), width, count(tuple(places)), windows, *kernels)
        table = np.array(met(tuple(lines), leading, tuple(places)), np.int64)
        parts = max(1, min(MOST_PARTS, count(batch) * c, count(run.top_shapes[0]) // GRAIN))
        return Call(kernel, *arrays, table, columns, parts=parts)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The value that a tap meets."""
        x, y = arrays.bottoms[0], arrays.tops[0]
        batch, _, spatial = self.cut(x.shape)
        windows, axis = self.windows(x.shape), len(batch)
        channel: int = index[axis]
        tap: list[int] = []
        for window in reversed(windows):
            channel, last = divmod(channel, window.kernel)
            tap.insert(0, last)
        axes = [list(meetings(*each)) for each in zip(spatial, y.shape[axis + 1 :], windows, strict=True)]
        here = zip(axes, index[axis + 1 :], tap, strict=True)
        met = [[m.pixel for m in one if [m.window, m.tap] == at] for one, *at in here]
        inside = all(met)
        pixel = tuple(one[0] for one in met) if inside else ()
        yield total([Term(x[(*index[:axis], channel, *pixel)])] if inside else []).at("y", index)
