"""BatchReindex: y[i] = x[index[i]]. Source: Caffe batch_reindex_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

from netspec.codegen.geometry import even_parts
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import ShapeError, Shapes, count
from netspec.layers.base import BOTTOM, TWO, Abilities, Arity, BatchAxes, Layer, Purpose

_WORK, _PIECE = 2**14, 2**12
"""Values that are worth a part, and those of an item that are summed up at a time."""


class BatchReindex(Layer):
    """Choose items of a batch, in any order and any number of times each.

    Bottoms: x (N, ...), and the indices 0..N-1 of the items wanted (M,). Top: y (M, ...). The indices get no gradient;
    an item of x gets the sum over all its copies. An index that names no item is an error where it is known before the
    net runs, and elsewhere gives NaN.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, which], shape: [[4, 3], [5]]}
- {name: ip, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier}
- {name: chosen, type: BatchReindex, bottom: [ip, which]}
- {name: loss, type: Reduction, operation: SUMSQ, loss_weight: 1}
"""
    label_word: ClassVar[str] = "index"
    bottoms: ClassVar[Arity] = TWO
    no_diff: ClassVar[frozenset[int]] = frozenset({1})

    @property
    def abilities(self) -> Abilities:
        """Backward reads the indices."""
        return Abilities(reads=BOTTOM)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """As many items as there are indices."""
        x, index = bottoms
        if not x:
            raise ShapeError("{bottom[0]} has no axis of items to choose from", field="bottom.0")
        if len(index) != 1:
            raise ShapeError("the indices {bottom[1]} must have one axis", field="bottom.1")
        return ((index[0], *x[1:]),)

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """An index must name one of the items."""
        return {1: (bottoms[0][0], None)}

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """That of x where it is not its first axis; else the top has an item for each index."""
        return (axes[1],) if axes[0] in {None, 0} else (axes[0],)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Sums of a piece of an item for each part."""
        if not backward:
            return {}
        items, values = bottoms[0][0], count(bottoms[0][1:])
        size = min(_PIECE, values)
        parts = even_parts(bottoms[1][0] * values, _WORK, items * -(-values // size))
        return {"sums": Workspace((parts, size), "float64", use="backward")}

    def forward(self, run: Run) -> Calls:
        """Copy the items."""
        from netspec.kernels import select

        x, index, y = run.bottom[0], run.bottom[1], run.top[0]
        yield Call(select.reindex, y.reshape(len(y), -1), x.reshape(len(x), -1), index)

    def backward(self, run: Run) -> Calls:
        """Each item of dx adds up the diffs of its copies."""
        from netspec.kernels import select

        dx, index, dy = run.bottom_diff[0], run.bottom[1], run.top_diff[0]
        if dx is not None:
            items, copies, sums = dx.reshape(len(dx), -1), dy.reshape(len(dy), -1), run.workspace["sums"]
            yield Call(select.reindex_backward, items, copies, index, sums.reshape(-1), parts=len(sums))
