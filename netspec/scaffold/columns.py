"""Which columns of a table are features, and which one is the target."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from netspec.core.errors import DataError, UsageError
from netspec.core.spelling import suggest
from netspec.formats.files import opened

TARGETS = ("target", "label", "class", "species", "y", "outcome", "diagnosis", "quality", "price")
"""Names of columns that are usually to be predicted; the last column where none has such a name."""

_ROWS = 5000
_MOST_WORDS = 30
"""Different words of a column up to which it is one of features; with more it looks like names."""
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}


class NoTargetError(UsageError):
    """A table has no such column, or nothing to predict it from."""

    code = "NS670"


class NoTableError(DataError):
    """A table has no rows, or no header of names."""

    code = "NS671"


@dataclass(frozen=True)
class Columns:
    """The names of the columns by what they are for; `left` look like names of rows, and are left out.

    `classified` says whether the target is one of some classes. `missing` says whether a number is missing in the rows
    that were looked at. `delimiter` is None where a comma, or in .tsv a tab, is what is expected.
    """

    target: str
    classified: bool
    categories: tuple[str, ...]
    left: tuple[str, ...]
    missing: bool
    delimiter: str | None


def columns(path: str, kind: str, target: str | None) -> Columns:
    """What the columns of a table are for, from its first rows. Raises NoTargetError, NoTableError, DataError."""
    names, rows, delimiter = _parquet(path) if kind == "Parquet" else _csv(path)
    if len(rows) < 2 or not names:
        raise NoTableError(f"'{path}' has {len(rows)} rows below its header")
    if all(_is_number(name) for name in names):
        raise NoTableError(f"the first row of '{path}' holds numbers, not the names of columns")
    goal = _target(names, target, path)
    features, categories, left, missing = 0, [], [], False
    for place, name in enumerate(names):
        if name == goal:
            continue
        values = [row[place].strip() if place < len(row) else "" for row in rows]
        given = [value for value in values if value.lower() not in _MISSING]
        numbers = all(map(_is_number, given))
        if not given or (not numbers and len(set(given)) > _MOST_WORDS) or _counts(name, given):
            left.append(name)
            continue
        features += 1
        missing = missing or (numbers and len(given) < len(values))
        if not numbers:
            categories.append(name)
    if not features:
        raise NoTargetError(f"'{path}' has no column to predict '{goal}' from")
    goals = [row[names.index(goal)].strip() for row in rows if len(row) > names.index(goal)]
    return Columns(goal, _are_classes(goals), tuple(categories), tuple(left), missing, delimiter)


def _are_classes(values: Sequence[str]) -> bool:
    """Whether the values of a target are classes: words, or few whole numbers."""
    if not all(map(_is_number, values)):
        return True
    numbers = set(map(float, values))
    return len(numbers) <= min(_MOST_WORDS, len(values) // 3) and all(number.is_integer() for number in numbers)


def _target(names: Sequence[str], wanted: str | None, path: str) -> str:
    if wanted is not None:
        if wanted not in names:
            raise NoTargetError(f"'{path}' has no column '{wanted}'", help=suggest(wanted, names))
        return wanted
    usual = (name for word in TARGETS for name in names if name.lower() == word)
    return next(usual, names[-1])


def _counts(name: str, values: Sequence[str]) -> bool:
    """Whether a column numbers the rows: id, Id, index, with another whole number in each."""
    called = re.fullmatch(r"(?:.*[_ ])?(?:id|index|no|nr)|.*Id|unnamed.*|", name, re.IGNORECASE) is not None
    return called and len(set(values)) == len(values) and all(value.isdecimal() for value in values)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _csv(path: str) -> tuple[list[str], list[list[str]], str | None]:
    """The header, the first rows, and the delimiter where it must be said."""
    with opened(Path(path)) as file:
        lines = _lines(islice(file, _ROWS + 1))
        first = next(lines, "")
        delimiter = max(",;\t|", key=first.count)
        reader = csv.reader(_again(first, lines), delimiter=delimiter)
        names = [name.strip() for name in next(reader, [])]
        expected = "\t" if path.lower().endswith(".tsv") else ","
        return names, [row for row in reader if row], None if delimiter == expected else delimiter


def _again(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _lines(file: Iterator[bytes]) -> Iterator[str]:
    for number, line in enumerate(file):
        text = line.decode("utf-8", errors="replace")
        yield text.removeprefix("\ufeff") if number == 0 else text


def _parquet(path: str) -> tuple[list[str], list[list[str]], None]:
    """The names of the columns and the first rows, as texts."""
    from netspec.core.optional import library

    with opened(Path(path)) as file:
        parquet = library("pyarrow.parquet", "table", "Parquet")
        table = parquet.ParquetFile(file)
        names = list(table.schema_arrow.names)
        batch = next(table.iter_batches(_ROWS), None)
        columns = [] if batch is None else [column.to_pylist() for column in batch.columns]
    return names, [["" if value is None else str(value) for value in row] for row in zip(*columns, strict=True)], None
