"""Sums that are computed only where strided convolutions read them. That they train alike, `test_fusing_nets` says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netspec.core.verify import Check, InvariantError
from netspec.engine.bind import compile_net
from netspec.engine.plan import plan
from netspec.engine.rewrite import rewrite
from netspec.engine.thinning import thin
from netspec.engine.verify_fusing import verify_fused
from netspec.engine.verify_rewrite import verify_rewritten
from netspec.engine.verify_thinning import verify_thinned, verify_thinning
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph
from netspec.views.inspection import inspection, rewritten
from tests.helpers.edges.thinned import THIN, WHOLE
from tests.helpers.programs import shaped


def by_name(one: ShapedGraph, name: str) -> Node:
    return next(node for node in one.graph.nodes if node.layer.name == name)


def top(one: ShapedGraph, name: str) -> tuple[int, ...]:
    return one.blobs[by_name(one, name).tops[0]]


@pytest.mark.parametrize("name", THIN)
def test_a_sum_is_thinned(name: str) -> None:
    one = rewrite(shaped(THIN[name]))
    assert by_name(one, "sum").thinned
    assert not by_name(rewrite(shaped(THIN[name]), {"thin"}), "sum").thinned


@pytest.mark.parametrize("name", WHOLE)
def test_a_sum_that_others_look_at_is_whole(name: str) -> None:
    assert not any(node.thinned for node in rewrite(shaped(WHOLE[name])).graph.nodes)


@pytest.mark.parametrize(
    ("name", "every", "size"),
    [
        ("a thinned sum", (2, 2), (5, 4)),
        ("a thinned sum of other lines than columns", (3, 2), (3, 4)),
        ("a thinned sum of all lines", (1, 2), (9, 4)),
        ("a thinned sum of one pixel", (9, 7), (1, 1)),
    ],
)
def test_what_is_left(name: str, every: tuple[int, int], size: tuple[int, int]) -> None:
    """The sum and the blob of its ReLU have the pixels that are read; readers have stride 1, and the same tops."""
    given = shaped(THIN[name])
    one = rewrite(given)
    assert by_name(one, "sum").every == every
    assert top(one, "sum") == top(one, "r") == (3, 6, *size)
    for reader in ("p", "c_conv"):
        node = by_name(one, reader)
        assert node.layer.every(one.bottom_shapes(node)) == (1, 1)
        assert node.layer.top_shapes(one.bottom_shapes(node)) == (top(given, reader),)
    assert one.total_macs == given.total_macs
    for blob, shape in enumerate(given.blobs):
        assert one.written_shape(blob) == shape and one.region(blob) == given.region(blob)


def test_inspect_shows_the_shapes_of_the_net() -> None:
    given = shaped(THIN["a thinned sum"])
    rows = {row.name: row.shape for row in inspection(rewrite(given), plan(rewrite(given))).rows}
    assert rows["sum"] == rows["r"] == (3, 6, 9, 7) and rows["p"] == (3, 8, 5, 4)


def test_less_memory_is_needed() -> None:
    net = THIN["a thinned sum of convolutions"]
    held = [compile_net(shaped(net), "float32", without=without)[1].unshared for without in ((), ("thin",))]
    assert held[0] < held[1]


def test_its_bottoms_share_a_gradient() -> None:
    """The diff of its second bottom lies in that of its first; where one is read late, each has its own."""
    one = rewrite(shaped(THIN["a thinned sum"]))
    node = by_name(one, "sum")
    diff, storage = one.graph.diff_storage, one.graph.storage
    assert node.hands == {1} and diff[node.bottoms[1]] == storage[node.bottoms[0]] != diff[node.tops[0]]
    assert by_name(rewrite(shaped(THIN["a thinned sum with factors"])), "sum").hands == frozenset()


def test_a_sum_that_is_kept_is_whole() -> None:
    given = shaped(THIN["a thinned sum"])
    for kept in ("sum", "r"):
        assert not by_name(compile_net(given, "float64", keep=(kept,))[0], "sum").thinned
    assert by_name(compile_net(given, "float64", keep=("a",))[0], "sum").thinned
    assert not by_name(compile_net(given, "float64", keep=True)[0], "sum").thinned


def test_inspect_says_so() -> None:
    found = {(one.layer, one.rewrite): one.effect for one in rewritten(rewrite(shaped(THIN["a thinned sum"])).graph)}
    assert found["sum", "thin"] == "its top has 1 line in 2 and 1 column in 2: no others are read"
    assert found["sum", "hands"] == "the gradient of a is that of b_bn"


def changed(one: ShapedGraph, name: str, **changes: Any) -> ShapedGraph:
    nodes = tuple(replace(node, **changes) if node.layer.name == name else node for node in one.graph.nodes)
    return replace(one, graph=replace(one.graph, nodes=nodes))


def test_what_does_not_hold_is_found() -> None:
    given = rewrite(shaped(THIN["a thinned sum"]), {"thin"})
    one = rewrite(
        shaped(THIN["a thinned sum"]), {"hands", "on_read", "moments", "products", "pulled", "again", "known"}
    )
    alone, c = thin(given), by_name(one, "c_conv").layer
    broken = {
        "lacks pixels at which 'c_conv' looks": changed(one, "c_conv", layer=c.model_copy(update={"stride": (2,)})),
        "has other pixels than its layer computes": changed(one, "sum", every=(3, 2)),
        "cannot compute some pixels only": changed(one, "b_bn", every=(2, 2)),
    }
    for message, wrong in broken.items():
        with pytest.raises(InvariantError, match=message):
            verify_thinned(wrong, Check("thin"))
    with pytest.raises(InvariantError, match="hands bottom 0's gradient to itself"):
        verify_fused(changed(one, "sum", hands=frozenset({0})), Check("thin"))
    with pytest.raises(InvariantError, match="the layer was exchanged"):
        verify_thinning(given, changed(alone, "e", layer=c), Check("thin"))
    with pytest.raises(InvariantError, match="looks at other pixels than 'sum' computes"):
        verify_thinning(given, changed(alone, "c_conv", layer=by_name(given, "c_conv").layer), Check("thin"))
    shapes = list(one.blobs)
    shapes[by_name(one, "e").tops[0]] = (3, 4, 1, 1)
    with pytest.raises(InvariantError, match="another shape than before"):
        verify_rewritten(one, replace(one, blobs=tuple(shapes)), "thin", laid=True)
