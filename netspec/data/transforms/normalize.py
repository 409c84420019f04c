"""Normalize: y = (x - mean) / deviation, given or computed over the training data.

A computed deviation is that of all values, divided by their number, as in scikit-learn's StandardScaler; where it is 0
the values are constant, and y = x - mean. Source: LeCun et al. 1998, "Efficient BackProp", section 4.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from netspec.core.model import Aka, Listed, wrong
from netspec.core.shape import ANY, CHANNELS_FIRST, Shape, ShapeError, Shapes, channels_last, counted, text
from netspec.data.transforms.base import ApplyAll, Setting, Transform, each
from netspec.data.transforms.base_computed import moments
from netspec.data.transforms.base_soft import of_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from netspec.data.dataset import Outputs
    from netspec.data.transforms.base import Array, Draw, Undo


class Normalize(Transform):
    """Bring the values of an output to mean 0 and deviation 1: by channel of images, by feature of all else.

    Of a target that a net regresses on, say `output: 1`: predictions and scores are given back in its own units.
    """

    mean: Listed[float] | None = Field(None, description="One value, or one of each channel or feature.")
    deviation: Annotated[Listed[Annotated[float, Field(gt=0)]] | None, Aka("std", "stdev", "stddev", "scale")] = Field(
        None, description="One value, or one of each channel or feature."
    )
    computed: Literal["channel", "feature", "pixel", True] | None = Field(
        None,
        description="Both over the training data at this point: of each channel (the first axis), feature (the last), "
        "or pixel (every value); true: channels of images, else features.",
    )
    output: int = Field(0, ge=0, description="Which output of a sample, from 0: the samples themselves, or a target.")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = self.mean is not None or self.deviation is not None
        if given and self.computed:
            raise wrong("`computed` and given values exclude each other", field="computed", help="leave one out")
        if not given and not self.computed:
            raise wrong("there is no mean and no deviation", help="say `computed: true`, or `mean` and `deviation`")
        if self.mean == () or self.deviation == ():
            raise wrong("an empty list is no value", field="mean" if self.mean == () else "deviation")
        return self

    @property
    def changes(self) -> frozenset[int]:
        """The output."""
        return frozenset({self.output})

    def output_shapes(self, shapes: Shapes) -> Shapes:
        """The shapes as they are. Raises NoSuchOutputError, ShapeError when the number of values does not fit."""
        shape = of_output(shapes, self.output, "Normalize")
        if self.computed:
            if ANY in _kept(shape, self._over(shape)):
                fault = f"there is no mean of each {self.computed} of samples of {text(shape)}"
                raise ShapeError(fault, field="computed", help="Resize or Pad them first, or say `computed: channel`")
            return shapes
        for field in ("mean", "deviation"):
            values = getattr(self, field)
            size = _kept(shape, self._over(shape))
            if values is not None and len(values) not in {1, *size}:
                fault = f"{counted(len(values), 'value')} do not fit samples of {text(shape)}"
                turned = channels_last(shape) and len(values) == shape[-1]
                each = f", or {size[0]}" if size and size[0] != 1 else ""
                raise ShapeError(fault, field=field, help=CHANNELS_FIRST if turned else f"give one value{each}")
        return shapes

    def _over(self, shape: Shape) -> tuple[int, ...]:
        """The axes of a sample over which values have one mean."""
        kind = self.computed if isinstance(self.computed, str) else "channel" if len(shape) == 3 else "feature"
        axes = range(len(shape))
        if kind == "pixel" or not shape:
            return ()
        return tuple(axes[1:] if kind == "channel" else axes[:-1])

    def _known(self, setting: Setting) -> tuple[Array, Array]:
        """Mean and deviation in float64, in shapes that fit a sample. Raises DataError."""
        import numpy as np

        shape = setting.shapes[self.output]
        over = self._over(shape)
        if self.computed:
            wanted = tuple(1 if axis in over else size for axis, size in enumerate(shape))

            def compute() -> dict[str, Array]:
                mean, deviation = moments(setting, self.output, over, "the mean or deviation")
                return {"mean": mean, "deviation": deviation}

            found = setting.computed(wanted, compute)
            mean, deviation = found["mean"], found["deviation"]
            return mean, np.where(deviation > 0, deviation, 1.0)
        place = tuple(-1 if axis not in over else 1 for axis in range(len(shape)))

        def given(values: tuple[float, ...]) -> Array:
            return np.array(values).reshape(place if len(values) > 1 else [1] * len(shape))

        return given(self.mean or (0.0,)), given(self.deviation or (1.0,))

    def bind_all(self, setting: Setting) -> ApplyAll:
        """Subtraction and division in the net's float type."""
        import numpy as np

        mean, deviation = (np.asarray(a, setting.real) for a in self._known(setting))
        equal = ANY not in setting.shapes[self.output]

        def normal(x: Array, draw: Draw) -> Array:
            """x: (N, *shape) of any number type."""
            y: Array = np.subtract(x, mean, dtype=setting.real, casting="same_kind")
            y /= deviation
            return y

        def apply(batch: Outputs, draw: Draw) -> Outputs:
            outputs: list[Any] = list(batch)
            outputs[self.output] = each(normal, outputs[self.output], draw, equal)
            return tuple(outputs)

        return apply

    def undo(self, setting: Setting) -> Mapping[int, Undo]:
        """x = y deviation + mean."""
        import numpy as np

        mean, deviation = self._known(setting)

        def back(y: Array) -> Array:
            """y: (N, *shape), or (N, 1) of targets that are single numbers."""
            x: Array = y.astype(np.float64) * deviation + mean
            return x

        return {self.output: back}


def _kept(shape: Shape, over: tuple[int, ...]) -> Shape:
    """The sizes of the axes along which means differ."""
    return tuple(size for axis, size in enumerate(shape) if axis not in over)
