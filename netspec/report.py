"""Values to text: the inspect table, progress, errors, in the form a terminal, a file or a machine wants. Runs nothing."""

from __future__ import annotations

import csv
import io
import json
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from netspec.diagnostics import NetspecError, render
from netspec.infer import ShapedGraph
from netspec.plan import MemoryPlan
from netspec.shape import FLOAT_BYTES, clock, count, text

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table

    from netspec.timing import NetTime
    from netspec.train import Session

CONVENTION = "1 MAC (multiply-accumulate) = 2 FLOPs; MACs of Convolution and InnerProduct, biases and other layers not counted"


@dataclass(frozen=True)
class Row:
    """One layer of `inspect`. MACs are per image."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    shape: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    shape_arithmetic: str
    params: int
    param_arithmetic: str
    macs: int


@dataclass(frozen=True)
class Inspection:
    """A net's table and totals. Bytes are of the batch; FLOPs are per image."""

    net: str
    phase: str
    batch: int
    rows: tuple[Row, ...]
    params: int
    stored: int
    macs: int
    weight_bytes: int
    activation_bytes: int
    arena_bytes: int
    dtype: str

    @property
    def flops(self) -> int:
        """2 per MAC."""
        return 2 * self.macs


def inspection(shaped: ShapedGraph, plan: MemoryPlan) -> Inspection:
    """The rows and totals of a net."""
    graph = shaped.graph
    batch = max(1, shaped.batch)
    rows = []
    for node, cost in zip(graph.nodes, shaped.costs, strict=True):
        tops = shaped.top_shapes(node)
        bottoms = tuple(graph.blobs[b].name for b in node.bottoms)
        shape = tops[0] if tops else ()
        words = (node.layer.name, node.layer.type, bottoms, shape, tops, cost.shape_words, cost.params + cost.stored, cost.param_words)
        rows.append(Row(*words, cost.macs // batch))
    size = FLOAT_BYTES[plan.dtype]
    stored = shaped.stored_params
    activations = sum(count(shaped.blobs[s]) * size for s in set(plan.storage))
    totals = (shaped.total_params, stored, shaped.total_macs // batch, (shaped.total_params + stored) * size)
    return Inspection(graph.name, graph.phase, batch, tuple(rows), *totals, activations, plan.arena, plan.dtype)


_HEADS = ("layer", "type", "bottom", "output", "how", "params", "how", "MACs")


def _cells(row: Row) -> tuple[str, ...]:
    outputs = " ".join(text(shape) for shape in row.shapes) or "-"
    params = f"{row.params:,}" if row.params else "-"
    macs = f"{row.macs:,}" if row.macs else "-"
    return (row.name, row.type, " ".join(row.bottoms) or "-", outputs, row.shape_arithmetic, params, row.param_arithmetic, macs)


def short(number: float) -> str:
    """25557032 -> 25.6 M."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.3g}"


def size(number: int) -> str:
    """1724320 -> 1.64 MiB."""
    for unit, letter in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= unit:
            return f"{number / unit:.2f} {letter}"
    return f"{number} B"


def totals(one: Inspection) -> list[str]:
    """The lines under the table."""
    stored = f", stored but not learned {one.stored:,}" if one.stored else ""
    training = " (forward and backward)" if one.phase == "TRAIN" else ""
    return [
        f"params      {one.params:,} ({short(one.params)}){stored}",
        f"MACs        {one.macs:,} ({short(one.macs)}) an image, {one.flops:,} FLOPs",
        f"memory      weights {size(one.weight_bytes)}, activations {size(one.activation_bytes)} at batch {one.batch}, {one.dtype}",
        f"            one arena of {size(one.arena_bytes)} holds blobs, gradients and workspaces{training}",
        f"convention  {CONVENTION}",
    ]


def inspect_table(one: Inspection, width: int = 160) -> RenderableType:
    """The table and totals for a terminal; a narrow one gets fewer columns, never cut words."""
    from rich.console import Group
    from rich.text import Text

    rows = [_cells(row) for row in one.rows]
    columns = list(range(len(_HEADS)))
    for dropped in ((), (4, 6), (2,), (1,), (7,)):  # the arithmetic first, then bottoms, types, MACs
        columns = [c for c in columns if c not in dropped]
        if sum(max(len(cells[c]) for cells in [_HEADS, *rows]) + 3 for c in columns) <= width:
            break
    table = plain_table(
        [_HEADS[c] for c in columns], f"{one.net}  phase {one.phase}  batch {one.batch}", (columns.index(c) for c in (5, 7) if c in columns)
    )
    for cells in rows:
        table.add_row(*(cells[c] for c in columns))
    return Group(table, *map(Text, totals(one)))


def plain_table(heads: Sequence[str], title: str | None = None, right: Iterable[int] = ()) -> Table:
    """A table with a line under its heads and no other."""
    from rich import box
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1)
    )
    numbers = set(right)
    for index, head in enumerate(heads):
        table.add_column(head, justify="right" if index in numbers else "left", overflow="fold", header_style="bold")
    return table


def inspect_json(one: Inspection) -> str:
    """The inspection as JSON."""
    return json.dumps({**asdict(one), "flops": one.flops, "convention": CONVENTION}, indent=2)


def inspect_csv(one: Inspection) -> str:
    """One line a layer."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["layer", "type", "bottoms", "output", "shape_arithmetic", "params", "param_arithmetic", "macs"])
    for row in one.rows:
        shapes = " ".join(map(text, row.shapes))
        writer.writerow(
            [row.name, row.type, " ".join(row.bottoms), shapes, row.shape_arithmetic, row.params, row.param_arithmetic, row.macs]
        )
    return out.getvalue().rstrip("\n")


def inspect_markdown(one: Inspection) -> str:
    """A Markdown table and the totals as a list."""
    lines = ["| " + " | ".join(_HEADS) + " |", "|" + "|".join("---:" if i in {5, 7} else "---" for i in range(len(_HEADS))) + "|"]
    lines += ["| " + " | ".join(cell.replace("*", "\\*") for cell in _cells(row)) + " |" for row in one.rows]
    return "\n".join(
        [f"**{one.net}**, phase {one.phase}, batch {one.batch}", "", *lines, "", *(f"- {' '.join(line.split())}" for line in totals(one))]
    )


def styled_error(error: NetspecError) -> RenderableType:
    """An error for a terminal: red tag, blue margins."""
    from rich.text import Text

    result = Text()
    for index, one in enumerate(error.errors()):
        if index:
            result.append("\n\n")
        for number, line in enumerate(render(one).split("\n")):
            if number:
                result.append("\n")
            result.append(_styled(line, number))
    return result


def _styled(line: str, number: int) -> Any:
    from rich.text import Text

    if number == 0:
        tag, _, message = line.partition(": ")
        return Text.assemble((tag, "bold red"), (": " + message, "bold"))
    stripped = line.lstrip()
    if stripped.startswith("-->"):
        return Text.assemble((line[: line.index("-->") + 3], "bold blue"), line[line.index("-->") + 3 :])
    if stripped.startswith("= help:"):
        return Text.assemble((line[: line.index("=") + 1], "bold blue"), (" help:", "bold cyan"), line[line.index("help:") + 5 :])
    left, bar, rest = line.partition(" |")
    if bar and (not left.strip() or left.strip().isdigit()):
        caret = bool(rest.strip()) and set(rest.strip()) == {"^"}
        return Text.assemble((left + bar, "bold blue"), (rest, "bold red") if caret else rest)
    return Text(line)


def time_table(one: NetTime) -> RenderableType:
    """Per-layer times and those of whole passes."""
    from rich.console import Group
    from rich.text import Text

    heads = ("layer", "type", "forward ms", "backward ms", "share")
    table = plain_table(heads, f"{one.net}  batch {one.batch}  {one.threads} threads  median of {one.iterations}", right=(2, 3, 4))
    whole = sum(t.forward + t.backward for t in one.layers) or 1.0
    for t in one.layers:
        back = f"{t.backward:.3f}" if t.backward else "-"
        table.add_row(t.name, t.type, f"{t.forward:.3f}", back, f"{100 * (t.forward + t.backward) / whole:.1f}%")
    lines = [f"forward           {one.forward:.3f} ms", f"backward          {one.backward:.3f} ms"]
    lines += [f"forward-backward  {one.forward_backward:.3f} ms, {1000 * one.batch / one.forward_backward:,.0f} images/s"]
    return Group(table, *(Text(line) for line in lines))


class TrainingLine:
    """The live line of a training on a terminal: how far, loss, last test, rate, images a second, time left."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.scores: dict[str, float] = {}
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), session.iteration)], maxlen=40)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        session = self.session
        done, last = session.iteration, session.spec.max_iter
        self._seen.append((time.monotonic(), done))
        (then, before), now = self._seen[0], self._seen[-1][0]
        pace = (done - before) / max(now - then, 1e-9)
        words = [f"iter {done}/{last}"]
        words += [f"loss {session.losses[-1]:.4g}"] if session.losses else []
        tested = [f"test {name} {value:.4f}" for name, value in self.scores.items() if name != "loss"]
        words += [f"lr {session.rate:.4g}"]
        words += [f"{pace * session.batch * session.spec.iter_size:,.0f} img/s", f"eta {clock((last - done) / pace)}"] if pace else []
        words += tested
        line = Text("  ".join(words), no_wrap=True, overflow="ellipsis")
        if options.max_width < len(line) + 28:
            yield line
            return
        grid = Table.grid(padding=(0, 2))
        grid.add_row(ProgressBar(total=last, completed=done, width=24), line)
        yield grid
