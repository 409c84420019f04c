"""Patterns: several nodes that exporters write for one layer become one node again.

Each pattern starts from a node that is rare elsewhere; what it replaces is left out where nothing else reads it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from netspec.formats.onnx_model import Node

if TYPE_CHECKING:
    from netspec.core.calls import Array

Constant = Callable[[str], "Array | None"]


INPUTS = {"Add": 2, "Sub": 2, "Mul": 2, "Div": 2, "Pow": 2, "Greater": 2}
"""How many inputs an operator has, where these are several."""


class Nodes:
    """The nodes of a model, with the writer and the readers of every value. Nodes are replaced one by one."""

    def __init__(self, nodes: Sequence[Node], outputs: Iterable[str], constant: Constant) -> None:
        self.nodes = list(nodes)
        self._constant = constant
        self._writers = {name: node for node in nodes for name in node.outputs if name}
        self._readers: dict[str, list[Node]] = {}
        for node in nodes:
            for name in node.reads:
                self._readers.setdefault(name, []).append(node)
        self._outputs = {*outputs}

    def writer(self, name: str, *ops: str) -> Node | None:
        """The node that writes a value, where it is one of these operators."""
        return self._one_of(self._writers.get(name), ops)

    def sole_reader(self, name: str, *ops: str) -> Node | None:
        """The only node that reads a value, where it is one of these operators."""
        readers = self._readers.get(name, [])
        return self._one_of(readers[0], ops) if len(readers) == 1 and name not in self._outputs else None

    def _one_of(self, node: Node | None, ops: tuple[str, ...]) -> Node | None:
        """The node, where it is one of these operators with as many inputs as that has."""
        if node is None or node.op not in ops or node.domain or len(node.inputs) < INPUTS.get(node.op, 1):
            return None
        return node

    def constant(self, name: str) -> Array | None:
        """A value that is constant in the file; None of others."""
        node = self._writers.get(name)
        return self._constant(name) if node is None or node.op in ("Constant", "Identity") else None

    def number(self, name: str) -> float | None:
        """A value that is a constant single number; None of others."""
        array = self.constant(name)
        return (
            float(array.reshape(-1)[0]) if array is not None and array.size == 1 and array.dtype.kind in "fiu" else None
        )

    def is_number(self, name: str, number: float) -> bool:
        """Whether a value is a constant number, to float16's precision."""
        found = self.number(name)
        return found is not None and math.isclose(found, number, rel_tol=1e-3)

    def put(self, last: Node, op: str, inputs: Iterable[str], **attributes: float | int | str) -> None:
        """Put a node in the place of the last one of a pattern, unless another pattern has taken it."""
        at = next((place for place, node in enumerate(self.nodes) if node is last), None)
        if at is None:
            return
        self.nodes[at] = node = replace(last, op=op, inputs=tuple(inputs), attributes=attributes)
        self._writers.update(dict.fromkeys(node.outputs, node))


def joined(nodes: Nodes) -> list[Node]:
    """The nodes with all patterns replaced."""
    for node in list(nodes.nodes):
        if not node.domain and node.op in PATTERNS and node.inputs and len(node.outputs) == 1:
            PATTERNS[node.op](node, nodes)
    return nodes.nodes


def _others(node: Node, name: str) -> Iterator[str]:
    """The inputs of a node of two inputs beside one of them."""
    if len(node.inputs) == 2:
        first, second = node.inputs
        if first == name:
            yield second
        elif second == name:
            yield first


def _other(node: Node, name: str) -> str:
    return next(_others(node, name), "")


def _gelu_tail(inner: Node, x: str, nodes: Nodes) -> Node | None:
    """The last node of x * (1 + inner) / 2, in whichever order it is multiplied."""
    last = nodes.sole_reader(inner.outputs[0], "Add")
    if last is None or not nodes.is_number(_other(last, inner.outputs[0]), 1.0):
        return None
    half = whole = False
    for _ in range(2):
        name = last.outputs[0]
        reader = nodes.sole_reader(name, "Mul")
        factor = _other(reader, name) if reader else ""
        if reader is None:
            break
        written = nodes.writer(factor, "Mul")
        if nodes.is_number(factor, 0.5):
            half = True
        elif factor == x:
            whole = True
        elif written is not None and nodes.is_number(_other(written, x), 0.5):
            half = whole = True
        else:
            break
        last = reader
        if half and whole:
            return last
    return None


def _gelu(erf: Node, nodes: Nodes) -> None:
    """x * (1 + erf(x / sqrt(2))) / 2."""
    scaled = nodes.writer(erf.inputs[0], "Div", "Mul")
    if scaled is None or len(scaled.inputs) != 2:
        return
    for x, factor in (scaled.inputs, scaled.inputs[::-1]):
        wanted = math.sqrt(2) if scaled.op == "Div" else math.sqrt(0.5)
        if nodes.is_number(factor, wanted) and (scaled.op == "Mul" or factor == scaled.inputs[1]):
            last = _gelu_tail(erf, x, nodes)
            if last is not None:
                nodes.put(last, "Gelu", [x])


def _gelu_tanh(tanh: Node, nodes: Nodes) -> None:
    """x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2; and x * tanh(softplus(x)), which is Mish."""
    soft = nodes.writer(tanh.inputs[0], "Softplus")
    if soft is not None:
        product = nodes.sole_reader(tanh.outputs[0], "Mul")
        if product is not None and _other(product, tanh.outputs[0]) == soft.inputs[0]:
            nodes.put(product, "Mish", soft.inputs)
        return
    scaled = nodes.writer(tanh.inputs[0], "Mul")
    if scaled is None:
        return
    for name in scaled.inputs:
        total = nodes.writer(name, "Add")
        if total is None or not nodes.is_number(_other(scaled, name), math.sqrt(2 / math.pi)):
            continue
        for cubed in total.inputs:
            x, product = _other(total, cubed), nodes.writer(cubed, "Mul")
            factors = product.inputs if product is not None else ()
            cubes = [each for each in factors if (n := nodes.writer(each, "Pow")) is not None and n.inputs[0] == x]
            if product is not None and cubes and nodes.is_number(_other(product, cubes[0]), 0.044715):
                raised = nodes.writer(cubes[0], "Pow")
                last = _gelu_tail(tanh, x, nodes)
                if last is not None and raised is not None and nodes.is_number(raised.inputs[1], 3):
                    nodes.put(last, "Gelu", [x], approximate="tanh")


def _silu(sigmoid: Node, nodes: Nodes) -> None:
    """x * sigmoid(x)."""
    product = nodes.sole_reader(sigmoid.outputs[0], "Mul")
    if product is not None and _other(product, sigmoid.outputs[0]) == sigmoid.inputs[0]:
        nodes.put(product, "Swish", sigmoid.inputs[:1])


def _hard_swish(gate: Node, nodes: Nodes) -> None:
    """x * hardsigmoid(x)."""
    product = nodes.sole_reader(gate.outputs[0], "Mul")
    usual = math.isclose(gate.attributes.get("alpha", 0.2), 1 / 6, rel_tol=1e-3)
    if product is not None and usual and _other(product, gate.outputs[0]) == gate.inputs[0]:
        nodes.put(product, "HardSwish", gate.inputs[:1])


def _axes(node: Node, nodes: Nodes) -> list[int] | None:
    """The axes of a ReduceMean that keeps them; None where they are not told."""
    if node.attributes.get("keepdims", 1) != 1:
        return None
    given = node.attributes.get("axes")
    if len(node.inputs) > 1:
        array = nodes.constant(node.inputs[1])
        given = None if array is None else tuple(int(axis) for axis in array.reshape(-1))
    return sorted(given) if given else None


def _layer_norm(root: Node, nodes: Nodes) -> None:
    """(x - mean) / sqrt(mean of (x - mean)^2 + eps), and its weight and bias behind it."""
    total = nodes.writer(root.inputs[0], "Add")
    last = nodes.sole_reader(root.outputs[0], "Div")
    if total is None or last is None or len(last.inputs) != 2 or last.inputs[1] != root.outputs[0]:
        return
    for name in total.inputs:
        mean, eps = nodes.writer(name, "ReduceMean"), nodes.number(_other(total, name))
        square = nodes.writer(mean.inputs[0], "Pow", "Mul") if mean is not None else None
        apart = nodes.writer(square.inputs[0], "Sub") if square is not None else None
        if mean is None or square is None or apart is None or eps is None or last.inputs[0] != square.inputs[0]:
            continue
        squared = square.inputs[0] == square.inputs[1] if square.op == "Mul" else nodes.is_number(square.inputs[1], 2)
        x, taken = apart.inputs
        other = nodes.writer(taken, "ReduceMean")
        axes = _axes(mean, nodes)
        if other is None or other.inputs[0] != x or not squared or axes is None or _axes(other, nodes) != axes:
            continue
        if axes == list(range(-len(axes), 0)):
            _put_layer_norm(last, x, axes[0], eps, nodes)


def _put_layer_norm(last: Node, x: str, axis: int, eps: float, nodes: Nodes) -> None:
    inputs = [x]
    for op in ("Mul", "Add"):
        reader = nodes.sole_reader(last.outputs[0], op)
        factor = _other(reader, last.outputs[0]) if reader is not None else ""
        array = nodes.constant(factor) if factor else None
        if reader is None or array is None or array.ndim != -axis:
            break
        last = reader
        inputs.append(factor)
    nodes.put(last, "LayerNormalization", inputs, axis=axis, epsilon=eps)


def _softplus(choice: Node, nodes: Nodes) -> None:
    """softplus(x) that is x above a threshold where the two are equal to float32's precision."""
    if len(choice.inputs) != 3:
        return
    asked, large, usual = choice.inputs
    above, outer = nodes.writer(asked, "Greater"), nodes.writer(usual, "Div", "Mul")
    soft = nodes.writer(outer.inputs[0] if outer is not None else usual, "Softplus")
    if above is None or soft is None or above.inputs[:1] != soft.inputs or len(above.inputs) != 2:
        return
    inner = nodes.writer(soft.inputs[0], "Mul")
    same = large == soft.inputs[0] if outer is None else inner is not None and large in inner.inputs
    if same and (nodes.number(above.inputs[1]) or 0) >= 15:
        nodes.put(choice, "Identity", [usual])


PATTERNS: dict[str, Callable[[Node, Nodes], None]] = {
    "Erf": _gelu,
    "Tanh": _gelu_tanh,
    "Sigmoid": _silu,
    "HardSigmoid": _hard_swish,
    "Sqrt": _layer_norm,
    "Where": _softplus,
}
"""By the operator that a pattern starts from."""
