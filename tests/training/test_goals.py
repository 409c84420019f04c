"""A training with several test sets, best weights and an early stop: what it does when, and that it resumes exactly.

A run is killed by closing it behind an event: nothing is written from there on, as after SIGKILL.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.api import Run, Solver
from netspec.core.errors import NetspecError, UsageError
from netspec.language.document import dump
from netspec.training import runs, snapshot
from netspec.training.blame import NotFiniteLossError
from netspec.training.events import Display, Event, Finished, Snapshotted, Unwritten
from netspec.training.events import Tested as Scored
from netspec.training.job import load_solver
from netspec.training.run import run
from tests.helpers.runs import rows
from tests.helpers.sessions import session

Make = Callable[..., dict[str, Any]]
Cli = Callable[..., tuple[int, str, str]]

ITERATIONS = {"test_interval": 4, "snapshot": 9, "display": 2, "max_iter": 60}
EPOCHS = {"test_interval": "1 epoch", "snapshot": "2 epochs", "display": "1 epoch", "max_epoch": 21, "max_iter": None}
MIXED = {**EPOCHS, "snapshot": 7, "display": 1, "max_iter": 60}


def several(solver: Make, **fields: Any) -> dict[str, Any]:
    """A solver with a validation set, a test set, and two further sets, in batches of different sizes."""
    values = solver(**{"average_loss": 3, "iter_size": 2, "snapshot_keep": 2, **fields})
    data = values["data"] = copy.deepcopy(values["data"])
    source = data["test"]["source"]
    data["validation"] = {**data["test"], "limit": 9}
    data["test"] = {"source": source, "batch_size": 5}
    more = {"source": data["train"]["source"], "batch_size": 3, "test_interval": 7, "test_iter": 2}
    data["tests"] = {"more": more, "rest": {"source": source, "batch_size": 11}}
    return values


def trained(values: dict[str, Any], folder: Path, kill: int | None = None, threads: int = 1) -> list[Any]:
    """The events of a run, which is resumed where it exists; killed behind a number of events."""
    events: list[Any] = []
    with run(load_solver(values), folder, resume=folder.exists(), threads=threads) as training:
        for event in training:
            if isinstance(event, Event | Unwritten):
                events.append(event)
            if len(events) == kill:
                break
    return events


def scored_at(events: list[Any]) -> dict[str, list[int]]:
    """The iterations at which each feed was tested."""
    found: dict[str, list[int]] = {}
    for event in events:
        if isinstance(event, Scored):
            found.setdefault(event.feed, []).append(event.iteration)
    return found


def is_validation(event: Any) -> bool:
    return isinstance(event, Scored) and event.feed == "validation"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "snapshots").glob("*.safetensors")}


# --- what happens when


def test_each_test_set_has_its_interval_and_its_batches(solver: Make, tmp_path: Path) -> None:
    values = several(solver, **ITERATIONS, best={})
    events = trained(values, tmp_path / "run")
    assert scored_at(events) == {
        "validation": [*range(0, 60, 4), 60],
        "test": [60],
        "more": [*range(0, 60, 7), 60],
        "rest": [60],
    }
    last = [event for event in events if isinstance(event, Scored)][-4:]
    assert [(event.feed, event.samples) for event in last] == [
        ("validation", 9),
        ("test", 11),
        ("more", 6),
        ("rest", 11),
    ]
    assert last[1].outputs == pytest.approx(last[3].outputs)  # one set, in other batches
    assert last[0].outputs != last[1].outputs
    assert str(last[2]).startswith("more at iter 60 epoch 20.87: accuracy ")
    assert [row["feed"] for row in rows(tmp_path / "run") if row["event"] == "tested"][:3] == [
        "validation",
        "more",
        "validation",
    ]
    state = snapshot.read(tmp_path / "run/snapshots" / snapshot.name(60))
    assert [iteration for iteration, _ in state.tests] == sorted([*range(0, 60, 4), *range(0, 60, 7)])
    assert {name for _, scores in state.tests for name in scores} == {
        f"{feed}/{blob}" for feed in ("validation", "more") for blob in ("accuracy", "loss")
    }


def test_counts_in_epochs(solver: Make, tmp_path: Path) -> None:
    """23 samples in iterations of 8: epochs end at iterations 3, 6, 9, 12, 15, 18, 21, 23, 26."""
    values = several(
        solver, test_interval="2 epochs", snapshot="3 epochs", display="1 epoch", max_epoch=8, max_iter=None
    )
    events = trained(values, tmp_path / "run")
    assert scored_at(events)["validation"] == [0, 6, 12, 18, 23]
    assert [e.iteration for e in events if isinstance(e, Display)] == [0, 3, 6, 9, 12, 15, 18, 21]
    assert [e.iteration for e in events if isinstance(e, Snapshotted)] == [9, 18, 23]
    end = events[-1]
    assert (
        isinstance(end, Finished)
        and end.epoch == pytest.approx(8.0)
        and str(end).startswith("done at iter 23 epoch 8.00")
    )
    assert all(event.epoch == pytest.approx(event.iteration * 8 / 23) for event in events)


@pytest.mark.parametrize(("lengths", "last"), [((12, 2), 6), ((5, 2), 5), ((None, 3), 9), ((4, None), 4)])
def test_the_first_length_that_is_reached_ends_it(
    solver: Make, tmp_path: Path, lengths: tuple[int | None, int | None], last: int
) -> None:
    values = several(solver, max_iter=lengths[0], max_epoch=lengths[1], lr_policy={"type": "poly", "power": 1})
    one = Solver(values)
    assert f"iteration 0 of {last}" in repr(one)
    one.solve()
    assert one.iter == last
    assert one.test() == one.test("test") == pytest.approx(one.test("rest")) != one.test("validation")
    with pytest.raises(UsageError, match="no data called 'train'"):
        one.test("train")
    assert one.lr == 0  # the policy falls to 0 at the end, whatever sets it
    one.close()


# --- the best weights


def test_the_weights_of_the_best_test_are_kept_and_can_be_tested(solver: Make, tmp_path: Path, cli: Cli) -> None:
    values = several(solver, **ITERATIONS, best={"metric": "validation/loss"}, snapshot_keep=1, base_lr=0.3)
    events = trained(values, tmp_path / "run")
    tests = [e for e in events if is_validation(e)]
    best = min(tests, key=lambda test: test.outputs["loss"])
    assert 0 < best.iteration < 60
    one = runs.read(tmp_path / "run")
    assert [path.name for path in one.snapshots] == [snapshot.name(60)]
    assert snapshot.read(tmp_path / "run/snapshots/best.safetensors").iteration == best.iteration
    code, out, said = cli("test", tmp_path / "run", "--best", "--on", "validation", "--format", "json")
    assert code == 0, said
    assert own(out) == {"samples": 9, **best.outputs}
    assert Run(tmp_path / "run").test(Run(tmp_path / "run").best, on="validation") == best.outputs
    latest = own(cli("test", tmp_path / "run", "--on", "validation", "--format", "json")[1])
    assert latest == {"samples": 9, **tests[-1].outputs} != own(out)


def own(text: str) -> dict[str, Any]:
    """What `netspec test` answers in JSON, but for the heads: the scores that the net computes itself."""
    answer: dict[str, Any] = json.loads(text)
    del answer["heads"]
    return answer


def test_the_best_of_all_is_the_snapshot_of_its_iteration(solver: Make, tmp_path: Path) -> None:
    values = several(solver, **ITERATIONS | {"snapshot": 4, "snapshot_keep": 99}, best={})
    trained(values, tmp_path / "run")
    found = files(tmp_path / "run")
    best = snapshot.read(tmp_path / "run/snapshots/best.safetensors").iteration
    assert best and found["best.safetensors"] == found[snapshot.name(best)]


def test_a_best_of_later_tests_is_set_aside_on_resume(solver: Make, tmp_path: Path) -> None:
    """A run that goes back to before its best test, and does otherwise from there, keeps no weights of that test."""
    values = several(solver, **ITERATIONS | {"snapshot": 4, "snapshot_keep": 99}, best={})
    trained(values, tmp_path / "run")
    folder = tmp_path / "run/snapshots"
    late = snapshot.read(folder / "best.safetensors").iteration
    assert late
    begin = folder / snapshot.name(late - 4)
    with run(
        load_solver({**values, "base_lr": 1e-30, "momentum": 1e-30, "max_iter": late + 1}),
        tmp_path / "run",
        resume=begin,
    ) as training:
        list(training)
    tests = [(e.outputs["accuracy"], e.iteration) for e in runs.read(tmp_path / "run").events if is_validation(e)]
    best = max(tests, key=lambda test: test[0])[1]  # the weights stood still from late - 4 on
    assert best < late and tests[-1][1] == late + 1
    assert (folder / "best.safetensors").read_bytes() == (folder / snapshot.name(best)).read_bytes()
    assert snapshot.read(folder / "replaced" / snapshot.name(late)).iteration == late


# --- an early stop

STOPPING = {"metric": "validation/loss", "patience": 3, "min_gain": 0.02}


def test_an_early_stop_restores_the_best_and_says_why(solver: Make, tmp_path: Path) -> None:
    values = several(solver, **MIXED, early_stop=STOPPING, base_lr=0.3)
    events = trained(values, tmp_path / "run")
    end = events[-1]
    assert isinstance(end, Finished) and end.stopped is None and end.iteration < 33
    scores = [(e.iteration, e.outputs["loss"]) for e in events if is_validation(e)]
    best = min(scores, key=lambda test: test[1])
    assert end.early == (
        f"validation/loss has gained nothing in 3 tests; best {best[1]:.4f} at iter {best[0]}, "
        "whose weights are restored"
    )
    assert scores[-1][0] == end.iteration, "the watched set is not tested again"
    found = snapshot.read(tmp_path / "run/snapshots" / snapshot.name(end.iteration))
    kept = snapshot.read(tmp_path / "run/snapshots/best.safetensors")
    assert (found.iteration, kept.iteration) == (end.iteration, best[0])
    for ours, theirs in ((found.weights, kept.weights), (found.history, kept.history)):
        assert ours.keys() == theirs.keys() and all((ours[key] == theirs[key]).all() for key in ours)
    assert scored_at(events)["rest"] == [end.iteration], "sets at the end are tested with the best weights"
    job = load_solver(values)
    assert job.watch.over(found.tests) and not job.watch.over(found.tests[:-4])


def test_a_run_that_ended_early_is_finished(solver: Make, tmp_path: Path) -> None:
    values = several(solver, **MIXED, early_stop=STOPPING, base_lr=0.3)
    first = trained(values, tmp_path / "run")[-1]
    before, lines = files(tmp_path / "run"), rows(tmp_path / "run")
    (again,) = trained(values, tmp_path / "run")
    assert again.iteration == first.iteration and again.early == first.early
    assert files(tmp_path / "run") == before
    assert [row for row in rows(tmp_path / "run") if row["event"] != "finished"] == lines[:-1]
    more = trained({**values, "early_stop": {**STOPPING, "patience": 5}}, tmp_path / "run")
    assert more[-1].iteration > first.iteration, "with more patience it goes on"
    assert scored_at(more)["validation"][0] == first.iteration


def test_without_restoring_the_last_weights_stay(solver: Make, tmp_path: Path) -> None:
    values = several(solver, **MIXED, early_stop={**STOPPING, "restore_best": False}, base_lr=0.3)
    events = trained(values, tmp_path / "run")
    end = events[-1]
    assert end.early and "restored" not in end.early
    assert not (tmp_path / "run/snapshots/best.safetensors").exists()
    assert all(scored_at(events)[feed].count(end.iteration) == 1 for feed in ("validation", "test", "rest"))


def test_the_api_restores_the_best_weights_without_a_folder(solver: Make, tmp_path: Path) -> None:
    values = several(solver, **MIXED, early_stop=STOPPING, base_lr=0.3)
    trained(values, tmp_path / "run")
    one = Solver(values, threads=1, keep=False)
    one.solve()
    own = snapshot.read(one.snapshot(tmp_path / "own.safetensors")).weights
    one.close()
    kept = snapshot.read(tmp_path / "run/snapshots/best.safetensors").weights
    assert own.keys() == kept.keys() and all((own[key] == kept[key]).all() for key in own)


# --- in pieces


@pytest.mark.parametrize("counts", [ITERATIONS, EPOCHS, MIXED], ids=["iterations", "epochs", "mixed"])
@pytest.mark.parametrize("stop", [None, STOPPING], ids=["best", "early"])
def test_in_pieces_as_in_one(solver: Make, tmp_path: Path, counts: dict[str, Any], stop: dict[str, Any] | None) -> None:
    """Killed at random moments and resumed with another number of threads: equal snapshots and equal rows."""
    fields: dict[str, Any] = {**counts, "snapshot_diff": True, "base_lr": 0.3}
    fields |= {"early_stop": stop} if stop else {"best": {"metric": "validation/accuracy"}}
    values = several(solver, **fields)
    whole = trained(values, tmp_path / "whole")
    random = np.random.default_rng(len(whole))
    kills = sorted(random.choice(np.arange(1, len(whole)), 3, replace=False))
    steps = [int(b - a) for a, b in pairwise([0, *kills])]
    for number, step in enumerate(steps):
        trained(values, tmp_path / "pieces", step, threads=1 + number % 2)
    trained(values, tmp_path / "pieces", threads=2)
    assert files(tmp_path / "pieces") == files(tmp_path / "whole")
    assert rows(tmp_path / "pieces") == rows(tmp_path / "whole")
    assert (isinstance(whole[-1], Finished) and whole[-1].early is not None) == (stop is not None)


@pytest.mark.parametrize("restore", [True, False])
def test_killed_between_the_last_snapshot_and_the_early_end(solver: Make, tmp_path: Path, restore: bool) -> None:
    """The process that ends the training has trained nothing; its snapshot has the last gradients all the same."""
    stop = {**STOPPING, "restore_best": restore}
    values = several(solver, test_interval=3, snapshot=3, snapshot_diff=True, base_lr=0.3, max_iter=60, early_stop=stop)
    whole = trained(values, tmp_path / "whole")
    assert whole[-1].early is not None
    ends = [number for number, event in enumerate(whole) if event.iteration == whole[-1].iteration]
    for number in ends:
        trained(values, tmp_path / str(number), number)
        trained(values, tmp_path / str(number), threads=2)
        assert files(tmp_path / str(number)) == files(tmp_path / "whole"), whole[number - 1]
        assert rows(tmp_path / str(number)) == rows(tmp_path / "whole")


# --- what `netspec test` looks at


def test_what_a_run_is_tested_on(solver: Make, tmp_path: Path, cli: Cli) -> None:
    values = several(solver, max_iter=4)
    events = trained(values, tmp_path / "run")
    for event in events:
        if isinstance(event, Scored) and event.feed != "more":  # which is tested in part, when it trains
            said = own(cli("test", tmp_path / "run", "--on", event.feed, "--format", "json")[1])
            assert said == {"samples": event.samples, **event.outputs}
    code, out, _ = cli("test", tmp_path / "run", "--on", "train", "--format", "json")
    assert code == 0 and json.loads(out)["samples"] == 23
    assert cli("test", values_file(values, tmp_path), "--weights", tmp_path / "run", "--format", "json")[0] == 0
    code, _, said = cli("test", tmp_path / "run", "--on", "tset")
    assert code == 2 and "say --on, and one of: train, validation, test, more, rest" in said
    code, _, said = cli("test", tmp_path / "run", "--best")
    assert code == 2 and "keeps no best weights" in said
    code, _, said = cli("test", values_file(values, tmp_path), "--best")
    assert code == 2 and "is not a run folder" in said


def values_file(values: dict[str, Any], folder: Path) -> Path:
    path = folder / "solver.yaml"
    path.write_text(dump(values), encoding="utf-8")
    return path


def test_a_test_set_of_other_batches_must_fit_the_net(solver: Make) -> None:
    values = several(solver)
    values["net"]["layers"].insert(3, {"name": "rows", "type": "Reshape", "shape": [4, 24]})
    values["data"]["test"]["batch_size"] = 4
    with pytest.raises(NetspecError, match=r"'relu' \(3x2x4x3\) has 72"):
        load_solver(values)
    del values["data"]["tests"]
    load_solver(values)


# --- Caffe's order


def test_the_order_of_an_iteration_is_caffes(solver: Make, tmp_path: Path) -> None:
    """Test, step, display, snapshot; after the last iteration the snapshot, and one more test. Source: Caffe Solve."""
    values = solver(max_iter=4, test_interval=2, display=2, snapshot=2)

    def order(**fields: Any) -> list[tuple[str, int]]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        return [(type(event).__name__, event.iteration) for event in trained(values | fields, folder)]

    body = [("Display", 0), ("Snapshotted", 2), ("Tested", 2), ("Display", 2), ("Snapshotted", 4), ("Tested", 4)]
    assert order() == [("Tested", 0), *body, ("Finished", 4)]
    assert order(test_initialization=False) == [*body, ("Finished", 4)]
    last = [("Snapshotted", 3), ("Tested", 3), ("Finished", 3)]
    assert order(max_iter=3)[-3:] == last
    assert order(max_iter=3, snapshot_after_train=False)[-2:] == last[1:]


def test_gradients_are_stored_and_passed_over(solver: Make, tmp_path: Path) -> None:
    """At rate r, without momentum and decay, the gradient of the last iteration is what the weights lost, over r."""
    plain = {"base_lr": 0.25, "lr_policy": "fixed", "momentum": 0.0, "weight_decay": 0.0, "dtype": "float64"}
    values = solver(**plain, max_iter=3, snapshot=1, snapshot_diff=True)
    trained(values, tmp_path / "run")
    before, after = (snapshot.read(tmp_path / "run/snapshots" / snapshot.name(n)) for n in (2, 3))
    assert after.diffs.keys() == after.weights.keys()
    for key, diff in after.diffs.items():
        np.testing.assert_allclose(diff, (before.weights[key] - after.weights[key]) / 0.25, rtol=1e-9, atol=1e-12)
    one = Solver(values, keep=False)
    one.restore(tmp_path / "run/snapshots" / snapshot.name(2))
    one.step()
    assert (snapshot.read(one.snapshot(tmp_path / "3.safetensors"))).diffs[key].tobytes() == diff.tobytes()
    one.close()


@pytest.mark.parametrize("why", [KeyboardInterrupt, NotFiniteLossError])
def test_gradients_of_an_iteration_that_does_not_count_are_not_stored(
    solver: Make, tmp_path: Path, why: type[BaseException]
) -> None:
    """An iteration is stopped between its batches, or its loss is not finite: the state before it is written."""
    stopped = why is KeyboardInterrupt
    one = session(solver(iter_size=2, snapshot_diff=True, base_lr=0.1 if stopped else 1e30))
    one.step()
    one.snapshot(tmp_path / "before.safetensors")
    assert snapshot.read(tmp_path / "before.safetensors").diffs

    def between() -> None:
        if stopped:
            raise KeyboardInterrupt

    one.between = between
    with pytest.raises(why):
        one.step()
    one.close()
    one.snapshot(tmp_path / "after.safetensors")
    after = snapshot.read(tmp_path / "after.safetensors")
    assert (after.iteration, after.diffs) == (1, {})
