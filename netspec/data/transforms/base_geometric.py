"""Base of geometric transforms, which say where each pixel of their result comes from.

A transform is a `Move` of each sample: the size that comes out, and a map from points of the result to points of what
it gets. Neighbours in a feed are composed: all maps become a single one, and the image is resampled once, by the
kernels of `data/resample.py`. Points are (x, y); a pixel is a square of side 1, the first one from (0, 0) to (1, 1).

What one of them cuts off, a later one may show again: a photograph that is cut and then turned has no black corners.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from pydantic import AfterValidator, Field

from netspec.core import rng
from netspec.core.errors import DataError
from netspec.core.model import Aka, Listed, rising
from netspec.core.nodes import placed
from netspec.core.shape import ANY, Shape, ShapeError, Shapes, counted
from netspec.data import resample
from netspec.data.dataset import Batch, Outputs
from netspec.data.resample import SAME, Bend, Matrix, Size
from netspec.data.transforms.base import ApplyAll, Draw, Setting, Transform, image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IGNORED = 255
"""The label outside of label pictures, where a transform does not say otherwise."""


_MOST_PIXELS = 2**27
"""Pixels of a result: an image that is ten thousand times as wide as it is high may ask for more."""


class SmallImageError(DataError):
    """One of the images, which differ in size, is too small for what is cut out of it."""

    code = "NS644"
    field = "size"


class HugeResultError(DataError):
    """One of the images, which differ in size, would become too large to hold."""

    code = "NS645"
    field = "size"


class ByteFillError(DataError):
    """What fills images of whole numbers, such as bytes, is none that they can hold."""

    code = "NS646"
    field = "fill"


class Move(NamedTuple):
    """What a transform does to a sample: the size that comes out, and the map from there to the image."""

    size: Size
    map: Matrix | Bend = SAME


class Numbers:
    """The random numbers of a batch, each in [0, 1) for each sample; drawn when they are first asked for."""

    def __init__(self, draw: Draw, stream: str) -> None:
        self._draw, self._stream = draw, stream
        self._drawn: dict[str, list[float]] = {}

    def of(self, sample: int) -> Dice:
        """The numbers of one sample of the batch."""
        return Dice(self, sample)

    def one(self, name: str, sample: int) -> float:
        """The number of a name, which tells the choices of a transform apart."""
        if name not in self._drawn:
            self._drawn[name] = self._draw.uniform(f"{self._stream} {name}".rstrip()).tolist()
        return self._drawn[name][sample]

    def many(self, name: str, sample: int, count: int) -> NDArray[np.float64]:
        """Numbers of one name, (count,)."""
        import numpy as np

        epoch, index = (np.full(count, part[sample]) for part in (self._draw.epoch, self._draw.index))
        return rng.uniform(self._draw.seed, f"{self._stream} {name}", epoch, index, np.arange(count))


@dataclass(frozen=True)
class Dice:
    """The random numbers of one sample."""

    numbers: Numbers
    sample: int

    def __call__(self, name: str) -> float:
        """A number in [0, 1)."""
        return self.numbers.one(name, self.sample)

    def between(self, name: str, low: float, high: float) -> float:
        """A number from low to high, all equally likely."""
        return low + (high - low) * self(name)

    def many(self, name: str, count: int) -> NDArray[np.float64]:
        """Numbers in [0, 1), (count,)."""
        return self.numbers.many(name, self.sample, count)


class Geometric(Transform):
    """A transform that moves the pixels of an image, and of the label pictures of its sample."""

    exact: ClassVar[bool] = False
    """Whether it only ever copies whole pixels, by a `bind` of its own that needs no kernel."""

    def moved(self, size: Size, dice: Dice, phase: str) -> Move:
        """What is done to a sample of this size."""
        raise NotImplementedError

    def size_of(self, size: Size) -> Size:
        """The size that comes out, each side ANY where it differs from sample to sample. Raises ShapeError."""
        return size

    def outside(self) -> Outside | None:
        """The values of points outside the image; None where nothing is said of them."""
        return None

    def output_shape(self, shape: Shape) -> Shape:
        """The shape with its new size. Raises ShapeError when the sample is not an image."""
        c, height, width = image(shape, type(self).__name__)
        return (c, *self.size_of((height, width)))

    def bind_all(self, setting: Setting) -> Resampling:
        """The step that moves the image, and what the data call label pictures."""
        step = Step(self, setting.stream, setting.phase, None if not self.exact else super().bind_all(setting))
        shape, data = self.output_shape(setting.shape), setting.data
        return Resampling((step,), shape, data.masks, self.outside(), setting.real, data.name)


Span = Annotated[
    tuple[Annotated[float, Field(gt=0, le=100)], Annotated[float, Field(gt=0, le=100)]], AfterValidator(rising)
]
"""The least and the largest of a positive quantity."""


def around(values: tuple[float, ...]) -> tuple[float, float]:
    """The least and the largest value of a field that says one of both signs, or these two."""
    return (-abs(values[0]), abs(values[0])) if len(values) == 1 else (values[0], values[1])


class Outside(NamedTuple):
    """The values of points outside the image: one or one of each channel, and the label in label pictures."""

    fill: tuple[float, ...] = (0.0,)
    label: int = IGNORED


class Wobble(Geometric):
    """A random geometric transform that keeps the size of the image, in TRAIN only, and may look outside of it."""

    random: ClassVar[bool] = True

    probability: Annotated[float, Aka("p", "prob")] = Field(1.0, ge=0, le=1, description="Share of the images.")
    fill: Annotated[Listed[float], Aka("cval", "fill_value", "fillcolor")] = Field(
        (0.0,), min_length=1, description="The value outside the image: one, or one of each channel."
    )
    ignore_label: int = Field(IGNORED, description="The label outside of a label picture.")

    def outside(self) -> Outside:
        """`fill` and `ignore_label`."""
        return Outside(self.fill, self.ignore_label)

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the sample. Raises ShapeError when it is not an image, or has other channels than `fill`."""
        c, *_ = image(shape, type(self).__name__)
        if len(self.fill) not in {1, c}:
            text = f"{counted(len(self.fill), 'value')} of `fill` do not fit {counted(c, 'channel')}"
            raise ShapeError(text, field="fill", help="give one value, or one of each channel")
        return shape

    def moved(self, size: Size, dice: Dice, phase: str) -> Move:
        """The image as it is in TEST, and where the dice say so."""
        if phase == "TEST" or (self.probability < 1 and dice("probability") >= self.probability):
            return Move(size)
        return Move(size, self.wobbled(size, dice))

    def wobbled(self, size: Size, dice: Dice) -> Matrix | Bend:
        """The map from the result to the image."""
        raise NotImplementedError


class Step(NamedTuple):
    """One geometric transform of a group; `alone` is its own way to do it, of a transform that is exact."""

    transform: Geometric
    stream: str
    phase: str
    alone: Callable[[Outputs, Draw], Outputs] | None


@dataclass(frozen=True)
class Resampling:
    """Neighbouring geometric transforms, as a single step of a feed.

    `shape` is that of the first output, and `name` gives the name of a sample.
    """

    steps: tuple[Step, ...]
    shape: Shape
    masks: frozenset[int]
    outside: Outside | None
    real: Any
    name: Callable[[int], str]

    def joined(self, other: Resampling) -> Resampling | None:
        """Both as one step; None where they want other values outside the image."""
        if None not in (self.outside, other.outside) and self.outside != other.outside:
            return None
        outside = self.outside or other.outside
        return replace(self, steps=self.steps + other.steps, shape=other.shape, outside=outside)

    def __call__(self, batch: Outputs, draw: Draw) -> Outputs:
        """The images and label pictures of a batch, moved."""
        x, *_ = batch
        still = all(step.phase == "TEST" and isinstance(step.transform, Wobble) for step in self.steps)
        if still:
            return batch
        own = [step.alone for step in self.steps if step.alone is not None]
        if len(own) == len(self.steps) and not self.masks and not isinstance(x, list):
            for apply in own:
                batch = apply(batch, draw)
            return batch
        return self._resampled(batch, draw)

    def _resampled(self, batch: Outputs, draw: Draw) -> Outputs:
        x, *_ = batch
        equal, outside = ANY not in self.shape, self.outside or Outside()
        if x[0].dtype == "uint8":
            self._check_fill(outside)
        moves = list(self._moves([sample.shape[-2:] for sample in x], draw))
        done: list[Batch] = [resample.images(x, moves, outside.fill, equal, self.real), *batch[1:]]
        for output in sorted(self.masks & set(range(1, len(batch)))):
            done[output] = resample.labels(batch[output], moves, outside.label, equal)
        return tuple(done)

    def _check_fill(self, outside: Outside) -> None:
        """Raise an error where bytes cannot be the values outside."""
        wrong = [value for value in outside.fill if not 0 <= value <= 255]
        if wrong:
            asks = next(step.transform for step in self.steps if step.transform.outside() == outside)
            with placed(asks.written):
                raise ByteFillError(
                    f"`fill` is {wrong[0]:g}, but images are bytes here, from 0 to 255",
                    help="write this transform below one that makes real numbers, such as Scale",
                )

    def _move(self, step: Step, size: Size, dice: Dice, index: int) -> Move:
        """What a step does to a sample. Raises DataError where the sample is too small, or becomes too large."""
        with placed(step.transform.written):
            try:
                move = step.transform.moved(size, dice, step.phase)
            except ShapeError as error:
                raise SmallImageError(f"{self.name(index)}: {error.message}", help=error.help) from None
            if move.size[0] * move.size[1] > _MOST_PIXELS:
                both = f"{size[0]}x{size[1]}, and would become {move.size[0]}x{move.size[1]}"
                raise HugeResultError(
                    f"{self.name(index)} is {both}", help="give height and width, or leave this image out"
                )
            return move

    def _moves(self, sizes: Iterable[Size], draw: Draw) -> Iterable[tuple[Size, list[Matrix | Bend]]]:
        """Of each sample, the size that comes out and the maps from there, last one first, to the image."""
        numbers = [Numbers(draw, step.stream) for step in self.steps]
        for sample, size in enumerate(sizes):
            maps: list[Matrix | Bend] = []
            for step, number in zip(self.steps, numbers, strict=True):
                move = self._move(step, size, number.of(sample), int(draw.index[sample]))
                size = move.size
                last = maps[-1] if maps else SAME
                if isinstance(last, tuple) and isinstance(move.map, tuple):
                    maps[-1:] = [product(last, move.map)]
                else:
                    maps.append(move.map)
            yield size, maps[::-1]


def join(steps: list[ApplyAll], step: ApplyAll) -> None:
    """Add a step to those of a feed; neighbours that are geometric become a single one."""
    last = steps[-1] if steps else None
    both = last.joined(step) if isinstance(last, Resampling) and isinstance(step, Resampling) else None
    if both is None:
        steps.append(step)
    else:
        steps[-1] = both


def moved_shapes(shapes: Shapes, masks: frozenset[int]) -> Shapes:
    """The shapes of all outputs where label pictures have the image's new size, that of the first shape."""
    return tuple((*shape[:-2], *shapes[0][-2:]) if output in masks else shape for output, shape in enumerate(shapes))


def product(a: Matrix, b: Matrix) -> Matrix:
    """The map that does b first, then a."""
    return (
        a[0] * b[0] + a[1] * b[3] + a[2] * b[6],
        a[0] * b[1] + a[1] * b[4] + a[2] * b[7],
        a[0] * b[2] + a[1] * b[5] + a[2] * b[8],
        a[3] * b[0] + a[4] * b[3] + a[5] * b[6],
        a[3] * b[1] + a[4] * b[4] + a[5] * b[7],
        a[3] * b[2] + a[4] * b[5] + a[5] * b[8],
        a[6] * b[0] + a[7] * b[3] + a[8] * b[6],
        a[6] * b[1] + a[7] * b[4] + a[8] * b[7],
        a[6] * b[2] + a[7] * b[5] + a[8] * b[8],
    )


def box(size: Size, top: float, left: float, height: float, width: float) -> Move:
    """The move that brings a box of the image, in pixels, to a size."""
    a, b = width / size[1], height / size[0]
    return Move(size, (a, 0.0, left, 0.0, b, top, 0.0, 0.0, 1.0))


def about_centre(size: Size, xx: float, xy: float, yx: float, yy: float) -> Matrix:
    """The linear map x' = xx x + xy y, y' = yx x + yy y, where (0, 0) is the centre of the image."""
    v, u = size[0] / 2, size[1] / 2
    return (xx, xy, u - xx * u - xy * v, yx, yy, v - yx * u - yy * v, 0.0, 0.0, 1.0)


def turned(size: Size, degrees: float) -> Matrix:
    """The map of an image that is turned about its centre, counter-clockwise as it is seen."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return about_centre(size, c, -s, s, c)
