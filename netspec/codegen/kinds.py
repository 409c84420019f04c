"""Kinds of arguments that kernels take, as the annotations of their parameters say them.

Arrays are of the net's number type unless a kind names another.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[Any]
Matrix = NDArray[Any]
Array3 = NDArray[Any]
Array4 = NDArray[Any]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]
Doubles = NDArray[np.float64]
Clock = NDArray[np.int64]
Double = float
"""A float64 scalar, whatever the net's number type; a plain `float` is of the net's type."""

Code = Any
"""Inside kernels the address (an int64) of something Compiled; in a Call the thing itself."""

Codes = Any
"""Inside kernels an array of such addresses; in a Call a tuple of things Compiled, None where there is none."""

REAL = {"Vector": 1, "Matrix": 2, "Array3": 3, "Array4": 4}
FIXED = {"Ints": "int32", "Bytes": "uint8", "Doubles": "float64", "Clock": "int64", "Codes": "int64"}


class Parameter(NamedTuple):
    """A parameter of a kernel, or a field `parameter.field` of a named tuple."""

    name: str
    kind: str
    record: Any = None
    fields: tuple[Any, ...] = ()

    def leaves(self) -> Iterator[Parameter]:
        """The parameter itself, or all that its fields consist of, in the descriptor's order."""
        return (leaf for field in self.fields for leaf in field.leaves()) if self.record else iter((self,))

    def rebuilt(self) -> str:
        """Python text that makes the parameter from variables named like its leaves."""
        fields = ", ".join(field.rebuilt() for field in self.fields)
        return f"{self.record.__name__}({fields})" if self.record else self.name.replace(".", "_")

    def records(self) -> dict[str, Any]:
        """The NamedTuple classes that `rebuilt` calls."""
        own = {self.record.__name__: self.record} if self.record else {}
        return own | {name: record for field in self.fields for name, record in field.records().items()}

    def flat(self, value: Any) -> list[Any]:
        """An argument's values, in the order of `leaves`. Raises TypeError where a named tuple is of another class."""
        if not self.record:
            return [value]
        if not isinstance(value, self.record):
            raise TypeError(f"'{self.name}' must be a {self.record.__name__}, not {type(value).__name__}")
        return [one for field, inner in zip(self.fields, value, strict=True) for one in field.flat(inner)]


def param_of(name: str, annotation: Any, space: dict[str, Any]) -> Parameter:
    """The parameter of a name and an annotation, which means what it does in the module of namespace `space`."""
    kind = str(getattr(annotation, "__forward_arg__", annotation))
    record = space.get(kind)
    if not (isinstance(record, type) and hasattr(record, "_fields")):
        return Parameter(name, kind)
    inside = vars(sys.modules[record.__module__])
    return Parameter(
        name, kind, record, tuple(param_of(f"{name}.{field}", a, inside) for field, a in record.__annotations__.items())
    )
