"""Csv: a table of text, a row a line, its cells between commas or other delimiters.

Quotes are those of RFC 4180: a cell in quotes may hold delimiters and newlines, and two quotes mean a quote. Numbers
are read to the nearest float64, as Python's `float` reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from netspec.core.model import Aka, Listed, wrong
from netspec.data.sources._columns import TableSource
from netspec.data.sources._delimited import Delimited, Dialect
from netspec.data.sources._table import Table


class Csv(TableSource):
    """Rows of a text file, gzipped or not: features (F,), the number of a class, targets (K,)."""

    delimiter: Annotated[str | None, Aka("sep", "separator")] = Field(
        None, description="The character between cells; left out: a comma, in files called .tsv a tab."
    )
    quote: Annotated[str, Aka("quotechar", "quote_char")] = Field(
        '"', description="The character around cells that hold delimiters; '' where there is none."
    )
    decimal: str = Field(".", description="The character before a fraction.")
    header: bool = Field(True, description="Whether the first row names the columns; else they are called 0, 1, ...")
    skip: Annotated[int, Aka("skiprows", "skip_rows")] = Field(0, ge=0, description="Lines at the top to pass over.")
    encoding: str = Field("utf-8", description="How characters are written as bytes: utf-8, utf-16, latin-1, cp1252.")
    missing_words: Annotated[Listed[str], Aka("na_values", "null_values")] = Field(
        ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "?"),
        description="Cells that mean that nothing is known; an empty cell always does.",
    )

    @field_validator("delimiter", "quote", "decimal")
    @classmethod
    def _one_byte(cls, mark: str | None) -> str | None:
        if mark and (len(mark) > 1 or not mark.isascii() or mark in "\r\n"):
            raise wrong(f"{mark!r} is not one character", help='a tab is "\\t", in quotes')
        return mark

    @field_validator("delimiter", "decimal")
    @classmethod
    def _there(cls, mark: str | None) -> str | None:
        if mark == "":
            raise wrong("an empty text is no character")
        return mark

    def table(self, path: Path) -> Table:
        """The table in a file. Raises DataError."""
        tabs = any(suffix == ".tsv" for suffix in path.suffixes)
        delimiter = self.delimiter or ("\t" if tabs else ",")
        words = ("", *(word for word in self.missing_words if word))
        return Delimited(
            path, Dialect(delimiter, self.quote, self.decimal, words, self.encoding), self.header, self.skip
        )
