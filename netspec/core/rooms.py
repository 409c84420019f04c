"""Rooms: folders of equals, found by listing the folder, one class a file.

The file name is the word in lower case without underscores (`inner_product.py` holds `InnerProduct`), so a word finds its file
without importing the others, and a new file is all that a new member needs.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Generic, TypeVar

from netspec.core.spelling import suggest

T = TypeVar("T")


def _same(word: str) -> str:
    return word


def snake(name: str) -> str:
    """PositiveUnitball -> positive_unitball."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class UnknownWord(ValueError):
    """No member of a room answers to a word; `hint` suggests one."""

    def __init__(self, word: str, room: str, hint: str | None) -> None:
        super().__init__(f"unknown {room} '{word}'")
        self.hint = hint


class Room(Generic[T]):
    """The members of one package that derive from `base`, by the word that selects them in YAML."""

    def __init__(self, package: str, base: type[T], kind: str, word: Callable[[str], str] = _same) -> None:
        self.package, self.base, self.kind, self._word = package, base, kind, word

    @cache  # noqa: B019 - rooms live as long as the process
    def _files(self) -> dict[str, str]:
        path = importlib.import_module(self.package).__path__
        names = (m.name for m in pkgutil.iter_modules(path) if m.name != "base" and not m.name.startswith("_"))
        return {name.replace("_", ""): name for name in names}

    @cache  # noqa: B019
    def _load(self, file: str) -> type[T]:
        module = importlib.import_module(f"{self.package}.{file}")
        members = [
            c
            for _, c in inspect.getmembers(module, inspect.isclass)
            if issubclass(c, self.base) and c.__module__ == module.__name__
        ]
        own = [c for c in members if c.__name__.lower() == file.replace("_", "")]
        if len(own) != 1:
            raise ImportError(f"{module.__name__} must hold one {self.base.__name__} named after the file")
        return own[0]

    @cache  # noqa: B019
    def get(self, word: str) -> type[T]:
        """The class that `word` selects. Raises UnknownWord."""
        file = self._files().get(word.lower().replace("_", ""))
        found = self._load(file) if file else None
        if found is None or self.word(found) != word:
            raise UnknownWord(word, self.kind, suggest(word, self.words()))
        return found

    def word(self, member: type[T]) -> str:
        """The word that selects a member."""
        return self._word(member.__name__)

    def words(self) -> list[str]:
        """All words, in alphabetical order."""
        return list(self._sorted())

    @cache  # noqa: B019
    def _sorted(self) -> tuple[str, ...]:
        return tuple(sorted(self.word(self._load(file)) for file in self._files().values()))

    def members(self) -> list[type[T]]:
        """All classes, in the order of their words."""
        return [self.get(word) for word in self.words()]

    def parse(self, value: Any) -> Any:
        """A member from `{type: X, ...}` or the bare word `X`; for pydantic's BeforeValidator."""
        from pydantic import ValidationError
        from pydantic_core import InitErrorDetails, PydanticCustomError

        if isinstance(value, self.base):
            return value
        fields = {"type": value} if isinstance(value, str) else value

        def fail(kind: str, text: str, where: tuple[str, ...], hint: str | None = None) -> ValidationError:
            problem = PydanticCustomError("netspec", "{text}", {"text": text, "hint": hint})
            details = InitErrorDetails(type=problem, loc=where, input=value)
            return ValidationError.from_exception_data(kind, [details])

        if not isinstance(fields, dict):
            raise fail(self.kind, f"a {self.kind} is a word or a mapping with `type`", (), suggest("", self.words()))
        word = fields.get("type")
        if not isinstance(word, str):
            raise fail(self.kind, f"a {self.kind} needs a `type`", (), suggest("", self.words()))
        try:
            member = self.get(word)
        except UnknownWord as unknown:
            raise fail(self.kind, str(unknown), () if value is not fields else ("type",), unknown.hint) from None
        return member.model_validate({k: v for k, v in fields.items() if k != "type"})  # type: ignore[attr-defined]
