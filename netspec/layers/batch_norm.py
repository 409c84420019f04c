"""BatchNorm: y = (x - mean) / sqrt(variance + eps), channel by channel; with `affine`, times w plus b.

While training, mean and variance are those of the batch (the variance divides by m, the values of a channel), and running sums of both are
kept with the weights: mean' = f * mean' + mean, variance' = f * variance' + m/(m-1) * variance, scale' = f * scale' + 1. While testing,
mean'/scale' and variance'/scale' take their place. Source: Ioffe & Szegedy 2015; Caffe batch_norm_layer.cpp.

Here alone: a batch whose mean or variance is not finite leaves the running sums as they are, and so does every batch of phase TEST.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_core import InitErrorDetails

from netspec.layers._broadcast import affine
from netspec.layers.base import (
    AnyFiller,
    Call,
    Calls,
    Constant,
    Layer,
    Param,
    ParamSpec,
    Run,
    Shape,
    ShapeError,
    Shapes,
    Workspace,
)
from netspec.model import wrong
from netspec.shape import count

_ZERO = Constant(value=0.0)


class BatchNorm(Layer):
    """Give every channel the mean 0 and the variance 1, over the batch and all places.

    Bottom: x (N, C, ...), or (N,) as one channel. Top: y, the shape of x; may be computed in place.
    Params, stored but not learned: mean (C,), variance (C,), scale_factor (1,); with `affine` also weight (C,), bias (C,).
    """

    use_global_stats: bool | None = Field(None, description="Use the running statistics; left out: only while testing.")
    moving_average_fraction: float = Field(0.999, ge=0, le=1, description="What a running sum keeps of itself at every batch, f.")
    eps: float = Field(1e-5, ge=0, description="Added to the variance, so that nothing is divided by 0.")
    affine: bool = Field(False, description="Multiply with learned factors and add learned constants, as a Scale with `bias_term` would.")
    weight_filler: AnyFiller = Field(Constant(value=1.0), description="Initial factors, with `affine`.")
    bias_filler: AnyFiller = Field(_ZERO, description="Initial constants, with `affine`.")

    @field_validator("param")
    @classmethod
    def _stored(cls, param: tuple[ParamSpec, ...]) -> tuple[ParamSpec, ...]:
        for i, spec in enumerate(param[:3]):
            if spec.lr_mult:
                what = ("mean", "variance", "scale_factor")[i]
                text = f"its param {i + 1}, `{what}`, is stored but not learned, so its `lr_mult` must be 0"
                problem = wrong(text, help="with `affine: true`, weight and bias are its params 4 and 5")
                where = (i, "lr_mult")
                raise ValidationError.from_exception_data("BatchNorm", [InitErrorDetails(type=problem, loc=where, input=spec.lr_mult)])
        return param

    @model_validator(mode="after")
    def _check(self) -> BatchNorm:
        for name in ("weight_filler", "bias_filler"):
            if name in self.model_fields_set and not self.affine:
                raise wrong(f"`{name}` has nothing to fill", field=name, help="say `affine: true`")
        return self

    @property
    def backward_reads(self) -> frozenset[str]:  # type: ignore[override]
        """The bottom with `affine`; without it the top is as good, and often kept by the layer above anyway."""
        return frozenset({"bottom" if self.affine else "top"})

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        if not bottoms[0]:
            raise ShapeError("{bottom[0]} has no channels", field="bottom.0")
        return bottoms

    def params(self) -> tuple[Param, ...]:
        """The running sums, then weight and bias with `affine`."""
        stored = tuple(Param(name, _ZERO, learned=False) for name in ("mean", "variance", "scale_factor"))
        return (*stored, Param("weight", self.weight_filler), Param("bias", self.bias_filler)) if self.affine else stored

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """(C,) but for the scale factor, (1,)."""
        c = (_around(bottoms[0])[1],)
        return (c, c, (1,), c, c) if self.affine else (c, c, (1,))

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """2*64 = 128; what is stored is not counted."""
        c = _around(bottoms[0])[1]
        return f"2*{c} = {2 * c}"

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Of each channel: mean and 1 / sqrt(variance + eps), which backward reads; the variance; factor and offset."""
        c = (_around(bottoms[0])[1],)
        kept = {name: Workspace(c, "float64", kept=True) for name in ("mean", "inverse")}
        return {**kept, "variance": Workspace(c, "float64", use="forward"), "affine": Workspace((2, *c), use="forward")}

    def _running(self, run: Run) -> bool:
        """Whether the running statistics take the place of the batch's."""
        return run.phase == "TEST" if self.use_global_stats is None else self.use_global_stats

    def _affine(self, run: Run) -> tuple[Any, Any]:
        """Weight and bias; empty without `affine`."""
        return (run.param[3], run.param[4]) if self.affine else (run.param[0][:0], run.param[0][:0])

    def forward(self, run: Run) -> Calls:
        """Channel by channel three passes: mean, variance, result. The running sums follow while training."""
        from netspec.kernels import norm

        x = run.bottom[0].reshape(_around(run.bottom[0].shape))
        space = run.workspace
        if self._running(run):
            factor, offset = space["affine"]
            results = (space["mean"], space["inverse"], factor, offset)
            yield Call(norm.running_statistics, *run.param[:3], *self._affine(run), *results, self.eps, parts=1)
            yield affine(x, factor, offset, run.top[0])
            return
        arrays = (space["mean"], space["variance"], space["inverse"])
        yield Call(norm.batch_norm_forward, x, *self._affine(run), run.top[0].reshape(x.shape), *arrays, self.eps)
        if run.phase == "TRAIN":
            m = x.shape[0] * x.shape[2]
            unbiased = m / (m - 1) if m > 1 else 1.0
            fraction = self.moving_average_fraction
            yield Call(norm.update_statistics, space["mean"], space["variance"], *run.param[:3], fraction, unbiased, parts=1)

    def backward(self, run: Run) -> Calls:
        """Channel by channel two passes: the sums of dy and of dy * y, then dx. With running statistics dx is dy times a factor."""
        from netspec.kernels import norm

        shape = _around(run.bottom[0].shape)
        seen, dy, dx = run.bottom[0] if self.affine else run.top[0], run.top_diff[0], run.bottom_diff[0]
        dw, db = run.param_diff[3:] if self.affine else (None, None)
        if dx is None and dw is None and db is None:
            return
        none = run.param[0][:0]
        diffs = (dy.reshape(shape)[:0] if dx is None else dx.reshape(shape), none if dw is None else dw, none if db is None else db)
        arrays = (seen.reshape(shape), dy.reshape(shape), self._affine(run)[0], run.workspace["mean"], run.workspace["inverse"])
        yield Call(norm.batch_norm_backward, *arrays, *diffs, int(not self.affine), int(self._running(run)))


def _around(shape: Shape) -> Shape:
    """(N, C, inner); a single axis is the batch, of one channel."""
    return (shape[0], shape[1], count(shape[2:])) if len(shape) > 1 else (shape[0], 1, 1)
