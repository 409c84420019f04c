"""Copies and pickles of nets; what is refused in a sentence; random sequences of operations."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from tests.helpers.mutations import seeds
from tests.helpers.specs import conv, ip, loss, net

SPEC = net(
    conv("conv", 4),
    {"name": "norm", "type": "BatchNorm", "moving_average_fraction": 0.5},
    {"name": "scale", "type": "Scale", "bias_term": True},
    {"name": "relu", "type": "ReLU", "top": "scale", "bottom": "scale"},
    {"name": "drop", "type": "Dropout", "bottom": "scale"},
    {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2},
    ip("ip", 5),
    loss("ip"),
)


def made(phase: Any = "TRAIN", **words: Any) -> netspec.Net:
    return netspec.Net(SPEC, phase=phase, **words)


def batch(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {"data": random.standard_normal((4, 3, 6, 5)), "label": random.integers(0, 5, 4)}


def arrays(one: netspec.Net) -> dict[str, np.ndarray]:
    blobs = {name: blob for name, blob in one.blobs.items()}
    blobs |= {f"{name} {i}": blob for name, own in one.params.items() for i, blob in enumerate(own)}
    found = {f"{name} data": blob.data for name, blob in blobs.items()}
    return found | {f"{name} diff": blob.diff for name, blob in blobs.items()}


def same(one: netspec.Net, other: netspec.Net, left_out: Collection[str] = ()) -> bool:
    mine, theirs = arrays(one), arrays(other)
    names = [name for name in mine if name not in left_out]
    return mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in names)


def pickled(one: netspec.Net) -> netspec.Net:
    return pickle.loads(pickle.dumps(one))


COPIES = [copy.copy, copy.deepcopy, pickled]


@pytest.mark.parametrize("make", COPIES)
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_a_copy_is_a_net_of_its_own(make: Callable[[netspec.Net], netspec.Net], phase: Any) -> None:
    one = made(phase, seed=7, dtype="float64", force_backward=True, threads=1)
    one.forward(**batch(1))
    one.backward()
    one.params["conv"][0].data[...] *= 2
    other = make(one)
    assert repr(other) == repr(one) and other.forwards == 1
    assert same(one, other) == (make is not pickled)
    memory = {array.__array_interface__["data"][0] for array in arrays(one).values()}
    assert memory.isdisjoint(array.__array_interface__["data"][0] for array in arrays(other).values())
    if make is not pickled:
        assert one.backward()["data"] is not None
        other.backward()
        assert same(one, other)
    for each in (one, other):
        each.forward()  # on the inputs that it has, with the next masks
        each.backward()
    assert same(one, other)
    other.params["ip"][0].data[...] = 0
    other.forward(**batch(2))
    assert not same(one, other) and np.any(one.params["ip"][0].data)


class Tagged(netspec.Net):
    """A subclass with an attribute of its own."""

    tags: list[Any]


@pytest.mark.parametrize("make", COPIES)
def test_attributes_of_callers_go_along(make: Callable[[netspec.Net], netspec.Net]) -> None:
    one = Tagged(SPEC)
    one.tags = ["a", one]
    other = make(one)
    assert isinstance(other, Tagged) and other.tags[0] == "a"
    assert (other.tags is one.tags) == (make is copy.copy)
    assert other.tags[1] is (one if make is copy.copy else other)
    nets = copy.deepcopy([one, one])
    assert nets[0] is nets[1] is not one


def test_a_net_from_a_pickle_wants_a_forward_first() -> None:
    one = made()
    one.forward(**batch(1))
    with pytest.raises(NetspecError, match="backward before the first forward"):
        pickled(one).backward()


def test_a_net_goes_to_another_process(tmp_path: Path) -> None:
    one = made("TEST", overrides=["layers.ip.num_output=6"], batch=3)
    x = batch(1)["data"][:3]
    right = one.forward(data=x, label=[1, 2, 3])["loss"]
    (tmp_path / "net.pickle").write_bytes(pickle.dumps(one))
    code = "import pickle, sys; n = pickle.load(open(sys.argv[1], 'rb')); print(float(n.forward()['loss']), n)"
    words = [sys.executable, "-c", code, str(tmp_path / "net.pickle")]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert done.stdout.split(" ", 1) == [str(float(right)), f"{one}\n"]


def test_copies_of_a_trainings_nets_are_their_own(solver: Callable[..., dict[str, Any]]) -> None:
    with netspec.Solver(solver()) as training:
        training.step(2)
        training.test()
        for one in (training.net, *training.test_nets):
            for make in COPIES:
                other = make(one)
                np.testing.assert_array_equal(other.params["ip"][0].data, one.params["ip"][0].data)
                np.testing.assert_array_equal(other.blobs["data"].data, one.blobs["data"].data)
                assert other.forward().keys() == one.forward().keys() and repr(other) == repr(one)
                other.params["ip"][0].data[...] = 0
                assert np.any(one.params["ip"][0].data)
        tester = pickled(training.test_nets[0])
        training.step()
        assert not np.array_equal(tester.params["ip"][0].data, training.test_nets[0].params["ip"][0].data)


@pytest.mark.parametrize("make", COPIES)
def test_a_solver_is_refused_in_a_sentence(make: Callable[[Any], Any], solver: Callable[..., dict[str, Any]]) -> None:
    with netspec.Solver(solver()) as one:
        assert repr(one) == "<Solver 'tiny' SGD: iteration 0 of 20, loss nan, lr 0.1>"
        with pytest.raises(NetspecError, match=r"solver\.snapshot\(path\)"):
            make(one)


@pytest.mark.parametrize("seed", seeds(8))
def test_random_operations_end_as_those_of_a_plain_net(seed: int) -> None:
    """A net that is copied, pickled and written into at random, beside one that is handled plainly."""
    random = np.random.default_rng(seed)
    words = {"seed": seed, "force_backward": bool(random.integers(2)), "dtype": random.choice(["float32", "float64"])}
    one, plain = made(**words), made(**words)
    one.forward(**batch(seed))
    plain.forward(**batch(seed))
    ready = whole = True  # whether it may run backward, and has the diffs of all blobs
    for number in range(12):
        kind = random.choice(["forward", "written", "params", "backward", "given", "copy", "pickle", "diff", "again"])
        if kind in {"copy", "pickle"}:
            one = copy.deepcopy(one) if kind == "copy" else pickled(one)
            ready, whole = ready and kind == "copy", whole and kind == "copy"
        elif kind in {"forward", "written"}:
            given = batch(100 * seed + number)
            for name, values in given.items() if kind == "written" else ():
                one.blobs[name].data[...] = values
            one.forward(**({} if kind == "written" else given))
            plain.forward(**given)
            ready = True
        elif kind == "params":
            for each in (one, plain):
                each.params["conv"][0].data[...] *= np.float32(0.5)
        elif kind == "again":
            one.forwards = plain.forwards = int(random.integers(3))
        elif ready and kind == "diff":
            weight = float(random.random())
            for each in (one, plain):
                each.blobs["loss"].diff = weight
        elif ready:
            whole = True
            diff = np.random.default_rng(number).standard_normal((4, 5))
            for each in (one, plain):
                each.backward(**({"ip": diff} if kind == "given" else {}))
        left_out = () if whole else {f"{name} diff" for name in one.blobs if name != "loss"}
        left_out = left_out if ready else {*left_out, *(f"{name} data" for name in one.blobs)}
        assert same(one, plain, left_out), f"after {number}: {kind}"
