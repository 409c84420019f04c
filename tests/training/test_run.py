"""A training in its run folder, without a command line: its events, its files, resuming, and its end."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from netspec.core.errors import NetspecError, UsageError
from netspec.training import events, runs, snapshot
from netspec.training.blame import NotFiniteLossError
from netspec.training.container import MissingSnapshotError
from netspec.training.events import Display, Finished, Loaded, Opened, Resumed, Snapshotted, Started
from netspec.training.events import Tested as Scored
from netspec.training.job import Job, load_solver
from netspec.training.run import load_tester, run
from netspec.training.runs import FolderInUseError, FolderTakenError, NoRunError

Make = Callable[..., dict[str, Any]]
NOTES = (Opened, Resumed, Loaded, Started)


@pytest.fixture
def job(solver: Make) -> Callable[..., Job]:
    return lambda *overrides, **changes: load_solver(solver(**changes), overrides)


def kinds(found: Iterable[Any]) -> list[tuple[type, int]]:
    return [(type(event), getattr(event, "iteration", 0)) for event in found]


def test_notes_come_first_then_events_in_order(job: Callable[..., Job], tmp_path: Path) -> None:
    found = list(run(job(max_iter=6, test_interval=4, display=3, snapshot=4), tmp_path / "run"))
    assert kinds(found) == [
        (Opened, 0),
        (Started, 0),
        (Scored, 0),
        (Display, 0),
        (Display, 3),
        (Snapshotted, 4),
        (Scored, 4),
        (Snapshotted, 6),
        (Scored, 6),
        (Finished, 6),
    ]
    opened, started = found[:2]
    assert (opened.net, opened.params, opened.folder) == ("tiny", 95, tmp_path / "run")
    assert (started.seed, len(started.data), started.folder) == (1, 2, tmp_path / "run")
    assert started.threads >= 1 and started.arena > 0


def test_what_is_yielded_is_what_is_kept(job: Callable[..., Job], tmp_path: Path) -> None:
    found = list(run(job(max_iter=6, test_interval=4, display=3, snapshot=4), tmp_path / "run"))
    kept = runs.read(tmp_path / "run")
    assert kept.events == [event for event in found if not isinstance(event, NOTES)]
    *log, best = [line.split(" ", 2)[2] for line in (tmp_path / "run" / "log.txt").read_text().splitlines()]
    assert log == [line for event in found[1:] for line in str(event).split("\n")]
    assert best.startswith("best test/accuracy ")
    assert kept.environment["threads"] == found[1].threads
    assert kept.snapshots == [event.path for event in found if isinstance(event, Snapshotted)]


def test_every_event_is_kept_before_it_is_given(job: Callable[..., Job], tmp_path: Path) -> None:
    seen: list[Any] = []
    for event in run(job(max_iter=3, display=1), tmp_path / "run"):
        if not isinstance(event, NOTES):
            seen.append(event)
            assert runs.read(tmp_path / "run").events == seen


def test_nothing_happens_before_the_first_event_is_asked_for(job: Callable[..., Job], tmp_path: Path) -> None:
    training = run(job(), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert (training.folder, training.progress.iteration, training.progress.last) == (tmp_path / "run", 0, 20)
    assert math.isnan(training.progress.loss)


def test_stopped_and_resumed_ends_with_the_same_bytes(job: Callable[..., Job], tmp_path: Path) -> None:
    whole, half = tmp_path / "whole", tmp_path / "half"
    list(run(job(display=1), whole))
    with run(
        job(display=1), half, stopping=lambda: "boredom" if training.progress.iteration == 7 else None
    ) as training:
        stopped = list(training)
    assert kinds(stopped[-2:]) == [(Snapshotted, 7), (Finished, 7)]
    assert stopped[-1].stopped == "boredom" and str(stopped[-1]).endswith("stopped by boredom")
    resumed = list(run(job(display=1), half, resume=True))
    assert resumed[1] == Resumed(half / "snapshots" / snapshot.name(7), 7, (), 20)
    last = Path("snapshots") / snapshot.name(20)
    assert (half / last).read_bytes() == (whole / last).read_bytes()
    displays = [[e.loss for e in runs.read(of).events if isinstance(e, Display)] for of in (whole, half)]
    assert displays[0] == displays[1] and len(displays[0]) == 20


@pytest.mark.parametrize("given", ["file", "snapshots", "folder"])
def test_resumed_from_a_place(job: Callable[..., Job], tmp_path: Path, given: str) -> None:
    """From a snapshot, a folder of snapshots or a run folder, a run resumes in its own run folder."""
    folder = tmp_path / "run"
    list(run(job(snapshot=5, max_iter=10), folder))
    file = folder / "snapshots" / snapshot.name(10)
    place = {"file": file, "snapshots": file.parent, "folder": folder}[given]
    training = run(job(), resume=place)
    assert training.folder == folder
    assert next(e for e in training if isinstance(e, Resumed)).iteration == 10


def test_resumed_in_another_folder(job: Callable[..., Job], tmp_path: Path) -> None:
    list(run(job(snapshot=5, max_iter=5), tmp_path / "first"))
    file = tmp_path / "first" / "snapshots" / snapshot.name(5)
    notes = list(run(job(max_iter=5), str(tmp_path / "second"), resume=str(file)))
    assert str(notes[1]) == (
        f"resumed from {file} at iteration 5\nnothing left to train: iteration 5 is done, and the training ends at 5"
    )
    assert [path.name for path in runs.read(tmp_path / "second").snapshots] == [snapshot.name(5)]


def test_a_run_that_was_stopped_before_its_first_snapshot_begins_anew(job: Callable[..., Job], tmp_path: Path) -> None:
    with run(job(), tmp_path / "run") as training:
        next(training), next(training)
    assert (tmp_path / "run" / "config.yaml").exists()
    found = kinds(run(job(max_iter=2), tmp_path / "run", resume=True))
    assert (Started, 0) in found and (Resumed, 0) not in found


def test_folders_are_chosen_by_name(job: Callable[..., Job], here: Path) -> None:
    for _ in range(2):
        list(run(job(max_iter=1)))
    assert sorted(path.name for path in (here / "runs").iterdir()) == ["tiny-1", "tiny-2"]
    assert run(job(), resume=True).folder == Path("runs/tiny-2")


def test_there_is_nothing_to_resume(job: Callable[..., Job], here: Path) -> None:
    with pytest.raises(NoRunError, match="no run of 'tiny'"):
        run(job(), resume=True)
    with pytest.raises(NoRunError, match="'nowhere' holds no snapshot"):
        run(job(), Path("nowhere"), resume=True)
    with pytest.raises(MissingSnapshotError):
        list(run(job(), Path("run"), resume=Path("gone.safetensors")))
    assert list(here.iterdir()) == []


def test_weights_of_the_caller_come_before_those_of_the_solver(job: Callable[..., Job], tmp_path: Path) -> None:
    list(run(job(max_iter=2), tmp_path / "first"))
    (file,) = runs.read(tmp_path / "first").snapshots
    note = next(e for e in run(job(max_iter=1), tmp_path / "given", weights=file) if isinstance(e, Loaded))
    assert str(note) == f"weights from {file}: 4 params loaded"
    own = job(max_iter=1, weights=str(file))
    assert next(e for e in run(own, tmp_path / "own") if isinstance(e, Loaded)).paths == (file,)
    gone = job(max_iter=1, weights="gone.safetensors")
    list(run(gone, tmp_path / "both", weights=file))
    with pytest.raises(MissingSnapshotError) as caught:
        list(run(gone, tmp_path / "none"))
    assert caught.value.at is not None  # the line of the solver that names it
    assert not (tmp_path / "none").exists()


def test_a_folder_in_use_and_a_folder_that_is_taken(job: Callable[..., Job], tmp_path: Path) -> None:
    with run(job(max_iter=2), tmp_path / "run") as training:
        next(training)
        with pytest.raises(FolderInUseError):
            next(run(job(), tmp_path / "run"))
        list(training)
    with pytest.raises(FolderTakenError):
        next(run(job(), tmp_path / "run"))


def test_a_closed_training_frees_its_folder(job: Callable[..., Job], tmp_path: Path) -> None:
    with run(job(display=1), tmp_path / "run") as training:
        for event in training:
            if isinstance(event, Display):
                break
    assert next(run(job(), tmp_path / "run", resume=True))
    assert kinds(runs.read(tmp_path / "run").events) == [(Display, 0)]


def test_progress_while_it_trains(job: Callable[..., Job], tmp_path: Path) -> None:
    with run(job(display=1, max_iter=4, iter_size=2), tmp_path / "run") as training:
        for event in training:
            if isinstance(event, Display):
                now = training.progress
                assert (now.iteration, now.last, now.samples) == (event.iteration + 1, 4, 8)
                assert now.loss == event.loss


def test_why_a_run_ended_stands_in_its_log(job: Callable[..., Job], tmp_path: Path) -> None:
    with pytest.raises(NotFiniteLossError) as caught:
        list(run(job(base_lr=1e30), tmp_path / "run"))
    assert str(caught.value) in (tmp_path / "run" / "log.txt").read_text()
    assert next(run(job(), tmp_path / "run", resume=True))  # the folder is free


def test_a_tester_gives_the_scores_of_the_training(job: Callable[..., Job], tmp_path: Path) -> None:
    *_, tested, _ = run(job(), tmp_path / "run")
    file = runs.read(tmp_path / "run").latest
    assert file is not None
    tester, loaded = load_tester(job(), file)
    assert tester.run() == (tested.outputs, tested.samples)
    assert loaded.report.left == ()


def test_a_tester_needs_test_data(solver: Make, tmp_path: Path) -> None:
    values = solver()
    del values["data"]["test"]
    with pytest.raises(UsageError, match="has no test data"):
        load_tester(load_solver(values), tmp_path / "any.safetensors")


def test_no_error_is_foreign(job: Callable[..., Job], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NetspecError, match="is a file, not a folder"):
        next(run(job(), tmp_path / "file"))


def test_rows_are_those_of_the_file(job: Callable[..., Job], tmp_path: Path) -> None:
    found = [event for event in run(job(max_iter=2), tmp_path / "run") if not isinstance(event, NOTES)]
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert rows == [events.row(event) for event in found]


def test_the_log_ends_with_the_best_test(job: Callable[..., Job], tmp_path: Path) -> None:
    training = run(job(max_iter=4, test_interval=2), tmp_path / "run")
    list(training)
    assert training.best is not None
    iteration, score = training.best
    *_, done, best = (tmp_path / "run" / "log.txt").read_text().splitlines()
    assert "done at iter 4 epoch 0.70 after 0:00:0" in done
    assert best.endswith(f"best test/accuracy {score:.4f} at iter {iteration} epoch {iteration * 4 / 23:.2f}")
