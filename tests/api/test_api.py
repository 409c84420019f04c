"""The Python API, used like pycaffe: blobs, params, forward, backward from any top, net surgery, a Solver."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from netspec.language.document import dump

NET: dict[str, Any] = {
    "name": "branches",
    "layers": [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 2, 7, 6], [4]]},
        {"name": "conv", "type": "Convolution", "num_output": 3, "kernel_size": 3, "weight_filler": "xavier"},
        {"name": "squash", "type": "TanH"},
        {"name": "left", "type": "InnerProduct", "bottom": "squash", "num_output": 5, "weight_filler": "xavier"},
        {"name": "right", "type": "InnerProduct", "bottom": "squash", "num_output": 5, "weight_filler": "xavier"},
        {"name": "sum", "type": "Eltwise", "bottom": ["left", "right"]},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["sum", "label"]},
    ],
}


@pytest.fixture
def net() -> netspec.Net:
    net = netspec.Net(NET, phase="TRAIN", dtype="float64", force_backward=True)
    rng = np.random.default_rng(5)
    net.forward(data=rng.standard_normal((4, 2, 7, 6)), label=np.array([0, 4, 2, 1]))
    return net


def slope(
    net: netspec.Net, array: np.ndarray, objective: Callable[[], float], seed: int = 1
) -> tuple[np.ndarray, float]:
    """A random direction in `array`, and the central difference of `objective` along it."""
    direction, step = np.random.default_rng(seed).standard_normal(array.shape), 1e-6
    before = array.copy()
    values = []
    for sign in (1, -1):
        array[...] = before + sign * step * direction
        net.forward()
        values.append(objective())
    array[...] = before
    net.forward()
    return direction, (values[0] - values[1]) / (2 * step)


@pytest.mark.parametrize("layer", ["conv", "left", "right"])
def test_param_gradients_are_those_of_the_loss(net: netspec.Net, layer: str) -> None:
    for param in net.params[layer]:
        direction, numeric = slope(net, param.data, lambda: net.loss)
        net.clear_param_diffs()
        net.backward()
        np.testing.assert_allclose((param.diff * direction).sum(), numeric, rtol=1e-6)


def test_input_gradients_with_force_backward(net: netspec.Net) -> None:
    direction, numeric = slope(net, net.blobs["data"].data, lambda: net.loss)
    diffs = net.backward()
    assert diffs["data"] is not None
    np.testing.assert_allclose((diffs["data"] * direction).sum(), numeric, rtol=1e-6)
    assert diffs["label"] is None


def test_force_backward_reaches_params_that_are_not_learned() -> None:
    def made(rate: int) -> netspec.Net:
        data = {"name": "data", "type": "Input", "shape": [[3, 4]]}
        ip = {"name": "ip", "type": "InnerProduct", "num_output": 2, "weight_filler": "xavier"}
        square = {"name": "square", "type": "Reduction", "operation": "SUMSQ", "loss_weight": 1}
        layers = [data, ip | {"param": [{"lr_mult": rate}] * 2}, square]
        one = netspec.Net({"layers": layers}, force_backward=rate == 0)
        one.forward(data=np.random.default_rng(4).standard_normal((3, 4)))
        one.backward()
        return one

    learned, frozen = (made(rate).params["ip"] for rate in (1, 0))
    for a, b in zip(learned, frozen, strict=True):
        np.testing.assert_array_equal(a.diff, b.diff)


@pytest.mark.parametrize("top", ["sum", "left", "squash"])
def test_backward_starts_from_any_top(net: netspec.Net, top: str) -> None:
    weights = np.random.default_rng(9).standard_normal(net.blobs[top].data.shape)
    param = net.params["conv"][0]
    direction, numeric = slope(net, param.data, lambda: float((net.blobs[top].data * weights).sum()))
    net.backward()  # leaves gradients in all diffs, which must not leak into the next pass
    net.clear_param_diffs()
    net.backward(**{top: weights})
    assert param.diff is not None
    np.testing.assert_allclose((param.diff * direction).sum(), numeric, rtol=1e-6)


def test_backward_of_two_given_tops_adds_up(net: netspec.Net) -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.standard_normal(net.blobs[name].data.shape) for name in ("left", "squash"))
    param = net.params["conv"][0]

    def objective() -> float:
        return float((net.blobs["left"].data * a).sum() + (net.blobs["squash"].data * b).sum())

    direction, numeric = slope(net, param.data, objective)
    net.clear_param_diffs()
    net.backward(left=a, squash=b)
    assert param.diff is not None
    np.testing.assert_allclose((param.diff * direction).sum(), numeric, rtol=1e-6)


def test_param_diffs_add_up_until_they_are_cleared(net: netspec.Net) -> None:
    net.backward()
    once = np.array(net.params["conv"][0].diff)
    net.backward()
    np.testing.assert_array_equal(net.params["conv"][0].diff, 2 * once)
    net.clear_param_diffs()
    assert not np.any(net.params["conv"][0].diff)


def test_every_blob_keeps_data_and_diff(net: netspec.Net) -> None:
    net.backward()
    assert list(net.blobs) == ["data", "label", "conv", "squash", "left", "right", "sum", "loss"]
    left, right, total = (net.blobs[n] for n in ("left", "right", "sum"))
    np.testing.assert_array_equal(total.data, left.data + right.data)
    np.testing.assert_array_equal(total.diff, left.diff)
    assert net.blobs["loss"].data.shape == ()
    assert float(net.blobs["loss"].diff) == 1.0  # type: ignore[arg-type]


def test_surgery_is_seen_by_the_next_forward(net: netspec.Net) -> None:
    net.params["left"][0].data[...] = 0
    net.params["left"][1].data[...] = [1, 2, 3, 4, 5]
    net.forward()
    np.testing.assert_array_equal(net.blobs["left"].data, np.tile([1.0, 2, 3, 4, 5], (4, 1)))


def test_forward_returns_copies_of_the_outputs(net: netspec.Net) -> None:
    out = net.forward()
    assert list(out) == net.outputs == ["loss"]
    out["loss"][...] = 7
    assert net.loss != 7


def test_save_and_load(net: netspec.Net, tmp_path: Path) -> None:
    net.save(tmp_path / "weights.safetensors")
    other = netspec.Net(NET, phase="TRAIN", dtype="float64", seed=99, weights=tmp_path / "weights.safetensors")
    for mine, theirs in zip(net.params.values(), other.params.values(), strict=True):
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(a.data, b.data)


def test_load_says_what_became_of_each_param(net: netspec.Net, tmp_path: Path) -> None:
    net.save(tmp_path / "weights.safetensors")
    renamed = {
        **NET,
        "layers": [
            {**layer, "name": "fresh", "top": "left"} if layer["name"] == "left" else layer for layer in NET["layers"]
        ],
    }
    report = netspec.Net(renamed, phase="TRAIN").load(tmp_path / "weights.safetensors")
    assert report.loaded == ("conv.weight", "conv.bias", "right.weight", "right.bias")
    assert sorted(report.skipped) == ["left.bias", "left.weight"]
    assert report.left == ("fresh.weight", "fresh.bias")


def test_mistakes_are_netspec_errors(net: netspec.Net) -> None:
    with pytest.raises(NetspecError, match="no input 'dta'"):
        net.forward(dta=0)
    with pytest.raises(NetspecError, match="has the shape 4x2x7x6, not 3x2x7x6"):
        net.forward(data=np.zeros((3, 2, 7, 6)))
    with pytest.raises(NetspecError, match=r"not a label in 0\.\.4"):
        net.forward(label=np.array([0, 1, 2, 5]))
    with pytest.raises(NetspecError, match="no blob 'smu'"):
        net.backward(smu=0)
    plain = netspec.Net(NET, phase="TRAIN")
    plain.forward(label=np.array([0, 1, 2, 3]))
    with pytest.raises(NetspecError, match="has no gradient"):
        plain.backward(data=np.zeros((4, 2, 7, 6)))


def test_calls_that_mean_nothing_are_refused() -> None:
    fresh = netspec.Net(NET, phase="TRAIN")
    with pytest.raises(NetspecError, match="backward before the first forward"):
        fresh.backward()
    for batch in (0, -1, 2.5, "x"):
        with pytest.raises(NetspecError, match="a batch of"):
            netspec.Net(NET, batch=batch)  # type: ignore[arg-type]
    with pytest.raises(NetspecError, match="no phase 'VAL'"):
        netspec.Net(NET, phase="VAL")  # type: ignore[arg-type]
    with pytest.raises(NetspecError, match="overrides are a list"):
        netspec.Net(NET, overrides="base_lr=3")


def test_phases_of_one_file_differ() -> None:
    train, test = netspec.Net("lenet", phase="TRAIN", batch=2), netspec.Net("lenet", phase="TEST", batch=3)
    assert train.outputs == ["loss"]
    assert test.outputs == ["accuracy", "loss"]
    assert test.blobs["ip2"].data.shape == (3, 10)


def test_weights_that_are_missing_are_an_error_at_their_place(
    solver: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "fine.yaml"
    path.write_text(dump(solver(weights="gone.safetensors")))
    with pytest.raises(NetspecError, match=r"gone\.safetensors") as error:
        netspec.Solver(path)
    assert error.value.at is not None and "gone" in error.value.at.source.line(error.value.at.line)


def test_solver_by_hand(solver: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    with netspec.Solver(solver(max_iter=8)) as by_hand, netspec.Solver(solver(max_iter=8)) as at_once:
        before = by_hand.net.params["ip"][0].data.copy()
        by_hand.step(3)
        assert by_hand.iter == 3
        assert not np.array_equal(by_hand.net.params["ip"][0].data, before)
        by_hand.snapshot(tmp_path / "three.safetensors")
        by_hand.step(5)
        at_once.solve()
        np.testing.assert_array_equal(by_hand.net.params["ip"][0].data, at_once.net.params["ip"][0].data)
        at_once.restore(tmp_path / "three.safetensors")
        assert at_once.iter == 3
        at_once.step(5)
        np.testing.assert_array_equal(by_hand.net.params["conv"][0].data, at_once.net.params["conv"][0].data)
        scores = by_hand.test()
        assert 0 <= scores["accuracy"] <= 1
        assert by_hand.test_nets[0].params["ip"][0].data is not None
        np.testing.assert_array_equal(by_hand.test_nets[0].params["ip"][0].data, by_hand.net.params["ip"][0].data)


def test_kept_blobs_change_no_result(solver: Callable[..., dict[str, Any]]) -> None:
    """A Session without kept blobs, as on the command line, and a Solver with all blobs kept give equal weights."""
    from netspec.training.job import load_solver
    from netspec.training.session import Session

    session = Session(load_solver(solver()))
    with netspec.Solver(solver()) as kept:
        for _ in range(4):
            session.step()
        kept.step(4)
        session.close()
        for name, array in zip(session.train.weights.names, session.train.weights.data, strict=True):
            layer, _, param = name.partition(".")
            np.testing.assert_array_equal(kept.net.params[layer][("weight", "bias").index(param)].data, array)


# --- backward from given tops, in the corners


def corner(*layers: dict[str, Any]) -> netspec.Net:
    net = netspec.Net({"layers": [*NET["layers"][:3], *layers]}, phase="TRAIN", dtype="float64")
    net.forward(data=np.random.default_rng(5).standard_normal((4, 2, 7, 6)), label=np.array([0, 4, 2, 1]))
    return net


def check_given(net: netspec.Net, **given: np.ndarray) -> None:
    param = net.params["conv"][0]
    direction, numeric = slope(
        net, param.data, lambda: sum(float((net.blobs[name].data * v).sum()) for name, v in given.items())
    )
    net.backward()
    net.clear_param_diffs()
    net.backward(**given)
    assert param.diff is not None
    np.testing.assert_allclose((param.diff * direction).sum(), numeric, rtol=1e-6)


def test_losses_do_not_count_where_tops_are_given() -> None:
    """Neither a loss on the way down nor a loss beside it counts."""
    net = corner(
        {"name": "aside", "type": "InnerProduct", "bottom": "squash", "num_output": 5, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["aside", "label"]},
        {"name": "middle", "type": "Sigmoid", "bottom": "squash", "loss_weight": 3},
        {"name": "top", "type": "InnerProduct", "num_output": 2, "weight_filler": "xavier"},
    )
    check_given(net, top=np.arange(8.0).reshape(4, 2))
    assert not np.any(net.params["aside"][0].diff)


def test_a_reshaped_top_is_given_while_another_layer_reads_its_bottom() -> None:
    """Flatten's top shares memory with its bottom, and its diff with the gradient from the other reader."""
    net = corner(
        {"name": "beside", "type": "InnerProduct", "bottom": "squash", "num_output": 5, "weight_filler": "xavier"},
        {"name": "flat", "type": "Flatten", "bottom": "squash"},
    )
    rng = np.random.default_rng(3)
    flat, beside = (rng.standard_normal(net.blobs[name].data.shape) for name in ("flat", "beside"))
    check_given(net, flat=flat)
    check_given(net, flat=flat, beside=beside)
    check_given(net, beside=beside, squash=flat.reshape(net.blobs["squash"].data.shape))


@pytest.mark.parametrize("given", ["words", [[1, 2], [3]], np.array([[None]]), np.zeros(3)])
def test_what_is_no_array_of_numbers(net: netspec.Net, given: Any) -> None:
    with pytest.raises(NetspecError, match="blob 'data'"):
        net.forward(data=given)
    with pytest.raises(NetspecError, match="blob 'sum'"):
        net.backward(sum=given)


def test_sharers_see_one_param_in_their_own_shape() -> None:
    owner = {
        "name": "a",
        "type": "InnerProduct",
        "num_output": 5,
        "bias_term": False,
        "param": [{"name": "w"}],
        "weight_filler": "xavier",
    }
    user = {
        **owner,
        "name": "b",
        "bottom": "squash",
        "transpose": True,
        "param": [{"name": "w", "share_mode": "PERMISSIVE"}],
    }
    net = corner(owner, user, {"name": "sum", "type": "Eltwise", "bottom": ["a", "b"]})
    (a,), (b,) = net.params["a"], net.params["b"]
    assert (a.data.shape, b.data.shape) == ((5, 60), (60, 5))
    b.data[...] = 2
    assert (a.data == 2).all()
    net.backward(sum=np.ones((4, 5)))
    assert a.diff is not None and b.diff is not None
    np.testing.assert_array_equal(a.diff.reshape(-1), b.diff.reshape(-1))


def test_a_refused_restore_changes_nothing(solver: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    with (
        netspec.Solver(solver()) as one,
        netspec.Solver(solver(net={**solver()["net"], "name": "x"}, type="SGD")) as other,
    ):
        one.step(2)
        one.snapshot(tmp_path / "two.safetensors")
        other.restore(tmp_path / "two.safetensors")  # a net's own name is not what it computes
        assert other.iter == 2
    values = solver()
    values["net"]["layers"][2]["type"] = "Sigmoid"
    with netspec.Solver(values) as third:
        before = third.net.params["ip"][0].data.copy()
        with pytest.raises(NetspecError, match="belongs to another net"):
            third.restore(tmp_path / "two.safetensors")
        assert third.iter == 0
        np.testing.assert_array_equal(third.net.params["ip"][0].data, before)
    with pytest.raises(NetspecError, match="there is no snapshot"):
        third.restore(tmp_path / "three.safetensors")


def test_views_are_writable_and_live(net: netspec.Net) -> None:
    """The next pass reads the values that a user writes into a blob or a diff."""
    net.blobs["data"].data[...] = 0
    net.forward()
    bias = net.params["conv"][1].data
    np.testing.assert_allclose(net.blobs["conv"].data, np.broadcast_to(bias[:, None, None], (4, 3, 5, 4)))
    for blob in (*net.blobs.values(), *(b for blobs in net.params.values() for b in blobs)):
        assert blob.data.flags.writeable
        assert blob.diff is None or (blob.diff.flags.writeable and blob.diff.shape == blob.data.shape)
    net.params["conv"][1].diff[...] = 5  # type: ignore[index]
    net.clear_param_diffs()
    assert not np.any(net.params["conv"][1].diff)
