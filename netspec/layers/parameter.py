"""Parameter: y = w, a learnable blob as a top. Source: Caffe parameter_layer.hpp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.model import Listed
from netspec.core.shape import Shapes, count
from netspec.core.worked import LayerArrays, Term, Worked
from netspec.fillers.base import AnyFiller
from netspec.fillers.constant import Constant
from netspec.layers.base import NONE, NOTHING, Abilities, Arity, Layer, Param, Passing, Purpose


class Parameter(Layer):
    """Give the net a blob that is learned, and that other layers read like any other.

    Bottom: none. Top: y, of the declared shape. Param: value, of the same shape; it starts at 0, or as `filler` says,
    a field that Caffe does not have.
    """

    purpose: ClassVar[Purpose] = "data"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[3, 4]]}
- {name: wanted, type: Parameter, shape: [3, 4], filler: {type: gaussian, std: 1}}
- {name: loss, type: EuclideanLoss, bottom: [wanted, data]}
"""
    bottoms: ClassVar[Arity] = NONE

    shape: Listed[Annotated[int, Field(gt=0)]] = Field(description="The shape of the blob; [] is a scalar.")
    filler: AnyFiller = Field(Constant(value=0.0), description="Initial values.")

    @property
    def abilities(self) -> Abilities:
        """Backward reads nothing."""
        return Abilities(reads=NOTHING, stores=True)

    @property
    def passing(self) -> Passing:
        """The top is 0 where the param is, which gets the top's gradient whatever it is."""
        return Passing("all", added=frozenset({0}))

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The declared shape."""
        return (self.shape,)

    def params(self) -> tuple[Param, ...]:
        """The blob."""
        return (Param("value", self.filler),)

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """The declared shape."""
        return (self.shape,)

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """3*4 = 12, where it has several axes."""
        return f"{'*'.join(map(str, self.shape))} = {count(self.shape)}" if len(self.shape) > 1 else ""

    def forward(self, run: Run) -> Calls:
        """Copy the param."""
        from netspec.kernels import copy

        yield Call(copy.copy, run.param[0], run.top[0])

    def backward(self, run: Run) -> Calls:
        """The top's diff is the param's."""
        from netspec.kernels import copy

        if run.param_diff[0] is not None:
            yield Call(copy.accumulate if run.param_add[0] else copy.copy, run.top_diff[0], run.param_diff[0])

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The param's value."""
        yield Term(arrays.params[0][index]).at("y", index)
