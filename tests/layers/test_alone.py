"""`Layer.alone`: what a layer says of its items is what its kernels do, in the example of every type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.core.shape import Shapes
from netspec.layers.base import LAYERS, Layer
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph
from tests.helpers.checks import Array, make_layer, run_layer
from tests.helpers.programs import shaped

KEPT_BACK = {"LayerNorm", "RMSNorm", "Reduction", "Reshape", "Unpooling"}
"""Types that do not say so though their example computes each item by itself: a negative axis may be that of the items,
a new shape may mix them, and masks behind the items that are kept may be wrong."""
TYPES = [cls for cls in LAYERS.members() if LAYERS.owner(cls.__name__) == "netspec" and cls.example and not cls.fed]


@pytest.mark.parametrize("cls", TYPES, ids=lambda cls: cls.__name__)
def test_items_are_alone_where_a_layer_says_so(cls: type[Layer], tmp_path: Path) -> None:
    (tmp_path / "example.yaml").write_text(f"name: example\nlayers:{cls.example}", encoding="utf-8")
    net = shaped(str(tmp_path / "example.yaml"))
    nodes = [node for node in net.graph.nodes if node.layer.type == cls.__name__ and node.tops]
    for node in nodes:
        others_stay, own_changes = by_itself(net, node)
        if node.layer.alone:
            assert others_stay, f"{cls.__name__} says that it computes each item by itself, and does not"
        elif others_stay and own_changes:
            assert cls.__name__ in KEPT_BACK, f"{cls.__name__} computes each item by itself: say so in `alone`"
            assert cls.__name__ in KEPT_BACK, f"{cls.__name__} computes each item by itself: say so in `alone`"


def by_itself(net: ShapedGraph, node: Node) -> tuple[bool, bool]:
    """Whether another item 1 of all bottoms leaves the other items of the tops, and whether it changes item 1."""
    shapes: Shapes = net.bottom_shapes(node)
    items = {shape[0] if shape else 1 for shape in (*shapes, *net.top_shapes(node))}
    if node.layer.counts or items != {next(iter(items))} or items == {1}:
        return False, False
    random = np.random.default_rng(3)
    blobs, changed = drawn(node.layer, shapes, random), drawn(node.layer, shapes, random)
    params = [np.abs(random.standard_normal(shape)) for shape in node.layer.param_shapes(shapes)]
    for before, after in zip(blobs, changed, strict=True):
        after[:1], after[2:] = before[:1], before[2:]
    one, two = (run_layer(node.layer, *each, params=params).tops for each in (blobs, changed))
    others = [i for i in range(items.pop()) if i != 1]
    same = all(a[others].tobytes() == b[others].tobytes() for a, b in zip(one, two, strict=True))
    return same, any(a[1].tobytes() != b[1].tobytes() for a, b in zip(one, two, strict=True))


def drawn(layer: Layer, shapes: Shapes, random: np.random.Generator) -> list[Array]:
    """Positive normal numbers; classes where the layer reads labels."""
    classes = layer.classes(shapes)
    return [
        random.integers(0, classes[i][0], shape).astype(float)
        if i in classes
        else np.abs(random.standard_normal(shape))
        for i, shape in enumerate(shapes)
    ]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("BatchNorm", {}),
        ("Bias", {"axis": 0}),
        ("Concat", {"axis": 0}),
        ("Convolution", {"num_output": 1, "kernel_size": 1, "axis": 0}),
        ("InnerProduct", {"num_output": 1, "axis": 0}),
        ("LayerNorm", {"axis": 0}),
        ("LayerNorm", {"axis": -1}),
        ("Permute", {"order": [1, 0]}),
        ("Scale", {"bottom": ["x", "w"]}),
        ("Slice", {"slice_dim": 0}),
        ("Softmax", {"axis": 0}),
        ("Softmax", {"axis": -1}),
    ],
)
def test_layers_that_mix_items(kind: str, fields: dict[str, Any]) -> None:
    assert not make_layer(kind, **fields).alone


@pytest.mark.parametrize(
    ("kind", "fields", "closed"),
    [
        ("LSTM", {"num_output": 2, "bottom": ["x", "cont"]}, {1}),
        ("GRU", {"num_output": 2, "bottom": ["x", "n"], "lengths": True}, {1}),
        ("RNN", {"num_output": 2, "bottom": ["x", "cont", "h", "n"], "lengths": True, "expose_hidden": True}, {1, 3}),
        ("RNN", {"num_output": 2}, set()),
        ("MultiHeadAttention", {"num_heads": 2, "bottom": ["x", "y"]}, set()),
        ("MultiHeadAttention", {"num_heads": 2, "bottom": ["x", "n"], "key_padding": "LENGTHS"}, {1}),
    ],
)
def test_marks_lengths_and_masks_take_no_gradient(kind: str, fields: dict[str, Any], closed: set[int]) -> None:
    layer = make_layer(kind, **fields)
    assert layer.without_diff(len(fields.get("bottom", ["x"]))) == closed
