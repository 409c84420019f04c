"""Base of every value that a user writes: a frozen pydantic model that refuses unknown fields and loose types."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Self, TypeVar, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, PrivateAttr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

from netspec.core.nodes import Node, locate
from netspec.core.places import Place
from netspec.core.rooms import Room, UnknownWord


class Model(BaseModel):
    """Base of all layers, fillers, policies, sources, transforms and specs."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True, protected_namespaces=()
    )

    _written: Node | None = PrivateAttr(None)

    @property
    def written(self) -> Node | None:
        """The document node this value was read from; None where Python code made the value."""
        return self._written

    def read_from(self, node: Node | None) -> Self:
        """Remember the node that this instance was read from. Returns the instance."""
        self._written = node
        return self

    def place(self, *path: str | int, key: bool = False) -> Place | None:
        """The place of the value at `path`, or of the deepest written value around it; None without a document."""
        return None if self._written is None else locate(self._written, *path, key=key)


def wrong(text: str, *, field: str | None = None, help: str | None = None) -> PydanticCustomError:
    """The exception for a validator: a sentence, the field to point at, a hint. The schema pass adds the place."""
    context = {"text": text, "field": field, "hint": help}
    return PydanticCustomError("netspec", "{text}", context)


def listed(value: Any) -> Any:
    """Turn a single value into a tuple of one: `bottom: conv1` is `bottom: [conv1]`."""
    return value if isinstance(value, tuple) or value is None else (value,)


def rising(span: tuple[float, ...]) -> tuple[float, ...]:
    """The least and the largest value, in this order, as a validator of a field; of a single one nothing is asked."""
    if len(span) == 2 and span[0] > span[1]:
        raise wrong(f"it goes from {span[0]:g} down to {span[1]:g}", help="write the least first")
    return span


T = TypeVar("T")

Listed = Annotated[tuple[T, ...], BeforeValidator(listed)]


class Aka:
    """Names of a field in other programs. A user who writes such a name is told the field's own name."""

    def __init__(self, *names: str) -> None:
        self.names = names


def fields_of(cls: type[Any] | None) -> dict[str, FieldInfo]:
    """The fields of a model by the names that they are written with; of anything else none.

    A field has an alias where its name is a keyword of Python, like `from`.
    """
    return {info.alias or name: info for name, info in getattr(cls, "model_fields", {}).items()}


def leaves(value: object, *above: str | int) -> Iterator[tuple[tuple[str | int, ...], object]]:
    """The values inside the fields of a model, at any depth, each with its position; a named tuple is one value."""
    if isinstance(value, Model):
        for name, info in type(value).model_fields.items():
            yield from leaves(getattr(value, name), *above, info.alias or name)
    elif isinstance(value, tuple | dict) and not hasattr(value, "_fields"):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, *above, key)
    else:
        yield above, value


def known_as(cls: type[Any]) -> dict[str, str]:
    """Names of a model's fields in other programs, each with the field it means."""
    marks = [(name, mark) for name, info in fields_of(cls).items() for mark in info.metadata if isinstance(mark, Aka)]
    return {other: name for name, mark in marks for other in mark.names}


class Bounds:
    """Bounds of a number that hold for YAML alone: Caffe takes any number there, and so does what a prototxt says.

    A prototxt is validated with the context {"caffe": True}.
    """

    def __init__(self, *, ge: float | None = None, gt: float | None = None, lt: float | None = None) -> None:
        self.ge, self.gt, self.lt = ge, gt, lt

    def _check(self, value: float, info: core_schema.ValidationInfo[Any]) -> float:
        if info.context is None or not info.context["caffe"]:
            if self.ge is not None and not value >= self.ge:
                raise PydanticKnownError("greater_than_equal", {"ge": self.ge})
            if self.gt is not None and not value > self.gt:
                raise PydanticKnownError("greater_than", {"gt": self.gt})
            if self.lt is not None and not value < self.lt:
                raise PydanticKnownError("less_than", {"lt": self.lt})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        said = {"minimum": self.ge, "exclusiveMinimum": self.gt, "exclusiveMaximum": self.lt}
        return handler(schema) | {word: bound for word, bound in said.items() if bound is not None}


NotNegative = Annotated[float, Bounds(ge=0)]


class PathMark:
    """Marks a field that holds a path, written relative to the file it stands in."""


SpecPath = Annotated[str, PathMark()]


def class_of(info: FieldInfo, value: Any) -> type[Any] | None:
    """The model class of a field's value, by the room that its `type` selects from, or by the field's annotation."""
    marks = _marks(info)
    for room in (getattr(getattr(mark, "func", None), "__self__", None) for mark in marks):
        if isinstance(room, Room):
            first = value[0] if isinstance(value, tuple) and value else value
            word = first.get("type") if isinstance(first, dict) else first
            try:
                return room.get(str(word))
            except UnknownWord:
                return None
    return next((mark for mark in marks if isinstance(mark, type) and issubclass(mark, Model)), None)


def by_name(info: FieldInfo) -> bool:
    """Whether a field holds models by name; `class_of` gives the class of each."""
    return get_origin(info.annotation) is dict


def _marks(info: FieldInfo) -> list[Any]:
    """The types inside a field's annotation, and their `Annotated` metadata."""
    found: list[Any] = [info.annotation, *info.metadata]
    for mark in found:  # grows while it is walked
        found += [*get_args(mark), *getattr(mark, "__metadata__", ())]
    return found


def holds_paths(info: FieldInfo) -> bool:
    """Whether the texts of a field are paths."""
    return any(isinstance(mark, PathMark) for mark in _marks(info))


def spec_paths(cls: type[Any], values: Any, *above: str | int) -> Iterator[tuple[str | int, ...]]:
    """Positions of file paths among a model's plain values: ("data", "train", "source", "images").

    The values need not be valid.
    """
    for name, value in values.items() if isinstance(values, dict) else ():
        info = getattr(cls, "model_fields", {}).get(name)
        if info is None:
            continue
        several = isinstance(value, tuple)
        items = [((*above, name, i), item) for i, item in enumerate(value)] if several else [((*above, name), value)]
        if by_name(info) and isinstance(value, dict):
            items = [((*above, name, key), item) for key, item in value.items()]
        for path, item in items:
            if holds_paths(info) and isinstance(item, str):
                yield path
            else:
                yield from spec_paths(class_of(info, item) or object, item, *path)


def changed_at(value: Any, path: tuple[str | int, ...], change: Callable[[str], str]) -> Any:
    """A copy of plain values with the text at a position changed."""
    if not path:
        return change(value)
    step, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {key: changed_at(item, rest, change) if key == step else item for key, item in value.items()}
    return tuple(changed_at(item, rest, change) if i == step else item for i, item in enumerate(value))
