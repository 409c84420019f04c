"""uniform: every value equally likely between two bounds. Source: Caffe filler.hpp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, model_validator

from netspec.core.model import Aka, wrong
from netspec.core.shape import Shape
from netspec.fillers.base import Filler

if TYPE_CHECKING:
    from numpy.random import Generator


class Uniform(Filler):
    """Uniform numbers in [min, max)."""

    min: Annotated[float, Aka("low")] = Field(0.0, description="Lower bound.")
    max: Annotated[float, Aka("high")] = Field(1.0, description="Upper bound.")

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.min > self.max:
            raise wrong(
                f"`min` {self.min:g} is larger than `max` {self.max:g}",
                field="min" if "min" in self.model_fields_set else "max",
            )
        return self

    @property
    def level(self) -> float | None:
        """The bounds, where they are equal."""
        return self.min if self.min == self.max else None

    def fill(self, shape: Shape, random: Generator) -> Any:
        """Draws for every place of `shape`."""
        return random.uniform(self.min, self.max, shape)
