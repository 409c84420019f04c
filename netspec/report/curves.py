"""Curves of trainings in a page: a drawing for each panel, which stand side by side as there is room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netspec.pictures.curves import drawings
from netspec.report.page import drawn, part
from netspec.study.curves import ALL, NoCurvesError, Wish
from netspec.training.runs import RunRecord

if TYPE_CHECKING:
    from markupsafe import Markup

_SIGNS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖", "*": "★"}
"""Letters that look like the markers of the palette."""


def curves(records: Sequence[RunRecord], wish: Wish = ALL, beside: Markup | None = None) -> Markup:
    """The curves of some runs, with a picture beside them; where none are recorded, why."""
    try:
        found = drawings(records, wish)
    except NoCurvesError as error:
        return part("curves", panels=[], runs=[], notes=[], missing=error.message, columns=1, beside=beside)
    panels = [drawn(svg) for svg in found.panels]
    runs = [(name, look.color, _SIGNS[look.marker], " ".join(map(str, look.dashes))) for name, look in found.runs]
    columns = 2 if beside or len(panels) in {2, 4} else min(3, len(panels))
    return part("curves", panels=panels, runs=runs, notes=found.notes, missing=None, columns=columns, beside=beside)
