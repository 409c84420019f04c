"""Filter: the items of a batch whose selector is not 0. Source: Caffe filter_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import ShapeError, Shapes, count
from netspec.layers.base import MANY, NOTHING, Abilities, Arity, Layer, Purpose


class Filter(Layer):
    """Keep the items of a batch that a selector names, in order.

    Bottoms: one or more blobs (N, ...), then the selector (N,) or (N, 1, ...); an item is kept where it is not 0.
    Tops: as many as bottoms without the selector, planned with the shapes of these. How many items they hold is known
    only when the net runs: a Net shows these, and the memory behind them is 0. Such a blob may be an output of the net,
    or be read by layers that compute each item by itself, like ReLU, InnerProduct or Convolution. It may have a
    `loss_weight`, but what reads it is in no loss. An item of a bottom that is not kept gets the gradient 0, the
    selector gets none.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, chosen], shape: [[4, 3], [4]]}
- {name: ip, type: InnerProduct, bottom: data, num_output: 2, weight_filler: xavier}
- {name: kept, type: Filter, bottom: [ip, chosen]}
- {name: act, type: TanH, bottom: kept}
- {name: loss, type: Reduction, bottom: ip, operation: SUMSQ, loss_weight: 1}
"""
    bottoms: ClassVar[Arity] = Arity(2, None)
    tops: ClassVar[Arity] = MANY
    counts: ClassVar[bool] = True

    @property
    def abilities(self) -> Abilities:
        """Backward reads the places that forward found."""
        return Abilities(reads=NOTHING)

    def without_diff(self, bottoms: int) -> frozenset[int]:
        """The selector."""
        return frozenset({bottoms - 1})

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """Those of the bottoms: all items may be kept."""
        *blobs, selector = bottoms
        tops, last = len(self.top_names()), len(blobs)
        if tops != last:
            wanted = f"{last} top{'s' * (last != 1)}, one for each bottom in front of the selector"
            raise ShapeError(f"it has {tops} top{'s' * (tops != 1)}, and needs {wanted}", field="top")
        if not selector or count(selector[1:]) != 1:
            text = f"the selector {{bottom[{last}]}} must hold a single value for each item"
            raise ShapeError(text, field=f"bottom.{last}")
        for i, shape in enumerate(blobs):
            if not shape or shape[0] != selector[0]:
                text = f"{{bottom[{i}]}} must have as many items as the selector {{bottom[{last}]}}"
                raise ShapeError(text, field=f"bottom.{i}")
        return tuple(blobs)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The number of items that are kept; these items, and the place of each item among them, -1 for none."""
        items = bottoms[-1][0]
        return {
            "count": Workspace((1,), "int32", score=True),
            "kept": Workspace((items,), "int32", use="forward"),
            "place": Workspace((items,), "int32", kept=True),
        }

    def forward(self, run: Run) -> Calls:
        """Find the places; then copy the items."""
        from netspec.kernels import select

        number, kept, place = (run.workspace[name] for name in ("count", "kept", "place"))
        yield Call(select.find_places, run.bottom[-1], number, kept, place, parts=1)
        for x, y in zip(run.bottom, run.top, strict=False):
            yield Call(select.keep, y.reshape(len(y), -1), x.reshape(len(x), -1), number, kept)

    def backward(self, run: Run) -> Calls:
        """Each item that was kept gets the diff of its place."""
        from netspec.kernels import select

        for dx, dy in zip(run.bottom_diff, run.top_diff, strict=False):
            if dx is not None:
                yield Call(select.give_back, dx.reshape(len(dx), -1), dy.reshape(len(dy), -1), run.workspace["place"])
