"""A net as one HTML page: blocks open and close, search, zoom, and what there is to know of the layer that is chosen.

The page asks for nothing: its style, script and data stand in it. All names reach it as text: as JSON, in which no `<`
stands, and as the SVG of boxes, which is escaped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from netspec.core.described import described, in_words
from netspec.core.receptive import Region
from netspec.core.shape import text
from netspec.core.visible import visible
from netspec.drawing.boxes import Block
from netspec.drawing.levels import Level, Line, Piece, levels
from netspec.drawing.scene import subtitle
from netspec.drawing.scene import title as net_title
from netspec.drawing.sizes import TITLE_FONT
from netspec.drawing.svg import box, styles
from netspec.drawing.widths import width
from netspec.layers.base import Layer
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph

_SMALL, _ALL = 40, 1000
"""Most layers of a net whose blocks are open at first, and a depth that no names have."""
_TEMPLATES = Path(__file__).parent / "templates"


def page(shaped: ShapedGraph, depth: int | None = None) -> str:
    """The page of a net. Blocks are open at first as `depth` says, and without it those of a small net."""
    numbers = {node.layer.name: number for number, node in enumerate(shaped.graph.nodes)}
    found = levels(shaped)
    deepest = depth or (_ALL if len(numbers) <= _SMALL else 1)
    data = {
        "levels": {_path(path): _level(level, numbers) for path, level in found.items()},
        "layers": [_layer(shaped, node) for node in shaped.graph.nodes],
        "open": [_path(path) for path in found if path and len(path) < deepest],
    }
    source = Template((_TEMPLATES / "net.html").read_text(encoding="utf-8"))
    return source.substitute(
        title=escape(net_title(shaped)),
        subtitle=escape(subtitle(shaped)),
        style=styles("auto") + (_TEMPLATES / "net.css").read_text(encoding="utf-8"),
        script=(_TEMPLATES / "net.js").read_text(encoding="utf-8"),
        data=_embedded(data),
    )


def _embedded(data: Any) -> str:
    """Data as JSON that may stand in a script element, whatever texts it holds."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _path(path: Block) -> str:
    return "/".join(path)


def _short(points: tuple[float, ...]) -> list[float]:
    return [round(number, 1) for number in points]


def _level(level: Level, numbers: dict[str, int]) -> dict[str, Any]:
    """A level for the page, in short words: the page's script says what they are."""
    return {
        "title": level.title,
        "wide": round(width(level.title, TITLE_FONT, True) + 10, 1),
        "w": round(level.width, 1),
        "h": round(level.height, 1),
        "rows": [_short(row) for row in level.rows],
        "pieces": [_piece(piece, numbers) for piece in level.pieces],
        "lines": [_line(line) for line in level.lines],
        "ins": {blob: round(x, 1) for blob, x in level.ins.items()},
        "outs": {blob: round(x, 1) for blob, x in level.outs.items()},
    }


def _piece(piece: Piece, numbers: dict[str, int]) -> dict[str, Any]:
    made: dict[str, Any] = dict(
        zip(("x", "y", "w", "h"), _short((piece.x, piece.y, piece.width, piece.height)), strict=True)
    )
    made |= {"rank": piece.rank, "block": _path(piece.block)}
    if piece.box is not None:
        made |= {
            "svg": box(piece.box),
            "box": _short((piece.box.x, piece.box.y, piece.box.width, piece.box.height)),
            "layers": [numbers[name] for name in piece.box.layers],
            "tags": [[tag.text, tag.blob, *_short((tag.x + tag.width / 2, tag.y, tag.height))] for tag in piece.tags],
        }
    return made


def _line(line: Line) -> list[Any]:
    return [line.source, line.target, line.blob, [_short(point) for point in line.points]]


def _layer(shaped: ShapedGraph, node: Node) -> dict[str, Any]:
    """What the page says of a layer."""
    layer, cost, graph = node.layer, shaped.costs[node.index], shaped.graph
    weights = [graph.blobs[top].loss_weight for top in node.tops]
    rows = [
        ("purpose", layer.purpose),
        *((f"reads {visible(graph.blobs[blob].name)}", text(shaped.blobs[blob])) for blob in node.bottoms),
        *((f"writes {visible(graph.blobs[blob].name)}", text(shaped.blobs[blob])) for blob in node.tops),
        ("how", cost.shape_words),
        ("parameters", f"{cost.params:,}" if cost.params else ""),
        ("how", cost.param_words),
        ("stored", f"{cost.stored:,}" if cost.stored else ""),
        (f"MACs, {shaped.unit}", f"{cost.macs // max(1, shaped.batch):,}" if cost.macs else ""),
        ("receptive field", _field(shaped.region(node.tops[0])) if node.tops else ""),
        ("loss weight", " ".join(f"{weight:g}" for weight in weights) if any(weights) else ""),
    ]
    return {
        "name": visible(layer.name),
        "type": layer.type,
        "kind": "loss" if layer.is_loss else "score" if layer.is_score else layer.purpose,
        "rows": [[word, visible(said)] for word, said in rows if said],
        "fields": [[name, visible(said)] for name, said in _fields(layer)],
    }


def _field(region: Region) -> str:
    """The receptive field in words: 5x5."""
    words = ["whole image" if side == float("inf") else f"{side:g}" for side in region.size if side != float("-inf")]
    return words[0] if len({*words}) == 1 and words[0] == "whole image" else "x".join(words)


def _fields(layer: Layer) -> Iterator[tuple[str, str]]:
    """The fields of a layer that are not at their defaults, as words."""
    for name, info in type(layer).model_fields.items():
        value = described(getattr(layer, name))
        if name in _SAID or (not info.is_required() and value == described(info.default)):
            continue
        yield name, in_words(value)


_SAID = {"name", "bottom", "top"}
