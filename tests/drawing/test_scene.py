from __future__ import annotations

from typing import Any

import pytest

from netspec.drawing.figures import Box, Scene
from netspec.drawing.scene import scale, scene
from netspec.drawing.sizes import FONTS, STRIP_FONT, TAG_FONT, TITLE_FONT
from netspec.drawing.widths import width
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from tests.drawing.geometry import crossings, holds, overlaps, rectangle, through
from tests.drawing.nets import SIAMESE, random_net

NAMED = ("lenet", "googlenet", "resnet50", "siamese", "transformer_fashion")
"""Nets that are looked at as pictures too."""


def shaped(name: str, phase: Any = "TRAIN") -> ShapedGraph:
    return load_net(SIAMESE if name == "siamese" else name, state=State(phase))


def box(made: Scene, name: str) -> Box:
    (found,) = (box for box in made.boxes if name in box.layers)
    return found


def check(made: Scene) -> None:
    """Nothing overlaps, no line runs through anything, all text is inside its box, and all is on the drawing."""
    assert overlaps(made) == []
    assert through(made) == []
    for one in made.boxes:
        fits = [(line, *FONTS[line.style]) for line in one.lines]
        fits += [(strip.line, STRIP_FONT, False) for strip in one.strips]
        for line, size, bold in fits:
            half = width(line.text, size, bold) / 2
            assert one.x <= line.x - half and line.x + half <= one.right, one.name
            assert one.y <= line.y - size * 0.8 and line.y <= one.bottom, one.name
    for tag in made.tags:
        assert width(tag.text, TAG_FONT) <= tag.width
    for frame in made.frames:
        title = (frame.title_x, frame.title_y - 8, frame.title_x + width(frame.title, TITLE_FONT, True), frame.title_y)
        assert holds(rectangle(frame), title), frame.name
    page = (0, 0, made.width, made.height)
    assert all(holds(page, rectangle(thing)) for thing in (*made.boxes, *made.tags, *made.frames))
    assert all(0 < x < made.width and 0 < y < made.height for edge in made.edges for x, y in edge.points)


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("name", NAMED)
def test_nets_are_drawn_without_overlaps_and_crossings(name: str, phase: str) -> None:
    made = scene(shaped(name, phase))
    check(made)
    assert crossings(made) == []


@pytest.mark.parametrize("depth", [1, 2])
def test_folded_nets_too(depth: int) -> None:
    for name in ("googlenet", "densenet121"):
        made = scene(shaped(name), depth)
        check(made)
        assert crossings(made) == []


@pytest.mark.long
def test_every_net_of_the_zoo_is_drawn_so() -> None:
    from netspec.core import locate

    for name in locate.names("models"):
        for phase in ("TRAIN", "TEST"):
            made = scene(shaped(name, phase))
            check(made)
            # two blobs that two layers both read cross where boxes stand in rows
            assert len(crossings(made)) == (name == "quadratic"), name


@pytest.mark.parametrize("seed", range(40))
def test_random_nets_are_drawn_without_overlaps(seed: int) -> None:
    net = load_net(random_net(seed))
    check(scene(net))
    check(scene(net, depth=1))


def test_every_layer_is_in_one_box_and_every_reading_is_a_line() -> None:
    net = shaped("resnet50")
    made = scene(net)
    names = [layer for one in made.boxes if one.kind != "label" for layer in one.layers]
    assert sorted(names) == sorted(node.layer.name for node in net.graph.nodes)
    lines = {(made.boxes[edge.source].layers[-1], made.boxes[edge.target].layers[0]) for edge in made.edges}
    wanted = set()
    for node in net.graph.nodes:
        for blob in node.bottoms:
            maker = net.graph.nodes[net.graph.blobs[blob].producer].layer.name
            if not any(maker in one.layers and node.layer.name in one.layers for one in made.boxes):
                wanted.add((maker, node.layer.name))
    assert lines == wanted


def test_branches_of_an_inception_stand_side_by_side_in_their_order() -> None:
    made = scene(shaped("googlenet"))
    for frame in (frame for frame in made.frames if frame.name.startswith("inception")):
        branches = [box(made, f"{frame.name}/{name}") for name in ("1x1", "3x3_reduce", "5x5_reduce", "pool")]
        assert [one.y for one in branches] == [branches[0].y] * 4
        assert [one.x for one in branches] == sorted(one.x for one in branches)
        join = box(made, f"{frame.name}/output")
        assert all(one.bottom < join.y for one in branches)


def test_a_residual_unit_goes_straight_down_beside_its_shortcut() -> None:
    made = scene(shaped("resnet50"))
    unit = [box(made, f"conv2_x/1/{name}") for name in ("conv1", "conv2", "conv3", "sum", "relu3")]
    assert len({round(one.x + one.width / 2, 2) for one in unit}) == 1
    assert unit[3].form == "circle" and unit[3].lines[0].text == "+"
    (shortcut,) = (e for e in made.edges if made.boxes[e.target] is unit[3] and made.boxes[e.source] is not unit[2])
    lane = max(x for x, _ in shortcut.points)
    assert lane > max(one.right for one in unit)
    assert sum(x == lane for x, _ in shortcut.points) >= 2


def test_shapes_fields_and_parameters_are_told() -> None:
    made = scene(shaped("lenet"))
    assert [line.text for line in box(made, "conv1").lines] == ["conv1", "Convolution 5x5", "520 params"]
    assert [line.text for line in box(made, "pool1").lines] == ["pool1", "MAX Pooling 2x2", "stride 2"]
    assert [strip.line.text for strip in box(made, "ip1").strips] == ["ReLU"]
    tags = {made.boxes[tag.box].name: tag.text for tag in made.tags}
    assert tags == dict(
        data="1x28x28",
        conv1="20x24x24",
        pool1="20x12x12",
        conv2="50x8x8",
        pool2="50x4x4",
        ip1="500",
        ip2="10",
        label="1",
    )
    assert made.title == "LeNet"
    assert made.subtitle == "phase TRAIN · batch 64 · 431,080 parameters · 2,293,000 MACs an image"
    assert box(made, "loss").kind == "loss" and box(made, "conv1").kind == "product"


def test_shared_params_are_named_and_counted_once() -> None:
    made = scene(shaped("siamese"))
    assert box(made, "conv").lines[-1].text == "520 params"
    assert box(made, "conv_p").lines[-1].text == "params of conv"


def test_depth_and_shut_fold_blocks() -> None:
    net = shaped("resnet50")
    folded = scene(net, depth=1)
    assert [one.name for one in folded.boxes if one.block] == ["conv2_x", "conv3_x", "conv4_x", "conv5_x"]
    assert [line.text for line in box(folded, "conv3_x/0/conv1").lines] == ["conv3_x", "42 layers", "1,219,584 params"]
    assert folded.frames == ()
    one = scene(net, shut={("conv2_x", "0")})
    assert [made.block for made in one.boxes if made.block] == ["conv2_x/0"]
    assert "conv2_x" in {frame.name for frame in one.frames}


def test_a_block_that_is_left_and_entered_again_gets_no_frame() -> None:
    layers: list[dict[str, Any]] = [
        {"name": "data", "type": "Input", "shape": [[2, 3]]},
        {"name": "a/one", "type": "InnerProduct", "num_output": 3},
        {"name": "b/one", "type": "InnerProduct", "num_output": 3},
        {"name": "a/two", "type": "InnerProduct", "num_output": 3},
        {"name": "b/two", "type": "InnerProduct", "num_output": 3},
    ]
    made = scene(load_net({"layers": layers}), depth=1)
    check(made)
    assert len(made.boxes) == 5


def test_long_nets_stand_in_columns_that_fit_a_page() -> None:
    net = shaped("resnet50")
    narrow, wrapped = scene(net, wrap=False), scene(net)
    assert narrow.height > 3 * wrapped.height / 2
    assert scale(wrapped) > 2 * scale(narrow)
    heads = sorted({round(frame.x) for frame in wrapped.frames if frame.depth == 0})
    assert len(heads) == 4


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "a\nb", "\u202eleft", "x" * 300, "汉字", '"quoted" & \\']
)
def test_any_name_stays_in_its_box(name: str) -> None:
    data = {"name": "data", "type": "Input", "shape": [[2, 3]]}
    net = load_net({"name": name, "layers": [data, {"name": name, "type": "InnerProduct", "num_output": 4}]})
    made = scene(net)
    check(made)
    assert all(line.text.isprintable() for one in made.boxes for line in one.lines)


def test_large_nets_are_drawn_in_seconds() -> None:
    import time

    net = shaped("resnet152")
    begun = time.process_time()
    scene(net)
    assert time.process_time() - begun < 5  # 0.5 s on a quiet machine
