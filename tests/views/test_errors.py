"""Errors for machines."""

from __future__ import annotations

from netspec.core.errors import SpecError
from netspec.core.places import Place, SourceText
from netspec.views.errors import as_github


def test_names_in_a_workflow_command_are_escaped() -> None:
    """Source: GitHub's toolkit, command.ts: escapeData and escapeProperty."""
    error = SpecError("layer 'a\n::b' is 100% wrong", at=Place(SourceText("a,b:c%.yaml", "x"), 1, 1), help="x\ry")
    assert as_github([error]) == (
        "::error file=a%2Cb%3Ac%25.yaml,line=1,col=1,title=NS000::layer 'a%0A::b' is 100%25 wrong (help: x%0Dy)"
    )
