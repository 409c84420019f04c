"""`debug_info` as a table: a row for every top and every param, in the order of the layers."""

from __future__ import annotations

from netspec.core.snippet import cell_width
from netspec.training.events import DebugInfo, moment
from netspec.views.columns import Columns

HEADS = ("layer", "blob", "|data|", "|diff|", "diff L2", "update", "dead")
RANKS = (0, 0, 1, 2, 4, 3, 5)
LONGEST = 16
"""Most characters of a name where the terminal is narrow."""


def debug_table(event: DebugInfo, width: int) -> Columns:
    """The table of an iteration, in the columns that fit into `width`."""
    longest = max(LONGEST if width >= 80 else LONGEST // 2, (width - 48) // 2)
    notes = [
        f"all params  |data| L1 {event.data_l1:.4g}, L2 {event.data_l2:.4g}; "
        f"|diff| L1 {event.diff_l1:.4g}, L2 {event.diff_l2:.4g}"
    ]
    table = Columns(HEADS, f"debug_info at {moment(event)}", range(2, len(HEADS)), notes)
    for layer in dict.fromkeys([top.layer for top in event.tops] + [param.layer for param in event.params]):
        name = _cut(layer, longest)
        for top in event.tops:
            if top.layer == layer:
                dead = "" if top.dead is None else f"{top.dead:.0%}"
                table.add_row(name, _cut(top.top, longest), _number(top.data), _number(top.diff), "", "", dead)
        for param in event.params:
            if param.layer == layer:
                numbers = map(_number, (param.data, param.diff, param.gradient, param.update))
                table.add_row(name, _cut(param.param, longest), *numbers, "")
    return table.fitted(width, RANKS)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _cut(name: str, longest: int) -> str:
    """The beginning of a name, in so many cells of a terminal at most."""
    if cell_width(name) <= longest:
        return name
    while cell_width(name) > longest - 1:
        name = name[:-1]
    return name + "…"
