"""The memory plan: living pieces are not overwritten, and sharing memory does not change the results of a run.

The strongest test poisons all dead bytes of the arena before every layer of a training, so that data that are read too
late, or never written, show up as NaN. Seeds and losses run with the layer that they belong to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netspec.core.calls import Phase
from netspec.core.shape import count
from netspec.engine.bind import bind, compile_net
from netspec.engine.plan import ALIGN, SLACK, MemoryPlan, OutOfMemoryError, Piece, plan
from netspec.engine.weights import fill_weights
from tests.helpers.programs import POISON, SEED, Net, feed, run_poisoned, shaped, training
from tests.helpers.strategies import nets


def living(memory: MemoryPlan, time: float) -> Iterator[Piece]:
    """The pieces that live at a time; in the middle of a layer's time those of the second turn."""
    return (piece for piece in memory.pieces.values() if piece.begin <= 2 * time <= piece.end)


# --- the plan as a value


@settings(max_examples=60)
@given(nets(), st.sampled_from(["TRAIN", "TEST"]), st.sampled_from(["float32", "float64"]), st.booleans())
def test_no_two_living_pieces_overlap_and_the_arena_is_no_larger_than_it_must(
    net: Net, phase: Phase, dtype: str, keep: bool
) -> None:
    net_shaped = shaped(net, phase)
    memory = plan(net_shaped, dtype, keep)
    pieces = list(memory.pieces.values())
    for piece in pieces:
        assert piece.offset % ALIGN == piece.bytes % ALIGN == 0
        assert piece.offset >= 0 and piece.offset + piece.bytes <= memory.arena
        assert piece.bytes >= count(piece.shape) * np.dtype(piece.kind).itemsize + SLACK
        assert -1 <= piece.first <= piece.last <= 2 * len(net_shaped.graph.nodes)
    for number, one in enumerate(pieces):
        for other in pieces[:number]:
            together = one.begin <= other.end and other.begin <= one.end
            apart = one.offset + one.bytes <= other.offset or other.offset + other.bytes <= one.offset
            assert apart or not together, (one, other)
    needed = max(
        sum(p.bytes for p in living(memory, half / 2)) for half in range(-2, 4 * len(net_shaped.graph.nodes) + 2)
    )
    assert needed <= memory.arena <= memory.unshared == sum(p.bytes for p in pieces)
    if keep:
        kept = [p for p in pieces if p.key[0] in {"data", "diff"}]
        assert memory.arena >= sum(p.bytes for p in kept)


def test_a_chain_takes_turns_in_two_places() -> None:
    layers: list[dict[str, Any]] = [{"name": "data", "type": "Input", "shape": [2, 3, 5]}]
    layers += [{"name": f"tanh{i}", "type": "TanH"} for i in range(12)]
    memory = plan(shaped({"layers": layers}, "TEST"))
    assert memory.arena == 2 * memory.pieces["data", 0].bytes
    assert memory.unshared == 13 * memory.pieces["data", 0].bytes
    assert memory.arena < plan(shaped({"layers": layers}, "TEST"), keep=True).arena == memory.unshared


def test_training_keeps_what_backward_reads_and_frees_the_rest() -> None:
    def arena(kind: str, **fields: Any) -> dict[Any, Piece]:
        layers = [
            {"name": "data", "type": "Input", "top": ["data", "to"], "shape": [[2, 3], [2, 5]]},
            {"name": "ip", "type": "InnerProduct", "num_output": 5},
            {"name": "neuron", "type": kind, **fields},
            {"name": "last", "type": "Dropout"},
            {"name": "loss", "type": "EuclideanLoss", "bottom": ["last", "to"]},
        ]
        return plan(shaped({"layers": layers})).pieces

    ip, neuron, back = 2, 3, 2 * 5 - 1 - 2
    pieces = arena("Sigmoid")  # its backward needs y (1 - y) alone
    assert pieces["data", ip].last < back == pieces["data", neuron].last
    assert arena("ReLU")["data", ip].last < back == arena("ReLU")["data", neuron].last  # the sign of y is that of x
    turned = arena("ReLU", negative_slope=-0.5)
    assert turned["data", neuron].last < back == turned["data", ip].last
    assert arena("Dropout")["data", ip].last < back > arena("Dropout")["data", neuron].last


def test_flatten_takes_no_memory_and_shares_its_gradient() -> None:
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3, 5], [2]]},
        {"name": "ip", "type": "InnerProduct", "axis": 2, "num_output": 4},
        {"name": "flat", "type": "Flatten"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["flat", "label"]},
    ]
    memory = plan(shaped({"layers": layers}))
    assert memory.storage == (0, 1, 2, 2, 4)
    assert {key for key in memory.pieces if key[0] in {"data", "diff"}} == {
        *(("data", b) for b in (0, 1, 2, 4)),
        ("diff", 2),
        ("diff", 4),
    }


@given(nets())
def test_testing_takes_no_gradients(net: Net) -> None:
    kinds = {key[0] for key in plan(shaped(net, "TEST")).pieces}
    assert kinds <= {"data", "work"}


# --- the plan at work


@settings(max_examples=60)
@given(nets(), st.sampled_from(["float32", "float64"]))
def test_shared_memory_trains_like_memory_of_its_own(net: Net, dtype: str) -> None:
    shared, alone = training(net, keep=False, dtype=dtype), training(net, keep=True, dtype=dtype, hidden=True)
    for iteration in range(3):
        for one in (shared, alone):
            if iteration == 1:
                one.arena[:] = POISON  # nothing in it may be needed from one iteration to the next
            feed(one, iteration)
        alone.run("clear", "commit")
        if iteration < 2:
            run_poisoned(shared)
        else:
            shared.run("clear", "commit")
        assume(np.isfinite(alone.loss[0]))  # a cubic net may blow up; its NaNs show nothing
        assert shared.loss[0] == alone.loss[0]
        assert shared.norm[0] == alone.norm[0]
        for what in ("data", "diff"):
            for name, mine, theirs in zip(
                shared.weights.names, getattr(shared.weights, what), getattr(alone.weights, what), strict=True
            ):
                assert (mine is None) == (theirs is None)
                assert mine is None or mine.tobytes() == theirs.tobytes(), (what, name)
        for blob in shared.graph.outputs:
            assert shared.data[blob].tobytes() == alone.data[blob].tobytes()
    for name, array in zip(alone.weights.names, alone.weights.data, strict=True):
        assert np.isfinite(array).all(), name


@given(nets())
def test_kept_blobs_are_all_written(net: Net) -> None:
    one = training(net)
    feed(one, 0)
    one.run("clear", "update")
    for blob in one.graph.blobs:
        assert np.isfinite(one.data[blob.index]).all(), f"data of {blob.label}"
        diff = one.diff[blob.index]
        assert (diff is None) == (not blob.needs_diff)
        assert diff is None or np.isfinite(diff).all(), f"diff of {blob.label}"


@given(nets())
def test_testing_in_the_memory_of_training(net: Net) -> None:
    owner = training(net, keep=False)

    def outputs(arena: np.ndarray | None) -> list[bytes]:
        net_shaped, memory = compile_net(shaped(net, "TEST"), "float64")
        one = bind(net_shaped, memory, owner.weights, SEED, arena=arena)
        assert (one.arena is arena) == (arena is not None and arena.size >= memory.arena)
        one.arena[:] = POISON
        feed(one, 3)
        one.forward()
        return [one.data[b].tobytes() for b in one.graph.outputs]

    assert outputs(owner.arena) == outputs(None)


def test_no_memory_is_an_error_that_says_so() -> None:
    layers = [{"name": "data", "type": "Input", "shape": [2**20, 2**18]}, {"name": "tanh", "type": "TanH"}]
    net_shaped, memory = compile_net(shaped({"layers": layers}, "TEST"), "float32")
    with pytest.raises(OutOfMemoryError, match="no memory for 2,097,152 MiB"):
        bind(net_shaped, memory, fill_weights(net_shaped, "float32", 1), 1)
