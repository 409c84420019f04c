"""The verifiers of Graph and ShapedGraph: each invariant catches a planted mistake, and every net of the zoo passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from netspec.core import locate
from netspec.core.receptive import NOTHING_SEEN
from netspec.core.verify import InvariantError
from netspec.net.graph import Graph, State
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from netspec.net.verify import verify_graph, verify_shapes
from tests.helpers.programs import shaped

FILLER = {"type": "gaussian", "std": 0.1}
LAYERS: list[dict[str, Any]] = [
    {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 3, 6, 5], [4]]},
    {"name": "conv", "type": "Convolution", "num_output": 8, "kernel_size": 3, "weight_filler": FILLER},
    {"name": "tanh", "type": "TanH", "bottom": "conv", "top": "conv"},
    {"name": "ip", "type": "InnerProduct", "num_output": 5, "weight_filler": FILLER, "param": [{"name": "w"}]},
    {"name": "side", "type": "InnerProduct", "bottom": "conv", "num_output": 5, "param": [{"name": "w"}]},
    {"name": "sum", "type": "Eltwise", "bottom": ["ip", "side"]},
    {"name": "accuracy", "type": "Accuracy", "bottom": ["sum", "label"]},
    {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["sum", "label"]},
]
"""Nodes 0 to 7; blobs data, label, conv, conv#1, ip, side, sum, accuracy, loss."""


def net() -> ShapedGraph:
    return shaped({"name": "small", "layers": LAYERS})


def node(graph: Graph, index: int, /, **changes: Any) -> Graph:
    nodes = tuple(replace(one, **changes) if one.index == index else one for one in graph.nodes)
    return replace(graph, nodes=nodes)


def blob(graph: Graph, index: int, /, **changes: Any) -> Graph:
    blobs = tuple(replace(one, **changes) if one.index == index else one for one in graph.blobs)
    return replace(graph, blobs=blobs)


def param(graph: Graph, index: int, /, **changes: Any) -> Graph:
    params = tuple(replace(one, **changes) if one.index == index else one for one in graph.params)
    return replace(graph, params=params)


def test_accepts_what_is_right() -> None:
    verify_graph(net().graph, "loss")
    verify_shapes(net())


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("name", locate.names("models"))
def test_every_net_of_the_zoo_passes(name: str, phase: Any) -> None:
    one = load_net(name, state=State(phase), batch=2)
    verify_graph(one.graph, "loss" if phase == "TRAIN" else "none")
    verify_shapes(one)


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (lambda g: node(g, 3, index=5), "the layers are numbered"),
        (lambda g: blob(g, 3, index=5), "the blobs are numbered"),
        (lambda g: param(g, 1, index=0), "the params are numbered"),
        (lambda g: node(g, 2, bottoms=()), "layer 'tanh': reads 0 blobs"),
        (lambda g: node(g, 5, tops=(6, 6)), "layer 'sum': writes 2 blobs"),
        (lambda g: node(g, 2, bottoms=(4,)), "layer 'tanh', blob 'ip': is read before it is written"),
        (lambda g: blob(g, 4, producer=4), "is top 0 of this layer, but names another producer"),
        (lambda g: blob(g, 3, version=2), "blob 'conv': version 2 does not follow"),
        (lambda g: node(g, 2, bottoms=(0,)), "is written again by a layer that does not read it"),
        (lambda g: node(node(g, 3, tops=(5,)), 4, tops=(5,)), "layer 'ip', blob 'side': is top 0 of this layer"),
        (lambda g: replace(g, blobs=(*g.blobs, replace(g.blobs[8], index=9, name="x"))), "blob 'x': has 0 producers"),
        (lambda g: blob(g, 8, loss_weight=0.0), "blob 'loss': has another loss weight"),
        (lambda g: node(g, 3, params=(2,)), "layer 'ip': has 1 params, not 2"),
        (lambda g: param(g, 2, users=((3, 0),)), r"layer 'ip': param 'ip.weight' has other users"),
        (lambda g: param(g, 2, users=((4, 0), (3, 0))), "has other users"),
        (lambda g: param(g, 2, name="side.weight"), "is not named after its owner"),
        (lambda g: node(g, 5, propagate=(True,)), "has not one `propagate` for each bottom"),
        (lambda g: node(g, 5, backward=False), "layer 'sum': sends gradients down, but does not run backward"),
        (lambda g: node(g, 7, propagate=(True, True)), "sends a gradient to a bottom that takes none"),
        (lambda g: node(g, 6, backward=True), "layer 'accuracy': runs backward, but has no gradient"),
        (lambda g: node(g, 2, propagate=(False,)), "layer 'tanh': runs backward for nothing"),
        (lambda g: blob(g, 6, needs_diff=False), "blob 'sum': has no diff, but a layer reads or writes it"),
        (lambda g: blob(g, 0, needs_diff=True), "layer 'data', blob 'data': has a diff that no layer reads or writes"),
        (lambda g: node(node(g, 1, backward=False), 2, backward=False, propagate=(False,)), "has a diff that no layer"),
    ],
)
def test_catches_in_a_graph(plant: Callable[[Graph], Graph], said: str) -> None:
    with pytest.raises(InvariantError, match=f"^Graph: .*{said}"):
        verify_graph(plant(net().graph))


def unreached(graph: Graph) -> Graph:
    """Nothing runs backward, and nothing needs a diff."""
    nodes = tuple(replace(one, backward=False, propagate=(False,) * len(one.bottoms)) for one in graph.nodes)
    return replace(graph, nodes=nodes, blobs=tuple(replace(one, needs_diff=False) for one in graph.blobs))


def test_catches_gradients_that_reach_too_far_or_not_far_enough() -> None:
    graph = net().graph
    verify_graph(unreached(graph), "none")
    with pytest.raises(InvariantError, match="though no gradients were asked for"):
        verify_graph(graph, "none")
    half = blob(node(unreached(graph), 7, backward=True, propagate=(True, False)), 8, needs_diff=True)
    with pytest.raises(InvariantError, match="layer 'loss': sends a gradient to what does not learn"):
        verify_graph(blob(half, 6, needs_diff=True), "loss")
    alone = blob(node(unreached(graph), 3, backward=True), 4, needs_diff=True)
    with pytest.raises(InvariantError, match="layer 'ip': runs backward, but no loss depends on it"):
        verify_graph(alone, "loss")
    stopped = blob(node(graph, 4, propagate=(False,), backward=False), 5, needs_diff=True)
    with pytest.raises(InvariantError, match="layer 'side': learns under a loss, but does not run backward"):
        verify_graph(stopped, "loss")
    down = blob(node(graph, 1, propagate=(True,)), 0, needs_diff=True)
    with pytest.raises(InvariantError, match="layer 'conv': sends a gradient to what does not learn"):
        verify_graph(down, "loss")


def cost(one: ShapedGraph, index: int, **changes: Any) -> ShapedGraph:
    costs = tuple(replace(each, **changes) if i == index else each for i, each in enumerate(one.costs))
    return replace(one, costs=costs)


def put(shapes: tuple[Any, ...], index: int, shape: tuple[int, ...]) -> tuple[Any, ...]:
    return (*shapes[:index], shape, *shapes[index + 1 :])


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (lambda s: replace(s, blobs=s.blobs[:-1]), "8 values for 9 blobs"),
        (lambda s: replace(s, params=s.params[:-1]), "4 values for 5 params"),
        (lambda s: replace(s, costs=s.costs[:-1]), "7 values for 8 layers"),
        (lambda s: replace(s, blobs=put(s.blobs, 4, (4, 6))), "layer 'ip': tops of shapes"),
        (lambda s: replace(s, blobs=put(s.blobs, 0, (4, 3, 7, 6))), "layer 'data': tops of shapes"),
        (lambda s: replace(s, params=put(s.params, 2, (5, 95))), "layer 'ip': param 'ip.weight' has shape"),
        (lambda s: cost(s, 4, params=485), "layer 'side': its cost counts other params than it owns"),
        (lambda s: cost(s, 3, macs=1), "layer 'ip': its cost has other MACs"),
        (lambda s: replace(s, fields=put(s.fields, 3, NOTHING_SEEN)), "layer 'tanh': its tops have other receptive"),
    ],
)
def test_catches_in_shapes(plant: Callable[[ShapedGraph], ShapedGraph], said: str) -> None:
    with pytest.raises(InvariantError, match=f"^ShapedGraph: {said}"):
        verify_shapes(plant(net()))


def test_passes_verify_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass with a wrong result raises an error where the switch is on, and is not verified where it is off."""
    from netspec.layers.inner_product import InnerProduct

    calls: list[int] = []

    def macs(self: Any, bottoms: Any, tops: Any) -> int:
        calls.append(1)
        return len(calls)

    monkeypatch.setattr(InnerProduct, "macs", macs)
    monkeypatch.setenv("NETSPEC_VERIFY", "0")
    net()
    monkeypatch.setenv("NETSPEC_VERIFY", "1")
    with pytest.raises(
        InvariantError, match=r"^ShapedGraph: layer 'ip': its cost has other MACs .*\(a bug of netspec\)$"
    ):
        net()


def test_a_broken_invariant_ends_the_program_with_exit_code_1(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error passes through the code that shows users' mistakes, like any other bug of netspec."""
    from netspec.core.errors import NetspecError
    from netspec.layers.inner_product import InnerProduct

    assert not issubclass(InvariantError, NetspecError)
    numbers = iter(range(10**6))
    monkeypatch.setattr(InnerProduct, "macs", lambda *_: next(numbers))
    with pytest.raises(InvariantError):
        cli("inspect", "lenet")
