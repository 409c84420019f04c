"""Page: sections as one HTML file that needs nothing beside it, made by the templates of `report/templates/`.

Whatever a template prints is text: characters of HTML are escaped, and what cannot be seen is written as an escape
(`core/visible.py`). Only Markup is taken as it is: what templates, `drawing` and `pictures` made themselves. A page
obeys no script and asks for no file, as its Content-Security-Policy says too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core import outputs
from netspec.core.optional import library
from netspec.core.visible import visible
from netspec.training.container import write_whole

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from netspec.views.columns import Columns


@dataclass(frozen=True)
class Section:
    """A part of a page with its title, which the table of contents shows.

    Narrow sections that follow one another stand side by side where there is room.
    """

    title: str
    body: Markup
    narrow: bool = False

    @property
    def anchor(self) -> str:
        """The name that links lead to."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def ask_for(wanted: str, file: Path | None = None) -> None:
    """Raise what making a page would raise: NoLibraryError, and for its file ExistsError and WriteError.

    `wanted` names the page.
    """
    library("jinja2", "report", wanted)
    library("matplotlib.figure", "report", wanted)
    if file is not None:
        _ask_for_place(file)


def _ask_for_place(file: Path) -> None:
    """Raise ExistsError where a file is no page of netspec's, WriteError where it has no folder."""
    outputs.refuse_foreign(file, outputs.mark("html"), "page")
    outputs.ask_for_folder(file)


def write(file: Path, html: str) -> None:
    """Write a page, whole or not at all, over an older one too. Raises ExistsError, WriteError."""
    _ask_for_place(file)
    write_whole(file, html.encode())


def page(title: str, lead: Markup, sections: Sequence[Section]) -> str:
    """A whole page: its title, the lead that stands above all sections, a table of contents, the sections."""
    from markupsafe import Markup

    rows = [list(row) for _, row in groupby(sections, key=lambda section: section.narrow or section.anchor)]
    return str(part("page", mark=Markup(outputs.PAGE), title=title, lead=lead, sections=sections, rows=rows))


def part(template: str, **values: Any) -> Markup:
    """A part of a page: the template of a name with its values, which it prints as text."""
    from markupsafe import Markup

    return Markup(_environment().get_template(f"{template}.html").render(values))


def table(columns: Columns, classes: str = "") -> Markup:
    """A table with its title and its notes; `classes` are those of its element in CSS."""
    return part("table", table=columns, classes=classes)


def drawn(svg: str) -> Markup:
    """A drawing that netspec made, to stand in a page: the SVG element without what only a file has before it."""
    from markupsafe import Markup

    return Markup(svg[svg.index("<svg") :])


def lines(text: str) -> Markup:
    """A text of several lines, for an element that keeps its line breaks."""
    from markupsafe import Markup

    return Markup("\n").join(visible(line) for line in text.split("\n"))


def coded(text: str) -> Markup:
    """A sentence in which words between backticks are code."""
    from markupsafe import Markup

    pieces = [visible(piece) for piece in text.split("`")]
    if len(pieces) % 2 == 0:
        return Markup("`").join(pieces)
    return Markup("").join(Markup("<code>{}</code>").format(one) if n % 2 else one for n, one in enumerate(pieces))


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(lines=lines, coded=coded)
    return made


def _shown(value: Any) -> Any:
    """A value as a template prints it: a text with escapes for what cannot be seen, Markup as it is."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
