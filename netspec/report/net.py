"""The net of a run, as a part of a page: its drawing, the table of its layers, the filters of its first layer."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, NamedTuple

from netspec.core.errors import NetspecError
from netspec.drawing.scene import scene
from netspec.drawing.svg import svg
from netspec.engine.plan import plan
from netspec.engine.rewrite import rewrite
from netspec.pictures.mosaic import filter_grid, png
from netspec.report.page import drawn, part, table
from netspec.study.filters import filters
from netspec.study.shown import Shown
from netspec.training import folders
from netspec.training.job import Job
from netspec.training.runs import RunRecord
from netspec.views.inspection import inspection
from netspec.views.tables import inspect_table, totals

if TYPE_CHECKING:
    from markupsafe import Markup

_OPEN = 40
"""Layers whose table stands open; a longer one is folded."""
_LEAST = 0.7
"""The least share of its size at which a drawing is shown on a screen: a wider one is scrolled."""


def net(job: Job, record: RunRecord) -> Markup:
    """The net of a run as the body of a section."""
    shaped = rewrite(job.train)
    seen = inspection(shaped, plan(shaped, job.spec.dtype), job.test)
    layers, drawing = inspect_table(seen), scene(job.train)
    layers.notes = tuple(totals(seen))
    return part(
        "net",
        cite=job.net.cite or "",
        drawing=drawn(svg(drawing)),
        wide=round(drawing.width * _LEAST),
        rows=table(layers, "layers"),
        folded=len(seen.rows) > _OPEN,
        layers=len(seen.rows),
        filters=_filters(record),
    )


class Picture(NamedTuple):
    """A picture as a PNG in base64, with its title and words on it."""

    title: str
    png: str
    words: str


def _filters(record: RunRecord) -> Picture | None:
    """The filters of the first layer that has any, with the best weights where there are any."""
    try:
        found = filters(Shown(str(record.path), best=folders.best(record.path) is not None))
    except NetspecError:  # no snapshot, or a net without filters
        return None
    if found.weights.shape[:2] == (1, 1):  # a matrix, in which nothing is to be seen
        return None
    grid, words = filter_grid(found)
    return Picture(f"Filters of {found.layer}", b64encode(png(grid)).decode("ascii"), words)
