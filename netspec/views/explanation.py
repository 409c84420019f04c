"""The text that explains an error code, and the table of all codes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from netspec.core.explained import Explained
from netspec.views.columns import Columns


def explanation(one: Explained) -> str:
    """A code with its meaning and an example."""
    lines = [f"{one.code} {one.name} (exit code {one.exit_code})", "", one.meaning]
    if one.command:
        lines += ["", f"For example, `{one.command}` says:", "", textwrap.indent(one.said, "  ")]
    return "\n".join(lines)


def overview(codes: Iterable[Explained], width: int | None) -> Columns:
    """A row for each code: what it means, in a line under it where that is long."""
    table = Columns(("code", "exit code", "meaning"), right=(1,))
    for one in codes:
        table.add_row(one.code, str(one.exit_code), one.summary)
    return table if width is None else table.fitted(width, (0, 0, 1), labels={2: ""})
