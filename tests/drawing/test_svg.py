from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from netspec.drawing.colours import HUES, PAINTS, fill
from netspec.drawing.scene import scene
from netspec.drawing.svg import svg
from netspec.net.load import load_net

SVG = "{http://www.w3.org/2000/svg}"


def texts(content: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(content).iter(f"{SVG}text")]


def test_everything_that_the_scene_has_is_drawn() -> None:
    made = scene(load_net("googlenet"))
    content = svg(made)
    root = ElementTree.fromstring(content)
    assert root.get("viewBox") == f"0 0 {made.width} {made.height}"
    written = texts(content)
    wanted = [made.title, made.subtitle, *(frame.title for frame in made.frames), *(tag.text for tag in made.tags)]
    wanted += [line.text for box in made.boxes for line in (*box.lines, *(strip.line for strip in box.strips))]
    assert sorted(written) == sorted(wanted)
    assert content.count('class="ns-frame"') == len(made.frames)
    assert len(re.findall(r'<(?:rect|circle) class="ns-box"', content)) == len(made.boxes)
    assert svg(made) == content


def test_a_name_is_text_whatever_it_holds() -> None:
    name = "</text><script>alert('x')</script>&amp;"
    layers = [
        {"name": "data", "type": "Input", "shape": [[2, 3]]},
        {"name": f"{name}/a", "type": "InnerProduct", "num_output": 4},
        {"name": f"{name}/b", "type": "InnerProduct", "num_output": 4},
    ]
    content = svg(scene(load_net({"name": name, "layers": layers})))
    assert "script" not in {node.tag.removeprefix(SVG) for node in ElementTree.fromstring(content).iter()}
    assert name in texts(content)


def test_a_theme_is_fixed_or_follows_the_screen() -> None:
    made = scene(load_net("lenet"))
    assert svg(made).count("@media screen and (prefers-color-scheme:dark)") == 1  # paper stays light
    light, dark = svg(made, "light"), svg(made, "dark")
    assert "prefers" not in light + dark
    assert f".ns-paper{{fill:{PAINTS['dark'].paper}}}" in dark and PAINTS["dark"].paper not in light


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_on_every_colour(theme: str) -> None:
    paints = PAINTS[theme]  # type: ignore[index]
    for kind in HUES:
        for ink, least in ((paints.ink, 7), (paints.soft, 4.5)):
            low, high = sorted((luminance(ink), luminance(fill(kind, theme))))  # type: ignore[arg-type]
            assert (high + 0.05) / (low + 0.05) >= least, (kind, ink)  # WCAG 2: 7 is AAA, 4.5 is AA
