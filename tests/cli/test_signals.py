"""Signals that ask to stop, at moments that are chosen; test_interruptions has random ones.

The command runs in this process, which sends the signal to itself at a place that the test patches; or in one of its
own, where the signal ends it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from netspec.cli import signals
from netspec.codegen import compile as compiling
from netspec.data import prefetch
from netspec.data.feed import Feed
from netspec.engine.program import Program
from netspec.language.document import dump
from netspec.training import session as sessions
from netspec.training import snapshot
from netspec.training.job import load_solver
from netspec.training.run import run
from netspec.training.session import Session
from tests.helpers.runs import rows

Cli = Callable[..., tuple[int, str, str]]
Made = Callable[..., dict[str, Any]]
STOP = [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)]


@pytest.fixture
def file(here: Path, solver: Made) -> Path:
    """A solver with tests on the way."""
    path = here / "solver.yaml"
    path.write_text(dump(solver(test_interval=4, display=1)), encoding="utf-8")
    return path


def send(*names: str) -> None:
    """Send signals to this process, at once one after the other."""
    for name in names:
        os.kill(os.getpid(), signal.Signals[name])


def at_iteration(patch: pytest.MonkeyPatch, iteration: int, act: Callable[[], None]) -> None:
    """Act before the batches of an iteration."""
    step = Session.step

    def stepped(self: Session) -> float:
        if self.iteration == iteration:
            act()
        return step(self)

    patch.setattr(Session, "step", stepped)


def iterations(run: Path) -> list[int]:
    return [int(path.stem.removeprefix("iter_")) for path in snapshot.listing(run / "snapshots")]


def resumed(cli: Cli, file: Path, run: Path, *words: str) -> tuple[bytes, list[dict[str, Any]]]:
    """The last snapshot and the metrics of a run that is resumed to its end."""
    assert cli("train", file, "-o", run, "--resume", *words)[0] == 0
    return (run / "snapshots" / "iter_000020.safetensors").read_bytes(), rows(run)


def whole(cli: Cli, file: Path, *words: str) -> tuple[bytes, list[dict[str, Any]]]:
    """As `resumed`, of a run that nothing interrupts."""
    assert cli("train", file, "-o", "whole", *words)[0] == 0
    return Path("whole/snapshots/iter_000020.safetensors").read_bytes(), rows(Path("whole"))


@pytest.mark.parametrize("name", [name for name, _ in STOP])
def test_what_is_ignored_at_start_stays_ignored(file: Path, cli: Cli, name: str) -> None:
    """As by nohup, and in jobs that a script starts in the background."""
    before = signal.signal(signal.Signals[name], signal.SIG_IGN)
    try:
        with pytest.MonkeyPatch.context() as patch:
            at_iteration(patch, 3, lambda: send(name))
            assert cli("train", file, "-o", "run")[0] == 0
        assert signal.getsignal(signal.Signals[name]) is signal.SIG_IGN
    finally:
        signal.signal(signal.Signals[name], before)
    assert iterations(Path("run")) == [20]


@pytest.mark.parametrize("second", ["SIGINT", "SIGHUP", "SIGTERM"])
def test_two_signals_at_once_count_once(file: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, second: str) -> None:
    at_iteration(monkeypatch, 3, lambda: send("SIGINT", second))
    code, _, said = cli("train", file, "-o", "run")
    assert code == 130 and iterations(Path("run")) == [4]
    assert said.count("SIGINT: finishing this batch and writing a snapshot") == 1
    assert "stopped by SIGINT" in said and "go on with: netspec train run --resume" in said


def test_a_second_signal_quits_at_once(file: Path) -> None:
    """Also while the main thread cannot handle it, since it is for minutes in C."""
    program = """if True:
        import hashlib, os, signal, threading
        from netspec.training.session import Session
        def stuck(self):
            os.kill(os.getpid(), signal.SIGINT)
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
            hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
        Session.step = stuck
        from netspec.__main__ import main
        main()"""
    done = subprocess.run(
        [sys.executable, "-c", program, "train", file, "-o", "run"], stderr=subprocess.PIPE, timeout=60
    )
    assert done.returncode == 143 and b"Traceback" not in done.stderr
    assert iterations(Path("run")) == []


def test_a_stop_within_an_iteration_of_many_batches(file: Path, cli: Cli) -> None:
    wanted = whole(cli, file, "iter_size=3")
    batch = Session._batch

    def second(self: Session, number: int) -> None:
        if number == 3 * 7 + 1:
            send("SIGTERM")
        batch(self, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "_batch", second)
        code, _, said = cli("train", file, "-o", "run", "iter_size=3")
    assert code == 143 and "done at iter 7" in said
    assert resumed(cli, file, Path("run"), "iter_size=3") == wanted


@pytest.mark.parametrize("at", [5, 6, 17], ids=["its second batch", "its last", "the last test"])
def test_a_stop_within_a_test(file: Path, cli: Cli, at: int) -> None:
    """A test of three batches, every 4 iterations: it has no row, and is done again."""
    wanted = whole(cli, file, "snapshot_after_train=false", "snapshot=20")
    infer, count = Program.infer, 0

    def counted(self: Program) -> Any:
        nonlocal count
        count += 1
        if count == at:
            send("SIGINT")
        return infer(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Program, "infer", counted)
        code, _, _ = cli("train", file, "-o", "run", "snapshot_after_train=false", "snapshot=20")
    tests = [row["iteration"] for row in rows(Path("run")) if row["event"] == "tested"]
    assert code == 130 and tests == [4 * number for number in range(at // 3)]
    assert resumed(cli, file, Path("run"), "snapshot_after_train=false", "snapshot=20") == wanted


def test_a_stop_while_a_batch_is_waited_for(file: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    fill, ever = Feed.fill, threading.Event()

    def slow(self: Feed, position: int, into: Any) -> None:
        if position == 4 * 3:
            threading.Timer(0.2, send, ["SIGINT"]).start()
            ever.wait()
        fill(self, position, into)

    monkeypatch.setattr(Feed, "fill", slow)
    monkeypatch.setattr(prefetch, "_PATIENCE", 0.1)
    code, _, _ = cli("train", file, "-o", "run", "test_interval=null")
    ever.set()
    assert code == 130 and iterations(Path("run")) == [3]


@pytest.mark.parametrize(("name", "code"), STOP)
def test_before_the_first_iteration_there_is_nothing_to_finish(
    file: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str, code: int
) -> None:
    """While data are opened, here: it ends there, and leaves no folder."""

    def opening(*_: Any) -> None:
        send(name)
        time.sleep(60)

    monkeypatch.setattr(sessions, "open_phases", opening)
    done, out, said = cli("train", file, "-o", "run")
    assert done == code and not out and "finishing" not in said and "go on" not in said
    assert not Path("run").exists()


def test_a_snapshot_that_is_being_written_is_completed(file: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Session.snapshot

    def written(self: Session, path: Path) -> None:
        send("SIGTERM")
        write(self, path)

    monkeypatch.setattr(Session, "snapshot", written)
    assert cli("train", file, "-o", "run", "snapshot=7")[0] == 143
    assert iterations(Path("run")) == [7] and not list(Path("run").rglob("*.tmp"))


def test_a_stop_while_a_snapshot_is_restored(file: Path, cli: Cli) -> None:
    wanted = whole(cli, file)
    assert cli("train", file, "-o", "run", "max_iter=9")[0] == 0
    restore = Session.restore

    def restored(self: Session, path: Path) -> Any:
        send("SIGINT")
        return restore(self, path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "restore", restored)
        assert cli("train", file, "-o", "run", "--resume")[0] == 130
    assert resumed(cli, file, Path("run")) == wanted


def test_a_stop_while_weights_are_tested(file: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cli("train", file, "-o", "run")[0] == 0
    infer = Program.infer

    def stopped(self: Program) -> Any:
        send("SIGTERM")
        return infer(self)

    monkeypatch.setattr(Program, "infer", stopped)
    assert cli("test", "run")[:2] == (143, "")


def test_an_import_that_is_cut_short(file: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """C code turns what is raised in an import into ImportError: that is a stop too."""

    def cut(*_: Any) -> None:
        try:
            send("SIGINT")
            time.sleep(60)
        except SystemExit:
            raise ImportError("numpy._core.multiarray failed to import") from None

    monkeypatch.setattr(sessions, "open_phases", cut)
    assert cli("train", file, "-o", "run")[0] == 130


def test_what_is_said_may_fail() -> None:
    def full(*_: str) -> None:
        raise OSError(28, "No space left on device")

    with signals.Finishing(full) as stop:
        assert stop() is None
        send("SIGTERM")
        assert stop() == "SIGTERM"
    assert stop.exit_code == 143


def test_a_forked_child_has_signals_of_its_own() -> None:
    """As of a pool of processes of a source: the child is terminated, and the training does not notice."""
    with signals.Finishing(lambda *_: None) as stop:
        with warnings.catch_warnings(action="ignore"):  # Python 3.12 warns: there are threads
            child = os.fork()
        if child == 0:
            send("SIGTERM")
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGTERM and stop() is None


def test_no_kernel_is_compiled_in_the_middle_of_a_training(file: Path) -> None:
    """The test set has 11 samples: the program of its short last batch is bound before the first iteration."""
    with run(load_solver(str(file)), "run") as training:
        next(training), next(training)
        assert training._session is not None
        assert set(training._session.testers["test"].programs) == {4, 3}


@pytest.fixture
def cold(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A training that compiles kernels, with helpers, in a group of processes of its own."""
    monkeypatch.setenv("NETSPEC_CACHE_DIR", str(file.parent / "cache"))
    monkeypatch.setenv("TMPDIR", str(file.parent))
    words = [sys.executable, "-m", "netspec", "train", str(file), "-o", "run"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, start_new_session=True)
    while not list(file.parent.glob("cache/kernels/*/*.kernel")):
        assert process.poll() is None
        time.sleep(0.05)
    yield process
    process.kill()
    process.communicate()


def test_a_stop_while_kernels_are_compiled(cold: subprocess.Popen[bytes], file: Path) -> None:
    helpers = psutil.Process(cold.pid).children()
    os.killpg(cold.pid, signal.SIGINT)  # as a terminal does, to all of a group
    _, said = cold.communicate(timeout=60)
    assert cold.returncode == 130 and b"Traceback" not in said
    assert not any(helper.is_running() for helper in helpers)
    assert not (file.parent / "run").exists() and not list(file.parent.glob("netspec-claims-*"))
    assert list(file.parent.glob("cache/kernels/*/*.kernel"))


def test_no_helper_outlives_a_kill(cold: subprocess.Popen[bytes]) -> None:
    helpers = psutil.Process(cold.pid).children()
    cold.kill()
    _, alive = psutil.wait_procs(helpers, timeout=60)
    assert not alive


def test_helpers_end_with_the_body() -> None:
    program = "from netspec.codegen.compile import _end_with_parent; _end_with_parent()"
    with pytest.raises(KeyboardInterrupt), compiling._running([sys.executable, "-c", program], 2) as others:
        raise KeyboardInterrupt
    assert [other.returncode for other in others] == [1, 1]


@pytest.mark.parametrize(("name", "option"), [("SIGINT", "--sigint-effect"), ("SIGHUP", "--sighup-effect")])
def test_a_signal_that_asks_for_a_snapshot(file: Path, cli: Cli, name: str, option: str) -> None:
    """As often as it comes; the training goes on, and ends with the bytes of one that heard nothing."""
    wanted = whole(cli, file)
    with pytest.MonkeyPatch.context() as patch:
        at_iteration(patch, 3, lambda: send(name, name))
        at_iteration(patch, 11, lambda: send(name))
        code, _, said = cli("train", file, "-o", "run", option, "snapshot")
    assert code == 0 and iterations(Path("run")) == [4, 12, 20]
    assert f"{name}: writing a snapshot after this iteration; the training goes on" in said
    assert (Path("run/snapshots/iter_000020.safetensors").read_bytes(), rows(Path("run"))) == wanted


def test_a_signal_without_effect(file: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    at_iteration(monkeypatch, 3, lambda: send("SIGINT", "SIGHUP", "SIGINT"))
    code, _, said = cli("train", file, "-o", "run", "--sigint-effect", "none", "--sighup-effect", "none")
    assert code == 0 and iterations(Path("run")) == [20] and "SIG" not in said


def test_one_signal_keeps_its_effect_where_another_has_one(
    file: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_iteration(monkeypatch, 3, lambda: send("SIGHUP"))
    at_iteration(monkeypatch, 7, lambda: send("SIGINT"))
    assert cli("train", file, "-o", "run", "--sighup-effect", "snapshot")[0] == 130
    assert iterations(Path("run")) == [4, 8]


def test_an_effect_that_is_named_beats_nohup(file: Path, cli: Cli) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with pytest.MonkeyPatch.context() as patch:
            at_iteration(patch, 3, lambda: send("SIGHUP"))
            assert cli("train", file, "-o", "run", "--sighup-effect", "snapshot")[0] == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
    assert iterations(Path("run")) == [4, 20]
