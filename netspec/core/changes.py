"""Changes: the differences between two plain values, such as nets or solvers, each at its path.

Entries of a list that have names, such as layers, are compared by name. What a file may write in two ways is compared
as what it means: a word and a mapping with that `type`, a value and a list of it alone, nothing and an empty mapping.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from netspec.core.visible import visible

_STEP, _WORD = re.compile(r"[^\s.='\"\[\]]+"), re.compile(r"[^\s,'\"\[\]{}]+")
"""A step of a path, and a text, that stand without quotes."""
_WIDEST = 60
"""Most characters of a value in a text."""

Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class Change:
    """A value that differs: its path, and the value before and after; None where there was or is none.

    A list whose named entries are in another order is a change from their names to their names.
    """

    path: Steps
    before: Any
    after: Any

    @property
    def kind(self) -> Literal["added", "removed", "changed"]:
        """What happened to the value."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    def __str__(self) -> str:
        path, kind = dotted(self.path), self.kind
        if kind == "changed":
            return f"{path}: {_said(self.before)} -> {_said(self.after)}"
        return f"{path}: {kind} ({_said(self.after if kind == 'added' else self.before)})"


Changes = tuple[Change, ...]


def compare(before: Any, after: Any, path: Steps = ()) -> Changes:
    """What has changed between two plain values, in their order; `path` is where they stand."""
    if isinstance(before, dict) and isinstance(after, dict):
        return tuple(
            one for key in _together(before, after) for one in _compare(before.get(key), after.get(key), (*path, key))
        )
    return _compare(before, after, path)


def _compare(before: Any, after: Any, path: Steps) -> Changes:
    before, after = _absent(before), _absent(after)
    if before is None or after is None:
        return () if before is after else (Change(path, before, after),)
    before, after = _mapped(before, after), _mapped(after, before)
    if isinstance(before, dict) and isinstance(after, dict):
        return compare(before, after, path)
    if _is_list(before) or _is_list(after):
        return _lists(_listed(before), _listed(after), path)
    equal = before == after and isinstance(before, bool) == isinstance(after, bool)
    return () if equal else (Change(path, before, after),)


def dotted(path: Steps) -> str:
    """A path as the command line has it; a step that is no plain word stands in double quotes."""
    steps = (str(step) for step in path)
    return visible(".".join(step if _STEP.fullmatch(step) else json.dumps(step, ensure_ascii=False) for step in steps))


def lines(changes: Iterable[Change], most: int | None = None) -> list[str]:
    """Changes as texts, `most` of them, and how many more there are."""
    texts = [str(change) for change in changes]
    rest = len(texts) - (most or len(texts))
    return texts if rest <= 0 else [*texts[:most], f"and {rest} more"]


def _absent(value: Any) -> Any:
    """None for what says nothing: None itself, and an empty mapping or list."""
    return None if value in (None, {}, [], ()) else value


def _mapped(value: Any, other: Any) -> Any:
    """A word beside a mapping, as the mapping that it stands for."""
    return {"type": value} if isinstance(value, str) and isinstance(other, dict) and "type" in other else value


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _listed(value: Any) -> list[Any]:
    return list(value) if _is_list(value) else [value]


def _together(before: Iterable[str], after: Iterable[str]) -> list[str]:
    """The keys of both in order: a new key stands after the key that it follows, and after what was removed there."""
    keys, wanted, place = list(before), list(after), 0
    old, new = set(keys), set(wanted)
    for key in wanted:
        if key in old:
            place = keys.index(key) + 1
            continue
        while place < len(keys) and keys[place] not in new:
            place += 1
        keys.insert(place, key)
        place += 1
    return keys


def _lists(before: list[Any], after: list[Any], path: Steps) -> Changes:
    ours, theirs = _by_name(before), _by_name(after)
    if ours is not None and theirs is not None:
        stayed = [key for key in ours if key in theirs], [key for key in theirs if key in ours]
        moved = () if stayed[0] == stayed[1] else (Change(path, *map(tuple, stayed)),)
        return (*compare(ours, theirs, path), *moved)
    if len(before) != len(after) or not any(isinstance(item, (dict, list, tuple)) for item in (*before, *after)):
        return () if before == after else (Change(path, before, after),)
    pairs = enumerate(zip(before, after, strict=True))
    return tuple(change for i, (one, two) in pairs for change in _compare(one, two, (*path, i)))


def _by_name(items: list[Any]) -> dict[str, Any] | None:
    """A list of mappings with names of their own, by name; None for any other list."""
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if not all(isinstance(name, str) for name in names) or len({*names}) < len(names):
        return None
    return {str(item["name"]): {key: value for key, value in item.items() if key != "name"} for item in items}


def _said(value: Any) -> str:
    """A value in few words: of a mapping with a type that type."""
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        return _said(value["type"])
    if isinstance(value, str):
        text = value if _WORD.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    elif _is_list(value) and all(isinstance(item, str) for item in value):
        text = f"[{', '.join(map(_said, value))}]"
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return visible(text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…")
