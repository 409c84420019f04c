"""A run folder in Python: its contents, the scores of its snapshots, and its nets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from netspec.training.events import Finished, Snapshotted
from netspec.training.events import Tested as Scored
from netspec.training.job import load_solver
from netspec.training.run import run
from tests.conftest import TEST_SAMPLES, samples


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "tiny"


@pytest.fixture
def trained(folder: Path, solver: Callable[..., dict[str, Any]]) -> netspec.Run:
    if not folder.exists():
        values = solver(snapshot=8, dtype="float64", stage=["late"])
        values["net"]["layers"].insert(3, {"name": "tanh", "type": "TanH", "include": {"stage": "late"}})
        list(run(load_solver(values), folder))
    return netspec.Run(folder)


def test_what_a_run_holds(trained: netspec.Run, folder: Path) -> None:
    assert trained.path == folder
    assert trained.config["max_iter"] == 20 and trained.config["net"]["name"] == "tiny"
    assert trained.environment["versions"]["netspec"] == netspec.__version__
    assert [type(event) for event in trained.events] == [Snapshotted, Snapshotted, Snapshotted, Scored, Finished]
    assert [path.stem for path in trained.snapshots] == ["iter_000008", "iter_000016", "iter_000020"]
    assert repr(trained) == f"<Run '{folder}': 20 iterations, 3 snapshots>"
    assert repr(netspec.Run(str(folder))) == repr(trained)


def test_the_scores_are_those_of_the_training(trained: netspec.Run) -> None:
    scored = next(event for event in trained.events if isinstance(event, Scored))
    assert trained.test() == trained.test(trained.snapshots[-1]) == scored.outputs
    assert trained.test(str(trained.snapshots[0])) != scored.outputs


def test_the_scores_are_those_of_the_command(trained: netspec.Run, cli: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = cli("test", trained.path, "--format", "csv")
    own = trained.test()
    rows = [line.split(",") for line in out.splitlines()[1 : 1 + len(own)]]
    assert code == 0 and {name: float(value) for name, value in rows} == own


def test_the_net_of_a_run_computes_its_scores(trained: netspec.Run) -> None:
    net = trained.net(batch=TEST_SAMPLES)
    assert "tanh" in net.params or "tanh" in net.blobs  # the stages of the solver
    image, label = samples(TEST_SAMPLES, 8)
    found = net.forward(data=image, label=label)
    assert {name: float(value) for name, value in found.items()} == pytest.approx(trained.test(), rel=1e-9)
    assert net.blobs["data"].data.dtype == np.float64


def test_nets_of_a_phase_and_of_a_snapshot(trained: netspec.Run) -> None:
    train, early = trained.net("TRAIN"), trained.net(snapshot=trained.snapshots[0])
    assert train.outputs == ["loss"] and train.blobs["data"].data.shape[0] == 4
    assert not np.array_equal(train.params["ip"][0].data, early.params["ip"][0].data)
    with pytest.raises(NetspecError, match="no phase 'VAL'"):
        trained.net("VAL")  # type: ignore[arg-type]
    with pytest.raises(NetspecError, match="there is no snapshot"):
        trained.net(snapshot="gone.safetensors")


def test_the_configuration_can_be_trained_again(trained: netspec.Run) -> None:
    with netspec.Solver(trained.config) as solver:
        solver.solve()
        np.testing.assert_array_equal(solver.net.params["ip"][0].data, trained.net().params["ip"][0].data)


def test_a_run_without_snapshots(solver: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    list(run(load_solver(solver(max_iter=1, snapshot_after_train=False)), tmp_path / "run"))
    for ask in (netspec.Run(tmp_path / "run").test, netspec.Run(tmp_path / "run").net):
        with pytest.raises(NetspecError, match="has no snapshot yet"):
            ask()


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(NetspecError, match="is not the folder of a run"):
        netspec.Run(tmp_path)


def test_names_of_the_package_are_loaded_when_they_are_used() -> None:
    code = "import sys, netspec; assert 'netspec.api' not in sys.modules and 'pydantic' not in sys.modules\n"
    code += "netspec.Run; assert 'numba' not in sys.modules\n"
    code += "from netspec.api import Net, Run, Solver; assert Net is netspec.Net and Solver is netspec.Solver"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert set(netspec.__all__) >= {"Net", "Run", "Solver"}
    with pytest.raises(AttributeError, match="no attribute 'Trainer'"):
        netspec.api.Trainer  # noqa: B018
