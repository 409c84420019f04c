"""Layers on parts of wider blobs give the same results and write nothing outside; chains of Concats lie in one blob.

A net of dense units is held against the plan that copies, and each reason not to place is met once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.core.calls import Call, Calls, Run
from netspec.core.verify import InvariantError
from netspec.engine.bind import compile_net
from netspec.engine.program import Program
from netspec.engine.rewrite import rewrite
from netspec.engine.verify_plan import verify_plan
from netspec.engine.verify_rewrite import verify_rewritten
from netspec.layers.convolution import Convolution
from netspec.lowering.conv_passes import flat
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from tests.helpers.checks import blob, make_layer, random_params, run_layer
from tests.helpers.programs import Net, feed, gradients, run_poisoned, shaped, training

WAYS: dict[str, tuple[tuple[int, int, int, int], dict[str, Any]]] = {
    "winograd": ((3, 16, 9, 7), {"num_output": 32, "kernel_size": 3, "pad": 1}),
    "winograd of groups": ((1, 32, 6, 11), {"num_output": 64, "kernel_size": 3, "group": 2}),
    "winograd of many channels": ((2, 144, 5, 6), {"num_output": 160, "kernel_size": 3, "pad": 1}),
    "winograd of 5x5 and odd channels": ((2, 21, 9, 7), {"num_output": 35, "kernel_size": 5, "pad": 2}),
    "1x1": ((3, 70, 6, 7), {"num_output": 37, "kernel_size": 1}),
    "1x1 on few channels": ((2, 5, 4, 3), {"num_output": 5, "kernel_size": 1}),
    "1x1 of stride 2": ((2, 21, 9, 8), {"num_output": 19, "kernel_size": 1, "stride": 2}),
    "1x1 with padding": ((2, 6, 5, 4), {"num_output": 5, "kernel_size": 1, "pad": 1}),
    "1x1 of many channels": ((2, 33, 13, 11), {"num_output": 530, "kernel_size": 1}),
    "3x3": ((2, 20, 9, 8), {"num_output": 19, "kernel_size": 3, "pad": 1}),
    "3x3 of groups": ((2, 16, 9, 8), {"num_output": 10, "kernel_size": 3, "pad": 1, "group": 2}),
    "5x5 sent back": ((9, 5, 12, 7), {"num_output": 19, "kernel_size": 5, "pad": 2}),
    "backward without padding": ((2, 20, 9, 8), {"num_output": 6, "kernel_size": 2, "pad": 1}),
    "lines of more than the image": ((1, 20, 7, 6), {"num_output": 5, "kernel_size": 3, "pad": 2}),
    "strided": ((2, 18, 9, 11), {"num_output": 6, "kernel_size": 3, "stride": 2, "pad": 1}),
    "dilated": ((2, 18, 9, 11), {"num_output": 6, "kernel_size": 3, "dilation": 2, "pad": 2}),
    "one pixel": ((1, 7, 3, 3), {"num_output": 5, "kernel_size": 3}),
    "one column": ((2, 7, 6, 3), {"num_output": 5, "kernel_size": 3}),
    "one line": ((1, 7, 3, 8), {"num_output": 5, "kernel_size": 3}),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_inside_a_wider_blob(way: str, relu: bool, bias: bool) -> None:
    shape, fields = WAYS[way]
    layer, x = make_layer("Convolution", bias_term=bias, **fields), blob(*shape)
    assert layer.pitched((shape,))
    options: dict[str, Any] = {
        "params": random_params(layer, [x]),
        "relu": relu,
        "bottom_starts": [blob(*shape, seed=7)],
    }
    options["top_diffs"] = [blob(*layer.top_shapes((shape,))[0], seed=3)]
    for dtype in ("float32", "float64"):
        alone, inside = (run_layer(layer, x, dtype=dtype, inside=yes, **options) for yes in (False, True))
        pairs = [
            (alone.tops, inside.tops),
            (alone.bottom_diffs, inside.bottom_diffs),
            (alone.param_diffs, inside.param_diffs),
        ]
        for mine, theirs in pairs:
            for one, other in zip(mine, theirs, strict=True):
                assert one is not None and other is not None and np.array_equal(one, other)


def test_a_depthwise_convolution_may_not() -> None:
    assert not make_layer("Convolution", num_output=6, group=6, kernel_size=3).pitched(((2, 6, 5, 4),))
    assert not make_layer("Pooling", kernel_size=3).pitched(((2, 6, 5, 4),))


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 1, 1, 5), (1, 3, 1, 5), (1, 1, 4, 5), (1, 1, 1, 5), (2, 3, 4, 1)])
def test_a_part_of_a_blob_as_kernels_take_it(shape: tuple[int, ...]) -> None:
    whole = np.arange(np.prod(shape[:3]) * 11, dtype=np.float64).reshape(*shape[:3], 11)
    part = whole[..., 2 : 2 + shape[3]]
    row, pitch = flat(part)
    assert row.flags.c_contiguous and np.shares_memory(row, whole)
    values = row.reshape(-1)
    pixels = part.reshape(-1, shape[3])
    for i, pixel in enumerate(pixels):
        assert np.array_equal(values[i * pitch : i * pitch + shape[3]], pixel)
    assert values.size == (len(pixels) - 1) * pitch + shape[3]
    assert flat(whole)[0] is whole and flat(whole)[1] == 11


class WritesBeside(Convolution):
    def forward(self, run: Run) -> Calls:
        from netspec.kernels import copy

        yield from super().forward(run)
        values, _ = flat(run.top[0])
        yield Call(copy.fill, values, 0.0)


def test_the_checker_catches_what_is_written_beside() -> None:
    layer, x = WritesBeside.model_validate({"name": "planted", "num_output": 5, "kernel_size": (1,)}), blob(2, 3, 4, 5)
    run_layer(layer, x)
    with pytest.raises(AssertionError, match="forward writes beside top 0"):
        run_layer(layer, x, inside=True)


# --- chains of Concats

FILLER = {"type": "gaussian", "std": 0.2}
GROWTH = 5


def layer(name: str, type: str, *bottoms: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": type, "bottom": list(bottoms), **fields}


def conv(name: str, bottom: str, outputs: int, kernel: int = 1, **fields: Any) -> dict[str, Any]:
    sizes = {
        "num_output": outputs,
        "kernel_size": kernel,
        "pad": kernel // 2,
        "weight_filler": FILLER,
        "bias_term": False,
    }
    return layer(name, "Convolution", bottom, **sizes) | fields


def unit(i: int, bottom: str, relu: bool = True) -> list[dict[str, Any]]:
    """A dense unit: GROWTH channels are computed from all that came in, and joined to it as `join{i}`."""
    norm = layer(f"norm{i}", "BatchNorm", bottom, affine=True, moving_average_fraction=0.9)
    rectified = [layer(f"relu{i}", "ReLU", f"norm{i}")] if relu else []
    narrow = conv(f"narrow{i}", f"relu{i}" if relu else f"norm{i}", 7)
    return [
        norm,
        *rectified,
        narrow,
        conv(f"new{i}", f"narrow{i}", GROWTH, 3),
        layer(f"join{i}", "Concat", bottom, f"new{i}"),
    ]


def dense(
    *more: dict[str, Any],
    units: int = 3,
    base: tuple[dict[str, Any], ...] = (conv("base", "data", 6),),
    last: str = "",
    relu: bool = True,
    batch: int = 4,
    **fields: Any,
) -> Net:
    """Dense units on `base`, `more` layers behind them, a BatchNorm on the last Concat, and a loss.

    `fields` are those of the last BatchNorm; it reads `last`.
    """
    begin = base[-1]["name"]
    inner = [one for i in range(units) for one in unit(i, f"join{i - 1}" if i else begin, relu)]
    end = [
        layer("end", "BatchNorm", last or f"join{units - 1}", affine=True) | fields,
        layer("ip", "InnerProduct", "end", num_output=3, weight_filler=FILLER),
        layer("loss", "SoftmaxWithLoss", "ip", "label"),
    ]
    data = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[batch, 3, 9, 7], [batch]]}
    return {"name": "dense", "layers": [data, *base, *inner, *more, *end]}


POOLED = (conv("base0", "data", 6), layer("base", "Pooling", "base0", kernel_size=3, stride=1, pad=1))


def inside(one: Program) -> dict[str, tuple[str, int]]:
    """Blobs inside others: the wider blob, and the first channel there."""
    blobs = one.graph.blobs
    return {blob.name: (blobs[blob.inside[0]].name, blob.inside[1]) for blob in blobs if blob.inside is not None}


def steps(one: Program, kernel: str) -> int:
    return sum(step.call.kernel.name == kernel for step in one.table.steps)


def same(one: Program, other: Program, rtol: float = 1e-9) -> None:
    """Both programs have the same loss and gradients, and train alike."""
    for iteration in range(2):
        mine, theirs = gradients(one, iteration), gradients(other, iteration)
        assert one.loss[0] == pytest.approx(other.loss[0], rel=rtol)
        for name, diff in mine.items():
            np.testing.assert_allclose(diff, theirs[name], rtol=rtol, atol=rtol * np.abs(theirs[name]).max() + 1e-14)
        one.run("watch", "update")
        other.run("watch", "update")


FUSING = ("hands", "on_read", "moments", "known", "products", "pulled")
WHOLE = {f"new{i}": ("join2", 6 + i * GROWTH) for i in range(3)} | {"join0": ("join2", 0), "join1": ("join2", 0)}


@pytest.mark.parametrize("batch", [4, 1])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("base", [POOLED, (conv("base", "data", 6),)], ids=["pooled", "convolved"])
def test_a_chain_lies_in_its_last_top(base: tuple[dict[str, Any], ...], relu: bool, batch: int) -> None:
    given = dense(base=base, relu=relu, batch=batch)
    one, plain = training(given, keep=False), training(given, keep=False, without=["place"])
    copied = base is POOLED
    assert inside(one) == (WHOLE if copied else WHOLE | {"base": ("join2", 0)})
    assert steps(one, "copy.concat_forward") == steps(one, "copy.concat_backward") == copied
    assert steps(one, "copy.accumulate") == 0 < steps(plain, "copy.concat_forward")
    assert one.plan.unshared < plain.plan.unshared and one.plan.arena <= plain.plan.arena
    same(one, plain)


@pytest.mark.parametrize(("base", "growth"), [(32, 32), (24, 17)])
def test_parts_are_seen_through_lenses_and_leave_products(base: int, growth: int) -> None:
    """Units of one Winograd convolution, which normalises what it reads inside the wider blob."""
    layers, bottom = [conv("base", "data", base)], "base"
    for i in range(3):
        norm, relu = layer(f"norm{i}", "BatchNorm", bottom, affine=True), layer(f"relu{i}", "ReLU", f"norm{i}")
        layers += [norm, relu, conv(f"new{i}", f"relu{i}", growth, 3), layer(f"join{i}", "Concat", bottom, f"new{i}")]
        bottom = f"join{i}"
    given = dense(*layers[1:], units=0, base=(layers[0],), last=bottom)
    one, plain = training(given, keep=False), training(given, keep=False, without=["place", *FUSING])
    fused = {node.layer.name: set(node.fused) for node in one.graph.nodes if node.fused}
    served = {f"norm{i}": {"on_read", "products"} for i in range(3)}
    assert fused == served | {"norm0": {"moments", "on_read", "products"}} and len(inside(one)) == 6
    same(one, plain)


def test_moments_are_computed_once_for_every_channel() -> None:
    """Those of the joined channels alone are new to a unit."""
    one, plain = (training(dense(base=POOLED), keep=False, without=without) for without in ((), ["known"]))
    known = {
        node.layer.name: one.graph.nodes[node.known].layer.name for node in one.graph.nodes if node.known is not None
    }
    assert known == {"norm2": "norm1", "end": "norm2"}, "norm0 reads what the pooling wrote elsewhere"
    same(one, plain)
    for mine, theirs in zip(one.weights.data, plain.weights.data, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_chain_lives_as_long_as_it_must_and_has_the_same_bits_on_any_number_of_threads(dtype: str) -> None:
    found = []
    for threads in (1, 2, None):
        one = training(dense(base=POOLED), keep=False, dtype=dtype)
        driver.limit_threads(threads)
        try:
            for iteration in range(2):
                feed(one, iteration)
                if threads is None:
                    run_poisoned(one)
                else:
                    one.run("clear", "commit")
        finally:
            driver.limit_threads(None)
        found.append([array.tobytes() for array in one.weights.data])
    assert found[0] == found[1] == found[2]


def test_testing_reads_parts_too() -> None:
    one, plain = (training(shaped(dense(), "TEST"), keep=False, without=without) for without in ((), ["place"]))
    assert set(inside(one)) == {*WHOLE, "base"} and steps(one, "copy.concat_forward") == 0
    for program in (one, plain):
        feed(program)
    assert one.forward() == pytest.approx(plain.forward(), rel=1e-12)


def test_without_add_parts_are_added_to_all_the_same() -> None:
    one, plain = (training(dense(), keep=False, without=without) for without in (["add"], ["place"]))
    assert set(inside(one)) == {*WHOLE, "base"}
    same(one, plain)


LOST = dense(
    *unit(2, "join1")[:-1],
    layer("join2", "Concat", "join1", "new2", loss_weight=0.3),
    units=2,
    last="new2",
)
"""Nobody but the loss sends a gradient to the whole."""
DROP = layer("drop", "Dropout", "join2", dropout_ratio=0.0)
SHALLOW = {"base", "new0", "new1", "join0"}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (dense(conv("far", "join1", 4, 3), layer("both", "Concat", "join2", "far"), last="both"), None),
        (dense(layer("far", "BatchNorm", "join1"), layer("sum", "Concat", "join2", "far"), last="sum"), None),
        (dense(DROP, last="drop"), SHALLOW),
        (LOST, SHALLOW),
        (dense(base=(conv("base", "data", 6, loss_weight=0.1),)), {*WHOLE}),
        (dense(base=(conv("wide", "data", 40), layer("base", "Power", "wide", shift=1))), {*WHOLE}),
        (dense(base=(conv("wide", "data", 40), layer("base", "Power", "wide", shift=1)), units=1), set()),
    ],
    ids=[
        "a reader of 3x3",
        "a reader behind",
        "overwritten",
        "no gradient of the whole",
        "a loss",
        "a large base",
        "a small part",
    ],
)
def test_what_of_a_chain_can_be_placed(given: Net, names: set[str] | None) -> None:
    one, plain = training(given, keep=False), training(given, keep=False, without=["place"])
    if names is None:  # the last Concat of all holds what can be, and the inner chain is one of its own
        assert inside(one)["join0"] == ("join1", 0) and "join1" not in inside(one)
    else:
        assert set(inside(one)) == names
    same(one, plain)


def test_a_second_reader_of_the_whole_adds_its_share() -> None:
    more = (layer("power", "Power", "join2", scale=0.5), layer("sum", "Eltwise", "join2", "power"))
    given = dense(*more, last="sum")
    one = training(given, keep=False)
    assert set(inside(one)) == {*WHOLE, "base"}
    same(one, training(given, keep=False, without=["place"]))


# --- what verifiers catch


def changed(one: ShapedGraph, name: str, **changes: Any) -> ShapedGraph:
    at = one.graph.latest(name).index
    blobs = tuple(replace(each, **changes) if each.index == at else each for each in one.graph.blobs)
    return replace(one, graph=replace(one.graph, blobs=blobs))


def test_catches_what_reads_parts_wrongly() -> None:
    before = shaped(dense())
    after = rewrite(before)
    graph = after.graph
    top, inner = graph.latest("join2").index, graph.latest("join1").index
    nodes = tuple(replace(node, adds=False) if node.layer.name == "norm2" else node for node in graph.nodes)
    planted = [
        (changed(after, "join1", inside=(top, 1)), "blob 'join0': begins at channel 0 of 'join2', not 1"),
        (changed(after, "new1", inside=(inner, 11)), "blob 'new1': lies inside 'join1', which has no memory"),
        (changed(after, "new0", inside=(top, 11)), "blob 'new0': begins at channel 11 of 'join2', not 6"),
        (replace(after, graph=replace(graph, nodes=nodes)), "'norm2', blob 'join1': overwrites a part of a gradient"),
        (changed(after, "narrow0", inside=(top, 0)), "blob 'narrow0': lies inside 'join2', but others look at it"),
    ]
    verify_rewritten(before, after, "store", laid=True)
    for wrong, said in planted:
        with pytest.raises(InvariantError, match=said):
            verify_rewritten(before, wrong, "store", laid=True)


def test_catches_a_gradient_that_is_written_in_parts() -> None:
    given = shaped(LOST)
    one = rewrite(given)
    top = one.graph.latest("join2").index
    wrong = changed(one, "join1", inside=(top, 0))
    for name in SHALLOW:
        wrong = changed(wrong, name, inside=(top, one.graph.latest(name).inside[1]))
    nodes = tuple(replace(node, adds=True) if node.layer.name == "norm2" else node for node in wrong.graph.nodes)
    with pytest.raises(InvariantError, match="adds to a gradient that nobody wrote"):
        verify_rewritten(given, replace(wrong, graph=replace(wrong.graph, nodes=nodes)), "store", laid=True)
    one, memory = compile_net(shaped(dense()), "float32")
    flipped = [replace(node, propagate=(False,)) if node.layer.name == "end" else node for node in one.graph.nodes]
    with pytest.raises(InvariantError, match="writes a gradient first, but only a part of it"):
        verify_plan(replace(one, graph=replace(one.graph, nodes=tuple(flipped))), memory)


def test_densenet_copies_four_times_and_takes_less_memory() -> None:
    given = load_net("densenet121", batch=2)
    (one, memory), (_, plain) = (compile_net(given, "float32", without=without) for without in ((), ["place"]))
    joins = [node for node in one.graph.nodes if node.layer.type == "Concat"]
    copied = [node for node in joins for slot in range(2) if not one.graph.placed(node, slot)]
    assert len(joins) == 58 and len(copied) == 4, "the pooling that each block of units begins with"
    assert len({one.graph.house(node.tops[0]) for node in joins}) == 4
    assert memory.arena < 0.8 * plain.arena
