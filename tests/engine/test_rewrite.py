"""The rewrites: what each of them changes, and that outputs, losses and gradients are equal without it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings

from netspec.core.calls import Call, Run
from netspec.core.code_files import register
from netspec.engine.bind import compile_net
from netspec.engine.program import Program
from netspec.engine.rewrite import HIDING, REWRITES, rewrite
from netspec.layers.base import LAYERS, Abilities
from netspec.net.graph import State
from netspec.net.load import load_net
from tests.helpers.code import forgotten
from tests.helpers.programs import Net, feed, run_poisoned, shaped, training
from tests.helpers.specs import conv, ip, loss, net
from tests.helpers.strategies import nets


def able(kind: str, **changes: Any) -> Any:
    """A patch of a layer type that changes some of its abilities."""
    layer = LAYERS.get(kind)
    own: Any = layer.abilities
    return mock.patch.object(layer, "abilities", property(lambda self: dataclasses.replace(own.fget(self), **changes)))


def abilities(kind: str) -> Abilities:
    """Abilities of a layer type with its fields at their defaults."""
    return LAYERS.get(kind).model_construct(name="layer").abilities


@contextmanager
def declaring(name: str, **types: Any) -> Iterator[None]:
    """Patch an ability of several layer types."""
    with ExitStack() as stack:
        for kind, value in types.items():
            stack.enter_context(able(kind, **{name: value}))
        yield


def same(one: Program, other: Program, iterations: int = 2, rtol: float = 1e-9) -> None:
    """Verify that both programs train alike: losses, outputs, gradients, weights."""
    for iteration in range(iterations):
        for program in (one, other):
            feed(program, iteration)
            program.run("clear", "update")
        if not np.isfinite(other.loss[0]):  # a cubic net may blow up
            assume(False)
        np.testing.assert_allclose(one.loss[0], other.loss[0], rtol=rtol, atol=rtol)
        np.testing.assert_allclose(one.norm[0], other.norm[0], rtol=rtol, atol=rtol)
        pairs = [(one.graph.blobs[b].label, one.data[b], other.data[b]) for b in one.graph.outputs]
        pairs += [(name, one.weights.diff[i], other.weights.diff[i]) for i, name in enumerate(one.weights.names)]
        pairs += [(name, one.weights.data[i], other.weights.data[i]) for i, name in enumerate(one.weights.names)]
        for name, mine, theirs in pairs:
            if mine is not None:
                np.testing.assert_allclose(
                    mine, theirs, rtol=rtol, atol=rtol * max(1e-3, np.abs(theirs).max()), err_msg=name
                )


# --- layout

LAST = ("NHWC",)
TURNED = {kind: LAST for kind in ("Sigmoid", "TanH", "ReLU", "Eltwise", "Power")}
"""Elementwise types, whose results do not depend on the layout. Not Dropout: it draws in memory order."""


def turned() -> AbstractContextManager[None]:
    return declaring("layouts", **TURNED, Dropout=("NCHW",), Split=("NHWC", "NCHW"))


def neuron(name: str, kind: str = "TanH", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, **fields}


@settings(max_examples=30)
@given(nets())
def test_layouts_change_no_number(random: Net) -> None:
    for keep in (True, False):
        plain = training(random, keep, without=["layout"])
        with turned():
            one = training(random, keep)
        same(one, plain)


@given(nets())
def test_blobs_are_seen_in_one_order(random: Net) -> None:
    """A program's data and diffs have axes N, C, H, W in every layout; backward starts from any top."""
    net_shaped = shaped(random, gradients="any")
    plain = training(net_shaped, without=["layout"])
    with turned():
        one = training(net_shaped)
    for program in (one, plain):
        feed(program)
        program.run("clear", "backward")
    assume(np.isfinite(plain.loss[0]))
    assert list(one.graph.named) == list(plain.graph.named)
    assert one.graph.outputs == plain.graph.outputs and one.graph.inputs == plain.graph.inputs
    graph = net_shaped.graph
    for blob in graph.blobs:
        assert one.graph.blobs[blob.index].label == blob.label
        pairs = [(one.data[blob.index], plain.data[blob.index])]
        # blobs without reader or loss weight get no gradient, and their diff may be their bottom's
        if graph.readers(blob.index) or blob.loss_weight:
            pairs.append((one.diff[blob.index], plain.diff[blob.index]))
        for mine, theirs in pairs:
            assert (mine is None) == (theirs is None)
            if mine is not None and theirs is not None:
                np.testing.assert_allclose(
                    mine, theirs, rtol=1e-9, atol=1e-9 * max(1e-3, np.abs(theirs).max()), err_msg=blob.label
                )


def test_one_conversion_for_all_readers_that_want_it() -> None:
    readers = [neuron(f"tanh{i}", bottom="low") for i in range(2)]
    losses = [loss(name, f"loss {name}") for name in "abc"]
    layers = (neuron("low", "Dropout"), *readers, ip("a", 3, "tanh0"), ip("b", 3, "tanh1"), ip("c", 3, "low"), *losses)
    with turned():
        graph = rewrite(shaped(net(*layers)), ["in_place"]).graph
    names = [node.layer.name for node in graph.nodes]
    assert [name for name in names if "->" in name] == ["low -> tanh0", "tanh0 -> a", "tanh1 -> b"]
    assert names.index("low -> tanh0") == names.index("tanh0") - 1
    assert {node.layer.name for node in graph.written} == {"data", *(layer["name"] for layer in layers)}
    copies = {blob.label for blob in graph.blobs if blob.copy_of is not None}
    assert copies == {"low NHWC", "tanh0 NCHW", "tanh1 NCHW"}
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
    assert one.graph.runs(node) != free
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


# --- relu


def rectifying(run: Run, calls: Any, back: bool) -> Any:
    """Calls of a layer that applies a ReLU to its top itself: its own calls, and a ReLU in place."""
    from netspec.codegen.elementwise import generated
    from netspec.layers.relu import ReLU

    if back and run.relu:
        yield Call(generated(ReLU.gradient), run.top[0], run.top_diff[0], run.top_diff[0], 0.0)
    yield from calls(run)
    if not back and run.relu:
        yield Call(generated(ReLU.value), run.top[0], run.top[0], 0.0)


def with_relu(method: Any, back: bool) -> Any:
    """A layer's `forward` or `backward` with a ReLU along."""
    return lambda self, run: rectifying(run, partial(method, self), back)


@contextmanager
def fusing(*kinds: str) -> Iterator[None]:
    """Patch layer types to absorb a ReLU; types that can do so themselves are left unchanged."""
    with ExitStack() as stack:
        for kind, layer in zip(kinds, map(LAYERS.get, kinds), strict=True):
            if abilities(kind).along:
                continue
            stack.enter_context(able(kind, along=frozenset({"ReLU"})))
            for name, back in (("forward", False), ("backward", True)):
                fused = with_relu(getattr(layer, name), back)
                stack.enter_context(mock.patch.object(layer, name, fused))
        yield


HOSTS = ("Convolution", "InnerProduct", "Pooling", "TanH", "Eltwise")


@settings(max_examples=30)
@given(nets())
def test_rectifying_along_changes_no_number(random: Net) -> None:
    with fusing(*HOSTS):
        same(training(random, keep=False), training(random, keep=False, without=["relu"]))


@pytest.mark.parametrize("in_place", [True, False])
def test_a_relu_is_computed_by_the_layer_before_it(in_place: bool) -> None:
    where = {"bottom": "ip", "top": "ip"} if in_place else {}
    layers = (ip("ip", 5), neuron("relu", "ReLU", **where), ip("high", 3), loss("high"))
    with fusing("InnerProduct"):
        one, kept = training(net(*layers), keep=False), training(net(*layers))
        same(one, training(net(*layers), keep=False, without=["relu"]))
    relu, low = (next(node for node in one.graph.nodes if node.layer.name == name) for name in ("relu", "ip"))
    assert relu.absorbed and "ReLU" in low.along and "top" in low.reads
    assert not [step for step in one.table.steps if step.layer == "relu"]
    assert one.plan.storage[relu.tops[0]] == low.tops[0]
    assert [step for step in kept.table.steps if step.layer == "relu"], "what is kept is not computed along"


@pytest.mark.parametrize(
    "change",
    [
        {"negative_slope": 0.1},
        {"propagate_down": [False]},
        {"other": neuron("other", "TanH", bottom="ip")},
        {"weight": 0.5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_relu_that_cannot_be_computed_along(change: dict[str, Any]) -> None:
    other = [change.pop("other")] if "other" in change else []
    weight = {"loss_weight": change.pop("weight")} if "weight" in change else {}
    low = ip("low", 4)
    layers = (low, ip("ip", 5, **weight), neuron("relu", "ReLU", **change), *other, ip("high", 3, "relu"), loss("high"))
    with fusing("InnerProduct"):
        one = training(shaped(net(*layers), gradients="any"), keep=False)
        same(one, training(shaped(net(*layers), gradients="any"), keep=False, without=["relu"]))
    assert not any(node.absorbed or node.along for node in one.graph.nodes)


# --- batch_norm


def test_a_users_layer_that_derives_from_relu_is_no_relu() -> None:
    bent = type("Bent", (LAYERS.get("ReLU"),), {"__module__": __name__, "__doc__": "Computes something else."})
    layers = (ip("ip", 5), neuron("bent", "Bent"), ip("high", 3), loss("high"))
    with forgotten(), fusing("InnerProduct"):
        register(bent)
        one = training(net(*layers), keep=False)
    assert [step for step in one.table.steps if step.layer == "bent"]


def normalizing(c: dict[str, Any], **fields: Any) -> tuple[dict[str, Any], ...]:
    scale = {"name": "scale", "type": "Scale", "filler": {"type": "gaussian", "std": 0.5}, **fields}
    relu = neuron("relu", "ReLU", bottom="scale", top="scale")
    return c, {"name": "norm", "type": "BatchNorm", "eps": 0.1}, scale, relu, ip("ip", 3), loss("ip")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("learns", [True, False])
def test_a_scale_is_computed_by_the_batch_norm_before_it(bias: bool, learns: bool) -> None:
    frozen = {} if learns else {"param": [{"lr_mult": 0}, {"lr_mult": 0}]}
    layers = normalizing(conv("conv", 4, **frozen), bias_term=bias)
    one = training(net(*layers), keep=False)
    same(one, training(net(*layers), keep=False, without=["batch_norm", "relu"]), iterations=3)
    norm, scale, relu = (
        next(node for node in one.graph.nodes if node.layer.name == name) for name in ("norm", "scale", "relu")
    )
    assert norm.along == {"Scale": scale.index, "ReLU": relu.index}
    assert norm.backward and scale.absorbed and relu.absorbed
    assert {step.layer for step in one.table.steps if step.node in {norm.index, scale.index}} == {"norm"}


@pytest.mark.parametrize("fields", [{"axis": 0}, {"num_axes": 2}, {"num_axes": 0}])
def test_a_scale_of_other_axes_stays(fields: dict[str, Any]) -> None:
    one = training(net(*normalizing(conv("conv", 4), **fields)), keep=False)
    assert all(not node.along for node in one.graph.nodes)
    assert not next(node for node in one.graph.nodes if node.layer.name == "scale").absorbed


@pytest.mark.parametrize("bias", [True, False])
def test_a_second_scale_is_not_lost(bias: bool) -> None:
    """BatchNorm -> Scale -> Scale -> ReLU: the norm computes the first Scale, but not the second, nor the ReLU."""
    batch_norm, scale, relu = normalizing(conv("conv", 4), bias_term=bias)[1:4]
    again = scale | {"name": "again", "bias_term": True, "bias_filler": {"type": "gaussian", "std": 0.5}}
    layers = (conv("conv", 4), batch_norm, scale, again, relu | {"bottom": "again", "top": "again"})
    given = net(*layers, ip("ip", 3), loss("ip"))
    one = training(given, keep=False)
    same(one, training(given, keep=False, without=["batch_norm"]), iterations=3)
    nodes = {node.layer.name: node for node in one.graph.nodes}
    assert nodes["norm"].along == {"Scale": nodes["scale"].index}
    assert not (nodes["again"].absorbed or nodes["relu"].absorbed)


@settings(max_examples=30)
@given(nets())
def test_all_rewrites_together_change_no_number(random: Net) -> None:
    with fusing(*HOSTS):
        same(training(random, keep=False), training(random, keep=False, without=sorted({*REWRITES} - {"layout"})))


# --- in_place


def test_a_layer_works_in_its_bottoms_memory() -> None:
    layers = (ip("low", 5), neuron("tanh"), neuron("drop", "Dropout"), ip("ip", 3), loss("ip"))
    one = training(net(*layers), keep=False)
    same(one, training(net(*layers), keep=False, without=["in_place"]))
    inside = {node.layer.name: node.in_place for node in one.graph.nodes}
    assert inside["tanh"] and not inside["drop"], "TanH wants its top again"
    assert one.plan.storage[one.graph.latest("tanh").index] == one.graph.latest("low").index
    kept = training(net(*layers))
    assert not any(node.in_place for node in kept.graph.nodes)


@pytest.mark.parametrize(
    "layers",
    [
        (
            ip("low", 5),
            neuron("tanh"),
            neuron("far", bottom="low"),
            {"name": "sum", "type": "Eltwise", "bottom": ["tanh", "far"]},
        ),
        (ip("low", 5, loss_weight=0.3), neuron("tanh"), neuron("sum", "Flatten")),
        (ip("low", 5), neuron("tanh", loss_weight=0.3), neuron("sum", "Flatten")),
        (ip("low", 5), neuron("tanh", propagate_down=[False]), neuron("sum", "Flatten")),
        ({"name": "flat", "type": "Flatten"}, neuron("tanh"), ip("sum", 5)),
        (ip("low", 5), {"name": "split", "type": "Split", "top": ["a", "b"]}, neuron("tanh", bottom="a"), ip("sum", 5)),
    ],
    ids=["another reader", "a loss", "its top a loss", "no gradient", "an input", "an output"],
)
def test_a_layer_that_cannot_work_in_its_bottoms_memory(layers: tuple[dict[str, Any], ...]) -> None:
    whole = net(*layers, ip("ip", 3, "sum"), loss("ip"))
    one = training(shaped(whole, gradients="any"), keep=False)
    same(one, training(shaped(whole, gradients="any"), keep=False, without=["in_place"]))
    assert not any(node.in_place for node in one.graph.nodes if node.layer.name in {"tanh", "far"})


def test_a_layer_works_in_memory_that_a_conversion_shares() -> None:
    """Converting single pixels moves nothing; such a blob has a higher number than that of the layer behind it."""
    single = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 9, 1, 1], [4]]}
    layers = (neuron("curve", "SiLU"), neuron("relu", "ReLU"), neuron("flat", "Flatten"), ip("ip", 3), loss("ip"))
    whole = {"name": "net", "layers": [single, conv("conv", 2, bottom="data", kernel_size=1), *layers]}
    one = training(shaped(whole), keep=False)
    same(one, training(shaped(whole), keep=False, without=["in_place"]))
    assert {node.layer.name for node in one.graph.nodes if node.in_place} == {"relu"}


@settings(max_examples=30)
@given(nets())
def test_working_in_place_changes_no_number(random: Net) -> None:
    same(training(random, keep=False), training(random, keep=False, without=["in_place"]), rtol=0)


# --- place


def convolved(name: str, outputs: int, kernel: int, bottom: str, **fields: Any) -> dict[str, Any]:
    """A Convolution that keeps height and width."""
    filler = {"type": "gaussian", "std": 0.2}
    return (
        conv(
            name, outputs, bottom=bottom, kernel_size=kernel, pad=kernel // 2, weight_filler=filler, bias_filler=filler
        )
        | fields
    )


def joined(*branches: dict[str, Any], batch: int = 8, after: tuple[dict[str, Any], ...] = (), **fields: Any) -> Net:
    """Branches over `low` (3 channels) and `mid` (16), joined by a Concat, and a layer that learns from the Concat."""
    data = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[batch, 3, 9, 7], [batch]]}
    names = list(dict.fromkeys(layer.get("top", layer["name"]) for layer in branches if layer.get("join", True)))
    kept = [{key: value for key, value in layer.items() if key != "join"} for layer in branches]
    join = {"name": "join", "type": "Concat", "bottom": names, **fields}
    last = convolved("last", 4, 1, after[-1]["name"] if after else "join")
    layers = [
        data,
        convolved("low", 3, 1, "data"),
        convolved("mid", 16, 1, "low"),
        *kept,
        join,
        *after,
        last,
        ip("ip", 3),
        loss("ip"),
    ]
    return {"name": "joined", "layers": layers}


def rectified(layer: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    name = layer["name"]
    return layer, neuron(f"{name}_relu", "ReLU", bottom=name, top=name)


POOL = {"name": "pool", "type": "Pooling", "bottom": "low", "pool": "MAX", "kernel_size": 3, "stride": 1, "pad": 1}
BRANCHES = (
    convolved("one", 19, 1, "mid"),
    convolved("three", 32, 3, "mid"),
    convolved("five", 5, 5, "low"),
    convolved("grouped", 6, 3, "mid", group=2),
    convolved("frozen", 3, 3, "data", param=[{"lr_mult": 0}, {"lr_mult": 0}]),
)


def inside(one: Program) -> dict[str, int]:
    """The blobs that lie inside the top of `join`, each with its first channel there."""
    top = one.graph.latest("join").index
    return {blob.name: blob.inside[1] for blob in one.graph.blobs if blob.inside is not None and blob.inside[0] == top}


def copies(one: Program, section: str) -> int:
    return sum(step.section == section and step.call.kernel.name.startswith("copy.concat") for step in one.table.steps)


@pytest.mark.parametrize("batch", [8, 1])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("relu", [True, False])
def test_convolutions_write_into_what_joins_them(relu: bool, bias: bool, batch: int) -> None:
    branches = [
        branch | {"bias_term": bias} | ({"param": branch["param"][: 1 + bias]} if "param" in branch else {})
        for branch in BRANCHES
    ]
    branches = [layer for branch in branches for layer in (rectified(branch) if relu else (branch,))]
    given = joined(*branches[:2], POOL, *branches[2:], batch=batch)
    one, plain = training(given, keep=False), training(given, keep=False, without=["place"])
    assert set(inside(one)) == {branch["name"] for branch in BRANCHES}
    assert sorted(inside(one).values()) == ([0, 22, 54, 59, 65] if relu else [0, 19, 54, 59, 65])
    assert (copies(one, "forward"), copies(one, "backward")) == (1, 1), "the pooling's top is copied"
    assert (copies(plain, "forward"), copies(plain, "backward")) == (6, 5), (
        "and without that all of them, but for a frozen one's gradient"
    )
    assert {"winograd_tiles", "winograd_gradient_tiles"} <= {
        step.call.kernel.name.split(".")[1] for step in one.table.steps
    }
    assert any(step.call.kernel.name == "conv.convolve_back" for step in one.table.steps) == (batch == 8)
    assert one.plan.unshared < plain.plan.unshared
    same(one, plain, iterations=3, rtol=1e-12)


@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_lies_inside_lives_as_long_as_it_must(relu: bool, dtype: str) -> None:
    branches = [layer for branch in BRANCHES for layer in (rectified(branch) if relu else (branch,))]
    shared, alone = (training(joined(POOL, *branches), keep=keep, dtype=dtype, hidden=keep) for keep in (False, True))
    for iteration in range(2):
        for one in (shared, alone):
            feed(one, iteration)
        run_poisoned(shared)
        alone.run("clear", "update")
        assert np.isfinite(alone.loss[0]) and shared.loss[0] == alone.loss[0] and shared.norm[0] == alone.norm[0]
    for mine, theirs in zip(shared.weights.data, alone.weights.data, strict=True):
        assert mine.tobytes() == theirs.tobytes()


def test_what_lies_inside_is_seen_as_a_blob() -> None:
    one, plain = (training(joined(*BRANCHES), hidden=True, without=without) for without in ((), ["place"]))
    for program in (one, plain):
        feed(program)
        program.run("clear", "backward")
    for name in ("one", "three", "five", "grouped", "frozen", "join"):
        blob = one.graph.latest(name).index
        np.testing.assert_allclose(one.data[blob], plain.data[blob], rtol=1e-12)
        if name == "frozen":
            assert one.diff[blob] is None and plain.diff[blob] is None
        else:
            np.testing.assert_allclose(one.diff[blob], plain.diff[blob], rtol=1e-12)
        assert name == "join" or np.shares_memory(one.data[blob], one.data[one.graph.latest("join").index])


def test_what_is_joined_is_joined_again() -> None:
    low = {"name": "inner", "type": "Concat", "bottom": ["one", "five"]}
    given = joined(*(branch | {"join": False} for branch in (BRANCHES[0], BRANCHES[2])), low, BRANCHES[1])
    one = training(given, keep=False)
    assert inside(one) == {"inner": 0, "one": 0, "five": 19, "three": 24}
    assert copies(one, "forward") == copies(one, "backward") == 0
    same(one, training(given, keep=False, without=["place"]), rtol=1e-12)


def test_testing_writes_into_what_joins_too() -> None:
    given = joined(*(layer for branch in BRANCHES for layer in rectified(branch)))
    one, plain = (training(shaped(given, "TEST"), keep=False, without=without) for without in ((), ["place"]))
    assert len(inside(one)) == 5 and copies(one, "forward") == 0 < copies(plain, "forward")
    for program in (one, plain):
        feed(program)
    assert one.forward() == plain.forward()


def test_what_is_kept_is_not_placed() -> None:
    assert not inside(training(joined(*BRANCHES))) and "place" in HIDING


DROP = neuron("drop", "Dropout", bottom="join")


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (joined(*BRANCHES[:2], convolved("other", 4, 3, "one")), {"three", "other"}),
        (joined(BRANCHES[0] | {"loss_weight": 0.3}, BRANCHES[1]), {"three"}),
        (joined(BRANCHES[0], BRANCHES[1], bottom=["one", "three", "one"]), set()),
        (joined(BRANCHES[0], convolved("two", 19, 3, "low"), axis=2), set()),
        (joined(BRANCHES[0], convolved("two", 19, 3, "low"), axis=-3), {"one", "two"}),
        (joined(BRANCHES[0], neuron("tanh", bottom="one", top="one"), BRANCHES[1]), {"three"}),
        (joined(BRANCHES[0], BRANCHES[1], propagate_down=[True, False]), {"one", "three"}),
        (joined(BRANCHES[2], {"name": "flat", "type": "Power", "bottom": "mid"}), set()),
        (joined(convolved("deep", 3, 3, "low", group=3), BRANCHES[1]), {"three"}),
        (joined(*rectified(BRANCHES[0]), BRANCHES[1], after=(DROP,)), {"three"}),
        (joined(BRANCHES[0], BRANCHES[1], after=(neuron("tanh", bottom="join"),)), {"one", "three"}),
    ],
    ids=[
        "a reader",
        "a loss",
        "twice",
        "lines",
        "channels",
        "tanh",
        "no gradient",
        "a small part",
        "depthwise",
        "overwritten and read again",
        "overwritten",
    ],
)
def test_what_can_be_placed(given: Net, names: set[str]) -> None:
    one = training(given, keep=False)
    assert set(inside(one)) == names
    same(one, training(given, keep=False, without=["place"]), rtol=1e-12)


@settings(max_examples=30)
@given(nets())
def test_placing_changes_no_number(random: Net) -> None:
    same(training(random, keep=False), training(random, keep=False, without=["place"]))


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_googlenet_copies_nothing_to_join_and_takes_no_more_memory(phase: Any, dtype: str) -> None:
    net_shaped = load_net("googlenet", state=State(phase), batch=2)
    (one, memory), (_, plain) = (compile_net(net_shaped, dtype, without=without) for without in ((), ["place"]))
    joins = [node for node in one.graph.nodes if node.layer.type == "Concat"]
    assert len(joins) == 9
    for node in joins:
        assert [one.graph.house(bottom) for bottom in node.bottoms] == [node.tops[0]] * 4
    assert memory.arena <= plain.arena and memory.unshared < plain.unshared


# --- add


def adding(run: Run, calls: Any) -> Any:
    """Calls of a layer that adds to its bottoms' gradients, made of calls that overwrite them."""
    from netspec.kernels import copy

    before = [
        diff.copy() if diff is not None and add else None
        for diff, add in zip(run.bottom_diff, run.bottom_add, strict=True)
    ]
    for own, diff in zip(before, run.bottom_diff, strict=True):
        if own is not None:
            yield Call(copy.copy, diff, own)
    yield from calls(run)
    for own, diff in zip(before, run.bottom_diff, strict=True):
        if own is not None:
            yield Call(copy.accumulate, own, diff)


@contextmanager
def adders(*kinds: str) -> Iterator[None]:
    with ExitStack() as stack:
        # scratch of `adding` is outside of the memory plan
        stack.enter_context(mock.patch.dict(os.environ, NETSPEC_VERIFY="0"))
        for kind, layer in zip(kinds, map(LAYERS.get, kinds), strict=True):
            if not abilities(kind).adds:
                back = layer.backward
                stack.enter_context(able(kind, adds=True))
                stack.enter_context(
                    mock.patch.object(layer, "backward", lambda self, run, f=back: adding(run, partial(f, self)))
                )
        yield


@settings(max_examples=30)
@given(nets())
def test_adding_where_gradients_meet_changes_no_number(random: Net) -> None:
    with adders("TanH", "Convolution", "InnerProduct", "Eltwise"):
        for keep in (True, False):
            same(training(random, keep), training(random, keep, without=["add"]))


def test_later_readers_add_and_the_first_writes() -> None:
    branches = [neuron(f"branch{i}", bottom="low") for i in range(3)]
    square = {"name": "square", "type": "Eltwise", "bottom": ["low", "low"], "operation": "PROD"}
    total = {"name": "sum", "type": "Eltwise", "bottom": ["branch0", "branch1", "branch2", "square"]}
    with adders("TanH", "Eltwise"):
        one = training(net(ip("low", 5), *branches, square, total, ip("ip", 3), loss("ip")))
    flow = one.flows[one.graph.latest("low").index]
    assert [one.graph.nodes[node].layer.name for node, _ in flow.writers] == [
        "square",
        "square",
        "branch2",
        "branch1",
        "branch0",
    ]
    assert flow.adding == frozenset(flow.writers[2:]), "a layer that reads twice adds up by a step"
    assert sum(step.call.kernel.name == "copy.accumulate" and step.layer == "square" for step in one.table.steps) == 1


# --- store


def storing(run: Run, calls: Any) -> Any:
    from netspec.kernels import copy

    for diff, add in zip(run.param_diff, run.param_add, strict=True):
        if diff is not None and not add:
            yield Call(copy.fill, diff, 0.0)
    yield from calls(run)


@contextmanager
def storers(*kinds: str) -> Iterator[None]:
    with ExitStack() as stack:
        for kind, layer in zip(kinds, map(LAYERS.get, kinds), strict=True):
            if not abilities(kind).stores:
                back = layer.backward
                stack.enter_context(able(kind, stores=True))
                stack.enter_context(
                    mock.patch.object(layer, "backward", lambda self, run, f=back: storing(run, partial(f, self)))
                )
        yield


def cleared(one: Program) -> int:
    return sum(step.call.args[0].size for step in one.table.steps if step.section == "clear")


@settings(max_examples=30)
@given(nets())
def test_overwriting_gradients_changes_no_number(random: Net) -> None:
    with storers("InnerProduct"):
        one = training(random, keep=False)
        one.weights.flat_diff[:] = np.nan
        same(one, training(random, keep=False, without=["store"]), iterations=3)


def test_only_gradients_that_are_added_to_are_cleared() -> None:
    shared = {"param": [{"name": "w"}, {}]}
    layers = (ip("a", 5), neuron("tanh"), ip("b", 5, **shared), ip("c", 5, **shared), ip("ip", 3), loss("ip"))
    with storers("InnerProduct"):
        one = training(net(*layers), keep=False)
        several = training(net(*layers), keep=False, iter_size=2)
        kept, plain = training(net(*layers)), training(net(*layers), keep=False, without=["store"])
    assert cleared(one) == 32  # b's weight, 5 x 5, on cache lines of its own
    assert cleared(several) == cleared(kept) == cleared(plain) == one.weights.flat_diff.size
    low = one.graph.nodes[1]
    assert low.stores == (True, True) and [node.stores for node in one.graph.nodes[3:5]] == [(False, True)] * 2
