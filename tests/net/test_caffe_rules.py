"""Caffe's rules of nets, as its net and split tests have them: loss weights, gradients, sharing, states, outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.calls import Phase
from netspec.core.errors import SpecError
from netspec.layers.base import StateRule
from netspec.net.gradients import NoGradientError
from netspec.net.graph import Graph, State
from netspec.net.load import load_net
from netspec.net.wire import SharingError
from tests.helpers.checks import blob, make_layer

Layers = list[dict[str, Any]]


def ip(name: str, bottom: str, outputs: int = 3, **fields: Any) -> dict[str, Any]:
    filler = {"type": "gaussian", "std": 1.0}
    return {
        "name": name,
        "type": "InnerProduct",
        "bottom": bottom,
        "num_output": outputs,
        "weight_filler": filler,
        **fields,
    }


def inputs(**shapes: Any) -> dict[str, Any]:
    return {"name": "in", "type": "Input", "top": list(shapes), "shape": [list(shape) for shape in shapes.values()]}


def graph(layers: Layers, phase: Phase = "TRAIN", gradients: Any = "loss", **fields: Any) -> Graph:
    return load_net({"layers": layers, **fields}, state=State(phase), gradients=gradients).graph


def flags(net: Graph) -> list[list[bool]]:
    return [list(node.propagate) for node in net.nodes]


def losses(*layers: dict[str, Any], weights: dict[str, Any] | None = None) -> tuple[float, dict[str, np.ndarray]]:
    """The loss, and the gradients of all params and of data, of layers above data (4, 5) and target (4, 3)."""
    named = [
        {**layer, **({"loss_weight": weights[layer["name"]]} if weights and layer["name"] in weights else {})}
        for layer in layers
    ]
    spec = {"layers": [inputs(data=(4, 5), target=(4, 3)), *named]}
    net = netspec.Net(spec, phase="TRAIN", dtype="float64", force_backward=True)
    net.forward(data=blob(4, 5), target=blob(4, 3, seed=2))
    found = {"data": net.backward()["data"]}
    found |= {f"{name}.{i}": one.diff for name, params in net.params.items() for i, one in enumerate(params)}
    return net.loss, {name: diff for name, diff in found.items() if diff is not None}


WEIGHTS = [2.0, 0.0, 1.0, -1.0, -2.5, 3.7]
NET = (ip("mid", "data"), ip("high", "mid"), {"name": "loss", "type": "EuclideanLoss", "bottom": ["high", "target"]})


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_loss_weight_scales_the_loss_and_every_gradient(weight: float) -> None:
    (one, plain), (other, scaled) = losses(*NET), losses(*NET, weights={"loss": weight})
    assert other == pytest.approx(weight * one, rel=1e-12) and plain.keys() == scaled.keys() and len(plain) == 5
    for name, diff in plain.items():
        np.testing.assert_allclose(scaled[name], weight * diff, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_a_loss_in_the_middle_is_the_sum_of_a_blob(weight: float) -> None:
    """`mid` is read by `high` too: Caffe gives the loss a Split of its own, here the gradients are added."""
    _, end = losses(*NET)
    loss, alone = losses(*NET, weights={"mid": weight, "loss": 0.0})
    both, sums = losses(*NET, weights={"mid": weight})
    net = netspec.Net({"layers": [inputs(data=(4, 5)), NET[0]]}, phase="TRAIN", dtype="float64")
    assert loss == pytest.approx(weight * net.forward(data=blob(4, 5))["mid"].sum(), rel=1e-12)
    assert both == pytest.approx(loss + losses(*NET)[0], rel=1e-12)
    np.testing.assert_allclose(alone["mid.1"], np.full(3, 4 * weight), rtol=1e-12, atol=1e-15)
    for name, diff in end.items():
        np.testing.assert_allclose(sums[name], diff + alone[name], rtol=1e-9, atol=1e-12)


def test_several_tops_of_a_layer_each_with_its_weight() -> None:
    cut = {
        "name": "cut",
        "type": "Slice",
        "bottom": "mid",
        "top": ["a", "b"],
        "slice_point": 1,
        "loss_weight": [2, -0.5],
    }
    loss, diffs = losses(ip("mid", "data"), cut)
    np.testing.assert_allclose(diffs["mid.1"], [8, -2, -2], rtol=1e-12)
    mid = netspec.Net({"layers": [inputs(data=(4, 5)), ip("mid", "data")]}, dtype="float64").forward(data=blob(4, 5))[
        "mid"
    ]
    assert loss == pytest.approx(2 * mid[:, 0].sum() - 0.5 * mid[:, 1:].sum(), rel=1e-12)


def test_a_weight_on_a_blob_that_is_changed_in_place_is_of_the_blob_before() -> None:
    act = {"name": "act", "type": "ReLU", "bottom": "mid", "top": "mid"}
    end = {"name": "end", "type": "Reduction", "bottom": "mid", "loss_weight": 1}
    for keep in (True, False):
        layers = [inputs(data=(4, 5)), ip("mid", "data", loss_weight=3), act, end]
        net = netspec.Net({"layers": layers}, phase="TRAIN", dtype="float64", keep=keep)
        plain = netspec.Net({"layers": [inputs(data=(4, 5)), ip("mid", "data")]}, dtype="float64")
        mid = plain.forward(data=blob(4, 5))["mid"]
        net.forward(data=blob(4, 5))
        assert net.loss == pytest.approx(3 * mid.sum() + mid.clip(0).sum(), rel=1e-12)
    _, diffs = losses(ip("mid", "data", loss_weight=3), act, end)
    np.testing.assert_allclose(diffs["mid.1"], (3 + (mid > 0)).sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize(
    "shape", [{"type": "Flatten"}, {"type": "Reshape", "shape": [0, -1]}, {"type": "Split", "top": ["x", "y"]}]
)
def test_weights_on_a_blob_and_on_the_same_memory_under_another_shape(shape: dict[str, Any]) -> None:
    weights = [5.0, -1.0] if shape["type"] == "Split" else [5.0]
    view = {"name": "view", "bottom": "mid", "loss_weight": weights, **shape}
    loss, diffs = losses(ip("mid", "data", loss_weight=2), view)
    np.testing.assert_allclose(diffs["mid.1"], np.full(3, 4 * (2 + sum(weights))), rtol=1e-12)
    one, _ = losses(ip("mid", "data", loss_weight=1))
    assert loss == pytest.approx(one * (2 + sum(weights)), rel=1e-12)


def tiny(loss: str = "SoftmaxWithLoss", label: Any = (4,), **fields: Any) -> Layers:
    return [
        inputs(data=(4, 5), label=label),
        ip("ip", "data"),
        {"name": "loss", "type": loss, "bottom": ["ip", "label"], **fields},
    ]


def test_which_bottoms_get_a_gradient() -> None:
    """Caffe's tables, and force_backward as a field of the net and as an argument of the API."""
    assert flags(graph(tiny())) == [[], [False], [True, False]]
    assert flags(graph(tiny(), force_backward=True)) == [[], [True], [True, False]]
    assert flags(graph(tiny(), gradients="inputs")) == [[], [True], [True, False]]
    assert flags(graph(tiny("EuclideanLoss", (4, 3)), force_backward=True)) == [[], [True], [True, True]]
    assert flags(graph(tiny("EuclideanLoss", (4, 3)))) == [[], [False], [True, False]]


def test_labels_that_are_learned_are_refused_unless_propagate_down_stops_there() -> None:
    """Caffe builds such a net, and ends the process in its first backward."""
    layers = [
        inputs(data=(4, 5)),
        ip("ip", "data"),
        ip("made", "data"),
        {"name": "best", "type": "ArgMax", "bottom": "made", "axis": 1},
    ]
    loss = {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "best"]}
    for force in (False, True):
        with pytest.raises(NoGradientError, match="cannot pass a gradient to its bottom 'best'"):
            graph([*layers, loss], force_backward=force)
    net = graph([*layers, {**loss, "propagate_down": [True, False]}])
    assert [node.backward for node in net.nodes] == [False, True, False, False, True], (
        "what is skipped runs no backward"
    )
    assert flags(net)[-1] == [True, False]


def test_labels_that_only_move_are_none_that_force_backward_reaches() -> None:
    move = {"name": "flat", "type": "Reshape", "bottom": "label", "shape": [0]}
    loss = {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "flat"]}
    assert flags(graph([*tiny()[:2], move, loss], force_backward=True)) == [[], [True], [True], [True, False]]


def test_propagate_down() -> None:
    layers = [
        inputs(data=(4, 5), target=(4, 3)),
        ip("a", "data"),
        ip("b", "a"),
        {"name": "loss", "type": "EuclideanLoss", "bottom": ["b", "target"]},
    ]
    stopped = [*layers[:2], {**layers[2], "propagate_down": False}, layers[3]]
    assert [node.backward for node in graph(stopped).nodes] == [False, False, True, True]
    assert flags(graph(stopped)) == [[], [False], [False], [True, False]]
    assert flags(graph(stopped, force_backward=True)) == [[], [True], [True], [True, True]]
    asked = [layers[0], {**layers[1], "propagate_down": True}, *layers[2:]]
    assert flags(graph(asked)) == flags(graph(layers)), "nothing is learned below: `true` begins no backward there"


def test_a_loss_of_weight_0_and_a_net_without_losses_run_no_backward() -> None:
    assert not any(node.backward for node in graph(tiny(loss_weight=0)).nodes)
    assert not any(node.backward for node in graph(tiny()[:2]).nodes)
    frozen = [{"lr_mult": 0}] * 2
    assert not any(node.backward for node in graph([tiny()[0], ip("ip", "data", param=frozen), tiny()[2]]).nodes)


def test_gradients_of_a_shared_param_are_added() -> None:
    def net(*names: str) -> dict[str, np.ndarray]:
        pair = [
            ip(name, "data", param=[{"name": f"w{i}"}], bias_term=False) for name, i in zip("ab", names, strict=True)
        ]
        both = {"name": "both", "type": "Eltwise", "bottom": ["a", "b"], "operation": "PROD"}
        loss = {"name": "loss", "type": "EuclideanLoss", "bottom": ["both", "target"]}
        spec = {"layers": [inputs(data=(4, 5), target=(4, 3)), *pair, both, loss]}
        one = netspec.Net(spec, phase="TRAIN", dtype="float64")
        for name in "ab":
            one.params[name][0].data[...] = blob(3, 5, seed=7)
        one.forward(data=blob(4, 5), target=blob(4, 3, seed=2))
        one.backward()
        return {name: np.array(one.params[name][0].diff) for name in "ab"}

    shared, apart = net("0", "0"), net("0", "1")
    np.testing.assert_array_equal(shared["a"], shared["b"])
    np.testing.assert_allclose(shared["a"], apart["a"] + apart["b"], rtol=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "third", "found"),
    [
        ({}, {}, {}, (1.0, 1.0)),
        ({"lr_mult": 2}, {}, {"decay_mult": 3}, (2.0, 3.0)),
        ({}, {"lr_mult": 0.5}, {"lr_mult": 0.5}, (0.5, 1.0)),
        ({"lr_mult": 2, "decay_mult": 0}, {"lr_mult": 2}, {"decay_mult": 0}, (2.0, 0.0)),
    ],
)
def test_any_sharer_may_say_the_factors(first: Any, second: Any, third: Any, found: tuple[float, float]) -> None:
    said = [{"name": "w", **each} for each in (first, second, third)]
    layers = [ip(name, "data", param=[each], bias_term=False) for name, each in zip("abc", said, strict=True)]
    (param,) = graph([inputs(data=(4, 5)), *layers]).params
    assert (param.lr_mult, param.decay_mult) == found


def test_sharers_that_disagree() -> None:
    said = [{"name": "w"}, {"name": "w", "lr_mult": 2}, {"name": "w", "lr_mult": 1}]
    layers = [ip(name, "data", param=[each], bias_term=False) for name, each in zip("abc", said, strict=True)]
    with pytest.raises(SharingError, match="layer 'c' shares param 'w' with lr_mult 1, but layer 'b' says 2"):
        graph([inputs(data=(4, 5)), *layers])


def test_the_mode_of_who_joins_decides_about_shapes() -> None:
    def net(owner: str, user: str) -> Graph:
        layers = [
            ip("a", "data", param=[{"name": "w", "share_mode": owner}], bias_term=False),
            ip("b", "data", param=[{"name": "w", "share_mode": user}], bias_term=False, transpose=True),
        ]
        return graph([inputs(data=(4, 5)), *layers])

    assert len(net("STRICT", "PERMISSIVE").params) == 1
    for modes in (("STRICT", "STRICT"), ("PERMISSIVE", "STRICT")):
        with pytest.raises(SpecError, match="needs 5x3 for the param it shares, but its owner, layer 'a', has 3x5"):
            net(*modes)


A, B, BOTH = ("mystage",), ("myotherstage",), ("mystage", "myotherstage")


@pytest.mark.parametrize(
    ("rules", "state", "kept"),
    [
        ({}, State("TRAIN"), True),
        ({"include": [{"phase": "TRAIN"}]}, State("TRAIN"), True),
        ({"include": [{"phase": "TRAIN"}]}, State("TEST"), False),
        ({"exclude": [{"phase": "TEST"}]}, State("TEST"), False),
        ({"include": [{"stage": A}]}, State(), False),
        ({"include": [{"stage": A}]}, State(stages=B), False),
        ({"include": [{"stage": A}]}, State(stages=A), True),
        ({"exclude": [{"stage": B}]}, State(stages=A), True),
        ({"include": [{"stage": BOTH}]}, State(stages=A), False),
        ({"include": [{"stage": BOTH}]}, State(stages=BOTH), True),
        ({"include": [{"stage": B}, {"stage": A}]}, State(stages=A), True),
        ({"include": [{"not_stage": B}]}, State(stages=A), True),
        ({"include": [{"not_stage": A}]}, State(stages=A), False),
        ({"include": [{"stage": A, "not_stage": B}]}, State(stages=BOTH), False),
        ({"include": [{"min_level": 3}]}, State(level=2), False),
        ({"include": [{"min_level": 3}]}, State(), False),
        ({"include": [{"min_level": 0}]}, State(), True),
        ({"include": [{"min_level": 3}]}, State(level=4), True),
        ({"include": [{"max_level": -3}]}, State(), False),
        ({"include": [{"max_level": 0}]}, State(), True),
        ({"include": [{"max_level": 3}]}, State(level=3), True),
        ({"include": [{"min_level": 2, "phase": "TRAIN"}, {"phase": "TEST"}]}, State("TRAIN", 1), False),
        ({"include": [{"min_level": 2, "phase": "TRAIN"}, {"phase": "TEST"}]}, State("TRAIN", 2), True),
        ({"include": [{"min_level": 2, "phase": "TRAIN"}, {"phase": "TEST"}]}, State("TEST", 1), True),
        ({"exclude": [{"min_level": 2, "phase": "TRAIN"}, {"phase": "TEST"}]}, State("TRAIN", 1), True),
        ({"exclude": [{"min_level": 2, "phase": "TRAIN"}, {"phase": "TEST"}]}, State("TRAIN", 2), False),
        ({"exclude": [{"min_level": 2, "phase": "TRAIN"}, {"phase": "TEST"}]}, State("TEST", 1), False),
    ],
)
def test_states(rules: dict[str, Any], state: State, kept: bool) -> None:
    made = {word: tuple(StateRule(**rule) for rule in each) for word, each in rules.items()}
    assert state.keeps(make_layer("ReLU").model_copy(update=made)) == kept


def test_one_file_for_training_testing_and_use() -> None:
    """Caffe's all-in-one nets: a loss in TRAIN and TEST, the prediction where the stage is deploy."""
    layers: Layers = [
        {**inputs(data=(4, 5), label=(4,)), "exclude": {"stage": "deploy"}},
        {"name": "deployed", "type": "Input", "top": "data", "shape": [1, 5], "include": {"stage": "deploy"}},
        ip("ip", "data"),
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"], "exclude": {"stage": "deploy"}},
        {"name": "pred", "type": "Softmax", "bottom": "ip", "include": {"stage": "deploy"}},
    ]
    states: list[tuple[Phase, list[str], str]] = [
        ("TRAIN", [], "loss"),
        ("TEST", [], "loss"),
        ("TEST", ["deploy"], "pred"),
    ]
    for phase, stages, output in states:
        assert netspec.Net({"layers": layers}, phase=phase, stages=stages).outputs == [output]


def test_outputs_stand_in_alphabetical_order() -> None:
    layers = [inputs(data=(4, 5), unread=(4,)), *(ip(name, "data") for name in ("zebra", "Ant", "ant", "b"))]
    net = netspec.Net({"layers": layers})
    assert net.outputs == ["Ant", "ant", "b", "zebra"] == list(net.forward(data=blob(4, 5)))


def test_scalars_go_through_a_net() -> None:
    """An input of no axes, a Parameter and a Reduction to a scalar, added, scaled, and as losses."""
    layers: Layers = [
        inputs(rate=(), data=(4, 5)),
        {"name": "learned", "type": "Parameter", "shape": [], "filler": {"type": "constant", "value": 2.0}},
        {"name": "sum", "type": "Reduction", "bottom": "data"},
        {"name": "both", "type": "Eltwise", "bottom": ["rate", "learned", "sum"], "loss_weight": 3},
        {"name": "square", "type": "Power", "bottom": "both", "power": 2, "loss_weight": 0.5},
    ]
    for dtype in ("float32", "float64"):
        net = netspec.Net({"layers": layers}, phase="TRAIN", dtype=dtype, force_backward=True)
        x = blob(4, 5).astype(dtype)
        total = 1.5 + 2 + float(x.sum())
        assert net.forward(rate=1.5, data=x)["square"].shape == ()
        assert net.loss == pytest.approx(3 * total + total**2 / 2, rel=1e-5)
        diffs = net.backward()
        slope = pytest.approx(3 + total, rel=1e-5)
        assert diffs["rate"] is not None and diffs["rate"] == slope and net.params["learned"][0].diff == slope
        assert net.forward(data=x)["square"] == pytest.approx(total**2, rel=1e-5), "an input keeps its value"
    with pytest.raises(netspec.NetspecError, match=r"blob 'rate' has the shape \(\) of a single number, not 1"):
        net.forward(rate=[1.0])


def test_a_label_that_is_a_scalar_input() -> None:
    layers: Layers = [
        inputs(data=(1, 5), label=()),
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["data", "label"]},
    ]
    net = netspec.Net({"layers": layers})
    x = blob(1, 5)
    assert net.forward(data=x, label=3)["loss"] == pytest.approx(np.log(np.exp(x - x[0, 3]).sum()), rel=1e-5)
    with pytest.raises(netspec.NetspecError, match=r"which is not a label in 0\.\.4"):
        net.forward(label=5)
