"""The program: what an iteration runs, that it allocates nothing, and that its gradients are the slopes of its loss."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import pytest
from hypothesis import assume, given, settings
from numba.core.runtime import _nrt_python, rtsys

from netspec.core.calls import Phase
from netspec.core.errors import NetspecError, SpecError
from netspec.engine.program import SECTIONS, Program
from netspec.training.job import load_solver
from netspec.training.session import Session
from tests.helpers.programs import check_gradients, feed, gradients, numeric, shaped, training
from tests.helpers.specs import conv, ip, loss, net
from tests.helpers.strategies import nets


def kernels(one: Program, section: str, layer: str) -> list[str]:
    return [step.call.kernel.name for step in one.table.steps if step.section == section and step.layer == layer]


# --- nothing is allocated


def memory_of(run: Callable[[], object], times: int = 100) -> dict[str, int]:
    """Memory that `times` runs allocate, after 10 runs to warm up.

    `grown`: additional bytes that Python and NumPy hold after the runs. `peak`: the most additional bytes at any time
    (tracemalloc counts both: NumPy reports its arrays to it). `kernels`: arrays that numba's runtime allocated, by its
    own count. `resident`: growth of the process in bytes, the least of three measurements, because other threads may
    touch new pages of their stacks.
    """
    _nrt_python.memsys_enable_stats()
    process = psutil.Process()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(10):
            run()
        gc.collect()
        resident = process.memory_info().rss
        allocations = rtsys.get_allocation_stats()
        before, after = (0, 0), (0, 0)
        before = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        for _ in range(times):
            run()
        after = tracemalloc.get_traced_memory()
        now = rtsys.get_allocation_stats()
    finally:
        tracemalloc.stop()
    assert now.alloc - now.free == allocations.alloc - allocations.free
    growth = [process.memory_info().rss - resident]
    while min(growth) > 0 and len(growth) < 3:
        resident = process.memory_info().rss
        for _ in range(times):
            run()
        growth.append(process.memory_info().rss - resident)
    held = {"grown": after[0] - before[0], "peak": after[1] - before[0]}
    return {**held, "kernels": now.alloc - allocations.alloc, "resident": min(growth)}


def test_an_iteration_allocates_nothing() -> None:
    """A hundred iterations of LeNet allocate no array, only small Python numbers. Method: see `memory_of`.

    The driver receives its table of steps 100 times; numba counts each as one allocation (a header of some bytes).
    Kernels add none.
    """
    session = Session(load_solver("lenet", ["data.train.batch_size=2"]))
    program = session.train
    session._batch(0)
    session.close()
    cost = memory_of(lambda: program.run("clear", "update"))
    assert cost["grown"] < 1024
    assert cost["peak"] < 1024  # less than the smallest blob that is no scalar
    assert cost["kernels"] == 100
    assert cost["resident"] <= 2**16


def test_a_training_does_not_grow() -> None:
    """Whole iterations with their data do not grow: the thread that reads ahead holds a few batches, and never more."""
    session = Session(load_solver("lenet", ["data.train.batch_size=2", "base_lr=1e-5"]))
    batch = sum(array.nbytes for array in session.train.inputs)
    try:
        cost = memory_of(session.step)
    finally:
        session.close()
    assert cost["grown"] < 4 * batch
    assert cost["peak"] < 8 * batch
    assert cost["resident"] <= 2**16


# --- the table


def test_the_table_of_lenet(golden: Callable[[str, str], None]) -> None:
    session = Session(load_solver("lenet", ["data.train.batch_size=2"]))
    golden("lenet_program.txt", session.train.text() + "\n")
    again = Session(load_solver("lenet", ["data.train.batch_size=2"]))
    assert again.train.text() == session.train.text()
    assert again.train.plan == session.train.plan


def test_sections_follow_one_another() -> None:
    one = training(net(conv("conv", 2), ip("ip", 3), loss("ip")))
    assert list(one.ranges) == list(SECTIONS)
    assert [first for first, _ in one.ranges.values()] == [0, *(last for _, last in list(one.ranges.values())[:-1])]
    assert one.ranges["commit"][1] == len(one.table.steps)
    for (section, node), (first, last) in one.nodes.items():
        assert {(s.section, s.node) for s in one.table.steps[first:last]} == {(section, node)}


def test_frozen_layers_cost_no_backward_work() -> None:
    frozen = {"param": [{"lr_mult": 0}, {"lr_mult": 0}]}
    layers = (conv("low", 2), {"name": "relu", "type": "ReLU"}, conv("high", 4), ip("ip", 3), loss("ip"))
    whole = training(net(*layers))
    part = training(net({**layers[0], **frozen}, *layers[1:]))
    for layer in ("low", "relu"):
        assert kernels(part, "backward", layer) == [] != kernels(whole, "backward", layer)
        assert kernels(part, "forward", layer) == kernels(whole, "forward", layer)
    fewer, all_ = (set(kernels(one, "backward", "high")) for one in (part, whole))
    assert fewer < all_  # without its bottom's gradient
    assert kernels(part, "backward", "ip") == kernels(whole, "backward", "ip")
    assert [name for name, diff in zip(part.weights.names, part.weights.diff, strict=True) if diff is None] == [
        "low.weight",
        "low.bias",
    ]
    assert {s.layer for s in part.table.steps if s.section == "update"} == {
        "high.weight",
        "high.bias",
        "ip.weight",
        "ip.bias",
    }
    diffs = {part.graph.original(key[1]) for key in part.plan.pieces if key[0] == "diff"}
    assert diffs == {part.graph.latest(blob).index for blob in ("high", "ip", "loss")}
    before = [a.copy() for a in part.weights.data[:2]]
    assert gradients(part).keys() == {"high.weight", "high.bias", "ip.weight", "ip.bias"}
    feed(part)
    part.run("clear", "update")
    assert all((a == b).all() for a, b in zip(before, part.weights.data, strict=False))
    check_gradients(part)


@pytest.mark.parametrize(("weight", "bias"), [(0, 1), (1, 0), (0, 0)])
def test_one_frozen_param(weight: float, bias: float) -> None:
    """Frozen params get no step, while the gradient still flows on to the layers below."""
    given = {"param": [{"lr_mult": weight}, {"lr_mult": bias}]}
    whole, part = (training(net(ip("low", 5), ip("high", 3, **fields), loss("high"))) for fields in ({}, given))
    steps = kernels(part, "backward", "high")
    assert len(steps) == len(kernels(whole, "backward", "high")) - (weight == 0) - (bias == 0)
    assert kernels(part, "backward", "low") == kernels(whole, "backward", "low")
    found, wanted = gradients(part), gradients(whole)
    assert found.keys() == wanted.keys() - {n for n, rate in (("high.weight", weight), ("high.bias", bias)) if not rate}
    assert all((found[name] == wanted[name]).all() for name in found)


def test_the_first_layer_sends_no_gradient_to_the_data() -> None:
    layers = (conv("conv", 2), ip("ip", 3), loss("ip"))
    plain, forced = training(net(*layers)), training(shaped(net(*layers), gradients="inputs"))
    data = plain.graph.latest("data").index
    assert plain.diff[data] is None and ("diff", data) not in plain.plan.pieces
    assert forced.diff[data] is not None
    assert set(kernels(plain, "backward", "conv")) < set(kernels(forced, "backward", "conv"))
    assert training(net(*layers, force_backward=True)).text() == forced.text()


# --- gradients


@settings(max_examples=50)
@given(nets(smooth=True))
def test_gradients_of_random_nets_are_the_slope_of_the_loss(random: dict[str, Any]) -> None:
    one = training(random)
    gradients(one)
    assume(all(np.abs(one.data[blob]).max() < 40 for blob in one.graph.losses))  # softmax losses are cut off at 87
    check_gradients(one, rtol=2e-6)


@pytest.mark.parametrize("readers", [2, 3])
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("without", [(), ("add",)])
def test_a_blob_with_several_readers_gets_the_sum(readers: int, keep: bool, without: tuple[str, ...]) -> None:
    branches = [ip(f"branch{i}", 3, "low") for i in range(readers)]
    losses = [loss(f"branch{i}", f"loss{i}") for i in range(readers)]
    layers = (ip("low", 5), {"name": "tanh", "type": "TanH", "top": "low", "bottom": "low"}, *branches, *losses)
    one = training(net(*layers), keep=keep, without=without)
    check_gradients(one)
    steps = [s for s in one.table.steps if s.section == "backward" and s.call.kernel.name == "copy.accumulate"]
    assert len(steps) == (readers - 1 if without else 0)


def test_one_layer_that_reads_a_blob_twice() -> None:
    square = {"name": "square", "type": "Eltwise", "bottom": ["low", "low"], "operation": "PROD"}
    one = training(net(ip("low", 5), square, ip("high", 3), loss("high")))
    check_gradients(one)
    low, square_ = (one.graph.latest(name).index for name in ("low", "square"))
    gradients(one)
    np.testing.assert_allclose(one.diff[low], 2 * one.data[low] * one.diff[square_], rtol=1e-12)


def test_in_place_layers_keep_what_backward_needs() -> None:
    """Caffe loses conv's output here; with single assignment both nets are equal to the bit."""

    def build(in_place: bool) -> Program:
        def neuron(kind: str, bottom: str) -> dict[str, Any]:
            return {"name": f"{kind}", "type": kind, "bottom": bottom} | ({"top": bottom} if in_place else {})

        first = neuron("ReLU", "low")
        second = neuron("Sigmoid", "low" if in_place else "ReLU")
        third = neuron("Dropout", "low" if in_place else "Sigmoid")
        return training(net(ip("low", 5), first, second, third, ip("high", 3), loss("high")))

    inside, beside = build(True), build(False)
    assert [b.label for b in inside.graph.blobs][2:6] == ["low", "low#1", "low#2", "low#3"]
    for iteration in range(3):
        for one in (inside, beside):
            feed(one, iteration)
            one.run("clear", "update")
    assert inside.loss[0] == beside.loss[0]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(inside.weights.data, beside.weights.data, strict=True))


# --- losses


@pytest.mark.parametrize("weight", [2, 0, 1, -1, -2.5, 3.7])
@pytest.mark.parametrize("middle", [False, True])
def test_loss_weights_scale_the_loss_and_all_gradients(weight: float, middle: bool) -> None:
    """Caffe's net_test: with the loss at the end, and with the weight on a blob in the middle that others read."""

    def build(weight: float) -> Program:
        given = {"loss_weight": weight}
        if not middle:
            return training(shaped(net(ip("low", 5), ip("high", 3), loss("high", **given)), gradients="any"))
        layers = (
            ip("low", 5),
            ip("high", 3, **given),
            {"name": "tanh", "type": "TanH"},
            loss("tanh", loss_weight=weight),
        )
        return training(shaped(net(*layers), gradients="any"))

    one, unit = build(weight), build(1)
    found, wanted = gradients(one), gradients(unit)
    np.testing.assert_allclose(one.loss[0], weight * unit.loss[0], rtol=1e-12)
    assert found.keys() == wanted.keys()
    for name, diff in found.items():
        np.testing.assert_allclose(diff, weight * wanted[name], rtol=1e-9, atol=1e-15)


def test_a_loss_of_weight_zero_costs_nothing() -> None:
    one = training(net(ip("low", 5), ip("a", 3, "low"), loss("a"), ip("b", 3, "low"), loss("b", "off", loss_weight=0)))
    assert kernels(one, "backward", "off") == kernels(one, "backward", "b") == []
    assert kernels(one, "forward", "off") != []
    assert gradients(one)["b.weight"].any() == np.False_
    assert one.loss[0] == one.data[one.graph.latest("loss").index]


def test_a_loss_in_the_middle_of_a_net() -> None:
    """A blob with a loss weight and a reader gets both gradients. Source: Caffe net_test, TestLossWeightMidNet."""
    one = training(
        net(
            ip("low", 5, loss_weight=0.7),
            {"name": "flat", "type": "Flatten"},
            ip("high", 3),
            loss("high", loss_weight=-1.5),
        )
    )
    check_gradients(one)
    low, value = one.graph.latest("low").index, one.graph.latest("loss").index
    np.testing.assert_allclose(one.loss[0], 0.7 * one.data[low].sum() - 1.5 * one.data[value], rtol=1e-12)


def test_a_loss_on_a_blob_and_on_its_other_shape() -> None:
    """Flatten's top shares memory with its bottom, and so do their gradients; each has its own loss weight."""
    low, flat = ip("low", 2, axis=2, loss_weight=0.7), {"name": "flat", "type": "Flatten", "loss_weight": -0.2}
    one = training(net(low, flat, ip("ip", 3), loss("ip")))
    check_gradients(one)
    total = one.data[one.graph.latest("low").index].sum()
    np.testing.assert_allclose(one.loss[0], 0.5 * total + one.data[one.graph.latest("loss").index], rtol=1e-12)
    alone = training(net(low, flat))
    check_gradients(alone)
    assert (alone.diff[alone.graph.latest("flat").index] == 0.7 - 0.2).all()


def test_several_losses_add_up() -> None:
    far = {"name": "far", "type": "EuclideanLoss", "bottom": ["a", "b"], "loss_weight": 0.3}
    layers = (ip("low", 5), ip("a", 3, "low"), ip("b", 3, "low"), loss("a", "one", loss_weight=2), loss("b", "two"))
    both = training(net(*layers, far))
    check_gradients(both)
    parts = [both.data[both.graph.latest(name).index] for name in ("one", "two", "far")]
    np.testing.assert_allclose(both.loss[0], 2 * parts[0] + parts[1] + 0.3 * parts[2], rtol=1e-12)


def test_propagate_down_stops_a_gradient() -> None:
    """Source: Caffe net_test, TestSkipPropagateDown."""

    def build(*down: bool) -> Program:
        asked = {"propagate_down": list(down)} if down else {}
        total = {"name": "sum", "type": "Eltwise", "bottom": ["a", "b"], **asked}
        return training(net(ip("a", 3, "data"), ip("b", 3, "data"), total, loss("sum")))

    whole, part = gradients(build()), gradients(build(True, False))
    assert part["b.weight"].any() == part["b.bias"].any() == np.False_
    assert (part["a.weight"] == whole["a.weight"]).all() and whole["b.weight"].any()
    assert kernels(build(True, False), "backward", "b") == []
    assert gradients(build(True, True)).keys() == whole.keys()


def test_a_gradient_stopped_for_one_reader_still_comes_from_the_other() -> None:
    stopped = {"name": "far", "type": "EuclideanLoss", "bottom": ["a", "b"], "propagate_down": [True, False]}
    layers = (ip("low", 5), ip("a", 3, "low"), ip("b", 3, "low"), loss("b"))
    both, alone = training(net(*layers, stopped)), training(net(*layers))
    assert (gradients(both)["b.weight"] == gradients(alone)["b.weight"]).all()
    assert (gradients(both)["low.weight"] != gradients(alone)["low.weight"]).any()


# --- shared params


def test_shared_params_add_their_gradients_and_have_one_history() -> None:
    """Source: Caffe net_test, TestSharedWeightsUpdate; against two params that start equal."""
    named = {"param": [{"name": "w", "lr_mult": 2}, {"name": "b"}]}
    shared = training(
        net(ip("a", 5, "data", **named), ip("c", 5, "data", **named), _sum(), ip("high", 3), loss("high"))
    )
    alone = training(net(ip("a", 5, "data"), ip("c", 5, "data"), _sum(), ip("high", 3), loss("high")))
    assert shared.weights.names == ("a.weight", "a.bias", "high.weight", "high.bias")
    for name in shared.weights.names:
        alone.weights.data[alone.weights.index(name)][...] = shared.weights.data[shared.weights.index(name)]
    for kind in ("weight", "bias"):
        alone.weights.data[alone.weights.index(f"c.{kind}")][...] = shared.weights.data[
            shared.weights.index(f"a.{kind}")
        ]
    found, wanted = gradients(shared), gradients(alone)
    assert shared.loss[0] == alone.loss[0]
    for kind in ("weight", "bias"):
        np.testing.assert_allclose(found[f"a.{kind}"], wanted[f"a.{kind}"] + wanted[f"c.{kind}"], rtol=1e-12)
    check_gradients(shared)
    before = shared.weights.data[0].copy()
    diff = gradients(shared)["a.weight"]
    shared.run("watch", "update")
    once = 0.01 * 2 * (diff + 0.01 * before)
    np.testing.assert_allclose(before - shared.weights.data[0], once, rtol=1e-9)


def _sum() -> dict[str, Any]:
    return {"name": "sum", "type": "Eltwise", "bottom": ["a", "c"], "operation": "PROD"}


def test_permissive_sharing_wants_equal_counts_only() -> None:
    def build(mode: str) -> dict[str, Any]:
        owner = ip("a", 5, "data", bias_term=False, param=[{"name": "w"}])
        user = ip("c", 5, "data", bias_term=False, transpose=True, param=[{"name": "w", "share_mode": mode}])
        return net(owner, user, _sum(), ip("high", 3), loss("high"))

    one = training(build("PERMISSIVE"))
    assert one.weights.data[0].shape == (5, 90)
    check_gradients(one)
    with pytest.raises(SpecError, match="needs 90x5 for the param it shares, but its owner, layer 'a', has 5x90"):
        shaped(build("STRICT"))


def test_sharers_must_agree_about_rates() -> None:
    first, second = (
        ip("a", 5, "data", param=[{"name": "w", "lr_mult": 2}]),
        ip("c", 5, "data", param=[{"name": "w", "lr_mult": 3}]),
    )
    with pytest.raises(SpecError, match="shares param 'w' with lr_mult 3, but layer 'a' says 2"):
        shaped(net(first, second, _sum(), ip("high", 3), loss("high")))


def test_a_frozen_shared_param_stays() -> None:
    frozen = {"param": [{"name": "w", "lr_mult": 0}, {"lr_mult": 0}]}
    one = training(
        net(ip("low", 5), ip("a", 4, "low", **frozen), ip("c", 4, "low", **frozen), _sum(), ip("high", 3), loss("high"))
    )
    assert gradients(one).keys() == {"low.weight", "low.bias", "high.weight", "high.bias"}
    check_gradients(one)


# --- rates


def test_multipliers_of_rate_and_decay() -> None:
    """w -= rate * lr_mult * (gradient + weight_decay * decay_mult * w)."""
    given = {"param": [{"lr_mult": 3, "decay_mult": 0.5}, {"lr_mult": 2, "decay_mult": 0}]}
    one = training(net(ip("ip", 3, **given), loss("ip")), momentum=0, weight_decay=0.2)
    diffs = gradients(one)
    before = [a.copy() for a in one.weights.data]
    one.run("watch", "update")
    np.testing.assert_allclose(
        one.weights.data[0], before[0] - 0.01 * 3 * (diffs["ip.weight"] + 0.2 * 0.5 * before[0]), rtol=1e-12
    )
    np.testing.assert_allclose(one.weights.data[1], before[1] - 0.01 * 2 * diffs["ip.bias"], rtol=1e-12)


def test_the_norm_is_that_of_all_gradients() -> None:
    one = training(net(conv("conv", 2), ip("ip", 3), loss("ip")))
    diffs = gradients(one)
    one.run("watch")
    np.testing.assert_allclose(one.norm[0], np.sqrt(sum((d**2).sum() for d in diffs.values())), rtol=1e-12)


# --- states


@pytest.mark.parametrize(
    ("state", "rules", "kept"),
    [
        ({}, {}, True),
        ({}, {"include": {"phase": "TRAIN"}}, True),
        ({}, {"include": {"phase": "TEST"}}, False),
        ({}, {"exclude": {"phase": "TRAIN"}}, False),
        ({}, {"include": {"stage": "mystage"}}, False),  # out by stage
        ({}, {"exclude": {"stage": "mystage"}}, True),
        ({"stages": ["mystage"]}, {"include": {"stage": "mystage"}}, True),  # in by stage
        ({"stages": ["mystage"]}, {"exclude": {"stage": "mystage"}}, False),
        ({"stages": ["mystage"]}, {"include": {"stage": ["mystage", "myotherstage"]}}, False),  # out by several stages
        ({"stages": ["mystage", "myotherstage"]}, {"include": {"stage": ["mystage", "myotherstage"]}}, True),
        ({"stages": ["mystage", "myotherstage"]}, {"include": [{"stage": "myotherstage"}]}, True),
        ({"stages": ["mystage"]}, {"include": [{"stage": "myotherstage"}, {"stage": "mystage"}]}, True),
        ({"stages": ["mystage"]}, {"include": {"not_stage": "myotherstage"}}, True),  # in by not_stage
        ({"stages": ["mystage"]}, {"include": {"not_stage": "mystage"}}, False),
        ({"stages": ["mystage"]}, {"exclude": {"not_stage": "myotherstage"}}, False),
        ({"level": 0}, {"include": {"min_level": 3}}, False),  # levels
        ({"level": 3}, {"include": {"min_level": 3}}, True),
        ({"level": 4}, {"include": {"min_level": 3}}, True),
        ({"level": 0}, {"include": {"max_level": -3}}, False),
        ({"level": -3}, {"include": {"max_level": -3}}, True),
        ({"level": 5}, {"include": {"min_level": 3, "max_level": 4}}, False),
        (
            {"level": 2},
            {"include": [{"min_level": 2, "phase": "TRAIN"}, {"min_level": 2, "phase": "TEST"}]},
            True,
        ),  # several rules
        (
            {"level": 2, "phase": "TEST"},
            {"include": [{"min_level": 2, "phase": "TRAIN"}, {"min_level": 2, "phase": "TEST"}]},
            True,
        ),
        ({"level": 1}, {"include": [{"min_level": 2, "phase": "TRAIN"}, {"min_level": 2, "phase": "TEST"}]}, False),
        (
            {"level": 2, "phase": "TEST"},
            {"exclude": [{"min_level": 2, "phase": "TRAIN"}, {"min_level": 2, "phase": "TEST"}]},
            False,
        ),
        (
            {"level": 1, "phase": "TEST"},
            {"exclude": [{"min_level": 2, "phase": "TRAIN"}, {"min_level": 2, "phase": "TEST"}]},
            True,
        ),
        (
            {"phase": "TEST", "stages": ["a"]},
            {"include": {"phase": "TEST", "stage": "a", "not_stage": "b", "min_level": 0}},
            True,
        ),
        (
            {"phase": "TEST", "stages": ["a", "b"]},
            {"include": {"phase": "TEST", "stage": "a", "not_stage": "b"}},
            False,
        ),
    ],
)
def test_which_layers_take_part(state: dict[str, Any], rules: dict[str, Any], kept: bool) -> None:
    """Source: Caffe net_test, FilterNetTest."""
    layers = net(ip("ip", 3), ip("extra", 3, "data", **rules), loss("ip"))
    names = [node.layer.name for node in shaped(layers, **state).graph.nodes]
    assert names == ["data", "ip", *(["extra"] if kept else []), "loss"]


def test_include_and_exclude_exclude_each_other() -> None:
    with pytest.raises(NetspecError, match="says both `include` and `exclude`"):
        shaped(net(ip("ip", 3, include={"phase": "TRAIN"}, exclude={"phase": "TEST"}), loss("ip")))


def test_the_default_bottom_is_decided_before_phases_are_filtered() -> None:
    only = {"include": {"phase": "TRAIN"}}
    layers = net(
        ip("low", 5),
        {"name": "drop", "type": "Dropout", "bottom": "low", "top": "low", **only},
        ip("high", 3),
        loss("high"),
    )
    versions: dict[Phase, int] = {"TRAIN": 1, "TEST": 0}
    for phase, version in versions.items():
        graph = shaped(layers, phase).graph
        (high,) = (node for node in graph.nodes if node.layer.name == "high")
        assert graph.blobs[high.bottoms[0]].name == "low"
        assert graph.blobs[high.bottoms[0]].version == version


# --- repeated numbers


def test_the_slope_is_measured_well() -> None:
    """The gradient check finds a wrong gradient."""
    one = training(net(ip("ip", 3), loss("ip")))
    found = gradients(one)
    slope = numeric(one, {"ip.weight": found["ip.weight"]})
    np.testing.assert_allclose(slope, (found["ip.weight"] ** 2).sum(), rtol=1e-9)
