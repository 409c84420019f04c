"""Sides: what a word of the command line names for a comparison: a net, a solver with its net, or a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core import locate
from netspec.core.described import described
from netspec.core.errors import Findings
from netspec.language.asked import NOTHING_ASKED, AskedState
from netspec.language.extend import Shelf
from netspec.language.references import Documents, Reference, open_any
from netspec.study.units import Units, units
from netspec.training.nets import chosen, specs

if TYPE_CHECKING:
    from netspec.training.spec import SolverSpec
    from netspec.training.summary import Summary


@dataclass(frozen=True)
class Side:
    """A side of a comparison: its net, of a solver all its settings, of a run what it came to."""

    title: str
    net: Units
    settings: dict[str, Any] | None = None
    run: Summary | None = None


def sides(
    before: Reference,
    after: Reference,
    overrides: Sequence[str] = (),
    asked: AskedState = NOTHING_ASKED,
) -> tuple[Side, Side]:
    """Both sides of a comparison; the overrides change the second.

    A zoo name of a net and of a solver is the solver where the other side is one. Raises every mistake of both.
    """
    runs = _run(before), _run(after)
    one, other = (run or given for run, given in zip(runs, (before, after), strict=True))
    first = open_any(one, asked=asked)
    shelf: Shelf = "models" if first.solver is None else "solvers"
    second = open_any(other, overrides, shelf, asked)
    if first.solver is None and second.solver is not None and _names_both(before):
        first = open_any(one, (), "solvers", asked)
    return _side(first, runs[0], asked), _side(second, runs[1], asked, overrides)


def _run(reference: Reference) -> Path | None:
    """The folder of a run, named by its path or by its name in the folder of runs; None for all else."""
    if not isinstance(reference, str | Path):
        return None
    from netspec.training.folders import holds, named

    found = locate.find(str(reference), "models") or locate.find(str(reference), "solvers")
    path = named(str(reference)) if found is None else locate.expanded(str(reference))
    return path if holds(path) else None


def _names_both(reference: Reference) -> bool:
    """Whether a reference is a zoo name of a net that a solver has too."""
    name = str(reference)
    return (locate.zoo_name(name) or name) in locate.names("solvers") and not locate.is_path(name)


def _side(opened: Documents, run: Path | None, asked: AskedState, overrides: Sequence[str] = ()) -> Side:
    net = units(chosen(opened, asked=asked))
    title = " ".join([str(run or opened.title), *overrides])
    if opened.solver is None:
        return Side(title, net)
    spec, _ = specs(opened, Findings())
    if run is None:
        return Side(title, net, _settings(spec, opened.base))
    from netspec.training.summary import summarized  # it reads events, which needs NumPy

    return Side(title, net, _settings(spec, opened.base), summarized(run)[0])


def _settings(spec: SolverSpec, base: Path) -> dict[str, Any]:
    """All settings of a solver with their defaults written out and whole paths, those of its type beside the others."""
    values = {name: value for name, value in described(spec, base).items() if name not in _APART}
    settings: dict[str, Any] = described(spec.rule, base)
    return settings | values


_APART = ("reached", "rule", "params")
"""Fields that are no settings of their own: scores that were measured, the solver type, and what nets take up."""
