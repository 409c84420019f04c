"""Predictions as a table, JSON, CSV and Markdown, one line an input; and as an array in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import UsageError
from netspec.core.locate import from_here
from netspec.core.shape import text
from netspec.training.answering.predicting import Predictions
from netspec.training.container import write_whole
from netspec.views.columns import Columns
from netspec.views.tables import csv_text

if TYPE_CHECKING:
    from rich.console import RenderableType

FORMS = {".json": "json", ".csv": "csv", ".md": "md", ".npy": "npy"}
"""What `-o FILE` writes, by the ending of the file."""
_SHOWN = 6
"""Most values of an answer in a table."""


def form(found: Predictions, word: str, top: int) -> RenderableType:
    """The answers as `table`, `json`, `csv` or `md`; of classes the `top` ones."""
    if word == "json":
        return json.dumps([_record(found, index, top) for index in range(len(found))], indent=2)
    if word == "csv":
        return _csv(found, top)
    table = _table(found, top)
    return table.markdown() if word == "md" else table


def form_of(path: Path) -> str:
    """The form that the ending of a file says. Raises UsageError."""
    word = FORMS.get(path.suffix.lower())
    if word is None:
        raise UsageError(f"'{path}' does not say in which form to write", help=f"end it in {', '.join(FORMS)}")
    return word


def save(found: Predictions, path: Path, top: int) -> None:
    """Write the answers to a file, in the form that its ending says. Raises UsageError, WriteError."""
    import io

    import numpy as np

    word = form_of(path)
    if word == "npy":
        out = io.BytesIO()
        np.save(out, found.array(), allow_pickle=False)
        write_whole(path, out.getvalue())
        return
    write_whole(path, f"{form(found, word, top)}\n".encode())


def _value(found: Predictions) -> str:
    """The word for the value of a class."""
    return "probability" if found.probable else "score"


def _record(found: Predictions, index: int, top: int) -> dict[str, Any]:
    """One input as values of JSON."""
    name, values = found.names[index], found.values[index]
    if values is None:
        return {"input": name, "error": found.errors[index].message}
    if found.kind == "values":
        return {"input": name, "values": values.tolist()}
    best = [
        {"class": found.label(number), "number": number, _value(found): value}
        for number, value in found.top(index, top)
    ]
    return {"input": name, "top": best}


def _csv(found: Predictions, top: int) -> str:
    there = [values for values in found.values if values is not None]
    if found.kind == "values":
        width = max((values.size for values in there), default=1)
        heads = ["input", *([found.blob] if width == 1 else [f"{found.blob}[{i}]" for i in range(width)])]
        rows = ([n, *([""] * width if v is None else v.reshape(-1).tolist())] for n, v in _pairs(found))
        return csv_text(heads, rows)
    most = min(top, max((values.shape[-1] for values in there), default=top))
    heads = ["input", *(f"{word}_{rank}" for rank in range(1, most + 1) for word in ("class", _value(found)))]
    lines = []
    for index, name in enumerate(found.names):
        cells = [cell for number, value in found.top(index, most) for cell in (found.label(number), value)]
        lines.append([name, *cells, *[""] * (2 * most - len(cells))])
    return csv_text(heads, lines)


def _pairs(found: Predictions) -> list[tuple[str, Any]]:
    return list(zip(found.names, found.values, strict=True))


def _table(found: Predictions, top: int) -> Columns:
    """A row for each input that was answered; files below the current folder are shown from there."""
    there = [(index, values) for index, values in enumerate(found.values) if values is not None]
    if found.kind == "values":
        width = max((min(values.size, _SHOWN) for _, values in there), default=1)
        table = Columns(("input", found.blob, *[""] * (width - 1)), right=range(1, width + 1))
        for index, values in there:
            shown = [f"{value:.6g}" for value in values.reshape(-1)[:_SHOWN].tolist()]
            if values.size > _SHOWN:
                shown[-1] = f"... ({text(values.shape)})"
            table.add_row(from_here(found.names[index]), *shown, *[""] * (width - len(shown)))
        return table
    most = min(top, max((values.shape[-1] for _, values in there), default=1))
    table = Columns(
        ("input", *(cell for rank in range(1, most + 1) for cell in (str(rank), ""))), right=range(2, 2 * most + 1, 2)
    )
    for index, _ in there:
        best = found.top(index, most)
        table.add_row(
            from_here(found.names[index]),
            *(cell for number, value in best for cell in (found.label(number), f"{value:.4f}")),
        )
    return table
