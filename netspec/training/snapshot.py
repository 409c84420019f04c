"""Snapshots: the state of a training in a safetensors file, written and read, and the snapshots in a folder.

The file's text maps every array to its meaning: what it is, and of which layer and param. Labels of arrays are for
people and other programs, and decide nothing. The text also holds the flat net, the solver's settings and the digest of
the net. The position in the data and every random number are functions of (seed, iteration), so a snapshot stores only
these two. Decision 15 has the format, and its history.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, ValidationError

from netspec.core.model import Model
from netspec.core.spelling import unused
from netspec.data.facts import NO_FACTS, Facts
from netspec.net.graph import ParamKey
from netspec.training.container import Contents, UnreadableSnapshotError, read_arrays, write_arrays
from netspec.training.scorelog import Tests, text

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.data.computed import Arrays

FORMAT = 2
_KNOWN = frozenset({"weight", "history", "average", "carried", "diff", "computed"})
"""What an array may be for this version to restore it; a 'diff' decides nothing, and is kept for the next snapshot."""
_ENTRY = 70
"""About as many bytes as safetensors's header has for an array, besides its label."""
BEST = "best.safetensors"
"""The snapshot of the best test, which is never pruned."""
REPLACED = "replaced"
"""Subfolder of snapshots that a run from an earlier one has set aside, and of the best one before a better came."""
_NAME = re.compile(r"iter_(\d+)\.safetensors")
_HISTORY_1 = re.compile(r"history\.(\d{1,9}):(.+)", re.DOTALL)
"""Label of an array of history in format 1. Weights are called layer.param."""


Slot = tuple[str, ParamKey]
"""An array of a param: its name, and the param that it belongs to."""

WHOLE = ParamKey("", "")
"""In place of a param, where an array belongs to all of them."""


@dataclass(frozen=True)
class Snapshot:
    """The contents of a snapshot file.

    `weights` are the params of every layer, shared ones under each layer that has them. `history` is by (slot, param),
    a shared param's under the first layer that has it, and WHOLE for what belongs to all params; of files before
    version 0.2 a slot is the text of a number. `averages` of weights are by (kind of average, param). `states` are what
    the last batch left to the next. `diffs` are gradients of the last iteration, which nothing is restored from.
    `tests` are those before the iteration, each its iteration and its scores by name; where they have ended the
    training, those of the iteration too. `computed` is what was computed over the training data, by its name; `data`
    says what the net was trained on: shapes, and names of classes.
    `iteration` is None in a file of weights alone. `digest` is the net's, `net` its flat plain values, `solver` the
    settings. `unread` are weights whose numbers are no floats, each with the type of its numbers; `unknown` are the
    kinds of arrays that this version does not restore. `shift` is the number of batches by which the data are ahead of
    the iterations. In files of Caffe params are `numbered` within their layer, in
    place of names, and those that are `legacy` have four axes, the missing ones 1.
    """

    iteration: int | None
    weights: dict[ParamKey, Array]
    history: dict[Slot, Array] = field(default_factory=dict)
    digest: str = ""
    net: dict[str, Any] = field(default_factory=dict)
    solver: dict[str, Any] = field(default_factory=dict)
    losses: tuple[float, ...] = ()
    unread: dict[ParamKey, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    states: dict[ParamKey, Array] = field(default_factory=dict)
    averages: dict[Slot, Array] = field(default_factory=dict)
    diffs: dict[ParamKey, Array] = field(default_factory=dict)
    tests: Tests = ()
    computed: dict[str, Arrays] = field(default_factory=dict)
    data: Facts = NO_FACTS
    shift: int = 0
    numbered: bool = False
    legacy: frozenset[ParamKey] = frozenset()


class _Header(Model):
    """Base of the parts of a file's text. Keys that this version does not know are for later versions."""

    model_config = ConfigDict(extra="ignore")


class _Format(_Header):
    format: int | None = None


def _slot(value: Any) -> Any:
    """The name of a slot; before version 0.2 it was a number."""
    return str(value) if type(value) is int and value >= 0 else value


class _Meaning(_Header):
    """What an array is: a 'weight', its 'diff', a slot of the 'history', an 'average', a state 'carried' to a batch.

    What is 'computed' over training data has its name in place of a layer's, its array's in place of a param's.
    """

    what: str
    layer: str = ""
    param: str = ""
    slot: Annotated[str, BeforeValidator(_slot)] = "0"


class _Code(_Header):
    name: str
    sha256: str


class _Settings(_Header):
    model_config = ConfigDict(extra="allow")

    code: list[_Code] = Field([])


class _State(_Header):
    """What both formats say of a training."""

    iteration: int | None = Field(None, ge=0, lt=2**53)
    solver: _Settings = _Settings()
    losses: tuple[float, ...] = ()
    tests: tuple[tuple[int, dict[str, float]], ...] = ()
    data: Facts = NO_FACTS
    shift: int = 0


class _Format1(_State):
    iteration: int = Field(ge=0, lt=2**53)
    net: str


class _Format2(_State):
    arrays: dict[str, _Meaning]
    digest: str = ""
    net: dict[str, JsonValue] = Field({})


def name(iteration: int) -> str:
    """File name of an iteration's snapshot: iter_000500.safetensors."""
    return f"iter_{iteration:06d}.safetensors"


def number(path: Path) -> int:
    """The iteration in the name of a snapshot's file."""
    return int(path.stem.removeprefix("iter_"))


def write(path: Path, state: Snapshot) -> None:
    """Write a snapshot, whole or not at all. Raises NotFiniteError, WriteError."""
    write_arrays(path, *_content(state))


def size(state: Snapshot) -> int:
    """About how many bytes the file of a snapshot has."""
    arrays, about = _content(state)
    listed = sum(len(label) + _ENTRY for label in arrays)
    return sum(array.nbytes for array in arrays.values()) + len(json.dumps(about)) + listed


def _content(state: Snapshot) -> tuple[dict[str, Array], str]:
    """The arrays of a snapshot's file by label, and its text."""
    rows = [(str(key), _Meaning(what="weight", **key._asdict()), array) for key, array in state.weights.items()]
    for what, slots in (("history", state.history), ("average", state.averages)):
        rows += [
            (
                f"{what}.{slot}:{key}" if any(key) else f"{what}.{slot}",
                _Meaning(what=what, **key._asdict(), slot=slot),
                array,
            )
            for (slot, key), array in slots.items()
        ]
    for what, own in (("carried", state.states), ("diff", state.diffs)):
        rows += [(f"{what}:{key}", _Meaning(what=what, **key._asdict()), array) for key, array in own.items()]
    for name, found in state.computed.items():
        named = [(ParamKey(name, each), array) for each, array in found.items()]
        rows += [(f"computed:{key}", _Meaning(what="computed", **key._asdict()), array) for key, array in named]
    arrays: dict[str, Array] = {}
    meanings: dict[str, Any] = {}
    for label, meaning, array in rows:
        label = unused(label, arrays)  # a layer may be called 'history.0:conv'
        arrays[label], meanings[label] = array, meaning.model_dump(exclude_defaults=True)
    about = {
        "format": FORMAT,
        "arrays": meanings,
        "iteration": state.iteration,
        "digest": state.digest,
        "net": state.net,
        "solver": state.solver,
        "losses": state.losses,
        **({"data": data} if (data := state.data.plain()) else {}),
        **({"shift": state.shift} if state.shift else {}),
    }
    said = json.dumps(about, sort_keys=True)  # `tests` is the last key in that order, too
    return arrays, f'{said[:-1]}, "tests": {text(state.tests)}}}' if state.tests else said


def read(path: Path) -> Snapshot:
    """Read a snapshot, or a file of weights of any program. Raises MissingSnapshotError, UnreadableSnapshotError."""
    contents = read_arrays(path)
    if contents.about is None:
        meanings = {label: _weight(label) for label in (*contents.arrays, *contents.others)}
        return _snapshot(path, contents, meanings, _State())
    try:
        format = _Format.model_validate_json(contents.about).format
        if format == 1:
            old = _Format1.model_validate_json(contents.about)
            meanings = {label: _meaning_1(label) for label in (*contents.arrays, *contents.others)}
            return _snapshot(path, contents, meanings, old, digest=old.net)
        if format == FORMAT:
            new = _Format2.model_validate_json(contents.about)
            return _snapshot(path, contents, new.arrays, new, digest=new.digest, net=new.net)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise _damaged(path, f"{where + ': ' if where else ''}{first['msg']}") from None
    raise UnreadableSnapshotError(f"'{path}' has format {format}, this version reads 1 and {FORMAT}")


def _snapshot(path: Path, contents: Contents, meanings: dict[str, _Meaning], state: _State, **also: Any) -> Snapshot:
    """The snapshot of a file whose arrays have these meanings. Raises UnreadableSnapshotError."""
    labels = {*contents.arrays, *contents.others}
    for label in sorted(labels ^ {*meanings}):
        raise _damaged(path, f"it {'does not describe' if label in labels else 'lacks'} the array '{label}'")
    known: dict[tuple[str, str, ParamKey], str] = {}
    for label, meaning in meanings.items():
        if meaning.what in _KNOWN:
            key = ParamKey(meaning.layer, meaning.param)
            if known.setdefault((meaning.what, meaning.slot, key), label) != label:
                raise _damaged(path, f"two arrays are the {meaning.what} of '{key}'")
            if meaning.what != "weight" and label in contents.others:
                raise _damaged(path, f"the {meaning.what} '{label}' holds {contents.others[label]}, and no floats")

    def slots(kind: str) -> dict[Slot, Array]:
        return {(slot, key): contents.arrays[label] for (what, slot, key), label in known.items() if what == kind}

    weights = {key: label for (what, _, key), label in known.items() if what == "weight"}
    computed: dict[str, dict[str, Array]] = {}
    for (_, key), array in slots("computed").items():
        computed.setdefault(key.layer, {})[key.param] = array
    return Snapshot(
        state.iteration,
        {key: contents.arrays[label] for key, label in weights.items() if label in contents.arrays},
        slots("history"),
        solver=state.solver.model_dump(exclude_unset=True),
        losses=state.losses,
        unread={key: contents.others[label] for key, label in weights.items() if label in contents.others},
        unknown=tuple(sorted({meaning.what for meaning in meanings.values()} - _KNOWN)),
        states={key: array for (_, key), array in slots("carried").items()},
        averages=slots("average"),
        diffs={key: array for (_, key), array in slots("diff").items()},
        tests=state.tests,
        computed=dict(computed),
        data=state.data,
        shift=state.shift,
        **also,
    )


def _weight(label: str) -> _Meaning:
    """The weight that a label layer.param names. The names of params are without dots."""
    layer, _, param = label.rpartition(".")
    return _Meaning(what="weight", layer=layer, param=param)


def _meaning_1(label: str) -> _Meaning:
    """The meaning of an array in format 1, by its label."""
    found = _HISTORY_1.fullmatch(label)
    return (
        _weight(found[2]).model_copy(update={"what": "history", "slot": str(int(found[1]))})
        if found
        else _weight(label)
    )


def _damaged(path: Path, why: str) -> UnreadableSnapshotError:
    return UnreadableSnapshotError(
        f"'{path}' does not say what it holds: {why}", help="it is damaged: take an earlier snapshot"
    )


def listing(folder: Path) -> list[Path]:
    """The snapshots in a folder, oldest iteration first."""
    found = {int(match[1]): path for path in folder.glob("iter_*.safetensors") if (match := _NAME.fullmatch(path.name))}
    return [found[iteration] for iteration in sorted(found)]


def latest(folder: Path) -> Path | None:
    """The snapshot of the highest iteration, if there is one."""
    return next(reversed(listing(folder)), None) if folder.is_dir() else None


def prune(folder: Path, keep: int) -> None:
    """Delete all but the last `keep` snapshots, and the temporary files of interrupted writes."""
    for path in [*listing(folder)[:-keep], *folder.glob(".iter_*.tmp")]:
        path.unlink(missing_ok=True)


def set_aside(folder: Path, iteration: int) -> list[Path]:
    """Move the snapshots after an iteration to the subfolder REPLACED: a resumed run writes its own."""
    later = [path for path in listing(folder) if number(path) > iteration]
    for path in later:
        (folder / REPLACED).mkdir(exist_ok=True)
        os.replace(path, folder / REPLACED / path.name)
    return later
