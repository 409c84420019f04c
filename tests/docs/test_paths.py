"""The files that the pages for developers name are there."""

from __future__ import annotations

import re

import pytest

from tests.helpers import ROOT

PAGES = ["docs/architecture.md", "CONTRIBUTING.md"]
PLACES = [*(ROOT / "netspec").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]


def named(page: str) -> list[str]:
    """Words in backticks that are names of Python files or of folders; NAME and * stand for anything."""
    words = re.findall(r"`([\w/*.{},]+)`", (ROOT / page).read_text(encoding="utf-8"))
    return sorted({word for word in words if word.endswith((".py", "/"))})


@pytest.mark.parametrize(("page", "name"), [(page, name) for page in PAGES for name in named(page)])
def test_what_a_page_names_is_there(page: str, name: str) -> None:
    pattern = re.escape(name).replace(r"\*", r"\w*").replace("NAME", r"\w+")
    paths = [f"/{place.relative_to(ROOT).as_posix()}" for place in PLACES]
    found = any(re.search(rf"/{pattern}" + ("" if name.endswith("/") else "$"), path) for path in paths)
    assert found or (ROOT / name).exists(), f"{page} names `{name}`, which is nowhere"
