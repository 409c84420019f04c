"""Verifiers of rewrites, memory plan and program: each catches a planted mistake, and every net of the zoo passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.core import locate
from netspec.core.calls import Call, Phase
from netspec.core.verify import InvariantError
from netspec.engine import rewrite as rewrites
from netspec.engine.bind import compile_net
from netspec.engine.plan import MemoryPlan
from netspec.engine.program import Program
from netspec.engine.rewrite import FUSING, REWRITES, rewrite
from netspec.engine.verify_plan import verify_plan
from netspec.engine.verify_program import verify_program
from netspec.engine.verify_rewrite import verify_rewritten
from netspec.net.graph import Graph, State
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from tests.helpers.programs import Net, meet, shaped, training
from tests.helpers.strategies import nets

FILLER = {"type": "gaussian", "std": 0.1}


def convolution(name: str, bottom: str, outputs: int, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "Convolution",
        "bottom": bottom,
        "num_output": outputs,
        "kernel_size": 1,
        "weight_filler": FILLER,
    } | fields


LAYERS: list[dict[str, Any]] = [
    {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 3, 6, 5], [4]]},
    convolution("low", "data", 8),
    {"name": "norm", "type": "BatchNorm"},
    {"name": "scale", "type": "Scale"},
    {"name": "relu", "type": "ReLU"},
    convolution("left", "relu", 19),
    convolution("right", "relu", 6),
    {"name": "join", "type": "Concat", "bottom": ["left", "right"]},
    {"name": "drop", "type": "Dropout"},
    {"name": "flat", "type": "Flatten"},
    {"name": "ip", "type": "InnerProduct", "num_output": 5, "weight_filler": FILLER},
    {"name": "side", "type": "InnerProduct", "bottom": "drop", "num_output": 5},
    {"name": "sum", "type": "Eltwise", "bottom": ["ip", "side"]},
    {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["sum", "label"]},
]


def plain() -> ShapedGraph:
    return shaped({"name": "small", "layers": LAYERS})


def program(**options: Any) -> Program:
    return training(plain(), keep=False, dtype="float32", **options)


def number(graph: Graph, name: str) -> int:
    """The index of a layer."""
    return next(node.index for node in graph.nodes if node.layer.name == name)


def node(one: ShapedGraph, name: str, /, **changes: Any) -> ShapedGraph:
    at = number(one.graph, name)
    changes = {key: value(one.graph) if callable(value) else value for key, value in changes.items()}
    nodes = tuple(replace(each, **changes) if each.index == at else each for each in one.graph.nodes)
    return replace(one, graph=replace(one.graph, nodes=nodes))


def blob(one: ShapedGraph, name: str, /, **changes: Any) -> ShapedGraph:
    at = one.graph.latest(name).index
    blobs = tuple(replace(each, **changes) if each.index == at else each for each in one.graph.blobs)
    return replace(one, graph=replace(one.graph, blobs=blobs))


# --- what passes


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@pytest.mark.parametrize("name", locate.names("models"))
def test_every_net_of_the_zoo_passes(name: str, phase: Phase) -> None:
    """All rewrites and the plan, with blobs kept and without. Other tests verify bound programs."""
    one = load_net(name, state=State(phase), batch=2)
    for keep in (False, True):
        verify_plan(*compile_net(one, "float32", keep))


@settings(max_examples=50)
@given(nets(), st.sampled_from(["loss", "any", "inputs", "none"]), st.booleans(), st.booleans())
def test_random_nets_pass(net: Net, gradients: Any, keep: bool, laid: bool) -> None:
    one, memory = compile_net(shaped(net, gradients=gradients), "float64", keep, () if laid else ("layout",))
    verify_plan(one, memory)
    if gradients in {"loss", "any"}:
        verify_program(training(shaped(net, gradients=gradients), keep))


def test_a_small_net_uses_all_that_rewrites_write() -> None:
    one = rewrite(plain())
    graph = one.graph
    assert any(each.along for each in graph.nodes) and any(each.in_place for each in graph.nodes)
    assert any(each.inside for each in graph.blobs) and any(each.copy_of is not None for each in graph.blobs)
    assert any(any(each.stores) for each in graph.nodes) and any(each.adds for each in graph.nodes)


# --- rewrites

Plant = Callable[[ShapedGraph], ShapedGraph]


def moved(one: ShapedGraph, first: str, second: str) -> ShapedGraph:
    """Exchange two layers."""
    nodes = list(one.graph.nodes)
    a, b = number(one.graph, first), number(one.graph, second)
    nodes[a], nodes[b] = replace(nodes[b], index=a), replace(nodes[a], index=b)
    return replace(one, graph=replace(one.graph, nodes=tuple(nodes)))


def exchanged(one: ShapedGraph) -> ShapedGraph:
    layer = one.graph.nodes[number(one.graph, "drop")].layer
    return node(one, "drop", layer=layer.model_copy())


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (exchanged, "layer 'drop': the layer was exchanged"),
        (lambda s: replace(s, costs=(*s.costs[:-1], s.costs[2])), "layer 'loss': another cost"),
        (lambda s: replace(s, blobs=(*s.blobs[:-1], (4, 26, 6, 5))), "blob '.*': lies in the memory|another shape"),
        (lambda s: replace(s, params=(s.params[0], *s.params[:-1])), "other shapes of params"),
        (lambda s: node(s, "sum", bottoms=lambda g: (g.latest("side").index, g.latest("ip").index)), "other bottoms"),
        (lambda s: node(s, "norm", along=lambda g: {"Scale": number(g, "scale")}), "layer 'relu': is absorbed, but no"),
        (lambda s: node(s, "relu", absorbed=False), "layer 'norm': computes no absorbed ReLU"),
        (lambda s: node(s, "low", along=lambda g: {"ReLU": number(g, "relu")}), "layer 'relu': is computed twice"),
        (lambda s: node(s, "join", along=lambda g: {"ReLU": number(g, "relu")}), "layer 'join': cannot compute a ReLU"),
        (lambda s: node(s, "drop", absorbed=True), "layer 'drop': is absorbed, but no layer computes it"),
        (lambda s: node(s, "low", layout="NCHW"), "layer 'low', blob '.*': lies as NHWC, not NCHW"),
        (lambda s: blob(s, "join", layout="NCHW"), "layer '.*', blob 'join': lies as NCHW, not NHWC"),
        (lambda s: blob(s, "ip", layout="NHWC"), "blob 'ip': has not four axes, but a layout"),
        (lambda s: node(s, "ip", in_place=True), "layer 'ip': cannot work in place|lies in the memory of"),
        (lambda s: node(s, "join", in_place=True), "lies in the memory of|cannot work in place"),
        (lambda s: node(s, "join", adds=True), "layer 'join': cannot add to its bottoms' gradients"),
        (lambda s: node(s, "ip", stores=(True,)), "layer 'ip': has not one `stores` for each param"),
        (lambda s: node(s, "norm", stores=(True, True, True)), "cannot overwrite the gradient of param 'norm.mean'"),
        (lambda s: blob(s, "left", inside=(8, 1)), "begins at channel 1 of 'join', not 0"),
        (lambda s: blob(s, "right", inside=(8, 0)), "begins at channel 0 of 'join', not 19"),
        (lambda s: blob(s, "right", inside=None), None),
    ],
)
def test_catches_in_a_rewrite(plant: Plant, said: str | None) -> None:
    before = plain()
    after = rewrite(before)
    verify_rewritten(before, after, "store", laid=True)
    if said is None:
        return verify_rewritten(before, plant(after), "store", laid=True)
    with pytest.raises(InvariantError, match=f"^ShapedGraph after rewrite 'store': .*({said})"):
        verify_rewritten(before, plant(after), "store", laid=True)
    return None


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        (["low", "tanh", "far"], "blob 'low': overwrites what layer 'far' reads"),
        (["low", "tanh", "view"], "blob 'view': overwrites what layer 'far' reads"),
        (["low", "tanh", "drop"], "blob 'tanh': overwrites what the backward of layer 'tanh' reads"),
        (["low#", "tanh", "end"], "blob 'low': overwrites a blob that is a result"),
        (["low", "tanh#", "end"], "works in place on the gradient of a loss"),
        (["low", "tanh!", "end"], "blob 'low': lets its top's gradient flow on"),
    ],
)
def test_catches_what_is_overwritten_too_early(layers: list[str], said: str) -> None:
    known: dict[str, dict[str, Any]] = {
        "low": {"name": "low", "type": "InnerProduct", "num_output": 5},
        "tanh": {"name": "tanh", "type": "TanH", "bottom": "low"},
        "drop": {"name": "drop", "type": "Dropout", "bottom": "tanh"},
        "end": {"name": "end", "type": "Power", "bottom": "tanh"},
    }
    known["low#"], known["tanh#"] = known["low"] | {"loss_weight": 0.5}, known["tanh"] | {"loss_weight": 0.5}
    known["tanh!"] = known["tanh"] | {"propagate_down": [False]}
    given = [LAYERS[0], *(known[word] for word in layers if word in known)]
    last = given[-1]["name"]
    if layers[-1] in {"far", "view"}:
        if layers[-1] == "view":
            given.append({"name": "view", "type": "Flatten", "bottom": "low"})
        given.append({"name": "far", "type": "TanH", "bottom": "low" if layers[-1] == "far" else "view"})
        given.append({"name": "both", "type": "Eltwise", "bottom": ["tanh", "far"]})
        last = "both"
    given += [
        {"name": "ip", "type": "InnerProduct", "bottom": last, "num_output": 3},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    before = shaped({"name": "early", "layers": given}, gradients="any")
    after = rewrite(before)
    wrong = node(node(after, "tanh", in_place=True), layers[-1] if layers[-1] == "drop" else "tanh", in_place=True)
    with pytest.raises(InvariantError, match=said):
        verify_rewritten(before, wrong, "in_place", laid=True)


def test_a_rewrite_that_does_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def add(one: ShapedGraph) -> ShapedGraph:
        return replace(one, graph=replace(one.graph, nodes=tuple(replace(n, adds=True) for n in one.graph.nodes)))

    monkeypatch.setitem(rewrites.REWRITES, "add", add)
    with pytest.raises(InvariantError, match=r"^ShapedGraph after rewrite 'add': layer 'data': cannot add"):
        rewrite(plain())
    monkeypatch.setenv("NETSPEC_VERIFY", "0")
    rewrite(plain())


def test_each_rewrite_alone_passes() -> None:
    for name in REWRITES:
        rewrite(plain(), set(REWRITES) - {name})


# --- the memory plan


def piece(memory: MemoryPlan, key: tuple[Any, ...], /, **changes: Any) -> MemoryPlan:
    return replace(memory, pieces=memory.pieces | {key: replace(memory.pieces[key], **changes)})


def test_catches_in_a_plan() -> None:
    one, memory = compile_net(plain(), "float32", without=["add", *FUSING])
    graph, end = one.graph, 2 * len(one.graph.nodes)
    ip, relu, low, loss = (graph.latest(name).index for name in ("ip", "relu", "low", "loss"))
    norm = graph.storage[relu]
    data, diff = memory.pieces["data", norm], memory.pieces["diff", norm]
    side, statistics = number(graph, "side"), ("work", number(graph, "loss"), "partial")
    share = next(key for key in memory.pieces if key[0] == "share")
    space = next(key for key in memory.pieces if key[0] == "work" and key[-1] == "backward")
    other = memory.pieces["diff", graph.storage[low]]
    assert meet(data, memory.pieces["data", graph.storage[low]]) and side
    planted: list[tuple[MemoryPlan, str]] = [
        (replace(memory, storage=(0,) * len(graph.blobs)), "other storage than the graph's"),
        (piece(memory, ("data", norm), key=("data", 99)), "says that it is"),
        (piece(memory, ("data", norm), offset=data.offset + 4), "is not aligned"),
        (piece(memory, ("data", norm), offset=memory.arena), "lies beyond the arena"),
        (piece(memory, ("data", norm), first=data.last + 1), "is alive from"),
        (replace(memory, unshared=memory.arena - 1), "takes more than every piece alone"),
        (piece(memory, ("data", norm), offset=memory.pieces["data", low].offset), "alive at one time and overlap"),
        (piece(memory, ("data", norm), first=data.first + 1), "before it is alive"),
        (piece(memory, ("data", norm), last=data.last - 1), "when it is alive no more"),
        (piece(memory, ("diff", norm), first=diff.first + 1), "before it is alive"),
        (piece(memory, ("diff", norm), last=diff.last - 1), "when it is alive no more"),
        (piece(memory, ("data", loss), last=end - 1), "layer 'loss': .* when it is alive no more"),
        (piece(memory, statistics, last=end - 1), "layer 'loss': .* when it is alive no more"),
        (piece(memory, ("data", ip), kind="float64"), "is float64|overlap|lies beyond"),
        (piece(memory, ("data", ip), shape=(4, 4)), r"blob 'ip': piece \('data', \d+\) is float32 \(4, 4\)"),
        (piece(memory, space, shape=(1,)), "has no piece of its shape and kind"),
        (replace(memory, keep=True), "is not kept"),
    ]
    for wrong, said in planted:
        total = sum(each.bytes for each in wrong.pieces.values())
        if not said.startswith("takes"):
            wrong = replace(wrong, unshared=total)
        with pytest.raises(InvariantError, match=f"^MemoryPlan: .*({said})"):
            verify_plan(one, wrong)
    for key, said in ((("data", ip), "no piece"), (share, "overwrites a gradient that another layer wrote")):
        fewer = {other: each for other, each in memory.pieces.items() if other != key}
        with pytest.raises(InvariantError, match=f"^MemoryPlan: .*{said}"):
            verify_plan(one, replace(memory, pieces=fewer, unshared=sum(each.bytes for each in fewer.values())))
    more = memory.pieces | {("work", 0, "lost"): replace(other, key=("work", 0, "lost"), offset=memory.arena)}
    grown = replace(memory, pieces=more, arena=memory.arena + other.bytes, unshared=memory.unshared + other.bytes)
    with pytest.raises(InvariantError, match=r"piece \('work', 0, 'lost'\) is used by no layer"):
        verify_plan(one, grown)


def test_catches_a_first_writer_that_does_not_write_the_gradient_itself() -> None:
    one, memory = compile_net(plain(), "float32", without=["add"])
    share = next(each for each in memory.pieces.values() if each.key[0] == "share")
    first = ("share", number(one.graph, "side"), 0)
    more = memory.pieces | {first: replace(share, key=first, offset=memory.arena)}
    wrong = replace(memory, pieces=more, arena=memory.arena + share.bytes, unshared=memory.unshared + share.bytes)
    with pytest.raises(InvariantError, match=r"layer 'side', blob '.*': writes a gradient first, but not into it"):
        verify_plan(one, wrong)


# --- the program


def step(one: Program, section: str, layer: str, at: int = 0) -> int:
    """The number of a layer's step in a section."""
    return [i for i, s in enumerate(one.table.steps) if s.section == section and s.layer == layer][at]


def changed(one: Program, at: int, *args: Any, **fields: Any) -> None:
    """Change a step's arguments or section, but not its compiled form."""
    old = one.table.steps[at]
    call = Call(old.call.kernel, *args, parts=old.call.parts) if args else old.call
    new = replace(old, call=call, **fields)
    one.table.steps = (*one.table.steps[:at], new, *one.table.steps[at + 1 :])


def arguments(one: Program, at: int, old: Any, new: Any) -> tuple[Any, ...]:
    """A step's arguments, with `new` in place of arrays at the address of `old`."""
    start = old.ctypes.data
    args = one.table.steps[at].call.args
    found = [isinstance(arg, np.ndarray) and arg.size > 0 and arg.ctypes.data == start for arg in args]
    assert any(found)
    return tuple(
        new.reshape(-1)[: arg.size].reshape(arg.shape) if yes else arg for arg, yes in zip(args, found, strict=True)
    )


def test_catches_another_order() -> None:
    one = program()
    verify_program(one)
    for section, said in (
        ("loss", "'forward' does not end|holds steps of another"),
        ("watch", "holds steps of another"),
    ):
        wrong = program()
        changed(wrong, step(wrong, "forward", "ip"), section=section)
        with pytest.raises(InvariantError, match=f"^Program: .*({said})"):
            verify_program(wrong)
    wrong = program()
    changed(wrong, step(wrong, "forward", "ip"), node=1)
    with pytest.raises(InvariantError, match="section 'forward' runs layers out of order"):
        verify_program(wrong)
    wrong = program()
    first, last = wrong.ranges["loss"]
    wrong.ranges["loss"] = (first + 1, last)
    with pytest.raises(InvariantError, match="section 'loss' does not begin where"):
        verify_program(wrong)
    wrong = program()
    wrong.nodes["forward", number(wrong.graph, "ip")] = (0, 1)
    with pytest.raises(InvariantError, match="layers have other steps than the program says"):
        verify_program(wrong)


def swapped(one: Program, section: str, layer: str, old: Any, new: Any, at: int = 0) -> Program:
    place = step(one, section, layer, at)
    changed(one, place, *arguments(one, place, old, new))
    return one


def test_catches_memory_that_is_not_a_layers() -> None:
    def data(one: Program, name: str) -> Any:
        return one.data[one.graph.latest(name).index]

    one = program()
    whole = np.zeros(10**5, np.float32)
    with pytest.raises(InvariantError, match=r"layer 'ip': .* touches real numbers outside of all known memory"):
        verify_program(swapped(one, "forward", "ip", data(one, "ip"), whole))
    one = program()
    weights = one.weights
    with pytest.raises(InvariantError, match=r"layer 'ip': .* touches a param that is not its layer's"):
        index, other = (weights.names.index(name) for name in ("ip.weight", "side.weight"))
        verify_program(swapped(one, "forward", "ip", weights.data[index], weights.data[other]))
    one = program()
    with pytest.raises(InvariantError, match=r"layer 'ip': .* touches memory that is not its layer's"):
        spare = one.arena[one.plan.pieces["diff", one.graph.latest("sum").index].offset :].view(np.float32)
        verify_program(swapped(one, "forward", "ip", data(one, "ip"), spare))
    one = program()
    with pytest.raises(InvariantError, match=r"layer 'sum': reads piece \('data', \d+\), which nobody wrote before"):
        side = step(one, "forward", "side")
        args = one.table.steps[side].call.args
        changed(one, side, *(arg[:0] if arg is args[3] or getattr(arg, "shape", 0) == (4, 5) else arg for arg in args))
        verify_program(one)
    one = program()
    index, other = (one.weights.names.index(name) for name in ("ip.weight", "side.weight"))
    with pytest.raises(InvariantError, match=r"layer 'ip.weight': update_rules.sgd touches memory that is not its own"):
        verify_program(swapped(one, "update", "ip.weight", one.weights.data[index], one.weights.data[other]))


@pytest.mark.parametrize(
    "other", [lambda one: one.weights.data[0], lambda one: one.weights.diff[0], lambda one: one.arena]
)
def test_catches_a_commit_of_other_memory(other: Callable[[Program], Any]) -> None:
    one = program()
    place = step(one, "commit", "")
    args = list(one.table.steps[place].call.args)
    args[3] = other(one)
    changed(one, place, *args)
    with pytest.raises(InvariantError, match=r"update\.commit touches memory that is not its own"):
        verify_program(one)


def test_catches_gradients_that_are_not_cleared_or_added() -> None:
    one = program(without=["store"])
    changed(one, 0, one.table.steps[0].call.args[0][:16], 0.0)
    with pytest.raises(InvariantError, match="is neither cleared nor overwritten"):
        verify_program(one)
    one = program(without=["add"])
    share = next(key for key in one.plan.pieces if key[0] == "share")
    place = step(one, "backward", one.graph.nodes[int(share[1])].layer.name, -1)
    args = one.table.steps[place].call.args
    changed(one, place, args[1], args[1])
    with pytest.raises(InvariantError, match=r"piece \('share', \d+, 0\) is not added to the gradient"):
        verify_program(one)


@pytest.mark.parametrize("layer", ["ip", "low"])
def test_catches_a_gradient_that_nobody_watches(layer: str) -> None:
    one = program()
    row = one.squares[one.squared.index(one.weights.names.index(f"{layer}.weight"))]
    verify_program(one)
    [place] = (
        number
        for number, step in enumerate(one.table.steps)
        if step.layer == layer
        and any(np.may_share_memory(row, arg) for arg in step.call.values() if hasattr(arg, "ndim"))
    )
    args = one.table.steps[place].call.args
    changed(one, place, *(arg[:0] if getattr(arg, "base", None) is row.base else arg for arg in args))
    with pytest.raises(InvariantError, match=f"the gradient of param '{layer}.weight' is not watched"):
        verify_program(one)


def test_catches_a_descriptor_of_other_arguments() -> None:
    one = program()
    place = step(one, "forward", "ip")
    changed(one, place, parts=one.table.steps[place].parts + 1)
    with pytest.raises(InvariantError, match=rf"layer 'ip': step {place} runs on other arguments"):
        verify_program(one)
    one = program()
    place = step(one, "update", "low.bias")
    assert one.table.describes(place)
    swapped(one, "update", "low.bias", one.weights.diff[one.weights.names.index("low.bias")], np.zeros(100, np.float32))
    assert not one.table.describes(place)
