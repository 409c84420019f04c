"""Small nets at the edges of the rewrites of `fusing`: each trains as without them, and reads nothing that is dead."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.engine.bind import bind, compile_net
from netspec.engine.program import Program
from netspec.engine.rewrite import FUSING
from netspec.engine.weights import fill_weights
from tests.helpers.edges.drawn import residual
from tests.helpers.edges.layers import CLASSES
from tests.helpers.edges.norms import KINDS, READERS
from tests.helpers.edges.places import INSIDE, PLACES
from tests.helpers.edges.sums import SUMS
from tests.helpers.edges.thinned import THINNED
from tests.helpers.programs import SEED, feed, poisoned, run_poisoned, shaped, training

NETS = {**READERS, **KINDS, **SUMS, **PLACES, **INSIDE, **THINNED}


def trained(net: dict[str, Any], without: tuple[str, ...], poison: bool, **options: Any) -> Program:
    """Two iterations; with `poison` bytes are NaN whenever the plan says that nobody needs them."""
    program = training(net, keep=False, without=without, **options)
    for iteration in range(2 * options.get("iter_size", 1)):
        feed(program, iteration, CLASSES)
        if poison:
            run_poisoned(program)
        else:
            program.run("clear", "commit")
    return program


def check_alike(net: dict[str, Any], without: tuple[str, ...] = (), **options: Any) -> None:
    base, one = trained(net, FUSING, False, **options), trained(net, without, True, **options)
    assert np.isfinite(base.loss[0])
    np.testing.assert_allclose(one.loss[0], base.loss[0], rtol=1e-9)
    for name, mine, theirs in zip(one.weights.names, one.weights.data, base.weights.data, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("name", NETS)
def test_a_net_trains_as_without(name: str) -> None:
    check_alike(NETS[name])


@pytest.mark.parametrize("name", ["split", "dense", "a projection whose norm comes first", "shared weights"])
def test_batches_that_add_up(name: str) -> None:
    """Two batches for each update: gradients of params are added to."""
    check_alike(NETS[name], iter_size=2)


@pytest.mark.parametrize("only", FUSING)
@pytest.mark.parametrize(
    "name", ["split", "a sum of three", "a projection whose norm comes first", "dense", "a thinned sum"]
)
def test_one_at_a_time(name: str, only: str) -> None:
    check_alike(NETS[name], tuple({*FUSING} - {only}))


@pytest.mark.parametrize("gradients", ["any", "inputs"])
@pytest.mark.parametrize(
    "name", ["a projection whose norm comes first", "dense", "leaky behind", "sums of sums", "a thinned sum"]
)
def test_a_net_that_tests_and_runs_backward(name: str, gradients: str) -> None:
    """Statistics are given; the inputs' gradient too is as without."""
    given = shaped(NETS[name], phase="TEST", gradients=gradients)
    found = []
    for without in (FUSING, ()):
        one = training(given, keep=False, without=without)
        for iteration in range(2):
            feed(one, iteration, CLASSES)
            one.run("clear", "backward")
        found.append([*one.weights.diff, one.diff[one.graph.inputs[0]]])
    for mine, theirs in zip(*found, strict=True):
        assert (mine is None) == (theirs is None)
        if mine is not None and theirs is not None:
            np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "name", ["a projection whose norm comes first", "dense", "sums of sums", "split", "a thinned sum"]
)
def test_kept_blobs_hold_what_they_hold_without(name: str) -> None:
    """Every blob in turn is kept by its name: data and gradient are there after a pass."""
    given = shaped(NETS[name])
    whole = training(given)
    feed(whole, 0, CLASSES)
    whole.run("clear", "backward")
    for blob in (one for one in given.graph.named if one not in ("data", "label")):
        one, memory = compile_net(given, "float64", keep=(blob,))
        program = bind(one, memory, fill_weights(one, "float64", SEED), SEED, None, poisoned(memory.arena))
        feed(program, 0, CLASSES)
        run_poisoned(program)
        at, there = one.graph.latest(blob).index, whole.graph.latest(blob).index
        np.testing.assert_allclose(program.data[at], whole.data[there], rtol=1e-9, atol=1e-11, err_msg=blob)
        if whole.diff[there] is not None:
            np.testing.assert_allclose(program.diff[at], whole.diff[there], rtol=1e-9, atol=1e-11, err_msg=blob)


@pytest.mark.parametrize(
    "name", [one for one, net in NETS.items() if any(x["type"] == "Eltwise" for x in net["layers"])]
)
def test_every_sum_is_computed_anew(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netspec.engine.fusing.LARGE", 0)
    check_alike(NETS[name])


@given(
    st.randoms(use_true_random=False),
    st.integers(3, 14),
    st.sampled_from([0, 2**40]),
    st.sampled_from([None, "inputs"]),
)
@settings(max_examples=60, deadline=None)
def test_drawn_nets_are_verified(random: Random, steps: int, large: int, gradients: Any) -> None:
    """Of nets that are only compiled, the verifiers say whether every gradient is read while it is there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("netspec.engine.fusing.LARGE", large)
        given_net = shaped(residual(random.choice, steps), gradients=gradients)
        for keep in (False, ("s1", "s2")):
            compile_net(given_net, "float64", keep=keep)
