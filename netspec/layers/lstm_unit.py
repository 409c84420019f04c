"""LSTMUnit: one step of an LSTM, whose gates come from layers before it.

i, f, o = sigmoid and g = tanh of the gates; c = f (cont c_prev) + i g, h = o tanh(c). Source: Hochreiter & Schmidhuber
1997; Caffe lstm_unit_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import Shape, ShapeError, Shapes
from netspec.core.worked import LayerArrays, Term, Worked
from netspec.layers.base import BOTTOM, TWO, Abilities, Arity, BatchAxes, Layer, Purpose


class LSTMUnit(Layer):
    """Compute the cell and the output of a single step.

    Bottom: the cell before (1, N, H); the gates (1, N, 4H), in the order i, f, o, g; cont (1, N), 0 where a row begins
    a sequence, else 1. Top: the cell and the output, each (1, N, H).
    """

    label_word: ClassVar[str] = "mark"
    bottoms: ClassVar[Arity] = Arity(3, 3)
    tops: ClassVar[Arity] = TWO
    no_diff: ClassVar[frozenset[int]] = frozenset({2})
    purpose: ClassVar[Purpose] = "sequence"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [cell, gates, cont], shape: [[1, 3, 5], [1, 3, 20], [1, 3]], batch_axis: 1}
- {name: unit, type: LSTMUnit, bottom: [cell, gates, cont], top: [next, out]}
"""

    @property
    def abilities(self) -> Abilities:
        """Backward reads the bottoms."""
        return Abilities(reads=BOTTOM)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The shape of the cell, twice."""
        cell = bottoms[0]
        if len(cell) != 3 or cell[0] != 1:
            raise ShapeError("{bottom[0]} must be a single step of cells, 1 x N x H", field="bottom.0")
        for i, shape in ((1, (1, cell[1], 4 * cell[2])), (2, (1, cell[1]))):
            if bottoms[i] != shape:
                words = "x".join(map(str, shape))
                raise ShapeError(f"{{bottom[{i}]}} must be {words}, as {{bottom[0]}} has it", field=f"bottom.{i}")
        return cell, cell

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """That of the cell."""
        return axes[0], axes[0]

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """A mark is 0 or 1."""
        return {2: (2, None)}

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The bent gates; for diffs that nobody wants, and for one row's work, scratch."""
        _, n, h = bottoms[0]
        spaces = {"bent": Workspace((n, 4 * h), kept=True)}
        if not backward:
            return spaces
        shapes: dict[str, Shape] = {"scratch": (2, n, h), "dpast": (n, h), "dgates": (n, 4 * h)}
        return spaces | {name: Workspace(shape, use="backward") for name, shape in shapes.items()}

    def forward(self, run: Run) -> Calls:
        """Row by row."""
        from netspec.kernels import lstm

        past, gates, cont = run.bottom
        cell, y = run.top
        yield Call(lstm.lstm_unit_forward, past[0], gates[0], cont, run.workspace["bent"], cell[0], y[0])

    def backward(self, run: Run) -> Calls:
        """Row by row."""
        from netspec.kernels import lstm

        past, _, cont = run.bottom
        dcell, dy = run.top_diff
        space, (dpast, dgates, _) = run.workspace, run.bottom_diff
        wanted = (
            space["dpast"] if dpast is None else dpast[0],
            space["dgates"] if dgates is None else dgates[0],
        )
        yield Call(lstm.lstm_unit_backward, past[0], space["bent"], cont, dcell[0], dy[0], space["scratch"], *wanted)

    def worked_top(self, arrays: LayerArrays, top: int, index: tuple[int, ...]) -> Iterator[Worked]:
        """The cell: what is kept of the cell before, and what enters; of the output, what the cell lets out."""
        past, gates, cont = arrays.bottoms
        _, row, unit = index
        into, forget, out, new = (Term(gates[0, row, k * past.shape[2] + unit]) for k in range(4))
        before = Term(cont[0, row]) * Term(past[index])
        cell = forget.sigmoid() * before + into.sigmoid() * new.tanh()
        if top:
            yield cell.at("c", index)
        yield (out.sigmoid() * cell.known().tanh() if top else cell).at("y", index)
