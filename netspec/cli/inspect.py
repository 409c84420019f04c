"""`netspec inspect`: shapes, parameters, MACs, memory and receptive fields of a net, without running it."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli.base import (
    Batch,
    Code,
    Deploy,
    Level,
    NetFile,
    Overrides,
    PhaseChoice,
    Stages,
    TableFormat,
    Without,
    answer,
    asked_state,
    err,
    told_of_compiling,
    width,
)
from netspec.cli.help import NETS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from netspec.core.nodes import Note
    from netspec.engine.plan import MemoryPlan
    from netspec.engine.program import Program
    from netspec.net.shaped import ShapedGraph
    from netspec.net.spec import NetSpec

PANEL = NETS
EXAMPLE = "netspec inspect lenet layers.conv1.num_output=32 --sort params"


class Stage(StrEnum):
    """Stages of the road from spec to program that can be shown."""

    graph = "graph"
    shapes = "shapes"
    rewrites = "rewrites"
    plan = "plan"
    program = "program"


class Order(StrEnum):
    """Keys that rows can be sorted by."""

    params = "params"
    macs = "macs"
    memory = "memory"
    name = "name"


def command(
    net: NetFile,
    overrides: Overrides = None,
    phase: Annotated[PhaseChoice, typer.Option(case_sensitive=False, help="Phase to look at.")] = PhaseChoice.TRAIN,
    batch: Batch = None,
    net_stage: Stages = None,
    net_level: Level = None,
    stage: Annotated[
        Stage, typer.Option(help="The wiring, the shapes and costs, what is rewritten, the memory plan, or the steps.")
    ] = Stage.shapes,
    depth: Annotated[
        int | None, typer.Option(min=1, help="Levels of names like a/b/c to show; deeper layers are added up.")
    ] = None,
    sort: Annotated[Order | None, typer.Option(help="Sort the layers: the largest first, names from A.")] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=NUMBER", help="Fail unless params, macs, stored, layers or field is NUMBER."),
    ] = None,
    without: Without = None,
    deploy: Deploy = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say how everything is counted.")] = False,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")] = TableFormat.table,
) -> None:
    """Show every layer's output size, parameters, MACs, receptive field and memory, with the arithmetic."""
    from netspec.core.errors import UsageError
    from netspec.engine.plan import plan
    from netspec.engine.rewrite import rewrite
    from netspec.net.load import load_phases
    from netspec.training.nets import choose
    from netspec.views import inspection
    from netspec.views import tables as views

    wanted = _expected(expect or [])
    given = [word for word, said in {"depth": depth, "sort": sort, "verbose": verbose}.items() if said]
    if stage is not Stage.shapes and given:
        raise UsageError(f"`--{given[0]}` is for the shapes, not for `--stage {stage.value}`")
    phase = PhaseChoice.TEST if deploy else phase
    one = choose(net, overrides or [], phase.value, asked_state(net_stage, net_level))
    _say(one.net.notes)
    one = one.deployed() if deploy else one
    phases = load_phases(one.net, (), one.state, batch or one.batch)
    written, other = (phases.train, phases.test) if phase is PhaseChoice.TRAIN else (phases.test, phases.train)
    assert written is not None
    _compare(written, phases.spec, wanted)
    shaped = rewrite(written, without or ())
    memory = plan(shaped, one.dtype)
    match stage:
        case Stage.graph:
            view = views.graph(written.graph)
        case Stage.shapes:
            seen = inspection.inspection(shaped, memory, other)
            view = views.shapes(seen.collapsed(depth) if depth else seen, sort and sort.value, verbose)
        case Stage.rewrites:
            view = views.rewrites(shaped.graph)
        case Stage.plan:
            view = views.plan(shaped, memory)
        case Stage.program:
            view = views.program(_bound(shaped, memory))
    answer(view.form(format.value, width(sys.stdout)))


def _say(notes: Iterable[Note]) -> None:
    """Print what was changed or assumed where the net came from another program."""
    for note in notes:
        err().print(f"note: {note.at}: {note.text}", soft_wrap=True)


def _expected(words: list[str]) -> list[tuple[str, int]]:
    """Parse the values of --expect to keys and numbers. Raises UsageError."""
    from netspec.core.errors import UsageError
    from netspec.core.spelling import suggest
    from netspec.net.infer import TOTALS

    result = []
    for word in words:
        key, _, number = word.partition("=")
        if key not in TOTALS:
            raise UsageError(f"nothing is known of '{key}' to expect", help=suggest(key, TOTALS))
        try:
            result.append((key, int(number.replace(",", ""))))
        except ValueError:
            raise UsageError(f"`--expect {word}` needs a whole number", help=f"like `--expect {key}=431080`") from None
    return result


def _compare(shaped: ShapedGraph, spec: NetSpec, wanted: list[tuple[str, int]]) -> None:
    """Raise the errors of all totals that differ from the expected numbers."""
    from netspec.core.errors import Findings
    from netspec.net.infer import expect

    found = Findings()
    expect(shaped, spec, found, wanted)
    found.raise_if_any()


def _bound(shaped: ShapedGraph, memory: MemoryPlan) -> Program:
    from netspec.engine.bind import bind
    from netspec.engine.weights import fill_weights

    with told_of_compiling(err()):
        return bind(shaped, memory, fill_weights(shaped, memory.dtype, seed=1), seed=1)
