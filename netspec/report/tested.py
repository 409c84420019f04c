"""What a test says, as parts of a page: of each head its scores, confusion matrix, classes and worst samples.

The values are those that `training/judging/evaluation.py` documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.core.locate import from_here
from netspec.core.shape import counted
from netspec.report.confusion import confusion, is_small
from netspec.report.page import part, table
from netspec.report.scatter import scatter
from netspec.views import evaluation

if TYPE_CHECKING:
    from markupsafe import Markup

_OPEN = 60
"""Rows of a table that stands open; a longer one is folded."""
_WORST = 20
"""Worst samples of a head that are shown; `netspec test --worst` may have kept more."""

_CLOUDS = 2
"""Outputs whose points are shown beside the curves."""

Head = dict[str, Any]


class Sample(NamedTuple):
    """A sample that a head judges badly: its picture, and what is said of it."""

    thumbnail: str | None
    name: str
    loss: str
    truth: str
    prediction: str
    probability: str


class Picture(NamedTuple):
    """The picture of a head, a confusion matrix or a scatter of points, that stands apart from its test."""

    head: Head
    body: Markup


def picture(on: str, values: Mapping[str, Any]) -> Picture | None:
    """The first picture of a test that is legible in a third of a page; `on` names the test."""
    for head in values["heads"]:
        drawing = scatter(head) if len(head.get("points") or ()) <= _CLOUDS else None
        if drawing is None and is_small(head):
            drawing = confusion(head)
        if drawing is not None:
            matrix = bool(head.get("confusion"))
            return Picture(head, part("beside", on=on, matrix=matrix, drawing=drawing))
    return None


def tested(values: Mapping[str, Any], shown: Picture | None = None) -> Markup:
    """A test as the body of a section, without the picture that the page has shown already."""
    about = f"{counted(values['samples'], 'sample')}; weights {values['weights']}"
    about += f", their average {values['average']}" if values["average"] else ""
    changed = values.get("overrides") or []
    return part(
        "tested",
        about=about,
        data=values["data"],
        overrides=" ".join(changed),
        scores=[(name, f"{value:.4f}") for name, value in values["scores"].items() if isinstance(value, int | float)],
        heads=[_head(head, shown is not None and head is shown.head) for head in values["heads"]],
    )


def _head(head: Head, shown: bool) -> Markup:
    numbers = head["task"] == "numbers"
    summary = evaluation.by_output(head) if numbers else evaluation.summary(head)
    title, summary.title = summary.title, None
    rows = evaluation.by_class(head) if "by_class" in head else None
    return part(
        "head",
        title=title,
        summary=table(summary),
        matrix=None if shown else confusion(head),
        shown=shown,
        confusion=bool(head.get("confusion")),
        pairs=table(evaluation.confused(head)) if head.get("confused") else None,
        scatter=None if shown else scatter(head),
        rows=None if rows is None else table(rows),
        folded=rows is not None and len(rows.rows) > _OPEN,
        taken="taken for" if head["task"] == "classes" else "predicted:",
        worst=list(_worst(head)),
    )


def _worst(head: Head) -> Iterator[Sample]:
    samples: Sequence[dict[str, Any]] = head.get("worst", ())
    for one in samples[:_WORST]:
        name = one["name"] or f"sample {one['sample']}"
        yield Sample(one["thumbnail"], from_here(name), f"{one['loss']:.4f}", *evaluation.said(head, one))
