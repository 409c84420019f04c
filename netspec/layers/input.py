"""Input: blobs that are fed from outside. Source: Caffe input_layer.cpp."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, TypeAdapter, WithJsonSchema, model_validator

from netspec.core.calls import Calls, Run
from netspec.core.model import Aka, Listed, wrong
from netspec.core.receptive import NOTHING_SEEN, POINT, ReceptiveField
from netspec.core.shape import Shapes
from netspec.layers.base import MANY, NONE, NOTHING, Abilities, Arity, BatchAxes, Layer

_Size = Annotated[int, Field(gt=0, strict=True)]
_Sizes = Annotated[tuple[_Size, ...], Field(strict=True)]
_ONE: TypeAdapter[Any] = TypeAdapter(_Sizes)
_SIZES = {"type": "array", "items": {"type": "integer", "exclusiveMinimum": 0}, "minItems": 1}


def _one_or_many(value: Any) -> Any:
    """Turn one shape `[64, 1, 28, 28]` into a list of shapes; errors inside are left to the field's own check."""
    if isinstance(value, tuple) and (not value or () in value):
        raise wrong("`shape` must have at least one size", help="like [64, 1, 28, 28]")
    nested = isinstance(value, tuple) and any(isinstance(item, tuple) for item in value)
    return value if nested else (_ONE.validate_python(value),)


class Input(Layer):
    """Hold what the solver's data, or a caller, puts into the net.

    Bottom: none. Top: one or more blobs of the declared shapes; the batch size replaces `batch_axis`.
    """

    bottoms: ClassVar[Arity] = NONE
    tops: ClassVar[Arity] = MANY
    differentiable: ClassVar[bool] = False
    fed: ClassVar[bool] = True

    shape: Annotated[
        tuple[_Sizes, ...],
        BeforeValidator(_one_or_many),
        WithJsonSchema({"anyOf": [_SIZES, {"type": "array", "items": _SIZES, "minItems": 1}]}),
        Aka("dims"),
    ] = Field(description="One shape for all tops, or a list with one shape for each.")
    batch_axis: Listed[Annotated[int, Field(ge=0)]] = Field(
        (0,), description="The axis of the batch: one number for all tops, or one for each; 1 for T x N blobs."
    )

    @property
    def abilities(self) -> Abilities:
        """There is no backward."""
        return Abilities(reads=NOTHING)

    @model_validator(mode="after")
    def _check(self) -> Input:
        tops = len(self.top_names())
        if len(self.shape) not in {1, tops}:
            raise wrong(
                f"{len(self.shape)} shapes for {tops} top{'s' * (tops != 1)}",
                field="shape",
                help="give one shape for all, or one for each",
            )
        if len(self.batch_axis) not in {1, tops}:
            text = f"{len(self.batch_axis)} batch axes for {tops} top{'s' * (tops != 1)}"
            raise wrong(text, field="batch_axis", help="give one for all, or one for each")
        for shape, axis in zip(self.top_shapes(()), self.batch_axes((), ()), strict=True):
            if axis is not None and axis >= len(shape):
                raise wrong(f"{list(shape)} has no axis {axis}", field="batch_axis", help="axes count from 0")
        return self

    def identity(self) -> dict[str, Any]:
        """The shapes of a batch of one: the batch size is the feed's."""
        return super().identity() | {"shape": self.for_batch(self.top_shapes(()), 1)}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The declared shapes."""
        return self.shape if len(self.shape) > 1 else self.shape * len(self.top_names())

    def receptive_fields(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> tuple[ReceptiveField, ...]:
        """Each value of an image sees itself."""
        return tuple(POINT if len(shape) == 4 else NOTHING_SEEN for shape in self.top_shapes(bottoms))

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """The declared `batch_axis` of each top."""
        return self.batch_axis if len(self.batch_axis) > 1 else self.batch_axis * len(self.top_names())

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
