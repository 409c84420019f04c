"""Commands that get signals at random moments, from the start of their process to after its end.

None may hang, print a traceback or end with an exit code of another meaning; a training that is resumed ends with the
bytes and the metrics of one that was never interrupted.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from netspec.core import locate
from netspec.language.document import dump
from netspec.training import snapshot
from tests.conftest import NET
from tests.helpers.mutations import seeds
from tests.helpers.pace import slowness
from tests.helpers.runs import rows

LAST = 600
STOPS = ("SIGINT", "SIGTERM", "SIGHUP")
GAPS = (0.0, 0.001, 0.05, 0.3, 0.6)
PATIENCE = 60.0
"""Seconds for a command to end after a signal; it takes less than one where the machine has nothing else to do."""
COLD = 8.0
"""Seconds that compiling takes, about."""
OTHERS = (
    ("check", "lenet"),
    ("inspect", "resnet20"),
    ("zoo", "list"),
    ("zoo", "copy", "lenet", "copied"),
    ("time", "two_layer_sigmoid", "-n", "20"),
)
START = """if True:
    import os, signal, sys
    for name in sys.argv.pop(1).split():
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # until netspec is loaded, Python's own would print a traceback
    os.write(2, b"!")
    from netspec.__main__ import main
    main()
"""


@dataclass(frozen=True)
class Case:
    """A command with the signals that it gets: each a moment, as a share of the time that it takes, and a name."""

    words: tuple[str, ...]
    kind: str
    moment: float
    names: tuple[str, ...]
    gap: float
    ignored: bool
    paused: bool
    cold: bool


def case(seed: int) -> Case:
    """A random command, with random signals."""
    draw = random.Random(seed)
    kind = draw.choices(("train", "resume", "test", "other"), (6, 2, 2, 2))[0]
    size = f"iter_size={draw.choice((1, 3))}"
    words = {
        "train": ("train", "solver.yaml", "-o", "run", size),
        "resume": ("train", "solver.yaml", "-o", "run", "--resume", size),
        "test": ("test", "run", "--format", "json"),
        "other": draw.choice(OTHERS),
    }[kind]
    names = tuple(draw.choice(STOPS) for _ in range(draw.choice((1, 1, 2))))
    ignored, paused, cold = draw.random() < 0.15, draw.random() < 0.1, kind == "train" and draw.random() < 0.04
    return Case(words, kind, draw.uniform(0, 1.15), names, draw.choice(GAPS), ignored, paused, cold)


@dataclass(frozen=True)
class Ended:
    """How a command ended; `seconds` is the time that it took."""

    code: int
    out: str
    err: str
    seconds: float


def run(folder: Path, words: tuple[str, ...], one: Case | None = None, seconds: float = 0.0) -> Ended:
    """Run a command, with the signals of a case if there is one; `seconds` is how long it takes without them."""
    ignored = " ".join(one.names) if one and one.ignored else ""
    environment = {**os.environ, "NETSPEC_CACHE_DIR": str(folder / "cold")} if one and one.cold else os.environ
    command = [sys.executable, "-c", START, ignored, *words]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None and process.stderr.read(1) == "!"
            begun = time.perf_counter()
            if one:
                time.sleep(one.moment * seconds)
                for name in (*(("SIGSTOP", "SIGCONT") if one.paused else ()), *one.names):
                    process.send_signal(signal.Signals[name])
                    time.sleep(one.gap)
            longest = 20 * PATIENCE if one is None or one.ignored or one.cold else PATIENCE
            out, err = process.communicate(timeout=longest * slowness())
        finally:
            process.kill()
    return Ended(process.returncode, out, err, time.perf_counter() - begun)


class World:
    """A folder with a solver, its runs that nothing interrupts, and how every command ends that nothing interrupts."""

    def __init__(self, folder: Path, values: dict[str, Any]) -> None:
        self.folder = folder
        self.trained, self.usual = cache(self._trained), cache(self._usual)
        (folder / "solver.yaml").write_text(dump(values), encoding="utf-8")

    def _trained(self, size: str, last: int = LAST) -> tuple[Path, float]:
        """The run folder of a whole training, or of one to an earlier iteration, and the seconds that it took."""
        path = self.folder / f"{size} {last}"
        ended = run(self.folder, ("train", "solver.yaml", "-o", str(path), size, f"max_iter={last}"))
        assert ended.code == 0, ended.err
        return path, ended.seconds

    def _usual(self, words: tuple[str, ...]) -> Ended:
        """How a command ends that is no training."""
        if not (self.folder / "run").exists():
            shutil.copytree(self.trained("iter_size=1", LAST // 2)[0], self.folder / "run")
        return run(self.folder, words)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, arrays: Path) -> World:
    data = {
        phase: {
            "source": {"type": "Arrays", "outputs": [str(arrays / f"{phase}_{array}.npy") for array in "xy"]},
            "batch_size": 4,
        }
        for phase in ("train", "test")
    }
    often = {"display": 10, "test_interval": 20, "snapshot": 70, "snapshot_keep": 99, "average_loss": 5}
    rates = {"base_lr": 0.01, "momentum": 0.9, "lr_policy": "fixed"}
    return World(tmp_path_factory.mktemp("world"), {"net": NET, "data": data, "max_iter": LAST, **rates, **often})


@pytest.mark.parametrize("seed", seeds(5))
def test_signals_at_random_moments(
    seed: int, world: World, here: Path, cli: Callable[..., tuple[int, str, str]]
) -> None:
    one = case(seed)
    if one.kind in ("train", "resume"):
        size = one.words[-1]
        whole, seconds = world.trained(size)
        shutil.copy(world.folder / "solver.yaml", here)
        if one.kind == "resume":
            shutil.copytree(world.trained(size, LAST // 2)[0], "run")
        ended = run(here, one.words, one, seconds + COLD * one.cold)
        check_training(one, ended, whole, lambda: cli("train", "solver.yaml", "-o", "run", "--resume", size))
        return
    usual = world.usual(one.words)
    if one.kind == "test":
        shutil.copytree(world.trained("iter_size=1", LAST // 2)[0], "run")
    ended = run(here, one.words, one, usual.seconds)
    check_end(one, ended)
    if one.words[0] != "time":
        assert ended.out == usual.out if ended.code == 0 else ended.out in ("", usual.out), (one, ended)
    for path in Path("copied").glob("*/*.yaml"):
        assert path.read_bytes() == locate.bundled(path.parent.name).joinpath(path.name).read_bytes(), (one, path)


def check_training(one: Case, ended: Ended, whole: Path, resume: Callable[[], tuple[int, str, str]]) -> None:
    """What there is of a training can be resumed, and ends as the whole training did."""
    check_end(one, ended)
    made = Path("run")
    for path in snapshot.listing(made / "snapshots"):
        snapshot.read(path)
    if ended.code and (made / "config.yaml").exists():
        code, _, said = resume()
        assert code == 0, (one, ended, said)
    if (made / "config.yaml").exists():
        last = Path("snapshots", snapshot.name(LAST))
        assert (made / last).read_bytes() == (whole / last).read_bytes(), one
        assert rows(made) == rows(whole), one


def check_end(one: Case, ended: Ended) -> None:
    """The exit code: 0 where the command was done before, or does not heed the signals; never a traceback.

    A process that Python has not yet loaded, or is about to leave, dies by the signal.
    """
    numbers = {signal.Signals[name].value for name in one.names}
    codes = {0} if one.ignored else {0} | {128 + number for number in numbers} | {-number for number in numbers}
    assert ended.code in codes, (one, ended)
    assert not any(word in ended.err for word in ("Traceback", "Exception", "Error", "error")), (one, ended)
