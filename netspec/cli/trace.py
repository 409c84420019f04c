"""`netspec trace`: a small net computed number by number, with the arithmetic; as a quiz too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import (
    Code,
    Level,
    SolverOverrides,
    Stages,
    TableFormat,
    answer,
    asked_state,
    err,
    told_of_compiling,
    width,
)
from netspec.cli.help import TRUST
from netspec.core.visible import visible

if TYPE_CHECKING:
    from netspec.study.traced import Line, Trace

PANEL = TRUST
EXAMPLE = "netspec trace two_layer_sigmoid"
ATTEMPTS = 2
"""Answers that a blank takes."""


def command(
    net: Annotated[
        str,
        typer.Argument(
            metavar="SOLVER|NET",
            help="Solver or net of at most 500 values: a file, a zoo name, a run folder, or - for standard input.",
            autocompletion=complete.solvers,
        ),
    ],
    overrides: SolverOverrides = None,
    iterations: Annotated[int, typer.Option("--iterations", min=1, help="Iterations of a solver to show.")] = 1,
    quiz: Annotated[bool, typer.Option("--quiz", help="Leave blanks, and check what is typed for them.")] = False,
    questions: Annotated[int, typer.Option(min=1, help="Blanks of a quiz.")] = 10,
    tolerance: Annotated[
        float, typer.Option(min=0, max=0.5, help="Relative error of an answer that counts as right.")
    ] = 0.005,
    net_stage: Stages = None,
    net_level: Level = None,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")] = TableFormat.table,
) -> None:
    """Compute a small net in front of you: forward, every gradient by the chain rule, every updated weight."""
    from netspec.core.errors import UsageError
    from netspec.study.trace import trace
    from netspec.views import trace as views

    if quiz and (net == "-" or format is not TableFormat.table):
        what = "standard input brings the net" if net == "-" else f"a quiz has no form {format.value}"
        raise UsageError(f"{what}, so nobody can answer there", help="name a file, and leave out --format")
    with told_of_compiling(err()):
        traced = trace(net, overrides or [], iterations, asked_state(net_stage, net_level))
    if quiz:
        _ask(traced, questions, tolerance)
    else:
        answer(views.trace(traced, width(sys.stdout)).form(format.value, None))


def _ask(traced: Trace, questions: int, tolerance: float) -> None:
    """Show the trace with blanks, and ask for each. Raises WrongAnswersError."""
    from netspec.study.quiz import WrongAnswersError, blanks
    from netspec.views.trace import quiz

    asked, right = blanks(traced, questions), 0
    for shown in quiz(traced, asked, width(sys.stdout)):
        if isinstance(shown, str):
            answer(shown)
        else:
            right += _filled(shown, tolerance)
    answer(f"\n{right} of {len(asked)} right")
    if right < len(asked):
        message = f"{len(asked) - right} of {len(asked)} blanks are wrong or empty"
        raise WrongAnswersError(message, help="the trace without --quiz has all numbers")


def _filled(line: Line, tolerance: float) -> bool:
    """Whether an answer to a blank is right. Behind the first wrong one stands the arithmetic, and then the value."""
    from netspec.study.quiz import judged
    from netspec.views.trace import answered

    for attempt in range(ATTEMPTS):
        sys.stdout.write(f"    {visible(line.label)} = ? ")
        sys.stdout.flush()
        typed = sys.stdin.readline() if sys.stdin is not None else ""
        if not typed or not sys.stdin.isatty():
            answer(visible(typed.strip()))
        if not typed.strip():
            break
        verdict = judged(line, typed, tolerance)
        if verdict.right:
            answer("    right")
            return True
        answer(f"    no: {verdict.hint}" + (f"; compute {line.words}" if attempt + 1 < ATTEMPTS else ""))
    answer(answered(line, width(sys.stdout)))
    return False
