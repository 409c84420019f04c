"""Widths of text, so that boxes fit around it without a library that reads fonts.

The widths are those of DejaVu Sans, in thousandths of the size of the font. Verdana is as wide, and Helvetica, Arial
and Segoe are narrower, so that text which fits in DejaVu Sans fits in these too.
"""

from __future__ import annotations

from bisect import bisect_right
from unicodedata import category, combining, east_asian_width

FAMILY = "'DejaVu Sans', Verdana, 'Segoe UI', Helvetica, Arial, sans-serif"
"""The fonts that a drawing asks for, the first that there is."""

_FIRST = 32
_PLAIN = (
    *(318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636),
    *(636, 636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656),
    *(557, 863, 748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613),
    *(635, 550, 635, 615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818),
    *(592, 592, 525, 636, 337, 636, 838),
)
_BOLD = (
    *(348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696, 696),
    *(696, 696, 696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 372, 775),
    *(637, 995, 837, 850, 733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838, 500, 500, 675),
    *(716, 593, 716, 678, 435, 716, 712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595, 478, 712, 652, 924),
    *(645, 652, 582, 712, 365, 712, 838),
)
"""Widths of the characters from the space to the tilde."""
_OTHER = 1000
"""Width of a character outside the tables: nine letters in ten of other alphabets are narrower."""
_WIDE = 1250
"""Width of a character that East Asian typography counts as wide, and of signs that may be pictures."""


def width(text: str, size: float, bold: bool = False) -> float:
    """The width of a text in pixels, or a little more, at a size of the font in pixels."""
    table = _BOLD if bold else _PLAIN
    return sum(_width(char, table) for char in text) * size / 1000


def _width(char: str, table: tuple[int, ...]) -> int:
    place = ord(char) - _FIRST
    if 0 <= place < len(table):
        return table[place]
    if combining(char):
        return 0
    return _WIDE if east_asian_width(char) in "WF" or category(char) in {"So", "Cn", "Co"} else _OTHER


def cut(text: str, size: float, most: float, bold: bool = False) -> str:
    """The text where it is at most so wide, else its ends with a … between them: names differ at both."""
    if width(text, size, bold) <= most:
        return text
    longest = bisect_right(range(2, len(text)), most, key=lambda kept: width(_ends(text, kept), size, bold)) + 1
    return _ends(text, longest) if longest >= 2 else "…"


def _ends(text: str, kept: int) -> str:
    """The ends of a text, so many of its characters, with a … between them."""
    return f"{text[: kept // 3]}…{text[len(text) - (kept - kept // 3) :]}"
