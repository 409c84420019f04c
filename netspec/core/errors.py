"""Errors: their messages, places in a file, rendering, and exit codes.

Every error a user can cause is a `NetspecError` with a stable code, a place and a help line. A pass that can find
several mistakes collects them in a `Findings` and raises them together as one `Mistakes`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, Self

from netspec.core.places import Place
from netspec.core.snippet import folded, snippet
from netspec.core.visible import visible


class NetspecError(Exception):
    """A mistake that a user can mend.

    `message` says what was found, and `help` what to do. `at` is the place of the mistake; `related` holds other
    places, each with a word on it.
    """

    code: ClassVar[str] = "NS000"
    exit_code: ClassVar[int] = 1
    severity: ClassVar[Literal["error", "warning"]] = "error"

    def __init__(
        self,
        message: str,
        *,
        at: Place | None = None,
        help: str | None = None,
        related: Iterable[tuple[str, Place]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.help = help
        self.related = tuple(related)

    def __str__(self) -> str:
        return render(self)

    def changed(self, **attributes: Any) -> Self:
        """A copy with other attributes. An error that was raised is never changed itself."""
        result = copy.copy(self)
        result.__dict__.update(attributes)
        return result

    def at_place(self, place: Place | None) -> Self:
        """A copy with another place."""
        return self.changed(at=place)

    def errors(self) -> tuple[NetspecError, ...]:
        """This error alone; of `Mistakes` all its errors."""
        return (self,)


class UsageError(NetspecError):
    """The command line asks for something that does not exist."""

    code = "NS001"
    exit_code = 2


class SpecError(NetspecError):
    """A net or solver file is wrong."""

    exit_code = 3


class DataError(NetspecError):
    """Data are missing, broken, or do not fit the net."""

    code = "NS600"
    exit_code = 4


class DivergedError(NetspecError):
    """A loss or gradient is no longer finite."""

    code = "NS501"
    exit_code = 5


class CheckFailed(NetspecError):
    """A check that was asked for did not hold."""

    code = "NS502"
    exit_code = 6


class SnapshotError(NetspecError):
    """A snapshot cannot be read, or belongs to another net or solver."""

    code = "NS510"
    exit_code = 7


class MachineError(NetspecError):
    """The machine refused: disk full, no permission, folder in use."""

    code = "NS520"
    exit_code = 9


class Caution(NetspecError):
    """A warning: what it names runs, but surely not as it is meant. It is shown, and never raised alone."""

    exit_code = 0
    severity = "warning"


class NetspecWarning(UserWarning):
    """A Caution, as the Python API issues it."""


class Mistakes(NetspecError):
    """Several errors of one stage, and warnings, in the order of their places; `more` were found beyond them."""

    def __init__(self, errors: Iterable[NetspecError], more: int = 0) -> None:
        self._errors = tuple(errors)
        self.more = more
        warnings = sum(error.severity == "warning" for error in self._errors)
        counts = [(len(self._errors) - warnings, "error"), (warnings, "warning")]
        words = [f"{number} {word}{'s' * (number > 1)}" for number, word in counts if number]
        super().__init__(", ".join(words) + (f", and {more:,} more" if more else ""))

    @property
    def worst(self) -> NetspecError:
        """The error whose family decides the exit code: the first, before any warning."""
        return min(self._errors, key=lambda error: error.severity == "warning")

    def errors(self) -> tuple[NetspecError, ...]:
        """The single errors and warnings."""
        return self._errors

    def __str__(self) -> str:
        return "\n\n".join([*(render(error) for error in self._errors), self.message])


class Findings:
    """Collects the errors of a pass so that all are reported at once; beyond `MOST` they are only counted.

    Warnings are kept apart: they make nothing fail, and are raised only along with errors.
    """

    MOST = 1000

    def __init__(self) -> None:
        self._errors: list[NetspecError] = []
        self.warnings: list[NetspecError] = []
        self.more = 0

    def add(self, error: NetspecError) -> None:
        """Add an error or a warning, or each of a `Mistakes`."""
        self._extend([each for each in error.errors() if each.severity == "error"])
        self.warnings += [each for each in error.errors() if each.severity == "warning"]

    def _extend(self, errors: Sequence[NetspecError]) -> None:
        free = self.MOST - len(self._errors)
        self._errors.extend(errors[:free])
        self.more += len(errors[free:])

    @contextmanager
    def catching(self) -> Iterator[None]:
        """Add the error that the body raises, if any."""
        try:
            yield
        except NetspecError as error:
            self.add(error)

    def merge(self, other: Findings) -> None:
        """Add the errors of another pass over the same text, except those known here by code and place."""
        known = {(error.code, error.at) for error in self._errors if error.at}
        self._extend([error for error in other._errors if (error.code, error.at) not in known])

    @property
    def enough(self) -> bool:
        """Whether to suggest no more spellings: there are many errors, and a suggestion takes time in large nets."""
        return len(self._errors) >= 100

    def __bool__(self) -> bool:
        return bool(self._errors)

    def __len__(self) -> int:
        return len(self._errors)

    def __iter__(self) -> Iterator[NetspecError]:
        return iter(self._errors)

    def raise_if_any(self) -> None:
        """Raise the errors that were found: a single error as itself, several, or some with warnings, as `Mistakes`."""
        unique: dict[tuple[object, ...], NetspecError] = {}
        again: dict[tuple[object, ...], set[str]] = {}
        for error in self._errors:
            at = error.at
            written: tuple[object, ...] = (error.code, error.message, at)
            if at and at.how != "from":
                written = (error.code, at.source, at.line, at.column)
            first = unique.setdefault(written, error)
            if first.message != error.message:
                again.setdefault(written, set()).add(error.message)
        for written, messages in again.items():
            places = f"{len(messages):,} more {'place' if len(messages) == 1 else 'places'}"
            first = unique[written]
            unique[written] = first.changed(message=f"{first.message} (and so in {places} that it is expanded to)")
        if len(unique) == 1 and not self.warnings:
            raise next(iter(unique.values()))
        if unique:
            raise Mistakes(sorted([*unique.values(), *self.warnings], key=_reading_order), self.more)


def _reading_order(error: NetspecError) -> tuple[str, int, int]:
    return (error.at.source.name, error.at.line, error.at.column) if error.at else ("", 0, 0)


def exit_code(error: NetspecError) -> int:
    """The exit code of an error; of `Mistakes` that of its first error."""
    return error.worst.exit_code if isinstance(error, Mistakes) else error.exit_code


def render(error: NetspecError, width: int | None = None) -> str:
    """The error or warning as text: message, place, source line, caret, help. Shape taken from ruff.

    Source lines are cut to `width`, and sentences folded; places are left whole.
    """

    def said(text: str, indent: int) -> list[str]:
        return [text] if width is None else folded(text, width, " " * indent)

    lines = said(f"{error.severity}[{error.code}]: {_clipped(error.message)}", 4)
    places = [place for _, place in (("", error.at), *error.related) if place]
    margin = max((len(str(one.line)) for place in places for one in [place, *_expansions(place)]), default=1)
    if error.at:
        lines += _snippet(error.at, margin, width)
    for word, place in error.related:
        lines += said(f"{' ' * margin} = {_clipped(word)}", margin + 3) + _snippet(place, margin, width)
    if error.help:
        lines += said(f"{' ' * margin} = help: {_clipped(error.help)}", margin + len(" = help: "))
    return "\n".join(lines)


def _clipped(text: str, most: int = 800) -> str:
    """A text on one line, its middle cut out where it is very long, as when it quotes a very long name."""
    text = visible(text)
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-most // 4 :]}"


def _snippet(place: Place, margin: int, width: int | None) -> list[str]:
    pad = " " * margin
    lines = [f"{pad}--> {_clipped(str(place))}"]
    if place.line:
        room = None if width is None else width - margin - len(" | ")
        text, carets = snippet(place.source.line(place.line), place.column, place.length, room)
        lines += [f"{pad} |", f"{place.line:>{margin}} | {text}", f"{pad} | {carets}"]
    if place.via and place.how == "from":
        lines += [f"{pad} = from {outer}" for outer in place.chain]
    elif place.via:
        head, *rest = _snippet(place.via, margin, width)
        lines += [head.replace("-->", f" = {place.how}", 1), *rest]
    return lines


def _expansions(place: Place) -> list[Place]:
    """The places in the `via` chain whose lines are shown."""
    return [place.via, *_expansions(place.via)] if place.via and place.how != "from" else []
