"""The answers of `inspect` for each stage of a net, as a table, JSON, CSV and Markdown."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.core.shape import counted, per, text
from netspec.engine.plan import MemoryPlan
from netspec.net.graph import Graph
from netspec.net.shaped import ShapedGraph
from netspec.views.columns import Columns
from netspec.views.inspection import ORDERS, Inspection, LayerRow, ParamUse, Wire, pieces, rewritten, wiring
from netspec.views.terminal import short, size

if TYPE_CHECKING:
    from rich.console import RenderableType

    from netspec.engine.program import Program


@dataclass(frozen=True)
class View:
    """An answer in every form. `table(width)` has the columns that fit into the width, `table(None)` all columns."""

    table: Callable[[int | None], Columns]
    values: Callable[[], Any]
    records: Callable[[], list[dict[str, Any]]]
    plain: Callable[[], str] | None = None
    """The text to print on a terminal in place of the table."""

    def form(self, word: str, width: int | None) -> RenderableType:
        """The answer as `table`, `json`, `csv` or `md`."""
        if word == "json":
            return json.dumps(self.values(), indent=2)
        if word == "csv":
            records = self.records()
            return csv_text(records[0] if records else (), (record.values() for record in records))
        if word == "md":
            return self.table(None).markdown()
        return self.plain() if self.plain else self.table(width)


def csv_text(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """The heads and the rows as CSV, without the last line break."""

    def line(row: Iterable[Any]) -> str:
        out = io.StringIO()
        csv.writer(out).writerow(row)  # with its own line ends, which both are quoted in a cell
        return out.getvalue().removesuffix("\r\n")

    return "\n".join(map(line, [heads, *rows]))


def listed(names: Iterable[str]) -> str:
    """Names with spaces between them; a name that has spaces or quotes itself is quoted, as in JSON."""
    plain = re.compile(r"[^\s\"]+")
    return " ".join(name if plain.fullmatch(name) else json.dumps(name, ensure_ascii=False) for name in names)


# --- shapes and costs


CONVENTION = {
    "MACs": "1 MAC (multiply-accumulate) = 2 FLOPs; MACs of Convolution and InnerProduct, "
    "biases and other layers not counted",
    "params": "learned ones, each counted where it first appears; "
    "stored: kept with them but not learned (running statistics)",
    "field": "receptive field in the input, height x width unless equal, not clipped at borders; "
    "stride: from one field to the next; start: of the first field, negative in the padding",
    "bytes": "activations are tops with memory of their own; "
    "training adds weights, the gradients of both and one history of the weights",
}
"""How MACs, params, receptive fields and bytes are counted, by the word in the table."""


def totals(one: Inspection, verbose: bool = False) -> list[str]:
    """The lines of totals under the table; `verbose` adds the details of memory, and how everything is counted."""
    stored = f"; stored but not learned {one.stored:,}" if one.stored else ""
    peaks = {"training": one.training_bytes, "forward": one.forward_bytes}
    said = ", ".join(f"{size(number)} {word}" for word, number in peaks.items() if number is not None)
    lines = [
        f"params      {one.params:,} ({short(one.params)}){stored}",
        f"MACs        {one.macs:,} ({short(one.macs)}) {per(one.unit)}; 1 MAC = 2 FLOPs",
        f"memory      weights {size(one.weight_bytes)}" + (f"; peak {said}" if said else ""),
    ]
    return lines + (_details(one) if verbose else [])


def _details(one: Inspection) -> list[str]:
    training = " (forward and backward)" if one.phase == "TRAIN" else ""
    return [
        f"            activations {size(one.activation_bytes)} at batch {one.batch}, {one.dtype}",
        f"            one arena of {size(one.arena_bytes)} holds blobs, gradients and workspaces{training}",
        "            peak: the arena and the weights, for training with gradients and one history",
        *(f"{'' if i else 'convention':<12}{word}: {words}" for i, (word, words) in enumerate(CONVENTION.items())),
    ]


class Column(NamedTuple):
    """A column of `inspect`: its head, its rank, the text of a row's cell, and whether it holds numbers.

    A narrow terminal drops the columns of the highest ranks first.
    """

    head: str
    rank: int
    cell: Callable[[LayerRow], str]
    right: bool = False


def _number(number: int) -> str:
    return f"{number:,}" if number else "-"


def _bytes(number: int) -> str:
    return size(number) if number else "-"


COLUMNS = (
    Column("layer", 0, lambda row: row.name),
    Column("type", 2, lambda row: row.type),
    Column("bottom", 3, lambda row: listed(row.bottoms) or "-"),
    Column("output", 0, lambda row: " ".join(map(text, row.shapes)) or "-"),
    Column("how", 4, lambda row: row.shape_arithmetic),
    Column("params", 0, lambda row: _number(row.params), right=True),
    Column("how", 5, lambda row: row.param_arithmetic),
    Column("stored", 9, lambda row: _number(row.stored), right=True),
    Column("MACs", 1, lambda row: _number(row.macs), right=True),
    Column("field", 6, lambda row: sides(row.field.size), right=True),
    Column("stride", 7, lambda row: sides(row.field.stride), right=True),
    Column("start", 8, lambda row: sides(row.field.start, zero="0"), right=True),
    Column("activations", 10, lambda row: _bytes(row.activation_bytes), right=True),
    Column("training", 11, lambda row: _bytes(row.training_bytes), right=True),
    Column("weights", 12, lambda row: _bytes(row.weight_bytes), right=True),
)


def sides(axes: tuple[float, ...], zero: str = "-") -> str:
    """Sides of an image as text: (7, 7) -> 7; (1, 7) -> 1x7; inf -> all (the whole image); -inf and a stride 0 -> -."""
    words = [{inf: "all", -inf: "-", 0: zero}.get(side, f"{side:g}") for side in axes]
    return words[0] if len({*words}) == 1 else "x".join(words)


def inspect_table(
    one: Inspection, width: int | None = None, order: str | None = None, verbose: bool = False
) -> Columns:
    """The table of layers and its totals.

    A narrow terminal gets fewer columns, never cut words, and always the column that the rows are sorted by; the
    arithmetic then stands in a second line under a layer.
    """
    memory = "training" if one.phase == "TRAIN" else "activations"
    shown = {"macs": "MACs", "memory": memory}.get(order or "")
    there = {"stored": one.stored, "training": one.phase == "TRAIN", "how": all(row.layers == 1 for row in one.rows)}
    absent = [head for head, filled in there.items() if not filled]
    columns = [column for column in COLUMNS if column.head not in absent]
    right = [i for i, column in enumerate(columns) if column.right]
    table = Columns(
        [column.head for column in columns],
        f"{one.net}  phase {one.phase}  batch {one.batch}",
        right,
        totals(one, verbose),
    )
    for row in one.rows:
        table.add_row(*(column.cell(row) for column in columns))
    arithmetic = {i: columns[i - 1].head for i, column in enumerate(columns) if column.head == "how"}
    if width is not None:
        table = table.fitted(width, [0 if column.head == shown else column.rank for column in columns], arithmetic)
    left_out = len(columns) - len(table.heads)
    more = [] if verbose else ["-v: how all this is counted"]
    more += [f"--format csv: {counted(left_out, 'more column')}"] if left_out else []
    table.notes += (f"more        {'; '.join(more)}",) if more else ()
    return table


def shapes(one: Inspection, order: str | None = None, verbose: bool = False) -> View:
    """The table of layers with its totals, sorted by one of the ORDERS; `verbose` adds how everything is counted."""
    one = one if order is None else replace(one, rows=tuple(sorted(one.rows, key=ORDERS[order])))

    def values() -> dict[str, Any]:
        rows = [asdict(row) | _field(row) for row in one.rows]
        return asdict(replace(one, rows=())) | {"rows": rows, "flops": one.flops, "convention": CONVENTION}

    return View(
        lambda width: inspect_table(one, width, order, verbose), values, lambda: [_record(row) for row in one.rows]
    )


def _field(row: LayerRow) -> dict[str, Any]:
    """The receptive field for JSON: an infinite side is "all", and the stride and start of such fields are None."""
    return {
        "field": ["all" if side == inf else side for side in row.field.size],
        "stride": [side or None for side in row.field.stride],
        "start": [None if side == -inf else side for side in row.field.start],
    }


def _record(row: LayerRow) -> dict[str, Any]:
    return {
        "layer": row.name,
        "type": row.type,
        "bottoms": listed(row.bottoms),
        "output": " ".join(map(text, row.shapes)),
        "shape_arithmetic": row.shape_arithmetic,
        "params": row.params,
        "param_arithmetic": row.param_arithmetic,
        "stored": row.stored,
        "macs": row.macs,
        "field": sides(row.field.size),
        "stride": sides(row.field.stride),
        "start": sides(row.field.start, zero="0"),
        "activation_bytes": row.activation_bytes,
        "training_bytes": row.training_bytes,
        "weight_bytes": row.weight_bytes,
    }


# --- the other stages


def graph(net: Graph) -> View:
    """The answer of `inspect --stage graph`: how the layers are wired."""
    wires = wiring(net)

    def table(width: int | None) -> Columns:
        table = Columns(
            ("layer", "type", "bottom", "top", "params", "gradient of"), f"{net.name}  phase {net.phase}", notes=WIRING
        )
        for wire in wires:
            table.add_row(*(cell or "-" for cell in _wire(wire).values()))
        return table if width is None else table.fitted(width, (0, 1, 0, 0, 2, 3))

    return View(
        table,
        lambda: {"net": net.name, "phase": net.phase, "layers": [asdict(wire) for wire in wires]},
        lambda: [_wire(wire) for wire in wires],
    )


WIRING = (
    "top         blob#1 is what the blob holds after it was written a second time",
    "params      with lr_mult, and decay_mult where it is not 1; "
    "a shared one has the name of the layer that has it first",
    "gradient of the bottoms whose gradients the layer computes",
)


def _wire(wire: Wire) -> dict[str, str]:
    params = ", ".join(_param(use, wire.name) for use in wire.params)
    blobs = map(listed, (wire.bottoms, wire.tops))
    return dict(zip(("layer", "type", "bottoms", "tops"), (wire.name, wire.type, *blobs), strict=True)) | {
        "params": params,
        "gradients": listed(wire.gradients),
    }


def _param(use: ParamUse, layer: str) -> str:
    """A param as text: weight lr 1; bias lr 2 decay 0; mean stored."""
    owner, _, own = use.name.rpartition(".")
    name = own if owner == layer else use.name
    if not use.learned:
        return f"{name} stored"
    return f"{name} lr {use.lr_mult:g}" + f" decay {use.decay_mult:g}" * (use.decay_mult != 1)


def rewrites(net: Graph) -> View:
    """The answer of `inspect --stage rewrites`: the effects of each rewrite on each layer."""
    records = [asdict(one) for one in rewritten(net)]

    def table(width: int | None) -> Columns:
        table = Columns(("rewrite", "layer", "effect"), f"{net.name}  phase {net.phase}")
        for record in records:
            table.add_row(*record.values())
        return table if width is None else table.fitted(width, (0, 0, 0))

    return View(table, lambda: {"net": net.name, "phase": net.phase, "rewrites": records}, lambda: records)


def plan(shaped: ShapedGraph, memory: MemoryPlan) -> View:
    """The answer of `inspect --stage plan`: the pieces of the arena, their offsets and lifetimes."""
    net, batch, last = shaped.graph, max(1, shaped.batch), 2 * len(shaped.graph.nodes)
    held = pieces(net, memory)
    notes = (
        f"arena       {size(memory.arena)}; without sharing {size(memory.unshared)}",
        *([f"fixed       {size(memory.fixed_bytes)}, made of the params once"] if memory.fixed else ()),
        f"time        layer i runs forward at i and backward at {last - 1}-i, counted from 0; "
        f"data come at -1, the update is at {last}",
    )

    def table(width: int | None) -> Columns:
        heads = ("piece", "shape", "kind", "from", "to", "offset", "bytes")
        table = Columns(heads, f"{net.name}  phase {net.phase}  batch {batch}", (3, 4, 5, 6), notes)
        for piece in held:
            numbers = (piece.first, piece.last, piece.offset, piece.bytes)
            table.add_row(piece.name, text(piece.shape), piece.kind, *(f"{number:,}" for number in numbers))
        return table if width is None else table.fitted(width, (0, 2, 3, 1, 1, 0, 0))

    def values() -> dict[str, Any]:
        sizes = {"arena_bytes": memory.arena, "unshared_bytes": memory.unshared, "fixed_bytes": memory.fixed_bytes}
        return {
            "net": net.name,
            "phase": net.phase,
            "batch": batch,
            **sizes,
            "dtype": memory.dtype,
            "pieces": [asdict(piece) for piece in held],
        }

    return View(table, values, lambda: [asdict(piece) | {"shape": text(piece.shape)} for piece in held])


def program(one: Program) -> View:
    """The answer of `inspect --stage program`: the steps of a pass forward and backward."""
    net = one.graph

    def records() -> list[dict[str, Any]]:
        rows = (
            (step.section, step.layer, str(step.call.kernel), step.parts, step.arguments) for step in one.table.steps
        )
        return [dict(zip(("section", "layer", "kernel", "parts", "arguments"), row, strict=True)) for row in rows]

    def table(width: int | None) -> Columns:
        table = Columns(("section", "layer", "kernel", "parts", "arguments"), f"{net.name}  phase {net.phase}", (3,))
        for record in records():
            table.add_row(*map(str, record.values()))
        return table

    def values() -> dict[str, Any]:
        return {"net": net.name, "phase": net.phase, "batch": max(1, one.shaped.batch), "steps": records()}

    return View(table, values, records, one.text)
