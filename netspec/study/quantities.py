"""Quantities: what the histories of some runs have to show, each in the panel that it belongs into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from statistics import median
from typing import Any, Literal

from netspec.core.errors import UsageError
from netspec.core.spelling import nearest, suggest
from netspec.training.events import INDEX
from netspec.training.history import History, Series
from netspec.training.runs import RunRecord

Kind = Literal["loss", "scores", "rate", "gradient", "updates", "dead", "other"]
PANELS: tuple[Kind, ...] = ("loss", "scores", "rate", "gradient", "updates", "dead")
MOST_NAMED = 8
"""Most params or layers of a run that have lines of their own."""
_DEBUGGED = ("data", "diff", "dead", "update")


class UnknownCurveError(UsageError):
    """A panel, score or other quantity is asked for by a name that no run has."""

    code = "NS891"


@dataclass(frozen=True)
class Quantity:
    """A quantity of a run, by the run's number: the panel that it stands in, and its name there.

    `passing` says that the values were taken in passing, from one batch or a few, so that they may be smoothed. Where
    `series` is the median of several, `low` and `high` are their lowest and highest values.
    """

    run: int
    kind: Kind
    title: str
    name: str
    series: Series
    passing: bool = False
    low: Series | None = None
    high: Series | None = None


def quantities(records: Sequence[RunRecord], courses: Sequence[History]) -> list[Quantity]:
    """All quantities of some runs that belong into PANELS, in their order."""
    alone = len(records) == 1
    found = [
        each
        for run, (record, course) in enumerate(zip(records, courses, strict=True))
        for each in (*_outputs(run, record, course), *_others(run, course, alone))
    ]
    titles = list(dict.fromkeys(each.title for each in found))
    return sorted(found, key=lambda each: (PANELS.index(each.kind), titles.index(each.title), each.run))


def chosen(found: Sequence[Quantity], courses: Sequence[History], words: Sequence[str]) -> list[Quantity]:
    """The quantities that words name: a panel, a title like `accuracy`, or any series like `test/accuracy`.

    Raises UnknownCurveError.
    """
    kept: list[Quantity] = []
    for word in words:
        own = [each for each in found if word in {each.kind, each.title, each.series.name}]
        own = own or [
            Quantity(run, "other", word, word, course.series[word], passing=True)
            for run, course in enumerate(courses)
            if word in course.series
        ]
        if not own:
            raise unknown(word, [*PANELS, *(each.title for each in found)], courses)
        kept += [each for each in own if each not in kept]
    return kept


def unknown(word: str, names: Sequence[str], courses: Sequence[History]) -> UnknownCurveError:
    """The error of a word that names nothing which any run has recorded."""
    if word in {"updates", "dead"}:
        return UnknownCurveError(f"no run has recorded '{word}'", help="train with `debug_info: true` in the solver")
    every = [*names, *(name for course in courses for name in course.series)]
    short = [name for name in every if name.partition("/")[0] not in _DEBUGGED]
    help = suggest(word, every if nearest(word, every) else short)
    return UnknownCurveError(f"no run has recorded '{word}'", help=help)


def _outputs(run: int, record: RunRecord, course: History) -> Iterator[Quantity]:
    """The loss of the training, and the losses and scores of its tests and progress lines."""
    if "loss" in course.series:
        yield Quantity(run, "loss", "loss", "train", course.series["loss"], passing=True)
    losses = _losses(record)
    parted = [(*name.partition("/"), each) for name, each in course.series.items()]
    outputs = [
        (feed, blob, each)
        for feed, slash, blob, each in parted
        if slash and feed not in _DEBUGGED and not INDEX.search(blob)
    ]
    several = len({blob for _, blob, _ in outputs if _is_loss(blob, losses)}) > 1
    for feed, blob, each in outputs:
        if not _is_loss(blob, losses):
            yield Quantity(run, "scores", blob, feed, each, passing=feed == "train")
        elif feed != "train":  # the loss of the training is the sum of all
            yield Quantity(run, "loss", "loss", f"{feed} {blob}" if several else feed, each)


def _losses(record: RunRecord) -> set[str]:
    """The tops of the losses of a run's net, as far as its configuration names them."""
    net = record.config.get("net")
    layers: Any = net.get("layers") if isinstance(net, dict) else None
    named: set[str] = set()
    for layer in layers if isinstance(layers, list) else ():
        if isinstance(layer, dict) and str(layer.get("type", "")).endswith("Loss"):
            top = layer.get("top") or layer.get("name")
            named |= {str(each) for each in (top if isinstance(top, list) else [top])}
    return named


def _is_loss(blob: str, losses: set[str]) -> bool:
    return blob in losses or "loss" in blob.lower()


def _others(run: int, course: History, alone: bool) -> Iterator[Quantity]:
    """Rate, gradient, update ratios and dead units; those of many params or of one run of many as a median."""
    if "rate" in course.series:
        yield Quantity(run, "rate", "learning rate", "", course.series["rate"])
    if "gradient" in course.series:
        yield Quantity(run, "gradient", "gradient norm", "", course.series["gradient"], passing=True)
    kinds: tuple[tuple[Kind, str, str, str], ...] = (
        ("updates", "update", "update / weight", "params"),
        ("dead", "dead", "dead units", "layers"),
    )
    for kind, head, title, word in kinds:
        own = course.under(head)
        if alone and len(own) <= MOST_NAMED:
            for name, each in own.items():
                yield Quantity(run, kind, title, name, each, passing=True)
        elif own:
            low, middle, high = (_joined([*own.values()], how) for how in (min, median, max))
            yield Quantity(run, kind, title, f"median of {word}", middle, True, low, high)


def _joined(several: Sequence[Series], how: Callable[[list[float]], float]) -> Series:
    """A series of what `how` makes of the finite values that several series have of an iteration."""
    values: dict[int, list[float]] = {}
    moments: dict[int, tuple[float | None, float]] = {}
    for each in several:
        for iteration, epoch, second, value in zip(
            each.iterations, each.epochs, each.seconds, each.values, strict=True
        ):
            moments[iteration] = epoch, second
            values.setdefault(iteration, []).extend([value] if isfinite(value) else [])
    order = tuple(sorted(moments))
    epochs, seconds = zip(*(moments[iteration] for iteration in order), strict=True)
    return Series("", order, epochs, seconds, tuple(how(values[i]) if values[i] else nan for i in order))
