"""Scale: y = factor * x. Source: Caffe's transform_param.scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from netspec.data.transforms.base import Apply, Setting, Transform

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw


class Scale(Transform):
    """Multiply every value: 0.00390625 = 1/256 brings bytes into [0, 1)."""

    factor: float = Field(description="What every value is multiplied by.", allow_inf_nan=False)

    def bind(self, setting: Setting) -> Apply:
        """Multiplication in the net's float type."""
        import numpy as np

        factor = setting.real(self.factor)

        def apply(x: Array, draw: Draw) -> Array:
            """x: (N, ...) of any number type."""
            return np.multiply(x, factor, dtype=setting.real, casting="same_kind")

        return apply
