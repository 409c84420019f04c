"""Spelling: the known word that was probably meant, a word that nothing else has, and values in words of an error."""

from __future__ import annotations

import difflib
from bisect import bisect
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import PurePath
from typing import Any


def enumerated(words: Sequence[str]) -> str:
    """Words in a sentence: a, b and c."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word of most similar spelling, if any. An ending that all share (`.yaml`) does not count."""
    return _nearest(word[:100], tuple(sorted(set(known))))


MANY = 1000
"""Most words that a word is compared with."""


@lru_cache(maxsize=1024)
def _nearest(word: str, names: tuple[str, ...]) -> str | None:
    ending = PurePath(word).suffix
    if ending and all(PurePath(name).suffix == ending for name in names):
        stem = _nearest(word.removesuffix(ending), tuple(name.removesuffix(ending) for name in names))
        return stem + ending if stem is not None else None
    if len(names) > MANY:  # a comparison takes time: keep the alphabetical neighbours
        place = bisect(names, word)
        names = names[max(0, place - MANY // 2) : place + MANY // 2]
    folded = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def suggest(word: str, known: Iterable[str]) -> str | None:
    """A help line that names the nearest known word, or lists them when they are few; None when neither helps."""
    names = sorted(set(known))
    near = nearest(word, names)
    if near is not None:
        return f"did you mean '{near}'?"
    return f"one of: {', '.join(names)}" if 0 < len(names) <= 40 else None


def unused(word: str, taken: Collection[str]) -> str:
    """The word, or where it is taken, the word with as many ' behind it as nothing else has."""
    while word in taken:
        word += "'"
    return word


def shown(value: Any) -> str:
    """A Python value in the words of an error, cut where it is long."""
    words = " ".join(repr(value).split())
    return words if len(words) <= 80 else f"{words[:60]}… ({type(value).__name__})"
