"""Bias: y = x + b, with b repeated over the axes of x that it does not have. Source: Caffe bias_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes, count
from netspec.core.worked import Term
from netspec.layers._broadcast import Broadcast
from netspec.layers.base import NOTHING, Param, Passing, Purpose
from netspec.lowering.channels import adds, affine, affine_sums


class Bias(Broadcast):
    """Add learned constants to a blob, one for each channel, or a second bottom.

    Bottoms: x, any shape (N, C, ...), and optionally b, with the shape of x's axes from `axis` on. Top: y, the shape of
    x; may be computed in place.
    Param: bias, with the shape of `num_axes` axes of x from `axis` on, unless b is a bottom.
    """

    purpose: ClassVar[Purpose] = "arithmetic"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: bias, type: Bias, filler: {type: gaussian, std: 1}}
"""

    reads: ClassVar[frozenset[str]] = NOTHING

    @property
    def passing(self) -> Passing:
        """Zeros stay where zeros are added."""
        alike = self.learned and self.axis == 1
        return Passing("all", added=frozenset({0}), channels="alike" if alike else None)

    def params(self) -> tuple[Param, ...]:
        """Bias, unless it is a bottom."""
        return (Param("bias", self.filler),) if self.learned else ()

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """The shape of some of x's axes."""
        return (self.stands(bottoms)[1],) if self.learned else ()

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """3*5 = 15, where it has several axes."""
        shape = self.stands(bottoms)[1]
        return f"{'*'.join(map(str, shape))} = {count(shape)}" if len(shape) > 1 else ""

    def _combined(self, x: Term, met: list[Term]) -> Term:
        """The sum."""
        return x + met[0]

    def forward(self, run: Run) -> Calls:
        """One pass."""
        bias = (run.param[0] if self.learned else run.bottom[1]).reshape(-1)
        yield from affine(run, self.around(run.bottom_shapes, run.layout), run.bottom[0], bias[:0], bias, run.top[0])

    def backward(self, run: Run) -> Calls:
        """dx = dy, db = the sums of dy."""
        from netspec.kernels import copy

        dy, db = run.top_diff[0], run.param_diff[0] if self.learned else run.bottom_diff[1]
        if run.bottom_diff[0] is not None:
            yield Call(copy.copy, dy, run.bottom_diff[0])
        if db is not None:
            db, add = db.reshape(-1), (0, adds(run, 0) if self.learned else 0)
            yield from affine_sums(run, self.around(run.bottom_shapes, run.layout), dy, dy, db[:0], db, add)
