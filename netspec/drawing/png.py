"""SVG to PNG, by the library resvg, with a font that is looked for on this machine."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from netspec.core.errors import UsageError
from netspec.core.optional import library
from netspec.core.outputs import mark

_HEADER = 33
"""Bytes of a PNG's signature and its first chunk."""
_NAMES = ("DejaVuSans", "Verdana", "LiberationSans-", "Arial", "Helvetica", "NotoSans-")
"""Beginnings of the names of fonts that are wanted, the best first: as wide as text is counted, or narrower."""
_LARGEST = 16_000
"""Pixels that a side of a picture has at most."""


class NoPictureError(UsageError):
    """A drawing cannot become a PNG: the machine has no font, or there would be too many pixels."""

    code = "NS885"


def png(svg: str, width: float, height: float, zoom: float = 2.0) -> bytes:
    """A drawing of so many pixels as a picture, `zoom` times as large. Raises NoLibraryError, NoPictureError."""
    if max(width, height) * zoom > _LARGEST:
        text = f"a picture of {width * zoom:,.0f} x {height * zoom:,.0f} pixels is too large for a PNG"
        raise NoPictureError(text, help=f"at most {_LARGEST:,} a side: a smaller --zoom, --depth 1, or an .svg")
    resvg = library("resvg_py", "draw", "a drawing as PNG", "an .svg needs none")
    files = fonts()
    if not files:
        raise NoPictureError(
            "a PNG needs a font, and there is none on this machine",
            help="`pip install matplotlib` brings one; an .svg needs none",
        )
    family = {"font_family": "DejaVu Sans", "sans_serif_family": _family(files[0])}
    drawn = resvg.svg_to_bytes(
        svg_string=svg, zoom=zoom, font_files=[str(file) for file in files], skip_system_fonts=svg.isascii(), **family
    )
    return _signed(bytes(drawn))


def fonts() -> Sequence[Path]:
    """Files of a font, plain and bold; empty where there is none."""
    found = sorted({path for folder in _folders() for path in _fonts(folder)}, key=_rank)
    if not found:
        return ()
    best = _rank(found[0])[0]
    return [path for path in found if _rank(path)[0] == best][:8]


def _rank(path: Path) -> tuple[int, int, str]:
    place = next((n for n, name in enumerate(_NAMES) if path.name.startswith(name)), len(_NAMES))
    return place, len(path.name), str(path)


def _fonts(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (path for path in folder.rglob("*") if path.suffix.lower() in {".ttf", ".otf"})


def _folders() -> Iterator[Path]:
    """Folders of fonts: matplotlib's own first, which is not imported for that, then the system's."""
    spec = find_spec("matplotlib")
    if spec is not None and spec.origin is not None:
        own = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
        if (own / "DejaVuSans.ttf").is_file():
            yield own
            return
    home = Path.home()
    if sys.platform == "darwin":
        yield from (Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts")
    elif sys.platform == "win32":
        yield Path("C:/Windows/Fonts")
    else:
        yield from (
            Path("/usr/share/fonts"),
            Path("/usr/local/share/fonts"),
            home / ".fonts",
            home / ".local/share/fonts",
        )


def _family(path: Path) -> str:
    """The family of a font, by the names that are looked for; another font's is its file's name."""
    known = {"DejaVuSans": "DejaVu Sans", "LiberationSans": "Liberation Sans", "NotoSans": "Noto Sans"}
    stem = path.stem.partition("-")[0]
    return known.get(stem, stem)


def _signed(png: bytes) -> bytes:
    """The picture with a text that says who made it, by which it may be drawn anew."""
    maker = mark("png")
    chunk = b"tEXt" + maker
    text = struct.pack(">I", len(maker)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:_HEADER] + text + png[_HEADER:]
