"""Drawings as course slides have them: the sizes of solids, what is written below them, and lines that do not end."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from netspec.drawing.lecture import lecture
from netspec.net.load import load_net

SVG = "{http://www.w3.org/2000/svg}"


def solids(name: str, depth: int | None = None) -> dict[str, tuple[float, float, float]]:
    """The thickness, height and depth of every solid in pixels, by the name of its layer."""
    found = {}
    for group in ElementTree.fromstring(lecture(load_net(name), depth).svg).iter(f"{SVG}g"):
        faces = [one.get("d", "") for one in group.iter(f"{SVG}path") if one.get("class") == "ns-box"]
        if len(faces) == 3:
            front, _, side = ([float(number) for number in re.findall(r"-?[\d.]+", face)] for face in faces)
            found[group.findtext(f"{SVG}title") or ""] = (front[2], front[5], side[2])
    return found


def test_solids_are_as_large_as_blobs() -> None:
    """By square roots: 28, 24, 12, 8 and 4 pixels are drawn as high as these numbers' roots."""
    found = solids("lenet")
    for name, pixels in {"data": 28, "conv1": 24, "pool1": 12, "conv2": 8, "pool2": 4}.items():
        thick, high, deep = found[name]
        assert high == pytest.approx(130 * (pixels / 28) ** 0.5, abs=0.1)
        assert deep == pytest.approx(62 * (pixels / 28) ** 0.5, abs=0.1)
        assert thick > 5
    assert found["data"][0] < found["conv1"][0] < found["conv2"][0]  # 1, 20 and 50 channels
    assert found["ip1"][1] - 16 == pytest.approx((found["ip2"][1] - 16) * 50**0.5, rel=0.01)  # bars of 500 and of 10


def test_what_is_written() -> None:
    words = [one.text for one in ElementTree.fromstring(lecture(load_net("lenet")).svg).iter(f"{SVG}text")]
    assert {"20@24x24", "20@12x12", "50@8x8", "50@4x4", "500", "10", "Convolution 5x5"} <= set(words)
    assert "label" not in words


@pytest.mark.parametrize(("name", "depth"), [("googlenet", None), ("resnet20", 3), ("transformer_fashion", None)])
def test_everything_lies_on_the_paper(name: str, depth: int | None) -> None:
    made = lecture(load_net(name), depth)
    assert made.width < 1250
    root = ElementTree.fromstring(made.svg)
    starts = [re.match(r"M(-?[\d.]+) (-?[\d.]+)", one.get("d", "")) for one in root.iter(f"{SVG}path")]
    texts = [(float(one.get("x", 0)), float(one.get("y", 0))) for one in root.iter(f"{SVG}text")]
    for x, y in [*texts, *((float(one[1]), float(one[2])) for one in starts if one)]:
        assert 0 <= x <= made.width
        assert 0 <= y <= made.height


def test_long_nets_are_folded_unless_a_depth_is_said() -> None:
    assert lecture(load_net("resnet50")).depth == 1
    assert lecture(load_net("resnet50"), 2).depth == 2
    assert lecture(load_net("vgg16")).depth is None


def test_the_command(cli: Callable[..., tuple[int, str, str]], here: Path) -> None:
    assert cli("draw", "lenet", "-o", "lenet.svg", "--like", "lecture", "--theme", "dark")[0] == 0
    assert "20@24x24" in (here / "lenet.svg").read_text()
    code, _, err = cli("draw", "resnet20", "-o", "resnet20.svg", "--like", "lecture")
    assert code == 0
    assert "--depth 2 opens them" in err
    code, _, err = cli("draw", "lenet", "-o", "lenet.html", "--like", "lecture")
    assert code == 2
    assert "error[NS886]: `--like lecture` draws no .html" in err
    assert cli("draw", "lenet", "-o", "lenet.html")[0] == 0
    assert cli("draw", "lenet", "-o", "lenet.html", "--depth", "2")[0] == 0  # an earlier drawing is written anew


def test_names_are_text() -> None:
    net = {
        "name": "a<b>&",
        "layers": [
            {"name": "data", "type": "Input", "shape": [2, 3, 8, 9]},
            {"name": "</title><script>", "type": "Pooling", "kernel_size": [2, 3]},
        ],
    }
    texts = [one.text for one in ElementTree.fromstring(lecture(load_net(net)).svg).iter() if one.text]
    assert "</title><script>" in texts
