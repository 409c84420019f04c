from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from netspec.core.optional import NoLibraryError
from netspec.drawing import png as module
from netspec.drawing.png import NoPictureError, fonts, png
from netspec.drawing.scene import scene
from netspec.drawing.svg import svg
from netspec.net.load import load_net

pytest.importorskip("resvg_py")


def picture(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content)).convert("L")


def test_a_drawing_becomes_pixels_with_its_text() -> None:
    made = scene(load_net("lenet"))
    content = png(svg(made, "light"), made.width, made.height, zoom=2)
    seen = Image.open(io.BytesIO(content))
    assert seen.size == (made.width * 2, made.height * 2)
    assert seen.info["Software"] == "netspec"
    assert content == png(svg(made, "light"), made.width, made.height, zoom=2)
    # the title is text: with no text there would be paper only
    title = seen.convert("L").crop((32, 16, 200, 50))
    low, high = title.getextrema()
    assert low < 60 and high == 255


def test_dark_is_dark() -> None:
    made = scene(load_net("lenet"))
    assert picture(png(svg(made, "dark"), made.width, made.height)).getpixel((5, 5)) < 40  # type: ignore[operator]


def test_a_font_is_found_without_importing_what_brings_it() -> None:
    found = [path.name for path in fonts()]
    assert found and all(name.lower().endswith((".ttf", ".otf")) for name in found)


def test_a_machine_without_fonts_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_folders", lambda: iter(()))
    with pytest.raises(NoPictureError, match="there is none on this machine"):
        png("<svg/>", 10, 10)


def test_fonts_of_the_system_are_used_where_matplotlib_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("Zapfino.ttf", "LiberationSans-Bold.ttf", "LiberationSans-Regular.ttf", "readme.txt"):
        (tmp_path / name).touch()
    monkeypatch.setattr(module, "_folders", lambda: iter((tmp_path, tmp_path / "nowhere")))
    assert [path.name for path in fonts()] == ["LiberationSans-Bold.ttf", "LiberationSans-Regular.ttf"]


def test_too_many_pixels_are_refused() -> None:
    with pytest.raises(NoPictureError, match="too large"):
        png("<svg/>", 9000, 10)


def test_without_the_library_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(NoLibraryError, match="a drawing as PNG needs the library resvg_py"):
        png("<svg/>", 10, 10)
