"""Sizes: how large the box of an item is, and where its text stands in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from netspec.core.visible import visible
from netspec.drawing.boxes import Item, Wire
from netspec.drawing.figures import Box, Line, Strip, Style, Tag
from netspec.drawing.widths import cut, width

FONTS: Mapping[Style, tuple[float, bool]] = {
    "name": (12, True),
    "text": (11, False),
    "figure": (10.5, False),
    "sign": (15, True),
}
"""Size and weight of each style of text, in pixels."""
STRIP_FONT, TAG_FONT, TITLE_FONT, HEAD_FONT = 10.0, 10.0, 11.0, 16.0

_MARGIN = 7.0
"""Space between the text and the sides of its box."""
_LINE, _TOP, _FOOT = 14.5, 5.0, 6.0
_STRIP = 15.0
_CIRCLE = 26.0
_PILL = 22.0
_WIDEST = 230.0
"""Width of a text from which on its middle is left out."""
TAG_HEIGHT = 15.0
_STUB = 4.0
"""Length of line that is seen above a tag."""


@dataclass(frozen=True)
class Measured:
    """An item's box at 0, 0, its tags below it, and where its tops leave: x from the left side, by port."""

    box: Box
    tags: tuple[Tag, ...]
    outs: Mapping[int, float]
    width: float
    height: float
    """Width and height with the tags; the box stands in the middle of the width."""


def measured(item: Item, name: str, wires: Sequence[Wire], reads: Sequence[str]) -> Measured:
    """The box of an item that is called `name` there; `wires` leave it, `reads` are the shapes that it reads."""
    ports = {wire.port: wire for wire in wires}
    quiet = item.form != "box" and len(ports) == 1 and {w.shape for w in wires} <= set(reads[:1])
    texts = {} if quiet else {port: wire.shape for port, wire in sorted(ports.items())}
    tag_widths = {port: width(text, TAG_FONT) + 6 for port, text in texts.items()}
    lines = list(_texts(item, name))
    inner = max((_width(text, style) for text, style in lines), default=0.0) + 2 * _MARGIN
    if item.form == "circle":
        inner = max(_CIRCLE, inner) if len(item.lines[0]) > 1 else _CIRCLE
    inner = max([inner, *(width(part.type, STRIP_FONT) + 2 * _MARGIN for part in item.parts[1:])])
    if len(ports) > 1:
        inner = max(inner, sum(tag_widths.values()) + 8 * len(ports))
    box = _box(item, name, lines, inner)
    whole = max(inner, *tag_widths.values()) if tag_widths else inner
    outs = {port: whole * (n + 1) / (len(ports) + 1) for n, port in enumerate(sorted(ports))}
    if len(ports) > 1:
        outs = _side_by_side(tag_widths, whole)
    tags = tuple(
        Tag(
            text,
            outs[port] - tag_widths[port] / 2,
            box.height + _STUB,
            tag_widths[port],
            TAG_HEIGHT,
            ports[port].blob,
            ports[port].source,
        )
        for port, text in texts.items()
    )
    shifted = moved(box, (whole - inner) / 2, 0)
    return Measured(shifted, tags, outs, whole, box.height + (_STUB + TAG_HEIGHT if tags else 0))


def _side_by_side(widths: Mapping[int, float], whole: float) -> dict[int, float]:
    space = (whole - sum(widths.values())) / len(widths)
    at, found = 0.0, {}
    for port, wide in widths.items():
        found[port] = at + space / 2 + wide / 2
        at += space + wide
    return found


def _texts(item: Item, name: str) -> Iterator[tuple[str, Style]]:
    if item.form == "circle":
        yield item.lines[0], "sign"
        return
    text = visible(name)
    if item.form == "pill":
        if item.kind == "label":
            yield cut(text, 12, _WIDEST, True), "name"
        else:
            yield cut(f"{text}  {item.lines[0]}", 11, _WIDEST), "text"
        return
    yield cut(text, 12, _WIDEST, True), "name"
    for number, line in enumerate(item.lines):
        last = number == len(item.lines) - 1 and number > 0
        style: Style = "figure" if last and "param" in line else "text"
        yield cut(line, FONTS[style][0], _WIDEST), style


def _width(text: str, style: Style) -> float:
    size, bold = FONTS[style]
    return width(text, size, bold)


def _box(item: Item, name: str, texts: Sequence[tuple[str, Style]], wide: float) -> Box:
    middle = wide / 2
    if item.form == "box":
        lines = tuple(
            Line(text, style, middle, _TOP + _LINE * (number + 1) - 3.5) for number, (text, style) in enumerate(texts)
        )
        height = _TOP + _LINE * len(lines) + _FOOT
    else:
        height = _CIRCLE if item.form == "circle" else _PILL
        lines = tuple(Line(text, style, middle, height / 2 + FONTS[style][0] * 0.36) for text, style in texts)
    strips = []
    for part in item.parts[1:] if not item.folded else ():
        text = cut(part.type, STRIP_FONT, _WIDEST)
        strips.append(Strip(part.name, part.kind, Line(text, "text", middle, height + 11), height, _STRIP))
        height += _STRIP
    return Box(
        name=name,
        kind=item.kind,
        form=item.form,
        x=0,
        y=0,
        width=wide,
        height=height,
        lines=lines,
        strips=tuple(strips),
        layers=tuple(part.name for part in item.parts),
        block="/".join(item.folded),
        hint=_hint(item),
    )


def _hint(item: Item) -> str:
    """What is said where the mouse rests: full names, types, parameters and MACs."""
    if item.folded:
        lines = [f"{'/'.join(item.folded)}: {len(item.parts)} layers"]
    else:
        lines = [
            f"{part.name}: {part.type}" + (f", {part.params:,} parameters" if part.params else "")
            for part in item.parts
        ]
    figures = [f"{item.params:,} parameters"] if item.params and (item.folded or len(item.parts) > 1) else []
    figures += [f"{item.macs:,} MACs for the batch"] if item.macs else []
    return visible("; ".join([*lines, *figures]))


def moved(box: Box, x: float, y: float) -> Box:
    """The box with all its text so far to the right and down."""
    lines = tuple(replace(line, x=line.x + x, y=line.y + y) for line in box.lines)
    strips = tuple(replace(s, y=s.y + y, line=replace(s.line, x=s.line.x + x, y=s.line.y + y)) for s in box.strips)
    return replace(box, x=box.x + x, y=box.y + y, lines=lines, strips=strips)
