"""Rooms: packages whose modules hold one class each, selected in YAML by a word.

File name and word are equal but for case and underscores (`inner_product.py` holds `InnerProduct`). So a word finds its
file without importing the others, and a new member needs only a new file. Installed packages add members by entry
points, and a user's own files by `--code`. Built-in members are looked up first, so that a net that uses no others does
not pay for them.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from netspec.core import plugins
from netspec.core.shape import per
from netspec.core.spelling import suggest

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T", bound="BaseModel")


def _same(word: str) -> str:
    return word


def snake(name: str) -> str:
    """PositiveUnitball -> positive_unitball."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class UnknownWord(ValueError):
    """No member of a room has this word; `hint` is a help line, such as the nearest word."""

    def __init__(self, word: str, room: str, hint: str | None) -> None:
        super().__init__(f"unknown {room} '{word}'")
        self.hint = hint


def _folded(word: str) -> str:
    return word.lower().replace("_", "")


class Room(Generic[T]):
    """The members of one package that derive from `base`, by the word that selects them in YAML."""

    every: ClassVar[list[Room[Any]]] = []
    """The rooms that have been imported; a class that derives from a room's base has imported the room."""

    def __init__(self, package: str, base: type[T], kind: str, word: Callable[[str], str] = _same) -> None:
        self.package, self.base, self.kind, self._word = package, base, kind, word
        self.added: dict[str, tuple[type[T], str]] = {}
        """By word: a class of a `--code` file or script, and the name of that file."""
        Room.every.append(self)

    @cache  # noqa: B019 - rooms live as long as the process
    def _files(self) -> dict[str, str]:
        path = importlib.import_module(self.package).__path__
        modules = (m.name for m in pkgutil.iter_modules(path) if not m.ispkg)  # a package inside is a room of its own
        names = (name for name in modules if name.partition("_")[0] not in ("base", ""))
        return {_folded(name): name for name in names}

    @cache  # noqa: B019
    def _load(self, file: str) -> type[T]:
        module = importlib.import_module(f"{self.package}.{file}")
        classes = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__]
        own = [cls for cls in classes if issubclass(cls, self.base) and cls.__name__.lower() == _folded(file)]
        if len(own) != 1:
            raise ImportError(f"{module.__name__} must hold one {self.base.__name__} named after the file")
        return own[0]

    @cache  # noqa: B019
    def _offers(self) -> dict[str, plugins.Offer]:
        """The offers of installed packages, by word. Raises PluginError."""
        found = plugins.offers(f"netspec.{self.package.rpartition('.')[2]}", self.kind)
        for word, offer in found.items():
            if _folded(word) in self._files():
                text = f"the package '{offer.package}' offers the {self.kind} '{word}', a word of netspec itself"
                raise plugins.PluginError(text, help=plugins.HELP)
        return found

    @cache  # noqa: B019
    def _built_in(self, word: str) -> type[T] | None:
        file = self._files().get(_folded(word))
        found = self._load(file) if file else None
        return found if found is not None and self.word(found) == word else None

    @cache  # noqa: B019
    def _plugin(self, word: str) -> type[T] | None:
        """The class that an installed package offers under a word. Raises PluginError."""
        offer = self._offers().get(word)
        if offer is None:
            return None
        found: type[T] = plugins.load(offer, self.base, self.kind)
        if self.word(found) != word:
            text = f"the package '{offer.package}' offers the {self.kind} '{word}', but its class goes by "
            raise plugins.PluginError(f"{text}'{self.word(found)}'", help=plugins.HELP)
        return found

    def get(self, word: str) -> type[T]:
        """The class that `word` selects. Raises UnknownWord, and PluginError where an installed package is wrong."""
        found = self._built_in(word) or self.added.get(word, (None,))[0] or self._plugin(word)
        if found is None:
            raise UnknownWord(word, self.kind, suggest(word, self.words()))
        return found

    def owner(self, word: str) -> str | None:
        """The owner of a word, for messages: netspec, a package, or the file that added it; None where it is free."""
        if _folded(word) in self._files():
            return "netspec"
        if word in self.added:
            return f"'{self.added[word][1]}'"
        offer = self._offers().get(word)
        return f"the package '{offer.package}'" if offer else None

    def word(self, member: type[T]) -> str:
        """The word that selects a member."""
        return self._word(member.__name__)

    def words(self) -> list[str]:
        """All words, in alphabetical order. Raises PluginError."""
        return sorted({*self._built_in_words(), *self.added, *self._offers()})

    @cache  # noqa: B019
    def _built_in_words(self) -> tuple[str, ...]:
        return tuple(self.word(self._load(file)) for file in self._files().values())

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

        def fail(
            kind: str, text: str, where: tuple[str, ...], hint: str | None = None, word: str | None = None
        ) -> ValidationError:
            problem = PydanticCustomError("netspec", "{text}", {"text": text, "hint": hint, "word": word, "room": self})
            details = InitErrorDetails(type=problem, loc=where, input=value)
            return ValidationError.from_exception_data(kind, [details])

        if not isinstance(fields, dict):
            raise fail(self.kind, f"{per(self.kind)} is a word or a mapping with `type`", (), suggest("", self.words()))
        word = fields.get("type")
        if not isinstance(word, str):
            raise fail(self.kind, f"{per(self.kind)} needs a `type`", (), suggest("", self.words()))
        try:
            member = self.get(word)
        except UnknownWord as unknown:
            raise fail(self.kind, str(unknown), () if value is not fields else ("type",), unknown.hint, word) from None
        return member.model_validate({k: v for k, v in fields.items() if k != "type"})
