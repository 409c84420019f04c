"""Errors and warnings for machines: JSON, and GitHub workflow commands, which GitHub shows beside the code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netspec.core.errors import NetspecError
from netspec.core.places import Place


def as_json(findings: Sequence[NetspecError]) -> dict[str, Any]:
    """Errors and warnings as plain values for `--format json`."""
    return {f"{word}s": _listed([each for each in findings if each.severity == word]) for word in ("error", "warning")}


def _listed(findings: Sequence[NetspecError]) -> list[dict[str, Any]]:
    return [
        {
            "code": e.code,
            "message": e.message,
            "file": e.at.source.name if e.at else None,
            "line": e.at.line if e.at else None,
            "column": e.at.column if e.at else None,
            "length": e.at.length if e.at else None,
            "help": e.help,
            "expanded_from": [_as_json(p) for p in e.at.chain] if e.at else [],
            "related": [{"message": word, **_as_json(p)} for word, p in e.related],
        }
        for e in findings
    ]


def _as_json(place: Place) -> dict[str, Any]:
    return {"file": place.source.name, "line": place.line, "column": place.column}


def as_github(findings: Sequence[NetspecError]) -> str:
    """Errors and warnings as GitHub workflow commands, which GitHub shows beside the code."""
    rows = []
    for e in findings:
        place = f"file={_property(e.at.source.name)},line={e.at.line},col={e.at.column}," if e.at else ""
        text = e.message + (f" (help: {e.help})" if e.help else "")
        rows.append(f"::{e.severity} {place}title={e.code}::{_data(text)}")
    return "\n".join(rows)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
