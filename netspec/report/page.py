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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.optional import library
from netspec.core.visible import visible

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

    from netspec.views.columns import Columns


@dataclass(frozen=True)
class Section:
    """A part of a page with its title, which the table of contents shows."""

    title: str
    body: Markup

    @property
    def anchor(self) -> str:
        """The name that links lead to."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


def ask_for_library(wanted: str) -> None:
    """Raise NoLibraryError where a page cannot be made; `wanted` names the page."""
    library("jinja2", "report", wanted)


def page(title: str, lead: Markup, sections: Sequence[Section]) -> str:
    """A whole page: its title, the lead that stands above all sections, a table of contents, the sections."""
    return str(part("page", title=title, lead=lead, sections=sections))


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
    made.filters["lines"] = lines
    return made


def _shown(value: Any) -> Any:
    """A value as a template prints it: a text with escapes for what cannot be seen, Markup as it is."""
    return visible(value) if isinstance(value, str) and not hasattr(value, "__html__") else value
