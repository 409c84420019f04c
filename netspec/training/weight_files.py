"""Weight files: those that a training starts from, as `weights` says them.

A path or a list of paths is Caffe's: later files over earlier; names that only a file or only the net has are passed
over, and a param of another shape is an error. Source: Caffe net.cpp (CopyTrainedLayersFrom), tools/caffe.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from netspec.core.errors import SnapshotError
from netspec.core.model import Listed, Model, PathMark, SpecPath, wrong
from netspec.net.graph import ParamKey


class RenamingError(SnapshotError):
    """New names for the arrays of a file that make two of them one, or are the name of no param."""

    code = "NS558"


class WeightFiles(Model):
    """Files of weights to start from."""

    files: Listed[SpecPath] = Field(min_length=1, description="Snapshots; later ones over earlier.")
    rename: dict[str, str] = Field(
        {},
        description="Names in the files and what the net calls them: layers, or layer.param; every * stands for any "
        "text. The first that fits counts.",
    )
    strict: bool | None = Field(
        None,
        description="true: every param and every array must be used; false: params of another shape are left out with "
        "a note. Left out: as in Caffe, names may differ, shapes may not.",
    )

    @field_validator("rename")
    @classmethod
    def _stars(cls, value: dict[str, str]) -> dict[str, str]:
        for old, new in value.items():
            if not old or not new:
                raise wrong("a name is empty")
            if old.count("*") != new.count("*"):
                raise wrong(f"`{old}` and `{new}` have different numbers of *", help='like `{"old_*": "new_*"}`')
        return value

    def renamed(self, keys: Iterable[ParamKey]) -> dict[ParamKey, ParamKey]:
        """The new name of each key of a file. Raises RenamingError."""
        rules = [(_pattern(old), new) for old, new in self.rename.items()]
        names = {key: _renamed(key, rules) for key in keys}
        owners: dict[ParamKey, ParamKey] = {}
        for old, new in names.items():
            if owners.setdefault(new, old) != old:
                raise RenamingError(f"`rename` makes '{owners[new]}' and '{old}' both '{new}'")
        return names

    def idle(self, keys: Iterable[ParamKey]) -> list[str]:
        """The names of `rename` that fit none of the keys of the files."""
        known = [*keys]
        return [old for old in self.rename if not any(map(_pattern(old).fullmatch, _names(known)))]


def _names(keys: Iterable[ParamKey]) -> Iterator[str]:
    """What a rule may fit: each layer.param, and each layer."""
    for key in keys:
        yield str(key)
        yield key.layer


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(map(re.escape, text.split("*"))), re.DOTALL)


def _renamed(key: ParamKey, rules: list[tuple[re.Pattern[str], str]]) -> ParamKey:
    """The new name of a key, by the first rule that fits its layer, or all of it."""
    for pattern, new in rules:
        if found := pattern.fullmatch(key.layer):
            return ParamKey(_filled(new, found), key.param)
        if found := pattern.fullmatch(str(key)):
            name = _filled(new, found)
            layer, _, param = name.rpartition(".")
            if not layer:
                raise RenamingError(f"`rename` calls '{key}' '{name}', which is no layer.param")
            return ParamKey(layer, param)
    return key


def _filled(new: str, found: re.Match[str]) -> str:
    """A new name with the texts that the old name had for each *."""
    first, *rest = new.split("*")
    return first + "".join(text + part for text, part in zip(found.groups(), rest, strict=True))


def _files(value: Any) -> Any:
    """A path or a list of paths as the files alone."""
    return {"files": value} if isinstance(value, (str, tuple)) else value


_PATHS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
_FORMS = {
    "anyOf": [
        *_PATHS["anyOf"],
        {
            "type": "object",
            "properties": {
                "files": {**_PATHS, "description": WeightFiles.model_fields["files"].description},
                "rename": {
                    "type": "object",
                    "additionalProperties": {"type": "string"},
                    "description": WeightFiles.model_fields["rename"].description,
                },
                "strict": {"type": "boolean", "description": WeightFiles.model_fields["strict"].description},
            },
            "required": ["files"],
            "additionalProperties": False,
        },
    ]
}

AnyWeightFiles = Annotated[WeightFiles, BeforeValidator(_files), WithJsonSchema(_FORMS), PathMark()]
"""WeightFiles, or a path or paths alone."""
