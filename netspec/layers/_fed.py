"""Base of Input and MemoryData, whose tops a feed or a caller fills; and a field of shapes, one for each top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, TypeAdapter, WithJsonSchema

from netspec.core.calls import Calls, Run
from netspec.core.model import wrong
from netspec.core.receptive import NOTHING_SEEN, POINT, ReceptiveField
from netspec.core.shape import Shapes
from netspec.layers.base import NONE, NOTHING, Abilities, Arity, Layer

Size = Annotated[int, Field(gt=0, strict=True)]
_Sizes = Annotated[tuple[Size, ...], Field(strict=True)]
_ONE: TypeAdapter[Any] = TypeAdapter(_Sizes)
_SIZES = {"type": "array", "items": {"type": "integer", "exclusiveMinimum": 0}}


def _one_or_many(value: Any) -> Any:
    """Turn one shape `[64, 1, 28, 28]` into a list of shapes; errors inside are left to the field's own check."""
    nested = isinstance(value, tuple) and any(isinstance(item, tuple) for item in value)
    return value if nested else (_ONE.validate_python(value),)


AnyShapes = Annotated[
    tuple[_Sizes, ...],
    BeforeValidator(_one_or_many),
    WithJsonSchema({"anyOf": [_SIZES, {"type": "array", "items": _SIZES, "minItems": 1}]}),
]
"""A field that takes one shape for all tops, or a list with one for each."""


def one_for_each(shapes: Shapes, tops: int) -> None:
    """Refuse a number of shapes that is neither 1 nor that of the tops."""
    if len(shapes) not in {1, tops}:
        text = f"{len(shapes)} shapes for {tops} top{'s' * (tops != 1)}"
        raise wrong(text, field="shape", help="give one shape for all, or one for each")


def each(shapes: Shapes, tops: int) -> Shapes:
    """A shape for each top."""
    return shapes if len(shapes) > 1 else shapes * tops


class Fed(Layer):
    """A layer whose tops are filled from outside. A subclass says their shapes and their batch axes."""

    bottoms: ClassVar[Arity] = NONE
    differentiable: ClassVar[bool] = False
    fed: ClassVar[bool] = True

    @property
    def abilities(self) -> Abilities:
        """There is no backward."""
        return Abilities(reads=NOTHING)

    def receptive_fields(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> tuple[ReceptiveField, ...]:
        """Each value of an image sees itself."""
        return tuple(POINT if len(shape) == 4 else NOTHING_SEEN for shape in self.top_shapes(bottoms))

    def for_batch(self, tops: Shapes, batch: int) -> Shapes:
        """The shapes with the batch size in place of each batch axis."""
        pairs = zip(tops, self.batch_axes((), ()), strict=True)
        return tuple(tuple(batch if i == axis else size for i, size in enumerate(shape)) for shape, axis in pairs)

    def forward(self, run: Run) -> Calls:
        """No Calls."""
        yield from ()

    def backward(self, run: Run) -> Calls:
        """No Calls."""
        yield from ()
