"""A net as an ONNX model: its layers in order, each written by the function of its type, and the names around them.

The values of the file are called as the net's blobs, its nodes as the layers, its initializers `layer.param`. All
numbers are float32.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.core.errors import Findings, NetspecError, SpecError, UsageError
from netspec.core.shape import Shape, counted
from netspec.engine.bind import marked
from netspec.engine.rewrite import fold
from netspec.formats import wire
from netspec.interop.onnx_files import CLASSES, DIGEST, IR, MOST_BYTES, OPSET, onnx
from netspec.interop.to_onnx.writing import Building, NotWritable, OpenBatch, Operation, Writer, written
from netspec.layers.batch_norm import BatchNorm
from netspec.lowering.folding import fold as folding
from netspec.net.digest import digest
from netspec.net.graph import Node, ParamKey
from netspec.net.load import load_net
from netspec.training.container import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from netspec.core.calls import Array
    from netspec.interop.exported import Exported
    from netspec.net.shaped import ShapedGraph


_FOLDING = ("BatchNorm", "Scale")
"""Layer types that are taken into the weights before them, in their order."""


class NoOnnxError(SpecError):
    """A layer cannot be written as ONNX nodes."""

    code = "NS750"


class TooLargeModelError(UsageError):
    """A model is larger than a single ONNX file can be."""

    code = "NS753"


@dataclass(frozen=True)
class OnnxModel:
    """An ONNX model of the deploy view of a net.

    `proto` is onnx's message without its `large` initializers, which are not copied into it. `outputs` are the names of
    the answers in the file by the index of their blobs. `fixed` says that the file holds for the written batch size
    alone.
    """

    proto: Any
    large: Mapping[str, Array]
    shaped: ShapedGraph
    inputs: tuple[str, ...]
    outputs: Mapping[int, str]
    fixed: bool

    def pieces(self) -> Iterator[bytes | memoryview]:
        """The content of the file: the message, with the large initializers at the end of its graph."""
        whole = type(self.proto)()
        whole.CopyFrom(self.proto)
        whole.ClearField("graph")
        graph = self.proto.graph.SerializeToString()
        tensors = [_tensor(name, array) for name, array in self.large.items()]
        sizes = [sum(map(len, pieces)) for pieces in tensors]
        heads = [wire.head(_INITIALIZER, size) for size in sizes]
        yield whole.SerializeToString()
        yield wire.head(_GRAPH, len(graph) + sum(sizes) + sum(map(len, heads)))
        yield graph
        for head, pieces in zip(heads, tensors, strict=True):
            yield head
            yield from pieces

    @property
    def notes(self) -> list[str]:
        """What a user of the file should know."""
        shaped, said = self.shaped, list[str]()
        if self.fixed and any(axis is not None for axis in shaped.batch_axes):
            said.append(f"for batches of {counted(shaped.batch, shaped.unit)}: its layers take no others")
        if any(node.layer.states(shaped.bottom_shapes(node)) for node in shaped.graph.nodes):
            said.append("states begin at 0 in every run: a file keeps nothing from one run to the next")
        return said


_GRAPH, _INITIALIZER = 7, 5
"""Numbers of fields of ONNX's messages: the graph in a model, an initializer in a graph."""
_DIMS, _DATA_TYPE, _NAME, _RAW_DATA = 1, 2, 8, 9
"""Numbers of a tensor's fields."""
LARGE = 2**16
"""Bytes from which on an initializer is written from where it lies."""


def _tensor(name: str, array: Array) -> list[bytes | memoryview]:
    """An initializer as the content of its field: its shape, its type, its name, its values."""
    import numpy as np

    about = wire.integers(_DIMS, array.shape) + wire.integer(_DATA_TYPE, 1) + wire.row(_NAME, name.encode())
    values = np.ascontiguousarray(array, "<f4").reshape(-1).view(np.uint8)
    return [about, wire.head(_RAW_DATA, values.size), values.data]


def save(model: OnnxModel, path: Path) -> None:
    """Write a model as a file, whole or not at all. Raises WriteError."""
    write_whole(path, model.pieces())


def onnx_model(net: Exported, arrays: Mapping[ParamKey, Array], folded: bool = False) -> OnnxModel:
    """The model of a deploy view with its params. `folded`: factors by channel are taken into the weights before them.

    Where a layer needs to know the number of samples, it is the written one. Raises NoOnnxError for every layer that
    has no ONNX meaning, TooLargeModelError, NoLibraryError.
    """
    lib = onnx("`netspec export onnx`")
    larger = _larger(net, net.shaped)
    try:
        return _Assembly(lib, net, arrays, folded, larger).model()
    except OpenBatch:
        return _Assembly(lib, net, arrays, folded, None).model()


class _Assembly:
    """The walk through the layers of a net that writes them."""

    def __init__(
        self, lib: Any, net: Exported, arrays: Mapping[ParamKey, Array], folded: bool, larger: ShapedGraph | None
    ) -> None:
        assert net.view is not None
        self.lib, self.net, self.arrays = lib, net, arrays
        self.shaped = net.shaped
        graph = self.shaped.graph
        self.answers = tuple(dict.fromkeys(graph.named[one.blob].index for one in net.view.answers))
        self.larger = larger
        self.folded = fold(marked(self.shaped, self.answers)) if folded else self.shaped
        self.graph = self.folded.graph
        self.building = Building()
        self.values: dict[int, str] = {}
        self.wanted = self._names()

    def _names(self) -> dict[int, str]:
        """The names of all blobs: of an input, then of the last version of a blob, its own; others are numbered."""
        graph, names = self.graph, dict[int, str]()
        first = [graph.blobs[index] for index in graph.inputs]
        for blob in (*first, *graph.named.values(), *graph.blobs):
            if blob.index not in names:
                taken = blob.name in self.building.values.taken
                names[blob.index] = self.building.values.new(f"{blob.name}#{blob.version}" if taken else blob.name)
        return names

    def model(self) -> OnnxModel:
        """All layers, and what stands around them. Raises OpenBatch."""
        found = Findings()
        for node in self.graph.nodes:
            if node.layer.fed:
                self.values |= {top: self.wanted[top] for top in node.tops}
            elif not node.absorbed:
                try:
                    self._write(node)
                except OpenBatch:
                    raise
                except NotWritable as why:
                    layer = node.layer
                    text = f"layer '{layer.name}' ({layer.type}) cannot be written as ONNX: {why}"
                    found.add(NoOnnxError(text, at=layer.place()))
                    self.values |= {top: "" for top in node.tops}
        found.raise_if_any()
        outputs = {blob: self._output(blob) for blob in self.answers}
        used = {name for one in self.building.operations for name in one.inputs}
        arrays = {name: array for name, array in self.building.initializers.items() if name in used}
        if sum(array.nbytes for array in arrays.values()) > MOST_BYTES:
            raise TooLargeModelError("the weights are larger than 2 GiB, the most that an ONNX file holds")
        large = {name: array for name, array in arrays.items() if array.nbytes >= LARGE and array.dtype == "float32"}
        proto = self._proto(outputs, large, arrays)
        self._check(proto, large)
        inputs = tuple(self.wanted[blob] for blob in self.graph.inputs)
        return OnnxModel(proto, large, self.shaped, inputs, outputs, self.larger is None)

    def _write(self, node: Node) -> None:
        """The nodes of a layer, and of those that it takes into its weights."""
        write = written().get(type(node.layer))
        if write is None:
            raise NotWritable("ONNX has no operator for it")
        tops = self.graph.nodes[max(node.along.values())].tops if node.folds else node.tops
        begin = len(self.building.operations)
        made = write(self._writer(node))
        made = (made,) if isinstance(made, str) else made
        own = self.building.operations[begin:]
        fresh = {output for operation in own for output in operation.outputs}
        renamed: dict[str, str] = {}
        for top, value in zip(tops, made, strict=True):
            if value in fresh and value not in renamed:
                renamed[value] = self.wanted[top]
            self.values[top] = renamed.get(value, value)
        for operation in own:
            operation.inputs = [renamed.get(value, value) for value in operation.inputs]
            operation.outputs = [renamed.get(value, value) for value in operation.outputs]
        self._name(node, own)

    def _name(self, node: Node, own: list[Operation]) -> None:
        """Give the last node of a layer the layer's name, and the others names of their own."""
        if own:
            own[-1].name = self.building.nodes.new(node.layer.name)
        for operation in own[:-1]:
            operation.name = self.building.nodes.new(operation.name)

    def _writer(self, node: Node) -> Writer[Any]:
        import numpy as np

        shapes = (self.shaped.bottom_shapes(node), self.shaped.top_shapes(node))
        more = self.larger
        larger = shapes if more is None else (more.bottom_shapes(node), more.top_shapes(node))
        layer = node.layer
        params = self._folded(node) if node.folds else self._params(node)
        names = [self.graph.params[index].name for index in node.params]
        labels = names if not node.folds else [f"{layer.name}.{word}" for word in ("weight", "bias")]
        own = tuple(np.asarray(array, np.float32) for array in params)
        bottoms = tuple(self.values[blob] for blob in node.bottoms)
        return Writer(layer, bottoms, *shapes, larger, own, tuple(labels), self.building)

    def _params(self, node: Node | None) -> list[Array]:
        """The params of a layer; none without a layer."""
        if node is None:
            return []
        return [self.arrays[ParamKey(node.layer.name, param.name)] for param in node.layer.params()]

    def _folded(self, node: Node) -> list[Array]:
        """A layer's weight and bias with the factors by channel behind it, as the engine computes them."""
        import numpy as np

        from netspec.codegen import direct
        from netspec.kernels import fold as loops

        norm, scale = (self.graph.nodes[node.along[word]] if word in node.along else None for word in _FOLDING)
        own = self._params(node)
        result = [np.empty_like(own[0]), np.empty(len(own[0]), own[0].dtype)]
        layer = norm.layer if norm is not None and isinstance(norm.layer, BatchNorm) else BatchNorm(name="none")
        behind = (self._params(norm), layer.eps, layer.first_variance, self._params(scale))
        call = folding(own, *behind, result)
        direct.call(loops.fold, str(own[0].dtype), *call.args)
        return result

    def _output(self, blob: int) -> str:
        """The name of an answer; where its value is an input or another blob, an Identity gives it its own name."""
        name, value = self.wanted[blob], self.values[blob]
        if blob in self.graph.inputs:
            name = self.building.values.new(name)
        if value != name:
            label = self.building.nodes.new(f"{name}/Identity")
            self.building.operations.append(Operation("Identity", label, [value], [name], {}))
        return name

    def _proto(self, outputs: Mapping[int, str], large: Mapping[str, Array], arrays: Mapping[str, Array]) -> Any:
        """onnx's message of the whole, without the large initializers."""
        helper = self.lib.helper
        nodes = [
            helper.make_node(one.kind, one.inputs, one.outputs, name=one.name, **one.attributes)
            for one in self.building.operations
        ]
        inputs = [self._info(blob, self.wanted[blob]) for blob in self.graph.inputs]
        results = [self._info(blob, name) for blob, name in outputs.items()]
        small = [self.lib.numpy_helper.from_array(array, name) for name, array in arrays.items() if name not in large]
        graph = helper.make_graph(nodes, self.graph.name or "net", inputs, results, small)
        version = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, ir_version=IR, opset_imports=version, producer_name="netspec")
        known = {DIGEST: digest(self.shaped.graph)}
        if self.net.classes:
            known[CLASSES] = json.dumps(list(self.net.classes), ensure_ascii=False)
        helper.set_model_props(model, known)
        return model

    def _check(self, model: Any, large: Mapping[str, Array]) -> None:
        """Let onnx check a model and infer all its shapes; large initializers stand in as inputs of their shapes."""
        probe = type(model)()
        probe.CopyFrom(model)
        infos = (self.lib.helper.make_tensor_value_info(name, 1, array.shape) for name, array in large.items())
        probe.graph.input.extend(infos)
        self.lib.checker.check_model(probe, full_check=True)

    def _info(self, blob: int, name: str) -> Any:
        """The name, type and shape of an input or output; lengths that grow with the batch have names."""
        shape = self.shaped.blobs[blob]
        larger = shape if self.larger is None else self.larger.blobs[blob]
        open_ = blob in self.shaped.graph.counted
        return self.lib.helper.make_tensor_value_info(name, 1, _dimensions(shape, larger, self.shaped.batch, open_))


def _dimensions(shape: Shape, larger: Shape, batch: int, counted: bool) -> list[int | str]:
    """Lengths, and words for those that grow: N for the number of samples; `kept` for items that a Filter leaves."""
    words: list[int | str] = []
    for axis, (size, more) in enumerate(zip(shape, larger, strict=True)):
        factor = more - size
        grown = "N" if size == batch else f"{factor}N" if size == factor * batch else f"N{size - factor * batch:+d}"
        words.append("kept" if counted and axis == 0 else size if size == more else grown)
    return words


def _larger(net: Exported, shaped: ShapedGraph) -> ShapedGraph | None:
    """The net in a batch of one more sample; None where it holds for its own batch size alone."""
    if all(axis is None for axis in shaped.batch_axes):
        return None
    try:
        larger = load_net(net.net, (), net.state, shaped.batch + 1)
    except NetspecError:
        return None
    return larger if larger.params == shaped.params else None
