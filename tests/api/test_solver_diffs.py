"""Diffs behind a step of a solver of Caffe: params hold what was subtracted from them, blobs their gradients."""

from __future__ import annotations

from pathlib import Path

import pytest

import netspec

pytestmark = pytest.mark.filterwarnings("ignore::netspec.core.errors.NetspecWarning")

NET = """
layer { name: "data" type: "DummyData" top: "data" top: "target" dummy_data_param {
  shape { dim: 2 dim: 3 } shape { dim: 2 dim: 1 }
  data_filler { type: "constant" value: 0.5 } data_filler { type: "constant" value: 2 } } }
layer { name: "ip1" type: "InnerProduct" bottom: "data" top: "ip1" inner_product_param { num_output: 4
  weight_filler { type: "constant" value: 0.2 } bias_filler { type: "constant" value: 0.1 } } }
layer { name: "tanh" type: "TanH" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2" inner_product_param { num_output: 1
  weight_filler { type: "constant" value: 0.3 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip2" bottom: "target" top: "loss" }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" weight_decay: 0.05 iter_size: 2 clip_gradients: 1.5
snapshot_prefix: "s" max_iter: 9 """
BY_CAFFE = {
    'type: "SGD" momentum: 0.9': [-0.01101214, -0.02486679, -0.03545291, -0.09831651],
    'type: "Nesterov" momentum: 0.9': [-0.01589845, -0.03583483, -0.05135423, -0.1371037],
    'type: "AdaGrad" delta: 1e-6': [-0.06184454, -0.06477031, -0.07871268, -0.06438746],
    'type: "RMSProp" rms_decay: 0.9': [0.2351121, 0.1869784, 0.2799225, 0.191681],
    'type: "AdaDelta" momentum: 0.95 delta: 1e-4': [-0.003554323, -0.004274146, -0.00442964, -0.004494668],
    'type: "Adam" momentum: 0.9': [-0.0986797, -0.09925238, -0.09989981, -0.09918468],
}
"""Diffs of the four params after two iterations, by BVLC Caffe 1.0."""


def solver(folder: Path, text: str) -> netspec.Solver:
    """A Solver of the net with a solver's text."""
    (folder / "net.prototxt").write_text(NET)
    (folder / "solver.prototxt").write_text(text)
    return netspec.Solver(folder / "solver.prototxt")


@pytest.mark.parametrize("text", BY_CAFFE)
def test_param_diffs_hold_the_update(tmp_path: Path, text: str) -> None:
    made = solver(tmp_path, SOLVER + text)
    made.step(2)
    found = [param.diff.flat[0] for name in ("ip1", "ip2") for param in made.net.params[name]]
    assert found == pytest.approx(BY_CAFFE[text], rel=2e-5)


def test_weights_have_the_bits_of_a_training_without_shown_diffs(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER + "momentum: 0.9")
    shown, hidden = (netspec.Solver(tmp_path / "solver.prototxt", keep=keep) for keep in (True, ["ip1"]))
    plain = netspec.Solver(tmp_path / "solver.prototxt", keep=False)
    for made in (shown, hidden, plain):
        made.step(3)
    for name in ("ip1", "ip2"):
        for one, two, three in zip(*(made.net.params[name] for made in (shown, hidden, plain)), strict=True):
            assert (one.data == two.data).all()
            assert (one.data == three.data).all()


def test_blobs_have_their_diffs_from_the_first_look_on(tmp_path: Path) -> None:
    made = solver(tmp_path, SOLVER)
    made.step(1)
    assert made.net.blobs["ip1"].diff[0, 0] == pytest.approx(-0.1981738, rel=1e-6)  # by BVLC Caffe 1.0


def test_margins_of_a_hinge_loss_are_overwritten_by_its_backward(tmp_path: Path) -> None:
    solver(tmp_path, SOLVER)
    text = NET.replace("EuclideanLoss", "HingeLoss").replace("value: 2 }", "value: 0 }")
    (tmp_path / "net.prototxt").write_text(text)
    made = netspec.Solver(tmp_path / "solver.prototxt")
    made.step(1)
    assert made.net.blobs["ip2"].diff.tolist() == [[-0.5], [-0.5]]


def test_a_solver_may_leave_out_rate_and_length(tmp_path: Path) -> None:
    made = solver(tmp_path, 'net: "net.prototxt" lr_policy: "poly"')
    before = made.net.params["ip1"][0].data.copy()
    made.step(2)
    assert (made.iter, made.lr) == (2, 0.0)
    assert (made.net.params["ip1"][0].data == before).all()
