"""What is written into a blob is what the next forward and backward read; random masks of forwards."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from netspec.training.job import load_solver
from netspec.training.session import Session
from tests.helpers.specs import INPUT, conv, ip, loss, net

X = np.random.default_rng(3).standard_normal((4, 3, 6, 5))
LABEL = np.array([0, 4, 2, 1])


def made(*layers: dict[str, Any], **words: Any) -> netspec.Net:
    return netspec.Net(net(*layers), **words)


# --- masks

DROPS = (
    {"name": "early", "type": "Dropout", "bottom": "data", "dropout_ratio": 0.3},
    conv("conv", 2),
    {"name": "drop", "type": "Dropout", "bottom": "conv", "top": "conv"},
    ip("ip", 5),
    loss("ip"),
)


def seen(one: netspec.Net) -> bytes:
    return one.blobs["early"].data.tobytes() + one.blobs["conv"].data.tobytes()


def test_every_forward_of_a_train_net_draws_new_masks_in_an_order_of_its_seed() -> None:
    nets = [made(*DROPS, phase="TRAIN", seed=seed) for seed in (1, 1, 2)]
    drawn = [[(one.forward(data=X, label=LABEL), seen(one))[1] for _ in range(4)] for one in nets]
    assert drawn[0] == drawn[1] and len({*drawn[0], *drawn[2]}) == 8
    assert nets[0].forwards == 4
    nets[0].forwards = 1
    nets[0].forward()
    assert seen(nets[0]) == drawn[0][1]
    with pytest.raises(NetspecError, match="a number of forwards of -1 is none"):
        nets[0].forwards = -1


def test_the_masks_are_those_of_a_training_of_that_seed(solver: Any) -> None:
    """Forward k draws what iteration k draws."""
    values = solver()
    drop = {"name": "drop", "type": "Dropout", "bottom": "ip"}
    values["net"]["layers"][4:] = [drop, {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["drop", "label"]}]
    with netspec.Solver(values) as by_solver:
        one = netspec.Net(values["net"], phase="TRAIN")
        for number in range(3):
            weights = [b.data.copy() for blobs in by_solver.net.params.values() for b in blobs]
            by_solver.step()
            for blob, array in zip((b for blobs in one.params.values() for b in blobs), weights, strict=True):
                blob.data = array
            assert one.forwards == number
            one.forward(data=by_solver.net.blobs["data"].data, label=by_solver.net.blobs["label"].data)
            np.testing.assert_array_equal(one.blobs["drop"].data, by_solver.net.blobs["drop"].data)


def test_forwards_by_hand_draw_new_masks_and_leave_the_training_as_it_is(solver: Any) -> None:
    values = solver()
    values["net"]["layers"][2] = {"name": "drop", "type": "Dropout"}
    with netspec.Solver(values) as one, netspec.Solver(values) as other:
        one.step(2)
        other.step(2)
        masks = {one.net.blobs["drop"].data.tobytes()}
        for _ in range(3):
            one.net.forward()
            masks.add((one.net.blobs["drop"].data == 0).tobytes())
        assert len(masks) == 4
        assert one.step(2) == other.step(2)


def test_backward_uses_the_mask_of_the_last_forward() -> None:
    one = made(*DROPS, phase="TRAIN", force_backward=True)
    for _ in range(3):
        one.forward(data=X, label=LABEL)
        diff = one.backward()["data"]
        assert diff is not None
        np.testing.assert_array_equal(diff[one.blobs["early"].data == 0], 0)
        assert np.count_nonzero(diff) > 0.5 * np.count_nonzero(one.blobs["early"].data)


def test_a_test_net_draws_none() -> None:
    one = made(*DROPS)
    assert [one.forward(data=X, label=LABEL)["loss"] for _ in range(2)] == [one.loss] * 2
    np.testing.assert_array_equal(one.blobs["early"].data, one.blobs["data"].data)


# --- writes


@pytest.mark.parametrize(
    "first",
    [
        {"name": "first", "type": "ReLU"},
        {"name": "first", "type": "ReLU", "top": "data"},
        {"name": "first", "type": "BatchNorm", "top": "data"},
        {"name": "first", "type": "Flatten"},
        {"name": "first", "type": "Flatten", "top": "data"},
        {"name": "first", "type": "Split", "top": ["first", "other"]},
        {"name": "first", "type": "Dropout", "top": "data"},
        conv("first", 4),
        {"name": "first", "type": "Concat", "bottom": ["data", "data"]},
    ],
    ids=lambda layer: f"{layer['type']} {layer.get('top', '')}",
)
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_what_is_written_into_an_input_is_what_the_next_forward_reads(first: dict[str, Any], phase: Any) -> None:
    top = first.get("top", "first") if isinstance(first.get("top"), str) else "first"
    layers = ({"bottom": "data", **first}, ip("ip", 5, top), loss("ip"))
    given, written = (made(*layers, phase=phase) for _ in range(2))
    for scale in (1, -2):
        right = given.forward(data=scale * X, label=LABEL)["loss"]
        written.blobs["data"].data[...] = scale * X
        written.blobs["label"].data = LABEL
        assert written.forward()["loss"] == right
    assert written.blobs["data"].data.shape == X.shape
    np.testing.assert_array_equal(written.blobs["data"].data, (-2 * X).astype(np.float32))


@pytest.mark.parametrize("size", [{"kernel_size": 3, "num_output": 32}, {"kernel_size": 5}, {"kernel_size": 1}])
def test_what_is_written_into_params_is_what_the_next_forward_reads(size: dict[str, Any]) -> None:
    """Kernels that transform or pack weights do so at every forward."""
    layer = {"name": "conv", "type": "Convolution", "num_output": 16, "pad": 1, "weight_filler": "xavier", **size}
    spec = {
        "layers": [
            {"name": "data", "type": "Input", "shape": [2, 16, 17, 18]},
            layer,
            {"name": "norm", "type": "BatchNorm", "affine": True},
            {"name": "relu", "type": "ReLU"},
        ]
    }
    x = np.random.default_rng(1).standard_normal((2, 16, 17, 18))
    one = netspec.Net(spec)
    for seed in (2, 3):
        fresh, random = netspec.Net(spec, seed=seed), np.random.default_rng(seed)
        for name, blobs in fresh.params.items():
            for mine, theirs in zip(one.params[name], blobs, strict=True):
                theirs.data[...] = mine.data[...] = random.random(theirs.data.shape)
        np.testing.assert_array_equal(one.forward(data=x)["relu"], fresh.forward(data=x)["relu"])


def test_what_is_written_into_the_diff_of_an_end_is_where_backward_begins() -> None:
    """As in pycaffe; it stays until it is written again. Given diffs are of their call alone."""
    one, other = (made(ip("ip", 5), force_backward=True, dtype="float64") for _ in range(2))
    for each in (one, other):
        each.forward(data=X, label=LABEL)
    diff = np.random.default_rng(4).standard_normal((4, 5))
    assert not np.any(one.backward()["data"])
    one.blobs["ip"].diff[...] = diff
    right = other.backward(ip=diff)["data"]
    for _ in range(2):
        np.testing.assert_array_equal(one.backward()["data"], right)
        one.backward(ip=np.ones((4, 5)))
    np.testing.assert_array_equal(one.blobs["ip"].diff, diff)
    assert not np.any(other.backward()["data"])


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "Reshape", "shape": [0, -1]},
        {"type": "Concat"},
        {"type": "Slice"},
        {"type": "Split"},
        {"type": "Dropout"},
    ],
    ids=lambda fields: str(fields["type"]),
)
def test_the_diff_of_an_input_that_is_an_end_under_another_name(fields: dict[str, Any]) -> None:
    one = made({"name": "view", "bottom": "data", **fields}, force_backward=True, dtype="float64")
    one.forward(data=X, label=LABEL)
    for diff in (X, 2 * X):
        given = diff.reshape(one.blobs["view"].data.shape)
        np.testing.assert_array_equal(one.backward(view=given)["data"], diff)
        np.testing.assert_array_equal(one.blobs["data"].diff, diff)


def test_the_weight_of_a_loss_can_be_written_into_its_diff() -> None:
    one = made(ip("ip", 5), loss("ip"), phase="TRAIN", dtype="float64")
    one.forward(data=X, label=LABEL)
    once = one.backward() and np.array(one.params["ip"][0].diff)
    one.clear_param_diffs()
    one.blobs["loss"].diff = 2
    one.backward()
    np.testing.assert_allclose(one.params["ip"][0].diff, 2 * once, rtol=1e-12)


def test_a_trainings_net_begins_at_its_losses(solver: Any) -> None:
    with netspec.Solver(solver()) as one:
        one.net.forward(data=np.ones((4, 1, 6, 5)), label=[0, 1, 2, 0])
        one.net.backward()
        assert np.any(one.net.params["ip"][0].diff)


def test_an_input_may_be_given_from_another_input() -> None:
    spec = {
        "layers": [
            {"name": "in", "type": "Input", "top": ["a", "b"], "shape": [2, 3]},
            {"name": "n", "type": "Power", "bottom": "a"},
        ]
    }
    one = netspec.Net(spec)
    one.forward(a=np.full((2, 3), 1), b=np.full((2, 3), 2))
    one.forward(a=one.blobs["b"].data, b=one.blobs["a"].data)
    assert (one.blobs["a"].data == 2).all() and (one.blobs["b"].data == 1).all()


def test_a_refused_forward_writes_nothing() -> None:
    one = made(ip("ip", 5))
    one.forward(data=X, label=LABEL)
    with pytest.raises(NetspecError, match="blob 'label' has the shape 4, not 3"):
        one.forward(data=0 * X, label=[1, 2, 3])
    np.testing.assert_array_equal(one.blobs["data"].data, X.astype(np.float32))


def test_blobs_are_written_into_and_not_replaced() -> None:
    one = made(ip("ip", 5))
    one.blobs["data"].data += 1
    assert (one.blobs["data"].data == 1).all()
    for ask, said in (
        (lambda: one.blobs.__setitem__("data", X), "'data' cannot be replaced"),
        (lambda: one.params.__setitem__("ip", X), "'ip' cannot be replaced"),
        (lambda: setattr(one.blobs["data"], "data", X[:3]), "has the shape 4x3x6x5, not 3x3x6x5"),
        (lambda: one.blobs["dta"], "no blob 'dta'"),
        (lambda: one.params["data"], "no layer with params called 'data'"),
    ):
        with pytest.raises(NetspecError, match=said):
            ask()
    assert "dta" not in one.blobs and one.blobs.get("dta") is None and len(one.params) == 1


def test_a_session_takes_what_is_written_into_stored_params(solver: Any) -> None:
    values = solver()
    values["net"]["layers"][2] = {"name": "norm", "type": "BatchNorm", "moving_average_fraction": 0.5}
    one = Session(load_solver(values))
    one.step()
    index = one.train.weights.index("norm.scale_factor")
    one.train.weights.data[index][...] = 8
    one.step()
    one.close()
    assert one.train.weights.data[index][0] == 5


def test_reprs() -> None:
    one = made(ip("ip", 5), loss("ip"), phase="TRAIN", dtype="float64")
    one.forward(data=X * 0 + 2, label=LABEL)
    assert repr(one) == "<Net 'test' TRAIN float64: 3 layers, 455 params; data 4x3x6x5, label 4 -> loss>"
    assert repr(one.blobs["data"]) == "<Blob 'data' 4x3x6x5 float64: data 2, no diff>"
    assert repr(one.blobs["loss"]).startswith("<Blob 'loss' scalar float64: data ")
    assert [line.partition(":")[0] for line in repr(one.blobs).split("\n")] == ["data", "label", "ip", "loss"]
    assert repr(one.params).startswith("ip: (<Blob 'ip.weight' 5x90 float64: data ")
    many = {"layers": [{**INPUT, "top": list("abcdefg"), "shape": [2, 3]}, ip("ip", 5, "a")]}
    assert "a 2x3, b 2x3, c 2x3, d 2x3 and 3 more -> ip>" in repr(netspec.Net(many))
    alone = {"name": "x", "layers": [{"name": "a", "type": "Input", "shape": [2, 3]}]}
    assert repr(netspec.Net(alone)) == "<Net 'x' TEST float32: 1 layer, 0 params; a 2x3 -> nothing>"


def test_a_net_shows_its_table_as_html() -> None:
    one = netspec.Net({"name": "<b>&", "layers": [{**INPUT, "name": "<script>"}, ip("ip", 5, "data")]})
    html = one._repr_html_()
    assert html.startswith("<table>") and "<script>" not in html and "<b>&" not in html.replace("<b>&lt;b&gt;&amp;", "")
    assert "&lt;script&gt;" in html and "InnerProduct" in html and "455" in html
