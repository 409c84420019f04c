"""Convolution: cross-correlation of an image with learned filters.

y[n,k,i,j] = b[k] + sum over c,u,v of w[k,c,u,v] * x[n, c, i*S - P + u*D, j*S - P + v*D]; output size (N+2P-F)/S+1, rounded down.
Source: Caffe base_conv_layer.cpp, conv_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field, model_validator

from netspec.layers._window import Axis, Windowed
from netspec.layers.base import AnyFiller, Call, Calls, Constant, Listed, Param, Run, Shape, ShapeError, Shapes, Workspace
from netspec.model import wrong
from netspec.shape import ReceptiveField, convolved, convolved_text, widest


class Convolution(Windowed):
    """Convolve an image with `num_output` learned filters.

    Bottom: x (N, C, H, W). Top: y (N, K, H', W'). Params: weight (K, C/group, Fh, Fw), bias (K,).
    """

    backward_reads: ClassVar[frozenset[str]] = frozenset({"bottom"})

    num_output: int = Field(gt=0, description="Number of filters, K.")
    bias_term: bool = Field(True, description="Whether each filter adds a learned constant.")
    dilation: Listed[Annotated[int, Field(gt=0)]] = Field((), description="Distance between filter taps, D (default 1).", max_length=2)
    group: int = Field(1, gt=0, description="Channels and filters are split into this many independent groups.")
    weight_filler: AnyFiller = Field(Constant(value=0.0), description="Initial weights.")
    bias_filler: AnyFiller = Field(Constant(value=0.0), description="Initial biases.")

    @model_validator(mode="after")
    def _check(self) -> Convolution:
        if not self.kernel_size and self.kernel_h is None:
            raise wrong("the filter has no size", help="give `kernel_size`, or `kernel_h` and `kernel_w`")
        if self.num_output % self.group:
            raise wrong(f"`num_output` {self.num_output} is not a multiple of `group` {self.group}", field="num_output")
        return self

    @property
    def window(self) -> tuple[Axis, Axis]:
        """(kernel, stride, pad, dilation) of the vertical and the horizontal axis."""
        return self.axes(self.dilation)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, K, H', W')."""
        if len(bottoms[0]) != 4:
            raise ShapeError("a convolution reads N x C x H x W, not {bottom[0]}", field="bottom.0")
        n, c, h, w = bottoms[0]
        if c % self.group:
            raise ShapeError(f"the {c} channels of {{bottom[0]}} are not a multiple of `group` {self.group}", field="group")
        for size, (kernel, _, pad, dilation), axis in zip((h, w), self.window, "hw", strict=True):
            extent = dilation * (kernel - 1) + 1
            if extent > size + 2 * pad:
                field = "kernel_size" if self.kernel_size else f"kernel_{axis}"
                raise ShapeError(f"the filter is {extent} wide, but {{bottom[0]}} with its padding only {size + 2 * pad}", field=field)
        (kh, sh, ph, dh), (kw, sw, pw, dw) = self.window
        return ((n, self.num_output, convolved(h, kh, sh, ph, dh), convolved(w, kw, sw, pw, dw)),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """(28+2*0-5)/1+1 = 24, for both axes when they differ."""
        return window_words(bottoms[0], self.window)

    def params(self) -> tuple[Param, ...]:
        """Weight, and bias unless `bias_term: false`."""
        weight = Param("weight", self.weight_filler)
        return (weight, Param("bias", self.bias_filler)) if self.bias_term else (weight,)

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(K, C/group, Fh, Fw) and (K,)."""
        (kh, *_), (kw, *_) = self.window
        weight = (self.num_output, bottoms[0][1] // self.group, kh, kw)
        return (weight, (self.num_output,)) if self.bias_term else (weight,)

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """(5*5*1+1)*20 = 520."""
        (kh, *_), (kw, *_) = self.window
        depth = f"{bottoms[0][1]}" if self.group == 1 else f"{bottoms[0][1]}/{self.group}"
        total = (kh * kw * bottoms[0][1] // self.group + self.bias_term) * self.num_output
        inside = f"{kh}*{kw}*{depth}"
        return f"({inside}+1)*{self.num_output} = {total}" if self.bias_term else f"{inside}*{self.num_output} = {total}"

    def macs(self, bottoms: Shapes, tops: Shapes) -> int:
        """N K H' W' * Fh Fw C/group."""
        n, k, h, w = tops[0]
        (kh, *_), (kw, *_) = self.window
        return n * k * h * w * kh * kw * bottoms[0][1] // self.group

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """Through the window."""
        return widest(fields).through(self.window)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Gathered windows of each part, and the pieces of the weight's gradient, which are added in order."""
        from netspec.shape import count

        forward, bottom, weight = self._cuts(bottoms[0])
        width = self.top_shapes(bottoms)[0][3]
        cuts = (forward, bottom, weight) if backward else (forward,)
        spaces = {cut.scratch: Workspace((cut.parts, cut.values * cut.lines * width)) for cut in cuts}
        if backward:
            spaces["pieces"] = Workspace((weight.pieces, count(self.param_shapes(bottoms)[0])))
        return spaces

    def forward(self, run: Run) -> Calls:
        """Each part gathers the windows of its pixels and multiplies."""
        from netspec.kernels import conv

        cut, *_ = self._cuts(run.bottom[0].shape)
        weight = run.param[0]
        bias = run.param[1] if self.bias_term else weight.reshape(-1)[:0]
        arrays = (run.bottom[0], weight, bias, run.top[0], run.workspace[cut.scratch])
        yield Call(conv.convolution_forward, *arrays, *self._steps, cut.lines, parts=cut.parts)

    def backward(self, run: Run) -> Calls:
        """The weight by pieces, added in order; the bias; the bottom, scattered from the windows."""
        from netspec.kernels import conv

        _, bottom, weight = self._cuts(run.bottom[0].shape)
        dy, w = run.top_diff[0], run.param[0]
        if run.param_diff[0] is not None:
            pieces = run.workspace["pieces"]
            arrays, sizes = (run.bottom[0], dy, w, pieces, run.workspace[weight.scratch]), (*self._steps, weight.channels, weight.lines)
            yield Call(conv.convolution_weight_gradient, *arrays, *sizes, parts=weight.parts)
            yield Call(conv.add_turned_pieces, pieces, run.param_diff[0], self.group, parts=min(self.num_output, MOST_PARTS))
        if self.bias_term and run.param_diff[1] is not None:
            yield Call(conv.channel_gradient, dy, run.param_diff[1], parts=min(self.num_output, MOST_PARTS))
        if run.bottom_diff[0] is not None:
            sizes = (*self._steps, bottom.channels, bottom.lines)
            yield Call(conv.convolution_backward, w, dy, run.bottom_diff[0], run.workspace[bottom.scratch], *sizes, parts=bottom.parts)

    @property
    def _steps(self) -> tuple[int, ...]:
        (_, sh, ph, dh), (_, sw, pw, dw) = self.window
        return sh, sw, ph, pw, dh, dw

    def _cuts(self, x: Shape) -> tuple[Cut, Cut, Cut]:
        """How forward, the bottom's and the weight's gradient are cut for an image blob of this shape."""
        n, c, _, _ = x
        (_, _, p, q), (_, depth, kh, kw) = self.top_shapes((x,))[0], self.param_shapes((x,))[0]
        taps, groups = kh * kw, c // depth
        lines = even(p, max(1, 512 // q))
        forward = Cut("columns", depth, min(depth * taps, 256), lines, min(n * -(-p // lines), MOST_PARTS))
        channels = min(depth, max(1, 256 // taps))
        bottom = Cut("columns_diff", channels, channels * taps, lines, min(n * groups * -(-depth // channels), MOST_PARTS))
        channels = even(depth, max(1, 256 // taps, -(-depth // WEIGHT_PARTS)))
        blocks = min(groups * -(-depth // channels), WEIGHT_PARTS)
        pieces = min(n, WEIGHT_PARTS // blocks)
        values = channels * taps + self.num_output // groups
        lines = even(p, max(1, 65536 // (values * q)))
        return forward, bottom, Cut("windows", channels, values, lines, blocks * pieces, pieces)


class Cut(NamedTuple):
    """How one kernel's work is cut, by shapes alone so that sums do not depend on threads.

    Channels of a block; values that a part's scratch holds for a pixel; lines of pixels at a time; parts; pieces of a sum.
    """

    scratch: str
    channels: int
    values: int
    lines: int
    parts: int
    pieces: int = 1


MOST_PARTS = 32
WEIGHT_PARTS = 16


def even(total: int, most: int) -> int:
    """The largest share when `total` is split evenly into the fewest shares of at most `most`."""
    return -(-total // -(-total // most))


def window_words(shape: tuple[int, ...], window: tuple[Axis, Axis]) -> str:
    """The size arithmetic of both axes, said once when they agree."""
    words = [convolved_text(size, *axis) for size, axis in zip(shape[2:], window, strict=True)]
    return words[0] if words[0] == words[1] else ", ".join(words)
