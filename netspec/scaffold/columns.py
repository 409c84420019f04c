"""Which columns of a table are features, and which one is the target."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from netspec.core.errors import DataError, UsageError
from netspec.core.spelling import suggest
from netspec.formats.files import opened

TARGETS = ("target", "label", "class", "species", "y", "outcome", "diagnosis", "quality", "price")
"""Names of columns that are usually to be predicted; the last column where none has such a name."""

_ROWS = 5000
_MOST_WORDS = 30
"""Different words of a column up to which it is one of features; with more it looks like names."""
_COMMA = re.compile(r"^([+-]?\d*),(\d+(?:[eE][+-]?\d+)?)$")
"""A number with a comma before its fraction."""
_DATE = re.compile(r"\d{1,4}([-./])\d{1,2}\1\d{1,4}(?!\d)")
_OTHER = "name the column that is to be predicted: --target COLUMN"
_MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}


class NoTargetError(UsageError):
    """A table has no such column, or nothing to predict it from."""

    code = "NS670"


class NoTableError(DataError):
    """A table has no rows, or no header of names."""

    code = "NS671"


@dataclass(frozen=True)
class Columns:
    """The names of the columns by what they are for; `left` look like names of rows, dates or texts, and are left out.

    `classified` says whether the target is one of some classes. `fields` are those of the source that must be said, as
    they are not what it expects: its encoding and delimiter, what begins fractions, what is done where a value is
    missing in the rows that were looked at.
    """

    target: str
    classified: bool
    categories: tuple[str, ...]
    left: tuple[str, ...]
    fields: Mapping[str, str]


def columns(path: str, kind: str, target: str | None) -> Columns:
    """What the columns of a table are for, from its first rows. Raises NoTargetError, NoTableError, DataError."""
    names, rows, fields = _parquet(path) if kind == "Parquet" else _csv(path)
    if len(rows) < 2 or not names:
        raise NoTableError(f"'{path}' has {len(rows)} rows below its header")
    if all(_is_number(name) for name in names):
        fault = f"the first row of '{path}' holds numbers, not the names of columns"
        raise NoTableError(fault, help="write a line with names above it, like `length,width,kind`")
    goal = _target(names, target, path)
    features, categories, left, missing = 0, [], [], False
    for place, name in enumerate(names):
        if name == goal:
            continue
        values = [row[place].strip() if place < len(row) else "" for row in rows]
        given = [value for value in values if value.lower() not in _MISSING]
        numbers = all(map(_is_number, given))
        if not given or (not numbers and _says_nothing(given)) or _counts(name, given):
            left.append(name)
            continue
        features += 1
        missing = missing or (numbers and len(given) < len(values))
        if not numbers:
            categories.append(name)
    if not features:
        others = f"columns of names, dates or texts are none: {', '.join(left)}" if left else None
        raise NoTargetError(f"'{path}' has no column to predict '{goal}' from", help=others)
    goals = [row[names.index(goal)].strip() for row in rows if len(row) > names.index(goal)]
    known = [value for value in goals if value.lower() not in _MISSING]
    if missing or len(known) < len(goals):
        fields["missing"] = "keep" if len(known) == len(goals) else "drop"
    return Columns(goal, _are_classes(goal, known), tuple(categories), tuple(left), fields)


def _has_commas(rows: Sequence[Sequence[str]]) -> bool:
    """Whether numbers have a comma before their fraction, and none a point."""
    cells = [cell.strip() for row in rows for cell in row]
    return any(map(_COMMA.fullmatch, cells)) and not any("." in cell and _is_number(cell) for cell in cells)


def _are_classes(name: str, values: Sequence[str]) -> bool:
    """Whether the values of a target are classes: words, or few whole numbers. Raises NoTargetError."""
    different = set(values)
    if len(different) < 2:
        raise NoTargetError(f"the column '{name}' holds nothing but '{''.join(different)}'", help=_OTHER)
    if all(map(_is_number, values)):
        numbers = set(map(float, values))
        return len(numbers) <= min(_MOST_WORDS, len(values) // 3) and all(number.is_integer() for number in numbers)
    if len(different) > max(2, len(values) // 2):
        text = f"{len(different):,} different words in {len(values):,} rows, too many for classes"
        raise NoTargetError(f"the column '{name}' has {text}", help=_OTHER)
    return True


def _says_nothing(words: Sequence[str]) -> bool:
    """Whether the words of a column are none that many rows share: names, texts or dates."""
    return len(set(words)) > _MOST_WORDS or all(map(_DATE.match, words))


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


def _csv(path: str) -> tuple[list[str], list[list[str]], dict[str, str]]:
    """The header, the first rows with points before fractions, and the fields of the source that must be said."""
    fields: dict[str, str] = {}
    with opened(Path(path)) as file:
        content = list(islice(file, _ROWS + 1))
    if not all(map(_is_text, content)):
        fields["encoding"] = "cp1252"
    lines = (line.decode(fields.get("encoding", "utf-8-sig"), errors="replace") for line in content)
    first = next(lines, "")
    delimiter = max(",;\t|", key=first.count)
    reader = csv.reader(chain([first], lines), delimiter=delimiter)
    names, rows = [name.strip() for name in next(reader, [])], [row for row in reader if row]
    if delimiter != ("\t" if path.lower().endswith(".tsv") else ","):
        fields["delimiter"] = delimiter
    if delimiter != "," and _has_commas(rows):
        fields["decimal"] = ","
        rows = [[_COMMA.sub(r"\1.\2", cell.strip()) for cell in row] for row in rows]
    return names, rows, fields


def _is_text(line: bytes) -> bool:
    """Whether a line is UTF-8."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _parquet(path: str) -> tuple[list[str], list[list[str]], dict[str, str]]:
    """The names of the columns and the first rows, as texts."""
    from netspec.core.optional import library

    with opened(Path(path)) as file:
        parquet = library("pyarrow.parquet", "table", "Parquet")
        table = parquet.ParquetFile(file)
        names = list(table.schema_arrow.names)
        batch = next(table.iter_batches(_ROWS), None)
        columns = [] if batch is None else [column.to_pylist() for column in batch.columns]
    return names, [["" if value is None else str(value) for value in row] for row in zip(*columns, strict=True)], {}
