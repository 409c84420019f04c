"""Solver runs beside BVLC Caffe 1.0: numbers that it gave for the same prototxts and data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.formats import solverstate
from netspec.language.validate import OutOfRangeError
from netspec.training.caffe_frozen import history_of_frozen
from netspec.training.solvers.adadelta import AdaDelta

NET = """
layer { name: "in" type: "MemoryData" top: "data" top: "label"
        memory_data_param { batch_size: 2 channels: 3 height: 1 width: 1 } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1"
        param { lr_mult: -0.5 decay_mult: -2 } param { lr_mult: 2 decay_mult: 0.5 }
        inner_product_param { num_output: 4 } }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" param { lr_mult: 0 }
        inner_product_param { num_output: 2 } }
layer { name: "flat" type: "Reshape" bottom: "label" top: "lab" reshape_param { shape { dim: -1 dim: 1 } } }
layer { name: "two" type: "Power" bottom: "lab" top: "l2" power_param { scale: 0.5 } }
layer { name: "cat" type: "Concat" bottom: "lab" bottom: "l2" top: "target" }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip2" bottom: "target" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 9 type: "%s" %s'
X = np.array([4, -1, 4, 4, -4, 1, -1, 1, 3, 2, -4, 0, 3, 4, -3, 2, -2, -2], np.float32).reshape(6, 3, 1, 1) / 4
Y = np.array([-3, -1, 1, 4, -3, 4], np.float32) / 4


SPLITS = (
    [0.03458351, 0.01781051, -0.04814073, 0.003504841, 0.1024123, 0.05308025, -0.1427628, 0.0101231],
    [-0.01958914, -0.01195386, 0.02440307, -0.0009364355, -0.05802648, -0.03559007, 0.07236892, -0.002638903],
)
"""Diffs of what two layers read of ip1, after two iterations."""


def started(folder: Path, kind: str, more: str, net: str = NET) -> netspec.Solver:
    """A solver of a type; the weights are eighths."""
    (folder / "net.prototxt").write_text(net)
    (folder / "solver.prototxt").write_text(SOLVER % (kind, more))
    solver = netspec.Solver(folder / "solver.prototxt")
    for blob in (blob for blobs in solver.net.params.values() for blob in blobs):
        blob.data.flat[:] = (np.arange(blob.data.size) * 7 % 5 - 2) / 8.0
    return solver


def fed(solver: netspec.Solver, steps: int) -> None:
    for _ in range(steps):
        first = solver.iter * 2 % 6
        solver.net.blobs["data"].data[...] = X[first : first + 2]
        solver.net.blobs["label"].data.flat[:] = Y[first : first + 2]
        solver.step(1)


@pytest.mark.parametrize(
    ("kind", "more", "loss", "weight", "bias", "last"),
    [
        (
            "SGD",
            "momentum: 0.9 weight_decay: -0.1",
            0.1793269,
            [-0.2786913, -0.02733298, 0.2702761, -0.1496491],
            [-0.3230692, 0.007129597, 0.3195044, -0.1668818],
            [-0.179901, -0.01425919],
        ),
        (
            "Nesterov",
            "momentum: 1.5 weight_decay: -0.1",
            0.2206008,
            [-0.3500485, -0.07643234, 0.3118818, -0.2109724],
            [-0.4386124, 0.03864705, 0.4192889, -0.2482915],
            [-0.1327089, -0.0772941],
        ),
        (
            "Adam",
            "momentum: 0.9 weight_decay: -0.1",
            0.1487943,
            [-0.4250714, -0.06049348, 0.4260266, -0.2690541],
            [-0.3292929, 0.05739306, 0.3112547, -0.5786926],
            [-0.2477441, -0.01864318],
        ),
    ],
)
def test_negative_factors(tmp_path: Path, kind: str, more: str, loss: float, weight: Any, bias: Any, last: Any) -> None:
    """Caffe asks nothing of its factors: they may be negative, and a momentum more than 1."""
    solver = started(tmp_path, kind, more)
    fed(solver, 4)
    params = solver.net.params
    assert float(solver.net.blobs["loss"].data) == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(params["ip1"][0].data.ravel()[:4], weight, rtol=1e-5)
    np.testing.assert_allclose(params["ip1"][1].data, bias, rtol=1e-5)
    np.testing.assert_allclose(params["ip2"][1].data, last, rtol=1e-5)


def test_yaml_keeps_its_ranges() -> None:
    values: dict[str, Any] = {"net": "lenet", "base_lr": 0.1, "lr_policy": "fixed", "max_iter": 1}
    for wrong in ({"weight_decay": -0.1}, {"base_lr": -1.0}, {"momentum": 1.0}, {"test_iter": 0}):
        with pytest.raises(OutOfRangeError, match=next(iter(wrong))):
            netspec.Solver(values | wrong)


def test_a_limit_of_0_stops_the_weights(tmp_path: Path) -> None:
    """In Caffe `clip_gradients: 0` lets no gradient through; below 0 there is no limit."""
    solver = started(tmp_path, "SGD", "clip_gradients: 0")
    before = [blob.data.copy() for blobs in solver.net.params.values() for blob in blobs]
    fed(solver, 2)
    after = [blob.data for blobs in solver.net.params.values() for blob in blobs]
    for own, wanted in zip(after, before, strict=True):
        np.testing.assert_allclose(own, wanted, atol=1e-30)


def test_a_test_of_no_batches(tmp_path: Path) -> None:
    """Caffe makes it, on no batch: it has a net, and no scores."""
    solver = started(tmp_path, "SGD", "test_iter: 0 test_interval: 2")
    (net,) = solver.test_nets
    fed(solver, 3)
    assert solver.test() == {} and solver.iter == 3
    np.testing.assert_array_equal(net.params["ip1"][0].data, solver.net.params["ip1"][0].data)


def test_arrays_of_a_memory_data_layer(tmp_path: Path) -> None:
    """They are walked through from their first row on, in whole batches, by iterations, tests and forwards by hand."""
    solver = started(tmp_path, "SGD", "momentum: 0.9 weight_decay: -0.1 test_iter: 2 test_interval: 9")
    data, labels = X.copy(), Y.copy()
    solver.net.set_input_arrays(data, labels)
    solver.test_nets[0].set_input_arrays(data[:4], labels[:4])
    solver.step(4)
    np.testing.assert_allclose(solver.net.params["ip2"][1].data, [-0.179901, -0.01425919], rtol=1e-5)
    assert solver.net.blobs["label"].data.ravel().tolist() == [-0.75, -0.25]
    solver.net.forward()
    assert solver.net.blobs["label"].data.ravel().tolist() == [0.25, 1]
    labels[4] = 8  # they are not copied
    solver.step(1)
    assert solver.net.blobs["label"].data.ravel().tolist() == [8, 1]
    losses = [float(solver.test_nets[0].forward()["loss"]) for _ in range(4)]
    assert losses[:2] == losses[2:] and losses[0] != losses[1]
    assert solver.test()["loss"] == pytest.approx(sum(losses[:2]) / 2)
    net = netspec.Net(tmp_path / "net.prototxt", phase="TEST")
    net.set_input_arrays(X, Y.reshape(-1, 1, 1, 1))
    for first in (0, 2, 4, 0):
        net.forward()
        np.testing.assert_array_equal(net.blobs["data"].data, X[first : first + 2])
    with pytest.raises(netspec.NetspecError, match="multiple of the batch size"):
        net.set_input_arrays(X[:3], Y[:3])
    with pytest.raises(netspec.NetspecError, match="6 images, but 5 labels"):
        net.set_input_arrays(X, Y[:5])
    with pytest.raises(netspec.NetspecError, match="N x 3x1x1"):
        net.set_input_arrays(X[:, :2], Y)


def test_callbacks_around_the_gradients(tmp_path: Path) -> None:
    """The bias' diff that Caffe's callbacks saw in 4 iterations; what the second changes is what the update reads."""
    solver, seen = started(tmp_path, "SGD", "momentum: 0.9 weight_decay: -0.1"), []
    bias = solver.net.params["ip1"][1]

    def see() -> None:
        assert bias.diff is not None
        seen.append((solver.iter, float(bias.diff[1])))

    solver.add_callback(see, see)
    fed(solver, 4)
    wanted = [-0.083984375, 0.08472350239753723, 0.0581449493765831, -0.08307945728302002]
    assert [iteration for iteration, _ in seen] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [diff for _, diff in seen[::2]] == [0.0] * 4
    np.testing.assert_allclose([diff for _, diff in seen[1::2]], wanted, rtol=1e-5)
    other = started(tmp_path, "SGD", "momentum: 0.9 iter_size: 2")
    before = [blob.data.copy() for blobs in other.net.params.values() for blob in blobs]
    other.add_callback(lambda: None, other.net.clear_param_diffs)
    fed(other, 2)
    for blob, wanted_one in zip((b for blobs in other.net.params.values() for b in blobs), before, strict=True):
        np.testing.assert_array_equal(blob.data, wanted_one)


def test_hooks_around_layers(tmp_path: Path) -> None:
    """Passes by hand call them, with the numbers of the layers; they compute the same."""
    net, plain = started(tmp_path, "SGD", "").net, netspec.Net(tmp_path / "net.prototxt", phase="TRAIN")
    own = netspec.Net(tmp_path / "net.prototxt", phase="TRAIN")
    seen: list[tuple[str, int]] = []
    for when in ("before_forward", "after_forward", "before_backward", "after_backward"):
        getattr(own, when)(lambda layer, when=when: seen.append((when, layer)))
    for one in (own, plain):
        for name, blobs in net.params.items():
            for mine, blob in zip(one.params[name], blobs, strict=True):
                mine.data[...] = blob.data
        one.set_input_arrays(X, Y)
        one.forward()
        one.backward()
    assert own.loss == pytest.approx(plain.loss, rel=1e-6)
    for name, blob in plain.blobs.items():
        np.testing.assert_allclose(own.blobs[name].data, blob.data, rtol=1e-6)
        np.testing.assert_allclose(own.blobs[name].diff, blob.diff, rtol=1e-6)
    numbers = range(len(own.layers))
    ahead = [(when, layer) for layer in numbers for when in ("before_forward", "after_forward")]
    back = [(when, layer) for layer in reversed(numbers) for when in ("before_backward", "after_backward")]
    assert seen == ahead + back


@pytest.mark.parametrize(
    ("kind", "more", "wanted"),
    [
        ("AdaGrad", "", [0.0025]),
        ("RMSProp", "rms_decay: 0.9", [0.0002149376]),
        ("AdaDelta", "momentum: 0.95", [0.0001159336, 3.829431e-08]),
        ("Adam", "momentum: 0.9", [0.008597502, 2.496221e-06]),
    ],
)
def test_the_history_of_frozen_params(tmp_path: Path, kind: str, more: str, wanted: list[float]) -> None:
    """Caffe sums up the weight decay of params of `lr_mult: 0`, and has the sums in its state: that of the -0.25."""
    solver = started(tmp_path, kind, f"{more} weight_decay: -0.1")
    fed(solver, 4)
    state = solverstate.read_state(solver.snapshot(tmp_path / "made.solverstate"))
    found = [np.asarray(array).ravel()[:2] for array in state.history[2::4]]
    np.testing.assert_allclose(found, [[value, 0.0] for value in wanted], rtol=2e-5)


def test_the_long_history_of_frozen_params() -> None:
    """A closed form is what the iterations of AdaDelta come to."""
    rule, g = AdaDelta(momentum=0.9, delta=1e-3), np.array([0.5, 0.01, 0.0])
    first, second = np.zeros(3), np.zeros(3)
    for _ in range(900):
        first = 0.9 * first + 0.1 * g**2
        second = 0.9 * second + 0.1 * g**2 * (1e-3 + second) / (1e-3 + first)
    for slot, wanted in zip(rule.slots, (first, second), strict=True):
        np.testing.assert_allclose(history_of_frozen(rule, slot, g, 900), wanted, rtol=1e-9)


def test_diffs_of_splits_after_a_step(tmp_path: Path) -> None:
    """Each reader's gradient, of the weights before the update; asking for them changes nothing else."""
    twice = (
        'top: "ip2"\n inner_product_param { num_output: 2 } }\nlayer { name: "ip3" type: "InnerProduct" bottom: "ip1" '
    )
    twice += 'top: "ip3" inner_product_param { num_output: 2 } }\nlayer { name: "sum" type: "Eltwise" bottom: "ip2" '
    twice += 'bottom: "ip3" top: "sum" eltwise_param { coeff: 1 coeff: -0.5 } }'
    net = NET.replace('top: "ip2" param { lr_mult: 0 }\n        inner_product_param { num_output: 2 } }', twice)
    net = net.replace('bottom: "ip2" bottom: "target"', 'bottom: "sum" bottom: "target"')
    solver, other = (started(tmp_path, "SGD", "momentum: 0.9", net) for _ in range(2))
    for one in (solver, other):
        one.net.set_input_arrays(X, Y)
        one.step(2)
    blobs, weights = solver.net.blobs, [blob.data.copy() for blobs in solver.net.params.values() for blob in blobs]
    whole = blobs["ip1"].diff.copy()
    found = [blobs[f"ip1_ip1_0_split_{number}"].diff for number in (0, 1)]
    np.testing.assert_allclose([diff.ravel() for diff in found], SPLITS, rtol=1e-5)
    np.testing.assert_allclose(found[0] + found[1], whole, rtol=1e-5)
    np.testing.assert_array_equal(blobs["ip1"].diff, whole)
    for blob, wanted in zip((b for blobs in solver.net.params.values() for b in blobs), weights, strict=True):
        np.testing.assert_array_equal(blob.data, wanted)
    for one in (solver, other):
        one.step(2)
    for name, params in solver.net.params.items():
        for mine, theirs in zip(params, other.net.params[name], strict=True):
            np.testing.assert_array_equal(mine.data, theirs.data)
    solver.net.backward()  # by hand, of the gradients as they are
    np.testing.assert_allclose(
        sum(solver.net.blobs[f"ip1_ip1_0_split_{number}"].diff for number in (0, 1)),
        solver.net.blobs["ip1"].diff,
        rtol=1e-5,
    )
