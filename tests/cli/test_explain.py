"""`netspec explain`: the page of a code, whichever way it is written; every code has one."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from netspec.core.errors import UsageError
from netspec.core.explained import explained, find
from tests.helpers import ROOT

Cli = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("word", ["NS302", "ns302", "302", "error[NS302]"])
def test_a_code_is_explained(word: str, cli: Cli) -> None:
    code, out, _ = cli("explain", word)
    assert code == 0
    assert out.startswith("NS302 UnknownBlobError (exit code 3)\n\nA bottom names a blob")
    assert "error[NS302]" in out and "= help:" in out


def test_every_code_of_the_page_of_errors_is_explained(cli: Cli) -> None:
    codes = re.findall(r"^\| (NS\d{3}) ", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"), re.M)
    assert [one.code for one in explained()] == codes
    assert all(one.meaning for one in explained())
    said = [bool(one.said) for one in explained() if not one.code.startswith("NS8")]  # those the rules' tests show
    assert sum(said) > 0.7 * len(said)
    _, out, _ = cli("explain")
    assert len(out.splitlines()) == len(codes) + 2


@pytest.mark.parametrize("word", ["NS9", "blob", ""])
def test_an_unknown_code(word: str) -> None:
    with pytest.raises(UsageError, match="no error code"):
        find(word)
