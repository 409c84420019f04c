"""Adding: sequences of random numbers, two of which are marked; the target is the sum of these two.

Whoever always says 1 has a mean squared error of 1/6. Source: Hochreiter & Schmidhuber 1997, section 5.4, with marks in
each half of the sequence as Arjovsky, Shah & Bengio 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from netspec.core import rng
from netspec.core.shape import Shapes, counted
from netspec.data.dataset import Dataset
from netspec.data.sources.base import Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]


class Adding(Source):
    """A sequence (T, 2) of numbers from 0 to 1 and marks, of which one in each half is 1, and the sum (1,)."""

    steps: int = Field(ge=2, le=10**6, description="Length of a sequence, T.")
    samples: int = Field(gt=0, description="Number of sequences.")
    seed: int = Field(1, ge=0, description="Other seeds give other sequences: a test needs one of its own.")

    @property
    def bundled(self) -> bool:
        """True: they are generated."""
        return True

    def open(self, base: Path | None) -> Dataset:
        """The sequences."""
        return _Sequences(self.steps, self.samples, self.seed)


@dataclass(frozen=True)
class _Sequences(Dataset):
    """Sequences, each drawn by its number when it is read."""

    steps: int
    samples: int
    seed: int

    @property
    def shapes(self) -> Shapes:
        """(T, 2) and (1,)."""
        return (self.steps, 2), (1,)

    def __len__(self) -> int:
        return self.samples

    def read(self, index: Index) -> tuple[Array, ...]:
        """Sequences (N, T, 2) and sums (N, 1)."""
        import numpy as np

        n, t = len(index), self.steps
        who = np.repeat(index, t)
        values = rng.uniform(self.seed, "value", who, np.tile(np.arange(t), n)).reshape(n, t)
        half = t // 2
        first = (rng.uniform(self.seed, "first mark", index) * half).astype(np.int64)
        second = half + (rng.uniform(self.seed, "second mark", index) * (t - half)).astype(np.int64)
        marks, row = np.zeros((n, t)), np.arange(n)
        marks[row, first] = marks[row, second] = 1
        sums = values[row, first] + values[row, second]
        return np.stack([values, marks], 2), sums[:, None]

    def describe(self) -> str:
        """How many, of which length."""
        return f"adding problem: {counted(self.samples, 'sequence')} of {counted(self.steps, 'step')}, seed {self.seed}"

    def name(self, index: int, output: int = 0) -> str:
        """The number of a sequence."""
        return f"sequence {index} of the adding problem"
