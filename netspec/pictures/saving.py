"""Saving: a matplotlib figure as a file or as SVG inside a page; equal figures give equal bytes.

Nothing of a user's own matplotlib settings, of the time or of a version gets into a picture.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from netspec.core import outputs
from netspec.core.errors import UsageError
from netspec.core.optional import library
from netspec.core.visible import visible
from netspec.training.container import write_whole

INK = "#010203"
"""The colour of text and axes; inside a page it becomes that of the text around the picture."""
_SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.labelsize": 8.5,
    "svg.fonttype": "none",
    "svg.hashsalt": outputs.SOFTWARE,
    "pdf.fonttype": 42,
    "text.usetex": False,
    "savefig.dpi": 150,
    "figure.dpi": 150,
    "axes.unicode_minus": True,
    "text.parse_math": True,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "white"),
}


_SAID: dict[str, dict[str, Any]] = {
    ".png": {"Software": outputs.SOFTWARE},
    ".svg": {"Creator": outputs.DRAWN, "Date": None},
    ".pdf": {"Creator": outputs.DRAWN, "Producer": outputs.SOFTWARE, "CreationDate": None},
}
"""What files say of themselves, by their suffixes: all kinds that are drawn."""


class NothingToPlotError(UsageError):
    """A picture is to be drawn, but there is nothing to show, or the name of the file is that of no picture."""

    code = "NS664"


def ask_for_library(file: Path, wanted: str, instead: str = "") -> None:
    """Raise NoLibraryError without matplotlib, NothingToPlotError for a kind of file that it does not write.

    `wanted` is the command or option that draws, `instead` what can be done without matplotlib.
    """
    library("matplotlib.figure", "plot", wanted, instead)
    if file.suffix.lower() not in _SAID:
        text = f"{wanted} draws no files like '{file.name}'"
        raise NothingToPlotError(text, help="name one that ends in .png, .svg or .pdf")


def refuse_foreign(file: Path) -> None:
    """Raise ExistsError where there is a file that is no picture of netspec's; a picture may be drawn anew."""
    outputs.refuse_foreign(file, outputs.mark(file.suffix.lower().removeprefix(".")), "picture")


@contextmanager
def settings() -> Iterator[None]:
    """While the body makes and saves figures, matplotlib has the settings of all pictures, whatever a user's are."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        warnings.filterwarnings("ignore", r"Glyph .* missing from")  # a name may have letters that the font lacks
        yield


def save(figure: Any, file: Path) -> None:
    """Write a figure, made under `settings`, into a file whose kind its name says, whole or not at all.

    Raises WriteError.
    """
    outputs.ask_for_folder(file)
    kind, out = file.suffix.lower(), io.BytesIO()
    figure.savefig(out, format=kind.removeprefix("."), metadata=_SAID[kind])
    write_whole(file, out.getvalue())


def inline_svg(figure: Any, name: str) -> str:
    """A figure, made under `settings`, as the <svg> element of a page, whose text colour and background it takes.

    `name` keeps its ids apart from those of other pictures of the page. The element says nothing of the outside, and
    no style of it reaches beyond it.
    """
    out = io.StringIO()
    for axes in figure.axes:
        axes.patch.set_visible(False)
    figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub("<[^>]*>", lambda tag: _placed(tag[0], name), text)  # what stands between tags are the words
    return text.replace("<svg", '<svg stroke-linejoin="round" stroke-linecap="butt"', 1).rstrip()


def _placed(tag: str, name: str) -> str:
    """A tag of a picture inside a page: its ids begin with a name, its ink is the colour of the text around it."""
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    return re.sub(r'(href="|url\()#', rf"\1#{name}-", tag).replace(INK, "currentColor")


def plain(text: str) -> str:
    """A text in which matplotlib finds no formula, on one line."""
    return visible(text).replace("$", r"\$")
