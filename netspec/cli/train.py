"""`netspec train`: train a solver, with progress, a run folder, snapshots and a clean stop."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import (
    Code,
    Level,
    SolverOverrides,
    Stages,
    Threads,
    answer,
    asked_state,
    err,
    is_live,
    is_override,
    told_of_compiling,
    width,
)
from netspec.cli.help import TRAINING
from netspec.cli.signals import STOPS, Effect, Finishing
from netspec.core.locate import expanded

if TYPE_CHECKING:
    from rich.console import Console

    from netspec.training.events import Event, Note, Tested
    from netspec.training.run import Training
    from netspec.views.live import TrainingLine

PANEL = TRAINING
EXAMPLE = "netspec train lenet max_iter=1000 base_lr=0.02"

LATEST = "latest"
_SAID = {
    Effect.stop: "finishing this batch and writing a snapshot; once more to quit at once",
    Effect.snapshot: "writing a snapshot after this iteration; the training goes on",
}


Solver = Annotated[
    str | None,
    typer.Argument(
        metavar="[SOLVER]",
        help="Solver file, zoo name, - for standard input, or the folder of an earlier run; "
        "left out: the only solver in the current folder.",
        show_default=False,
        autocompletion=complete.solvers,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", parser=expanded, help="Run folder; left out: runs/NAME-1, -2, ..."),
]
Weights = Annotated[
    list[Path] | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        parser=expanded,
        help="Start from these weights (fine-tuning); may be said more than once, later files over earlier.",
    ),
]
SigintEffect = Annotated[
    Effect | None,
    typer.Option(help="What SIGINT (Ctrl-C) does: stop with a snapshot, write a snapshot and go on, or nothing."),
]
SighupEffect = Annotated[
    Effect | None, typer.Option(help="What SIGHUP (the terminal goes away) does; both stop by default.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", "-n", help="Do all that comes before the first iteration, and show the plan.")
]


def command(
    solver: Solver = None,
    overrides: SolverOverrides = None,
    output: Output = None,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="[FILE]", help="Go on from a snapshot; without FILE, the latest.")
    ] = None,
    weights: Weights = None,
    net_stage: Stages = None,
    net_level: Level = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed, in place of random_seed.")] = None,
    threads: Threads = None,
    sigint_effect: SigintEffect = None,
    sighup_effect: SighupEffect = None,
    code: Code = None,
    dry_run: DryRun = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write event files for TensorBoard into the run folder.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; errors only.")] = False,
) -> None:
    """Train a net. Progress goes to stderr; everything is kept in the run folder."""
    from netspec.core.locate import RUN_CONFIG
    from netspec.training import budgets, folders
    from netspec.training.job import load_solver
    from netspec.training.run import run

    console = err()
    console.quiet = quiet
    solver, changes = _named(solver, overrides or [])
    if seed is not None:
        changes.append(f"random_seed={seed}")
    changes += ["tensorboard=true"] * tensorboard
    if threads is not None:
        os.environ.setdefault("NUMBA_NUM_THREADS", str(max(threads, os.cpu_count() or 1)))
    if folders.holds(expanded(solver)):
        output, solver = output or expanded(solver), str(expanded(solver) / RUN_CONFIG)
    begin: bool | Path = resume is not None
    if resume is not None:
        begin = resume == LATEST or expanded(resume)
        folders.ask_for_code(Path(solver).stem, output, begin if isinstance(begin, Path) else None)
    job = load_solver(solver, changes, asked=asked_state(net_stage, net_level))
    named = {"SIGINT": sigint_effect, "SIGHUP": sighup_effect}
    effects: dict[int, Effect] = {number: effect for number in STOPS if (effect := named.get(number.name))}
    stop = Finishing(lambda name, effect: console.print(f"{name}: {_SAID[effect]}"), effects)
    start = partial(run, job, output, resume=begin, weights=weights or (), threads=threads)
    with start(stopping=stop, snapshot_asked=stop.snapshot) as training:
        if dry_run:
            _foresee(training, console)
            return
        stopped = render(training, console, stop)
    if stopped:
        budget = stopped in budgets.NAMES
        raised = f" {stopped}=..." if budget else ""
        console.print(f"go on with: netspec train {shlex.quote(str(training.folder))} --resume{raised}")
        sys.exit(budgets.EXIT if budget else stop.exit_code)


def _foresee(training: Training, console: Console) -> None:
    """Print what a training would do, and its warnings."""
    from netspec.training.outlook import outlook
    from netspec.views.terminal import styled_error

    with told_of_compiling(console):
        plan = outlook(training)
    for warning in plan.warnings:
        console.print(styled_error(warning, width(sys.stderr)))
    answer(str(plan))


def _named(solver: str | None, overrides: list[str]) -> tuple[str, list[str]]:
    """The solver and the overrides; the first word may be an override, and the solver the only one there is."""
    from netspec.language.references import only_solver

    if solver is None:
        return only_solver(), list(overrides)
    return (only_solver(), [solver, *overrides]) if is_override(solver) else (solver, list(overrides))


def render(training: Training, console: Console, stop: Finishing) -> str | None:
    """Print the notes and events of a training as they come; the signal or budget that stopped it, if one did.

    Until the net is compiled and the data are open there is nothing to finish: a signal to stop ends it there.
    """
    from netspec.training.events import DebugInfo, Display, Finished, Tested
    from netspec.views.debugging import debug_table
    from netspec.views.terminal import done, progress_line

    _print(next(training), console)  # the note on the net, before its kernels are compiled
    with told_of_compiling(console):
        first = next(training)
    metric = training.job.watch.metric
    stopped: str | None = None
    with stop, _live(training, console) as line:
        for event in chain([first], training):
            if isinstance(event, Display):
                if line is None:  # the live line shows it already
                    _print(event, console, progress_line(event, training.progress))
            elif isinstance(event, DebugInfo):
                console.print(debug_table(event, console.width))
            elif isinstance(event, Finished):
                stopped = event.stopped  # a note on a file that the disk refuses may come after it
                _print(event, console, done(event, _tests(training.folder), metric, training.folder))
            else:
                _print(event, console)
            if line is not None and isinstance(event, Tested) and (metric is None or metric.feed == event.feed):
                line.feed = event.feed
                line.tested = metric.first(event.outputs) if metric else event.outputs
                line.best = training.best[1] if training.best else None
    return stopped


def _tests(folder: Path) -> list[Tested]:
    """The tests of a run, those before a resume too; none where the record of the run is damaged."""
    from netspec.core.errors import NetspecError
    from netspec.training.events import Tested
    from netspec.training.runs import read

    try:
        return [event for event in read(folder).events if isinstance(event, Tested)]
    except NetspecError:
        return []


def _print(event: Note | Event, console: Console, text: str | None = None) -> None:
    console.print(text or str(event), style=_STYLES.get(type(event).__name__))


_STYLES = {"Warned": "yellow", "Tested": "bold green", "Snapshotted": "dim", "Finished": "bold"}


@contextmanager
def _live(training: Training, console: Console) -> Iterator[TrainingLine | None]:
    """On a terminal, a progress line kept up to date below the printed text; elsewhere nothing."""
    if not is_live(console):
        yield None
        return
    from netspec.views.live import TrainingLine

    with TrainingLine(lambda: training.progress, console) as line:
        yield line
