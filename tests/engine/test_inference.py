"""Inference: factors folded into weights, sums added in place, and what is made of params once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.core.verify import InvariantError
from netspec.engine.bind import bind, compile_net
from netspec.engine.plan import MemoryPlan
from netspec.engine.program import Program
from netspec.engine.rewrite import HIDING
from netspec.engine.verify_plan import verify_plan
from netspec.engine.verify_rewrite import verify_rewritten
from netspec.engine.weights import fill_weights
from netspec.net.shaped import ShapedGraph
from tests.helpers.programs import SEED, Net, feed, poisoned, run_poisoned, shaped
from tests.helpers.specs import conv, ip, loss, net

PLAIN = ("fold", "sums", "batch_norm", "relu", "in_place", "place")


def stirred(one: ShapedGraph, memory: MemoryPlan) -> Program:
    """A program on memory that starts as NaN; all params are random, so that no factor is 1."""
    weights = fill_weights(one, memory.dtype, SEED)
    random = np.random.default_rng(3)
    for array in weights.data:
        array[...] = random.uniform(0.3, 1.5, array.shape) * random.choice(
            (-1, 1) if array.ndim > 1 else (1,), array.shape
        )
    return bind(one, memory, weights, SEED, arena=poisoned(memory.arena))


def bound(given: Net, keep: Any = False, without: Any = (), dtype: str = "float64") -> Program:
    return stirred(*compile_net(shaped(given, "TEST"), dtype, keep, without))


def outputs(one: Program, iteration: int = 0) -> dict[str, np.ndarray]:
    feed(one, iteration)
    one.forward()
    return {one.graph.blobs[blob].name: one.data[blob].copy() for blob in one.graph.outputs}


def same(given: Net, rtol: float = 1e-10, keep: Any = False, **other: Any) -> Program:
    """The program of a net, after a check that its outputs are those of the net without any rewrite."""
    one, plain = bound(given, keep, **other), bound(given, without=PLAIN)
    for iteration in range(2):
        mine, theirs = outputs(one, iteration), outputs(plain, iteration)
        assert mine.keys() == theirs.keys() and mine
        for name, array in theirs.items():
            assert np.isfinite(array).all()
            np.testing.assert_allclose(mine[name], array, rtol=rtol, atol=rtol * np.abs(array).max(), err_msg=name)
    return one


def along(one: Program) -> dict[str, list[str]]:
    """The types that each layer computes along with itself, in order."""
    nodes = one.graph.nodes
    return {node.layer.name: [nodes[i].layer.type for i in sorted(node.along.values())] for node in nodes if node.along}


def kernels(one: Program, section: str) -> list[str]:
    first, last = one.ranges[section]
    return [str(step.call.kernel) for step in one.table.steps[first:last]]


def norm(name: str = "norm", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "BatchNorm", **fields}


def scale(name: str = "scale", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "Scale", "bias_term": True, **fields}


def relu(name: str = "relu", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "ReLU", **fields}


def add(name: str, *bottom: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "Eltwise", "bottom": [*bottom], **fields}


# --- fold


def test_a_fold_by_hand() -> None:
    """One filter of one tap: y = relu(((3 * 2 + 1 - 4) / sqrt(15 + 1)) * 8 + .5) = 6.5, with sums over two batches."""
    layers = (conv("conv", 1, kernel_size=1), norm(eps=1.0), scale(), relu())
    image = {"name": "data", "type": "Input", "top": "data", "shape": [1, 1, 1, 1]}
    one = bound({"name": "hand", "layers": [image, *layers]})
    values = {"conv.weight": 2, "conv.bias": 1, "norm.mean": 8, "norm.variance": 30, "norm.scale_factor": 2}
    for name, value in (values | {"scale.weight": 8, "scale.bias": 0.5}).items():
        one.weights.data[one.weights.index(name)][...] = value
    one.inputs[0][...] = 3
    one.forward()
    assert one.data[one.graph.outputs[0]].tolist() == [[[[6.5]]]]
    assert kernels(one, "prepare") == ["fold.fold", "conv.pack"] and len(kernels(one, "forward")) == 1


@pytest.mark.parametrize(("sums", "wanted"), [("GUARDED", 3.5), ("PLAIN", 14.0)])
def test_a_fold_before_the_first_batch(sums: str, wanted: float) -> None:
    """7 / sqrt(1 + 3), of a variance of 1; as in Caffe of 0, 7 / sqrt(0 + .25)."""
    image = {"name": "data", "type": "Input", "top": "data", "shape": [1, 1, 1, 1]}
    eps = 3.0 if sums == "GUARDED" else 0.25
    one = bound({"name": "hand", "layers": [image, conv("conv", 1, kernel_size=1), norm(eps=eps, running_sums=sums)]})
    values = {"conv.weight": 2, "conv.bias": 1, "norm.mean": 0, "norm.variance": 0, "norm.scale_factor": 0}
    for name, value in values.items():
        one.weights.data[one.weights.index(name)][...] = value
    one.inputs[0][...] = 3
    one.forward()
    assert one.data[one.graph.outputs[0]].tolist() == [[[[wanted]]]]
    assert kernels(one, "prepare") == ["fold.fold", "conv.pack"]


FOLDED = [
    ([conv("conv", 5), norm(), scale(), relu()], ["BatchNorm", "Scale", "ReLU"]),
    ([conv("conv", 5), norm(affine=True), scale(), relu()], ["BatchNorm", "Scale", "ReLU"]),
    ([conv("conv", 5, bias_term=False), norm(), scale(bias_term=False)], ["BatchNorm", "Scale"]),
    ([conv("conv", 5), scale(bias_term=False), relu()], ["Scale", "ReLU"]),
    ([conv("conv", 5, bias_term=False), norm()], ["BatchNorm"]),
    ([conv("conv", 16, kernel_size=3), norm(affine=True), relu()], ["BatchNorm", "ReLU"]),
    ([conv("conv", 3, group=3), norm(affine=True), relu()], ["BatchNorm", "ReLU"]),
    ([ip("conv", 7), norm(affine=True), scale(), relu()], ["BatchNorm", "Scale", "ReLU"]),
]


@pytest.mark.parametrize(("layers", "words"), FOLDED)
def test_factors_are_folded_into_the_weights_before_them(layers: list[dict[str, Any]], words: list[str]) -> None:
    one = same(net(*layers))
    assert along(one) == {"conv": words}
    assert "fold.fold" in kernels(one, "prepare") and not {*kernels(one, "forward")} & {"norm.normalise", "fold.fold"}


def test_float32_rounds_once() -> None:
    """A folded weight is the float64 product, rounded; to the bit."""
    one = bound(net(conv("conv", 5), norm(eps=0.25), scale()), dtype="float32")
    one.prepare()
    data = {name: array.astype(np.float64) for name, array in zip(one.weights.names, one.weights.data, strict=True)}
    share = 1 / data["norm.scale_factor"]
    factor = data["scale.weight"] * (1 / np.sqrt(data["norm.variance"] * share + 0.25))
    exact = data["conv.weight"] * factor[:, None, None, None]
    found = one.fixed[: exact.size * 4 + 4096]
    [piece] = [piece for key, piece in one.plan.fixed.items() if key[2] == "folded weight"]
    found = one.fixed[piece.offset :][: exact.size * 4].view(np.float32).reshape(exact.shape)
    np.testing.assert_allclose(found, exact, rtol=2**-24 * 1.001)


STAY = [
    [conv("conv", 5), norm(use_global_stats=False)],  # the batch's own statistics
    [conv("conv", 5), norm(), add("two", "conv", "norm")],  # another reader of the convolution
    [norm(), conv("conv", 5)],  # nothing before it
    [conv("conv", 5), relu(), norm()],  # not directly behind
    [conv("conv", 5), scale(axis=0)],  # factors by sample
    [conv("conv", 5), scale(num_axes=-1)],  # factors by value
    [ip("conv", 6, transpose=True), norm()],
    [ip("conv", 3, axis=2), norm()],  # channels are not the outputs
]


@pytest.mark.parametrize("layers", STAY)
def test_other_factors_stay_steps(layers: list[dict[str, Any]]) -> None:
    one = same(net(*layers))
    assert not any({"BatchNorm", "Scale"} & {*words} for words in along(one).values())


def test_a_norm_before_a_convolution_is_one_step_with_its_relu() -> None:
    """As in DenseNet: coefficients are made once, and the convolution normalises x as it reads it."""
    one = same(net(norm(), scale(), relu(), conv("conv", 5), norm("second"), relu("last")))
    assert along(one) == {"norm": ["Scale", "ReLU"], "conv": ["BatchNorm", "ReLU"]}
    assert kernels(one, "prepare").count("norm.settle") == 1
    assert not any(kernel.startswith("norm.") for kernel in kernels(one, "forward"))


def test_nothing_is_folded_where_params_learn() -> None:
    layers = (conv("conv", 5), norm(), scale(), relu(), ip("ip", 3), loss("ip"))
    for learning in (shaped(net(*layers)), shaped(net(*layers), "TEST", gradients="any")):
        one, memory = compile_net(learning, "float64")
        assert not any(node.folds for node in one.graph.nodes) and not memory.fixed


# --- sums

BLOCK = [
    conv("in", 16, kernel_size=1),
    relu("r"),
    conv("a", 8, kernel_size=1, bottom="r"),
    conv("b", 16, kernel_size=1),
]


def summed(one: Program) -> dict[str, str]:
    """The layers that add to a blob, each with the blob."""
    graph = one.graph
    return {node.layer.name: graph.blobs[node.onto].name for node in graph.nodes if node.onto is not None}


@pytest.mark.parametrize("bottoms", [("r", "norm"), ("norm", "r")])
def test_a_convolution_adds_to_the_other_bottom_of_a_sum(bottoms: tuple[str, str]) -> None:
    one = same(net(*BLOCK, norm(affine=True), add("sum", *bottoms), relu("last"), conv("next", 3)))
    assert summed(one) == {"b": "r"} and along(one)["b"] == ["BatchNorm", "Eltwise", "ReLU"]
    assert not any(kernel.startswith("eltwise") for kernel in kernels(one, "forward"))


WAYS: list[dict[str, Any]] = [
    {"kernel_size": 1},
    {"kernel_size": 3, "pad": 1},
    {"kernel_size": 3, "pad": 1, "engine": "DIRECT"},
    {"kernel_size": 3, "pad": 1, "group": 16},
    {"kernel_size": 3, "pad": 1, "group": 4},
    {"kernel_size": 5, "pad": 2},
]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_computing_adds_then_rectifies(way: dict[str, Any]) -> None:
    """About half of the sums are negative, as the filters have both signs."""
    branch = [conv("in", 16, kernel_size=1), conv("a", 16, kernel_size=1), conv("b", 16, **way)]
    one = same(net(*branch, add("sum", "in", "b"), relu("last")))
    assert summed(one) == {"b": "in"}
    top = outputs(one)["last"]
    assert 0.1 < (top == 0).mean() < 0.9


def test_the_later_of_two_convolutions_adds_to_the_earlier() -> None:
    """A shortcut with a convolution of its own, written before or behind the branch."""
    shortcut = conv("short", 16, kernel_size=1, bottom="r")
    before = net(*BLOCK[:2], shortcut, *BLOCK[2:], add("sum", "short", "b"), relu("last"))
    behind = net(*BLOCK, shortcut, add("sum", "b", "short"), relu("last"))
    assert summed(same(before)) == {"b": "short"} and summed(same(behind)) == {"short": "b"}


NO_SUM = [
    [*BLOCK, add("sum", "r", "b"), add("again", "r", "sum")],  # r is read later
    [conv("in", 16, kernel_size=1), conv("b", 16, kernel_size=1), add("sum", "in", "b")],  # b reads in itself
    [*BLOCK, relu("t", top="t"), add("sum", "r", "t")],  # rectified before the sum
    [*BLOCK, add("sum", "r", "b", coeff=[1.0, 0.5])],
    [*BLOCK, add("sum", "r", "b", operation="MAX")],
    [*BLOCK, conv("c", 16, kernel_size=1, bottom="r"), add("sum", "r", "b", "c")],
    [*BLOCK, add("sum", "r", "b"), conv("c", 4, bottom="b")],  # another reader of b
]


@pytest.mark.parametrize("layers", NO_SUM)
def test_other_sums_stay_steps(layers: list[dict[str, Any]]) -> None:
    one = same(net(*layers))
    assert "sum" not in {one.graph.nodes[i].layer.name for node in one.graph.nodes for i in node.along.values()}


def test_sums_of_sums() -> None:
    """Residual blocks one behind the other: each adds to the memory of the one before."""
    blocks: list[dict[str, Any]] = []
    for i, bottom in enumerate(("r", "out0", "out1")):
        blocks += [
            conv(f"a{i}", 8, kernel_size=1, bottom=bottom),
            conv(f"b{i}", 16, kernel_size=3, pad=1),
            norm(f"n{i}"),
        ]
        blocks += [add(f"sum{i}", bottom, f"n{i}"), relu(f"out{i}")]
    one = same(net(*BLOCK[:2], *blocks, ip("ip", 4)))
    assert summed(one) == {"b0": "r", "b1": "out0", "b2": "out1"}


# --- what is kept


def test_named_blobs_stay_readable() -> None:
    layers = (*BLOCK, norm(), scale(), add("sum", "r", "scale"), relu("last"), ip("ip", 4))
    plain = bound(net(*layers), keep=True)
    outputs(plain)
    for name in ("in", "a", "b", "norm", "scale", "sum", "last"):
        one = same(net(*layers), keep=[name])
        outputs(one)
        blob = one.graph.named[name].index
        np.testing.assert_allclose(one.data[blob], plain.data[plain.graph.named[name].index], rtol=1e-10, err_msg=name)


def test_rewrites_of_inference_hide() -> None:
    assert {"fold", "sums"} <= HIDING and not bound(net(*BLOCK), keep=True).plan.fixed


# --- what is made once


def test_infer_reads_what_was_prepared() -> None:
    """Params that change count from the next `prepare` on; forward prepares by itself."""
    one = bound(net(conv("conv", 5), norm(), scale(), ip("ip", 3)))
    first = outputs(one)["ip"]
    one.weights.data[one.weights.index("conv.weight")][...] *= 2
    feed(one)
    one.infer()
    assert np.array_equal(one.data[one.graph.named["ip"].index], first)
    assert not np.array_equal(outputs(one)["ip"], first)


def test_nothing_dead_is_read() -> None:
    """Also with all dead memory poisoned between two layers."""
    one = bound(net(*BLOCK, norm(), add("sum", "r", "norm"), relu("last"), ip("ip", 4)))
    expected = outputs(one)["ip"]
    feed(one)
    run_poisoned(one)
    assert np.array_equal(one.data[one.graph.named["ip"].index], expected)


TYPES = st.sampled_from(["conv", "wide", "norm", "batch", "scale", "relu", "tanh", "lrn", "pool", "drop", "sum"])


@settings(max_examples=40, deadline=None)
@given(st.lists(TYPES, min_size=1, max_size=9))
def test_any_row_of_layers_infers_as_without_rewrites(words: list[str]) -> None:
    made: list[dict[str, Any]] = [conv("first", 16, kernel_size=1)]
    for i, word in enumerate(words):
        before = made[-1]["name"]
        kinds = {
            "conv": conv(f"l{i}", 16, kernel_size=1),
            "wide": conv(f"l{i}", 16, kernel_size=3, pad=1),
            "norm": norm(f"l{i}", affine=bool(i % 2)),
            "batch": norm(f"l{i}", use_global_stats=False),
            "scale": scale(f"l{i}", bias_term=bool(i % 2)),
            "relu": relu(f"l{i}"),
            "tanh": {"name": f"l{i}", "type": "TanH"},
            "lrn": {"name": f"l{i}", "type": "LRN", "local_size": 3},
            "pool": {"name": f"l{i}", "type": "Pooling", "kernel_size": 3, "stride": 1, "pad": 1},
            "drop": {"name": f"l{i}", "type": "Dropout"},
            "sum": add(f"l{i}", made[max(0, len(made) - 3)]["name"], before),
        }
        made.append(kinds[word] | ({} if word == "sum" else {"bottom": before}))
    same(net(*made, {"name": "end", "type": "Pooling", "global_pooling": True, "pool": "AVE"}), rtol=1e-8)


# --- the verifiers


def test_verifiers_find_wrong_folds_and_sums() -> None:
    from dataclasses import replace

    given = shaped(net(*BLOCK, norm(), add("sum", "r", "norm"), relu("last"), ip("ip", 4)), "TEST")
    one, memory = compile_net(given, "float64")
    [host] = [node for node in one.graph.nodes if node.onto is not None]

    def broken(**changes: Any) -> ShapedGraph:
        nodes = tuple(replace(node, **changes) if node is host else node for node in one.graph.nodes)
        return replace(one, graph=replace(one.graph, nodes=nodes))

    wrongs = [broken(onto=None), broken(onto=one.graph.inputs[0]), broken(along={"Eltwise": host.along["Eltwise"]})]
    wrongs.append(replace(one, graph=replace(one.graph, state=shaped(net(*BLOCK)).graph.state)))  # params change
    for wrong in wrongs:
        with pytest.raises(InvariantError):
            verify_rewritten(one, wrong, "sums", True)
    verify_rewritten(one, one, "sums", True)
    for fixed in ({}, dict(list(memory.fixed.items())[1:])):
        with pytest.raises(InvariantError):
            verify_plan(one, replace(memory, fixed=fixed))
