"""Forms: the kinds of files that a net is drawn as, each by the ending of its name, written by one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from netspec.core.errors import UsageError
from netspec.core.outputs import ask_for_folder, mark, refuse_foreign
from netspec.drawing.boxes import chart
from netspec.drawing.colours import Plain, Theme
from netspec.drawing.dot import dot
from netspec.drawing.lecture import Picture, lecture
from netspec.drawing.mermaid import mermaid
from netspec.drawing.page import page
from netspec.drawing.png import png
from netspec.drawing.scene import scale, scene
from netspec.drawing.sizes import FONTS
from netspec.drawing.svg import svg
from netspec.net.shaped import ShapedGraph
from netspec.training.container import write_whole

_SMALLEST = 5.0
"""Height of the letters of a page, in points, below which a remark says so."""


class FormError(UsageError):
    """A drawing is asked for without a place to put it, or in a form that there is none of."""

    code = "NS886"


@dataclass(frozen=True)
class Wish:
    """What is drawn: the depth of blocks that are open (None: all), the theme, and the pixels of a PNG for each.

    `lecture`: blobs are solids of their size, as slides draw them.
    """

    depth: int | None = None
    theme: Theme = "auto"
    zoom: float = 2.0
    lecture: bool = False


@dataclass(frozen=True)
class Drawn:
    """A drawing as the bytes of a file, with a remark on how it may be read; empty where there is none."""

    content: bytes
    remark: str = ""


def _svg(shaped: ShapedGraph, wish: Wish) -> Drawn:
    if wish.lecture:
        picture = lecture(shaped, wish.depth, wish.theme)
        return Drawn(picture.svg.encode(), _folded(picture, wish))
    made = scene(shaped, wish.depth)
    return Drawn(svg(made, wish.theme).encode(), _remark(scale(made)))


def _png(shaped: ShapedGraph, wish: Wish) -> Drawn:
    theme: Plain = "dark" if wish.theme == "dark" else "light"
    if wish.lecture:
        picture = lecture(shaped, wish.depth, theme)
        return Drawn(png(picture.svg, picture.width, picture.height, wish.zoom), _folded(picture, wish))
    made = scene(shaped, wish.depth)
    return Drawn(png(svg(made, theme), made.width, made.height, wish.zoom), _remark(scale(made)))


def _folded(picture: Picture, wish: Wish) -> str:
    """The remark on blocks that were folded without being asked for."""
    return "blocks are one solid each; --depth 2 opens them" if picture.depth != wish.depth else ""


def _dot(shaped: ShapedGraph, wish: Wish) -> Drawn:
    return Drawn(dot(chart(shaped, wish.depth), shaped.graph.name).encode())


def _mermaid(shaped: ShapedGraph, wish: Wish) -> Drawn:
    return Drawn(mermaid(chart(shaped, wish.depth), shaped.graph.name).encode())


def _html(shaped: ShapedGraph, wish: Wish) -> Drawn:
    return Drawn(page(shaped, wish.depth).encode())


FORMS: Mapping[str, Callable[[ShapedGraph, Wish], Drawn]] = {
    "svg": _svg,
    "png": _png,
    "dot": _dot,
    "mmd": _mermaid,
    "html": _html,
}
"""The forms by the ending of a file."""


def form(net: str, file: Path | None, asked: str | None) -> str:
    """The form of a drawing of `net`: the one that is asked for, else by the ending of its file. Raises FormError."""
    if asked is not None:
        return asked
    if file is None:
        name = Path(net).stem if net != "-" else "net"
        raise FormError(
            "nothing says where the drawing goes",
            help=f"like `-o {name}.svg`; other endings: {_endings()}; or --format mmd",
        )
    ending = file.suffix.lower().removeprefix(".")
    if ending not in FORMS:
        raise FormError(f"a drawing is no file like '{file.name}'", help=f"name one that ends in {_endings()}")
    return ending


def only_drawn(form: str) -> None:
    """Raise FormError where a form is no drawing that can be like a lecture's."""
    if form not in ("svg", "png"):
        raise FormError(f"`--like lecture` draws no .{form}", help="name an .svg or a .png")


def save(drawn: Drawn, form: str, file: Path) -> None:
    """Write a drawing, whole or not at all, into a file that is not there or is an earlier drawing of its form.

    Raises WriteError, ExistsError.
    """
    ask_for_folder(file)
    refuse_foreign(file, mark(form), "drawing")
    write_whole(file, drawn.content)


def _endings() -> str:
    *first, last = (f".{form}" for form in FORMS)
    return f"{', '.join(first)} or {last}"


def _remark(scale: float) -> str:
    """The remark on letters that cannot be read on a page, on which a pixel has so many points."""
    height = scale * FONTS["name"][0]
    if height >= _SMALLEST:
        return ""
    return f"on a page of A4 its letters are {height:.1f} points high; --depth 1 or 2 folds blocks"
