"""SubtractMean: y = x - mean, where the mean is given, or read from a file, or computed over the training data.

Source: Caffe's transform_param.mean_value and mean_file. In Caffe the mean belongs to the image before it is cropped.
Here it belongs to the samples as they arrive, so write SubtractMean before Crop to the same effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from netspec.core.errors import DataError
from netspec.core.model import Listed, SpecPath, wrong
from netspec.core.shape import ANY, CHANNELS_FIRST, Shape, ShapeError, channels_last, counted, text
from netspec.data.transforms.base import Apply, Setting, Transform

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw


class UnfitMeanError(DataError):
    """The mean in a file has another shape than the samples."""

    code = "NS612"
    field = "file"


class SubtractMean(Transform):
    """Subtract one value, or one value for each channel, or one for each pixel."""

    values: Listed[float] | None = Field(None, description="One value, or one of each channel.")
    file: SpecPath | None = Field(None, description="A .npy file: (C, H, W) like the samples, or (C,).")
    computed: Literal["channel", "pixel", True] | None = Field(
        None,
        description="The mean of the training data at this point: of each channel, or of each pixel (also `true`).",
    )

    @model_validator(mode="after")
    def _one_mean(self) -> Self:
        given = [name for name in ("values", "file", "computed") if getattr(self, name)]
        if len(given) != 1:
            both = f"{' and '.join(f'`{name}`' for name in given)} exclude each other" if given else "there is no mean"
            raise wrong(both, field=given[-1] if given else None, help="give one of `values`, `file` and `computed`")
        return self

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the sample. Raises ShapeError when the number of values is neither 1 nor C."""
        if self.values and len(self.values) not in {1, *shape[:1]}:
            several = f", or {shape[0]}: one of each channel" if shape and shape[0] > 1 else ""
            fault = f"{counted(len(self.values), 'value')} do not fit samples of {text(shape)}"
            turned = channels_last(shape) and len(self.values) == shape[2]
            raise ShapeError(fault, field="values", help=CHANNELS_FIRST if turned else f"give one value{several}")
        if self.computed and ANY in shape:
            help = "Resize or Pad them first, or take Normalize: it has a mean of each channel"
            raise ShapeError(f"there is no mean of samples of {text(shape)}", field="computed", help=help)
        return shape

    def bind(self, setting: Setting) -> Apply:
        """Subtraction in the net's float type. Raises UnfitMeanError."""
        import numpy as np

        mean = self._mean(setting).astype(setting.real)
        if mean.ndim == 1 and len(setting.shape) > 1:
            mean = mean.reshape(-1, *[1] * (len(setting.shape) - 1))

        def apply(x: Array, draw: Draw) -> Array:
            """x: (N, *shape) of any number type."""
            y: Array = np.subtract(x, mean, dtype=setting.real, casting="same_kind")
            return y

        return apply

    def _mean(self, setting: Setting) -> Array:
        """The mean: (1,), (C,) or the shape of a sample."""
        import numpy as np

        if self.values:
            return np.array(self.values)
        if self.file is None:
            by_channel = self.computed == "channel"
            shape = setting.shape[:1] if by_channel else setting.shape
            return setting.computed(shape, lambda: {"mean": mean_of(setting, by_channel)})["mean"]
        mean = setting.load(self.file)
        if mean.shape not in {setting.shape, setting.shape[:1]} or mean.dtype.kind not in "iuf":
            raise UnfitMeanError(
                f"'{self.file}' holds a mean of {text(mean.shape)} ({mean.dtype}), "
                f"but a sample is {text(setting.shape)} here",
                help="Crop before or after makes a difference" if mean.ndim == len(setting.shape) else None,
            )
        return mean


def mean_of(setting: Setting, by_channel: bool) -> Array:
    """The mean over all training samples: (C,) or the shape of a sample.

    It is summed in float64, sample by sample in their order.
    """
    import numpy as np

    total, samples = np.zeros(setting.shape), 0
    for x, *_ in setting.training():
        assert not isinstance(x, list)
        total += x.sum(axis=0, dtype=np.float64)
        samples += len(x)
    mean: Array = total / samples
    return mean.reshape(mean.shape[0], -1).mean(axis=1) if by_channel and mean.ndim else mean
