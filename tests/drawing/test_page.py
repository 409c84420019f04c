"""The page of a net: what stands in it, and what a browser makes of it, with blocks opened and closed at random."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from netspec.drawing.levels import levels
from netspec.drawing.page import page
from netspec.net.load import load_net
from tests.drawing.geometry import holds, overlap
from tests.drawing.nets import SIAMESE, random_net
from tests.helpers.browser import Browser, Page, browser, needed
from tests.helpers.mutations import seeds

NASTY = "</script><script>alert(1)</script>"
HOSTILE: dict[str, Any] = {
    "name": "<img src=x onerror=alert(2)>",
    "layers": [
        {"name": "data", "type": "Input", "shape": [2, 3, 8, 8]},
        {"name": f"a/{NASTY}", "type": "Convolution", "num_output": 4, "kernel_size": 3, "pad": 1},
        {"name": "a/b/]]>&quot;", "type": "Convolution", "num_output": 4, "kernel_size": 3, "pad": 1},
        {"name": "a/b/\u202etfel", "type": "Pooling", "kernel_size": 2},
        {"name": "toString", "type": "InnerProduct", "num_output": 5},
    ],
}
"""A net whose names are words of HTML and of JavaScript."""


def test_names_are_text() -> None:
    made = page(load_net(HOSTILE))
    assert made.count("<script") == made.count("</script>") == 2
    assert "<img" not in made
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', made, re.S)
    found = json.loads(data)
    assert [layer["name"] for layer in found["layers"]][1] == f"a/{NASTY}"
    assert "http" not in made.replace("http://www.w3.org/2000/svg", "").replace("http-equiv", "")


def test_every_layer_is_in_one_box_of_one_level() -> None:
    for name in ("lenet", "googlenet", "resnet20", "transformer_fashion"):
        shaped = load_net(name)
        made = levels(shaped)
        inside = [
            layer
            for level in made.values()
            for one in level.pieces
            if one.box and not one.block
            for layer in one.box.layers
        ]
        assert {node.layer.name for node in shaped.graph.nodes} == set(inside)
        for path, level in made.items():
            assert all(piece.block[: len(path)] == path for piece in level.pieces if piece.block), path
            assert {piece.block for piece in level.pieces if piece.block} <= made.keys()


def test_what_is_said_of_a_layer() -> None:
    (data,) = re.findall(r'application/json">(.*?)</script>', page(load_net("lenet")), re.S)
    conv1 = json.loads(data)["layers"][1]
    assert (conv1["name"], conv1["type"], conv1["kind"]) == ("conv1", "Convolution", "product")
    said = dict(map(tuple, conv1["rows"]))
    assert said["writes conv1"] == "64x20x24x24"
    assert (said["parameters"], said["MACs, image"], said["receptive field"]) == ("520", "288,000", "5x5")
    assert dict(map(tuple, conv1["fields"]))["num_output"] == "20"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as found:
        yield found


PLACES = """(() => {
  const at = one => { const m = one.transform.baseVal[0].matrix; return [m.e, m.f]; };
  const boxes = [...net.querySelectorAll('.piece')].map(one => {
    const [x, y] = at(one), [a, b, w, h] = pieceOf(one).box;
    return [one.dataset.level, x + a, y + b, x + a + w, y + b + h];
  });
  const frames = [...net.querySelectorAll('.title')].map(one => {
    const [x, y] = at(one), r = one.querySelector('rect');
    return [one.dataset.close, x, y, x + +r.getAttribute('width'), y + +r.getAttribute('height')];
  });
  const lines = [...net.querySelectorAll('.ns-line')].map(one => {
    const points = [], length = one.getTotalLength();
    for (let d = 0; d <= length; d += 3) { const p = one.getPointAtLength(d); points.push([p.x, p.y]); }
    return points;
  });
  return {boxes, frames, lines, w: drawn.w, h: drawn.h};
})()"""


def check_places(page: Page) -> int:
    """Assert that nothing overlaps that must not. Returns the number of boxes."""
    found = page.run(PLACES)
    boxes = [(path, tuple(rest)) for path, *rest in found["boxes"]]
    frames = [(path, tuple(rest)) for path, *rest in found["frames"]]
    for (_, one), (_, other) in combinations(boxes, 2):
        assert not overlap(one, other)
    for path, frame in frames:
        for level, box in boxes:
            below = level == path or level.startswith(f"{path}/")
            assert holds(frame, box) if below else not overlap(frame, box), (path, level)
        for other, inner in frames:
            if other != path:
                apart = not path.startswith(f"{other}/") and not overlap(frame, inner)
                assert holds(frame, inner) if other.startswith(f"{path}/") else apart or holds(inner, frame)
    for line in found["lines"]:
        for _, box in boxes:
            assert not any(box[0] + 1.5 < x < box[2] - 1.5 and box[1] + 1.5 < y < box[3] - 1.5 for x, y in line)
        assert all(-1 <= x <= found["w"] + 1 and -1 <= y <= found["h"] + 1 for x, y in line)
    return len(boxes)


NETS = [pytest.param("googlenet", marks=pytest.mark.long), "resnet20", SIAMESE, *map(random_net, seeds(3))]


@needed
@pytest.mark.parametrize("net", NETS, ids=lambda net: net if isinstance(net, str) else "")
def test_blocks_open_without_overlaps(net: str | dict[str, Any], chromium: Browser, tmp_path: Path) -> None:
    shaped = load_net(net)
    (tmp_path / "net.html").write_text(page(shaped))
    paths = ["/".join(path) for path in levels(shaped) if path]
    rng = random.Random(7)
    with chromium.page(tmp_path / "net.html") as shown:
        check_places(shown)
        shown.run("all(false)")
        closed = check_places(shown)
        for share in (0.2, 0.6):
            some = [path for path in paths if rng.random() < share]
            shown.run(f"opened.clear(); {json.dumps(some)}.forEach(path => opened.add(path)); draw()")
            check_places(shown)
        shown.run("all(true)")
        assert check_places(shown) > closed or not paths
        assert not shown.console
        assert not shown.requests


@needed
def test_a_reader_opens_searches_and_looks(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "net.html").write_text(page(load_net("googlenet")))
    with chromium.page(tmp_path / "net.html") as shown:
        assert "13,378,280 parameters" in shown.text
        click(shown, "[aria-label='inception_3a']")
        assert shown.run("[...opened]") == ["inception_3a"]
        assert shown.run("document.activeElement.dataset.close") == "inception_3a"
        click(shown, ".title .ns-heading")
        assert shown.run("[...opened]") == []
        shown.run("document.getElementById('search').focus()")
        shown.send("Input.insertText", text="4c/5x5")
        assert "2 found" in shown.text
        assert shown.run("net.querySelectorAll('.piece.found').length") == 1  # the block that holds both
        press(shown, "Enter")
        assert "1 of 2" in shown.text
        assert shown.run("[...opened]") == ["inception_4c"]
        assert shown.run("net.querySelectorAll('.piece.found').length") == 2
        assert "inception_4c/5x5_reduce" in shown.run("side.innerText")
        middle = shown.run(
            "(() => { const b = net.querySelector('.chosen').getBoundingClientRect(); return b.left + b.width / 2 })()"
        )
        assert abs(middle - shown.run("stage.clientWidth") / 2) < 2
        press(shown, "Escape")
        before = shown.run("view.scale")
        press(shown, "+")
        assert shown.run("view.scale") == pytest.approx(before * 1.25)
        shown.send("Input.dispatchMouseEvent", type="mouseWheel", x=400, y=400, deltaX=0, deltaY=300)
        assert shown.run("view.scale") < before * 1.25
        assert not shown.console
        assert not shown.requests


@needed
def test_hostile_names_do_nothing(chromium: Browser, tmp_path: Path) -> None:
    (tmp_path / "net.html").write_text(page(load_net(HOSTILE)), encoding="utf-8")
    with chromium.page(tmp_path / "net.html", dark=True) as shown:
        shown.run("all(true)")
        check_places(shown)
        shown.run("search('script'); next(1)")
        assert NASTY in shown.run("side.innerText")
        assert "\u202e" not in shown.run("document.documentElement.outerHTML")
        assert not shown.console
        assert len(shown.printed()) > 5000


def click(page: Page, selector: str) -> None:
    """Click with the mouse on the middle of the first element of a selector."""
    where = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
    x, y = page.run(f"(b => [b.left + b.width / 2, b.top + b.height / 2])({where})")
    for kind in ("mousePressed", "mouseReleased"):
        page.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def press(page: Page, key: str) -> None:
    text = {"text": key} if len(key) == 1 else {}
    for kind in ("keyDown", "keyUp"):
        page.send("Input.dispatchKeyEvent", type=kind, key=key, **(text if kind == "keyDown" else {}))
