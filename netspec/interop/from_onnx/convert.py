"""An ONNX model to layers and weights, or to errors that say of every node what is lacking."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import Findings, SpecError
from netspec.core.places import Place, SourceText
from netspec.core.shape import Shape, count, counted, text
from netspec.core.spelling import suggest
from netspec.formats.files import WrongFormatError
from netspec.formats.onnx_model import Files, Model, Node, Subgraph, Tensor, Value, read_model
from netspec.interop.from_onnx.building import FROZEN, Blob, Building, Lack, name_of
from netspec.interop.from_onnx.fold import FOLDS, fold
from netspec.interop.from_onnx.op import Op
from netspec.interop.from_onnx.ops import operators
from netspec.interop.from_onnx.patterns import Nodes, joined
from netspec.interop.yaml_text import Written
from netspec.net.graph import ParamKey
from netspec.training.container import finite

if TYPE_CHECKING:
    from netspec.core.calls import Array

OLDEST, NEWEST = 7, 25
"""Opsets whose operators are known. Tests go from 9 to 21."""
_FOLDED = 4 << 20
"""Bytes that computed constants may take beside as many as the file has."""
_NO_NAMES = ("main_graph", "torch_jit", "torch-jit-export", "graph", "")


class UnsupportedOperatorError(SpecError):
    """A node of an ONNX model does what no layer does, or is no sound node."""

    code = "NS761"


class OpsetError(SpecError):
    """An ONNX model is written in operators of a version, or of a domain, that is not known."""

    code = "NS762"


class UnknownLengthError(SpecError):
    """An input of an ONNX model has axes whose lengths are not in the file."""

    code = "NS763"


@dataclass(frozen=True)
class Imported:
    """A net that was a model: its name, its layers, its weights, and what there is to say of it."""

    name: str
    layers: list[Written]
    weights: dict[ParamKey, Array]
    notes: tuple[str, ...]

    @property
    def params(self) -> int:
        """The number of values of its weights."""
        return sum(count(array.shape) for array in self.weights.values())

    def __str__(self) -> str:
        return f"{counted(len(self.layers), 'layer')}, {counted(self.params, 'param')}"


def convert(path: Path, batch: int = 1, shapes: Mapping[str, Shape] | None = None) -> Imported:
    """The net in a model. `shapes` are those of inputs whose lengths the file does not tell.

    Raises UnsupportedOperatorError for each thing that lacks, OpsetError, UnknownLengthError, and errors of files.
    """
    return _Conversion(read_model(path), batch, shapes or {}).run()


class _Broken:
    """In place of a value that could not be converted: nothing more is said of what comes of it."""


class _Conversion:
    def __init__(self, model: Model, batch: int, shapes: Mapping[str, Shape]) -> None:
        self.model, self.shapes = model, shapes
        self.found = Findings()
        size = sum(len(tensor.message.data) for tensor in model.initial.values())
        self.net = Building(batch, _FOLDED + size)
        self.values: dict[str, Any] = {}
        self.files = Files(model.path)
        self._arrays: dict[str, Array] = {}
        constants = ((node.outputs, node.attributes.get("value")) for node in model.nodes if node.op == "Constant")
        self._constants = {name: value for names, value in constants for name in names}
        self.lacks: dict[tuple[str, str], list[Node]] = {}

    def run(self) -> Imported:
        """The net, or errors."""
        self._check()
        outputs = [value.name for value in self.model.outputs]
        nodes = _live(joined(Nodes(_live(self.model.nodes, outputs), outputs, self._known)), outputs)
        self.readers: dict[str, int] = {name: 1 for name in outputs}
        for node in nodes:
            for name in node.reads:
                self.readers[name] = self.readers.get(name, 0) + 1
        read = {name for node in nodes for name in node.reads} | {*outputs}
        idle = [value.name for value in self.model.inputs if value.name not in read]
        for value in self.model.inputs:
            if value.name in read:
                self._input(value)
        self.found.raise_if_any()
        for node in nodes:
            self._node(node)
        for value in self.model.outputs:
            self._output(value)
        outs = {value.name: self.values[value.name] for value in self.model.outputs if value.name in self.values}
        by_number = {node.number: node for node in nodes}
        for entry in self.net.prune(blob for blob in outs.values() if isinstance(blob, Blob)):
            node = by_number[entry.number]
            self.lacks.setdefault((_type(node), entry.lacks), []).append(node)
        self._report()
        self.net.named(outs)
        weights = self.net.weights()
        for key, array in weights.items():
            if not finite(array):
                help = "the training that it is of has diverged, or the file is damaged"
                raise WrongFormatError(f"'{self.model.path}' has weights that are not finite: '{key}'", help=help)
        return Imported(self._name(), self.net.written(), weights, tuple(self._notes(idle)))

    def _name(self) -> str:
        return self.model.path.stem if self.model.name in _NO_NAMES else self.model.name

    def _notes(self, idle: list[str]) -> Iterable[str]:
        by = f"{self.model.producer}, " if self.model.producer else ""
        yield f"Imported from {self.model.path.name} ({by}opset {self.model.opsets['']})."
        if idle:
            yield f"Inputs of the model that nothing reads are left out: {', '.join(idle)}."

    def _check(self) -> None:
        """Raise OpsetError, UnknownLengthError for what is said of the whole model."""
        opset = self.model.opsets.get("")
        if opset is None or not OLDEST <= opset <= NEWEST:
            raise OpsetError(
                f"the model is written in opset {opset}, and opsets {OLDEST} to {NEWEST} are read",
                at=self._whole(),
                help="export it again with another opset, or convert it with `onnx.version_converter`",
            )
        if not self.model.outputs:
            raise UnsupportedOperatorError("the model has no outputs", at=self._whole())
        names = [value.name for value in self.model.inputs]
        for name in self.shapes:
            if name not in names:
                raise UnknownLengthError(
                    f"the model has no input '{name}'", at=self._whole(), help=suggest(name, names)
                )

    def _whole(self) -> Place:
        return Place(SourceText(str(self.model.path), ""))

    def _known(self, name: str) -> Array | None:
        """A value that is constant in the file."""
        if name in self.model.initial:
            return self._initial(name)
        value = self._constants.get(name)
        return value.array(self.files) if isinstance(value, Tensor) else None

    def _initial(self, name: str) -> Array:
        if name not in self._arrays:
            self._arrays[name] = self.model.initial[name].array(self.files)
        return self._arrays[name]

    def _value(self, name: str) -> Any:
        if not name:
            return None
        if name not in self.values:
            if name not in self.model.initial:
                raise Lack(f"nothing above it writes '{name}', which it reads")
            self.values[name] = self._initial(name)
        return self.values[name]

    def _input(self, value: Value) -> None:
        """The Input layer of an input of the model."""
        given = self.shapes.get(value.name)
        if value.shape is None and given is None:
            self._lengths(value, "a shape")
            return
        told = value.shape if value.shape is not None else (None, *(given or ())[1:])
        open_axes = [axis for axis, length in enumerate(told) if not isinstance(length, int)]
        batch = next(iter(open_axes), 0 if told else None)
        if given is not None:
            if len(given) != len(told) or any(
                axis not in open_axes and axis != batch and given[axis] != told[axis] for axis in range(len(told))
            ):
                said = "x".join("?" if axis in open_axes else str(length) for axis, length in enumerate(told))
                self.found.add(
                    UnknownLengthError(
                        f"the input '{value.name}' cannot be {text(given)}: in the model it is {said}",
                        at=self._whole(),
                    )
                )
                return
            shape = given
        else:
            names = [str(told[axis] or f"axis {axis}") for axis in open_axes[1:]]
            if names:
                self._lengths(value, f"lengths for {', '.join(names)}")
                return
            shape = tuple(self.net.batch if axis in open_axes else int(length or 1) for axis, length in enumerate(told))
        if batch is not None and (given is not None or batch not in open_axes):
            self.net.batch = shape[batch]
        try:
            self.values[value.name] = self.net.input(value.name, shape, batch, value.type not in (1, 10, 11, 16))
        except Lack as lack:
            self.found.add(UnsupportedOperatorError(f"the input '{value.name}': {lack}", at=self._whole()))

    def _lengths(self, value: Value, what: str) -> None:
        shape = "x".join("N" if not isinstance(length, int) else str(length) for length in value.shape or ("N", "N"))
        self.found.add(
            UnknownLengthError(
                f"the input '{value.name}' needs {what}, which the model does not tell",
                at=self._whole(),
                help=f"say them with `--shape {value.name}={shape}`",
            )
        )

    def _node(self, node: Node) -> None:
        """Convert a node; what it lacks is kept for the report."""
        try:
            inputs = [self._value(name) for name in node.inputs]
            broken = any(isinstance(value, _Broken) for value in inputs)
            if not broken:
                results = self._results(node, inputs)
        except Lack as lack:
            self.lacks.setdefault((_type(node), str(lack)), []).append(node)
            broken = True
        if broken:
            known = node.domain or (node.op not in operators() and node.op not in FOLDS)
            if known and not any(node in nodes for nodes in self.lacks.values()):
                self.lacks.setdefault((_type(node), _NO_LAYER), []).append(node)
            results = [_Broken()] * len(node.outputs)
        for name, result in zip(node.outputs, results, strict=False):
            if name:
                self.values[name] = result

    def _results(self, node: Node, inputs: list[Any]) -> list[Any]:
        """The outputs of a node. Raises Lack."""
        if node.domain:
            raise Lack(_NO_LAYER)
        if node.op == "If":
            return self._branch(node, inputs)
        op = Op(
            node,
            tuple(inputs),
            self.net,
            self.model.opsets[""],
            name_of(node, self.model.initial.__contains__),
            lambda name: self.readers.get(name, 0),
            lambda tensor: tensor.array(self.files),
        )
        try:
            constants = fold(op)
            if constants is not None:
                return constants
            function = operators().get(node.op)
            if function is None:
                raise Lack(_NO_LAYER if node.op not in FOLDS else "no layer does this to what the net computes")
            result = function(op)
        except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
            # attributes and constants come from a file that anyone may have written
            raise Lack(f"its inputs and attributes do not fit one another: {error}") from None
        return list(result) if isinstance(result, list | tuple) else [result]

    def _branch(self, node: Node, inputs: list[Any]) -> list[Any]:
        """The outputs of an If whose condition is constant: those of the one branch. Raises Lack."""
        if len(inputs) != 1 or isinstance(inputs[0], Blob) or inputs[0] is None:
            raise Lack("its condition is computed by the net, not constant")
        branch = node.attributes.get("then_branch" if inputs[0].any() else "else_branch")
        if not isinstance(branch, Subgraph):
            raise Lack("it has no such branch")
        self.values.update((name, tensor.array(self.files)) for name, tensor in branch.initial.items())
        for inner in branch.nodes:
            self._node(replace(inner, number=node.number))
        return [self._value(name) for name in branch.outputs]

    def _output(self, value: Value) -> None:
        """Check an output of the model: it has to be computed, and of the shape that the model says."""
        if value.name in self.model.initial:
            self.values.setdefault(value.name, self._initial(value.name))
        result = self.values.get(value.name)
        if isinstance(result, _Broken):
            return
        if result is None:
            self.found.add(UnsupportedOperatorError(f"the output '{value.name}' is never written", at=self._whole()))
            return
        if not isinstance(result, Blob):
            try:
                result = self.values[value.name] = self._constant_output(value.name, result)
            except Lack as lack:
                self.found.add(UnsupportedOperatorError(f"the output '{value.name}': {lack}", at=self._whole()))
                return
        told = value.shape
        if told is not None and (
            len(told) != len(result.shape)
            or any(
                isinstance(length, int) and axis != result.batch and length != result.shape[axis]
                for axis, length in enumerate(told)
            )
        ):
            said = "x".join(str(length or "?") for length in told)
            why = f"the output '{value.name}' would be {text(result.shape)}, but the model says {said or 'a scalar'}"
            self.found.add(UnsupportedOperatorError(why, at=self._whole()))

    def _constant_output(self, name: str, array: Array) -> Blob:
        """A Parameter in the place of an output that no input changes. Raises Lack."""
        import numpy as np

        if array.dtype.kind not in "fiub":
            raise Lack("it is a constant that is no number")
        values = array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
        (blob,) = self.net.add("Parameter", (), name, weights=[values], shape=list(array.shape), param=[FROZEN])
        return blob

    def _report(self) -> None:
        """Raise what lacks: an error for each kind of operator and reason, at the first of its nodes."""
        if self.lacks:
            lines = [str(node).replace("\n", " ") for node in self.model.nodes]
            source = SourceText(f"{self.model.path}, nodes", "\n".join(lines))
            for (type, why), among in self.lacks.items():
                node = among[0]
                line = lines[node.number - 1]
                at = Place(source, node.number, max(1, line.find(f"{node.op}(") + 1), len(node.op))
                more = f" (and so for {counted(len(among) - 1, 'more node')})" if len(among) > 1 else ""
                name = f" '{node.name}'" if node.name else f" that writes '{next(iter(node.outputs), '')}'"
                self.found.add(UnsupportedOperatorError(f"{type}{name}: {why}{more}", at=at))
        self.found.raise_if_any()


_NO_LAYER = "no layer does this"


def _type(node: Node) -> str:
    return f"{node.domain}.{node.op}" if node.domain else node.op


def _live(nodes: Iterable[Node], outputs: Iterable[str]) -> list[Node]:
    """The nodes that outputs depend on, in their order."""
    wanted, kept = {*outputs}, []
    for node in reversed(list(nodes)):
        if not wanted.isdisjoint(node.outputs):
            kept.append(node)
            wanted.update(node.reads)
    return kept[::-1]
