"""gaussian: normally distributed values, optionally most of them 0. Source: Caffe filler.hpp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from netspec.core.model import Aka
from netspec.core.shape import Shape, ShapeError, counted, text
from netspec.fillers.base import Filler

if TYPE_CHECKING:
    from numpy.random import Generator


class Gaussian(Filler):
    """Normal numbers; with `sparse`, each is kept with probability sparse / dim 0, and is 0 otherwise."""

    mean: float = Field(0.0, description="Mean.")
    std: Annotated[float, Aka("stddev")] = Field(1.0, gt=0, description="Standard deviation.")
    sparse: int = Field(-1, ge=-1, description="Expected number of nonzero weights to each input; -1 keeps all.")

    @property
    def level(self) -> float | None:
        """0 where `sparse` keeps nothing."""
        return 0.0 if self.sparse == 0 else None

    def check(self, shape: Shape) -> None:
        """Refuse a `sparse` larger than the first axis."""
        if self.sparse >= 0 and self.sparse > (shape[0] if shape else 0):
            outputs = counted(shape[0] if shape else 0, "output")
            raise ShapeError(f"`sparse` {self.sparse} is more than the {outputs} of {text(shape)}", field="sparse")

    def fill(self, shape: Shape, random: Generator) -> Any:
        """Draws for every place of `shape`."""
        values = random.normal(self.mean, self.std, shape)
        return values * (random.random(shape) < self.sparse / shape[0]) if self.sparse >= 0 else values
