"""What differs between two nets, solvers or runs as a table, JSON, CSV and Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from netspec.core.changes import Changes, dotted
from netspec.core.described import in_words
from netspec.core.shape import Shapes, counted, per, text
from netspec.core.visible import visible
from netspec.study.diff import KINDS, Difference, LayerDiff, RunDiff
from netspec.views.columns import Columns
from netspec.views.tables import View
from netspec.views.terminal import short, size

if TYPE_CHECKING:
    from netspec.training.summary import Score

ARROW = " -> "
_LABEL = 12
"""Columns of the words before the notes."""


def diff_view(one: Difference) -> View:
    """A row for every layer that differs, and below them totals, settings and scores of both sides."""
    return View(
        lambda width: _table(one, width),
        lambda: _values(one),
        lambda: [_record(layer) for layer in one.layers],
        None if one.layers else lambda: "\n".join([visible(_title(one)), *_notes(one)]),
    )


def _title(one: Difference) -> str:
    return ARROW.join(one.titles)


def _table(one: Difference, width: int | None) -> Columns:
    heads = ("what", "layer", "type", "output", "params", "MACs", "training", "changes")
    table = Columns(heads, _title(one), (4, 5, 6), _notes(one))
    for layer in one.layers:
        table.add_row(*_cells(layer))
    return table if width is None else table.fitted(width, (0, 0, 2, 1, 0, 3, 4, 5), {7: "changes"})


def _cells(layer: LayerDiff) -> tuple[str, ...]:
    held = [state for state in (layer.before, layer.after) if state is not None]
    return (
        layer.kind,
        _moved([state.name for state in held]),
        _moved([state.type for state in held]),
        _moved([_shapes(state.shapes) for state in held]),
        _gain(layer.gained("params")),
        _gain(layer.gained("macs")),
        _bytes_gained(layer.gained("training_bytes")),
        "; ".join(_changed(layer.changes)),
    )


def _moved(words: list[str]) -> str:
    """A value that was and is: one word where both are equal."""
    return ARROW.join(dict.fromkeys(words))


def _shapes(shapes: Shapes) -> str:
    return " ".join(map(text, shapes)) or "-"


def _gain(number: int) -> str:
    return f"{number:+,}" if number else "-"


def _bytes_gained(number: int) -> str:
    return f"{'+' if number > 0 else '-'}{size(abs(number))}" if number else "-"


def _changed(changes: Changes) -> Iterator[str]:
    """Changes in words; what was or is not there is a dash."""
    for change in changes:
        before, after = (in_words(value) for value in (change.before, change.after))
        yield visible(f"{dotted(change.path)}: {before}{ARROW}{after}")


def _notes(one: Difference) -> tuple[str, ...]:
    """The lines below the table."""
    before, after = one.before, one.after
    lines = [] if one.differs else [f"{'equal':<{_LABEL}}nothing differs"]
    lines.append(f"{'layers':<{_LABEL}}{_counts(one)}")
    lines.append(_note("params", f"{before.params:,}", f"{after.params:,}", _grown(before.params, after.params)))
    if before.stored or after.stored:
        lines.append(_note("stored", f"{before.stored:,}", f"{after.stored:,}", _grown(before.stored, after.stored)))
    macs = f" {per(after.unit)}{_grown(before.macs, after.macs)}"
    lines.append(_note("MACs", short(before.macs), short(after.macs), macs))
    lines += _memory(one)
    lines += [f"{'' if i else 'settings':<{_LABEL}}{line}" for i, line in enumerate(_changed(one.settings or ()))]
    lines += _scores(one.runs) if one.runs else []
    return tuple(lines)


def _counts(one: Difference) -> str:
    """The layers of both nets, and how many of them differ in which way."""
    total = _moved([f"{net.layers:,}" for net in (one.before, one.after)])
    if one.layers and one.count("renamed") == len(one.layers):
        return f"{total}: {one.count('renamed'):,} renamed, {one.alike:,} alike; they differ in names alone"
    kinds = [f"{one.count(kind):,} {kind}" for kind in KINDS if one.count(kind)]
    return f"{total}: {', '.join([*kinds, f'{one.alike:,} alike'])}"


def _note(word: str, before: str, after: str, more: str = "") -> str:
    return f"{word:<{_LABEL}}{_moved([before, after])}{more}"


def _grown(before: int, after: int) -> str:
    """By how much a total grew: (+1,312, +0.3 %)."""
    if before == after:
        return ""
    share = f", {100 * (after - before) / before:+.1f} %" if before else ""
    return f" ({after - before:+,}{share})"


def _memory(one: Difference) -> Iterator[str]:
    """A line for the peak of each phase that both nets have."""
    label = "memory"
    batches = _moved([str(net.batch) for net in (one.before, one.after)])
    for word in ("training", "forward"):
        before, after = (getattr(net, f"{word}_bytes") for net in (one.before, one.after))
        if before is None and after is None:
            continue
        said = _moved(["-" if number is None else size(number) for number in (before, after)])
        gain = f" ({_bytes_gained(after - before)})" if None not in (before, after) and before != after else ""
        yield f"{label:<{_LABEL}}peak {word} {said}{gain} at batch {batches}"
        label = ""


def _scores(runs: RunDiff) -> Iterator[str]:
    """What both runs came to."""
    yield _note("run", _run(runs.before), _run(runs.after))
    for word in ("best", "last"):
        metric = _moved([str(values["metric"]) for values in (runs.before, runs.after)])
        scores = [values[word] for values in (runs.before, runs.after)]
        if any(scores):
            yield _note(word, _score(scores[0]), _score(scores[1]), f"  {metric}")


def _run(values: dict[str, Any]) -> str:
    epochs = "" if values["epoch"] is None else f" ({values['epoch']:.2f} epochs)"
    return f"{values['status']}, {counted(values['iteration'], 'iteration')}{epochs}"


def _score(score: Score | None) -> str:
    return "-" if score is None else f"{score.value:.4f} at iter {score.iteration:,}"


def _values(one: Difference) -> dict[str, Any]:
    """All values for JSON."""
    layers = [
        asdict(layer) | {"changes": [asdict(change) | {"path": dotted(change.path)} for change in layer.changes]}
        for layer in one.layers
    ]
    settings = None
    if one.settings is not None:
        settings = [asdict(change) | {"path": dotted(change.path)} for change in one.settings]
    return {
        "titles": list(one.titles),
        "differ": one.differs,
        "counts": {kind: one.count(kind) for kind in KINDS} | {"alike": one.alike},
        "before": asdict(one.before),
        "after": asdict(one.after),
        "layers": layers,
        "settings": settings,
        "runs": asdict(one.runs) if one.runs else None,
    }


def _record(layer: LayerDiff) -> dict[str, Any]:
    """A layer for CSV."""
    record: dict[str, Any] = {"what": layer.kind}
    for word, state in (("before", layer.before), ("after", layer.after)):
        record |= {
            f"layer_{word}": state.name if state else "",
            f"type_{word}": state.type if state else "",
            f"output_{word}": _shapes(state.shapes) if state else "",
            f"params_{word}": state.params if state else 0,
            f"macs_{word}": state.macs if state else 0,
            f"training_bytes_{word}": state.training_bytes if state else 0,
        }
    return record | {"changes": "; ".join(_changed(layer.changes))}
