"""Hostile surroundings: damaged snapshots, folders and disks that take nothing, a clock that goes back, no terminal.

Each ends with a sentence and the documented exit code, and what was good before is still there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.core.errors import NetspecError
from netspec.language.document import dump
from netspec.training import snapshot
from netspec.training.container import UnreadableSnapshotError
from netspec.training.job import load_solver
from netspec.training.run import run
from tests.helpers.runs import rows
from tests.helpers.sessions import session, trained

Make = Callable[..., dict[str, Any]]
Cli = Callable[..., tuple[int, str, str]]
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX")


def netspec(*words: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "netspec", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **options)


@pytest.fixture
def file(here: Path, solver: Make) -> Path:
    path = here / "solver.yaml"
    path.write_text(dump(solver(snapshot=5, display=1, test_interval=5)), encoding="utf-8")
    return path


def test_a_snapshot_cut_at_every_thousandth_byte(solver: Make, tmp_path: Path) -> None:
    values = solver()
    values["net"]["layers"][3] |= {"num_output": 300}
    path = tmp_path / "iter_000002.safetensors"
    trained(values, 2).snapshot(path)
    whole, one = path.read_bytes(), session(values)
    assert len(whole) > 50_000
    for length in range(0, len(whole), 1000):
        path.write_bytes(whole[:length])
        for use in (one.restore, one.load):
            with pytest.raises(UnreadableSnapshotError) as caught:
                use(path)
            assert caught.value.exit_code == 7
    assert one.iteration == 0
    path.write_bytes(whole)
    assert one.restore(path) == ()


def test_a_damaged_latest_snapshot_names_the_one_before(file: Path, here: Path, cli: Cli) -> None:
    assert cli("train", file, "-o", "run", "max_iter=10")[0] == 0
    last = here / "run/snapshots/iter_000010.safetensors"
    last.write_bytes(last.read_bytes()[:-100])
    before = {path: path.read_bytes() for path in (here / "run").rglob("*") if path.is_file()}
    code, _, said = cli("train", file, "-o", "run", "--resume")
    assert code == 7 and "help: the one before may be whole: say --resume run/snapshots/iter_000005.safeten" in said
    assert {path: path.read_bytes() for path in (here / "run").rglob("*") if path.is_file()} == before
    assert cli("train", file, "-o", "run", "--resume", "run/snapshots/iter_000005.safetensors")[0] == 0


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="needs Linux's /sys, where root makes no folder either")
def test_a_folder_that_takes_nothing(file: Path, cli: Cli) -> None:
    for more in ([], ["--dry-run"]) if os.geteuid() else ([],):
        code, _, said = cli("train", file, "-o", "/sys/run", *more)
        assert code == 9 and "error[NS521]: '/sys/run' cannot be written: " in said
        assert "choose another --output" in said


@pytest.mark.slow
@posix
def test_a_disk_with_no_room_for_the_next_snapshot(file: Path, here: Path, cli: Cli) -> None:
    """The system itself refuses, as it does where a file becomes too large; then there is room again."""
    assert cli("train", file, "-o", "whole")[0] == 0
    assert cli("train", file, "-o", "run", "max_iter=5")[0] == 0
    kept = here / "run/snapshots/iter_000005.safetensors"
    before = kept.read_bytes()
    limit = kept.stat().st_size - 100
    program = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        "from netspec.__main__ import main; main()"
    )
    words = [sys.executable, "-B", "-c", program, "train", str(file), "-o", "run", "--resume"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 9 and "Traceback" not in done.stderr, done.stderr
    assert "there is no snapshot of iteration" in done.stderr and "File too large" in done.stderr
    assert kept.read_bytes() == before and not [*here.rglob(".*.tmp")]
    assert cli("train", file, "-o", "run", "--resume")[0] == 0
    for name in ("iter_000020.safetensors", "iter_000015.safetensors"):
        assert (here / "run/snapshots" / name).read_bytes() == (here / "whole/snapshots" / name).read_bytes()
    assert rows(here / "run") == rows(here / "whole")


def test_two_runs_in_one_folder(file: Path, here: Path, cli: Cli) -> None:
    with run(load_solver(str(file)), "run") as training:
        while snapshot.latest(here / "run/snapshots") is None:
            next(training)
        for words in ([], ["--resume"]):
            code, _, said = cli("train", file, "-o", "run", *words)
            assert code in (2, 9) and ("another process is training in 'run'" in said or "already holds files" in said)
        assert cli("train", file, "-o", "run", "--resume")[0] == 9
        list(training)
    assert (here / "run/snapshots/iter_000020.safetensors").is_file()


def test_a_clock_that_goes_back(file: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour at each look: nothing that is computed depends on it, and no duration is negative."""
    list(run(load_solver(str(file)), "whole"))
    now, real = [time.time()], time.strftime

    def back() -> float:
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", back)
    monkeypatch.setattr(time, "strftime", lambda form, at=None: real(form, at or time.localtime(back())))
    list(run(load_solver(str(file)), "run"))
    _same(here)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("faketime") is None, reason="needs Debian's faketime")
def test_a_clock_of_another_decade(file: Path, here: Path) -> None:
    """A run that begins today and goes on ten years ago, while the clock runs a hundred times too fast."""
    assert netspec("train", file, "-o", "whole").returncode == 0
    assert netspec("train", file, "-o", "run", "max_iter=10").returncode == 0
    words = [
        "faketime",
        "-f",
        "-10y x100",
        sys.executable,
        "-m",
        "netspec",
        "train",
        str(file),
        "-o",
        "run",
        "--resume",
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (here / "run/log.txt").read_text().splitlines()[-1] < (here / "run/log.txt").read_text().splitlines()[0]
    _same(here)


def _same(here: Path) -> None:
    """Two runs have the last snapshots and the metrics of one another, and no duration is negative."""
    for name in ("iter_000015.safetensors", "iter_000020.safetensors"):
        assert (here / "run/snapshots" / name).read_bytes() == (here / "whole/snapshots" / name).read_bytes()
    assert rows(here / "run") == rows(here / "whole")
    text = (here / "run/metrics.jsonl").read_text()
    assert '"seconds": ' in text and '"seconds": -' not in text


@pytest.mark.slow
@posix
@pytest.mark.parametrize("effect", ["stop", "snapshot"])
def test_a_terminal_that_goes_away(file: Path, here: Path, effect: str) -> None:
    """The training loses its terminal: it is told so, and can print no more. It stops with a snapshot, or goes on."""
    import pty

    words = ["train", str(file), "-o", "run", "max_iter=400", "snapshot=1000", "--sighup-effect", effect]
    child, terminal = pty.fork()
    if child == 0:  # in a session of its own, whose terminal is the other end
        program = "import time; from netspec.training.session import Session; step = Session.step\n"
        program += "def slow(self):\n    time.sleep(0.003)\n    return step(self)\n"
        program += "Session.step = slow\nfrom netspec.__main__ import main; main()"
        os.execv(sys.executable, [sys.executable, "-c", program, *words])
    while b"iter 3" not in os.read(terminal, 10_000):
        pass
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    made = [int(path.stem.removeprefix("iter_")) for path in snapshot.listing(here / "run/snapshots")]
    if effect == "stop":
        assert os.waitstatus_to_exitcode(status) == 129 and len(made) == 1 and 3 <= made[0] < 400
    else:
        assert os.waitstatus_to_exitcode(status) == 0 and made[-1] == 400 and len(made) == 2
    with pytest.raises(NetspecError, match="already holds files"):
        next(run(load_solver(str(file)), "run"))
