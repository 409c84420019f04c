"""The answer of `netspec gradcheck` as a table, JSON, CSV and Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from netspec.core.shape import count, counted, text
from netspec.engine.gradcheck import BlobCheck, LayerCheck, NetCheck
from netspec.views.columns import Columns
from netspec.views.tables import View

NAMED = 3
"""Most elements at a kink that a note names."""
EVERYWHERE = "all of it"
"""Where a direction is, in the table."""


def gradients(checked: NetCheck) -> View:
    """A row for each gradient of each layer, and for each layer that has none."""
    return View(lambda width: _table(checked, width), lambda: _values(checked), lambda: [*_records(checked)])


def _table(checked: NetCheck, width: int | None) -> Columns:
    title = f"{checked.net}  phase {checked.phase}  batch {checked.batch}"
    heads = ("layer", "type", "gradient of", "shape", "elements", "kinks", "worst error", "at")
    table = Columns(heads, title, (4, 5, 6), [*_notes(checked)])
    for layer in checked.layers:
        if not layer.blobs:
            table.add_row(layer.name, layer.type, layer.why, *[""] * 5)
        for i, blob in enumerate(layer.blobs):
            name = (layer.name, layer.type) if i == 0 else ("", "")
            kinks = str(len(blob.kinks) or "")
            error = f"{blob.error:.1e}" if math.isfinite(blob.error) else "no number"
            what = f"{blob.what} {blob.name}"
            table.add_row(*name, what, text(blob.shape), str(blob.elements), kinks, error, _where(blob))
    return table if width is None else table.fitted(width, (0, 4, 0, 3, 2, 1, 0, 5))


def _where(blob: BlobCheck) -> str:
    return EVERYWHERE if blob.at is None else ",".join(map(str, blob.at)) or "its value"


def _notes(checked: NetCheck) -> Iterator[str]:
    asked = checked.asked
    yield (
        f"compared    float64; backward against central differences, along up to {asked.samples} elements of a blob "
        f"and along directions through all of it; seed {asked.seed}, steps of {asked.step:g} of its root mean square"
    )
    for layer in checked.layers:
        for blob in layer.blobs:
            left = [*_left_out(blob)]
            if left:
                yield f"kink        {layer.name}, {blob.what} {blob.name}: left out {' and '.join(left)}"
    worst = f"{checked.worst:.1e}" if math.isfinite(checked.worst) else "no number"
    yield f"worst       {worst}, limit {asked.limit:g}"


def _left_out(blob: BlobCheck) -> Iterator[str]:
    """What was left out of the comparison of a gradient, in words."""
    if blob.kinks:
        shown = "; ".join(",".join(map(str, index)) for index in blob.kinks[:NAMED])
        more = "; ..." if len(blob.kinks) > NAMED else ""
        yield f"{counted(len(blob.kinks), 'element')} ({shown}{more})"
    if blob.kinked_tops:
        yield f"{counted(blob.kinked_tops, 'top value')} along directions"
    if not blob.directions and count(blob.shape) > 1:
        yield "all directions"


def _number(value: float) -> float | None:
    """The value; None where JSON has no word for it."""
    return value if math.isfinite(value) else None


def _blob(blob: BlobCheck) -> dict[str, Any]:
    numbers = {key: _number(getattr(blob, key)) for key in ("error", "analytic", "numeric")}
    return asdict(blob) | numbers


def _layer(layer: LayerCheck) -> dict[str, Any]:
    return {"name": layer.name, "type": layer.type, "why": layer.why, "blobs": [*map(_blob, layer.blobs)]}


def _values(checked: NetCheck) -> dict[str, Any]:
    head = {"net": checked.net, "phase": checked.phase, "batch": checked.batch, **asdict(checked.asked)}
    return head | {"worst": _number(checked.worst), "layers": [*map(_layer, checked.layers)]}


def _records(checked: NetCheck) -> Iterator[dict[str, Any]]:
    for layer in checked.layers:
        for blob in layer.blobs:
            row = _blob(blob) | {"shape": text(blob.shape), "at": _where(blob), "kinks": len(blob.kinks)}
            yield {"layer": layer.name, "type": layer.type} | row
