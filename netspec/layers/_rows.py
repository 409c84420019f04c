"""Base of layers that normalise rows, each by itself: a row is some of the last axes, or a group of channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from netspec.codegen.geometry import VARIANCE, Affine, AffineDiffs, RowRule
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka, wrong
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, Shapes, count
from netspec.core.worked import LayerArrays, Worked, indices
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers._normalised import Rows, slope_in_row, slopes_of_affine, worked_row
from netspec.layers.base import BOTTOM, Abilities, Layer, Param, Passing
from netspec.lowering.channels import PIECE, PIECES, adds

if TYPE_CHECKING:
    from netspec.core.calls import Array

BLOCKS = 16
"""Least number of rows in a piece whose gradients of factors are summed."""


class Cut(NamedTuple):
    """A blob seen as rows."""

    rows: int
    length: int  # values of a row
    runs: int  # runs of a row that have one factor each; 0: every place of a row has its own
    axes: tuple[int, ...]  # axes that a row reaches along


class RowNorm(Layer):
    """A layer that takes off each row's mean and divides by its deviation."""

    @property
    def abilities(self) -> Abilities:
        """Backward reads the bottom, and stores."""
        return Abilities(reads=BOTTOM, stores=True)

    @property
    def passing(self) -> Passing:
        """A row of zeros stays so; factors multiply, constants are added."""
        names = [param.name for param in self.params()]
        return Passing("all", factor=0 if names else None, added=frozenset({1} if "bias" in names else ()))

    @property
    def rule(self) -> RowRule:
        """How a row is normalised; `runs` is that of `cut`."""
        raise NotImplementedError

    def cut(self, x: Shape) -> Cut:
        """The rows of the bottom. Raises ShapeError."""
        raise NotImplementedError

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        self.cut(bottoms[0])
        return bottoms

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The whole of the image's axes that a row reaches along."""
        axes = self.cut(bottoms[0]).axes if len(bottoms[0]) == 4 else ()
        return union(bottoms, fields).whole(2 in axes, 3 in axes)

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """2*64 = 128."""
        shapes = self.param_shapes(bottoms)
        size = count(shapes[0]) if shapes else 0
        return f"{len(shapes)}*{size} = {len(shapes) * size}" if shapes else ""

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Each row's mean and inverse deviation; sums of runs, or of pieces, for the gradients of factors."""
        rows, length, runs, _ = self.cut(bottoms[0])
        spaces = {name: Workspace((rows,), "float64", kept=backward) for name in ("mean", "inverse")}
        if not backward:
            return spaces
        sums = (2, rows * runs) if runs else (_pieces(rows, length), 2, length)
        return spaces | {"sums": Workspace(sums, "float64", use="backward")}

    def forward(self, run: Run) -> Calls:
        """One pass over each row for its mean, one for its deviation, one for the result."""
        from netspec.kernels import norm_rows

        rows, length, runs, _ = self.cut(run.bottom_shapes[0])
        x, y, space = run.bottom[0].reshape(rows, length), run.top[0].reshape(rows, length), run.workspace
        kernel = norm_rows.forward_by_run if runs else norm_rows.forward_by_place
        how = self.rule._replace(runs=runs)
        yield Call(kernel, x, self._affine(run), space["mean"], space["inverse"], y, how)

    def backward(self, run: Run) -> Calls:
        """One pass over each row for its sums, one for dx; then the gradients of factors and constants."""
        from netspec.kernels import norm_rows

        rows, length, runs, _ = self.cut(run.bottom_shapes[0])
        x, dy, space = run.bottom[0].reshape(rows, length), run.top_diff[0].reshape(rows, length), run.workspace
        weight, none = self._affine(run).weight, x[:0]
        dw, db = (none if diff is None else diff.reshape(-1) for diff in (*run.param_diff, None, None)[:2])
        if run.bottom_diff[0] is None and not (dw.size or db.size):
            return
        dx = none if run.bottom_diff[0] is None else run.bottom_diff[0].reshape(rows, length)
        how, kept, sums = self.rule._replace(runs=runs), (space["mean"], space["inverse"]), space["sums"]
        diffs = AffineDiffs(dw, db, adds(run, 0), adds(run, 1))
        if runs:
            yield Call(norm_rows.backward_by_run, x, dy, weight, *kept, sums, dx, how)
            if dw.size or db.size:
                yield Call(norm_rows.add_runs, sums, diffs, parts=1)
            return
        pieces = len(sums)
        partial = sums if dw.size or db.size else sums[:0]
        yield Call(norm_rows.backward_by_place, x, dy, weight, *kept, partial, dx, how, parts=pieces)
        if dw.size or db.size:
            yield Call(norm_rows.add_pieces, sums, *diffs)

    def in_rows(self, x: Array) -> Array:
        """A blob of the bottom's shape as (rows, length)."""
        rows, length, _, _ = self.cut(x.shape)
        return x.reshape(rows, length)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """Mean and variance of the value's row, then the value."""
        import numpy as np

        at = np.argwhere(self._places(arrays) == np.ravel_multi_index(index, arrays.bottoms[0].shape))[0]
        row, place = at.tolist()
        yield from worked_row(self._rows(arrays), (row, place), index, (row,))

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """The gradients of every value, less what they change of their row; of factors and constants."""
        rows, shape = self._rows(arrays), arrays.bottoms[0].shape
        places = self._places(arrays)
        found = {int(places[at]): at for at in indices(places.shape)}
        for number, index in enumerate(indices(shape)):
            row, place = found[number]
            yield from slope_in_row(rows, (row, place), index)
        yield from slopes_of_affine(rows, 0)

    def _rows(self, arrays: LayerArrays) -> Rows:
        """The rows of the arrays."""
        x, dy = arrays.bottoms[0], self.in_rows(arrays.top_diffs[0]) if arrays.top_diffs else None
        return Rows(self.in_rows(x), dy, tuple(arrays.params), self.rule._replace(runs=self.cut(x.shape).runs))

    def _places(self, arrays: LayerArrays) -> Array:
        """For each place of the rows, the number of its value in the blob."""
        import numpy as np

        x = arrays.bottoms[0]
        return self.in_rows(np.arange(x.size).reshape(x.shape))

    def _affine(self, run: Run) -> Affine:
        """Weight and bias, flat; empty where there is none."""
        none = run.bottom[0].reshape(-1)[:0]
        weight, bias = (*(param.reshape(-1) for param in run.param), none, none)[:2]
        return Affine(weight, bias)


def _pieces(rows: int, length: int) -> int:
    """Number of pieces whose gradients of factors are summed apart."""
    return max(1, min(PIECES, rows * length // PIECE, rows // BLOCKS))


class AffineRowNorm(RowNorm):
    """A layer that normalises rows, then multiplies with learned factors and adds learned constants."""

    affine: Annotated[bool, Aka("elementwise_affine", "scale_bias")] = Field(
        True, description="Multiply with learned factors, and add learned constants."
    )
    eps: Annotated[float, Aka("epsilon", "variance_epsilon")] = Field(
        1e-5, ge=0, description="Added to the variance, so that nothing is divided by 0."
    )
    weight_filler: Annotated[
        AnyFiller, Aka("gamma_filler", "gamma_initializer", "init", "initializer", "weight_init")
    ] = Field(Constant(value=1.0), description="Initial factors.")
    bias_filler: Annotated[AnyFiller, Aka("beta_filler", "beta_initializer", "bias_init", "bias_initializer")] = Field(
        Constant(value=0.0), description="Initial constants."
    )

    @model_validator(mode="after")
    def _fills(self) -> Self:
        for name in ("weight_filler", "bias_filler"):
            if name in self.model_fields_set and not self.affine:
                raise wrong(f"`{name}` has nothing to fill", field=name, help="say `affine: true`")
        return self

    @property
    def rule(self) -> RowRule:
        """By the mean and the variance."""
        return RowRule(self.eps, 1, VARIANCE, 0)

    def params(self) -> tuple[Param, ...]:
        """Weight and bias, unless `affine: false`."""
        return (Param("weight", self.weight_filler), Param("bias", self.bias_filler)) if self.affine else ()
