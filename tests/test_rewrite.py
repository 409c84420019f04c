"""The rewrites: what each of them changes, and that outputs, losses and gradients stay what they are without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings

from netspec.layers.base import LAYERS
from netspec.plan import is_alias
from netspec.program import Program
from netspec.rewrite import rewrite
from tests.programs import Net, feed, shaped, training
from tests.strategies import nets
from tests.test_program import conv, ip, loss, net


@contextmanager
def declaring(name: str, **types: Any) -> Iterator[None]:
    """Layer types with another value of what they declare."""
    with ExitStack() as stack:
        for kind, value in types.items():
            stack.enter_context(mock.patch.object(LAYERS.get(kind), name, value))
        yield


def same(one: Program, other: Program, iterations: int = 2, rtol: float = 1e-9) -> None:
    """Both train alike: losses, outputs, gradients, weights."""
    for iteration in range(iterations):
        for program in (one, other):
            feed(program, iteration)
            program.run("clear", "update")
        assume(np.isfinite(other.loss[0]))
        np.testing.assert_allclose(one.loss[0], other.loss[0], rtol=rtol, atol=rtol)
        np.testing.assert_allclose(one.norm[0], other.norm[0], rtol=rtol, atol=rtol)
        pairs = [(one.graph.blobs[b].label, one.data[b], other.data[b]) for b in one.graph.outputs]
        pairs += [(name, one.weights.diff[i], other.weights.diff[i]) for i, name in enumerate(one.weights.names)]
        pairs += [(name, one.weights.data[i], other.weights.data[i]) for i, name in enumerate(one.weights.names)]
        for name, mine, theirs in pairs:
            if mine is not None:
                np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=rtol * max(1e-3, np.abs(theirs).max()), err_msg=name)


# --- layout

LAST = ("NHWC",)
TURNED = {kind: LAST for kind in ("Sigmoid", "TanH", "ReLU", "Eltwise", "Power")}
"""Types that look at one value at a time: they compute the same in every layout. Dropout draws by the order in memory."""


def turned() -> Any:
    return declaring("layouts", **TURNED, Dropout=("NCHW",), Split=("NHWC", "NCHW"))


def neuron(name: str, kind: str = "TanH", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **fields}


@settings(max_examples=60)
@given(nets())
def test_layouts_change_no_number(random: Net) -> None:
    with turned():
        for keep in (True, False):
            same(training(random, keep), training(random, keep, without=["layout"]))


@given(nets())
def test_blobs_are_seen_in_one_order(random: Net) -> None:
    """Data and diffs of all blobs, of the API's memory, where gradients flow to the inputs too."""
    with turned():
        net_shaped = shaped(random, gradients="any")
        one, plain = training(net_shaped), training(net_shaped, without=["layout"])
        for program in (one, plain):
            feed(program)
            program.run("clear", "backward")
    assume(np.isfinite(plain.loss[0]))
    assert list(one.graph.named) == list(plain.graph.named)
    assert one.graph.outputs == plain.graph.outputs and one.graph.inputs == plain.graph.inputs
    for blob in plain.graph.blobs:
        assert one.graph.blobs[blob.index].label == blob.label
        for mine, theirs in ((one.data[blob.index], plain.data[blob.index]), (one.diff[blob.index], plain.diff[blob.index])):
            assert (mine is None) == (theirs is None)
            if mine is not None and theirs is not None:
                np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9 * max(1e-3, np.abs(theirs).max()), err_msg=blob.label)


def test_one_conversion_for_all_readers_that_want_it() -> None:
    readers = [neuron(f"tanh{i}", bottom="conv") for i in range(2)]
    losses = [loss(name, f"loss {name}") for name in "abc"]
    layers = (conv("conv", 2), *readers, ip("a", 3, "tanh0"), ip("b", 3, "tanh1"), ip("c", 3, "conv"), *losses)
    with turned():
        graph = rewrite(shaped(net(*layers)), ["in_place"]).graph
    names = [node.layer.name for node in graph.nodes]
    assert [name for name in names if "->" in name] == ["conv -> tanh0", "tanh0 -> a", "tanh1 -> b"]
    assert names.index("conv -> tanh0") == names.index("tanh0") - 1
    assert {node.layer.name for node in graph.written} == {"data", *(layer["name"] for layer in layers)}
    copies = {blob.label for blob in graph.blobs if blob.copy_of is not None}
    assert copies == {"conv NHWC", "tanh0 NCHW", "tanh1 NCHW"}
    assert {graph.blobs[b].name for b in graph.outputs} == {layer["name"] for layer in layers[-3:]}
    assert all(node.index == i for i, node in enumerate(graph.nodes))
    for blob in graph.blobs:
        assert blob.index in graph.nodes[blob.producer].tops
    for param in graph.params:
        assert all(graph.nodes[node].params[slot] == param.index for node, slot in param.users)


@pytest.mark.parametrize(("shape", "free"), [([2, 1, 5, 7], True), ([2, 3, 1, 1], True), ([2, 3, 1, 2], False)])
def test_one_channel_or_one_pixel_needs_no_work(shape: list[int], free: bool) -> None:
    layers = [{"name": "data", "type": "Input", "shape": shape}, neuron("tanh")]
    with turned():
        one = training(shaped({"layers": layers}, "TEST"))
    (node,) = (node for node in one.graph.nodes if node.layer.name == "data -> tanh")
    assert is_alias(one.graph, node) == free
    assert bool([step for step in one.table.steps if step.layer == "data -> tanh"]) != free
    feed(one)
    one.forward()
    np.testing.assert_allclose(one.data[one.graph.latest("tanh").index], np.tanh(one.data[0]), rtol=1e-12)


def test_a_layer_that_takes_both_follows_its_first_bottom() -> None:
    with declaring("layouts", TanH=("NHWC",), Sigmoid=("NHWC", "NCHW"), Input=("NCHW",)):
        layers = (neuron("plain", "Sigmoid"), neuron("last"), neuron("after", "Sigmoid"), ip("ip", 3), loss("ip"))
        graph = rewrite(shaped(net(*layers)), ["in_place"]).graph
    assert {graph.blobs[b].layout for b in (0, 2)} == {"NCHW"}
    assert [graph.latest(name).layout for name in ("plain", "last", "after", "ip")] == ["NCHW", "NHWC", "NHWC", "NCHW"]
    assert [node.layer.name for node in graph.nodes if "->" in node.layer.name] == ["plain -> last", "after -> ip"]
