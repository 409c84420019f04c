"""values: the initial values themselves, as written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from netspec.core.model import wrong
from netspec.core.shape import Shape, ShapeError, count, text
from netspec.fillers.base import Filler

if TYPE_CHECKING:
    from numpy.random import Generator


class Values(Filler):
    """Given numbers: nested lists of the param's shape, or one flat list of its count, last axis fastest."""

    random: ClassVar[bool] = False

    values: tuple[Any, ...] = Field(description="The numbers: nested lists of the param's shape, or a flat list.")

    @model_validator(mode="after")
    def _numbers(self) -> Values:
        for leaf in _leaves(self.values):
            if isinstance(leaf, bool) or not isinstance(leaf, (int, float)):
                raise wrong(f"`values` holds {leaf!r}, which is not a number", field="values")
        return self

    def check(self, shape: Shape) -> None:
        """Refuse a wrong count, or nested lists whose shape is not the param's."""
        given = _shape(self.values)
        if given is None:
            raise ShapeError("the lists of `values` differ in length or depth", field="values")
        if given != shape and given != (count(shape),):
            raise ShapeError(f"`values` is {text(given)}, but the param is {text(shape)}", field="values")

    def fill(self, shape: Shape, random: Generator) -> Any:
        """The numbers in `shape`."""
        import numpy as np

        return np.array(self.values, np.float64).reshape(shape)


def _shape(values: Any) -> Shape | None:
    """The shape of nested lists; None when they are ragged."""
    if not isinstance(values, tuple):
        return ()
    shapes = {_shape(value) for value in values}
    inner = shapes.pop() if shapes else ()
    return None if shapes or inner is None else (len(values), *inner)


def _leaves(values: Any) -> Iterator[Any]:
    """Everything in nested lists that is not a list."""
    if isinstance(values, tuple):
        for value in values:
            yield from _leaves(value)
    else:
        yield values
