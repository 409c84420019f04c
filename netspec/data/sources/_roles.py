"""Which columns of a table are features, which the label, which targets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from netspec.core.shape import counted
from netspec.core.spelling import suggest
from netspec.data.sources._table import ColumnError, Table

Names = tuple[str | int, ...]
"""Columns by name, by number, or by a pattern."""


@dataclass(frozen=True)
class Wanted:
    """The columns of each role, as they are written."""

    label: str | int | None
    target: Names
    features: Names | None
    ignore: Names
    categories: Names


@dataclass(frozen=True)
class Roles:
    """Columns by their number: features, those of them that hold categories, the label if there is one, targets."""

    features: tuple[int, ...]
    categories: frozenset[int]
    label: int | None
    targets: tuple[int, ...]


def roles(table: Table, wanted: Wanted) -> Roles:
    """Which column of a table is what. Raises ColumnError."""
    _check_names(table)
    label = find(table, wanted.label, "label") if wanted.label is not None else None
    targets = _all(table, wanted.target, "target")
    taken = {column: "target" for column in targets} | ({label: "label"} if label is not None else {})
    if label in targets:
        raise ColumnError(
            f"column '{table.names[label or 0]}' is both label and target",
            help="a class is a `label`, a number a `target`",
        ).changed(field="target")
    ignored = set(_all(table, wanted.ignore, "ignore"))
    if wanted.features is None:
        features = tuple(c for c in range(len(table.names)) if c not in taken and c not in ignored)
        nameless = [c for c in features if not table.names[c]]
        if nameless:
            raise ColumnError(
                f"column {nameless[0]} of {table.title} has no name",
                help=f"`ignore: {nameless[0]}` leaves it out, as it should where it only numbers the rows",
            ).changed(field="file")
    else:
        features = tuple(c for c in _all(table, wanted.features, "features", taken) if c not in ignored)
    if not features:
        raise ColumnError(f"no column of {table.title} is left for the features").changed(field="features")
    categories = frozenset(_all(table, wanted.categories, "categories", taken))
    return Roles(features, categories & frozenset(features), label, targets)


def _check_names(table: Table) -> None:
    """Raise ColumnError where two columns have one name."""
    counts = Counter(table.names)
    twice = next((name for name in table.names if name and counts[name] > 1), None)
    if twice is not None:
        places = [str(i) for i, name in enumerate(table.names) if name == twice]
        raise ColumnError(
            f"columns {', '.join(places[:-1])} and {places[-1]} of {table.title} are both called '{twice}'",
            help="rename them; without its header a table's columns are called by their numbers, 0, 1, ...",
        ).changed(field="file")


def find(table: Table, wanted: str | int, field: str) -> int:
    """The number of a single column. Raises ColumnError."""
    found = _matching(table, wanted, field)
    if len(found) > 1:
        raise ColumnError(f"{counted(len(found), 'column')} match '{wanted}', where one is wanted").changed(field=field)
    return found[0]


def _matching(table: Table, wanted: str | int, field: str) -> list[int]:
    """The numbers of the columns that a name, number or pattern means. Raises ColumnError."""
    names = table.names
    if isinstance(wanted, int):
        if not -len(names) <= wanted < len(names):
            raise ColumnError(
                f"{table.title} has no column {wanted}, but {counted(len(names), 'column')}", help="they count from 0"
            ).changed(field=field)
        return [wanted % len(names)]
    if wanted in names:
        return [names.index(wanted)]
    found = [i for i, name in enumerate(names) if fnmatchcase(name, wanted)]
    if not found:
        few = f"it has {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
        other = next((mark for mark in ";\t|," if len(names) == 1 and mark in names[0]), None)
        if other:
            few = f"its only column is called {names[0][:40]!r}: say `delimiter: {other!r}`"
        raise ColumnError(
            f"{table.title} has no column '{wanted}'",
            help=few if other else suggest(wanted, [n for n in names if n]) or few,
        ).changed(field=field)
    return found


def _all(
    table: Table, wanted: Sequence[str | int], field: str, taken: Mapping[int, str] | None = None
) -> tuple[int, ...]:
    """The columns of several names, numbers and patterns, each once. Raises ColumnError.

    Those that are `taken` by another role may not be named, but a pattern passes them over.
    """
    found: dict[int, None] = {}
    for place, one in enumerate(wanted):
        columns = _matching(table, one, f"{field}.{place}")
        named = isinstance(one, int) or one in table.names
        for column in columns:
            if taken and column in taken and named:
                raise ColumnError(
                    f"column '{table.names[column]}' is the {taken[column]}, and cannot be a feature too",
                    help="what the net is to find must not be what it sees",
                ).changed(field=f"{field}.{place}")
            if not (taken and column in taken):
                found[column] = None
    return tuple(found)
