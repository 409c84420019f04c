"""Transforms: changes of an image between its file and the net.

A result is a function of (sample, seed, epoch, index).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator

from netspec.core import rng
from netspec.core.calls import Phase
from netspec.core.model import Model
from netspec.core.rooms import Room
from netspec.core.shape import Shape, ShapeError, text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]
    Real = type[np.float32] | type[np.float64]


@dataclass(frozen=True)
class Draw:
    """The epoch and the index of each sample of a batch, (N,): together they key every random choice."""

    seed: int
    epoch: Index
    index: Index

    def uniform(self, purpose: str) -> NDArray[np.float64]:
        """A number in [0, 1) for each sample, (N,), independent of the other samples in the batch."""
        return rng.uniform(self.seed, purpose, self.epoch, self.index)


Apply = Callable[["Array", Draw], "Array"]
"""A bound transform: a batch (N, *shape), which it leaves alone, to a batch (N, *output_shape)."""


@dataclass(frozen=True)
class Setting:
    """The facts that a transform is bound to.

    `shape` is that of the samples it gets, `real` the float type of the net, `stream` its own name among the
    transforms. `load` reads the .npy file of a path in the spec. `training` yields all training samples as they arrive
    at this transform, (N, *shape).
    """

    phase: Phase
    shape: Shape
    real: Real
    stream: str
    load: Callable[[str], Array]
    training: Callable[[], Iterator[Array]]


class Transform(Model):
    """One change to the first output of a source."""

    random: ClassVar[bool] = False
    """Whether TRAIN and TEST differ; what is computed over training data is computed as in TEST."""

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of a transformed sample. Raises ShapeError."""
        return shape

    def bind(self, setting: Setting) -> Apply:
        """The function that transforms a batch. Raises DataError."""
        raise NotImplementedError


def image(shape: Shape, what: str) -> tuple[int, int, int]:
    """(C, H, W) of a sample that must be an image. Raises ShapeError."""
    if len(shape) != 3:
        help = "put the axis of channels in: array[:, None]" if len(shape) == 2 else None
        raise ShapeError(f"{what} takes images (C, H, W), but a sample is {text(shape)}", help=help)
    return shape[0], shape[1], shape[2]


TRANSFORMS: Room[Transform] = Room("netspec.data.transforms", Transform, "transform")

AnyTransform = Annotated[Transform, BeforeValidator(TRANSFORMS.parse)]
