"""pycaffe's habits of a Net: its layers and blobs in Caffe's lists, and batches of any length.

Source: Caffe pycaffe.py, _caffe.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from netspec.api.arguments import BadArgumentError
from netspec.api.blobs import Blob, Cell
from netspec.core.errors import NetspecWarning
from netspec.core.nodes import Document
from netspec.engine.program import Program
from netspec.layers.input import Input
from netspec.net.as_caffe import CaffeNet, caffes_name, refused
from netspec.net.gradients import NoGradientError
from netspec.net.graph import Graph, Node

if TYPE_CHECKING:
    from netspec.api.passes import Passes
    from netspec.core.calls import Array


class LayerView(NamedTuple):
    """A layer of a Net: its type, and its param blobs."""

    type: str
    blobs: tuple[Blob, ...]


class Habits:
    """What pycaffe's Net has besides blobs, params, forward and backward."""

    _program: Program
    _memory: Passes
    _params: dict[str, tuple[Cell, ...]]

    if TYPE_CHECKING:

        @property
        def blobs(self) -> Mapping[str, Blob]:
            """Of the Net."""

        def forward(self, blobs: Any = None, start: Any = None, end: Any = None, **inputs: Any) -> dict[str, Array]:
            """Of the Net."""

        def backward(
            self, diffs: Any = None, start: Any = None, end: Any = None, **top_diffs: Any
        ) -> dict[str, Array | None]:
            """Of the Net."""

    @property
    def inputs(self) -> list[str]:
        """Names of the blobs that Input layers hold; of a net that is no prototxt, also of other data from outside."""
        memory = self._memory
        return [cell.name for cell in memory.inputs.values() if not memory.exact or is_input(memory.maker(cell))]

    @property
    def outputs(self) -> list[str]:
        """Names of the blobs that no layer reads, in alphabetical order; of a prototxt also inputs that none reads."""
        return [cell.name for cell in self._output_cells()]

    def _output_cells(self) -> list[Cell]:
        memory, graph = self._memory, self._program.graph
        if memory.exact:
            return [memory.cells[number] for number in memory.net.outputs]
        return [memory.last(blob) for blob in graph.outputs]

    @property
    def layers(self) -> list[LayerView]:
        """The layers in order, of a prototxt with the Splits that Caffe adds."""
        return list(self.layer_dict.values())

    @property
    def layer_dict(self) -> dict[str, LayerView]:
        """The layers by name."""
        found = self._params
        return {
            layer.name: LayerView(layer.type, tuple(map(Blob, found.get(layer.name, ()))))
            for layer in self._caffe_layers()
        }

    def _caffe_layers(self) -> Iterator[Any]:
        memory = self._memory
        return (layer for layer in memory.net.layers if memory.exact or layer.node is not None)

    @property
    def _layer_names(self) -> list[str]:
        nodes = self._program.graph.nodes
        return [
            layer.name if layer.node is None else caffes_name(nodes[layer.node].layer) for layer in self._caffe_layers()
        ]

    @property
    def _blob_names(self) -> list[str]:
        return list(self.blobs)

    @property
    def top_names(self) -> dict[str, list[str]]:
        """The names of every layer's tops."""
        cells = self._memory.cells
        return {layer.name: [cells[number].name for number in layer.tops] for layer in self._caffe_layers()}

    @property
    def bottom_names(self) -> dict[str, list[str]]:
        """The names of every layer's bottoms."""
        memory = self._memory
        return {layer.name: [memory.shown(number) for number in layer.bottoms] for layer in self._caffe_layers()}

    @property
    def blob_loss_weights(self) -> dict[str, float]:
        """The loss weight of every blob."""
        weights = dict.fromkeys(self.blobs, 0.0)
        for layer in self._memory.net.layers:
            for number, weight in zip(layer.tops, layer.weights, strict=True):
                name = self._memory.shown(number)
                weights[name] = weight or weights.get(name, 0.0)
        return weights

    @property
    def _blob_loss_weights(self) -> list[float]:
        return list(self.blob_loss_weights.values())

    def forward_all(self, blobs: Any = None, **inputs: Any) -> dict[str, Array]:
        """Forward for any number of samples, batch by batch; the last batch is filled up with zeros.

        Returns the outputs and `blobs` of all samples.
        """
        batches = [(size, self.forward(blobs, **batch)) for size, batch in self._batches(inputs)]
        return _joined([{name: found[:size] for name, found in one.items()} for size, one in batches])

    def forward_backward_all(
        self, blobs: Any = None, diffs: Any = None, **values: Any
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Forward and backward for any number of samples; `values` are inputs, and diffs of outputs.

        Returns (outputs and `blobs`, diffs of inputs and of `diffs`) of all samples.
        """
        tops = {name: value for name, value in values.items() if name not in self._memory.inputs}
        inputs = {name: value for name, value in values.items() if name in self._memory.inputs}
        ahead, back = [], []
        pairs = zip(self._batches(inputs), self._batches(tops) if tops else _nothing(), strict=False)
        for (size, batch), (_, given) in pairs:
            ahead.append({name: found[:size] for name, found in self.forward(blobs, **batch).items()})
            found = self.backward(diffs, **given)
            back.append({name: diff[:size] for name, diff in found.items() if diff is not None})
        return _joined(ahead), _joined(back)

    def _batches(self, values: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Array]]]:
        """(Number of samples, arrays of a whole batch), one batch after the other."""
        import numpy as np

        if not values:
            raise BadArgumentError("there is nothing to go through in batches", help="give the net's inputs by name")
        arrays = {name: np.asarray(value) for name, value in values.items()}
        sizes = {len(array) for array in arrays.values()}
        if len(sizes) != 1:
            found = ", ".join(f"'{name}' {len(array)}" for name, array in arrays.items())
            raise BadArgumentError(f"not all have the same number of samples: {found}")
        whole = {name: len(self.blobs[name].data) for name in arrays}
        batch = min(whole.values())
        for start in range(0, sizes.pop(), batch):
            parts = {name: array[start : start + batch] for name, array in arrays.items()}
            size = len(next(iter(parts.values())))
            missing = {name: np.zeros((batch - size, *part.shape[1:]), part.dtype) for name, part in parts.items()}
            yield size, {name: np.concatenate([part, missing[name]]) for name, part in parts.items()}


def is_input(node: Node) -> bool:
    """Whether a layer is an Input, and no other that is filled from outside."""
    return type(node.layer) is Input


def _nothing() -> Iterator[tuple[int, dict[str, Array]]]:
    while True:
        yield 0, {}


def _joined(parts: list[dict[str, Array]]) -> dict[str, Array]:
    import numpy as np

    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def positional(given: Sequence[Any], weights: Any, phase: Any) -> tuple[Any, Any]:
    """(weights, phase) of pycaffe's Net(net, phase) and Net(net, weights, phase). Raises BadArgumentError."""
    if len(given) > 2:
        raise BadArgumentError(f"a Net takes at most 3 arguments without a word, not {len(given) + 1}")
    return (given[0], given[1]) if len(given) == 2 else (weights, given[0])


def caffe_forces(document: Document) -> bool:
    """Whether a prototxt's net says `force_backward`, which in Caffe gives params of no rate a gradient too."""
    return document.root.at.source.caffe and document.root.value("force_backward") is True


def check_backward(graph: Graph, net: CaffeNet) -> None:
    """Raise NoGradientError where Caffe's backward would end; warn where it does nothing."""
    import warnings

    found = refused(graph, net)
    if found is not None:
        raise NoGradientError(found, help="labels must not depend on learned params; set propagate_down")
    if not any(layer.backward for layer in net.layers):
        text = "no layer runs backward: nothing that is learned lies under a loss; say force_backward: true"
        warnings.warn(text, NetspecWarning, stacklevel=3)


def param_cells(program: Program, writeable: bool) -> dict[str, tuple[Cell, ...]]:
    """The params of every layer that has some, weight first."""
    weights, shaped = program.weights, program.shaped
    found: dict[str, tuple[Cell, ...]] = {}
    for node in shaped.graph.nodes:
        cells = []
        for param, shape in zip(node.params, node.layer.param_shapes(shaped.bottom_shapes(node)), strict=True):
            cell, diff = Cell(weights.names[param]), weights.diff[param]
            cell.data = weights.data[param].reshape(shape)
            cell.data.flags.writeable = writeable
            cell.diff = None if diff is None else diff.reshape(shape)
            cells.append(cell)
        if cells:
            found[node.layer.name] = tuple(cells)
    return found
