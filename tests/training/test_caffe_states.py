"""States of Caffe's solver: a training that goes on from them goes on bit for bit, and what does not fit is said."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import SnapshotError
from netspec.engine.weights import params_by_key
from netspec.formats import caffe_hdf5, solverstate
from netspec.formats.solverstate import SolverState
from netspec.training.caffe_saving import save, save_state, state_of
from netspec.training.caffe_states import OtherSolverError
from netspec.training.container import MissingSnapshotError

Make = Callable[..., dict[str, Any]]


def values(solver: Make, **settings: Any) -> dict[str, Any]:
    """A solver whose last bias stands still, and has a zero history in Caffe's files."""
    made = solver(max_iter=8, weight_decay=0.01, **settings)
    if made.get("type") in ("AdaGrad", "RMSProp"):
        del made["momentum"]
    made["params"] = [{"match": "ip.bias", "lr_mult": 0}]
    return made


def saved(one: netspec.Solver, folder: Path, ending: str = "", net: str | None = None) -> Path:
    """The state of a solver as Caffe's files, of which the second is returned."""
    session = one._session
    held, path = (folder / f"net_iter_{one.iter}.{kind}{ending}" for kind in ("caffemodel", "solverstate"))
    save(held, session.train.shaped, params_by_key(session.train.shaped, session.train.weights))
    save_state(path, state_of(session.state(), one.job, held.name if net is None else net, session.course))
    return path


def params(one: netspec.Solver) -> list[np.ndarray]:
    return [param.data.copy() for own in one.net.params.values() for param in own]


def resumed(made: dict[str, Any], path: Path) -> tuple[netspec.Solver, list[str]]:
    one = netspec.Solver(made)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        one.restore(path)
        one.step(0)
    return one, [str(each.message) for each in said if "NS732" in str(each.message)]


@pytest.mark.parametrize("ending", ["", ".h5"])
@pytest.mark.parametrize("type", ["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"])
def test_a_training_goes_on_bit_for_bit(solver: Make, tmp_path: Path, type: str, ending: str) -> None:
    policy = {"type": "multistep", "gamma": 0.5, "stepvalue": [2, 6]}
    made = values(solver, type=type, lr_policy=policy)
    one = netspec.Solver(made)
    one.step(4)
    path = saved(one, tmp_path, ending)
    one.step(3)
    two, said = resumed(made, path)
    assert two.iter == 4 and len(said) == 1 and "no random numbers and no place in the data" in said[0]
    two.step(3)
    for own, wanted in zip(params(two), params(one), strict=True):
        np.testing.assert_array_equal(own, wanted)
    read = caffe_hdf5.read_state if ending else solverstate.read_state
    state = read(path)
    number = len(params(one))
    assert state.current_step == 1 and len(state.history) == number * (2 if type in ("AdaDelta", "Adam") else 1)
    assert not state.history[number - 1].any() and state.history[0].any()


def test_a_loop_in_caffes_way_goes_on_with_its_own_data(solver: Make, tmp_path: Path) -> None:
    """Caffe's data begin anew in a new process, and go on where they are in the same."""
    made = values(solver, loop="caffe", test_iter=1)
    one = netspec.Solver(made)
    path = saved(one, tmp_path)
    one.step(3)
    after = params(one)
    two, said = resumed(made, path)
    assert not said
    two.step(3)
    assert all(np.array_equal(own, wanted) for own, wanted in zip(params(two), after, strict=True))
    one.restore(path)
    assert one.iter == 0 and one._session.shift == 3


def test_weights_are_looked_for_beside_the_state(solver: Make, tmp_path: Path) -> None:
    made = values(solver)
    one = netspec.Solver(made)
    one.step(2)
    path = saved(one, tmp_path, net="/somewhere/else/net_iter_2.caffemodel")
    two, said = resumed(made, path)
    assert all(np.array_equal(a, b) for a, b in zip(params(two), params(one), strict=True))
    assert "its weights" not in said[0]
    (tmp_path / "other").mkdir()
    (tmp_path / "net_iter_2.caffemodel").rename(tmp_path / "other/net.caffemodel")
    with pytest.raises(MissingSnapshotError, match="names its weights '/somewhere/else/net_iter_2"):
        netspec.Solver(made).restore(path)
    path = saved(one, tmp_path, net=str(tmp_path / "other/net.caffemodel"))
    _, said = resumed(made, path)
    assert "its weights are those of '" in said[0] and "other/net.caffemodel', as it says" in said[0]


def test_a_state_without_weights_leaves_them(solver: Make, tmp_path: Path) -> None:
    made = values(solver)
    one = netspec.Solver(made)
    before = params(one)
    history = [np.ones(param.data.shape, "f4") for own in one.net.params.values() for param in own]
    path = tmp_path / "x.solverstate"
    path.write_bytes(b"".join(solverstate.pieces(5, "", history)))
    two, _ = resumed(made, path)
    assert two.iter == 5 and all(np.array_equal(a, b) for a, b in zip(params(two), before, strict=True))
    assert all(array.min() == 1 for array in two._session.state().history.values())


def test_what_does_not_fit(solver: Make, tmp_path: Path) -> None:
    made = values(solver, momentum=0.9)
    one = netspec.Solver(made)
    before, path = params(one), tmp_path / "x.solverstate"
    shapes = [param.data.shape for own in one.net.params.values() for param in own]

    def refused(state: SolverState, said: str, error: type[SnapshotError] = OtherSolverError, **other: Any) -> None:
        save_state(path, state)
        with pytest.raises(error, match=said) as caught:
            netspec.Solver(values(solver, **other) if other else made).restore(path)
        assert caught.value.exit_code == 7

    right = tuple(np.zeros(shape, "f4") for shape in shapes)
    refused(SolverState(3, "", right[:-1]), "a history of 3 arrays, and SGD has 1 array for each of 4 params")
    refused(SolverState(3, "", right), "and Adam has 2 arrays for each of 4 params", type="Adam")
    refused(
        SolverState(3, "", (np.zeros(2, "f4"), *right[1:])), "has a history of 2 for 'conv.weight', which is 2x1x3x3"
    )
    refused(SolverState(3, "", right), "Caffe has no solver type Lion, and no state of it", type="Lion")
    refused(SolverState(3, "../../x.caffemodel", right), "names its weights", MissingSnapshotError)
    with pytest.raises(MissingSnapshotError):
        one.restore(tmp_path / "y.solverstate")
    assert one.iter == 0 and all(np.array_equal(a, b) for a, b in zip(params(one), before, strict=True))


def test_the_place_in_the_data_is_kept_by_netspecs_own_snapshots(solver: Make, tmp_path: Path) -> None:
    made = values(solver, loop="caffe", test_iter=1)
    one = netspec.Solver(made)
    path = saved(one, tmp_path)
    one.step(3)
    one.restore(path)  # three batches on
    one.step(1)
    one.snapshot(tmp_path / "own.safetensors")
    one.step(3)
    two = netspec.Solver(made)
    two.restore(tmp_path / "own.safetensors")
    two.step(3)
    assert all(np.array_equal(own, wanted) for own, wanted in zip(params(two), params(one), strict=True))
