"""Drawings of nets whose names hold whatever a text can hold: each form stays well formed, and names stay text."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

from hypothesis import example, given, settings
from hypothesis import strategies as st

from netspec.drawing.boxes import chart
from netspec.drawing.dot import dot
from netspec.drawing.lecture import lecture
from netspec.drawing.mermaid import mermaid
from netspec.drawing.page import page
from netspec.drawing.scene import scene
from netspec.drawing.svg import svg
from netspec.drawing.widths import cut, width
from netspec.net.load import load_net

NASTY = (
    *("<script>", "</style>", "</script>", "<!--", "-->", "]]>", "&lt;", '"', "'", "`", "|", "\\", "%%{init: {}}%%"),
    *("end", "$x_1$", "\x1b[31m", "\x00", "\n", "\u2028", "\u202e", "\u200b", "\ufffe", "😀", "שלום", "__proto__"),
)
TEXT = r'"(?:[\w .,/+=()-]|#\d+;|<br/>)*"'
MERMAID = re.compile(
    rf"\s*(subgraph g\d+_\d+ \[{TEXT}\]|n\d+[\[(]+{TEXT}[\])]+:::\w+|n\d+ -- {TEXT} --> n\d+|end|classDef [\w #:,]+)",
    re.ASCII,
)
"""A line of a flowchart in which names are words, or characters by their numbers."""
NAMES = st.lists(st.sampled_from(NASTY) | st.text(max_size=3), min_size=1, max_size=4).map("".join)


def net(name: str) -> dict[str, Any]:
    """A net with a block, an in-place layer and a sum, all named after a text."""
    name = name.replace("$", "$$")
    layers = [
        {"name": f"{name}0", "type": "Input", "shape": [2, 3, 8, 9]},
        {"name": f"{name}/a", "type": "Convolution", "num_output": 3, "kernel_size": 3, "pad": 1},
        {"name": f"{name}/b", "type": "ReLU", "bottom": f"{name}/a", "top": f"{name}/a"},
        {"name": f"{name}/c", "type": "Eltwise", "bottom": [f"{name}/a", f"{name}0"]},
    ]
    return {"name": name, "layers": layers}


class Elements(HTMLParser):
    """The elements of a page, and the attributes that make a browser do or ask for something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.active: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.active += [key for key, _ in attrs if key.startswith("on") or key in {"src", "href", "style"}]


@settings(max_examples=30, deadline=None)
@given(NAMES)
@example("\x1b[31m/\x00")
@example("</script><img src=x onerror=alert(1)>")
def test_names_are_text_in_every_form(name: str) -> None:
    shaped = load_net(net(name))
    plain = page(load_net(net("plain")))
    for drawn in (svg(scene(shaped)), svg(scene(shaped, 1)), lecture(shaped, None, "light").svg):
        tags = {node.tag.partition("}")[2] for node in ElementTree.fromstring(drawn).iter()}
        assert tags <= {"svg", "title", "style", "rect", "text", "g", "path", "circle", "polygon", "line"}
    made = Elements(page(shaped))
    assert (made.tags, made.active) == (Elements(plain).tags, Elements(plain).active)
    words = mermaid(chart(shaped), shaped.graph.name).split("flowchart TD\n")[1]
    assert all(MERMAID.fullmatch(line) for line in words.splitlines())
    lines = dot(chart(shaped), shaped.graph.name).splitlines()
    assert all(re.fullmatch(r'(?:[^"\\]|"(?:[^"\\]|\\.)*")*', line) for line in lines)


@given(st.text(max_size=40), st.integers(1, 200))
def test_the_longest_ends_that_fit_are_left_of_a_name(text: str, most: int) -> None:
    found = cut(text, 12, most)
    assert found in {text, "…"} or width(found, 12) <= most
    if found not in {text, "…"}:
        kept = len(found) - 1
        longer = f"{text[: (kept + 1) // 3]}…{text[len(text) - (kept + 1 - (kept + 1) // 3) :]}"
        assert len(longer) > len(text) or width(longer, 12) > most


def test_a_very_long_name_is_cut_at_once() -> None:
    assert len(svg(scene(load_net(net("ab" * 20_000))))) < 1_000_000
