"""What surveys of the sets of a training say against them: broken samples, twins, leaks, classes and columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from netspec.core.locate import from_here
from netspec.core.shape import counted
from netspec.data.dataset import Dataset
from netspec.survey import twins
from netspec.survey.sets import Sample
from netspec.survey.survey import Survey

KINDS = (
    "broken",
    "leak",
    "contradiction",
    "equal",
    "alike",
    "leak_alike",
    "untrained_class",
    "empty_class",
    "rare_class",
    "constant",
    "missing",
)
"""Kinds of findings, in the order in which they are shown."""

_RARE = 10
"""The largest class has this many times the samples of a rare one."""


@dataclass(frozen=True)
class Finding:
    """One kind of fault: how often it is found, and where, each place as a line."""

    kind: str
    message: str
    places: tuple[str, ...]


def findings(samples: Mapping[str, Sample], surveys: Sequence[Survey]) -> list[Finding]:
    """All that is wrong with the sets, in the order of KINDS."""
    data = [samples[one.name].data for one in surveys]
    found = [*_broken(surveys), *_twins(data, surveys), *_classes(data, surveys), *_columns(surveys)]
    return sorted(found, key=lambda one: KINDS.index(one.kind))


def _broken(surveys: Sequence[Survey]) -> Iterator[Finding]:
    places = tuple(f"{one.name}: {from_here(reason)}" for one in surveys for _, reason in one.broken)
    if places:
        yield Finding("broken", f"samples that cannot be read: {len(places):,}", places)


class _All:
    """The samples of all sets in one row."""

    def __init__(self, data: Sequence[Dataset], surveys: Sequence[Survey]) -> None:
        self._data, self._surveys = data, surveys
        self._ends = list(accumulate(one.samples for one in surveys))
        self._labels = [one.labels(1) if len(one.shapes) > 1 and one.shapes[1] == () else None for one in data]

    def find(self, place: int) -> tuple[int, int]:
        """The number of the set, and the index within it."""
        number = next(i for i, end in enumerate(self._ends) if place < end)
        return number, place - (self._ends[number - 1] if number else 0)

    def label(self, place: int) -> float | None:
        number, index = self.find(place)
        labels = self._labels[number]
        return None if labels is None else float(labels[index])

    def name(self, place: int) -> str:
        number, index = self.find(place)
        name = from_here(self._data[number].name(index))
        return name if len(self._surveys) == 1 else f"{self._surveys[number].name}: {name}"

    def is_leak(self, places: Sequence[int]) -> bool:
        """Whether samples are from more than one set."""
        return len({self.find(place)[0] for place in places}) > 1

    def contradict(self, places: Sequence[int]) -> bool:
        """Whether samples have different labels."""
        return len({self.label(place) for place in places}) > 1


def _twins(data: Sequence[Dataset], surveys: Sequence[Survey]) -> Iterator[Finding]:
    import numpy as np

    row = _All(data, surveys)
    groups = twins.equal_groups([digest for one in surveys for digest in one.digests])
    leaks = [group for group in groups if row.is_leak(group)]
    against = [group for group in groups if row.contradict(group)]
    inside = [group for group in groups if not row.is_leak(group)]
    if leaks:
        text = f"a leak: {counted(sum(map(len, leaks)), 'sample')} of different sets are equal"
        yield Finding("leak", text, tuple(_group(row, group) for group in leaks))
    if against:
        text = f"equal samples with different labels: {counted(len(against), 'group')}"
        yield Finding("contradiction", text, tuple(_group(row, group) for group in against))
    if inside:
        more = sum(len(group) - 1 for group in inside)
        yield Finding("equal", f"samples that repeat others of their set: {more:,}", _places(row, inside))
    if not all(one.images for one in surveys):
        return
    same = {place: group[0] for group in groups for place in group}
    pairs = twins.alike(np.concatenate([one.hashes for one in surveys]), np.concatenate([one.small for one in surveys]))
    near = [pair for pair in pairs if same.get(pair[0], -1) != same.get(pair[1], -2)]
    across = [pair for pair in near if row.is_leak(pair)]
    within = [pair for pair in near if not row.is_leak(pair)]
    if across:
        text = f"perhaps a leak: {counted(len(across), 'pair')} of images of different sets that look alike"
        yield Finding("leak_alike", text, _places(row, across))
    if within:
        yield Finding("alike", f"images that look alike: {counted(len(within), 'pair')}", _places(row, within))


def _places(row: _All, groups: Sequence[Sequence[int]]) -> tuple[str, ...]:
    return tuple(_group(row, group) for group in groups)


def _group(row: _All, group: Sequence[int], most: int = 4) -> str:
    names = [row.name(place) for place in group[:most]]
    more = f" and {len(group) - most:,} more" if len(group) > most else ""
    return " = ".join(names) + more


def _classes(data: Sequence[Dataset], surveys: Sequence[Survey]) -> Iterator[Finding]:
    """Classes that a set has and the training set has not, that no set has, and that are rare."""
    first = surveys[0]
    if not first.classes:
        return
    names = data[0].classes(1) or ()

    def said(label: int) -> str:
        return f"'{names[label]}'" if 0 <= label < len(names) else f"class {label}"

    new = [f"{one.name}: {said(label)}" for one in surveys[1:] for label in one.classes if label not in first.classes]
    if new:
        text = f"classes of other sets without a sample in '{first.name}': {len(new):,}"
        yield Finding("untrained_class", text, tuple(new))
    seen = {label for one in surveys for label in one.classes}
    empty = [said(label) for label in range(len(names)) if label not in seen]
    if empty:
        yield Finding("empty_class", f"classes without samples: {len(empty):,}", tuple(empty))
    most = max(first.classes.values())
    rare = [f"{said(label)}: {n:,}" for label, n in first.classes.items() if n * _RARE <= most]
    if rare:
        text = f"rare classes of '{first.name}', where the largest has {most:,} samples: {len(rare):,}"
        yield Finding("rare_class", text, tuple(rare))


def _columns(surveys: Sequence[Survey]) -> Iterator[Finding]:
    kind = "channel" if surveys[0].images else "feature"
    for one in surveys[:1]:
        constant = [i for i, column in enumerate(one.columns) if column.count and column.least == column.most]
        if constant and one.samples > 1:
            places = tuple(f"{one.titles[i]}: always {one.columns[i].most:g}" for i in constant)
            yield Finding("constant", f"{kind}s of '{one.name}' that never change: {len(constant):,}", places)
    missing = [
        (one.name, one.titles[i], column.missing)
        for one in surveys
        for i, column in enumerate(one.columns)
        if column.missing
    ]
    if missing:
        places = tuple(f"{name}: {title}: {number:,}" for name, title, number in missing)
        yield Finding("missing", f"missing values: {sum(number for *_, number in missing):,}", places)
