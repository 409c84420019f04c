"""What every value that a user writes is built on: a frozen pydantic model that refuses unknown fields and loose types."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError


class Model(BaseModel):
    """Base of all layers, fillers, policies, sources, transforms and specs."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True, protected_namespaces=()
    )

    @classmethod
    def path_fields(cls) -> list[str]:
        """The fields that hold paths, which are relative to the file they stand in."""
        return [
            name
            for name, info in cls.model_fields.items()
            if "PathMark" in repr(info.annotation) or _marked(info.metadata)
        ]


def _marked(metadata: list[Any]) -> bool:
    return any(isinstance(meta, PathMark) for meta in metadata)


def wrong(text: str, *, field: str | None = None, help: str | None = None) -> PydanticCustomError:
    """What a validator raises: a sentence, the field to point at, a hint. The schema pass gives it its place."""
    context = {"text": text, "field": field, "hint": help}
    return PydanticCustomError("netspec", "{text}", context)


def listed(value: Any) -> Any:
    """A single value where a list may stand: `bottom: conv1` is `bottom: [conv1]`."""
    return value if isinstance(value, tuple) or value is None else (value,)


T = TypeVar("T")

Listed = Annotated[tuple[T, ...], BeforeValidator(listed)]


class PathMark:
    """Marks a field that holds a path, written relative to the file it stands in."""

    def __repr__(self) -> str:
        return "PathMark"


SpecPath = Annotated[str, PathMark()]
