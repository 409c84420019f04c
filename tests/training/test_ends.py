"""A training that has ended, by itself or by force, and goes on: longer, elsewhere, or with other goals.

The scores of its tests are prescribed, by the iteration.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.api import Solver
from netspec.core.errors import DataError
from netspec.core.outputs import WriteError
from netspec.language.document import dump
from netspec.training import budgets, snapshot, tester
from netspec.training.events import Finished, Unwritten
from netspec.training.events import Tested as Scored
from netspec.training.job import load_solver
from netspec.training.run import run
from netspec.training.runs import RunFolder
from netspec.training.session import Session
from tests.helpers.runs import rows

Make = Callable[..., dict[str, Any]]

ACCURACY = {0: 0.1, 2: 0.0, 4: 0.5, 8: 0.3, 9: 0.0, 10: 0.9, 12: 0.4, 16: 0.2}


@pytest.fixture(autouse=True)
def _prescribed(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = tester.Tester.run

    def run(self: tester.Tester, on: str | None = None, *between: Any) -> tuple[dict[str, float], int]:
        means, samples = measured(self, on, *between)
        assert self.owner is not None
        return means | {"accuracy": ACCURACY[self.owner.iterations.iteration]}, samples

    monkeypatch.setattr(tester.Tester, "run", run)


def trained(values: dict[str, Any], folder: Path, **how: Any) -> list[Any]:
    with run(load_solver(values), folder, threads=1, **{"resume": folder.exists(), **how}) as training:
        return list(training)


def best(folder: Path) -> bytes:
    return (folder / "snapshots/best.safetensors").read_bytes()


def test_the_best_of_a_run_that_is_made_longer(solver: Make, tmp_path: Path) -> None:
    """The last test of the shorter run was its best; the longer one does not make it, and has another best."""
    values = solver(test_interval=4, snapshot_keep=1, best={})
    trained(values | {"max_iter": 16}, tmp_path / "whole")
    trained(values | {"max_iter": 10}, tmp_path / "run")
    folder = tmp_path / "run/snapshots"
    assert snapshot.read(folder / "best.safetensors").iteration == 10
    trained(values | {"max_iter": 16}, tmp_path / "run")
    kept, wanted = (snapshot.read(tmp_path / run / "snapshots/best.safetensors") for run in ("run", "whole"))
    assert kept.iteration == wanted.iteration == 4 and kept.tests == wanted.tests
    assert all((kept.weights[key] == wanted.weights[key]).all() for key in wanted.weights)
    assert snapshot.read(folder / "replaced/iter_000010.safetensors").iteration == 10
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")


def test_the_best_of_a_run_that_goes_on_in_another_folder(solver: Make, tmp_path: Path) -> None:
    values = solver(test_interval=4, snapshot_keep=1, best={})
    trained(values | {"max_iter": 8}, tmp_path / "run")
    begin = tmp_path / "run/snapshots/iter_000008.safetensors"
    trained(values | {"max_iter": 12}, tmp_path / "other", resume=begin)
    assert best(tmp_path / "other") == best(tmp_path / "run")


@pytest.mark.parametrize("damage", ["truncated", "of another training"])
def test_a_best_file_that_is_not_of_this_training(solver: Make, tmp_path: Path, damage: str) -> None:
    """It is set aside, though it is of the right iteration."""
    values = solver(test_interval=4, snapshot_keep=1, best={})
    trained(values | {"max_iter": 8}, tmp_path / "run")
    file = tmp_path / "run/snapshots/best.safetensors"
    if damage == "truncated":
        other = file.read_bytes()[:-1]
        aside = "best.damaged.safetensors"
    else:
        trained(values | {"max_iter": 4, "test_initialization": False}, tmp_path / "other")
        other = (tmp_path / "other/snapshots/iter_000004.safetensors").read_bytes()
        aside = "iter_000004.safetensors"
    file.unlink()
    file.write_bytes(other)
    trained(values | {"max_iter": 12}, tmp_path / "run")
    assert not file.exists()
    assert (file.parent / "replaced" / aside).read_bytes() == other


def early(solver: Make, **fields: Any) -> dict[str, Any]:
    """A solver that ends at iteration 12: it has gained nothing since iteration 4."""
    values = solver(test_interval=4, early_stop={"patience": 2}, max_iter=16, **fields)
    data = values["data"]
    return values | {"data": data | {"tests": {name: data["test"] for name in ("one", "two")}}}


@pytest.mark.parametrize("every", [0, 4], ids=["", "with a snapshot of the iteration before the test"])
@pytest.mark.parametrize("feed", ["test", "one"])
def test_an_early_end_that_is_stopped_goes_on_with_its_tests(
    solver: Make, tmp_path: Path, feed: str, every: int
) -> None:
    values = early(solver, snapshot=every)
    whole = trained(values, tmp_path / "whole")
    assert [(e.feed, e.iteration) for e in whole if isinstance(e, Scored)][-3:] == [
        ("test", 12),
        ("one", 12),
        ("two", 12),
    ]
    made: list[str] = []
    job = load_solver(values)
    with run(job, tmp_path / "run", threads=1, stopping=lambda: "SIGINT" if feed in made else None) as training:
        for event in training:
            made += [event.feed] if isinstance(event, Scored) and event.iteration == 12 else []
    assert isinstance(event, Finished) and event.stopped == "SIGINT"
    again = trained(values, tmp_path / "run")[-1]
    assert again.early == whole[-1].early and "restored" in again.early
    assert rows(tmp_path / "run") == rows(tmp_path / "whole")
    for path in (tmp_path / "whole/snapshots").glob("*.safetensors"):
        assert (tmp_path / "run/snapshots" / path.name).read_bytes() == path.read_bytes()


def test_an_early_end_at_the_best_test_tests_nothing_twice(solver: Make, tmp_path: Path) -> None:
    """The test at iteration 4 is better than the first, but not by as much as a gain must be."""
    values = early(solver) | {"early_stop": {"patience": 1, "min_gain": 0.45}}
    values["data"]["tests"]["one"] = values["data"]["tests"]["one"] | {"test_interval": 2}
    events = trained(values, tmp_path / "run")
    assert (events[-1].iteration, "best 0.5000 at iter 4" in events[-1].early) == (4, True)
    assert [e.feed for e in events if isinstance(e, Scored) and e.iteration == 4] == ["test", "one", "two"]


def test_less_patience_on_resume_ends_at_the_next_test(solver: Make, tmp_path: Path) -> None:
    values = early(solver) | {"early_stop": {"patience": 9}}
    trained(values | {"max_iter": 9}, tmp_path / "run")
    events = trained(values | {"early_stop": {"patience": 1}}, tmp_path / "run")
    end = events[-1]
    assert (end.iteration, end.stopped) == (12, None) and "restored" in end.early
    last = snapshot.read(tmp_path / "run/snapshots/iter_000012.safetensors")
    kept = snapshot.read(tmp_path / "run/snapshots/best.safetensors")
    assert kept.iteration == 4 and all((last.weights[key] == kept.weights[key]).all() for key in kept.weights)


def test_a_test_that_is_made_again_counts_once(solver: Make, tmp_path: Path) -> None:
    one = Solver(solver(test_interval=4, max_iter=8), threads=1, keep=False)
    for _ in one.events():
        break
    one.solve()
    one.step()
    state = snapshot.read(one.snapshot(tmp_path / "9.safetensors"))
    assert [iteration for iteration, _ in state.tests] == [0, 4, 8]
    one.close()


def test_rows_of_no_text_are_left_out_on_resume(solver: Make, tmp_path: Path) -> None:
    values = solver(test_interval=4, max_iter=8)
    trained(values, tmp_path / "run")
    before = rows(tmp_path / "run")
    with (tmp_path / "run/metrics.jsonl").open("ab") as file:
        file.write(b'\xff\xfe\n{"event": "display", "iteration": 1e999}\n\0\0')
    trained(values, tmp_path / "run")
    assert rows(tmp_path / "run") == before


def test_bad_data_are_told_where_the_disk_is_full_too(
    solver: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Session.step

    def bad(self: Session) -> float:
        if self.iteration == 3:
            raise DataError("a bad sample")
        return step(self)

    def full(self: Session, path: Path) -> None:
        raise WriteError(f"'{path}' cannot be written: No space left on device")

    monkeypatch.setattr(Session, "step", bad)
    monkeypatch.setattr(Session, "snapshot", full)

    told: list[Any] = []
    with pytest.raises(DataError, match="a bad sample"):
        told.extend(run(load_solver(solver(max_iter=8)), tmp_path / "run", threads=1))
    reasons = [event.reason for event in told if isinstance(event, Unwritten)]
    assert [reason.rpartition("; ")[2] for reason in reasons] == ["there is no snapshot of iteration 3"]


def test_a_refused_file_does_not_hide_what_stopped_a_run(
    solver: Make, tmp_path: Path, cli: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "solver.yaml").write_text(dump(solver(max_iter=8)), encoding="utf-8")
    monkeypatch.setattr(budgets.Budgets, "used_up", lambda self: "max_time")
    monkeypatch.setattr(RunFolder, "refusals", lambda self: [Unwritten(self.path, "no room for a file")])
    code, _, said = cli("train", tmp_path / "solver.yaml", "-o", tmp_path / "run")
    assert code == 8 and "no room for a file" in said
