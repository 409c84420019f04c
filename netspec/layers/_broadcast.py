"""Base of Scale and Bias: a smaller blob, learned or a second bottom, is repeated over the other axes of x."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from netspec.core.calls import Workspace
from netspec.core.model import Aka, wrong
from netspec.core.shape import Shape, ShapeError, Shapes, axis_of, count, counted
from netspec.core.worked import LayerArrays, Term, Worked
from netspec.fillers.base import AnyFiller, Filler
from netspec.fillers.constant import Constant
from netspec.layers.base import ANY_LAYOUT, BOTTOM, Abilities, Arity, Layer
from netspec.lowering.channels import slots


class Broadcast(Layer):
    """A layer that combines x with a blob whose shape is that of some of x's axes."""

    bottoms: ClassVar[Arity] = Arity(1, 2)
    reads: ClassVar[frozenset[str]] = BOTTOM
    """The data that backward reads."""

    axis: Annotated[int, Aka("axes", "dim")] = Field(
        1, description="First axis of x that the smaller blob stands at; negative counts from the end."
    )
    num_axes: int = Field(
        1, ge=-1, description="How many axes of x the learned blob has; -1: all from `axis` on, 0: it is one number."
    )
    filler: AnyFiller = Field(Constant(value=0.0), description="Initial values of the learned blob.")

    @property
    def alone(self) -> bool:
        """Where the smaller blob is learned, and its axes lie behind the items."""
        return self.learned and (self.axis > 0 or not self.num_axes)

    @property
    def abilities(self) -> Abilities:
        """Any layout where the smaller blob stands at the channels alone, or is one number."""
        alone = self.axis in (1, -3) and self.learned and self.num_axes == 1
        anyhow = alone or (self.learned and self.num_axes == 0)
        return Abilities(layouts=ANY_LAYOUT if anyhow else ("NCHW",), reads=self.reads, stores=True)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        for name in ("num_axes", "filler"):
            if self.bottom is not None and len(self.bottom) == 2 and name in self.model_fields_set:
                raise wrong(
                    f"`{name}` describes a learned blob, but here it is the second bottom",
                    field=name,
                    help="leave it out",
                )
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
                raise ShapeError(
                    f"{{bottom[0]}} has no {counted(self.num_axes, 'axis', 'axes')} from axis {first} on",
                    field="num_axes",
                )
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
        """The first bottom's shape."""
        _, shape = self.stands(bottoms)
        if self.learned:
            check_filler(self.filler, shape)
        return (bottoms[0],)

    def around(self, bottoms: Shapes, layout: str) -> tuple[int, int, int]:
        """(outer, C, inner) of x as it lies in memory, with C the count of the smaller blob.

        A single number is repeated over all of x, wherever it stands.
        """
        x = bottoms[0]
        first, shape = self.stands(bottoms)
        if count(shape) == 1:
            return count(x), 1, 1
        if layout == "NHWC" and len(x) == 4:
            return x[0] * x[2] * x[3], x[1], 1
        return count(x[:first]), count(shape), count(x[first + len(shape) :])

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The value."""
        first, shape = self.stands(tuple(blob.shape for blob in arrays.bottoms))
        at = index[first : first + len(shape)]
        learned = [Term(param[at]) for param in arrays.params]
        met = learned if self.learned else [Term(arrays.bottoms[1][at]), *learned]
        yield self._combined(Term(arrays.bottoms[0][index]), met).at("y", index)

    def _combined(self, x: Term, met: list[Term]) -> Term:
        """The top's value, from x and the numbers of the smaller blobs that it meets."""
        return x * met[0] + met[1] if len(met) > 1 else x * met[0]

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Sums of pieces and of each channel; factors and constants of each slot of a row."""
        c = self.around(bottoms, "NCHW")[1]
        width, pieces = slots(c, count(bottoms[0]) // c)
        wide = {"wide": Workspace((2, width), fixed=True)}
        if not backward:
            return wide
        sums = {"partial": (pieces, 2, width), "sums": (2, c)}
        return wide | {name: Workspace(shape, "float64", use="backward") for name, shape in sums.items()}


def check_filler(filler: Filler, shape: Shape) -> None:
    """Raise ShapeError at the field `filler` when it cannot fill a param of this shape."""
    try:
        filler.check(shape)
    except ShapeError as error:
        field = f"filler.{error.field}" if error.field else "filler"
        raise ShapeError(f"the filler: {error.message}", field=field, help=error.help) from None
