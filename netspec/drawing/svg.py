"""Scene to SVG: one text that stands alone or inside a page; light or dark as the reader's screen is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from netspec.core.outputs import DRAWN
from netspec.core.visible import visible
from netspec.drawing.colours import FRAME_OPACITY, HUES, PAINTS, Plain, Theme, fill, outline
from netspec.drawing.figures import Box, Edge, Frame, Line, Point, Scene, Tag
from netspec.drawing.sizes import FONTS, HEAD_FONT, STRIP_FONT, TAG_FONT, TITLE_FONT
from netspec.drawing.widths import FAMILY

_ROUND, _TURN = 5.0, 6.0
"""Radius of the corners of boxes, and of those of lines."""
_ARROW = 5.0


def svg(scene: Scene, theme: Theme = "auto") -> str:
    """A drawing as SVG. With `auto` it is dark where the reader's screen is."""
    wide, high = _n(scene.width), _n(scene.height)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ns-net" role="img" width="{wide}" height="{high}" '
        f'viewBox="0 0 {wide} {high}">',
        f"<!-- {DRAWN} -->",
        f"<title>{escape(scene.title)}</title>",
        f"<style>{styles(theme)}</style>",
        f'<rect class="ns-paper" width="{wide}" height="{high}"/>',
        f'<text class="ns-title" x="16" y="24">{escape(scene.title)}</text>',
        f'<text class="ns-soft" x="16" y="39">{escape(scene.subtitle)}</text>',
        *map(_frame, scene.frames),
        *_lines(scene),
        *map(_tag, scene.tags),
        *map(box, scene.boxes),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def styles(theme: Theme) -> str:
    """The rules of CSS for a drawing, all of classes that begin with ns-."""
    fixed = [
        f".ns-net text{{font-family:{FAMILY};text-anchor:middle}}",
        ".ns-net .ns-title,.ns-net .ns-soft,.ns-net .ns-heading{text-anchor:start}",
        f".ns-title{{font-size:{HEAD_FONT}px}}.ns-soft{{font-size:{FONTS['text'][0]}px}}",
        f".ns-heading{{font-size:{TITLE_FONT}px}}.ns-title,.ns-heading{{font-weight:bold}}",
        f".ns-tag{{font-size:{TAG_FONT}px}}.ns-strip{{font-size:{STRIP_FONT}px}}",
        ".ns-line{fill:none;stroke-width:1.3}.ns-box{stroke-width:1.2}.ns-frame{stroke-width:1}",
        f".ns-frame{{fill-opacity:{FRAME_OPACITY}}}",
        ".ns-label .ns-box{stroke-dasharray:4 2}.ns-loss .ns-box{stroke-width:2}",
    ]
    for style, (size, bold) in FONTS.items():
        fixed.append(f".ns-{style}{{font-size:{size}px{';font-weight:bold' if bold else ''}}}")
    if theme != "auto":
        return "".join([*fixed, *_paint(theme)])
    return "".join([*fixed, *_paint("light"), "@media screen and (prefers-color-scheme:dark){", *_paint("dark"), "}"])


def _paint(theme: Plain) -> Iterator[str]:
    """The rules for the colours of a theme."""
    paints = PAINTS[theme]
    yield f".ns-paper{{fill:{paints.paper}}}.ns-net text{{fill:{paints.ink}}}"
    yield f".ns-net .ns-soft,.ns-net .ns-tag,.ns-net .ns-figure{{fill:{paints.soft}}}"
    yield f".ns-line{{stroke:{paints.line}}}.ns-head{{fill:{paints.line}}}"
    yield f".ns-frame{{fill:{paints.tint};stroke:{paints.frame}}}"
    for kind in HUES:
        yield f".ns-{kind} .ns-box,.ns-f-{kind}{{fill:{fill(kind, theme)}}}"
        yield f".ns-{kind} .ns-box{{stroke:{outline(kind, theme)}}}"


def box(made: Box) -> str:
    """A box with its text, as a group whose class is its kind."""
    parts = [f'<g class="ns-{made.kind}"><title>{escape(made.hint)}</title>']
    if made.block:
        parts.append(_rect(made, 3, _ROUND))
    if made.form == "circle":
        middle = made.x + made.width / 2, made.y + made.height / 2
        if made.width == made.height:
            parts.append(f'<circle class="ns-box" cx="{_n(middle[0])}" cy="{_n(middle[1])}" r="{_n(made.width / 2)}"/>')
        else:
            parts.append(_rect(made, 0, made.height / 2))
    else:
        parts.append(_rect(made, 0, made.height / 2 if made.form == "pill" else _ROUND))
    for number, strip in enumerate(made.strips):
        last = number == len(made.strips) - 1
        x, y, wide, high = made.x + 0.6, strip.y, made.width - 1.2, strip.height - (0.6 if last else 0)
        bend = _ROUND - 0.6 if last else 0
        parts.append(
            f'<path class="ns-f-{strip.kind}" d="M{_n(x)} {_n(y)}h{_n(wide)}v{_n(high - bend)}'
            f'q0 {_n(bend)} {_n(-bend)} {_n(bend)}h{_n(2 * bend - wide)}q{_n(-bend)} 0 {_n(-bend)} {_n(-bend)}z">'
            f"<title>{escape(visible(strip.layer))}</title></path>"
        )
        parts.append(_text(strip.line, "strip"))
    parts += [_text(line, line.style) for line in made.lines]
    return "".join([*parts, "</g>"])


def _rect(made: Box, behind: float, bend: float) -> str:
    """The outline of a box; one that stands `behind` shows that more is folded in it."""
    return (
        f'<rect class="ns-box" x="{_n(made.x + behind)}" y="{_n(made.y + behind)}" width="{_n(made.width)}" '
        f'height="{_n(made.height)}" rx="{_n(bend)}"/>'
    )


def _text(line: Line, style: str) -> str:
    return f'<text class="ns-{style}" x="{_n(line.x)}" y="{_n(line.y)}">{escape(line.text)}</text>'


def _frame(frame: Frame) -> str:
    return (
        f'<g><title>{escape(visible(frame.name))}</title><rect class="ns-frame" x="{_n(frame.x)}" y="{_n(frame.y)}" '
        f'width="{_n(frame.width)}" height="{_n(frame.height)}" rx="7"/><text class="ns-heading" '
        f'x="{_n(frame.title_x)}" y="{_n(frame.title_y)}">{escape(frame.title)}</text></g>'
    )


def _tag(tag: Tag) -> str:
    x, y = tag.x + tag.width / 2, tag.y + tag.height - 4
    return f'<text class="ns-tag" x="{_n(x)}" y="{_n(y)}">{escape(tag.text)}</text>'


def _lines(scene: Scene) -> Iterator[str]:
    """All lines, those of a blob interrupted by its tag, and the heads of their arrows."""
    tags = {(tag.box, tag.blob): tag for tag in scene.tags}
    heads: dict[Point, None] = {}
    drawn: set[tuple[str, str]] = set()
    for edge in scene.edges:
        words, pen = [], ""
        for start, step, end in steps(edge, tags.get((edge.source, edge.blob))):
            if (start, step) not in drawn:
                drawn.add((start, step))
                words.append(step if start == pen else f"M{start}{step}")
                pen = end
        if words:
            yield f'<path class="ns-line" d="{"".join(words)}"/>'
        heads[edge.points[-1]] = None
    for x, y in heads:
        yield f'<path class="ns-head" d="M{_n(x)} {_n(y)}l-3.5 -6h7z"/>'


def steps(edge: Edge, tag: Tag | None) -> Iterator[tuple[str, str, str]]:
    """The line of an edge in the words of an SVG path, step by step, each with its start and its end.

    It stops before its arrow's head, and around its tag.
    """
    points = list(edge.points)
    x, y = points[0]
    if tag is not None:
        yield _at((x, y)), f"V{_n(tag.y)}", _at((x, tag.y))
        points[0] = (x, tag.y + tag.height)
    points[-1] = (points[-1][0], points[-1][1] - _ARROW)
    pen = _at(points[0])
    for number in range(1, len(points)):
        step, end = _step(points, number)
        yield pen, step, end
        pen = end


def _step(points: Sequence[Point], number: int) -> tuple[str, str]:
    """The part of a path up to a point, with a round corner where it turns there, and where that part ends."""
    (x0, y0), (x, y) = points[number - 1], points[number]
    if abs(x - x0) > 0.01 and abs(y - y0) > 0.01:
        middle = _n((y0 + y) / 2)
        return f"C{_n(x0)} {middle} {_n(x)} {middle} {_at((x, y))}", _at((x, y))
    if number + 1 < len(points):
        x2, y2 = points[number + 1]
        level, next_level = abs(y - y0) < 0.01, abs(y2 - y) < 0.01
        if level != next_level and (next_level or abs(x2 - x) < 0.01):
            before, after = _towards((x, y), (x0, y0)), _towards((x, y), (x2, y2))
            return f"L{_at(before)}Q{_at((x, y))} {_at(after)}", _at(after)
    return f"L{_at((x, y))}", _at((x, y))


def _towards(corner: Point, other: Point) -> Point:
    """The point on the way from a corner to another where its curve begins."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max(abs(dx), abs(dy))
    share = min(_TURN, length / 2) / length if length else 0
    return corner[0] + dx * share, corner[1] + dy * share


def _at(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _n(number: float) -> str:
    """A number as short as a drawing needs it."""
    text = f"{number:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text
