"""Reading delimited text: rows and numbers by a compiled kernel, whatever it leaves open in Python."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.core.calls import Call
from netspec.core.shape import counted
from netspec.data.sources._table import MOST_WORDS, BadCellError, Cells, RowError, Table, Texts, more, too_many
from netspec.data.sources.base import EmptyDataError
from netspec.formats.files import UnreadableDataError, content

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]

_CHUNK = 2**18
"""Bytes of a chunk, which is parsed at a time."""

_NEAR, _FAR = 2**8, 2**16
"""Bytes in which a cell ends, nearly always, and of which more are never looked at."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INK = re.compile(rb"\S")
_BOM = b"\xef\xbb\xbf"


class Dialect(NamedTuple):
    """How a table is written: its delimiter, quotes (or none), the mark of fractions, the words for missing values."""

    delimiter: str
    quote: str
    decimal: str
    missing: tuple[str, ...]
    encoding: str


class Delimited(Table):
    """A table of delimited text. Raises MissingDataError, UnreadableDataError, EmptyDataError, RowError."""

    unit = "line"

    def __init__(self, path: Path, dialect: Dialect, header: bool, skip: int) -> None:
        import numpy as np

        self.title, self.dialect = path.name, dialect
        held = _utf8(path, dialect.encoding)
        if b"\r" in held[: 2**20] and b"\n" not in held:
            held = held.replace(b"\r", b"\n")
        top = 0
        for _ in range(skip):
            top = held.find(b"\n", top) + 1 or len(held)
        held = held[top:]
        first, start, lines = _first_row(path, held, dialect, skip)
        self.names = first if header else tuple(str(i) for i in range(len(first)))
        self._lines = skip + (lines if header else 0)
        below = start if header else 0
        self._text = np.frombuffer(held, np.uint8)[below:]
        if not _INK.search(held, below):
            raise _empty(f"'{path}' holds no rows{' below its header' if header else ''}")

    def read(self, numbers: Sequence[int], texts: Sequence[int]) -> Cells:
        """Columns of numbers, and columns of words. Raises BadCellError, RowError, UnreadableDataError."""
        import numpy as np

        from netspec.codegen.driver import run
        from netspec.kernels import table

        slots = np.full(len(self.names), -1, np.int64)
        slots[list(numbers)] = np.arange(len(numbers))
        slots[list(texts)] = -2 - np.arange(len(texts))
        chunks, count = self._chunks()
        cells = np.empty(count * len(numbers), np.int64)
        spans = np.empty(count * len(texts) * 2, np.int64)
        rows = np.zeros((count, 3), np.int64)  # FINE where a wrong quote keeps one from being read
        layout = table.Layout(slots, len(numbers), len(texts))
        arguments = (self._text, chunks, self._marks(), layout, _powers(), self._words(), cells, spans, rows)
        run([Call(table.parse_chunks, *arguments, parts=len(chunks))], "float64")
        good = self._check_rows(rows)
        values = cells.reshape(count, len(numbers))
        places = spans.reshape(count, len(texts), 2)
        if not good.all():
            values, places, rows = values[good], places[good], rows[good]
        whole = not chunks[:, 5].any()
        if not whole:
            self._decide(values, rows[:, 1], numbers)
        words = tuple(self._texts(places[:, i], rows[:, 1], column) for i, column in enumerate(texts))
        return Cells(values.view(np.float64), words, rows[:, 1].copy(), whole)

    def _marks(self) -> Any:
        from netspec.kernels.table import Marks

        marks = (self.dialect.delimiter, self.dialect.quote, self.dialect.decimal)
        return Marks(*(ord(mark) if mark else -1 for mark in marks))

    def _words(self) -> Array:
        """The words for missing values as the kernel takes them; longer ones are met in Python."""
        import numpy as np

        from netspec.kernels.table import WORD

        words = [word.encode() for word in self.dialect.missing]
        short = [word for word in words if 0 < len(word) < WORD]
        return np.frombuffer(b"".join(bytes([len(w)]) + w.ljust(WORD - 1, b"\0") for w in short), np.uint8)

    def _chunks(self) -> tuple[Index, int]:
        """The chunks as `parse_chunks` takes them, (chunks, 6), and the number of rows."""
        import numpy as np

        from netspec.codegen.driver import run
        from netspec.kernels import table

        size = self._text.size
        starts = np.arange(0, size, _CHUNK)
        counts = np.empty((len(starts), 4), np.int64)
        run([Call(table.scan_chunks, self._text, counts, _CHUNK, self._marks().quote, parts=len(starts))], "float64")
        begins = _before(counts[:, 0]) % 2
        newlines, ended = _before(counts[:, 1]), np.where(begins, counts[:, 3], counts[:, 2])
        rows = int(ended.sum()) + int(self._text[-1] != table.NEWLINE or counts[:, 0].sum() % 2)
        chunks = np.stack(
            [starts, np.minimum(starts + _CHUNK, size), begins, _before(ended), newlines + self._lines, 0 * begins],
            axis=1,
        )
        return chunks, rows

    def _check_rows(self, rows: Index) -> NDArray[np.bool_]:
        """Which rows are not blank; rows: (N, 3). Raises RowError."""
        import numpy as np

        from netspec.kernels import table

        bad = np.flatnonzero(rows[:, 2] >= table.UNCLOSED)
        if not bad.size:
            good: NDArray[np.bool_] = rows[:, 2] == table.FINE
            return good
        _, line, state = rows[bad[0]].tolist()
        where = f"line {line} of {self.title}"
        if state == table.UNCLOSED:
            raise _wrong_quote(where, self.dialect.quote)
        cells, others = counted(state - table.RAGGED, "cell"), more(bad.size - 1, "row")
        raise RowError(
            f"{where} has {cells}, where the first row has {len(self.names):,}{others}",
            help=f"a text with {self.dialect.delimiter!r} inside stands in quotes; `skip` passes over lines at the top",
        )

    def _decide(self, values: Index, lines: Index, numbers: Sequence[int]) -> None:
        """Decide the cells that the kernel left open; values: (N, K) bits. Raises BadCellError."""
        import numpy as np

        from netspec.kernels import table

        for row, column in np.argwhere((values >= table.OPEN) & (values < 0)).tolist():
            cell = self._cell(int(values[row, column]) - table.OPEN)
            if cell in self.dialect.missing:
                values[row, column] = table.MISSING
            elif (found := _number(cell, self.dialect.decimal)) is not None:
                values[row, column] = np.float64(found).view(np.int64)
            else:
                where = self.at(int(lines[row]), numbers[column])
                what = "no finite number" if _is_float(cell) else "no number"
                raise BadCellError(
                    f"{where} holds {_clipped(cell)}, which is {what}",
                    help=self._advice(cell, self.names[numbers[column]]),
                )

    def _advice(self, cell: str, name: str) -> str:
        """What to do with a cell that is no number."""
        if self.dialect.decimal != "," and re.fullmatch(r"[+-]?\d+,\d+", cell):
            return "a comma before the fraction: say `decimal: ','`"
        if _is_float(cell) or any(letter.isdigit() for letter in cell):
            return f"correct it, or leave the column out: `ignore: {name}`"
        return (
            f"words are classes (`label: {name}`) or categories (`categories: {name}`), are left out "
            f"(`ignore: {name}`), or mean that nothing is known (`missing_words`)"
        )

    def _cell(self, start: int) -> str:
        """The cell that begins at a byte, without quotes; of a very long one its beginning."""
        found = ""
        for size in (_NEAR, _FAR):
            rest = self._text[start : start + size].tobytes().decode("utf-8", "replace")
            match = _one_cell(self.dialect.delimiter, self.dialect.quote).match(rest)
            found = match.group() if match else rest
            if len(found) < len(rest):
                break
        return self._word(found)

    def _texts(self, spans: Index, lines: Index, column: int) -> Texts:
        """A column of words; spans: (N, 2). Raises UnreadableDataError."""
        import numpy as np

        held, codes = self._text.data, np.empty(len(spans), np.int64)
        known: dict[bytes, int] = {}
        for i, (start, end) in enumerate(spans.tolist()):
            codes[i] = known.setdefault(bytes(held[start:end]), len(known))
            if len(known) > MOST_WORDS:
                raise too_many(self, column)
        words: list[str] = []
        for raw, code in known.items():
            try:
                words.append(self._word(raw.decode("utf-8")))
            except UnicodeDecodeError as error:
                row = int(lines[np.flatnonzero(codes == code)[0]])
                raise _not_encoded(self.at(row, column), raw, error, self.dialect.encoding) from None
        values = tuple(dict.fromkeys(word for word in words if word not in self.dialect.missing))
        places = {word: place for place, word in enumerate(values)}
        into = np.array([places.get(word, -1) for word in words], np.int64)
        return Texts(into[codes], values)

    def _word(self, cell: str) -> str:
        """A cell without its quotes and the blanks around it."""
        quote = self.dialect.quote
        if quote and len(cell) > 1 and cell[0] == cell[-1] == quote:
            cell = cell[1:-1].replace(quote * 2, quote)
        return cell.strip()


@cache
def _one_cell(delimiter: str, quote: str) -> re.Pattern[str]:
    """A cell at the beginning of a text, with its quotes."""
    plain, mark = f"[^{re.escape(delimiter)}\n]*", re.escape(quote)
    return re.compile(f"{mark}(?:[^{mark}]|{mark}{mark})*{mark}|{plain}" if quote else plain)


def _reader(dialect: Dialect) -> dict[str, Any]:
    """The dialect as Python's csv takes it."""
    quoting = csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE
    return {"delimiter": dialect.delimiter, "quotechar": dialect.quote or None, "quoting": quoting}


def _utf8(path: Path, encoding: str) -> bytes:
    """The text of a file in UTF-8. Raises UnreadableDataError, and what `content` raises."""
    held = content(path)
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "ascii"):
        if held[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise _unread(f"'{path}' begins as UTF-16 does", "say `encoding: utf-16`")
        if b"\0" in held[: 2**16]:
            raise _unread(f"'{path}' is no text: it holds null characters", "`Parquet` reads Parquet files")
        return held.removeprefix(_BOM)
    try:
        return held.decode(encoding).encode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as error:
        line = held.count(b"\n", 0, error.start) + 1
        raise _not_encoded(f"line {line} of {path.name}", held, error, encoding) from None
    except (LookupError, ValueError):
        known = "utf-8, utf-16, latin-1 and cp1252 are some"
        raise UnreadableDataError(f"there is no encoding '{encoding}'", help=known).changed(field="encoding") from None


def _not_encoded(where: str, raw: bytes, error: UnicodeDecodeError, encoding: str) -> UnreadableDataError:
    """The error about bytes that are no text."""
    help = "a file from Windows or Excel: try `encoding: cp1252`; name the encoding that the file was written in"
    return _unread(f"{where} is not {encoding}: it holds the byte {raw[error.start]:#04x}", help)


def _empty(message: str) -> EmptyDataError:
    return EmptyDataError(message).changed(field="file")


def _unread(message: str, help: str) -> UnreadableDataError:
    return UnreadableDataError(message, help=help).changed(field="file")


def _first_row(path: Path, held: bytes, dialect: Dialect, skip: int) -> tuple[tuple[str, ...], int, int]:
    """The cells of the first row, the byte at which the next begins, and the lines up to there."""
    if not _INK.search(held):
        raise _empty(f"'{path}' is empty")
    stop, open, ink = 0, False, False
    while stop < len(held) and (open or not ink):  # a row goes on where a quote is open; blank lines are passed over
        start, stop = stop, held.find(b"\n", stop) + 1 or len(held)
        open ^= bool(dialect.quote and held.count(dialect.quote.encode(), start, stop) % 2)
        ink = ink or bool(_INK.search(held, start, stop))
    lines = held.count(b"\n", 0, stop)
    where = f"line {skip + max(lines, 1)} of {path.name}"
    if open:
        raise _wrong_quote(f"the first row of {path.name}", dialect.quote)
    try:
        text = held[:stop].decode("utf-8").lstrip("\r\n")
        row: list[str] = next(csv.reader(io.StringIO(text, newline=""), **_reader(dialect)))
    except UnicodeDecodeError as error:
        raise _not_encoded(where, held, error, dialect.encoding) from None
    except csv.Error as error:
        raise RowError(f"{where} is no row of a table: {error}") from None
    return tuple(cell.strip() for cell in row), stop, lines


def _wrong_quote(where: str, quote: str) -> RowError:
    """The error about a row in which a quote stands where none should, or is never closed."""
    help = (
        f"a text with {quote} inside stands in quotes, each {quote} twice; where quotes mean nothing, say `quote: ''`"
    )
    return RowError(f"{where} has a quote that does not fit", help=help)


def _before(counts: Index) -> Index:
    """Sums of all counts before each."""
    sums: Index = counts.cumsum() - counts
    return sums


def _number(cell: str, decimal: str) -> float | None:
    """The finite number in a cell, if it is one."""
    text = cell.replace(".", "no").replace(decimal, ".") if decimal != "." else cell
    value = float(text) if _NUMBER.fullmatch(text) else None
    return value if value is not None and abs(value) != float("inf") else None


def _is_float(cell: str) -> bool:
    """Whether Python reads a cell as a number, such as `inf`."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _clipped(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else cell[:40] + "…")


@cache
def _powers() -> Array:
    """The leading 128 bits of every power of ten, rounded up where they are a fraction, as two int64 each."""
    import numpy as np

    from netspec.kernels.table import LARGEST, SMALLEST

    words: list[int] = []
    for power in range(SMALLEST, LARGEST + 1):
        five = 5 ** abs(power)
        bits = (1 << (2 * five.bit_length() + 128)) // five + 1 if power < 0 else five << 128
        bits >>= bits.bit_length() - 128
        words += [bits >> 64, bits & (2**64 - 1)]
    return np.array(words, np.uint64).view(np.int64)
