"""The scores of a test as text: a row for each scalar and each value of a vector, and a grid for each matrix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from netspec.core.shape import counted
from netspec.core.visible import visible
from netspec.training.tester import labelled
from netspec.views.columns import GAP, Columns

if TYPE_CHECKING:
    from netspec.core.calls import Array


def score_tables(scores: Mapping[str, Array], samples: int, width: int) -> Iterator[Columns | str]:
    """The tables, with empty lines between; of a matrix that is wider than `width` only its size."""
    single = {name: array for name, array in scores.items() if array.ndim < 2}
    if single:
        table = Columns(("output", f"over {counted(samples, 'sample')}"), right=(1,))
        for name, value in labelled(single).items():
            table.add_row(name, f"{value:.4f}")
        yield table
    for number, (name, array) in enumerate((name, array) for name, array in scores.items() if array.ndim == 2):
        if single or number:
            yield ""
        yield _grid(name, array, width)


def _grid(name: str, matrix: Array, width: int) -> Columns | str:
    """A matrix under the numbers of its columns, beside those of its rows; whole numbers as such."""
    rows, columns = matrix.shape
    form = "{:.0f}" if (matrix == matrix.round()).all() else "{:.4f}"
    heads = ("", *map(str, range(columns)))
    table = Columns(heads, f"{name}[row,column]", right=range(1 + columns))
    for row, values in enumerate(matrix.tolist()):
        table.add_row(str(row), *map(form.format, values))
    widths = (max(map(len, column)) for column in zip(heads, *table.rows, strict=True))
    if sum(widths) + len(GAP) * columns > width:
        return f"{visible(name)}: {rows} x {columns} values; --format json or csv shows them"
    return table
