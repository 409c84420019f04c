"""BatchNorm: y = (x - mean) / sqrt(variance + eps), channel by channel; with `affine`, times w plus b.

While training, mean and variance are those of the batch (the variance divides by m, the values of a channel), and
running sums of both are kept with the weights: mean' = f * mean' + mean, variance' = f * variance' + m/(m-1) *
variance, scale' = f * scale' + 1. While testing, mean'/scale' and variance'/scale' take their place. Source: Ioffe &
Szegedy 2015; Caffe batch_norm_layer.cpp.

Unlike in Caffe, a batch whose mean or variance is not finite leaves the running sums as they are, and so does every
batch of phase TEST; and where no batch has been summed, scale' = 0, the variance is 1 and not 0, so that such a layer
leaves its bottom nearly as it is instead of multiplying it by 1 / sqrt(eps). `running_sums: PLAIN` is Caffe's way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails

from netspec.codegen.geometry import (
    BATCH,
    REMEMBERED,
    RUNNING,
    VARIANCE,
    Affine,
    AffineDiffs,
    Known,
    RowRule,
    RunningSums,
    Settling,
    Slopes,
    Slots,
    Statistics,
)
from netspec.core.beside import PIECES, Lens, Pieces, Products, Pull
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka, wrong
from netspec.core.shape import Shape, ShapeError, Shapes, count
from netspec.core.worked import LayerArrays, Term, Worked, indices
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers._normalised import Rows, slope_in_row, slopes_of_affine, worked_row
from netspec.layers.base import BOTTOM, Abilities, Layer, Param, ParamSpec, Passing, Purpose
from netspec.lowering.channels import adds, slots
from netspec.lowering.conv_passes import flat

if TYPE_CHECKING:
    from netspec.core.calls import Array

KNOWN = ("mean", "variance")
"""The workspaces that a later BatchNorm may read, whose first channels are its own."""
_ZERO = Constant(value=0.0)


class BatchNorm(Layer):
    """Give every channel the mean 0 and the variance 1, over the batch and all places.

    Bottom: x (N, C, ...), or (N,) as one channel. Top: y, the shape of x; may be computed in place. Params, stored but
    not learned: mean (C,), variance (C,), scale_factor (1,); with `affine` also weight (C,), bias (C,).
    """

    purpose: ClassVar[Purpose] = "normalization"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[4, 3, 5, 2]]}
- {name: norm, type: BatchNorm, moving_average_fraction: 0.9, affine: true}
"""

    use_global_stats: Annotated[bool | None, Aka("track_running_stats", "use_running_stats")] = Field(
        None, description="Use the running statistics; left out: only while testing."
    )
    moving_average_fraction: Annotated[float, Aka("momentum")] = Field(
        0.999, ge=0, le=1, description="What a running sum keeps of itself at every batch, f."
    )
    running_sums: Literal["GUARDED", "PLAIN"] = Field(
        "GUARDED",
        description="PLAIN: any batch is added, in TEST and where it is not finite too, and before the first the "
        "variance is 0.",
    )
    eps: Annotated[float, Aka("epsilon")] = Field(
        1e-5, ge=0, description="Added to the variance, so that nothing is divided by 0."
    )
    affine: Annotated[bool, Aka("elementwise_affine")] = Field(
        False, description="Multiply with learned factors and add learned constants, as a Scale with `bias_term` would."
    )
    weight_filler: Annotated[
        AnyFiller, Aka("gamma_filler", "gamma_initializer", "init", "initializer", "weight_init")
    ] = Field(Constant(value=1.0), description="Initial factors, with `affine`.")
    bias_filler: Annotated[AnyFiller, Aka("beta_filler", "beta_initializer", "bias_init", "bias_initializer")] = Field(
        _ZERO, description="Initial constants, with `affine`."
    )

    @property
    def alone(self) -> bool:
        """Where the statistics are given in every phase."""
        return bool(self.use_global_stats)

    @property
    def abilities(self) -> Abilities:
        """Computes a ReLU along, and a Scale that does the work of `affine`; adds to its bottom's diff."""
        along = frozenset({"ReLU"} if self.affine else {"ReLU", "Scale"})
        return Abilities(layouts=("NHWC",), reads=BOTTOM, along=along, adds=True, stores=True)

    @property
    def passing(self) -> Passing:
        """A batch of zeros stays so, unless its statistics are given; with `affine`, factors multiply."""
        zeros: Literal["all"] | None = None if self.use_global_stats else "all"
        return Passing(zeros, factor=3 if self.affine else None, added=frozenset({4}), channels="alike")

    @field_validator("param")
    @classmethod
    def _stored(cls, param: tuple[ParamSpec, ...]) -> tuple[ParamSpec, ...]:
        for i, spec in enumerate(param[:3]):
            if spec.lr_mult:
                what = ("mean", "variance", "scale_factor")[i]
                text = f"its param {i + 1}, `{what}`, is stored but not learned, so its `lr_mult` must be 0"
                problem = wrong(text, help="with `affine: true`, weight and bias are its params 4 and 5")
                where = (i, "lr_mult")
                raise ValidationError.from_exception_data(
                    "BatchNorm", [InitErrorDetails(type=problem, loc=where, input=spec.lr_mult)]
                )
        return param

    @model_validator(mode="after")
    def _check(self) -> BatchNorm:
        for name in ("weight_filler", "bias_filler"):
            if name in self.model_fields_set and not self.affine:
                raise wrong(f"`{name}` has nothing to fill", field=name, help="say `affine: true`")
        return self

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        if not bottoms[0]:
            raise ShapeError("{bottom[0]} has no channels", field="bottom.0")
        return bottoms

    def params(self) -> tuple[Param, ...]:
        """The running sums, then weight and bias with `affine`."""
        stored = tuple(Param(name, _ZERO, learned=False) for name in ("mean", "variance", "scale_factor"))
        learned = (Param("weight", self.weight_filler), Param("bias", self.bias_filler))
        return stored + learned if self.affine else stored

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(C,), but (1,) for the scale factor."""
        c = (_around(bottoms[0])[1],)
        return (c, c, (1,), c, c) if self.affine else (c, c, (1,))

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """2*64 = 128; stored params are not counted."""
        c = _around(bottoms[0])[1]
        return f"2*{c} = {2 * c}"

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Statistics and sums of each channel, coefficients of each slot; backward reads mean and inverse.

        A later BatchNorm may read mean and variance.
        """
        n, c, inner = _around(bottoms[0])
        width, pieces = slots(c, n * inner) if _in_rows(bottoms[0]) else (c, 0)
        kept = {name: Workspace((c,), "float64", kept=True, fixed=True) for name in ("mean", "inverse", "variance")}
        return {
            **kept,
            "partial": Workspace((max(pieces, PIECES) if pieces else 0, 3, width), "float64"),
            "counts": Workspace((PIECES,), "float64", use="forward"),
            "sums": Workspace((2, c), "float64", use="backward"),
            "coefficients": Workspace((6, width), kept=True, fixed=True),
        }

    def reads_pitched(self, bottoms: Shapes) -> bool:
        """Where the bottom is an image, with channels last."""
        return len(bottoms[0]) == 4

    def running(self, phase: str) -> bool:
        """Whether the running statistics take the place of the batch's."""
        return phase == "TEST" if self.use_global_stats is None else self.use_global_stats

    @property
    def first_variance(self) -> float:
        """The running variance before the first batch."""
        return 1.0 if self.running_sums == "GUARDED" else 0.0

    def _affine(self, run: Run) -> tuple[Affine, AffineDiffs]:
        """Weight and bias, the layer's own or those of a Scale, and their diffs; empty where there is none."""
        scale = run.along.get("Scale")
        source, slot = (run, 3) if scale is None else (scale, 0)
        none = source.param[0][:0]
        weight, bias = (*source.param[slot:], none, none)[:2]
        dw, db = (none if diff is None else diff for diff in (*source.param_diff[slot:], None, None)[:2])
        return Affine(weight, bias), AffineDiffs(dw, db, adds(source, slot), adds(source, slot + 1))

    def forward(self, run: Run) -> Calls:
        """One pass over the bottom for mean and variance, one for the result."""
        from netspec.kernels import norm, norm_planes

        around, in_rows = _around(run.bottom_shapes[0]), _in_rows(run.bottom_shapes[0])
        y, space, (own, _), (x, width, pitch) = run.top[0], run.workspace, self._affine(run), self._rows(run)
        factor, offset, centre, *_ = space["coefficients"][:, :width]
        low, running = 0.0 if run.relu else math.nan, self.running(run.phase)
        known = Known(*run.known) if run.known else Known(space["mean"][:0], space["mean"][:0])
        left = self.moments(run) if not run.known else self._unknown(run)
        if running:
            left = left._replace(values=left.values[:0])
        elif run.known:
            if left.values.size:
                values, apart = flat(run.bottom[0][..., len(known.mean) :])
                yield Call(norm.moments, values, left.values, left.width, apart, parts=len(left.values))
        elif in_rows:
            if not left.counts.size:
                yield Call(norm.moments, x, left.values, width, pitch, parts=len(left.values))
        else:
            yield Call(norm_planes.plane_moments, x, space["mean"], space["variance"])
        guarded = self.running_sums == "GUARDED"
        mode = RUNNING if running else BATCH if guarded and run.phase == "TEST" else REMEMBERED
        batch = Statistics(space["mean"], space["variance"], space["inverse"])
        coefficients = Slots(factor, offset, centre)
        pixels = around[0] * around[2]
        how = Settling(self.eps, self.moving_average_fraction, pixels, mode, self.first_variance, int(guarded))
        yield Call(norm.settle, left, known, own, RunningSums(*run.param[:3]), batch, coefficients, how, parts=1)
        if "on_read" in run.fused:
            return
        if in_rows:
            yield Call(norm.normalise, x, factor, offset, y, low, pitch)
        else:
            yield Call(norm_planes.plane_normalise, x, factor, offset, y.reshape(around), low)

    def backward(self, run: Run) -> Calls:
        """One pass over the bottom and the top's diff for their sums, one for dx.

        With a ReLU along, the bottom tells which values it let pass.
        """
        from netspec.kernels import norm, norm_planes

        around, in_rows = _around(run.bottom_shapes[0]), _in_rows(run.bottom_shapes[0])
        dy, dx, space, (x, width, pitch) = run.top_diff[0], run.bottom_diff[0], run.workspace, self._rows(run)
        own, diffs = self._affine(run)
        learning = diffs.weight.size or diffs.bias.size
        fixed = self.running(run.phase)
        if dx is None and not learning and "pulled" not in run.fused:
            return
        factor, offset, centre, *others = space["coefficients"][:, :width]
        low, left = 0.0 if run.relu else math.nan, self.sums(run)
        if fixed and not learning:
            left = left._replace(values=left.values[:0])
        elif in_rows:
            if "products" not in run.fused:
                parts = len(left.values)
                yield Call(norm.gradient_sums, x, dy, centre, factor, offset, left.values, low, pitch, parts=parts)
        else:
            sums = space["sums"]
            yield Call(norm_planes.plane_gradient_sums, x, dy.reshape(around), centre, factor, offset, sums, low)
        back, row = Slopes(*others), Slots(factor, offset, centre)
        arrays = (left, space["sums"], own.weight, space["mean"], space["inverse"], diffs, centre, back)
        yield Call(norm.slopes, *arrays, around[0] * around[2], int(fixed), parts=1)
        if dx is None:
            return
        add = int(bool(run.bottom_add) and run.bottom_add[0])
        if in_rows:
            dx, apart = (dx, width) if dx.flags.c_contiguous else flat(dx)
            yield Call(norm.gradient, x, dy, row, back, dx, low, pitch, apart, add)
        else:
            dy, dx = dy.reshape(around), dx.reshape(around)
            yield Call(norm_planes.plane_gradient, x, dy, row, back, dx, low, add)

    def _rows(self, run: Run) -> tuple[Array, int, int]:
        """(the bottom's values, values of a row, from one row to the next); planes where channels are not innermost.

        Of a bottom that lies inside a wider blob a row is one pixel.
        """
        x, around = run.bottom[0], _around(run.bottom_shapes[0])
        if not _in_rows(run.bottom_shapes[0]):
            return x.reshape(around), around[1], around[2]
        if not x.flags.c_contiguous:
            values, pitch = flat(x)
            return values, around[1], pitch
        width, _ = slots(around[1], around[0] * around[2])
        return x, width, width

    # --- what other layers do for it

    def moments(self, run: Run) -> Pieces:
        """Where `norm.moments` leaves the moments of the bottom, or the layer that writes it does."""
        return self._pieces(run, "moments", 3)

    def _unknown(self, run: Run) -> Pieces:
        """Where `norm.moments` leaves those of the channels behind the known ones."""
        (n, c, inner), none = _around(run.bottom_shapes[0]), run.workspace["mean"][:0]
        width = c - len(run.known[0])
        _, number = slots(width, n * inner) if width else (0, 0)
        values = run.workspace["partial"].reshape(-1)[: number * 3 * width].reshape(number, 3, width)
        return Pieces(values, none, width)

    def sums(self, run: Run) -> Pieces:
        """Where `norm.gradient_sums` leaves the sums of the top's diff, or the layer that writes it does."""
        return self._pieces(run, "products", 2)

    def _pieces(self, run: Run, word: str, rows: int) -> Pieces:
        (n, c, inner), space = _around(run.bottom_shapes[0]), run.workspace
        number, width = run.fused.get(word, 0), c
        if not number and _in_rows(run.bottom_shapes[0]):
            (_, width, _), (_, number) = self._rows(run), slots(c, n * inner)
        values = space["partial"].reshape(-1)[: number * rows * width].reshape(number, rows, width)
        counts = space["counts"][:number] if word == "moments" and word in run.fused else space["mean"][:0]
        return Pieces(values, counts, width)

    def lens(self, run: Run) -> Lens:
        """How those who read its top see its bottom."""
        factor, offset, *_ = run.workspace["coefficients"][:, : run.bottom_shapes[0][1]]
        return Lens(factor, offset, 0.0 if run.relu else math.nan)

    def products(self, run: Run) -> Products:
        """What the layer that writes its top's diff does to that."""
        centre, (x, pitch) = run.workspace["coefficients"][2, : run.bottom_shapes[0][1]], flat(run.bottom[0])
        return Products(x, pitch, self.lens(run), centre, self.sums(run))

    def pull(self, run: Run) -> Pull:
        """How the layer that wrote its bottom sees its top's diff; what is masked already keeps its mask."""
        _, _, *others = run.workspace["coefficients"][:, : run.bottom_shapes[0][1]]
        lens, (x, pitch) = self.lens(run), flat(run.bottom[0])
        return Pull(x, pitch, lens._replace(low=math.nan) if "products" in run.fused else lens, *others)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """Mean and variance of the value's channel, then the value."""
        at = _in_channel(index, arrays.bottoms[0].shape)
        yield from worked_row(_channels(self, arrays), at, index, at[:1], self._given(arrays, at[0]))

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """The gradients of every value, less what they change of their channel; of factors and constants."""
        rows, shape = _channels(self, arrays), arrays.bottoms[0].shape
        given = [self._given(arrays, c) for c in range(len(rows.x))]
        for index in indices(shape):
            at = _in_channel(index, shape)
            yield from slope_in_row(rows, at, index, given[at[0]])
        yield from slopes_of_affine(rows, 3, [each for each in given if each is not None])

    def _given(self, arrays: LayerArrays, c: int) -> list[Worked] | None:
        """Mean and variance of a channel where they are the running ones."""
        if not self.running(arrays.phase):
            return None
        sums, scale = [Term(param[c]) for param in arrays.params[:2]], Term(arrays.params[2][0])
        before = Term(0.0), Term(self.first_variance)
        shares = (each / scale if scale.value else first for each, first in zip(sums, before, strict=True))
        return [share.at(what, (c,)) for what, share in zip("mv", shares, strict=True)]


def _channels(layer: BatchNorm, arrays: LayerArrays) -> Rows:
    """The channels as rows."""
    around = _around(arrays.bottoms[0].shape)
    blobs = (arrays.bottoms[0], *arrays.top_diffs[:1])
    x, *dys = (blob.reshape(around).swapaxes(0, 1).reshape(around[1], -1) for blob in blobs)
    return Rows(x, dys[0] if dys else None, tuple(arrays.params[3:]), RowRule(layer.eps, 1, VARIANCE, 1))


def _in_channel(index: tuple[int, ...], shape: Shape) -> tuple[int, int]:
    """The channel of a value, and its place there."""
    import numpy as np

    around = _around(shape)
    n, c, inner = (int(i) for i in np.unravel_index(np.ravel_multi_index(index, shape), around))
    return c, n * around[2] + inner


def _in_rows(shape: Shape) -> bool:
    """Whether the channels are innermost."""
    return len(shape) in (1, 2, 4)


def _around(shape: Shape) -> Shape:
    """(N, C, inner); a single axis is the batch, of one channel."""
    return (shape[0], shape[1], count(shape[2:])) if len(shape) > 1 else (shape[0], 1, 1)
