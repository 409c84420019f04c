"""Parquet: a table in columns, each of one type, packed; read by pyarrow.

Source: https://parquet.apache.org/docs/file-format/.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.optional import library
from netspec.data.sources._columns import TableSource
from netspec.data.sources._table import MOST_WORDS, BadCellError, Cells, Table, Texts, too_many
from netspec.data.sources.base import EmptyDataError
from netspec.formats.files import UnreadableDataError, WrongFormatError, opened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class Parquet(TableSource):
    """Rows of a Parquet file: features (F,), the number of a class, targets (K,); needs the library pyarrow."""

    def table(self, path: Path) -> Table:
        """The table in a file. Raises DataError, NoLibraryError."""
        return _Packed(path)


class _Packed(Table):
    """A Parquet file; its rows are numbered from 0."""

    unit = "row"

    def __init__(self, path: Path) -> None:
        parquet = library("pyarrow.parquet", "table", "Parquet", "Csv reads tables of text without it")
        self.title = path.name
        with opened(path) as file:
            if file.read(4) != b"PAR1":
                raise WrongFormatError(f"'{path}' is not a Parquet file", help="`Csv` reads tables of text")
        try:
            self._file = parquet.ParquetFile(path)
            self.names = tuple(self._file.schema_arrow.names)
        except _broken():
            help = "the copy was cut short: fetch it again"
            raise WrongFormatError(f"'{path}' is damaged: pyarrow cannot read it", help=help) from None
        if not self._file.metadata.num_rows:
            raise EmptyDataError(f"'{path}' holds no rows").changed(field="file")

    def read(self, numbers: Sequence[int], texts: Sequence[int]) -> Cells:
        """Columns of numbers, and columns of words. Raises BadCellError, UnreadableDataError."""
        import numpy as np

        rows = self._file.metadata.num_rows
        values = np.empty((rows, len(numbers)))
        for place, column in enumerate(numbers):
            values[:, place] = self._numbers(column)
        if np.isinf(values).any():
            row, place = np.argwhere(np.isinf(values))[0].tolist()
            raise BadCellError(f"{self.at(row, numbers[place])} is not finite")
        return Cells(values, tuple(self._words(column) for column in texts), np.arange(rows))

    def _column(self, column: int) -> Any:
        """A column as one array of pyarrow."""
        try:
            # beside it come the fields of nested columns that are written alike: s.x is field x of s, too
            return self._file.read(columns=[self.names[column]]).column(self.names[column]).combine_chunks()
        except _broken() as error:
            raise UnreadableDataError(
                f"column '{self.names[column]}' of {self.title} cannot be read: {_first_line(error)}"
            ) from None

    def _numbers(self, column: int) -> Array:
        """A column as float64, NaN where it is empty. Raises BadCellError."""
        types, array = library("pyarrow", "table", "Parquet").types, self._column(column)
        kind, name = array.type, self.names[column]
        if types.is_boolean(kind):
            array = array.cast("uint8")
        elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind)):
            raise BadCellError(
                f"column '{name}' of {self.title} holds {kind}, not numbers",
                help=f"words are classes (`label: {name}`) or features (`categories: {name}`); `ignore: {name}` leaves "
                "them out",
            )
        found: Array = array.cast("float64", safe=False).to_numpy(zero_copy_only=False)
        return found

    def _words(self, column: int) -> Texts:
        """A column as categories."""
        import numpy as np

        arrow = library("pyarrow", "table", "Parquet")
        types, array = arrow.types, self._column(column)
        if types.is_dictionary(array.type):
            array = array.cast(array.type.value_type)
        if types.is_floating(array.type):
            found = array.to_numpy(zero_copy_only=False)
            whole = bool(np.all((found == np.floor(found)) | np.isnan(found)))
            array = arrow.array(found, from_pandas=True)
            array = array.cast("int64") if whole else array
        try:
            coded = array.cast("string").dictionary_encode()
        except _broken():
            raise BadCellError(
                f"column '{self.names[column]}' of {self.title} holds {array.type}, which are no categories"
            ) from None
        if len(coded.dictionary) > MOST_WORDS:
            raise too_many(self, column)
        codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
        return Texts(codes, tuple(coded.dictionary.to_pylist()))


def _broken() -> tuple[type[Exception], ...]:
    """What pyarrow raises about files that it cannot read, or types that it cannot bring to another."""
    errors: tuple[type[Exception], ...] = (library("pyarrow", "table", "Parquet").ArrowException, OSError, ValueError)
    return errors


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0].rstrip(".")
