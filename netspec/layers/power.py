"""Power: y = (shift + scale * x) ^ power. Source: Caffe power_layer.cpp.

Where power * scale is 0, y is constant and its gradient 0. The gradient is power * scale * (shift + scale * x) ^ (power - 1) everywhere
else; Caffe divides y by the base, which is NaN where the base is 0.
"""

from __future__ import annotations

from pydantic import Field, model_validator

from netspec.core.calls import Call, Calls, Run
from netspec.core.model import wrong
from netspec.core.shape import Shapes
from netspec.layers.base import ANY_LAYOUT, BOTTOM, NOTHING, Abilities, Layer


class Power(Layer):
    """Scale, shift and raise a blob to a power, element by element.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    power: float = Field(1.0, description="The exponent.")
    scale: float = Field(1.0, description="Factor on x.")
    shift: float = Field(0.0, description="What is added to scale * x.")

    @property
    def abilities(self) -> Abilities:
        """In place where the gradient does not depend on x, which backward then does not read."""
        linear = self.power == 1 or self.power * self.scale == 0
        return Abilities(layouts=ANY_LAYOUT, reads=NOTHING if linear else BOTTOM, in_place=linear)

    @model_validator(mode="after")
    def _check(self) -> Power:
        if self.scale == 0 and (
            (self.shift < 0 and not self.power.is_integer()) or (self.shift == 0 and self.power < 0)
        ):
            raise wrong(
                f"with `scale` 0 every value is {self.shift:g} ^ {self.power:g}, which is no number", field="scale"
            )
        return self

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        return bottoms

    def forward(self, run: Run) -> Calls:
        """One pass."""
        from netspec.kernels import activation, copy

        x, y = run.bottom[0], run.top[0]
        if self.power * self.scale == 0:
            yield Call(copy.fill, y, 1.0 if self.power == 0 else self.shift**self.power)
        elif self.power == 1:
            yield Call(activation.linear, x, y, self.scale, self.shift)
        elif self.power == 2:
            yield Call(activation.square_forward, x, y, self.scale, self.shift)
        else:
            yield Call(activation.power_forward, x, y, self.power, self.scale, self.shift)

    def backward(self, run: Run) -> Calls:
        """One pass over the bottom and the top's diff."""
        from netspec.kernels import activation, copy

        x, dy, dx = run.bottom[0], run.top_diff[0], run.bottom_diff[0]
        if dx is None:
            return
        if self.power * self.scale == 0:
            yield Call(copy.fill, dx, 0.0)
        elif self.power == 1:
            yield Call(activation.linear, dy, dx, self.scale, 0.0)
        elif self.power == 2:
            yield Call(activation.square_backward, x, dy, dx, self.scale, self.shift)
        else:
            yield Call(activation.power_backward, x, dy, dx, self.power, self.scale, self.shift)
