"""Legend: a short label for each of some runs, with the settings in which they differ."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from netspec.core.visible import cut, visible
from netspec.training.runs import RunRecord, is_running
from netspec.training.summary import differing, status

MOST_SETTINGS, LONGEST_VALUE, LONGEST = 4, 24, 100
"""Settings that a label has, characters of the value of each, and of the whole label."""


def labels(records: Sequence[RunRecord]) -> tuple[str, ...]:
    """A label for each run: its name, what differs from the other runs, and how it ended where it is not done."""
    names = names_of([record.path for record in records])
    settings = differing([record.config for record in records])
    return tuple(
        cut(f"{name}{_state(record)}{_differences(own, record)}", LONGEST)
        for name, record, own in zip(names, records, settings, strict=True)
    )


def names_of(paths: Sequence[Path]) -> list[str]:
    """The ends of paths by which these differ: the names of folders, with as much before them as is needed."""
    whole = [path.resolve().parts for path in paths]
    for steps in count(1):
        ends = [parts[-steps:] for parts in whole]
        if len({*ends}) == len({*whole}):
            break
    return [visible("/".join(end)) for end in ends]


def _state(record: RunRecord) -> str:
    word = status(record.events, is_running(record.path))
    return "" if word == "done" else f" ({word})"


def _differences(settings: Mapping[str, Any], record: RunRecord) -> str:
    """The settings of a run as the end of its label; many settings of a net are said by the net's name."""
    typed = {name.removesuffix(".type") for name in settings if name.endswith(".type")}
    settings = {name.removesuffix(".type"): value for name, value in settings.items() if not _within(name, typed)}
    of_net = {name: value for name, value in settings.items() if _within(f"{name}.", {"net"})}
    own = {name: value for name, value in settings.items() if name not in of_net}
    if len(of_net) > MOST_SETTINGS or "net" in of_net:
        of_net = {"net": record.environment.get("net", "")}
    shown = [f"{name.removeprefix('net.layers.')} {_said(value)}" for name, value in (of_net | own).items()]
    more = [f"{len(shown) - MOST_SETTINGS} more"] if len(shown) > MOST_SETTINGS else []
    return f": {', '.join(shown[:MOST_SETTINGS] + more)}" if shown else ""


def _within(name: str, above: set[str]) -> bool:
    """Whether a dotted name lies within one of others, but is not its `type`."""
    return not name.endswith(".type") and any(name.startswith(f"{one}.") for one in above)


def _said(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, Mapping) and isinstance(value.get("type"), str):
        value = value["type"]
    return cut(visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)), LONGEST_VALUE)
