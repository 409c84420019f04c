"""What all tables share: a table as it is read, and the errors about its columns and cells."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.core.shape import counted
from netspec.formats.files import FileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]


class BadCellError(FileError):
    """A cell of a column of numbers holds something else."""

    code = "NS631"
    field = "file"


class RowError(FileError):
    """A row of a table is wider or narrower than its first, or its quotes do not fit together."""

    code = "NS632"
    field = "file"


class MissingValueError(FileError):
    """A cell is empty, and nothing says what to do then."""

    code = "NS633"
    field = "file"


class ColumnError(FileError):
    """A column is asked for that a table does not have, or in two roles, or two columns have one name."""

    code = "NS634"


class CategoryError(FileError):
    """A column has a category that is not known, or far too many of them."""

    code = "NS636"
    field = "file"


MOST_WORDS = 2**21
"""Different words of a column: with more, it is no column of categories, nor one by which rows are grouped."""


@dataclass(frozen=True)
class Texts:
    """A column of words: `codes` (N,) are places in `values`, -1 where the cell is empty."""

    codes: Index
    values: tuple[str, ...]


@dataclass(frozen=True)
class Cells:
    """Columns of a table: numbers (N, K) with NaN for empty cells, columns of words, the place of each row (N,).

    Where it is `whole`, no number is missing.
    """

    numbers: Array
    texts: tuple[Texts, ...]
    rows: Index
    whole: bool = False


class Table(ABC):
    """An opened table: its name in messages, its columns, and the word for a row's place, such as line."""

    title: str
    names: tuple[str, ...]
    unit: str

    @abstractmethod
    def read(self, numbers: Sequence[int], texts: Sequence[int]) -> Cells:
        """Columns of numbers, and columns of words. Raises BadCellError, RowError, UnreadableDataError."""

    def at(self, row: int, column: int) -> str:
        """A cell in messages: line 3 of ages.csv, column 'age'."""
        return f"{self.unit} {row} of {self.title}, column '{self.names[column]}',"


def more(count: int, thing: str = "cell") -> str:
    """How many others share a fault: (and 3 more cells)."""
    return f" (and {counted(count, f'more {thing}')})" if count else ""


def too_many(table: Table, column: int) -> CategoryError:
    """The error about a column of MOST_WORDS different words."""
    message = f"column '{table.names[column]}' of {table.title} has more than {MOST_WORDS:,} different values"
    return CategoryError(message, help="a column of numbers is a feature or a `target`; `ignore` leaves a column out")
