"""What the columns of a table become: features, a label of classes, targets that are numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from netspec.core.locate import beside
from netspec.core.model import Aka, Listed, SpecPath, wrong
from netspec.core.shape import counted
from netspec.core.spelling import suggest
from netspec.data.sources._roles import Roles, Wanted, roles
from netspec.data.sources._table import CategoryError, Cells, MissingValueError, Table, Texts, more
from netspec.data.sources.base import ArrayDataset, EmptyDataError, Source
from netspec.formats.files import about

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]

_MOST_CLASSES, _MOST_ONE_HOT = 2**16, 1000
"""Classes of a label, and categories that become a feature each, beyond which a column holds something else."""

Columns = Listed[str | int]

Known = Mapping[str, tuple[str, ...]]
"""The categories of columns by name, in the order of their numbers."""


@dataclass(frozen=True, eq=False)
class TableDataset(ArrayDataset):
    """Rows of a table; `rows` (len,) are their places in it, `unit` the word for such a place.

    `columns` are those of the features, `known` the categories of some, and `again` opens the table anew.
    """

    table: str
    unit: str
    rows: Index
    columns: tuple[str, ...]
    known: Known
    class_names: tuple[str, ...] | None
    again: Callable[[], Table]

    def facts(self) -> dict[str, Any]:
        """The columns of the features in their order, and the categories of those that have some."""
        return {"columns": list(self.columns), "categories": {name: list(words) for name, words in self.known.items()}}

    def classes(self, output: int) -> tuple[str, ...] | None:
        """The names of the label's classes."""
        return self.class_names if output == 1 else None

    def column(self, name: str) -> Array | None:
        """The words of a column, (len,), also of one without a role; None where there is none. Raises DataError."""
        import numpy as np

        table = self.again()
        if name not in table.names:
            return None
        cells = table.read((), [table.names.index(name)])
        (texts,) = cells.texts
        kept = np.isin(cells.rows, self.rows, assume_unique=True)
        values: Array = np.array([*texts.values, ""])[texts.codes[kept]]
        return values

    def name(self, index: int, output: int = 0) -> str:
        """The line of a sample: line 17 of iris.csv."""
        return f"{self.unit} {self.rows[index]} of {self.table}"


class TableSource(Source):
    """Rows of a table: features (F,), then the number of a class where there is a `label`, then targets (K,).

    Columns are named, numbered from 0 (-1 is the last), or matched by patterns such as `pixel*`.
    """

    file: SpecPath = Field(description="The table.")
    label: Annotated[str | int | None, Aka("label_column", "class_column")] = Field(
        None, description="The column of classes, which may be words; they are numbered in sorted order."
    )
    target: Annotated[Columns, Aka("targets", "target_column", "y")] = Field(
        (), description="The columns of numbers that a regression is to predict."
    )
    features: Annotated[Columns | None, Aka("columns", "usecols", "x")] = Field(
        None, description="The columns that the net sees, in this order; left out: all that have no other role."
    )
    ignore: Annotated[Columns, Aka("drop_columns", "exclude")] = Field((), description="Columns that are left out.")
    categories: Annotated[Columns, Aka("categorical", "categorical_features", "cat_features")] = Field(
        (), description="Features that are categories, which may be words."
    )
    one_hot: bool = Field(
        True,
        description="Each category becomes a feature that is 0 or 1; else a column becomes its categories' numbers.",
    )
    classes: Annotated[Listed[str] | None, Aka("class_names")] = Field(
        None, description="The label's classes in the order of their numbers; left out: those of the table, sorted."
    )
    like: SpecPath | None = Field(
        None,
        description="The training table, where this is another one: classes and categories get its numbers.",
    )
    missing: Annotated[Literal["error", "drop", "keep"] | float, Aka("na_policy")] = Field(
        "error",
        description="Where a feature is missing: an error, its row is dropped, NaN is kept for FillMissing, or this "
        "number stands there.",
        union_mode="left_to_right",
    )

    @model_validator(mode="after")
    def _one_order(self) -> Self:
        if self.classes and self.like:
            raise wrong("`classes` and `like` both say how classes are numbered", field="classes", help="leave one out")
        if self.classes is not None and self.label is None:
            raise wrong("`classes` are those of a label", field="classes", help="say `label: COLUMN`")
        return self

    def table(self, path: Path) -> Table:
        """The table in a file of this kind, opened. Raises DataError."""
        raise NotImplementedError

    def open(self, base: Path | None) -> TableDataset:
        """The rows, in memory. Raises DataError."""
        path = beside(base, self.file)
        with about("file"):
            table = self.table(path)
        known: Known = {}
        if self.like is not None:
            with about("like"):
                other = self.table(beside(base, self.like))
                known = self._categories(other, self._roles(other))
        elif self.classes:
            known = {table.names[self._roles(table).label or 0]: self.classes}
        return self._rows(path, table, self._roles(table), known)

    def unlabelled(self, path: Path, facts: dict[str, Any]) -> TableDataset:
        """The features alone of another table, which may lack all other columns. Raises DataError."""
        table, columns = self.table(path), tuple(facts["columns"])
        if not any(column in table.names for column in columns) and len(table.names) == len(columns):
            columns = table.names  # without names, and without the columns of labels, which numbered them otherwise
        known = {name: tuple(words) for name, words in facts["categories"].items()}
        chosen = roles(table, Wanted(None, (), columns, (), tuple(name for name in known if name in columns)))
        return self._rows(path, table, chosen, known)

    def _categories(self, table: Table, chosen: Roles) -> Known:
        """The categories of a table's columns, each in sorted order."""
        columns = [*sorted(chosen.categories), *([] if chosen.label is None else [chosen.label])]
        cells = table.read((), columns)
        return {
            table.names[column]: _ordered(table, column, texts, column == chosen.label)
            for column, texts in zip(columns, cells.texts, strict=True)
        }

    def _roles(self, table: Table) -> Roles:
        """Which column is what. Raises ColumnError."""
        return roles(table, Wanted(self.label, self.target, self.features, self.ignore, self.categories))

    def _rows(self, path: Path, table: Table, chosen: Roles, known: Known) -> TableDataset:
        """The dataset of a table's columns. Raises DataError."""
        import numpy as np

        numeric = [c for c in chosen.features if c not in chosen.categories]
        wordy = [c for c in chosen.features if c in chosen.categories]
        columns = [*numeric, *chosen.targets]
        texts = [*wordy, *([chosen.label] if chosen.label is not None else [])]
        cells = self._complete(table, table.read(columns, texts), columns, texts, chosen)
        if not len(cells.rows):
            raise EmptyDataError(f"every row of {table.title} has a missing value").changed(field="missing")
        found = dict(zip(texts, cells.texts, strict=True))
        order = {c: known.get(table.names[c]) or _ordered(table, c, found[c], c == chosen.label) for c in texts}
        codes = {c: _coded(table, c, found[c], order[c], cells.rows, self.like) for c in texts}
        x = cells.numbers
        if wordy or chosen.targets:
            places = {c: place for place, c in enumerate(columns)}
            parts = [
                _spread(codes[c], len(order[c]), self.one_hot) if c in chosen.categories else x[:, [places[c]]]
                for c in chosen.features
            ]
            x = np.concatenate(parts, axis=1)
        outputs = [("features", x)]
        if chosen.label is not None:
            outputs.append((f"column '{table.names[chosen.label]}'", codes[chosen.label]))
        if chosen.targets:
            outputs.append(("targets", np.ascontiguousarray(cells.numbers[:, len(numeric) :])))
        names, arrays = zip(*outputs, strict=True)
        classes = order[chosen.label] if chosen.label is not None else None
        several = f"{table.title}, {counted(len(classes), 'class', 'classes')}" if classes else table.title
        seen, again = tuple(table.names[c] for c in chosen.features), partial(self.table, path)
        kept = {table.names[c]: values for c, values in order.items() if c != chosen.label}
        rows = (table.title, table.unit, cells.rows)
        return TableDataset(several, names, arrays, *rows, seen, kept, classes, again)

    def _complete(
        self, table: Table, cells: Cells, columns: Sequence[int], texts: Sequence[int], chosen: Roles
    ) -> Cells:
        """The cells after what `missing` says. Raises MissingValueError."""
        import numpy as np

        empty = None if cells.whole else np.isnan(cells.numbers)
        gaps = [] if empty is None else list(zip(columns, empty.T, strict=True))
        gaps += [(column, words.codes < 0) for column, words in zip(texts, cells.texts, strict=True)]
        kept = np.ones(len(cells.rows), bool)
        for column, gap in gaps:
            if not gap.any():
                continue
            fed = column in chosen.features and (self.one_hot or column not in chosen.categories)
            if self.missing == "drop":
                kept &= ~gap
            elif self.missing == "error" or not fed:
                raise _missing(table, column, cells.rows[gap], fed)
        if empty is not None and not isinstance(self.missing, str):
            cells.numbers[empty] = self.missing
        if kept.all():
            return cells
        words = tuple(Texts(words.codes[kept], words.values) for words in cells.texts)
        return Cells(cells.numbers[kept], words, cells.rows[kept])


def _missing(table: Table, column: int, rows: Index, fed: bool) -> MissingValueError:
    """The error about the cells of a column that are empty in some rows."""
    help = "`missing: drop` drops such rows"
    if fed:
        help += ", `missing: 0` fills in a number, `missing: keep` leaves them to the transform FillMissing"
    return MissingValueError(f"{table.at(int(rows[0]), column)} has no value{more(len(rows) - 1)}", help=help)


def _ordered(table: Table, column: int, texts: Texts, label: bool) -> tuple[str, ...]:
    """The categories of a column: numbers by size, words by their characters. Raises CategoryError."""
    name, most = table.names[column], _MOST_CLASSES if label else _MOST_ONE_HOT
    numbers = [_as_number(value) for value in texts.values]
    sizes = [number for number in numbers if number is not None]
    if label and len(sizes) == len(numbers) and any(number % 1 for number in sizes):
        odd = next(value for value, number in zip(texts.values, sizes, strict=True) if number % 1)
        help = f"say `target: {name}` for a regression"
        raise CategoryError(f"column '{name}' of {table.title} holds {odd}, which is no class", help=help).changed(
            field="label"
        )
    if len(numbers) > most:
        what, help = (
            ("classes", f"say `target: {name}` if it is a quantity") if label else ("categories", "leave it out")
        )
        raise CategoryError(
            f"column '{name}' of {table.title} has {len(numbers):,} {what}, more than the {most:,} that there may be",
            help=help,
        ).changed(field="label" if label else "categories")
    if len(sizes) == len(numbers):
        return tuple(value for _, value in sorted(zip(sizes, texts.values, strict=True)))
    return tuple(sorted(texts.values))


def _as_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _coded(table: Table, column: int, texts: Texts, order: tuple[str, ...], rows: Index, like: str | None) -> Index:
    """The number of each row's category, (N,), -1 where it is missing. Raises CategoryError."""
    import numpy as np

    places = {value: place for place, value in enumerate(order)}
    numbers = np.array([places.get(value, -2) for value in texts.values] + [-1], np.int64)
    codes: Index = numbers[texts.codes]
    strange = np.flatnonzero(codes == -2)
    if strange.size:
        value = texts.values[texts.codes[strange[0]]]
        others = more(strange.size - 1)
        those = f"the {counted(len(order), 'category', 'categories')}{f' of {like}' if like else ''}"
        raise CategoryError(
            f"{table.at(int(rows[strange[0]]), column)} holds {value!r}, which is none of {those}{others}",
            help=suggest(value, order) or f"they are {', '.join(order[:8])}{', ...' if len(order) > 8 else ''}",
        ).changed(field="file")
    return codes


def _spread(codes: Index, categories: int, one_hot: bool) -> Array:
    """Codes (N,) as features: (N, categories) of 0 and 1, all 0 where a value is missing; or (N, 1)."""
    import numpy as np

    return (
        (codes[:, None] == np.arange(categories)).astype(np.float64) if one_hot else codes[:, None].astype(np.float64)
    )
