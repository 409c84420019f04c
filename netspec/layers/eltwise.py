"""Eltwise: the sum, product or maximum of several blobs, element by element.

SUM: y = sum over i of coeff_i * x_i. PROD: y = product of x_i. MAX: y = max of x_i; a tie of bottoms 0 and 1 goes to
bottom 1, and a later bottom must be strictly larger. Source: Caffe eltwise_layer.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from operator import add, mul
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.core.beside import Beside
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Listed, wrong
from netspec.core.shape import ShapeError, Shapes, count, counted, same_shape
from netspec.core.worked import LayerArrays, Term, Worked, greatest
from netspec.layers.base import ANY_LAYOUT, BOTTOM, NOTHING, TOP, Abilities, Arity, Layer, Passing, Purpose
from netspec.lowering.beside import lens_of, moments_of, pieces, products_of

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.kernels.conv_geometry import Apart


class Eltwise(Layer):
    """Combine blobs of one shape element by element.

    Bottoms: two or more, all of one shape. Top: that shape; its data may lie in bottom 0's or bottom 1's memory when
    the operation is SUM.
    """

    purpose: ClassVar[Purpose] = "arithmetic"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [one, two], shape: [2, 3, 5, 4]}
- {name: difference, type: Eltwise, bottom: [one, two], coeff: [1, -1]}
- {name: product, type: Eltwise, bottom: [difference, one], operation: PROD}
- {name: larger, type: Eltwise, bottom: [product, two], operation: MAX}
"""

    bottoms: ClassVar[Arity] = Arity(2, None)

    operation: Literal["PROD", "SUM", "MAX"] = Field("SUM", description="What is done with the bottoms.")
    coeff: Listed[float] = Field((), description="Factor of each bottom in a SUM (default 1).")
    stable_prod_grad: bool = Field(
        True, description="Gradient of PROD as the product of the others; else y / x, undefined at 0."
    )

    def identity(self) -> dict[str, Any]:
        """Without factors that are all 1."""
        return {name: value for name, value in super().identity().items() if name != "coeff" or {*self.coeff} != {1}}

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Computes a ReLU along; a SUM can add to its diffs; only PROD's backward reads blobs of forward.

        Where all factors of a SUM are 1, the top's diff, masked, is that of each bottom. A SUM of two can compute every
        so many lines and columns.
        """
        product = BOTTOM if self.stable_prod_grad else BOTTOM | TOP
        return Abilities(
            layouts=ANY_LAYOUT,
            reads=product if self.operation == "PROD" else NOTHING,
            along=frozenset({"ReLU"}),
            adds=self.operation == "SUM",
            hands=self.operation == "SUM" and {*self.coeff} <= {1},
            thins=self.operation == "SUM",
        )

    def beside(self, bottoms: Shapes) -> Beside:
        """A SUM reads every bottom through a lens, and leaves moments and products; its kernels know pixels."""
        if self.operation != "SUM" or len(bottoms[0]) != 4:
            return Beside()
        number = pieces(bottoms[0], count(bottoms[0]) // bottoms[0][1])
        return Beside(frozenset(range(len(bottoms))), moments=number, products=(number,) * len(bottoms))

    @model_validator(mode="after")
    def _check(self) -> Eltwise:
        if self.coeff and self.operation != "SUM":
            raise wrong(f"`coeff` belongs to SUM, not to {self.operation}", field="coeff")
        if self.coeff and self.bottom is not None and len(self.coeff) != len(self.bottom):
            raise wrong(
                f"{counted(len(self.coeff), 'coefficient')} for {counted(len(self.bottom), 'bottom')}",
                field="coeff",
                help="give one for each, or none",
            )
        return self

    @property
    def passing(self) -> Passing:
        """A product is 0 where any bottom is."""
        return Passing("any" if self.operation == "PROD" else "all", channels="alike")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottoms' shape."""
        if self.coeff and len(self.coeff) != len(bottoms):
            raise ShapeError(
                f"{counted(len(self.coeff), 'coefficient')} for {counted(len(bottoms), 'bottom')}",
                field="coeff",
                help="give one for each, or none",
            )
        return (same_shape(bottoms, self.operation),)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """MAX keeps for backward which bottom each element came from."""
        return {"mask": Workspace(bottoms[0], "int32", kept=True)} if self.operation == "MAX" and backward else {}

    def forward(self, run: Run) -> Calls:
        """Combine the first two bottoms, then each further bottom; the last step rectifies for a ReLU along."""
        from netspec.kernels import eltwise

        if run.every != (1, 1):
            yield self._sum_apart(run)
            return
        (a, b, *others), y = run.bottom, run.top[0]
        factors, steps = self._factors(run), [(a, b), *((y, x) for x in others)]
        for i, (now, x) in enumerate(steps, 1):
            low = 0.0 if run.relu and i == len(steps) else math.nan
            if self.operation == "SUM":
                yield self._sum(run, i, now, factors[0] if i == 1 else 1.0, low)
            elif self.operation == "PROD":
                yield Call(eltwise.product, now, x, y, low)
            else:
                # of the first two bottoms the second wins a tie
                pair, index = ((b, a), (1, 0)) if i == 1 else ((now, x), (-1, i))
                if "mask" in run.workspace:
                    yield Call(eltwise.larger_from, *pair, y, run.workspace["mask"], low, *index)
                else:
                    yield Call(eltwise.larger, *pair, y, low)

    def backward(self, run: Run) -> Calls:
        """The top's diff times the factor, or times the other bottoms, or where the bottom was the largest."""
        from netspec.kernels import eltwise

        dy, y, low = run.top_diff[0], run.top[0] if run.relu else run.top_diff[0], 0.0 if run.relu else math.nan
        wanted = [dx for dx in run.bottom_diff if dx is not None]
        if run.every != (1, 1):
            yield self._passed_apart(run, low)
            return
        if any(run.products) or any(_same(dx, dy) for dx in wanted):
            yield from self._shares(run, low)
            return
        if self.operation == "SUM" and len(run.bottom) == len(wanted) == 2 and not any(run.bottom_add):
            yield Call(eltwise.passed_to_both, dy, y, *wanted, *self._factors(run), low)
            return
        if run.relu and self.operation != "SUM":
            yield Call(eltwise.passed, dy, y, dy, 1.0, low, 0)
        for i, dx in enumerate(run.bottom_diff):
            if dx is None:
                continue
            if self.operation == "SUM":
                yield Call(eltwise.passed, dy, y, dx, self._factors(run)[i], low, int(any(run.bottom_add[i : i + 1])))
            elif self.operation == "MAX":
                yield Call(eltwise.select, run.workspace["mask"], dy, dx, i)
            elif not self.stable_prod_grad:
                yield Call(eltwise.quotient, run.top[0], run.bottom[i], dy, dx)
            else:
                first, *rest = (*run.bottom[:i], *run.bottom[i + 1 :], dy)
                for factor in rest:
                    yield Call(eltwise.product, first, factor, dx, math.nan)
                    first = dx

    def _sum_apart(self, run: Run) -> Call:
        """The sum of two bottoms at every so many lines and columns."""
        from netspec.kernels.eltwise_apart import weighted_sum_apart

        of, low = self._factors(run), 0.0 if run.relu else math.nan
        i, j = (0, 1) if lens_of(run).factor.size else (1, 0)
        lenses = lens_of(run, i), lens_of(run, j)
        a, b = run.bottom[i], run.bottom[j]
        return Call(weighted_sum_apart, a, b, run.top[0], *lenses, _apart(run), of[i], of[j], low)

    def _passed_apart(self, run: Run, low: float) -> Call:
        """The diffs of two bottoms of such a sum; a diff that lies where that of bottom 0 does is written once."""
        from netspec.kernels.eltwise import ADDS, STAYS, STORES, Share
        from netspec.kernels.eltwise_apart import passed_apart

        dy, shares, there = run.top_diff[0], [], None
        for i, dx in enumerate(run.bottom_diff):
            if dx is None:
                dx, mode = dy[:0], STAYS
            else:
                mode = STAYS if _same(there, dx) else ADDS if any(run.bottom_add[i : i + 1]) else STORES
                there = dx if there is None else there
            shares.append(Share(dx.reshape(-1), self._factors(run)[i], mode, products_of(run, i)))
        parts = max(len(share.products.pieces.values) for share in shares) or None
        return Call(passed_apart, dy, run.top[0] if run.relu else dy, *shares, _apart(run), low, parts=parts)

    def _sum(self, run: Run, i: int, now: Array, factor: float, low: float) -> Call:
        """Add bottom i to `now`, which is bottom 0 or the sum so far; as lenses see them, where there are any."""
        from netspec.kernels import eltwise

        one = (now, lens_of(run if i == 1 else replace(run, lenses=())), factor)
        other = (run.bottom[i], lens_of(run, i), self._factors(run)[i])
        (a, seen_a, of_a), (b, seen_b, of_b) = (one, other) if one[1].factor.size else (other, one)
        moments = moments_of(run if i + 1 == len(run.bottom) else replace(run, moments=None))
        if not (seen_a.factor.size or moments.values.size):
            return Call(eltwise.weighted_sum, now, run.bottom[i], run.top[0], factor, other[2], low)
        kernel, parts = eltwise.weighted_sum_beside, len(moments.values) or None
        return Call(kernel, a, b, run.top[0], seen_a, seen_b, moments, of_a, of_b, low, parts=parts)

    def _shares(self, run: Run, low: float) -> Calls:
        """The top's diff, masked where it lies if it is that of a bottom too, and what BatchNorms ask of the bottoms'.

        Those that lie elsewhere come first, and need not be masked before.
        """
        from netspec.kernels.eltwise import ADDS, STAYS, STORES, Share, passed_beside

        dy, shares, there = run.top_diff[0], [], math.isnan(low)
        order = sorted(range(len(run.bottom)), key=lambda i: _same(run.bottom_diff[i], dy))
        for i in order:
            dx, products = run.bottom_diff[i], products_of(run, i)
            if dx is None:
                continue
            stays = _same(dx, dy)
            mode = STAYS if stays and there else ADDS if any(run.bottom_add[i : i + 1]) else STORES
            there = there or stays
            if mode != STAYS or products.pieces.values.size:
                shares.append(Share(dx, self._factors(run)[i], mode, products))
        none = dy.reshape(-1)[:0]
        pixels = dy.reshape(-1, 1, 1, dy.shape[-1] if dy.ndim == 4 else 1)
        nothing = Share(none, 1.0, STAYS, products_of(replace(run, products=())))
        for i in range(0, len(shares), 2):
            pair = (*shares[i : i + 2], nothing)[:2]
            parts = max(len(share.products.pieces.values) for share in pair) or None
            yield Call(passed_beside, pixels, run.top[0] if run.relu else dy, *pair, low, parts=parts)

    def _factors(self, run: Run) -> tuple[float, ...]:
        return self.coeff or (1.0,) * len(run.bottom)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """What is done with the values of all bottoms."""
        values = [Term(blob[index]) for blob in arrays.bottoms]
        factors = [Term(factor) for factor in self.coeff]
        if self.operation == "SUM":
            y = reduce(add, [c * x for c, x in zip(factors, values, strict=True)] if factors else values)
        else:
            y = reduce(mul, values) if self.operation == "PROD" else greatest(values, 1)  # as in Caffe
        yield y.at("y", index)


def _apart(run: Run) -> Apart:
    """Where the pixels of the top lie in the bottoms."""
    from netspec.kernels.conv_geometry import Apart

    (*_, lines, columns), (*_, height, width) = run.top_shapes[0], run.bottom_shapes[0]
    return Apart(lines, columns, height, width, *run.every)


def _same(dx: Array | None, dy: Array) -> bool:
    """Whether a diff lies where another does."""
    return dx is not None and dx.ctypes.data == dy.ctypes.data
