"""Pages: whatever they print is text, and the libraries that make them are imported only then."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from markupsafe import Markup

from netspec.core.optional import NoLibraryError
from netspec.core.outputs import ExistsError, WriteError
from netspec.report import page
from netspec.views.columns import Columns
from tests.report.runs import Read


def test_a_page_links_to_its_sections() -> None:
    columns = Columns(("a<b", "n"), "<t>", right=(1,), notes=("x  1", "y\u202e"))
    columns.add_row("</td>", "1")
    made = page.page("<title>", Markup("<p>lead"), [page.Section("Net & all", page.table(columns, "layers"))])
    read = Read(made)
    assert [each.get("href") for tag, each in read.elements if tag == "a"] == ["#net-all"]
    assert [each.get("id") for tag, each in read.elements if tag == "section"] == ["net-all"]
    assert [each.get("class") for tag, each in read.elements if tag == "td"] == [None, "number"]
    assert read.text.endswith(r"Net & all <t> a<b n </td> 1 x 1 y\u202e") and "x  1\ny" in made
    assert "<title>&lt;title&gt;</title>" in made and "default-src 'none'" in made


def test_sentences_with_code() -> None:
    assert page.coded("say `a<b`, or `c`") == Markup("say <code>a&lt;b</code>, or <code>c</code>")
    assert page.coded("one ` alone <b>") == Markup("one ` alone &lt;b&gt;")


def test_drawings_stand_in_a_page_without_what_a_file_begins_with() -> None:
    assert page.drawn('<?xml version="1.0"?>\n<svg a="1"></svg>') == Markup('<svg a="1"></svg>')


def test_only_its_own_pages_are_written_over(tmp_path: Path) -> None:
    made = page.page("a", Markup(""), [])
    page.write(tmp_path / "a.html", made)
    page.write(tmp_path / "a.html", made.replace("<h1>a", "<h1>b"))
    assert "<h1>b" in (tmp_path / "a.html").read_text()
    (tmp_path / "mine.html").write_text("mine")
    (tmp_path / "folder").mkdir()
    for name in ("mine.html", "folder"):
        with pytest.raises(ExistsError):
            page.write(tmp_path / name, made)
    (tmp_path / "loop").symlink_to("loop")
    for name in ("none/a.html", "loop"):
        with pytest.raises((WriteError, ExistsError)):
            page.write(tmp_path / name, made)
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(NoLibraryError, match="a report needs the library jinja2") as caught:
        page.ask_for("a report")
    assert "[report]" in (caught.value.help or "")


def test_nothing_is_imported_before_a_page_is_made() -> None:
    code = (
        "import sys, netspec, netspec.report.run, netspec.cli.report; print({'jinja2', 'matplotlib'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "set()\n", done
