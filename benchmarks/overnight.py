"""A night alone: 200,000 iterations of a small net with tests, snapshots, rotation and logs, watched from outside.

python -m benchmarks.overnight [--iterations N] [--log FILE] [KEY=VALUE ...]

The training is `netspec train` in a process of its own, with one thread. Every hundredth of the way its resident
memory, its open files, the files of its folder and the seconds of CPU of an iteration are taken down. At the end stands
the verdict: memory within 5 MB of what it was after a twentieth of the way, no file left behind, time flat.
The exit code is 6 where that does not hold. Seconds of CPU are compared, since other programs may run.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import psutil

SOLVER = (
    "logistic_regression",
    "data.train.source.subset=true",
    "data.test.source.subset=true",
    "test_interval=200",
    "display=20",
    "snapshot=100",
    "snapshot_keep=3",
    "average_loss=20",
    "data.validation={source: {type: FashionMNIST, split: test, subset: true}, batch_size: 100,"
    " transform: [{type: Scale, factor: 0.00390625}]}",
    "lr_policy={type: plateau, metric: validation/accuracy, mode: max, factor: 0.99, patience: 20}",
    "warmup={length: 1 epoch}",
    "best={metric: validation/accuracy, mode: max}",
    "early_stop={patience: 1000000000}",
    "average={type: ema, decay: 0.999}",
)
"""Tests, snapshots and displays are frequent, and whatever looks at the recorded tests is switched on."""
WARM, GROWTH, SLOWER = 0.05, 5.0, 1.1
"""Share of the way after which memory counts, MB that it may grow from there, and how much slower the end may be."""
HEAD = "iterations   seconds   RSS MB  open  files  us CPU an iteration"


@dataclass(frozen=True)
class Sample:
    """What was seen after so many iterations: memory in MB, seconds of CPU, open files, files in the run folder."""

    iteration: int
    seconds: float
    cpu: float
    memory: float
    opened: int
    files: tuple[str, ...]


def sample(process: psutil.Process, folder: Path, iteration: int, begun: float) -> Sample:
    """The state of a training now."""
    with process.oneshot():
        times = process.cpu_times()
        memory = process.memory_info().rss / 1e6
    files = tuple(sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()))
    return Sample(iteration, time.perf_counter() - begun, times.user + times.system, memory, process.num_fds(), files)


class Watched:
    """A training that writes its metrics, which are read as they grow."""

    def __init__(self, words: list[str], folder: Path, errors: TextIO) -> None:
        command = [sys.executable, "-m", "netspec", "train", *words, "-o", str(folder), "-j", "1", "-q"]
        self.process = psutil.Popen(command, stderr=errors)
        self._path = folder / "metrics.jsonl"
        self._read, self.iteration = 0, 0

    def look(self) -> None:
        """Read the rows that were added since the last look."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            *lines, rest = file.read().split(b"\n")
            self._read = file.tell() - len(rest)
        if lines:
            self.iteration = int(json.loads(lines[-1])["iteration"])


def night(iterations: int, changes: list[str], folder: Path, say: Any) -> list[Sample]:
    """Train, and take samples until the training ends. Raises SystemExit where it fails."""
    begun, samples, step = time.perf_counter(), [], max(1, iterations // 100)
    with (folder.parent / "stderr.txt").open("w+") as errors:
        watched = Watched([*SOLVER, f"max_iter={iterations}", *changes], folder, errors)
        while watched.process.poll() is None:
            time.sleep(0.2)
            watched.look()
            if step * (len(samples) + 1) <= watched.iteration < iterations:
                try:
                    one = sample(watched.process, folder, watched.iteration, begun)
                except (psutil.NoSuchProcess, FileNotFoundError, psutil.AccessDenied):
                    continue
                pace = _pace(samples[-1], one) if samples else float("nan")
                samples.append(one)
                say(
                    f"{one.iteration:>10,} {one.seconds:>9.0f} {one.memory:>8.1f} {one.opened:>5} {len(one.files):>6}"
                    f" {pace * 1e6:>20.1f}"
                )
        if watched.process.returncode:
            errors.seek(0)
            sys.exit(f"the training ended with {watched.process.returncode}: {errors.read()}")
    return samples


def _pace(one: Sample, two: Sample) -> float:
    """Seconds of CPU of an iteration between two samples."""
    return (two.cpu - one.cpu) / max(1, two.iteration - one.iteration)


def verdict(samples: list[Sample], folder: Path, keep: int = 3) -> list[tuple[bool, str]]:
    """What was promised, whether it holds, and the figures of it."""
    warm = samples[max(0, int(len(samples) * WARM)) :]
    growth = max(one.memory for one in warm) - warm[0].memory
    paces = [_pace(one, two) for one, two in itertools.pairwise(warm)]
    fifth = max(1, len(paces) // 5)
    first, last = (statistics.median(part) for part in (paces[:fifth], paces[-fifth:]))
    opened = [one.opened for one in warm]
    left = [str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()]
    known = {
        "config.yaml",
        "env.json",
        "log.txt",
        "metrics.jsonl",
        "metrics.csv",
        ".lock",
        "snapshots/best.safetensors",
        "snapshots/replaced/best.safetensors",  # the best before the last snapshot (decision 41)
    }
    strange = [name for name in left if name not in known and not name.startswith("snapshots/iter_")]
    snapshots = sum(name.startswith("snapshots/iter_") for name in left)
    rows = sum(1 for _ in (folder / "metrics.jsonl").open())
    return [
        (growth <= GROWTH, f"memory: {warm[0].memory:.1f} MB after the warm-up, at most {growth:+.1f} MB from there"),
        (max(opened) - min(opened) <= 2, f"open files: {min(opened)} to {max(opened)}"),
        (not strange and snapshots <= keep, f"files: {snapshots} snapshots, {len(strange)} left behind {strange[:5]}"),
        (
            last <= SLOWER * first,
            f"CPU an iteration: {first * 1e6:.1f} us in the first fifth, {last * 1e6:.1f} us in the last",
        ),
        (True, f"{rows:,} rows of metrics; {samples[-1].seconds:.0f} s in all"),
    ]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("changes", nargs="*", metavar="KEY=VALUE")
    options.add_argument("--iterations", type=int, default=200_000)
    options.add_argument("--log", type=Path, help="file that gets what is printed")
    chosen = options.parse_args()
    log = chosen.log.open("w", encoding="utf-8") if chosen.log else None

    def say(text: str) -> None:
        print(text, flush=True)
        if log is not None:
            print(text, file=log, flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        say(HEAD)
        found = verdict(night(chosen.iterations, chosen.changes, folder, say), folder)
    for fine, text in found:
        say(f"{'ok  ' if fine else 'FAIL'} {text}")
    sys.exit(0 if all(fine for fine, _ in found) else 6)


if __name__ == "__main__":
    main()
