"""`netspec train --dry-run`: what it foresees is what the training does, and it writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from netspec.core.errors import DataError, NetspecError
from netspec.training.events import Loaded, Resumed, Snapshotted
from netspec.training.events import Tested as Scored
from netspec.training.job import load_solver
from netspec.training.outlook import Outlook, outlook
from netspec.training.run import run
from netspec.training.runs import FolderInUseError, FolderTakenError

Make = Callable[..., dict[str, Any]]


def foreseen(values: dict[str, Any], folder: Path, **how: Any) -> Outlook:
    return outlook(run(load_solver(values), folder, **how))


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"snapshot": 4, "test_interval": 5, "snapshot_keep": 2},
        {"snapshot": 5, "test_interval": 7, "test_initialization": False, "iter_size": 2},
        {"snapshot": 6, "snapshot_after_train": False, "dtype": "float64"},
        {"test_interval": 20, "test_initialization": False},
        {"type": "RMSProp", "momentum": None, "rms_decay": 0.9, "test_interval": 10},
    ],
    ids=range(6),
)
def test_what_is_foreseen_happens(changes: dict[str, Any], resumed: bool, solver: Make, here: Path) -> None:
    values, folder = solver(**changes), here / "run"
    if resumed:
        list(run(load_solver(values | {"max_iter": 5, "snapshot_after_train": True}), folder))
    before = sorted(here.rglob("*"))
    plan = foreseen(values, folder, resume=resumed)
    assert sorted(here.rglob("*")) == before
    events = list(run(load_solver(values), folder, resume=resumed))
    made = [event.path for event in events if isinstance(event, Snapshotted)]
    assert (plan.begin, plan.last) == (5 * resumed, 20)
    assert sum(plan.tests.values()) == sum(isinstance(event, Scored) for event in events)
    assert plan.snapshots == len(made)
    assert isinstance(plan.taken, Resumed) == resumed
    if made:
        assert plan.snapshot_bytes == pytest.approx(made[-1].stat().st_size, rel=0.1)


def test_it_is_shown_and_nothing_is_written(solver: Make, here: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    (here / "solver.yaml").write_text(yaml.safe_dump(solver(snapshot=4, snapshot_keep=2, test_interval=10)))
    code, out, _ = cli("train", "solver.yaml", "--dry-run")
    assert code == 0
    assert "20 iterations from 0 to 20, 3.478 epochs of 23 samples\n3 tests on test\n5 snapshots of " in out
    assert "; 2 stay: " in out and "run folder runs/solver-1\n" in out and "weights loaded" not in out
    assert out.endswith("nothing was trained, and no file written\n")
    assert [path.name for path in here.iterdir()] == ["solver.yaml"]


def test_it_says_what_would_be_loaded(solver: Make, here: Path) -> None:
    list(run(load_solver(solver(max_iter=1)), here / "one"))
    (file,) = (here / "one/snapshots").iterdir()
    plan = foreseen(solver(), here / "two", weights=file)
    assert isinstance(plan.taken, Loaded) and str(plan).startswith(f"weights from {file}: 4 params loaded\n")
    plan = foreseen(solver(base_lr=0.5), here / "one", resume=True)
    assert "changed since:\n  base_lr: 0.1 -> 0.5\n  max_iter: 1 -> 20\n" in str(plan)


def test_it_fails_where_the_training_would(solver: Make, here: Path) -> None:
    gone = solver()
    gone["data"]["test"]["source"]["outputs"] = ["gone.npy", "gone.npy"]
    with pytest.raises(DataError, match=r"gone\.npy"):
        foreseen(gone, here / "run")
    with pytest.raises(NetspecError, match=r"no snapshot 'gone\.safetensors'"):
        foreseen(solver(), here / "run", weights="gone.safetensors")
    (here / "taken").mkdir()
    (here / "taken/file").touch()
    with pytest.raises(FolderTakenError):
        foreseen(solver(), here / "taken")
    with pytest.raises(NetspecError, match="is a file, not a folder"):
        foreseen(solver(), here / "taken/file")
    with run(load_solver(solver(max_iter=2)), here / "busy") as training:
        list(zip(training, range(3), strict=False))
        with pytest.raises(FolderInUseError):
            foreseen(solver(), here / "busy", resume=training.folder / "snapshots")
