"""Evaluation as text: tables of each head, and one value a row for csv. What the values mean stands in
`training/judging/evaluation.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from netspec.core.locate import from_here
from netspec.core.shape import counted
from netspec.core.visible import visible
from netspec.views.columns import GAP, Columns

_ROWS = 25
"""Rows of a table of classes or outputs; of more only the worst are shown."""
_PAIRS = 10
_NAME = 20
"""The longest name of a class in a table, in letters."""

Head = dict[str, Any]


def evaluation_tables(heads: Sequence[Head], width: int) -> Iterator[Columns | str]:
    """The tables of each head, with an empty line before each; no line is wider than `width`, where that can be."""
    for head in heads:
        for table in _TABLES[head["task"]](head, width):
            yield ""
            yield table
        if head.get("worst"):
            yield ""
            yield _worst(head, width)


def _classes(head: Head, width: int) -> Iterator[Columns | str]:
    yield summary(head)
    if "by_class" in head:
        yield by_class(head, _ROWS)
        yield _matrix(head, width)


def _labels(head: Head, width: int) -> Iterator[Columns | str]:
    yield summary(head)
    yield by_class(head, _ROWS)


def _numbers(head: Head, width: int) -> Iterator[Columns | str]:
    yield by_output(head, _ROWS)


_TABLES = {"classes": _classes, "labels": _labels, "numbers": _numbers}

_WORDS = {
    "accuracy": "accuracy",
    "exact": "all labels right",
    "top5": "top-5 accuracy",
    "roc_auc": "ROC-AUC, one against the rest",
    "ece": "calibration error (ECE)",
}

_AVERAGES = {"macro": "macro mean", "weighted": "weighted mean", "micro": "all together"}


def _unit(head: Head) -> str:
    """What is counted: samples, unless each has several positions."""
    return "sample" if head["places"] == 1 else "position"


def summary(head: Head) -> Columns:
    """The scores of a head of classes or labels as a whole."""
    kinds = counted(head["size"], "class", "classes") if head["task"] == "classes" else counted(head["size"], "label")
    what = f"{counted(head['positions'], _unit(head))}, {kinds}"
    table = Columns(("score", visible(head["name"])), f"{visible(head['name'])}: {what}", right=(1,))
    for key, words in _WORDS.items():
        if key in head:
            table.add_row(
                words + (" (of counts)" if key == "roc_auc" and not head["roc_auc_exact"] else ""), _share(head[key])
            )
    for average in _AVERAGES:
        for word, value in head.get(average, {}).items():
            table.add_row(f"{word.replace('f1', 'F1')}, {_AVERAGES[average]}", _share(value))
    return table


def by_class(head: Head, most: int | None = None) -> Columns:
    """Precision, recall, F1, support and area of each class; of more than `most` those of the lowest F1."""
    rows = list(enumerate(head["by_class"]))
    shown = sorted(rows, key=lambda row: row[1]["f1"])[:most] if most and len(rows) > most else rows
    word = "label" if head["task"] == "labels" else "class"
    title = f"by {word}{_part(rows, shown, 'of the lowest F1')}"
    table = Columns((word, "precision", "recall", "F1", "support", "ROC-AUC"), title, right=range(1, 6))
    for number, row in shown:
        shares = (_share(row[key]) for key in ("precision", "recall", "f1"))
        table.add_row(_name(head, number), *shares, f"{row['support']:,}", _share(row["roc_auc"]))
    return table


def by_output(head: Head, most: int | None = None) -> Columns:
    """RMSE, MAE and R2 of each output of a head of numbers; of more than `most` those of the lowest R2."""
    words = ("rmse", "mae", "r2")
    rows = list(enumerate(head["by_output"]))
    shown = sorted(rows, key=lambda row: row[1]["r2"])[:most] if most and len(rows) > most else rows
    part = _part(rows, shown, "outputs of the lowest R2")
    table = Columns(
        ("output", "RMSE", "MAE", "R2"), f"{visible(head['name'])}: {counted(head['values'], 'value')}{part}", (1, 2, 3)
    )
    for number, row in shown:
        table.add_row(_name(head, number), *(f"{row[word]:.6g}" for word in words))
    if len(rows) > 1:
        table.add_row("all", *(f"{head[word]:.6g}" for word in words))
    return table


def _part(rows: Sequence[Any], shown: Sequence[Any], which: str) -> str:
    return "" if len(rows) == len(shown) else f": {len(shown)} {which}, of {len(rows):,}; --format json has all"


def _matrix(head: Head, width: int) -> Columns | str:
    """The confusion matrix where it fits; else the pairs that are confused most."""
    matrix = head["confusion"]
    if matrix is not None and len(matrix) <= _ROWS:
        heads = ("true class", *map(str, range(len(matrix))))
        table = Columns(
            heads, "confusion: a row for each true class, a column for each predicted", range(1, len(heads))
        )
        for number, row in enumerate(matrix):
            named = f"{number} {_name(head, number)}" if head["classes"] else str(number)
            table.add_row(named, *map(str, row))
        widths = (max(map(len, column)) for column in zip(heads, *table.rows, strict=True))
        if sum(widths) + len(GAP) * len(matrix) <= width:
            return table
    if not head["confused"]:
        return "no class is taken for another"
    return confused(head)


def confused(head: Head) -> Columns:
    """The pairs of classes that are confused most."""
    table = Columns(("true class", "predicted", f"{_unit(head)}s"), "confused most", right=(2,))
    for true, predicted, number in head["confused"][:_PAIRS]:
        table.add_row(_name(head, true), _name(head, predicted), f"{number:,}")
    return table


def _worst(head: Head, width: int) -> Columns:
    """The worst samples, each with what is said of it; its name is cut at the front to fit."""
    heads = ("loss", "truth", "prediction", "p")
    rows = [
        ((f"{one['loss']:.4f}", *said(head, one)), one["name"] or f"sample {one['sample']}") for one in head["worst"]
    ]
    kept = [n for n in range(len(heads)) if any(cells[n] for cells, _ in rows)]
    widths = (max(len(heads[n]), *(len(visible(cells[n])) for cells, _ in rows)) for n in kept)
    room = max(12, width - sum(one + len(GAP) for one in widths))
    right = [place for place, n in enumerate(kept) if heads[n] in {"loss", "p"}]
    table = Columns((*(heads[n] for n in kept), "sample"), f"worst samples of {visible(head['name'])}", right)
    for cells, name in rows:
        shown = visible(from_here(name))
        table.add_row(*(cells[n] for n in kept), shown if len(shown) <= room else "..." + shown[3 - room :])
    return table


def said(head: Head, one: dict[str, Any]) -> tuple[str, str, str]:
    """The truth, the prediction and its probability."""
    if "wrong" in one:
        return "", f"{one['wrong']:,} of {one['positions']:,} wrong", ""
    if head["task"] == "numbers":
        return _listed(map("{:.6g}".format, one["target"])), _listed(map("{:.6g}".format, one["prediction"])), ""
    if head["task"] == "labels":
        names = [_listed(_name(head, number) for number in one[key]) for key in ("labels", "predictions")]
        return names[0] or "none", names[1] or "none", _listed(map(_share, one.get("probabilities", ())))
    truth = "ignored" if one["label"] is None else _name(head, one["label"])
    return truth, _name(head, one["prediction"]), _share(one.get("probability"))


def _listed(words: Iterable[str]) -> str:
    """The first two words in a cell."""
    all = list(words)
    return ", ".join(all[:2]) + (", ..." if len(all) > 2 else "")


def _name(head: Head, number: int) -> str:
    """The name of a class, or its number; a long name is cut."""
    name = head["classes"][number] if head["classes"] else str(number)
    return name if len(name) <= _NAME else f"{name[: _NAME - 3]}..."


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def evaluation_rows(heads: Sequence[Head]) -> Iterator[tuple[str, float]]:
    """One value a row: HEAD/accuracy, HEAD/macro/f1, HEAD/f1[class], HEAD/confusion[true,predicted], ..."""
    for head in heads:
        name = head["name"]
        for key, value in head.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield f"{name}/{key}", value
            elif isinstance(value, dict) and key != "calibration":
                yield from ((f"{name}/{key}/{word}", number) for word, number in value.items())
        for number, row in enumerate(head.get("by_class") or head.get("by_output") or ()):
            of = head["classes"][number] if head["classes"] else number
            yield from ((f"{name}/{key}[{of}]", value) for key, value in row.items() if value is not None)
        for true, row in enumerate(head.get("confusion") or ()):
            yield from ((f"{name}/confusion[{true},{predicted}]", value) for predicted, value in enumerate(row))
