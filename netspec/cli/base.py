"""Shared by the commands: options, consoles for stdout and stderr, and the report of compiling."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn, TextIO

import typer
from typer.models import OptionInfo

from netspec.cli import complete
from netspec.codegen.environment import MOST_THREADS
from netspec.core.locate import exists, expanded
from netspec.core.shape import counted

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from netspec.core.errors import NetspecError
    from netspec.language.asked import AskedState


class PhaseChoice(StrEnum):
    """TRAIN or TEST."""

    TRAIN = "TRAIN"
    TEST = "TEST"


class TableFormat(StrEnum):
    """Forms of a table."""

    table = "table"
    json = "json"
    csv = "csv"
    md = "md"


class ErrorFormat(StrEnum):
    """Forms of errors."""

    text = "text"
    json = "json"
    github = "github"


Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Values to change: layers.conv1.num_output=32; null drops one.",
        show_default=False,
        autocompletion=complete.net_keys,
    ),
]
SolverFile = Annotated[
    str,
    typer.Argument(
        metavar="SOLVER", help="Solver file, zoo name, or the folder of a run.", autocompletion=complete.solvers
    ),
]
SolverOverrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Values to change: base_lr=0.1 net.layers.conv1.num_output=32; null drops one.",
        show_default=False,
        autocompletion=complete.solver_keys,
    ),
]
NetFile = Annotated[
    str,
    typer.Argument(
        metavar="NET",
        help="Net, solver or run folder: a path, a zoo name, or - for standard input.",
        autocompletion=complete.specs,
    ),
]
Stages = Annotated[
    list[str] | None,
    typer.Option(
        "--net-stage", metavar="NAME", help="Stage that include and exclude rules see; may be said more than once."
    ),
]
Level = Annotated[
    int | None, typer.Option("--net-level", metavar="N", help="Level that include and exclude rules see.")
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        "-j",
        min=1,
        max=MOST_THREADS,
        envvar="NETSPEC_THREADS",
        help="Threads; changes speed, never results.",
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option(metavar="REWRITE", help="Leave out a rewrite; `inspect --stage rewrites` shows what each does."),
]
Code = Annotated[
    list[str] | None,
    typer.Option(
        "--code",
        metavar="FILE.py",
        help="Python file whose layers, fillers, ... the net may use; may be said more than once. It is run first.",
    ),
]
"""Option `--code`; `cli/app.py` loads the files before the body of a command runs."""
Deploy = Annotated[
    bool, typer.Option("--deploy", help="The net as it predicts: without losses, scores, labels and what they need.")
]
Feed = Annotated[
    str | None,
    typer.Option(
        "--on",
        metavar="FEED",
        help="Data: test, validation, train or a further set; left out: the test data.",
        autocompletion=complete.feeds,
    ),
]
Best = Annotated[bool, typer.Option("--best", help="The weights of the best test of a run.")]
Ema = Annotated[bool, typer.Option("--ema", help="The snapshot's moving average of weights.")]
Swa = Annotated[bool, typer.Option("--swa", help="The snapshot's stochastic weight average.")]
Batch = Annotated[int | None, typer.Option(min=1, help="Batch size in place of the Inputs' first axis.")]


def output_file(help: str) -> OptionInfo:
    """The option `--output`, `-o`, for a file that a command writes."""
    option: OptionInfo = typer.Option("--output", "-o", metavar="FILE", parser=expanded, help=help)
    return option


def asked_state(stages: list[str] | None, level: int | None) -> AskedState:
    """The values of `--net-stage` and `--net-level`."""
    from netspec.language.asked import AskedState

    return AskedState(tuple(stages or ()), level)


def is_override(word: str) -> bool:
    """Whether a word is `KEY=VALUE` and not the name of a file."""
    return "=" in word and not exists(expanded(word))


def out() -> Console:
    """Console on standard output, for the answer."""
    return _console(sys.stdout)


def err() -> Console:
    """Console on standard error, for progress."""
    return _console(sys.stderr)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    terminal = _is_terminal(stream)
    wide = None if terminal else width(stream) or UNBOUNDED
    # names of layers and files are printed as they are: [bold] and :smile: are text
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=wide, soft_wrap=not terminal)


UNBOUNDED = 100_000
"""Width of a console whose lines are as long as they need to be."""


def _is_terminal(stream: TextIO) -> bool:
    return bool(getattr(stream, "isatty", lambda: False)())


def width(stream: TextIO) -> int | None:
    """COLUMNS where it is set; else the columns of a terminal, and None elsewhere: as wide as the lines need to be."""
    from rich.console import Console

    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    return Console(file=stream).width if _is_terminal(stream) else None


def is_live(console: Console) -> bool:
    """Whether a console may show what is rewritten in place: a real terminal that can, whatever FORCE_COLOR says."""
    known = os.name == "nt" or bool(os.environ.get("TERM"))
    return known and console.file.isatty() and console.is_interactive and not console.quiet


def answer(text: RenderableType) -> None:
    """Print a result to stdout; a plain text is printed without markup."""
    if isinstance(text, str):
        sys.stdout.write(text + "\n")
    else:
        out().print(text, crop=False)
    sys.stdout.flush()  # an answer that cannot be printed is found here


def failed(error: NetspecError, format: TableFormat) -> NoReturn:
    """End a command whose answer was a bad one; of JSON, which is a single document and says all, by its code alone."""
    raise typer.Exit(error.exit_code) if format is TableFormat.json else error


@contextmanager
def told_of_compiling(console: Console) -> Iterator[None]:
    """While the body runs, report which kernels are compiled for this CPU; silent when all are cached."""
    from netspec.codegen import environment

    environment.load()
    from netspec.codegen import cache

    names: list[str] = []
    begun = time.perf_counter()
    status = console.status("compiling kernels for this CPU") if is_live(console) else None

    def remark(text: str) -> None:
        console.print(text, soft_wrap=True)

    def listen(name: str) -> None:
        if not names:
            if status is None:
                kept = "" if cache.refusal() else " (kept for later runs)"
                console.print(f"compiling kernels for this CPU{kept}")
            else:
                status.start()
        names.append(name)
        if status is not None:
            status.update(f"compiling kernels for this CPU: {name}")

    cache.compiling.append(listen)
    cache.remarking.append(remark)
    try:
        yield
    finally:
        cache.compiling.remove(listen)
        cache.remarking.remove(remark)
        if status is not None:
            status.stop()
        if names:
            console.print(
                f"compiled {counted(len(names), 'kernel')} in {time.perf_counter() - begun:.1f} s: {', '.join(names)}",
                soft_wrap=True,
            )
