"""Toy: points in the plane in classes that a line cannot part, or can: xor, moons, circles, spirals and blobs.

Without noise, with t drawn evenly from 0 to 1, these are the points of the classes 0 and 1, or of class k of K:
  xor: the corners (1, 1), (-1, -1); the corners (-1, 1), (1, -1).
  moons: (cos pi t, sin pi t); (1 - cos pi t, 1/2 - sin pi t).
  circles: a point of the unit circle; half of such a point.
  spirals: a point at t of the way outward to 1, turned by 3/2 t + k / K of a whole turn.
  blobs: the point at k / K of a turn along the unit circle.

To each coordinate `noise` is added times twelve uniform numbers less 6: they have deviation 1, are nearly normal, and
no machine rounds them otherwise. Sines and cosines are added up here for the same reason: those of mathematical
libraries differ in the last bit. The moons and circles are those of scikit-learn, at random places instead of at equal
distances. A seed draws other samples of the same problem, so a test has the training's `kind` and another `seed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from netspec.core import rng
from netspec.core.model import wrong
from netspec.core.shape import Shapes, counted
from netspec.data.dataset import Dataset
from netspec.data.sources.base import Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]

_NAMES = {"xor": ("equal", "different"), "moons": ("upper", "lower"), "circles": ("outer", "inner")}
_PI = 3.141592653589793
_TERMS = 9
"""Terms of the series of sine and cosine: up to an eighth of a turn the next is below 1e-16."""


class Toy(Source):
    """A point (2,), and its class: the classes take turns from one sample to the next."""

    kind: Literal["xor", "moons", "circles", "spirals", "blobs"] = Field(description="Which figure.")
    samples: int = Field(gt=0, le=10**9, description="Number of points.")
    noise: float = Field(0.1, ge=0, description="Deviation of each coordinate from the figure.")
    classes: int | None = Field(
        None, ge=2, le=1000, description="Number of spirals (left out: 2) or blobs (left out: 3)."
    )
    seed: int = Field(1, ge=0, description="Other seeds give other points: a test needs one of its own.")

    @model_validator(mode="after")
    def _has_so_many(self) -> Self:
        if self.classes not in {None, 2} and self.kind in _NAMES:
            raise wrong(f"`{self.kind}` has two classes", field="classes", help="leave it out")
        return self

    @property
    def bundled(self) -> bool:
        """True: they are generated."""
        return True

    def open(self, base: Path | None) -> Dataset:
        """The points."""
        classes = self.classes or (3 if self.kind == "blobs" else 2)
        return _Points(self.kind, self.samples, self.noise, classes, self.seed)


@dataclass(frozen=True)
class _Points(Dataset):
    """Points, each drawn by its number when it is read."""

    kind: str
    samples: int
    noise: float
    number: int
    seed: int

    @property
    def shapes(self) -> Shapes:
        """(2,) and a label."""
        return (2,), ()

    def __len__(self) -> int:
        return self.samples

    def read(self, index: Index) -> tuple[Array, ...]:
        """Points (N, 2) and classes (N,)."""
        import numpy as np

        label = index % self.number
        point = np.stack(self._figure(index, label), 1)
        if self.noise:
            for axis in (0, 1):
                draws = [rng.uniform(self.seed, f"noise {axis} {draw}", index) for draw in range(12)]
                point[:, axis] += self.noise * (sum(draws[1:], draws[0]) - 6.0)
        return point, label

    def _figure(self, index: Index, label: Index) -> tuple[Array, Array]:
        """Both coordinates of the points without noise; index, label and each result: (N,)."""
        import numpy as np

        at = rng.uniform(self.seed, "place", index)
        if self.kind == "xor":
            side = np.where(at < 0.5, 1.0, -1.0)
            return np.where(label == 0, side, -side), side
        if self.kind == "moons":
            x, y = _turned(at / 2)
            return np.where(label == 0, x, 1 - x), np.where(label == 0, y, 0.5 - y)
        if self.kind == "circles":
            x, y = _turned(at)
            far = np.where(label == 0, 1.0, 0.5)
            return far * x, far * y
        if self.kind == "spirals":
            x, y = _turned(1.5 * at + label / self.number)
            return at * x, at * y
        return _turned(label / self.number)

    def labels(self, output: int) -> Array | None:
        """The classes in turn."""
        import numpy as np

        return np.arange(self.samples) % self.number if output == 1 else None

    def classes(self, output: int) -> tuple[str, ...] | None:
        """What the classes of the figure are called, or their numbers."""
        if output != 1:
            return None
        word = self.kind.removesuffix("s")
        return _NAMES.get(self.kind) or tuple(f"{word} {k}" for k in range(self.number))

    def describe(self) -> str:
        """The figure, and how many points."""
        return f"toy {self.kind}: {counted(self.samples, 'point')}, noise {self.noise:g}, seed {self.seed}"

    def name(self, index: int, output: int = 0) -> str:
        """The number of a point."""
        return f"point {index} of {self.kind}"


def _turned(turns: Array) -> tuple[Array, Array]:
    """Cosine and sine of an angle in whole turns, each (N,): with sums and products alone, so alike everywhere."""
    import numpy as np

    quarters = np.floor(turns * 4 + 0.5)
    angle = (turns - quarters / 4) * (2 * _PI)  # at most an eighth of a turn
    square = angle * angle
    cosine, sine = np.ones_like(angle), np.ones_like(angle)
    for k in range(_TERMS, 0, -1):
        cosine = 1 - square / ((2 * k - 1) * (2 * k)) * cosine
        sine = 1 - square / ((2 * k) * (2 * k + 1)) * sine
    sine = angle * sine
    quarter = quarters.astype(np.int64) % 4
    pairs = (cosine, sine), (-sine, cosine), (-cosine, -sine), (sine, -cosine)
    x = np.choose(quarter, [pair[0] for pair in pairs])
    y = np.choose(quarter, [pair[1] for pair in pairs])
    return x, y
