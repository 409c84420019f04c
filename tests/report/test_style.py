"""Colours of pages: what is written has a contrast of 4.5 to 1 with what is behind it (WCAG 2.1, AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from netspec import report
from netspec.report.confusion import Square

STYLE = (Path(report.__file__).parent / "templates/style.css").read_text()
LIGHT, DARK, PRINT = (
    dict(re.findall(r"--([\w-]+): ([^;]+);", rules)) for rules in re.findall(r":root \{(.*?)\}", STYLE, re.S)
)
Color = tuple[float, ...]


def color(text: str) -> Color:
    """Red, green and blue, each 0 to 255, of a colour in CSS."""
    if text.startswith("#"):
        return tuple(int(text[at : at + 2], 16) for at in (1, 3, 5))
    return tuple(map(float, text.split(",")))


def luminance(one: Color) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (part / 255 for part in one)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: Color, other: Color) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_measure() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21) and contrast((9, 9, 9), (9, 9, 9)) == 1


@pytest.mark.parametrize("colors", [LIGHT, DARK, PRINT])
def test_words(colors: dict[str, str]) -> None:
    for name in ("ink", "soft", "link", "good", "bad"):
        for behind in ("paper", "shade"):
            assert contrast(color(colors[name]), color(colors[behind])) >= 4.5, (name, behind)


@pytest.mark.parametrize("colors", [LIGHT, DARK, PRINT])
def test_counts_on_their_squares(colors: dict[str, str]) -> None:
    inks = {"": colors["on-pale"], "middle": "#000000", "strong": colors["on-heat"]}
    heat, shade = color(colors["heat"]), color(colors["shade"])
    for number in range(101):
        share = number / 100
        square = tuple(share * hot + (1 - share) * pale for hot, pale in zip(heat, shade, strict=True))
        assert contrast(color(inks[Square(1, share, "").shade]), square) >= 4.5, share
