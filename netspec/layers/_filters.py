"""Base of Convolution and Deconvolution: filters, shared by all pairs of a bottom and a top, and ways of computing.

Both are one product of three blobs: `large`, which windows move over, `small`, one pixel for each window, and the
weight. Convolution computes small from large, and Deconvolution large from small.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka, wrong
from netspec.core.shape import Shape, ShapeError, Shapes, count, same_shape
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers._spatial import Spatial
from netspec.layers.base import MANY, Arity, Param, Passing
from netspec.lowering.conv import Conv, Way
from netspec.lowering.conv_depthwise import Depthwise
from netspec.lowering.conv_direct import Direct
from netspec.lowering.conv_grouped import Grouped
from netspec.lowering.conv_passes import PARTS, flat
from netspec.lowering.conv_planes import Planes
from netspec.lowering.conv_winograd import Winograd

WAYS: dict[str, Way] = {"DEPTHWISE": Depthwise(), "GROUPED": Grouped(), "WINOGRAD": Winograd(), "DIRECT": Direct()}
"""The ways of computing by name; a layer takes the first that fits."""


class Filtering(Spatial):
    """A layer that multiplies windows with learned filters, or writes windows of them."""

    bottoms: ClassVar[Arity] = MANY
    tops: ClassVar[Arity] = MANY

    num_output: Annotated[
        int, Aka("channels", "features", "filters", "out_channels", "out_features", "units", "width")
    ] = Field(gt=0, description="Number of output channels, K.")
    bias_term: Annotated[bool, Aka("bias", "use_bias")] = Field(
        True, description="Whether each output channel adds a learned constant."
    )
    group: Annotated[int, Aka("groups")] = Field(
        1, gt=0, description="Channels and filters are split into this many independent groups."
    )
    engine: Literal["AUTO", "DEPTHWISE", "GROUPED", "WINOGRAD", "DIRECT", "DEFAULT", "CAFFE", "CUDNN"] = Field(
        "AUTO",
        description="How it is computed; AUTO takes the first of the next four that fits the shapes. The other words "
        "are Caffe's, and mean AUTO.",
    )
    weight_filler: Annotated[AnyFiller, Aka("init", "initializer", "kernel_initializer", "weight_init")] = Field(
        Constant(value=0.0), description="Initial weights."
    )
    bias_filler: Annotated[AnyFiller, Aka("bias_init", "bias_initializer")] = Field(
        Constant(value=0.0), description="Initial biases."
    )

    @model_validator(mode="after")
    def _grouped(self) -> Filtering:
        if self.num_output % self.group:
            raise wrong(f"`num_output` {self.num_output} is not a multiple of `group` {self.group}", field="num_output")
        return self

    @property
    def _any_way(self) -> bool:
        """Whether `engine` leaves the way of computing open."""
        return self.engine not in WAYS

    def identity(self) -> dict[str, Any]:
        """Without an `engine` that leaves the way of computing open."""
        return {name: value for name, value in super().identity().items() if name != "engine" or not self._any_way}

    @property
    def passing(self) -> Passing:
        """The weight mixes all channels, unless they are in groups; the bias is added."""
        channels: Literal["mixed"] | None = "mixed" if self.group == 1 and self.axis == 1 else None
        return Passing("all", factor=0, added=frozenset({1}), channels=channels)

    # --- shapes

    def spatial(self, x: Shape) -> Shape:
        """The spatial axes of the top. Raises ShapeError."""
        raise NotImplementedError

    def sides(self, x: Shape) -> tuple[Shape, Shape]:
        """(large, small) for a bottom of shape x, each N, channels, spatial axes."""
        raise NotImplementedError

    def filters(self, channels: int) -> Shape:
        """The first two axes of the weight, for a bottom of so many channels."""
        raise NotImplementedError

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N..., K, P...) for each bottom."""
        x = same_shape(bottoms, self.action)
        if len(self.top_names()) != len(bottoms):
            raise ShapeError(
                f"{self.action} has as many tops as bottoms, not {len(self.top_names())} of {len(bottoms)}", field="top"
            )
        _, c, _ = self.cut(x)
        if c % self.group:
            raise ShapeError(
                f"the {c} channels of {{bottom[0]}} are not a multiple of `group` {self.group}", field="group"
            )
        self.spatial(x)
        self.way(self.plain(x))
        return (self._top_shape(x),) * len(bottoms)

    def _top_shape(self, x: Shape) -> Shape:
        return (*self.cut(x)[0], self.num_output, *self.spatial(x))

    def params(self) -> tuple[Param, ...]:
        """Weight, and bias unless `bias_term: false`."""
        weight = Param("weight", self.weight_filler)
        return (weight, Param("bias", self.bias_filler)) if self.bias_term else (weight,)

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """The weight's shape, and (K,)."""
        kernels = (window.kernel for window in self.windows(bottoms[0]))
        weight = (*self.filters(self.cut(bottoms[0])[1]), *kernels)
        return (weight, (self.num_output,)) if self.bias_term else (weight,)

    def macs(self, bottoms: Shapes, tops: Shapes) -> int:
        """Pixels of small times the values of the weight, for every pair."""
        _, small = self.sides(bottoms[0])
        return len(bottoms) * small[0] * count(small[2:]) * count(self.param_shapes(bottoms)[0])

    # --- ways of computing

    def planes(self, x: Shape) -> Planes:
        """The product as a convolution of planes, for blobs with channels first."""
        weight, *_ = self.param_shapes((x,))
        return Planes(*self.sides(x), weight, self.windows(x), self.group)

    def plain(self, x: Shape) -> Conv:
        """The convolution that computes a bottom of shape x, as the ways of computing take it."""
        if not self.channels_last(x):
            return self.planes(x).conv
        weight, *_ = self.param_shapes((x,))
        down, across = self.windows(x)
        return Conv(*self.sides(x), weight, (down, across), self.group, self.bias_term)

    def way(self, conv: Conv) -> Way:
        """The first way of computing that fits the shapes, or the way that `engine` names. Raises ShapeError."""
        if self._any_way:
            return next(way for way in WAYS.values() if way.fits(conv))
        way = WAYS[self.engine]
        if not way.fits(conv):
            raise ShapeError(f"the engine {self.engine} is for {way.wanted}", field="engine", help="leave `engine` out")
        return way

    def bias_spaces(self) -> dict[str, Workspace]:
        """The sums of the bias' gradient."""
        return {"sums": Workspace((PARTS * self.num_output,), "float64", use="backward")} if self.bias_term else {}

    @staticmethod
    def pairs(run: Run) -> list[Run]:
        """A run for each pair of a bottom and a top; all but the first add to the params' diffs."""
        if len(run.bottom) == 1:
            return [run]
        names = ("bottom", "top", "bottom_diff", "top_diff", "bottom_shapes", "top_shapes", "bottom_add")
        each = [{name: getattr(run, name)[i : i + 1] for name in names} for i in range(len(run.bottom))]
        first, *others = (replace(run, **fields) for fields in each)
        return [first, *(replace(one, param_add=(True,) * len(run.param_add)) for one in others)]

    def bias_gradient(self, run: Run) -> Calls:
        """Mask the top's diff where a ReLU is computed along; sum it for the bias."""
        from netspec.kernels import conv_gradient, conv_planes

        db, dy, relu = run.param_diff[1] if self.bias_term else None, run.top_diff[0], int(run.relu)
        last = self.channels_last(run.bottom_shapes[0])
        if db is not None and last:
            k, pixels = self.num_output, count(run.top_shapes[0]) // self.num_output
            sums, parts = run.workspace["sums"], min(PARTS, max(1, pixels // 64))
            values, pitch = flat(dy)
            y = flat(run.top[0])[0] if run.relu else values
            yield Call(conv_gradient.top_gradient, y, values, sums, pixels, k, pitch, relu, 1, parts=parts)
            yield Call(conv_gradient.bias_gradient, sums[: parts * k], db, int(run.param_add[1]), parts=1)
            return
        if run.relu:
            k, none = self.num_output if last else 1, run.param[0].reshape(-1)[:0].astype("float64")
            values, pitch = flat(dy) if last else (dy, 1)
            y, pixels = flat(run.top[0])[0] if last else run.top[0], count(run.top_shapes[0]) // k
            parts = min(PARTS, max(1, pixels * k // (64 * self.num_output)))
            yield Call(conv_gradient.top_gradient, y, values, none, pixels, k, pitch, 1, 0, parts=parts)
        if db is not None:
            size = count(self.spatial(run.bottom_shapes[0]))
            yield Call(conv_planes.plane_sums, dy, db, size, int(run.param_add[1]), parts=min(PARTS, self.num_output))
