"""What Scale and Bias share: a smaller blob, learned or a second bottom, that is repeated over the other axes of x."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from netspec.layers.base import AnyFiller, Arity, Call, Constant, Filler, Layer, Run, Shape, ShapeError, Shapes
from netspec.model import wrong
from netspec.shape import axis_of, count


class Broadcast(Layer):
    """A layer that combines x with a blob whose shape is that of some of x's axes."""

    bottoms: ClassVar[Arity] = Arity(1, 2)

    axis: int = Field(1, description="First axis of x that the smaller blob stands at; negative counts from the end.")
    num_axes: int = Field(1, ge=-1, description="How many axes of x the learned blob has; -1: all from `axis` on, 0: it is one number.")
    filler: AnyFiller = Field(Constant(value=0.0), description="Initial values of the learned blob.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        for name in ("num_axes", "filler"):
            if not self.learned and name in self.model_fields_set:
                raise wrong(f"`{name}` describes a learned blob, but here it is the second bottom", field=name, help="leave it out")
        return self

    @property
    def learned(self) -> bool:
        """Whether the smaller blob is a param, not the second bottom."""
        return self.bottom is None or len(self.bottom) == 1

    def stands(self, bottoms: Shapes) -> tuple[int, Shape]:
        """(first axis, shape) of the smaller blob within x. Raises ShapeError."""
        x = bottoms[0]
        if self.learned:
            first = axis_of(self.axis, x)
            last = len(x) if self.num_axes == -1 else first + self.num_axes
            if last > len(x):
                raise ShapeError(f"{{bottom[0]}} has no {self.num_axes} axes from axis {first} on", field="num_axes")
            return first, x[first:last]
        shape = bottoms[1]
        first = axis_of(self.axis, x) if shape else 0
        if x[first : first + len(shape)] != shape:
            raise ShapeError(
                f"{{bottom[1]}} is not like the axes of {{bottom[0]}} from axis {first} on",
                field="bottom.1",
                help="`axis` says where it stands",
            )
        return first, shape

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The first bottom's."""
        _, shape = self.stands(bottoms)
        if self.learned:
            check_filler(self.filler, shape)
        return (bottoms[0],)

    def around(self, run: Run) -> Shape:
        """(outer, C, inner) of x, with C the count of the smaller blob; a single number may stand anywhere."""
        bottoms = tuple(b.shape for b in run.bottom)
        x = bottoms[0]
        first, shape = self.stands(bottoms)
        if count(shape) == 1:
            return (x[0], 1, count(x[1:])) if x else (1, 1, 1)
        return count(x[:first]), count(shape), count(x[first + len(shape) :])


def affine(x: Any, w: Any, b: Any, y: Any) -> Call:
    """y = x * w + b for x (outer, C, inner), w and b (C,), one of which may be empty."""
    from netspec.kernels import norm

    outer, c, inner = x.shape
    if inner == 1:
        return Call(norm.affine_columns, x.reshape(outer, c), w, b, y.reshape(outer, c), parts=max(1, min(64, c // 64)))
    return Call(norm.affine, x, w, b, y.reshape(x.shape))


def check_filler(filler: Filler, shape: Shape) -> None:
    """Raise ShapeError at the field `filler` when it cannot fill a param of this shape."""
    try:
        filler.check(shape)
    except ShapeError as error:
        field = f"filler.{error.field}" if error.field else "filler"
        raise ShapeError(f"the filler: {error.message}", field=field, help=error.help) from None
