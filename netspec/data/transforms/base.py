"""Transforms: changes of a sample between its file and the net.

A result is a function of (sample, seed, epoch, index); of a transform that mixes samples, of the whole batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator

from netspec.core import rng
from netspec.core.calls import Phase
from netspec.core.model import Model
from netspec.core.rooms import Room
from netspec.core.shape import ANY, Shape, ShapeError, Shapes, text
from netspec.data.computed import Arrays
from netspec.data.dataset import Batch, Dataset, Outputs

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

    def one(self, number: int) -> Draw:
        """The draw of one sample of the batch."""
        return Draw(self.seed, self.epoch[number : number + 1], self.index[number : number + 1])

    def some(self, chosen: NDArray[np.bool_]) -> Draw:
        """The draw of the samples that are chosen, (N,)."""
        return Draw(self.seed, self.epoch[chosen], self.index[chosen])

    def many(self, purpose: str, number: int) -> NDArray[np.float64]:
        """Numbers in [0, 1) for each sample, (N, number)."""
        import numpy as np

        return rng.uniform(self.seed, purpose, self.epoch[:, None], self.index[:, None], np.arange(number)[None])

    def uniform(self, purpose: str) -> NDArray[np.float64]:
        """A number in [0, 1) for each sample, (N,), independent of the other samples in the batch."""
        return rng.uniform(self.seed, purpose, self.epoch, self.index)


Apply = Callable[["Array", Draw], "Array"]
"""A bound transform of the first output: a batch (N, *shape), which it leaves alone, to a batch (N, *output_shape)."""

ApplyAll = Callable[[Outputs, Draw], Outputs]
"""A bound transform: the outputs of a batch, which it leaves alone, to those that come out of it."""


Undo = Callable[["Array"], "Array"]
"""Brings values of an output, or predictions of it, back to the units before a transform: (N, ...) in float64."""


@dataclass(frozen=True)
class Setting:
    """The facts that a transform is bound to.

    `shapes` are those of the outputs of a sample that it gets, `real` the float type of the net, `stream` its own name
    among the transforms. `load` reads the .npy file of a path in the spec. `training` yields the outputs of all
    training samples as they arrive at this transform. `computed` is asked for what is computed over them, of the shape
    that is given: it calls the function where the arrays are not known yet. `data` are the data of this feed, of which
    a transform may look at `classes` and `masks`.
    """

    phase: Phase
    shapes: Shapes
    real: Real
    stream: str
    load: Callable[[str], Array]
    training: Callable[[], Iterator[Outputs]]
    computed: Callable[[Shape, Callable[[], Arrays]], Arrays]
    data: Dataset

    @property
    def shape(self) -> Shape:
        """The shape of the first output of a sample."""
        return self.shapes[0]


class Transform(Model):
    """One change of a sample: as a rule of its first output, by `output_shape` and `bind`.

    A transform that looks at other outputs, or makes other ones, overrides `output_shapes` and `bind_all` instead.
    """

    random: ClassVar[bool] = False
    """Whether TRAIN and TEST differ; what is computed over training data is computed as in TEST."""

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of a transformed sample. Raises ShapeError.

        A size may be ANY, which differs from sample to sample.
        """
        return shape

    def bind(self, setting: Setting) -> Apply:
        """The function that transforms a batch of the first output. Raises DataError.

        Where samples differ in size, it is called with one at a time, so it looks at the shape that it is given.
        """
        raise NotImplementedError

    @property
    def changes(self) -> frozenset[int]:
        """The outputs whose values it changes: labels among them are checked as they are read."""
        return frozenset({0})

    @property
    def softens(self) -> frozenset[int]:
        """The outputs of which it makes soft labels: a row of shares of the classes in place of a number."""
        return frozenset()

    def output_shapes(self, shapes: Shapes) -> Shapes:
        """The shapes of all outputs of a transformed sample. Raises ShapeError."""
        return (self.output_shape(shapes[0]), *shapes[1:])

    def bound_shapes(self, setting: Setting) -> Shapes:
        """The shapes of all outputs, where they depend on the training data too. Raises ShapeError, DataError."""
        return self.output_shapes(setting.shapes)

    def bind_all(self, setting: Setting) -> ApplyAll:
        """The function that transforms a batch. Raises DataError."""
        apply, equal = self.bind(setting), ANY not in self.output_shape(setting.shape)

        def first(batch: Outputs, draw: Draw) -> Outputs:
            x, *others = batch
            return (each(apply, x, draw, equal), *others)

        return first

    def undo(self, setting: Setting) -> Mapping[int, Undo]:
        """For outputs whose units it changes, and which may be targets, the function that brings their units back."""
        return {}


def each(apply: Apply, x: Batch, draw: Draw, equal: bool) -> Batch:
    """A bound transform of a batch; of samples that differ in size one after the other.

    `equal` says whether all come out in one size, as an array.
    """
    import numpy as np

    if not isinstance(x, list):
        return apply(x, draw)
    done = [apply(sample[None], draw.one(i)) for i, sample in enumerate(x)]
    return np.concatenate(done) if equal else [sample[0] for sample in done]


def image(shape: Shape, what: str) -> tuple[int, int, int]:
    """(C, H, W) of a sample that must be an image. Raises ShapeError."""
    if len(shape) != 3:
        help = "put the axis of channels in: array[:, None]" if len(shape) == 2 else None
        raise ShapeError(f"{what} takes images (C, H, W), but a sample is {text(shape)}", help=help)
    return shape[0], shape[1], shape[2]


TRANSFORMS: Room[Transform] = Room("netspec.data.transforms", Transform, "transform")

AnyTransform = Annotated[Transform, BeforeValidator(TRANSFORMS.parse)]
