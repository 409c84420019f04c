"""Eltwise: the sum, product or maximum of several blobs, element by element.

SUM: y = sum over i of coeff_i * x_i. PROD: y = product of x_i. MAX: y = max of x_i; a tie of bottoms 0 and 1 goes to
bottom 1, and a later bottom must be strictly larger. Source: Caffe eltwise_layer.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import reduce
from operator import add, mul
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Listed, wrong
from netspec.core.shape import ShapeError, Shapes, counted, same_shape
from netspec.core.worked import LayerArrays, Term, Worked, greatest
from netspec.layers.base import ANY_LAYOUT, BOTTOM, NOTHING, TOP, Abilities, Arity, Layer, Passing, Purpose


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
        """Computes a ReLU along; a SUM can add to its diffs; only PROD's backward reads blobs of forward."""
        product = BOTTOM if self.stable_prod_grad else BOTTOM | TOP
        return Abilities(
            layouts=ANY_LAYOUT,
            reads=product if self.operation == "PROD" else NOTHING,
            along=frozenset({"ReLU"}),
            adds=self.operation == "SUM",
        )

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

        (a, b, *others), y = run.bottom, run.top[0]
        factors, steps = self._factors(run), [(a, b), *((y, x) for x in others)]
        for i, (now, x) in enumerate(steps, 1):
            low = 0.0 if run.relu and i == len(steps) else math.nan
            if self.operation == "SUM":
                yield Call(eltwise.weighted_sum, now, x, y, factors[0] if i == 1 else 1.0, factors[i], low)
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
