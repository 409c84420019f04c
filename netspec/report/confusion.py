"""The confusion matrix of a head in a page: a table of counts for few classes, a drawing of squares for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.core.visible import cut
from netspec.report.page import part

if TYPE_CHECKING:
    from markupsafe import Markup

MOST_COUNTED = 25
"""Classes whose counts stand in the squares."""
_NAMED = 80
"""Classes whose names stand beside the rows of a drawing."""
_SMALL = 12
"""Most classes whose counts are legible in a third of a page."""
_SHADES = 10
_MIDDLE, _STRONG = 0.6, 0.82
"""Shares of a true class above which a square is shaded in between, and strongly: its count has other colours then.

Counts keep a contrast of 4.5 to 1 with their squares on a light and on a dark screen.
"""
_LONGEST = 24


class Square(NamedTuple):
    """A count, the share of its true class that it is, and the two classes in words."""

    number: int
    share: float
    words: str

    @property
    def shade(self) -> str:
        """The name of its shade in CSS; none of a pale square."""
        return "strong" if self.share > _STRONG else "middle" if self.share > _MIDDLE else ""


def is_small(head: Mapping[str, Any]) -> bool:
    """Whether a third of a page is enough for a matrix: it has few squares, or neither counts nor names."""
    return not _SMALL < head["size"] <= _NAMED


def confusion(head: Mapping[str, Any]) -> Markup | None:
    """The matrix of a head; None of one that has none."""
    matrix = head.get("confusion")
    if not matrix:
        return None
    names = head["classes"] or [str(number) for number in range(head["size"])]
    shares = [[count / (sum(row) or 1) for count in row] for row in matrix]
    if head["size"] <= MOST_COUNTED:
        rows = [
            [Square(matrix[i][j], shares[i][j], f"{name} taken for {other}") for j, other in enumerate(names)]
            for i, name in enumerate(names)
        ]
        return part("confusion", names=names, rows=rows)
    labels = [cut(name, _LONGEST) for name in names] if len(names) <= _NAMED else []
    return part("confusion_drawn", size=head["size"], names=labels, shades=_shades(shares))


def _shades(shares: Sequence[Sequence[float]]) -> list[tuple[float, str]]:
    """Each shade, from 0 to 1, with the squares that have it as the path of an SVG; a row is a true class."""
    paths: dict[int, list[str]] = {}
    for y, row in enumerate(shares):
        for x, share in enumerate(row):
            if share > 0:
                paths.setdefault(max(1, round(share * _SHADES)), []).append(f"M{x} {y}h1v1h-1z")
    return [(shade / _SHADES, "".join(path)) for shade, path in sorted(paths.items())]
