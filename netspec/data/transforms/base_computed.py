"""Base of transforms that compute over training data: means, deviations and the errors of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netspec.core.errors import DataError
from netspec.core.shape import ANY, Shape, ShapeError, count, text
from netspec.data.transforms.base import Setting

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array


class NotFiniteDataError(DataError):
    """What is computed over training data is not finite, as values are missing or infinite."""

    code = "NS647"


def check_finite(setting: Setting, number: int, what: str, *arrays: Array) -> None:
    """Raise NotFiniteDataError unless all arrays that were computed over an output are finite."""
    import numpy as np

    if not all(np.isfinite(array).all() for array in arrays):
        raise NotFiniteDataError(
            f"{what} of output {number} of the training data is not finite",
            help="values are missing or infinite: fill them first",
        )


def samples(setting: Setting, output: int) -> Iterator[Array]:
    """All training samples of an output, in arrays (n, ...) of samples of one shape."""
    for batch in setting.training():
        x = batch[output]
        if isinstance(x, list):
            yield from (sample[None] for sample in x)
        else:
            yield x


def moments(setting: Setting, output: int, axes: tuple[int, ...], what: str) -> tuple[Array, Array]:
    """Mean and deviation of an output over samples, and over some axes of a sample, which become 1; in float64.

    Batches are combined by their means and sums of squares (Chan, Golub & LeVeque 1983). The deviation divides by the
    number of values. Raises NotFiniteDataError.
    """
    import numpy as np

    across = (0, *(axis + 1 for axis in axes))
    values, mean, squares = 0, np.zeros(1), np.zeros(1)
    for x in samples(setting, output):
        more = count(x.shape[axis] for axis in across)
        own = x.mean(axis=across, dtype=np.float64, keepdims=True)
        spread = ((x - own) ** 2).sum(axis=across, keepdims=True)
        step, values = own - mean, values + more
        mean = mean + step * (more / values)
        squares = squares + spread + step**2 * (more * (values - more) / values)
    deviation = np.sqrt(squares / values)[0]
    check_finite(setting, output, what, mean, deviation)
    return mean[0], deviation


def features(shape: Shape, what: str, most: int | None = None) -> int:
    """F, the number of values of a sample, whatever its axes. Raises ShapeError."""
    if ANY in shape:
        raise ShapeError(
            f"{what} takes samples of one size, but these are {text(shape)}", help="Resize or Pad them first"
        )
    if most is not None and count(shape) > most:
        raise ShapeError(f"{what} takes samples of at most {most:,} values, but these have {count(shape):,}")
    return count(shape)
