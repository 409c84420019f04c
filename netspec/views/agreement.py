"""How far apart two programs are that run one net, as a table, JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from netspec.interop.agreement import Difference
from netspec.views.columns import Columns
from netspec.views.tables import View


def agreement_view(found: Sequence[Difference], file: str, notes: Sequence[str] = ()) -> View:
    """The file that was written, and a row for each compared output of each batch; JSON has the notes too."""
    return View(
        lambda _: _table(found, file),
        lambda: {"file": file, "notes": [*notes], "differences": [asdict(one) for one in found]},
        lambda: [asdict(one) for one in found],
        None if found else lambda: file,
    )


def _table(found: Sequence[Difference], file: str) -> Columns:
    table = Columns(("inputs", "output", "max|a-b|", "/ max|b|"), right=(2, 3), notes=(file,))
    for one in found:
        table.add_row(one.inputs, one.blob, f"{one.absolute:.1e}", f"{one.relative:.1e}")
    return table
