"""The mean over the samples of a set. Source: Caffe tools/compute_image_mean.cpp."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import UsageError
from netspec.core.outputs import writing
from netspec.core.shape import ANY
from netspec.data.dataset import Dataset
from netspec.formats.blob_proto import write_blob

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class UnequalSizesError(UsageError):
    """Samples of different sizes have no mean."""

    code = "NS675"


_PIECE = 256


def mean(data: Dataset) -> Array:
    """The mean of the first output over all samples, of its shape; summed in float64 in the order of the samples."""
    import numpy as np

    if ANY in data.shapes[0]:
        help = (
            "`netspec data stats` has the mean of each channel, and {type: Normalize, computed: channel} takes it out"
        )
        raise UnequalSizesError("the samples differ in size, so they have no mean image", help=help)
    total = np.zeros(data.shapes[0])
    for start in range(0, len(data), _PIECE):
        x = np.asarray(data.read(np.arange(start, min(start + _PIECE, len(data))))[0])
        total += x.sum(axis=0, dtype=np.float64)
    return total / len(data)


def save(values: Array, path: Path) -> None:
    """Write a mean as .npy, or by any other name as Caffe's .binaryproto (1, C, H, W) of floats."""
    import numpy as np

    with writing(path):
        if path.suffix == ".npy":
            np.save(path, values.astype(np.float32))
        else:
            write_blob(path, values.astype(np.float32).reshape(1, *values.shape))
