"""Promise 4: equal files and seed give equal bytes, for any number of threads, interrupted or not.

The solver has every source of random numbers: fillers, Dropout, shuffling, crops and flips. It has a test set with a
short last batch, and a mean loss over several iterations. It trains a small net and a residual one, whose BatchNorms
have their work done by the layers beside them. Runs are compared by the bytes of their last snapshot, which
holds weights, history and losses.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.engine.rewrite import FUSING, REWRITES
from netspec.language.document import dump
from netspec.training.session import Session
from tests.helpers.repeats import LAST, NETS, values, write_data

STOPS = (0, 1, 5, 11)
Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module", params=NETS)
def net(request: pytest.FixtureRequest) -> str:
    """The net that is trained."""
    return str(request.param)


@pytest.fixture(scope="module")
def folder(net: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with solver.yaml and its data."""
    path = tmp_path_factory.mktemp("repeat")
    write_data(path)
    (path / "solver.yaml").write_text(dump(values(net)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def reference(folder: Path) -> tuple[bytes, list[tuple[str, int, Any]]]:
    """The last snapshot of an uninterrupted run in a process of its own, and its metrics."""
    done = process("train", folder / "solver.yaml", "-o", folder / "reference")
    assert done.returncode == 0, done.stderr
    return last(folder / "reference"), metrics(folder / "reference")


def process(*words: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netspec", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=120)


def last(run: Path) -> bytes:
    return (run / "snapshots" / f"iter_{LAST:06d}.safetensors").read_bytes()


def metrics(run: Path) -> list[tuple[str, int, Any]]:
    """The rows of metrics.jsonl without their clock, and without snapshots that only an interrupted run has."""
    rows = [json.loads(row) for row in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    shown = [(r["event"], r["iteration"], {k: v for k, v in r.items() if k != "clock"}) for r in rows]
    return [row for row in shown if row[0] != "snapshotted" or row[1] in (4, 8, 12)]


def test_the_same_run_twice(folder: Path, reference: tuple[bytes, Any], tmp_path: Path, cli: Cli) -> None:
    code, _, _ = cli("train", folder / "solver.yaml", "-o", tmp_path / "run")
    assert code == 0
    assert (last(tmp_path / "run"), metrics(tmp_path / "run")) == reference
    names = [event for event, _, _ in reference[1]]
    assert [names.count(name) for name in ("tested", "display", "snapshotted", "finished")] == [4, 12, 3, 1]


def test_another_seed_is_another_run(folder: Path, reference: tuple[bytes, Any], tmp_path: Path, cli: Cli) -> None:
    assert cli("train", folder / "solver.yaml", "-o", tmp_path / "run", "--seed", "43")[0] == 0
    assert last(tmp_path / "run") != reference[0]


@pytest.mark.parametrize("threads", ["1", "2"])
def test_threads_change_nothing(folder: Path, reference: tuple[bytes, Any], tmp_path: Path, threads: str) -> None:
    words = ("train", folder / "solver.yaml", "-o", tmp_path / "run", "--threads", threads)
    done = process(*words, NUMBA_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr
    about = json.loads((tmp_path / "run" / "env.json").read_text(encoding="utf-8"))
    assert about["threads"] == int(threads)
    assert (last(tmp_path / "run"), metrics(tmp_path / "run")) == reference


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_numba_threads_change_nothing(folder: Path, reference: tuple[bytes, Any], tmp_path: Path, layer: str) -> None:
    """Whatever of its own numba would share work with."""
    words = ("train", folder / "solver.yaml", "-o", tmp_path / "run", "--threads", "2")
    done = process(*words, NUMBA_THREADING_LAYER=layer, NUMBA_NUM_THREADS="2")
    assert done.returncode == 0, done.stderr
    assert (last(tmp_path / "run"), metrics(tmp_path / "run")) == reference


def stopped(number: int, at: int, patch: pytest.MonkeyPatch) -> None:
    """Make every training from now on receive a signal in iteration `at`, of which it finishes the first batch."""
    step = Session.step

    def interrupted(self: Session) -> float:
        if self.iteration == at:
            os.kill(os.getpid(), number)
        return step(self)

    patch.setattr(Session, "step", interrupted)


@pytest.mark.parametrize("at", STOPS)
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_interrupted_and_resumed(
    folder: Path, reference: tuple[bytes, Any], tmp_path: Path, cli: Cli, number: int, code: int, at: int
) -> None:
    """Stopped in iteration `at`, again two iterations later, and resumed each time, a run ends with equal bytes."""
    run, words = tmp_path / "run", ("train", folder / "solver.yaml", "-o", tmp_path / "run")
    for count, moment in enumerate((at, at + 2)):
        if moment >= LAST:
            continue
        with pytest.MonkeyPatch.context() as patch:
            stopped(number, moment, patch)
            done, _, said = cli(*words, *(["--resume"] if count else []))
        assert done == code
        assert "finishing this batch and writing a snapshot" in said
        assert f"done at iter {moment} epoch" in said and f"stopped by {signal.Signals(number).name}" in said
        assert (run / "snapshots" / f"iter_{moment:06d}.safetensors").is_file()
    done, _, said = cli(*words, "--resume")
    assert done == 0, said
    assert (last(run), metrics(run)) == reference


@pytest.mark.parametrize("left_out", FUSING)
def test_interrupted_without_one_of_the_rewrites(left_out: str, tmp_path: Path, cli: Cli) -> None:
    """The residual net, with one rewrite left out: stopped and resumed as at once, and so with numba's threads."""
    write_data(tmp_path)
    (tmp_path / "solver.yaml").write_text(dump(values("residual")), encoding="utf-8")
    words = ("train", tmp_path / "solver.yaml", "-o")
    with pytest.MonkeyPatch.context() as patch:
        others = {name: one for name, one in REWRITES.items() if name != left_out}  # in their order
        patch.setattr("netspec.engine.rewrite.REWRITES", others)
        assert cli(*words, tmp_path / "whole")[0] == 0
        assert cli(*words, tmp_path / "one", "--threads", "1")[0] == 0
        with pytest.MonkeyPatch.context() as inner:
            stopped(signal.SIGTERM, 6, inner)
            assert cli(*words, tmp_path / "resumed")[0] == 143
        assert cli(*words, tmp_path / "resumed", "--resume")[0] == 0
    for run in ("one", "resumed"):
        assert (last(tmp_path / run), metrics(tmp_path / run)) == (
            last(tmp_path / "whole"),
            metrics(tmp_path / "whole"),
        )
    left = f"from netspec.engine.rewrite import REWRITES; del REWRITES[{left_out!r}]"
    program = f"{left}; from netspec.cli.app import main; main()"
    for layer in ("omp", "workqueue"):
        command = [sys.executable, "-c", program, *map(str, words), str(tmp_path / layer)]
        environment = {**os.environ, "NUMBA_THREADING_LAYER": layer}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
        assert done.returncode == 0, done.stderr
        assert last(tmp_path / layer) == last(tmp_path / "whole")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_that_is_interrupted(
    folder: Path, reference: tuple[bytes, Any], tmp_path: Path, number: int, code: int
) -> None:
    """Interrupts and resumes processes; the second starts from the run folder, as `netspec train RUN --resume`."""
    program = (
        "import os, sys; from netspec.training.session import Session; step = Session.step\n"
        f"def stopped(self):\n    if self.iteration == 6: os.kill(os.getpid(), {int(number)})\n    return step(self)\n"
        "Session.step = stopped\nfrom netspec.cli.app import main; main()"
    )
    words = ["train", str(folder / "solver.yaml"), "-o", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    resumed = process("train", tmp_path / "run", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "resumed from" in resumed.stderr and "changed" not in resumed.stderr
    assert (last(tmp_path / "run"), metrics(tmp_path / "run")) == reference


def test_resumed_elsewhere_from_a_file(folder: Path, reference: tuple[bytes, Any], tmp_path: Path, cli: Cli) -> None:
    """A snapshot and the solver's files suffice to resume a run in any folder."""
    file = folder / "reference" / "snapshots" / "iter_000008.safetensors"
    code, _, said = cli("train", folder / "solver.yaml", "-o", tmp_path / "run", "--resume", file)
    assert code == 0, said
    assert last(tmp_path / "run") == reference[0]
    assert metrics(tmp_path / "run") == [row for row in reference[1] if row[1] >= 8 and row[:2] != ("snapshotted", 8)]


def test_going_back_to_an_earlier_snapshot(folder: Path, tmp_path: Path, cli: Cli) -> None:
    """Later snapshots of the folder are set aside: the next `--resume` must not start from them."""
    run, words = tmp_path / "run", ("train", folder / "solver.yaml", "-o", tmp_path / "run")
    assert cli(*words)[0] == 0
    before = last(run)
    with pytest.MonkeyPatch.context() as patch:
        stopped(signal.SIGTERM, 9, patch)
        assert cli(*words, "--resume", run / "snapshots" / "iter_000004.safetensors", "base_lr=0.01")[0] == 143
    assert sorted(p.name for p in (run / "snapshots").glob("*.safetensors")) == [
        f"iter_0000{i}.safetensors" for i in ("04", "08", "09")
    ]
    assert sorted(p.name for p in (run / "snapshots" / "replaced").iterdir()) == [
        f"iter_0000{i}.safetensors" for i in ("08", "12")
    ]
    assert "2 later snapshots moved to" in (run / "log.txt").read_text(encoding="utf-8")
    code, _, said = cli(*words, "--resume", "base_lr=0.01")
    assert code == 0 and "iter_000009.safetensors at iteration 9" in said
    assert last(run) != before
    rates = [row["rate"] for event, _, row in metrics(run) if event == "display"]
    np.testing.assert_allclose(
        rates, [(0.05 if i < 4 else 0.01) * (1 + 0.1 * i) ** -0.5 for i in range(LAST)], rtol=1e-12
    )


def test_the_same_weights_from_an_inline_net_and_from_files(
    net: str, folder: Path, reference: tuple[bytes, Any], tmp_path: Path, cli: Cli
) -> None:
    """The place where a net and its data are written has no influence on a run."""
    whole = values(net)
    (tmp_path / "net.yaml").write_text(dump(whole.pop("net")), encoding="utf-8")
    for phase in ("train", "test"):
        source = whole["data"][phase]["source"]
        source["outputs"] = [str(folder / name) for name in source["outputs"]]
    (tmp_path / "solver.yaml").write_text(dump({"net": "net.yaml", **whole}), encoding="utf-8")
    assert cli("train", tmp_path / "solver.yaml", "-o", tmp_path / "run")[0] == 0
    assert last(tmp_path / "run") == reference[0]
