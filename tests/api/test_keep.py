"""Nets and solvers that do not keep every blob: what stays readable, what is refused, that all is computed alike."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from tests.helpers.specs import conv, ip, loss, net

NORM = ({"name": "norm", "type": "BatchNorm"}, {"name": "scale", "type": "Scale", "bias_term": True})
SPEC = net(
    conv("conv", 4),
    *NORM,
    {"name": "relu", "type": "ReLU"},
    ip("ip", 5),
    {"name": "prob", "type": "Softmax", "include": {"phase": "TEST"}},
    loss("ip") | {"include": {"phase": "TRAIN"}},
)


def images(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((4, 3, 6, 5))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Weights with other factors than 1."""
    one = netspec.Net(SPEC)
    for number, blob in enumerate(blob for blobs in one.params.values() for blob in blobs):
        blob.data = np.random.default_rng(number).uniform(0.2, 1.4, blob.data.shape)
    one.save(tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


@pytest.mark.parametrize("keep", [False, [], ["conv", "relu"]])
def test_it_computes_as_a_net_that_keeps_everything(weights: Path, keep: Any) -> None:
    whole, one = (netspec.Net(SPEC, weights=weights, keep=which) for which in (True, keep))
    for seed in range(2):
        expected, found = whole.forward(data=images(seed)), one.forward(data=images(seed))
        assert found.keys() == expected.keys() == {"prob"}
        np.testing.assert_allclose(found["prob"], expected["prob"], rtol=2e-5, atol=1e-7)
    assert [*one.blobs] == [name for name in whole.blobs if name in {"data", "label", "prob", *(keep or ())}]
    for name in one.blobs:
        np.testing.assert_allclose(one.blobs[name].data, whole.blobs[name].data, rtol=1e-5, atol=1e-5)
    assert np.array_equal(one.forward()["prob"], found["prob"])  # the input keeps its values


def test_what_is_not_kept_says_so(weights: Path) -> None:
    one = netspec.Net(SPEC, weights=weights, keep=False)
    refused: list[tuple[Callable[[], Any], str]] = [
        (lambda: one.blobs["conv"], "the blob 'conv' is not kept: other blobs use its memory"),
        (lambda: one.blobs["cnv"], "the net has no blob 'cnv'"),
        (lambda: one.backward(), "backward needs every blob"),
        (lambda: setattr(one.params["conv"][0], "data", 0), "'conv.weight' is packed"),
        (lambda: netspec.Net(SPEC, keep=["con"]), "the net has no blob 'con' to keep"),
        (lambda: netspec.Net(SPEC, keep="conv"), "`keep` is True, False or a list of blobs, not 'conv'"),
        (lambda: netspec.Net(SPEC, keep=None), "`keep` is True, False or a list of blobs"),  # type: ignore[arg-type]
        (lambda: netspec.Net(SPEC, keep=False, force_backward=True), "force_backward=True needs keep=True"),
        (lambda: netspec.Net(SPEC, phase="TRAIN", keep=False).backward(), "backward needs every blob"),
    ]
    for act, message in refused:
        with pytest.raises(NetspecError, match=message):
            act()
    assert "conv" not in one.blobs and "prob" in one.blobs
    with pytest.raises(ValueError, match="read-only"):
        one.params["conv"][0].data[...] = 0


def test_loading_packs_again(weights: Path) -> None:
    one, fresh = netspec.Net(SPEC, keep=False), netspec.Net(SPEC, weights=weights, keep=False)
    before = one.forward(data=images())["prob"]
    one.load(weights)
    after = one.forward()["prob"]
    assert not np.array_equal(before, after)
    assert np.array_equal(after, fresh.forward(data=images())["prob"])


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_pack_for_themselves(weights: Path, way: Callable[[netspec.Net], netspec.Net]) -> None:
    one = netspec.Net(SPEC, weights=weights, keep=["norm"])
    expected = one.forward(data=images())["prob"]
    other = way(one)
    assert np.array_equal(other.forward()["prob"], expected)
    assert [*other.blobs] == [*one.blobs] and not other.params["conv"][0].data.flags.writeable
    assert not np.shares_memory(other.program.fixed, one.program.fixed)
    one.load(weights)
    assert np.array_equal(other.forward()["prob"], expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_infers(weights: Path) -> None:
    one = netspec.Net(SPEC, weights=weights, keep=False)
    expected = one.forward(data=images())["prob"]
    child = os.fork()
    if not child:
        os._exit(0 if np.array_equal(one.forward()["prob"], expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_another_batch_is_another_net(weights: Path) -> None:
    one = netspec.Net(SPEC, weights=weights, keep=False)
    with pytest.raises(NetspecError, match=r"blob 'data' has the shape 4x3x6x5, not 2x3x6x5"):
        one.forward(data=images()[:2])
    two = netspec.Net(SPEC, weights=weights, keep=False, batch=2)
    whole = one.forward(data=images())["prob"]
    np.testing.assert_allclose(two.forward(data=images()[:2])["prob"], whole[:2], rtol=2e-5, atol=1e-7)


# --- solvers


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., netspec.Solver]:
    """`made(keep=...)`: a solver with data for both phases."""
    data = {}
    for phase, number in (("train", 12), ("test", 6)):
        random = np.random.default_rng(number)
        files = [tmp_path / f"{phase}_{name}.npy" for name in "xy"]
        np.save(files[0], random.standard_normal((number, 3, 6, 5)).astype(np.float32))
        np.save(files[1], random.integers(0, 5, number))
        data[phase] = {"source": {"type": "Arrays", "outputs": list(map(str, files))}, "batch_size": 4}
    layers = net(conv("conv", 4), *NORM, {"name": "relu", "type": "ReLU"}, ip("ip", 5), loss("ip"))
    values = {"net": layers, "data": data, "base_lr": 0.05, "momentum": 0.9, "max_iter": 9, "lr_policy": "fixed"}
    return lambda **words: netspec.Solver(values, **words)


@pytest.mark.parametrize("keep", [False, ["conv"], ["norm", "relu"]])
def test_a_solver_trains_alike(made: Callable[..., netspec.Solver], keep: Any, tmp_path: Path) -> None:
    with made() as whole, made(keep=keep) as one:
        for _ in range(4):
            np.testing.assert_allclose(one.step(), whole.step(), rtol=1e-4)
            for name in keep or ():
                np.testing.assert_allclose(one.net.blobs[name].data, whole.net.blobs[name].data, atol=1e-4)
        for name, blobs in whole.net.params.items():
            for mine, theirs in zip(one.net.params[name], blobs, strict=True):
                np.testing.assert_allclose(mine.data, theirs.data, rtol=1e-3, atol=1e-5)
        assert [*one.net.blobs] == [n for n in whole.net.blobs if n in {"data", "label", "loss", *(keep or ())}]
        kept = one.net.blobs["loss"].data.copy()
        np.testing.assert_allclose(one.test()["loss"], whole.test()["loss"], rtol=1e-4)
        assert np.array_equal(one.net.blobs["loss"].data, kept)  # a test has memory of its own
        one.snapshot(tmp_path / "state.safetensors")
        scores, loss_after = one.test(), one.step()
        assert one.test() != scores
        one.restore(tmp_path / "state.safetensors")
        assert one.test() == scores and one.step() == loss_after


def test_a_kept_diff_is_that_of_a_solver_that_keeps_all(made: Callable[..., netspec.Solver]) -> None:
    with made() as whole, made(keep=["scale"]) as one:
        for each in (whole, one):
            each.step()
        mine, theirs = one.net.blobs["scale"].diff, whole.net.blobs["scale"].diff
        assert mine is not None and theirs is not None and np.abs(theirs).max() > 0
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-6)


def test_a_solver_refuses_in_a_sentence(made: Callable[..., netspec.Solver]) -> None:
    with pytest.raises(NetspecError, match="the net has no blob 'con' to keep"):
        made(keep=["con"])
    with made(keep=False) as one:
        with pytest.raises(NetspecError, match="backward needs every blob"):
            one.net.backward()
        assert one.net.params["conv"][0].data.flags.writeable


def test_test_nets_follow_their_params(made: Callable[..., netspec.Solver]) -> None:
    """What is packed for a test is packed again at the next forward, as the weights may have changed."""
    with made(keep=["ip"]) as one:
        one.step()
        test = one.test_nets[0]
        test.forward(data=images(), label=np.zeros(4))
        before = test.blobs["ip"].data.copy()
        one.net.params["conv"][0].data[...] *= -1.0
        test.forward()
        assert not np.allclose(test.blobs["ip"].data, before)
        one.net.params["conv"][0].data[...] *= -1.0
        test.forward()
        assert np.array_equal(test.blobs["ip"].data, before)


@pytest.mark.parametrize(
    "layers",
    [
        [{"name": "norm", "type": "BatchNorm", "use_global_stats": False}],
        [
            {"name": "ip", "type": "InnerProduct", "num_output": 3, "axis": 3, "weight_filler": "xavier"},
            {"name": "scale", "type": "Scale", "bias_term": True, "filler": {"type": "uniform", "min": 1, "max": 2}},
        ],
    ],
)
@pytest.mark.parametrize("shape", [[4, 3, 5], [4, 3, 5, 7]])
def test_what_depends_on_blobs_or_other_axes_is_not_prepared(layers: list[dict[str, Any]], shape: list[int]) -> None:
    if len(layers) > 1 and len(shape) == 3:
        shape = [*shape, 2]
    spec = {"layers": [{"name": "data", "type": "Input", "top": "data", "shape": [shape]}, *layers]}
    whole, one = (netspec.Net(spec, keep=which) for which in (True, False))
    name = layers[-1]["name"]
    for seed in (1, 2):  # another mean, which nothing that was prepared knows
        x = np.random.default_rng(seed).normal(3 * seed, 2, shape).astype(np.float32)
        wanted = whole.forward(data=x)[name]
        np.testing.assert_allclose(one.forward(data=x)[name], wanted, rtol=1e-5, atol=1e-5)
