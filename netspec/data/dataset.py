"""Datasets: opened data. A sample is a function of (data, index) alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, TypeAlias

from netspec.core.shape import Shapes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]

Batch: TypeAlias = "Array | list[Array]"
"""One output of a batch: (N, *shape); of samples that differ in size a list of N arrays, each (*shape)."""

Outputs: TypeAlias = "tuple[Batch, ...]"
"""All outputs of a batch."""


class Dataset(ABC):
    """Opened data: samples by their index, counted from 0, each made of one or more outputs (image, label).

    Several threads may read at the same time.
    """

    ordered: bool = False
    """Whether a batch goes on where the last one ended, so that samples must come in their order, in whole batches."""

    readers: int = 1
    """Threads that read best at the same time: more than one where a sample costs much, such as a file to decode."""

    @property
    @abstractmethod
    def shapes(self) -> Shapes:
        """The shape of each output of one sample: ((1, 28, 28), ()).

        A size that differs from sample to sample is ANY: ((3, ANY, ANY), ()).
        """

    @property
    def masks(self) -> frozenset[int]:
        """The outputs that are pictures of labels, which are moved with the image of their sample; here none."""
        return frozenset()

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    @abstractmethod
    def read(self, index: Index) -> Outputs:
        """The samples at `index` (N,): each output (N, *shape), in the type it is stored in.

        Of an output whose shape has an ANY, a list of N arrays. The caller owns the arrays.
        """

    def read_through(self, index: Index) -> None:  # noqa: B027 - most data are read, or measured, when they are opened
        """Read the samples at `index` (N,) for nothing but to find what cannot be read. Raises DataError."""

    def in_batches(self, size: int) -> Dataset:
        """These data as batches of `size` samples want them: here as they are. Raises DataError."""
        return self

    def labels(self, output: int) -> Array | None:
        """All values of an output, (len, *shape); None where looking at them would cost much reading."""
        return None

    def classes(self, output: int) -> tuple[str, ...] | None:
        """The names of the classes 0, 1, ... that an output's labels are numbers of; None where they have none."""
        return None

    def digest(self) -> str | None:
        """A name for the content of these data, found without reading much: other content has another name.

        Sizes and times of files say enough. None where there is no cheap name: what is computed is not cached then.
        """
        return None

    def facts(self) -> dict[str, Any]:
        """What the source must know to read new samples as it read these, as values of JSON; here nothing.

        A snapshot keeps it: categories of columns, the characters of a text.
        """
        return {}

    def column(self, name: str) -> Array | None:
        """The values of a table's column, (len,), also of one that is no output; None where there is no such column."""
        return None

    def file(self, index: int) -> str | None:
        """The path of a sample's own file below its source's folder, with slashes; None where it has none."""
        return None

    def close(self) -> None:  # noqa: B027 - most data have nothing to close
        """Close what was opened; nothing is read any more. Here nothing."""

    @abstractmethod
    def describe(self) -> str:
        """One line: which data, from where, how many samples."""

    @abstractmethod
    def name(self, index: int, output: int = 0) -> str:
        """The name of one sample in messages: sample 17 of train-labels-idx1-ubyte.gz."""
