"""The rewrites that spare passes over memory: what each does to a residual net, and that it trains as without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.core.verify import InvariantError
from netspec.engine import fusing
from netspec.engine.bind import compile_net
from netspec.engine.program import Program
from netspec.engine.rewrite import FUSING, rewrite
from netspec.engine.serving import last
from netspec.engine.verify_rewrite import verify_rewritten
from netspec.net.graph import Fused, Graph, Node
from netspec.net.shaped import ShapedGraph
from netspec.views.inspection import rewritten
from tests.helpers.cpus import RESIDUAL
from tests.helpers.programs import feed, run_poisoned, shaped, training

WORDS = {"on_read", "moments", "products", "pulled"}
POINTWISE = {"type": "Convolution", "kernel_size": 1, "weight_filler": "msra"}
CHAIN = {"one": "data", "two": "one", "more": "two"}


def residual(**options: Any) -> ShapedGraph:
    return shaped({"name": "residual", "layers": RESIDUAL}, **options)


def by_name(graph: Graph, name: str) -> Node:
    return next(node for node in graph.nodes if node.layer.name == name)


LATE = [
    {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3, 5, 4], [2, 7]]},
    *({"name": name, "num_output": 6, "bottom": bottom, **POINTWISE} for name, bottom in CHAIN.items()),
    {"name": "sum", "type": "Eltwise", "bottom": ["one", "two"]},
    {"name": "both", "type": "Eltwise", "bottom": ["sum", "more"]},
    {"name": "ip", "type": "InnerProduct", "num_output": 7, "weight_filler": "xavier"},
    {"name": "loss", "type": "EuclideanLoss", "bottom": ["ip", "label"]},
]
"""A sum whose bottom 1 a layer reads that runs behind the layer of bottom 0."""


def trained(without: tuple[str, ...], dtype: str = "float64", iterations: int = 3) -> Program:
    program = training(residual(), keep=False, dtype=dtype, without=without)
    for iteration in range(iterations):
        feed(program, iteration)
        program.run("clear", "commit")
    return program


# --- what each does


def test_all_is_done_where_it_can_be() -> None:
    """Every BatchNorm of the residual net is served by the layers beside it."""
    graph = rewrite(residual()).graph
    for node in graph.nodes:
        if node.layer.type == "BatchNorm":
            assert node.fused.keys() == {"on_read", "moments", "products", "pulled"}, node.layer.name
    assert [by_name(graph, f"sum{i}").hands for i in (1, 2, 3)] == [{0, 1}] * 3


@pytest.mark.parametrize("name", FUSING)
def test_each_can_be_left_out(name: str) -> None:
    graph = rewrite(residual(), {name}).graph
    assert not any(name in node.fused for node in graph.nodes)
    assert name != "hands" or not any(node.hands and not node.fused for node in graph.nodes)
    assert name != "known" or all(node.known is None for node in graph.nodes)
    others = {word for node in graph.nodes for word in node.fused}
    assert others == WORDS - {name}


def test_a_diff_is_overwritten_where_nobody_else_wants_it() -> None:
    """Not where it lies with the diff of a sum, which the shortcut wants too."""
    graph = rewrite(residual()).graph
    shared = {node.layer.name for node in graph.nodes if "pulled" in node.fused and not last(graph, node)}
    assert shared == {"a_bn2", "b_bn1", "project_bn0", "c_bn1"}


def test_what_is_looked_at_is_written() -> None:
    """A kept blob, a loss on the top, or another reader that cannot normalise keeps the passes that they need."""
    graph = compile_net(residual(), "float32", keep=("stem_relu0", "a_1x1"))[0].graph
    assert "on_read" not in by_name(graph, "stem_bn0").fused
    assert "pulled" not in by_name(graph, "a_bn0").fused and "on_read" in by_name(graph, "a_bn0").fused
    assert not any(
        node.fused or node.hands
        for node in compile_net(residual(), "float32", keep=True)[0].graph.nodes
        if node.fused.keys() - {"moments"} or node.hands
    )
    power = {"name": "power", "type": "Power", "power": 2.0, "bottom": "stem_relu0"}
    more = [
        *RESIDUAL[:-1],
        power,
        {"name": "total", "type": "Reduction", "bottom": "power", "loss_weight": 1.0},
        RESIDUAL[-1],
    ]
    graph = rewrite(shaped({"name": "more", "layers": more})).graph
    assert not {"on_read", "products"} & by_name(graph, "stem_bn0").fused.keys()


def test_a_sum_of_a_blob_with_itself_hands_nothing_down() -> None:
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3, 5, 4], [2, 7]]},
        {"name": "conv", "type": "Convolution", "num_output": 6, "kernel_size": 1, "weight_filler": "msra"},
        {"name": "twice", "type": "Eltwise", "bottom": ["conv", "conv"]},
        {"name": "ip", "type": "InnerProduct", "num_output": 7, "weight_filler": "xavier"},
        {"name": "loss", "type": "EuclideanLoss", "bottom": ["ip", "label"]},
    ]
    one = rewrite(shaped({"name": "sums", "layers": layers}))
    assert not by_name(one.graph, "twice").hands


def test_a_shortcut_that_is_read_late_keeps_a_gradient_of_its_own() -> None:
    """Bottom 1 of the sum is written by a layer behind a reader of bottom 0, whose gradient it would spoil."""
    given = shaped({"name": "late", "layers": LATE})
    one, other = (training(given, keep=False, without=without) for without in ((), FUSING))
    for program in (one, other):
        feed(program)
        program.run("clear", "backward")
    for mine, theirs in zip(one.weights.diff, other.weights.diff, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-14)


# --- it trains as without


@pytest.mark.parametrize("only", [*FUSING, "all"])
def test_a_net_trains_as_without(only: str) -> None:
    base = trained(FUSING)
    one = trained(() if only == "all" else tuple({*FUSING} - {only}))
    np.testing.assert_allclose(one.loss[0], base.loss[0], rtol=1e-12)
    for name, mine, theirs in zip(one.weights.names, one.weights.data, base.weights.data, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-11, err_msg=name)


@pytest.mark.parametrize("only", [*FUSING, "all"])
def test_threads_change_no_bit(only: str) -> None:
    without = () if only == "all" else tuple({*FUSING} - {only})
    found = []
    for threads in (1, 2):
        driver.limit_threads(threads)
        found.append(trained(without, "float32", 2))
    driver.limit_threads(None)
    for mine, theirs in zip(*(program.weights.data for program in found), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_nothing_reads_what_nobody_wrote() -> None:
    """The memory of unwritten tops and gradients is NaN before every pass."""
    program = training(residual(), keep=False)
    feed(program)
    run_poisoned(program)
    assert np.isfinite(program.loss[0]) and all(
        np.isfinite(diff).all() for diff in program.weights.diff if diff is not None
    )


def test_less_memory_is_needed() -> None:
    one, other = (compile_net(residual(), "float32", without=without)[1] for without in ((), FUSING))
    assert one.arena < other.arena
    held = [sum(p.bytes for p in plan.pieces.values() if p.key[0] in {"data", "diff"}) for plan in (one, other)]
    assert held[0] < 0.6 * held[1], "most of this small net's memory is room to work in"
    kept = [
        piece for piece in one.pieces.values() if piece.key[0] == "data" and piece.last > len(residual().graph.nodes)
    ]
    assert len(kept) < sum(p.key[0] == "data" and p.last > len(residual().graph.nodes) for p in other.pieces.values())


@pytest.mark.parametrize("without", [(), ("pulled",), ("hands",)])
def test_large_sums_are_computed_anew(without: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where every sum is large, the net trains as if it were kept, poisoned memory or not, and keeps less."""
    base = trained((*without, "again"))
    monkeypatch.setattr(fusing, "LARGE", 1)
    one = trained(without)
    again = {node.layer.name for node in one.graph.nodes if node.again is not None}
    assert again == {"sum1", "sum2", "sum3"}
    for name, mine, theirs in zip(one.weights.names, one.weights.data, base.weights.data, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-11, err_msg=name)
    kept = [
        sum(p.bytes for p in program.plan.pieces.values() if p.first < len(program.graph.nodes) <= p.last)
        for program in (one, base)
    ]
    assert kept[0] < kept[1]
    feed(one)
    run_poisoned(one)
    assert np.isfinite(one.loss[0])
    assert all(np.isfinite(diff).all() for diff in one.weights.diff if diff is not None)


def test_sums_are_kept_where_their_bottoms_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tops of BatchNorms that are written are dead after the sum: to keep them would cost more than the sum."""
    monkeypatch.setattr(fusing, "LARGE", 1)
    graph = rewrite(residual(), {"on_read"}).graph
    assert all(node.again is None for node in graph.nodes)


def test_what_another_batch_norm_knows() -> None:
    """Two BatchNorms read the same blob: the later one asks the earlier."""
    raw = {"name": "raw", "num_output": 20, **POINTWISE}
    norms = [{"name": f"norm{i}", "type": "BatchNorm", "affine": True, "bottom": "raw"} for i in range(2)]
    more = {"name": "both", "type": "Eltwise", "bottom": ["norm0", "norm1"], "coeff": [1.0, -0.5]}
    at = next(i for i, layer in enumerate(RESIDUAL) if layer["name"] == "before_strided")
    layers = [*RESIDUAL[:at], raw, *norms, more, {**RESIDUAL[at], "bottom": "both"}, *RESIDUAL[at + 1 :]]
    given = shaped({"name": "known", "layers": layers})
    one, base = (training(given, keep=False, without=without) for without in ((), FUSING))
    asks = by_name(one.graph, "norm1")
    assert asks.known == by_name(one.graph, "norm0").index and by_name(one.graph, "norm0").known is None
    found = {(effect.layer, effect.rewrite): effect.effect for effect in rewritten(one.graph)}
    assert found["norm1", "known"] == "the moments of its first channels are those of norm0"
    for program in (one, base):
        feed(program)
        program.run("clear", "backward")
    for name, mine, theirs in zip(one.weights.names, one.weights.diff, base.weights.diff, strict=True):
        if mine is not None:
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12, err_msg=name)


# --- it is told, and verified


def test_inspect_says_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "LARGE", 1)
    found = {(one.layer, one.rewrite): one.effect for one in rewritten(rewrite(residual()).graph)}
    assert found["sum2", "again"] == "its top is not kept: it is computed anew for the backward of before_strided"
    assert found["a_bn0", "on_read"] == "its top is not written: readers normalise its bottom"
    assert found["a_bn0", "moments"] == "a_1x1 leaves the sums for mean and variance"
    assert found["a_bn0", "products"] == "a_3x3 leaves the sums over its top's gradient"
    assert found["a_bn0", "pulled"] == "its bottom's gradient is not written: a_1x1 computes it"
    assert found["sum1", "hands"] == "its top's gradient is that of a_bn2 and pool"


def changed(one: ShapedGraph, layer: str, **changes: Any) -> ShapedGraph:
    """A graph with a layer's fields changed."""
    nodes = tuple(replace(node, **changes) if node.layer.name == layer else node for node in one.graph.nodes)
    return replace(one, graph=replace(one.graph, nodes=nodes))


@pytest.mark.parametrize(
    ("layer", "changes", "message"),
    [
        ("a_1x1", {"hands": frozenset({0})}, "cannot hand a gradient down"),
        ("a_bn0", {"hands": frozenset()}, "has no gradient to hand down"),
        ("ip", {"fused": {"moments": Fused(0, 0, 1)}}, "is no BatchNorm of images"),
        ("a_bn0", {"hands": frozenset(), "fused": {"moments": Fused(2, 0, 99)}}, "leaves other pieces"),
        ("b_bn0", {"hands": frozenset(), "fused": {"pulled": Fused(1)}}, "its bottom is not the top of"),
        ("c_bn0", {"known": 2}, "shares moments, but needs none"),
    ],
)
def test_what_does_not_hold_is_found(layer: str, changes: dict[str, Any], message: str) -> None:
    one = rewrite(residual())
    with pytest.raises(InvariantError, match=message):
        verify_rewritten(one, changed(one, layer, **changes), "pulled", laid=True)


def test_a_gradient_over_which_others_wrote_is_found() -> None:
    one = rewrite(shaped({"name": "late", "layers": LATE}))
    assert not by_name(one.graph, "sum").hands
    wrong = changed(one, "sum", hands=frozenset({0, 1}))
    with pytest.raises(InvariantError, match="layer 'two', blob 'one': adds to a gradient over which others wrote"):
        verify_rewritten(one, wrong, "hands", laid=True)
