"""GaussianNoise: y = x + sigma * g, each g a normal number with mean 0 and variance 1; while testing y = x.

Each g is a function of (seed, iteration, sub-iteration, index) alone; the index counts in the order N, C, H, W.
Source: Bishop 1995, "Training with noise is equivalent to Tikhonov regularization".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Phase, Run
from netspec.core.model import Aka
from netspec.core.shape import Shapes
from netspec.layers._drop import pixels_last
from netspec.layers.base import ANY_LAYOUT, NOTHING, Abilities, Layer, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Move


class GaussianNoise(Layer):
    """Add normal noise to every value while training; the gradient passes as it is.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "noise"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: noise, type: GaussianNoise, sigma: 0.2}
"""

    sigma: Annotated[float, Aka("stddev", "std", "scale")] = Field(
        0.1, ge=0, description="Standard deviation of the noise."
    )

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    @property
    def abilities(self) -> Abilities:
        """Backward reads nothing."""
        return Abilities(reads=NOTHING, layouts=ANY_LAYOUT, in_place=True)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's shape."""
        return bottoms

    def aliases(self, phase: Phase) -> bool:
        """While testing there is no noise, and the top is the bottom."""
        return phase == "TEST"

    def moves(self, phase: Phase) -> Move | None:
        """While testing, or where the noise is 0, the bottom itself."""
        return self._reshaped if phase == "TEST" or self.sigma == 0 else None

    def forward(self, run: Run) -> Calls:
        """Add the noise; nothing while testing."""
        from netspec.kernels import noise

        if run.phase == "TRAIN":
            x, y, drawing = run.bottom[0], run.top[0], (run.clock, run.seed % 2**63, self.sigma)
            channels = pixels_last(run)
            if channels is None:
                yield Call(noise.gaussian_noise, x, y, *drawing)
            else:
                yield Call(noise.gaussian_noise_channels_last, x, y, *drawing, *channels)

    def backward(self, run: Run) -> Calls:
        """The top's diff."""
        from netspec.kernels import copy

        if run.phase == "TRAIN" and run.bottom_diff[0] is not None:
            yield Call(copy.copy, run.top_diff[0], run.bottom_diff[0])
