"""Convolution: cross-correlation with learned filters, over any number of spatial axes.

y[n,k,i,j] = b[k] + sum over c,u,v of w[k,c,u,v] * x[n, c, i*S - P + u*D, j*S - P + v*D].
The output size is (N+2P-F)/S+1, F widened by the dilation, rounded towards 0. Source: Caffe base_conv_layer.cpp,
conv_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from netspec.codegen.geometry import ADD, RECTIFY
from netspec.core.beside import Beside
from netspec.core.calls import Calls, Run, Workspace
from netspec.core.shape import Shape, Shapes, count
from netspec.core.worked import LayerArrays, Term, Worked, dot
from netspec.layers._filters import Filtering
from netspec.layers._window import meetings
from netspec.layers.base import BOTTOM, BY_CHANNEL, NOTHING, Abilities, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Convolution(Filtering):
    """Convolve images, lines or volumes with `num_output` learned filters.

    Bottom: x (N, C, H, W), or with any number of spatial axes, (N..., C, S...). Top: y (N, K, H', W'). Params: weight
    (K, C/group, Fh, Fw), bias (K,). Several bottoms of one shape have a top each, and share the params. Where the
    window is a little wider than the padded image, less than a stride, Caffe still computes one pixel, as if with more
    zeros at the end; so does netspec.
    """

    purpose: ClassVar[Purpose] = "product"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 7, 6]]}
- {name: conv, type: Convolution, num_output: 4, kernel_size: 3, stride: 2, pad: 1, weight_filler: xavier}
- {name: volume, type: Reshape, shape: [2, 2, 2, 2, 6]}
- {name: deep, type: Convolution, num_output: 3, kernel_size: [2, 1, 3], dilation: [1, 1, 2], weight_filler: xavier}
"""

    @property
    def abilities(self) -> Abilities:
        """Images have channels last; a ReLU and a sum along a single top; backward reads the bottom, adds, stores."""
        along = frozenset({"ReLU", "Eltwise"}) if len(self.top_names()) == 1 else NOTHING
        layouts, folds = (("NHWC",), BY_CHANNEL) if self.axis == 1 else (("NCHW",), NOTHING)
        return Abilities(reads=BOTTOM, layouts=layouts, along=along, folds=folds, adds=True, stores=True)

    def spatial(self, x: Shape) -> Shape:
        """The number of windows along each spatial axis."""
        return self.convolved(x)

    def sides(self, x: Shape) -> tuple[Shape, Shape]:
        """The bottom and the top."""
        batch, c, spatial = self.cut(x)
        n = count(batch)
        return (n, c, *spatial), (n, self.num_output, *self.spatial(x))

    def filters(self, channels: int) -> Shape:
        """(K, C/group)."""
        return self.num_output, channels // self.group

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """(5*5*1+1)*20 = 520."""
        (_, depth, *kernels), (_, c, _) = self.param_shapes(bottoms)[0], self.cut(bottoms[0])
        total = (count(tuple(kernels)) * depth + self.bias_term) * self.num_output
        inside = "*".join(map(str, (*kernels, c))) + (f"/{self.group}" if self.group > 1 else "")
        each = f"({inside}+1)" if self.bias_term else inside
        return f"{each}*{self.num_output} = {total}"

    def pitched(self, bottoms: Shapes) -> bool:
        """Whether the way of computing can write such a top."""
        return self.channels_last(bottoms[0]) and self.way(self.plain(bottoms[0])).pitched

    def beside(self, bottoms: Shapes) -> Beside:
        """What the way of computing a single bottom can do; the gradient of a bias reads the top's diff as it is."""
        if len(bottoms) > 1 or not self.channels_last(bottoms[0]):
            return Beside()
        conv = self.plain(bottoms[0])
        found = self.way(conv).beside(conv)
        return replace(found, pulls=found.pulls and not self.bias_term)

    def every(self, bottoms: Shapes) -> tuple[int, int]:
        """The strides of filters of one tap over a single image without padding."""
        if len(bottoms) > 1 or not self.channels_last(bottoms[0]):
            return 1, 1
        conv = self.plain(bottoms[0])
        down, across = conv.window
        return (down.stride, across.stride) if conv.single and self._any_way else (1, 1)

    def dense(self) -> Convolution:
        """With stride 1."""
        return self.model_copy(update={"stride": (), "stride_h": None, "stride_w": None})

    def squares(self, bottoms: Shapes) -> frozenset[int]:
        """The weight, where the way of computing a single bottom says so."""
        if len(bottoms) > 1 or not self.channels_last(bottoms[0]):
            return frozenset()
        conv = self.plain(bottoms[0])
        return frozenset({0}) if self.way(conv).squares(conv) else frozenset()

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Workspaces of the way of computing, and the sums of the bias' gradient."""
        x = bottoms[0]
        conv = self.plain(x)
        way = self.way(conv)
        if not self.channels_last(x):
            return self.planes(x).spaces(way, forward=True, bottom=backward, weight=backward)
        spaces = way.forward_spaces(conv)
        if not backward:
            return spaces
        again = way.backward_spaces(conv)
        if len(bottoms) > 1:  # the next pair's weight comes after this one's bottom
            again = {name: replace(space, turn=0) for name, space in again.items()}
        return spaces | again | self.bias_spaces()

    def forward(self, run: Run) -> Calls:
        """y = x * w + b, plus what y holds where a sum is computed along, rectified where a ReLU is."""
        x, mode = run.bottom_shapes[0], RECTIFY * run.relu | ADD * run.sums
        conv = replace(self.plain(x), bias=len(run.param) > 1)
        way, bias = self.way(conv), run.param[1] if conv.bias else run.param[0].reshape(-1)[:0]
        for one in self.pairs(run):
            if self.channels_last(x):
                yield from way.forward(conv, one, mode)
            else:
                yield from self.planes(x).forward(way, one, (one.bottom[0], one.top[0]), bias, mode)

    def backward(self, run: Run) -> Calls:
        """Mask the top's diff where a ReLU is computed along; then the diffs of bias, weight and bottom."""
        x, none = run.bottom_shapes[0], run.param[0].reshape(-1)[:0]
        conv = self.plain(x)
        way = self.way(conv)
        for one in self.pairs(run):
            (dx,), dy, dw = one.bottom_diff, one.top_diff[0], one.param_diff[0]
            yield from self.bias_gradient(one)
            if self.channels_last(x):
                yield from way.backward(conv, one, ADD * one.bottom_add[0], none)
                continue
            planes = self.planes(x)
            yield from planes.gradient(way, one, (one.bottom[0], dy), dw) if dw is not None else ()
            yield from planes.backward(way, one, (dx, dy), none, ADD * one.bottom_add[0]) if dx is not None else ()

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The products of a window."""
        shape, w = arrays.bottoms[0].shape, arrays.params[0]
        batch, _, spatial = self.cut(shape)
        axis, depth, filters = len(batch), w.shape[1], self.num_output // self.group
        x, y = arrays.bottoms[0], arrays.tops[0]
        own, k, window = index[:axis], index[axis], index[axis + 1 :]
        group = k // filters
        axes = [list(meetings(*sizes)) for sizes in zip(spatial, y.shape[axis + 1 :], self.windows(shape), strict=True)]
        met = [[m for m in axis if m.window == i] for axis, i in zip(axes, window, strict=True)]
        seen = _crossed(x[own][group * depth : (group + 1) * depth], [[m.pixel for m in one] for one in met])
        value = dot(_crossed(w[k], [[m.tap for m in one] for one in met]), seen)
        yield (value + Term(arrays.params[1][k]) if self.bias_term else value).at("y", index)


def _crossed(images: Array, places: list[list[int]]) -> Array:
    """The values of images (M, ...) at some places along each spatial axis."""
    import numpy as np

    return images[np.ix_(range(len(images)), *places)]
