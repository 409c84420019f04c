"""Convolution: cross-correlation of an image with learned filters.

y[n,k,i,j] = b[k] + sum over c,u,v of w[k,c,u,v] * x[n, c, i*S - P + u*D, j*S - P + v*D]; output size (N+2P-F)/S+1, rounded down.
Source: Caffe base_conv_layer.cpp, conv_layer.cpp.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from netspec.layers._window import Axis, Windowed
from netspec.layers.base import AnyFiller, Calls, Constant, Listed, Param, Phase, Run, ShapeError, Shapes, Workspace
from netspec.model import wrong
from netspec.shape import convolved, convolved_text


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

    def workspaces(self, bottoms: Shapes, phase: Phase) -> dict[str, Workspace]:
        """One image's windows per part, and per-part weight gradients that are added in order."""
        from netspec.shape import count

        (_, k, h, w), (weight, *_) = self.top_shapes(bottoms)[0], self.param_shapes(bottoms)
        parts = image_parts(bottoms[0][0])
        columns = count(weight[1:]) * h * w
        spaces = {"columns": Workspace((parts, columns))}
        if phase == "TRAIN":
            spaces["weight_parts"] = Workspace((parts, count(weight)))
            spaces["bias_parts"] = Workspace((parts, k))
        return spaces

    def forward(self, run: Run) -> Calls:
        """Each part gathers the windows of its images and multiplies."""
        from netspec.kernels import conv

        raise NotImplementedError(conv)

    def backward(self, run: Run) -> Calls:
        """Weight and bias by parts, added in order; then the bottom, scattered from the windows."""
        from netspec.kernels import conv

        raise NotImplementedError(conv)


def image_parts(images: int) -> int:
    """Into how many parts a batch is cut: a function of the batch alone, so that sums do not depend on threads."""
    return min(images, 16)


def window_words(shape: tuple[int, ...], window: tuple[Axis, Axis]) -> str:
    """The size arithmetic of both axes, said once when they agree."""
    words = [convolved_text(size, *axis) for size, axis in zip(shape[2:], window, strict=True)]
    return words[0] if words[0] == words[1] else ", ".join(words)
