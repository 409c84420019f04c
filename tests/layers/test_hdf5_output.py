"""HDF5Output appends batches to a file, begins it anew at the first, and passes a gradient of zeros."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netspec
from tests.helpers.checks import blob, make_layer
from tests.helpers.oracle import against

h5py = pytest.importorskip("h5py")


def test_it_has_no_top_and_a_gradient_of_zeros(tmp_path: Path) -> None:
    layer = make_layer("HDF5Output", file_name=str(tmp_path / "out.h5"))
    data, label = blob(2, 3, 4, 5), blob(2)
    result = against(lambda *_: [], layer, [data, label])
    assert result.tops == [] and all(diff is not None and not diff.any() for diff in result.bottom_diffs)
    with h5py.File(tmp_path / "out.h5") as file:
        np.testing.assert_array_equal(file["data"][:], data.astype(np.float32))
        np.testing.assert_array_equal(file["label"][:], label.astype(np.float32))


SOLVER = """
net:
  layers:
  - {name: data, type: Input, top: [data, label], shape: [[2, 1], [2]]}
  - {name: ip, type: InnerProduct, bottom: data, num_output: 3, weight_filler: {type: constant, value: 1}}
  - {name: out, type: HDF5Output, bottom: [data, label], file_name: out.h5, include: {phase: TEST}}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
data:
  train: &feed {source: {type: Arrays, values: [[[5], [6], [7], [8], [9]], [0, 1, 2, 0, 1]]}, batch_size: 2}
  test: *feed
base_lr: 0.1
lr_policy: fixed
max_iter: 3
test_interval: 1
"""


def test_a_test_writes_every_sample_once(tmp_path: Path) -> None:
    (tmp_path / "solver.yaml").write_text(SOLVER)
    solver = netspec.Solver(tmp_path / "solver.yaml")
    for _ in range(2):
        solver.test()
        with h5py.File(tmp_path / "out.h5") as file:
            assert file["data"][:, 0].tolist() == [5, 6, 7, 8, 9] and file["label"][:].tolist() == [0, 1, 2, 0, 1]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3], [2]]},
        {
            "name": "out",
            "type": "HDF5Output",
            "bottom": ["data", "label"],
            "file_name": str(tmp_path / "no" / "out.h5"),
        },
    ]
    with pytest.raises(netspec.NetspecError, match="layer 'out' cannot write"):
        netspec.Net({"layers": layers}).forward(data=blob(2, 3), label=[0, 1])
