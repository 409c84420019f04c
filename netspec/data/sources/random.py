"""Random: samples of random bytes or numbers, to time a net and its transforms without data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from netspec.core import rng
from netspec.core.model import Listed
from netspec.core.shape import Shape, Shapes, count, counted, text
from netspec.data.dataset import Dataset
from netspec.data.sources.base import Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]


class Random(Source):
    """An array of random values, and a random label where there are classes; nothing can be learned from them."""

    shape: Listed[Annotated[int, Field(gt=0, le=2**24)]] = Field(description="The shape of a sample: [3, 224, 224].")
    samples: int = Field(gt=0, le=10**12, description="Number of samples.")
    classes: int | None = Field(
        None, gt=0, le=2**24, description="Number of classes; left out: the source has one output."
    )
    values: Literal["bytes", "uniform"] = Field(
        "bytes", description="Bytes 0..255 as of an image, or numbers from 0 to 1 in float32."
    )
    seed: int = Field(1, ge=0, description="Other seeds give other values.")

    @property
    def bundled(self) -> bool:
        """True: they are generated."""
        return True

    def open(self, base: Path | None) -> Dataset:
        """The samples."""
        return _Samples(tuple(self.shape), self.samples, self.classes, self.values, self.seed)


@dataclass(frozen=True)
class _Samples(Dataset):
    """Samples, each drawn by its number when it is read."""

    shape: Shape
    samples: int
    number: int | None
    values: str
    seed: int

    @property
    def shapes(self) -> Shapes:
        """The shape, and a label where there are classes."""
        return (self.shape,) if self.number is None else (self.shape, ())

    def __len__(self) -> int:
        return self.samples

    def read(self, index: Index) -> tuple[Array, ...]:
        """Samples (N, *shape), and labels (N,)."""
        import numpy as np

        x = np.empty((len(index), *self.shape), np.uint8 if self.values == "bytes" else np.float32)
        for row, number in zip(x, index.tolist(), strict=True):
            row[...] = self._sample(number)
        if self.number is None:
            return (x,)
        return x, (rng.uniform(self.seed, "label", index) * self.number).astype(np.int64)

    def _sample(self, number: int) -> Array:
        """One sample: raw words of its own stream, cut into bytes or into 24 bits."""
        import numpy as np

        size, bytes = count(self.shape), self.values == "bytes"
        stream = rng.generator(self.seed, "sample", number).bit_generator
        words = stream.random_raw(-(-size // (8 if bytes else 2)))
        if bytes:
            return words.astype("<u8").view(np.uint8)[:size].reshape(self.shape)
        halves = words.astype("<u8").view("<u4")[:size].reshape(self.shape)
        return (halves >> 8).astype(np.float32) * np.float32(2**-24)

    def describe(self) -> str:
        """How many, of which shape."""
        return f"random {self.values}: {counted(self.samples, 'sample')} of {text(self.shape)}, seed {self.seed}"

    def name(self, index: int, output: int = 0) -> str:
        """The number of a sample."""
        return f"random sample {index}"
