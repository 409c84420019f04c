"""Loading: arrays of a file into a net's params, matched by layer and param.

A param that layers share takes the array of the last of them that the file holds, as in Caffe, where layers are loaded
in order. Nothing is copied before everything fits. Source: Caffe net.cpp (CopyTrainedLayersFrom).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from netspec.core import code_files
from netspec.core.changes import compare, lines
from netspec.core.errors import SnapshotError
from netspec.core.shape import counted, text
from netspec.engine.weights import Weights, params_by_key
from netspec.formats.mapped import release
from netspec.net.digest import digest, earlier_digests
from netspec.net.graph import ParamKey
from netspec.net.shaped import ShapedGraph
from netspec.training.averaging import averaged
from netspec.training.caffe_weights import named
from netspec.training.container import FLOATS, UnreadableSnapshotError, finite
from netspec.training.job import Job
from netspec.training.reading import read
from netspec.training.recorded import flat_net, net_changes, settings
from netspec.training.snapshot import Slot, Snapshot
from netspec.training.solvers.base import UpdateRule
from netspec.training.weight_files import WeightFiles

if TYPE_CHECKING:
    from netspec.core.calls import Array

RESUME = "to start from its weights only, say --weights"
"""Help where a snapshot does not fit the training that it should resume."""
MOST_CHANGES = 10
"""Most changes of a net that an error lists."""
MOST = 4
"""Most differences that an error lists."""


class OtherNetError(SnapshotError):
    """The snapshot belongs to another net."""

    code = "NS513"


@dataclass(frozen=True)
class LoadReport:
    """Names of params: loaded from the files; in a file but not in the net; in the net but left at their fillers.

    `renamed` lists names in the files with those that the net has for them, `misfits` the params of another shape in a
    file. `changed` lists differences between the code files in use and those the weights were trained with. `merged`
    says of each shared param for which a file has several different arrays which of them was taken.
    """

    loaded: tuple[str, ...]
    skipped: tuple[str, ...]
    left: tuple[str, ...]
    changed: tuple[str, ...] = ()
    merged: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    misfits: tuple[str, ...] = ()

    @property
    def rows(self) -> list[str]:
        """The lines of the report: how many params were loaded, and what else there is to say."""
        rows = [f"{counted(len(self.loaded), 'param')} loaded"]
        rows += [f"renamed: {', '.join(self.renamed)}"] if self.renamed else []
        rows += [f"skipped (not in the net): {', '.join(self.skipped)}"] if self.skipped else []
        rows += [f"left at their fillers: {', '.join(self.left)}"] if self.left else []
        rows += [f"of another shape: {'; '.join(self.misfits)}"] if self.misfits else []
        rows += [f"shared, but different in the file: {'; '.join(self.merged)}"] if self.merged else []
        rows += [f"changed: {'; '.join(self.changed)}"] if self.changed else []
        return rows

    def __str__(self) -> str:
        return "; ".join(self.rows)


@dataclass(frozen=True)
class Match:
    """A file that fits a net: pairs of a param and the array to copy into it, with their keys, and the report of it."""

    pairs: tuple[tuple[Array, Array], ...]
    report: LoadReport
    keys: tuple[ParamKey, ...] = ()

    def copy(self) -> None:
        """Copy the arrays into the params."""
        for param, array in self.pairs:
            param[...] = array
            release(array)


def load(
    shaped: ShapedGraph,
    weights: Weights,
    path: Path,
    also: Mapping[ParamKey, ParamKey] = MappingProxyType({}),
    average: str | None = None,
) -> LoadReport:
    """Start from the weights in a file. Raises SnapshotError, and then nothing has changed.

    `also` holds for some params another key, under which they are looked for too. `average` is a kind of average to
    take in place of the weights.
    """
    state = read(path)
    if average is not None:
        state = averaged(state, average, path)
    found = match(shaped, weights, _renamed(state, shaped, also), path)
    found.copy()
    return replace(found.report, changed=_changed_code(state))


def load_files(shaped: ShapedGraph, weights: Weights, wanted: WeightFiles, paths: Sequence[Path]) -> LoadReport:
    """Start from the weights in files, later ones over earlier. Raises SnapshotError, and then nothing has changed."""
    matches, changed, renamed, given = [], dict[str, None](), dict[ParamKey, ParamKey](), set[ParamKey]()
    for path in paths:
        state = read(path)
        names = wanted.renamed((*state.weights, *state.unread))
        given |= names.keys()
        own = {names[key]: array for key, array in state.weights.items()}
        unread = {names[key]: kind for key, kind in state.unread.items()}
        state = replace(state, weights=own, unread=unread, legacy=frozenset(names[key] for key in state.legacy))
        matches.append(match(shaped, weights, state, path, lenient=wanted.strict is False))
        changed |= dict.fromkeys(_changed_code(state))
        renamed |= {old: new for old, new in names.items() if old != new}
    reports, idle = [found.report for found in matches], wanted.idle(given)
    loaded = {name for report in reports for name in report.loaded}
    report = LoadReport(
        tuple(param.name for param in shaped.graph.params if param.name in loaded),
        tuple(dict.fromkeys(name for report in reports for name in report.skipped)),
        tuple(name for name in reports[0].left if all(name in report.left for report in reports)),
        tuple(changed),
        tuple(text for report in reports for text in report.merged),
        (*(f"{old} -> {new}" for old, new in renamed.items()), *(f"nothing is called {name}" for name in idle)),
        tuple(text for report in reports for text in report.misfits),
    )
    unused = [*_only(report.left, "net"), *_only(report.skipped, "files"), *_only(idle, "`rename`")]
    if wanted.strict and unused:
        help = "without `strict: true` they are passed over"
        raise OtherNetError(f"the weights do not fit the net: {_few(unused)}", help=help)
    for found in matches:
        found.copy()
    return report


def _changed_code(state: Snapshot) -> tuple[str, ...]:
    """What changed in the code files since a snapshot was written."""
    code = state.solver.get("code")
    return tuple(lines(code_files.changes(code, code_files.recorded()))) if code else ()


def _only(names: Iterable[object], place: str) -> list[str]:
    return [f"'{name}' is only in the {place}" for name in names]


def _renamed(state: Snapshot, shaped: ShapedGraph, also: Mapping[ParamKey, ParamKey]) -> Snapshot:
    """A snapshot whose arrays have the keys of the net, where it has them under their other keys."""
    found = {own: key for own, key in also.items() if own not in state.weights and key in state.weights}
    used = set(found.values()) - set(shaped.graph.param_keys)
    weights = {key: array for key, array in state.weights.items() if key not in used}
    return replace(state, weights=weights | {own: state.weights[key] for own, key in found.items()})


def match(
    shaped: ShapedGraph, weights: Weights, state: Snapshot, path: Path, strict: bool = False, lenient: bool = False
) -> Match:
    """Match the weights of a file with the params of a net.

    A param of another shape is left out where that is `lenient`. Raises OtherNetError for it elsewhere, when no name
    matches (in a file of Caffe, any number may), or with `strict` when any name has no match; UnreadableSnapshotError
    when an array holds numbers that no param can take.
    """
    own, params = params_by_key(shaped, weights), shaped.graph.params
    state, other = named(state, own, own.keys() - set(shaped.graph.owners))
    misfits = {
        key: f"'{key}' is {text(state.weights[key].shape)} in the snapshot and {text(own[key].shape)} in the net"
        for key in sorted(own)
        if key in state.weights and state.weights[key].shape != own[key].shape
    }
    given = [key for key in own if (key in state.weights or key in state.unread) and not (lenient and key in misfits)]
    skipped = [key for key in (*state.weights, *state.unread) if key not in own]
    indices = shaped.graph.param_keys
    filled = {indices[key] for key in given}
    loaded, left = ([p.name for p in params if (p.index in filled) == yes] for yes in (True, False))
    wrong = [] if lenient else [*other, *misfits.values()]
    if strict:
        wrong += [*_only(left, "net"), *_only(skipped, "snapshot")]
    elif not wrong and not given and not state.numbered:
        wrong = list(misfits.values()) or [
            f"it has {', '.join(map(str, skipped[:6])) or 'nothing'}",
            f"the net has {', '.join(p.name for p in params[:6])}",
        ]
    if wrong:
        hint = None if strict else "give the layer another name to start it from its filler"
        raise OtherNetError(f"'{path}' belongs to another net: {_few(wrong)}", help=hint)
    unread = [f"'{key}' holds {state.unread[key]}" for key in given if key in state.unread]
    keys = tuple(key for key in given if key in state.weights)
    pairs = fitted(((f"'{key}'", own[key], state.weights[key]) for key in keys), path, unread)
    merged = _merged(given, indices, state)
    misfitting = {str(key) for key in misfits}
    left = [name for name in left if name not in misfitting]
    report = LoadReport(tuple(loaded), tuple(map(str, skipped)), tuple(left), merged=merged)
    return Match(pairs, replace(report, misfits=(*other, *misfits.values())), keys)


def fitted(
    wanted: Iterable[tuple[str, Array, Array]], path: Path, wrong: Iterable[str] = ()
) -> tuple[tuple[Array, Array], ...]:
    """Pairs of an own array and the file's in the own type of numbers, from (name, own array, the file's array).

    Raises UnreadableSnapshotError where an array is not finite in that type, and for what is `wrong` already.
    """
    import numpy as np

    pairs, said = [], list(wrong)
    for name, own, array in wanted:
        with np.errstate(over="ignore"):
            values = array.astype(own.dtype, copy=False)
        if not finite(array):
            said.append(f"{name} is not finite")
        elif values is not array and not finite(values):
            said.append(f"{name} has values beyond the range of {own.dtype}")
        pairs.append((own, values))
    if said:
        help = f"weights are finite, and {', '.join(FLOATS.values())}"
        raise UnreadableSnapshotError(f"'{path}' holds what no param can take: {_few(said)}", help=help)
    return tuple(pairs)


def _few(said: list[str]) -> str:
    """The first texts of a list, and how many more there are."""
    return "; ".join(said[:MOST]) + (f" (and {len(said) - MOST} more)" if len(said) > MOST else "")


def _merged(given: list[ParamKey], indices: dict[ParamKey, int], state: Snapshot) -> tuple[str, ...]:
    """For each shared param of which the file holds different arrays: the one that is taken, and the others."""
    import numpy as np

    sharing: dict[int, list[ParamKey]] = {}
    for key in given:
        sharing.setdefault(indices[key], []).append(key)
    said = []
    for *keys, taken in sharing.values():
        flat = [state.weights[key].reshape(-1) for key in (*keys, taken)]
        others = [f"'{key}'" for key, array in zip(keys, flat, strict=False) if not np.array_equal(array, flat[-1])]
        if others:
            said.append(f"'{taken}' was taken, not {' or '.join(others)}")
    return tuple(said)


def match_same(job: Job, weights: Weights, state: Snapshot, path: Path) -> Match:
    """The match with a snapshot of a job's own net. Raises OtherNetError with what changed in the net since."""
    graph = job.train.graph
    try:
        found = match(job.train, weights, state, path, strict=True)
        if state.digest in {digest(graph), *earlier_digests(graph)}:
            return found
        other = OtherNetError(
            f"'{path}' belongs to another net: the params agree, but not the layers or the lr_mult", help=RESUME
        )
    except OtherNetError as error:
        other = error.changed(help=RESUME)
    shown = [key for key in ("level", "stage") if key in state.solver]
    before, after = ({key: one[key] for key in shown} for one in (state.solver, settings(job)))
    changed = (*net_changes(state.net, flat_net(job)), *compare(before, after))
    if changed:
        what = "; ".join(lines(changed, MOST_CHANGES))
        other = other.changed(message=f"'{path}' belongs to another net, which changed since: {what}")
    raise other


def fitting_history(
    own: Mapping[Slot, Array], rule: UpdateRule, state: Snapshot, path: Path
) -> tuple[tuple[Array, Array], ...]:
    """Pairs of an own array of the history and the snapshot's. Raises SnapshotError where they do not fit."""
    # before version 0.2 slots were numbers, in the order of their names
    names = {str(number): name for number, name in enumerate(rule.slots)}
    given = {(names.get(slot, slot), key): array for (slot, key), array in state.history.items()}
    shapes, theirs = ({key: array.shape for key, array in each.items()} for each in (own, given))
    word = type(rule).__name__
    # another solver type's history may have the same shapes, but holds other values
    if shapes != theirs or state.solver.get("type") != word:
        raise OtherNetError(f"'{path}' has no history for the solver type {word}", help=RESUME)
    return fitted(((f"the history of '{key[1]}'", own[key], given[key]) for key in own), path)


def fitting_states(own: Mapping[ParamKey, Array], state: Snapshot, path: Path) -> tuple[tuple[Array, Array], ...]:
    """Pairs of an own state of a recurrent layer and the snapshot's. Raises SnapshotError where they do not fit."""
    shapes, theirs = ({key: array.shape for key, array in each.items()} for each in (own, state.states))
    if shapes != theirs:
        why = f"'{path}' holds other states of recurrent layers than the net has: a batch of another size left them"
        raise OtherNetError(why, help=f"resume with the batch size that it was trained with; {RESUME}")
    return fitted(((f"the state '{key}'", own[key], state.states[key]) for key in own), path)
