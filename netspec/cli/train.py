"""`netspec train`: train a solver, with progress, a run folder, snapshots and a clean stop."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.base import SolverOverrides, Threads, err, told_of_compiling
from netspec.core.errors import NetspecError

if TYPE_CHECKING:
    from rich.console import Console

    from netspec.training.events import Event
    from netspec.training.runs import RunFolder
    from netspec.training.session import Session
    from netspec.views.terminal import TrainingLine

LATEST = "latest"
EXITS: dict[int, int] = {signal.SIGHUP: 129, signal.SIGINT: 130, signal.SIGTERM: 143}


def command(
    solver: Annotated[
        str, typer.Argument(metavar="SOLVER", help="Solver file, zoo name, or the folder of an earlier run.")
    ],
    overrides: SolverOverrides = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Run folder; left out: runs/NAME-1, -2, ...")
    ] = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="[FILE]", help="Go on from a snapshot; without FILE, the latest.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="FILE", help="Start from these weights (fine-tuning).")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed, in place of random_seed.")] = None,
    threads: Threads = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; errors only.")] = False,
) -> None:
    """Train a net. Progress goes to stderr; everything is kept in the run folder."""
    from netspec.training import runs
    from netspec.training.job import load_solver
    from netspec.training.session import Session
    from netspec.training.solve import solve

    console = err()
    console.quiet = quiet
    changes = list(overrides or [])
    if seed is not None:
        changes.append(f"random_seed={seed}")
    if threads is not None:
        os.environ.setdefault("NUMBA_NUM_THREADS", str(max(threads, os.cpu_count() or 1)))
    if Path(solver).is_dir() and (Path(solver) / "config.yaml").is_file():
        output, solver = output or Path(solver), str(Path(solver) / "config.yaml")
    job = load_solver(solver, changes)
    folder, file = _places(job.name, output, resume)
    with _watching() as stop:
        run = runs.RunFolder(folder, resumed=file is not None)
        try:
            macs = job.train.total_macs // max(1, job.train.batch)
            console.print(
                f"net '{job.net.name}': {job.train.total_params:,} parameters, {macs:,} MACs an image", markup=False
            )
            with told_of_compiling(console):
                session = Session(job, threads)
            _start(session, file, weights, run, console)
            with _live(session, console) as line:
                for event in solve(session, run.snapshots, lambda: signal.Signals(stop[0]).name if stop else None):
                    _show(event, run, console, line)
            if stop:
                console.print(f"go on with: netspec train {run.path} --resume", markup=False)
        except NetspecError as error:
            run.log(str(error))
            raise
        finally:
            run.close()
    if stop:
        sys.exit(EXITS[stop[0]])


def _places(name: str, output: Path | None, resume: str | None) -> tuple[Path, Path | None]:
    """The run folder, and the snapshot to go on from."""
    from netspec.training import runs, snapshot

    if resume is None:
        return output or runs.fresh_folder(name), None
    if resume != LATEST:
        file = Path(resume)
        if file.is_dir():
            file = snapshot.latest(file / "snapshots") or snapshot.latest(file) or file
        home = file.parent.parent if file.parent.name == "snapshots" else None
        return output or home or runs.fresh_folder(name), file
    folder = output or runs.latest_folder(name)
    file_ = snapshot.latest(folder / "snapshots")
    if file_ is None and not (folder / "config.yaml").exists():
        raise runs.NoRunError(
            f"'{folder}' holds no snapshot to resume from", help="say --resume FILE, or leave --resume out"
        )
    return folder, file_ or folder / "snapshots"


def _start(session: Session, file: Path | None, weights: str | None, run: RunFolder, console: Console) -> None:
    """Take up a snapshot or weights, open the run's files, and say what is trained on what."""
    from netspec.codegen import kernel as jit
    from netspec.core.nodes import placed

    notes = []
    if file is not None and not (
        file.is_dir() and file == run.snapshots
    ):  # a run that was stopped before its first snapshot
        changed = session.restore(file)
        notes.append(
            f"resumed from {file} at iteration {session.iteration}"
            + (f"; changed: {'; '.join(changed)}" if changed else "")
        )
        if session.iteration >= session.spec.max_iter:
            notes.append(
                f"nothing left to train: iteration {session.iteration} is done, and max_iter is {session.spec.max_iter}"
            )
    elif weights is not None or session.spec.weights is not None:
        path = Path(weights) if weights is not None else session.job.base / Path(str(session.spec.weights)).expanduser()
        with placed(None if weights is not None else session.spec.written, "weights"):
            notes.append(f"weights from {path}: {session.load(path)}")
    feeds = [
        feed.describe() for feed in (session.feed, session.test.feed if session.test else None) if feed is not None
    ]
    memory = session.train.plan.arena / 2**20
    notes += [f"data: {'; '.join(feeds)}"] if feeds else []
    notes.append(
        f"{session.threads} thread{'s' * (session.threads > 1)}, seed {session.seed}, arena {memory:.1f} MiB; run folder {run.path}"
    )
    if jit.threading_layer() != "omp":
        notes.append(
            f"numba runs on its '{jit.threading_layer()}' threads: the same results; the system's libgomp would make small steps faster"
        )
    run.begin(session.job, session.iteration, session.threads, feeds)
    for note in notes:
        console.print(note, markup=False)
        run.log(note)


@contextmanager
def _live(session: Session, console: Console) -> Iterator[TrainingLine | None]:
    """On a terminal, a line that is kept up to date below what is printed; elsewhere nothing."""
    if not console.is_terminal or console.quiet:
        yield None
        return
    from rich.live import Live

    from netspec.views.terminal import TrainingLine

    line = TrainingLine(session)
    with Live(line, console=console, refresh_per_second=4, transient=True):
        yield line


def _show(event: Event, run: RunFolder, console: Console, line: TrainingLine | None) -> None:
    """Record an event and print it; on a terminal the live line takes the place of the progress lines."""
    from netspec.training import runs
    from netspec.training.events import Display, Tested

    text = runs.line(event)
    run.record(event, text)
    if line is not None and isinstance(event, Tested):
        line.scores = event.outputs
    if line is None or not isinstance(event, Display):
        console.print(text, markup=False, style=_STYLES.get(type(event).__name__))


_STYLES = {"Tested": "bold green", "Snapshotted": "dim", "Finished": "bold"}


@contextmanager
def _watching() -> Iterator[list[int]]:
    """A list that a signal to stop is put into; a second signal ends the process at once."""
    received: list[int] = []

    def handle(number: int, frame: object) -> None:
        if received:
            os._exit(EXITS[number])
        received.append(number)
        text = f"\n{signal.Signals(number).name}: finishing this iteration and writing a snapshot; once more to quit at once\n"
        try:
            sys.stderr.write(text)
        except RuntimeError:  # the signal came in the middle of a print, which cannot be entered again
            os.write(2, text.encode())

    before = {number: signal.signal(number, handle) for number in EXITS}
    try:
        yield received
    finally:
        for number, old in before.items():
            signal.signal(number, old)
