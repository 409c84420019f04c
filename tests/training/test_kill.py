"""Promise 5: killed at any moment, a run loses at most what came after its last snapshot, and ends with the same bytes.

More than fifty times a training gets SIGKILL, at moments drawn from a seed: before, in and between iterations, in the
middle of a row of metrics, while the folder is opened, while old snapshots are deleted, and at each stage of writing a
snapshot. After every kill all snapshots are read. Then the run is resumed until it ends, and another run begins.
"""

from __future__ import annotations

import json
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.language.document import dump
from netspec.training import snapshot
from tests.helpers import killable
from tests.helpers.nursery import nursery

KILLS, WHILE_WRITING, LAST = 54, 24, 30


@pytest.fixture
def solver_file(solver: Callable[..., dict[str, Any]], tmp_path: Path) -> Path:
    values = solver(max_iter=LAST, snapshot=2, snapshot_keep=2, display=1, test_interval=6, iter_size=2, average_loss=4)
    values["net"]["layers"].insert(3, {"name": "drop", "type": "Dropout"})
    path = tmp_path / "solver.yaml"
    path.write_text(dump(values), encoding="utf-8")
    return path


def iterations(run: Path) -> list[tuple[str, int]]:
    rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(row["event"], row["iteration"]) for row in rows]


def check_snapshots(run: Path) -> int:
    """Check that every file named as a snapshot is valid; the iteration of the latest."""
    latest = 0
    for path in snapshot.listing(run / "snapshots"):
        state = snapshot.read(path)
        assert path.name == snapshot.name(state.iteration)
        assert all(np.isfinite(array).all() for array in (*state.weights.values(), *state.history.values()))
        latest = state.iteration
    return latest


@pytest.mark.slow
def test_killed_at_many_moments(solver_file: Path, tmp_path: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    code, _, said = cli("train", solver_file, "-o", tmp_path / "whole")
    assert code == 0, said
    final = (tmp_path / "whole" / "snapshots" / snapshot.name(LAST)).read_bytes()
    rng, hit, ends = random.Random(20260101), Counter[str](), 0
    with nursery(tmp_path / "stderr.txt") as trainings:
        run, before = tmp_path / "run0", 0
        while sum(hit.values()) < KILLS or ends < 2:
            more = sum(hit.values()) < KILLS
            short = sum(hit[kind] for kind in killable.WRITING) < WHILE_WRITING
            kinds = killable.WRITING if short and rng.random() < 0.6 else killable.OTHER
            kind = rng.choice(kinds) if more else "none"
            count = rng.randint(1, 12 if kind in {"opening", "before step", "in step", "after step"} else 5)
            begun = (run / "config.yaml").exists()
            if more and not run.exists():
                kind, count = "opening", rng.randint(1, 3)  # before there is anything to resume
            words = [
                str(solver_file),
                "-o",
                str(run),
                "-q",
                "-j",
                str(rng.choice((1, 1, 2))),
                *(["--resume"] if begun else []),
            ]
            status = trainings.train(words, kind, count)
            latest = check_snapshots(run)
            assert latest >= before, "a snapshot was lost"
            before = latest
            if status:
                assert status == signal.SIGKILL, (kind, count, (tmp_path / "stderr.txt").read_text())
                hit[kind] += 1
                continue
            assert (run / "snapshots" / snapshot.name(LAST)).read_bytes() == final
            assert iterations(run) == iterations(tmp_path / "whole")
            assert not [p for p in run.rglob(".*.tmp")]
            ends += 1
            run, before = tmp_path / f"run{ends}", 0
    assert sum(hit.values()) >= 50
    assert sum(hit[kind] for kind in killable.WRITING) >= 20
    assert all(hit[kind] for kind in killable.KINDS), hit
