"""Diff: what differs between two nets, two solvers or two runs.

Layers are matched by name and structure (`matching.py`). Names of blobs do not count, except those of outputs, which
are the names of scores. A layer that reads another blob only because a layer in between came or went has not changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from netspec.core.changes import Change, Changes, compare
from netspec.core.errors import CheckFailed
from netspec.core.shape import Shapes, counted
from netspec.core.spelling import enumerated
from netspec.language.asked import NOTHING_ASKED, AskedState
from netspec.language.references import Reference
from netspec.study.matching import Matching, match
from netspec.study.sides import Side, sides
from netspec.study.units import Read, Unit, Units

Kind = Literal["added", "removed", "changed", "renamed", "affected"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What became of a layer. `affected`: its own fields are equal, but shapes or costs differ, as its bottoms do."""


class DifferError(CheckFailed):
    """Two sides were to be equal, and differ."""

    code = "NS870"


@dataclass(frozen=True)
class LayerState:
    """A layer in one of the nets; shapes and MACs are of a sample, bytes of the batch."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    shapes: Shapes
    params: int
    stored: int
    macs: int
    weight_bytes: int
    activation_bytes: int
    training_bytes: int


@dataclass(frozen=True)
class LayerDiff:
    """A layer that differs: in the first net, in the second, None where it is not there; and what changed in it."""

    kind: Kind
    before: LayerState | None
    after: LayerState | None
    changes: Changes = ()

    def gained(self, figure: str) -> int:
        """By how much a figure of the layer grew, `params` or `macs`; a layer that is not there has 0."""
        return sum(sign * getattr(one, figure) for sign, one in ((-1, self.before), (1, self.after)) if one is not None)


@dataclass(frozen=True)
class NetFigures:
    """Totals of a net; bytes are peaks at its batch size, None where the net has no such phase."""

    name: str
    layers: int
    params: int
    stored: int
    macs: int
    weight_bytes: int
    training_bytes: int | None
    forward_bytes: int | None
    batch: int
    unit: str


@dataclass(frozen=True)
class RunDiff:
    """What two runs came to."""

    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def differs(self) -> bool:
        """Whether any score or length differs."""
        return self.before != self.after


@dataclass(frozen=True)
class Difference:
    """What differs between two sides: layers, in the order of the nets; settings of solvers; figures of runs.

    `alike` counts the layers that are equal. `settings` and `runs` are None where a side has none.
    """

    titles: tuple[str, str]
    before: NetFigures
    after: NetFigures
    layers: tuple[LayerDiff, ...]
    alike: int
    settings: Changes | None
    runs: RunDiff | None

    @property
    def differs(self) -> bool:
        """Whether anything differs."""
        return bool(self.layers or self.settings or (self.runs and self.runs.differs))

    def count(self, kind: Kind) -> int:
        """The number of layers of a kind."""
        return sum(one.kind == kind for one in self.layers)

    def check(self) -> None:
        """Raise DifferError where anything differs."""
        if not self.differs:
            return
        kinds = [f"{self.count(kind):,} {kind}" for kind in KINDS if self.count(kind)]
        found = [f"{counted(len(self.layers), 'layer')} ({', '.join(kinds)})"] if kinds else []
        found += [counted(len(self.settings), "setting")] if self.settings else []
        found += ["the runs' scores"] if self.runs and self.runs.differs else []
        one, other = self.titles
        raise DifferError(f"'{one}' and '{other}' differ in {enumerated(found)}")


def diff(
    before: Reference,
    after: Reference,
    overrides: Sequence[str] = (),
    asked: AskedState = NOTHING_ASKED,
) -> Difference:
    """What differs between two references; the overrides change the second. Raises every mistake of both."""
    return difference(*sides(before, after, overrides, asked))


def difference(one: Side, other: Side) -> Difference:
    """What differs between two sides."""
    found = match(one.net, other.net)
    layers = tuple(_ordered(found))
    settings, runs = None, None
    if one.settings is not None and other.settings is not None:
        settings = compare(one.settings, other.settings)
    if one.run is not None and other.run is not None:
        runs = RunDiff(*({name: getattr(side.run, name) for name in _RUN} for side in (one, other)))
    differing = sum(layer.before is not None and layer.after is not None for layer in layers)
    return Difference(
        (one.title, other.title),
        _figures(one.net),
        _figures(other.net),
        layers,
        len(found.pairs) - differing,
        settings,
        runs,
    )


_RUN = ("status", "metric", "best", "last", "iteration", "epoch")


def _figures(net: Units) -> NetFigures:
    return NetFigures(
        net.name,
        len(net.units),
        net.params,
        net.stored,
        net.macs,
        net.weight_bytes,
        net.training_bytes,
        net.forward_bytes,
        net.batch,
        net.unit,
    )


def _ordered(found: Matching) -> Iterator[LayerDiff]:
    """The layers that differ in the order of the second net; those that are removed after what stood before them."""
    ours = iter(found.before.units)
    told: set[int] = set()
    for unit in found.after.units:
        own = found.back[unit.index]
        while own is not None and own not in told:
            first = next(ours)
            told.add(first.index)
            if found.ahead[first.index] is None:
                yield LayerDiff("removed", _state(found.before, first), None)
        if own is None:
            yield LayerDiff("added", None, _state(found.after, unit))
            continue
        each = _compared(found, found.before.units[own], unit)
        if each is not None:
            yield each
    for first in ours:
        if found.ahead[first.index] is None:
            yield LayerDiff("removed", _state(found.before, first), None)


def _compared(found: Matching, one: Unit, other: Unit) -> LayerDiff | None:
    """The difference of a pair; None where there is none."""
    changes = tuple(_changes(found, one, other))
    names = tuple(
        Change(("top",), before, after)
        for before, after in zip(one.outputs.values(), other.outputs.values(), strict=False)
        if one.outputs.keys() == other.outputs.keys() and before != after and (before, after) != (one.name, other.name)
    )
    before, after = _state(found.before, one), _state(found.after, other)
    kind: Kind | None = None
    if changes:
        kind = "changed"
    elif one.name != other.name or names:
        kind = "renamed"
    elif (one.shapes, one.params, one.stored, one.macs) != (other.shapes, other.params, other.stored, other.macs):
        kind = "affected"
    return kind and LayerDiff(kind, before, after, changes + names)


def _changes(found: Matching, one: Unit, other: Unit) -> Iterator[Change]:
    """What changed in a layer itself: its type, its terms, its phases, what it reads and whose params it shares."""
    if one.type != other.type:
        yield Change(("type",), one.type, other.type)
    for key in dict.fromkeys((*one.terms, *other.terms)):
        before, after = (unit.terms.get(key, unit.usual.get(key)) for unit in (one, other))
        yield from compare(before, after, tuple(key.split(".")))
    if one.phases != other.phases:
        yield Change(("phase",), " ".join(one.phases), " ".join(other.phases))
    for phase in one.phases:
        if phase in other.phases and not _reads_alike(found, one.reads[phase], other.reads[phase]):
            yield Change(("bottom",), _named(found.before, one.reads[phase]), _named(found.after, other.reads[phase]))
            break
    for number, (ours, theirs) in enumerate(zip(one.shares, other.shares, strict=False)):
        if _counterpart(found, ours) != theirs:
            owners = (read and net.units[read[0]].name for net, read in ((found.before, ours), (found.after, theirs)))
            yield Change(("shares", number), *owners)


def _counterpart(found: Matching, read: Read | None) -> tuple[int | None, int] | None:
    """A top of the first net as it is called in the second."""
    return None if read is None else (found.ahead[read[0]], read[1])


def _reads_alike(found: Matching, ours: Sequence[Read], theirs: Sequence[Read]) -> bool:
    """Whether bottoms are the same, but for layers between that came or went, each followed to its first bottom."""
    if len(ours) != len(theirs):
        return False
    for one, other in zip(ours, theirs, strict=True):
        first, second = _followed(found.before, found.ahead, one), _followed(found.after, found.back, other)
        if _counterpart(found, first) != second:
            return False
    return True


def _followed(net: Units, pairs: Sequence[int | None], read: Read) -> Read | None:
    """A top, or where its layer has no pair, the nearest below it along first bottoms that has; None without any."""
    reached: Read | None = read
    while reached is not None and pairs[reached[0]] is None:
        reached = next(iter(net.units[reached[0]].first_reads), None)
    return reached


def _named(net: Units, reads: Sequence[Read]) -> tuple[str, ...]:
    return tuple(net.units[maker].name for maker, _ in reads)


def _state(net: Units, unit: Unit) -> LayerState:
    held = unit.bytes
    return LayerState(
        unit.name,
        unit.type,
        _named(net, unit.first_reads),
        unit.shapes,
        unit.params,
        unit.stored,
        unit.macs,
        held.weights,
        held.activations,
        held.training,
    )
