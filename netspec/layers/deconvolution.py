"""Deconvolution: the transpose of Convolution; each pixel of the bottom adds its products with filters to a window.

y[n,k,i,j] = b[k] + sum over c,u,v of w[c,k,u,v] * x[n,c,p,q] where i = p*S - P + u*D and j = q*S - P + v*D.
The output size is S(N-1)+F-2P, F widened by the dilation. Source: Caffe deconv_layer.cpp; Long, Shelhamer & Darrell
2015.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from netspec.codegen.geometry import ADD
from netspec.core.calls import Calls, Run, Workspace
from netspec.core.receptive import ReceptiveField
from netspec.core.shape import Shape, ShapeError, Shapes, Window, count, counted
from netspec.core.worked import LayerArrays, Term, Worked, dot
from netspec.layers._filters import Filtering
from netspec.layers._spatial import once
from netspec.layers._window import meetings
from netspec.layers.base import BOTTOM, Abilities, Purpose

if TYPE_CHECKING:
    from netspec.lowering.conv import Conv, Way


class Deconvolution(Filtering):
    """Enlarge images, lines or volumes with learned filters: the transpose of Convolution.

    Bottom: x (N, C, H, W), or with any number of spatial axes, (N..., C, S...). Top: y (N, K, H', W'). Params: weight
    (C, K/group, Fh, Fw), bias (K,). Several bottoms of one shape have a top each, and share the params. To enlarge an
    image by a whole factor S bilinearly: kernel_size 2S - S%2, stride S, pad ceil((S-1)/2), num_output and group as
    many as there are channels, weight_filler bilinear, no bias, and lr_mult 0.
    """

    action: ClassVar[str] = "a deconvolution"
    purpose: ClassVar[Purpose] = "product"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 4, 5]]}
- {name: wide, type: Deconvolution, num_output: 4, kernel_size: 4, stride: 2, pad: 1, weight_filler: xavier}
- {name: up, type: Deconvolution, num_output: 4, group: 4, kernel_size: 4, stride: 2, pad: 1, bias_term: false,
   weight_filler: bilinear, param: {lr_mult: 0}}
"""

    @property
    def abilities(self) -> Abilities:
        """Images have channels last; backward reads the bottom, adds and stores."""
        layouts = ("NHWC",) if self.axis == 1 else ("NCHW",)
        return Abilities(reads=BOTTOM, layouts=layouts, adds=True, stores=True)

    def spatial(self, x: Shape) -> Shape:
        """S(N-1)+F-2P along each spatial axis. Raises ShapeError where that is nothing."""
        _, _, spatial = self.cut(x)
        windows = self.windows(x)
        sizes = tuple(_spread(size, window) for size, window in zip(spatial, windows, strict=True))
        for i, (size, window) in enumerate(zip(sizes, windows, strict=True)):
            if size < 1:
                raise ShapeError(
                    f"windows write {counted(size + 2 * window.pad, 'value')} along an axis of {{bottom[0]}}, and the "
                    f"padding, {window.pad} at each end, takes away all",
                    field="pad" if self.pad else f"pad_{'hw'[i]}",
                )
        return sizes

    def sides(self, x: Shape) -> tuple[Shape, Shape]:
        """The top and the bottom."""
        batch, c, spatial = self.cut(x)
        n = count(batch)
        return (n, self.num_output, *self.spatial(x)), (n, c, *spatial)

    def filters(self, channels: int) -> Shape:
        """(C, K/group)."""
        return channels, self.num_output // self.group

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """2*(16-1)+4-2*1 = 32, for each axis where they differ."""
        _, _, spatial = self.cut(bottoms[0])
        return once([_spread_text(*pair) for pair in zip(spatial, self.windows(bottoms[0]), strict=True)])

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """4*4*64*32+32 = 32800."""
        (c, _, *kernels), k = self.param_shapes(bottoms)[0], self.num_output
        total = count(self.param_shapes(bottoms)[0]) + self.bias_term * k
        words = "*".join(map(str, (*kernels, c, k))) + (f"/{self.group}" if self.group > 1 else "")
        return f"{words}+{k} = {total}" if self.bias_term else f"{words} = {total}"

    def _behind(self, field: ReceptiveField, windows: Sequence[Window]) -> ReceptiveField:
        return field.against(windows) if windows else field

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Workspaces of the way of computing, whose directions change places; the sums of the bias' gradient."""
        x = bottoms[0]
        conv = self.plain(x)
        way = self.way(conv)
        if not self.channels_last(x):
            spaces = self.planes(x).spaces(way, forward=backward, bottom=True, weight=backward)
        else:
            spaces = way.bottom_spaces(conv)
            spaces |= way.forward_spaces(conv) | way.weight_spaces(conv) | self.bias_spaces() if backward else {}
        spaces |= {name: replace(space, use="forward") for name, space in way.bottom_spaces(conv).items()}
        later = way.forward_spaces(conv) if backward else {}
        return spaces | {name: replace(space, use="backward", fixed=False) for name, space in later.items()}

    def forward(self, run: Run) -> Calls:
        """y = what the pixels of x write through w, plus b: as the bottom's diff of a convolution."""
        x, way, conv = run.bottom_shapes[0], *self._how(run)
        bias = run.param[1] if self.bias_term else run.param[0].reshape(-1)[:0]
        for one in self.pairs(run):
            if self.channels_last(x):
                yield from way.bottom(conv, _turned(one, one.top, one.bottom), 0, bias)
            else:
                yield from self.planes(x).backward(way, one, (one.top[0], one.bottom[0]), bias, 0)

    def backward(self, run: Run) -> Calls:
        """The diffs of bias and weight, and the bottom's: a convolution of the top's diff."""
        x, way, conv = run.bottom_shapes[0], *self._how(run)
        for one in self.pairs(run):
            (dx,), dy, dw = one.bottom_diff, one.top_diff[0], one.param_diff[0]
            yield from self.bias_gradient(one)
            none, mode = one.param[0].reshape(-1)[:0], ADD * one.bottom_add[0]
            if self.channels_last(x):
                yield from way.weight(conv, _turned(one, (dy,), one.bottom), dw) if dw is not None else ()
                yield from way.forward(conv, _turned(one, (dy,), (dx,)), mode) if dx is not None else ()
                continue
            planes = self.planes(x)
            yield from planes.gradient(way, one, (dy, one.bottom[0]), dw) if dw is not None else ()
            yield from planes.forward(way, one, (dy, dx), none, mode) if dx is not None else ()

    def _how(self, run: Run) -> tuple[Way, Conv]:
        conv = replace(self.plain(run.bottom_shapes[0]), bias=False)
        return self.way(conv), conv

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The products written to a place."""
        import numpy as np

        shape, w, y = arrays.bottoms[0].shape, arrays.params[0], arrays.tops[0]
        batch, c, spatial = self.cut(shape)
        axis, depth, inputs = len(batch), w.shape[1], c // self.group
        own, k, place = index[:axis], index[axis], index[axis + 1 :]
        group = k // depth
        mine = range(group * inputs, (group + 1) * inputs)
        sizes = zip(y.shape[axis + 1 :], spatial, self.windows(shape), strict=True)
        axes = [list(meetings(*each)) for each in sizes]
        met = [[m for m in one if m.pixel == i] for one, i in zip(axes, place, strict=True)]
        pixels = arrays.bottoms[0][own][np.ix_(mine, *([m.window for m in one] for one in met))]
        value = dot(w[:, k % depth][np.ix_(mine, *([m.tap for m in one] for one in met))], pixels)
        yield (value + Term(arrays.params[1][k]) if self.bias_term else value).at("y", index)


def _turned(run: Run, large: tuple[Any, ...], small: tuple[Any, ...]) -> Run:
    """The run of the convolution whose transpose this is: from large to small, data or diffs."""
    return replace(
        run,
        bottom=large,
        top=small,
        bottom_diff=large,
        top_diff=small,
        bottom_shapes=run.top_shapes,
        top_shapes=run.bottom_shapes,
    )


def _spread(size: int, window: Window) -> int:
    """S(N-1)+F-2P, F widened by dilation."""
    return window.stride * (size - 1) + window.dilation * (window.kernel - 1) + 1 - 2 * window.pad


def _spread_text(size: int, window: Window) -> str:
    """The arithmetic of `_spread` in words."""
    kernel, stride, pad, dilation = window
    extent = f"{kernel}" if dilation == 1 else f"({dilation}*({kernel}-1)+1)"
    return f"{stride}*({size}-1)+{extent}-2*{pad} = {_spread(size, window)}"
