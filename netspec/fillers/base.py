"""Fillers: the initial values of a param blob, as a function of its shape and a random stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from netspec.core.model import Model
from netspec.core.rooms import Room, snake
from netspec.core.shape import Shape, count

if TYPE_CHECKING:
    from numpy.random import Generator

VarianceNorm = Literal["FAN_IN", "FAN_OUT", "AVERAGE"]


class Filler(Model):
    """Initial values of one param blob."""

    random: ClassVar[bool] = True

    @property
    def level(self) -> float | None:
        """The one value that it fills with; None where values differ."""
        return None

    def check(self, shape: Shape) -> None:
        """Raise ShapeError when this filler cannot fill `shape`."""

    def fill(self, shape: Shape, random: Generator) -> Any:
        """Values of `shape` in float64, drawn from `random` alone."""
        raise NotImplementedError


def fans(shape: Shape) -> tuple[float, float]:
    """(fan_in, fan_out) = (count/dim 0, count/dim 1); a vector's fan_out is its count. Source: Caffe filler.hpp."""
    total = count(shape)
    return (total / shape[0] if shape else 1.0), (total / shape[1] if len(shape) > 1 else float(total))


def fan(shape: Shape, norm: VarianceNorm) -> float:
    """The n that divides the variance: fan_in, fan_out, or their average."""
    fan_in, fan_out = fans(shape)
    return {"FAN_IN": fan_in, "FAN_OUT": fan_out, "AVERAGE": (fan_in + fan_out) / 2}[norm]


FILLERS: Room[Filler] = Room("netspec.fillers", Filler, "filler", snake)

AnyFiller = Annotated[Filler, BeforeValidator(FILLERS.parse)]
