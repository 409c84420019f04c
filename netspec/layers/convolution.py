"""Convolution: cross-correlation of an image with learned filters.

y[n,k,i,j] = b[k] + sum over c,u,v of w[k,c,u,v] * x[n, c, i*S - P + u*D, j*S - P + v*D].
The output size is (N+2P-F)/S+1, rounded down. Source: Caffe base_conv_layer.cpp, conv_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.codegen.geometry import ADD, RECTIFY
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka, Listed, wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes, Window, convolved, convolved_text
from netspec.core.worked import LayerArrays, Term, Worked, dot
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers._window import Windowed, meetings
from netspec.layers.base import BOTTOM, BY_CHANNEL, Abilities, Param, Passing, Purpose
from netspec.lowering.conv import Conv, Way
from netspec.lowering.conv_depthwise import Depthwise
from netspec.lowering.conv_direct import Direct
from netspec.lowering.conv_grouped import Grouped
from netspec.lowering.conv_passes import PARTS, flat
from netspec.lowering.conv_winograd import Winograd

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Convolution(Windowed):
    """Convolve an image with `num_output` learned filters.

    Bottom: x (N, C, H, W). Top: y (N, K, H', W'). Params: weight (K, C/group, Fh, Fw), bias (K,).
    """

    purpose: ClassVar[Purpose] = "product"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 4, 7, 6]]}
- {name: conv, type: Convolution, num_output: 6, kernel_size: 3, stride: 2, pad: 1, group: 2, weight_filler: msra}
"""

    num_output: Annotated[
        int, Aka("channels", "features", "filters", "out_channels", "out_features", "units", "width")
    ] = Field(gt=0, description="Number of filters, K.")
    bias_term: Annotated[bool, Aka("bias", "use_bias")] = Field(
        True, description="Whether each filter adds a learned constant."
    )
    dilation: Annotated[Listed[Annotated[int, Field(gt=0)]], Aka("dilation_rate")] = Field(
        (), description="Distance between filter taps, D (default 1).", max_length=2
    )
    group: Annotated[int, Aka("groups")] = Field(
        1, gt=0, description="Channels and filters are split into this many independent groups."
    )
    engine: Literal["AUTO", "DEPTHWISE", "GROUPED", "WINOGRAD", "DIRECT"] = Field(
        "AUTO", description="How it is computed; AUTO takes the first of the others that fits the shapes."
    )
    weight_filler: Annotated[AnyFiller, Aka("init", "initializer", "kernel_initializer", "weight_init")] = Field(
        Constant(value=0.0), description="Initial weights."
    )
    bias_filler: Annotated[AnyFiller, Aka("bias_init", "bias_initializer")] = Field(
        Constant(value=0.0), description="Initial biases."
    )

    @property
    def abilities(self) -> Abilities:
        """Channels last, a ReLU and a sum along, factors by channel; backward reads the bottom, adds and stores."""
        along = frozenset({"ReLU", "Eltwise"})
        return Abilities(reads=BOTTOM, layouts=("NHWC",), along=along, folds=BY_CHANNEL, adds=True, stores=True)

    @model_validator(mode="after")
    def _check(self) -> Convolution:
        if not self.kernel_size and self.kernel_h is None:
            raise wrong("the filter has no size", help="give `kernel_size`, or `kernel_h` and `kernel_w`")
        if self.num_output % self.group:
            raise wrong(f"`num_output` {self.num_output} is not a multiple of `group` {self.group}", field="num_output")
        return self

    @property
    def window(self) -> tuple[Window, Window]:
        """(kernel, stride, pad, dilation) of the vertical and the horizontal axis."""
        return self.axes(self.dilation)

    @property
    def passing(self) -> Passing:
        """The weight mixes all channels, unless they are in groups; the bias is added."""
        channels: Literal["mixed"] | None = "mixed" if self.group == 1 else None
        return Passing("all", factor=0, added=frozenset({1}), channels=channels)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, K, H', W')."""
        if len(bottoms[0]) != 4:
            raise ShapeError("a convolution reads N x C x H x W, not {bottom[0]}", field="bottom.0")
        _, c, h, w = bottoms[0]
        if c % self.group:
            raise ShapeError(
                f"the {c} channels of {{bottom[0]}} are not a multiple of `group` {self.group}", field="group"
            )
        for size, (kernel, _, pad, dilation), axis in zip((h, w), self.window, "hw", strict=True):
            extent = dilation * (kernel - 1) + 1
            if extent > size + 2 * pad:
                field = "kernel_size" if self.kernel_size else f"kernel_{axis}"
                raise ShapeError(
                    f"the filter is {extent} wide, but {{bottom[0]}} with its padding only {size + 2 * pad}",
                    field=field,
                )
        self.way(self.plain(bottoms[0]))
        return (self._top_shape(bottoms[0]),)

    def _top_shape(self, x: Shape) -> Shape:
        """(N, K, H', W'), unchecked."""
        height, width = (convolved(size, *axis) for size, axis in zip(x[2:], self.window, strict=True))
        return x[0], self.num_output, height, width

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
        each = f"({inside}+1)" if self.bias_term else inside
        return f"{each}*{self.num_output} = {total}"

    def macs(self, bottoms: Shapes, tops: Shapes) -> int:
        """N K H' W' * Fh Fw C/group."""
        n, k, h, w = tops[0]
        (kh, *_), (kw, *_) = self.window
        return n * k * h * w * kh * kw * bottoms[0][1] // self.group

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field, widened by the window."""
        return union(bottoms, fields).through(self.window)

    def plain(self, x: Shape) -> Conv:
        """The convolution of a bottom of shape x, as the ways of computing take it."""
        weight, *_ = self.param_shapes((x,))
        return Conv(x, self._top_shape(x), weight, self.window, self.group, self.bias_term)

    def way(self, conv: Conv) -> Way:
        """The first way of computing that fits the shapes, or the way that `engine` names. Raises ShapeError."""
        if self.engine == "AUTO":
            return next(way for way in WAYS.values() if way.fits(conv))
        way = WAYS[self.engine]
        if not way.fits(conv):
            raise ShapeError(f"the engine {self.engine} is for {way.wanted}", field="engine", help="leave `engine` out")
        return way

    def pitched(self, bottoms: Shapes) -> bool:
        """Whether the way of computing can write such a top."""
        return self.way(self.plain(bottoms[0])).pitched

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Workspaces of the way of computing, and the sums of the bias' gradient."""
        conv = self.plain(bottoms[0])
        way = self.way(conv)
        spaces = way.forward_spaces(conv)
        if backward:
            spaces |= way.bottom_spaces(conv) | way.weight_spaces(conv)
            if self.bias_term:
                spaces["sums"] = Workspace((PARTS * self.num_output,), "float64", use="backward")
        return spaces

    def forward(self, run: Run) -> Calls:
        """y = x * w + b, plus what y holds where a sum is computed along, rectified where a ReLU is."""
        conv = replace(self.plain(run.bottom_shapes[0]), bias=len(run.param) > 1)
        yield from self.way(conv).forward(conv, run, RECTIFY * run.relu | ADD * run.sums)

    def backward(self, run: Run) -> Calls:
        """Mask the top's diff where a ReLU is computed along; then the diffs of bias, weight and bottom."""
        conv = self.plain(run.bottom_shapes[0])
        way = self.way(conv)
        yield from self._top(run)
        if (dw := run.param_diff[0]) is not None:
            yield from way.weight(conv, run, dw)
        if run.bottom_diff[0] is not None:
            yield from way.bottom(conv, run, ADD * run.bottom_add[0])

    def _top(self, run: Run) -> Calls:
        """One pass over the top's diff: the mask of a ReLU along, and the bias' gradient."""
        from netspec.kernels import conv_gradient

        db = run.param_diff[1] if self.bias_term else None
        if db is None and not run.relu:
            return
        n, k, p, q = run.top_shapes[0]
        parts = min(PARTS, max(1, n * p * q // 64))
        sums = run.workspace["sums"] if db is not None else run.param[0].reshape(-1)[:0].astype("float64")
        dy, pitch = flat(run.top_diff[0])
        sizes = (n * p * q, k, pitch, int(run.relu), int(db is not None))
        yield Call(conv_gradient.top_gradient, flat(run.top[0])[0] if run.relu else dy, dy, sums, *sizes, parts=parts)
        if db is not None:
            yield Call(conv_gradient.bias_gradient, sums[: parts * k], db, int(run.param_add[1]), parts=1)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The products of a window; then the gradients of the first pixel and the first weight that meet in it."""
        x, y, w = arrays.bottoms[0], arrays.tops[0], arrays.params[0]
        (n, k, i, j), depth, filters = index, w.shape[1], self.num_output // self.group
        group = k // filters
        own = slice(group * filters, (group + 1) * filters)
        vertical, horizontal = self.window
        rows = list(meetings(x.shape[2], y.shape[2], vertical))
        columns = list(meetings(x.shape[3], y.shape[3], horizontal))
        met = [m for m in rows if m.window == i], [m for m in columns if m.window == j]
        seen = _crossed(x[n, group * depth : (group + 1) * depth], *([m.pixel for m in each] for each in met))
        value = dot(_crossed(w[k], *([m.tap for m in each] for each in met)), seen)
        yield (value + Term(arrays.params[1][k]) if self.bias_term else value).at("y", index)
        if not arrays.top_diffs or not all(met):
            return
        dy, row, column = arrays.top_diffs[0], met[0][0], met[1][0]
        holding = [m for m in rows if m.pixel == row.pixel], [m for m in columns if m.pixel == column.pixel]
        diffs = _crossed(dy[n, own], *([m.window for m in each] for each in holding))
        weights = _crossed(w[own, 0], *([m.tap for m in each] for each in holding))
        yield dot(diffs, weights).at("dx", (n, group * depth, row.pixel, column.pixel))
        using = [m for m in rows if m.tap == row.tap], [m for m in columns if m.tap == column.tap]
        diffs = _crossed(dy[:, k], *([m.window for m in each] for each in using))
        pixels = _crossed(x[:, group * depth], *([m.pixel for m in each] for each in using))
        yield dot(diffs, pixels).at("dw", (k, 0, row.tap, column.tap))


def _crossed(planes: Array, rows: list[int], columns: list[int]) -> Array:
    """The values of some rows and columns; planes: (M, H, W)."""
    return planes[:, rows][:, :, columns]


WAYS: dict[str, Way] = {"DEPTHWISE": Depthwise(), "GROUPED": Grouped(), "WINOGRAD": Winograd(), "DIRECT": Direct()}
"""The ways of computing by name; the layer takes the first that fits."""


def window_words(shape: tuple[int, ...], window: tuple[Window, Window]) -> str:
    """The arithmetic of both axes' sizes, written once where they agree."""
    words = [convolved_text(size, *axis) for size, axis in zip(shape[2:], window, strict=True)]
    return words[0] if words[0] == words[1] else ", ".join(words)
