"""What the doctor finds, as text, JSON, CSV and Markdown."""

from __future__ import annotations

from typing import Any

from netspec.core.errors import NetspecError, render
from netspec.core.shape import counted
from netspec.core.visible import visible
from netspec.study.doctor import Examination
from netspec.views.columns import Columns
from netspec.views.errors import as_json
from netspec.views.tables import View


def examination(one: Examination, width: int | None = None) -> View:
    """The answer of `netspec doctor` for a solver or a run."""

    def table(_: int | None) -> Columns:
        table = Columns(("code", "finding", "what to try"), one.name)
        for finding in one.findings:
            table.add_row(finding.code, finding.message, finding.help or "")
        return table

    def records() -> list[dict[str, Any]]:
        return [{"code": each.code, "finding": each.message, "help": each.help} for each in one.findings]

    def values() -> dict[str, Any]:
        return {"name": one.name, "findings": as_json(one.findings)["warnings"]}

    return View(table, values, records, lambda: _plain(one.name, one.findings, width))


def _plain(name: str, findings: tuple[NetspecError, ...], width: int | None) -> str:
    """The findings below one another, the count first."""
    head = f"{visible(name)}: {counted(len(findings), 'finding') if findings else 'nothing to find fault with'}"
    return "\n\n".join([head, *(render(each, width) for each in findings)])
