"""Op: a node of the model with what its inputs have become, as the functions that convert it see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from netspec.core.shape import Shape, count, text
from netspec.formats.onnx_model import Node, Tensor
from netspec.interop.from_onnx.building import Blob, Building, Entry, Lack

if TYPE_CHECKING:
    from netspec.core.calls import Array

N = TypeVar("N", int, float)

Result = Any
"""What a value of the model becomes: a Blob, or, where it is constant, an array."""
Convert = Callable[["Op"], "Sequence[Result] | Result"]
"""Adds the layers of an operator to the net; its outputs, or the first alone."""


@dataclass(frozen=True)
class Op:
    """A node with its inputs: Blobs, arrays of what is constant, and None where one is left out.

    `readers` says how many nodes read a value, by its name.
    """

    node: Node
    inputs: tuple[Result, ...]
    net: Building
    opset: int
    wanted: str
    readers: Callable[[str], int]
    read: Callable[[Tensor], Array]

    def has(self, slot: int) -> bool:
        """Whether an input is given."""
        return slot < len(self.inputs) and self.inputs[slot] is not None

    def uses(self, slot: int) -> bool:
        """Whether any node reads an output."""
        outputs = self.node.outputs
        return slot < len(outputs) and outputs[slot] != "" and self.readers(outputs[slot]) > 0

    def blob(self, slot: int = 0) -> Blob:
        """An input that is computed. Raises Lack where it is constant."""
        if not self.has(slot):
            raise Lack(f"input {slot + 1} is missing")
        if not isinstance(self.inputs[slot], Blob):
            raise Lack(f"input {slot + 1} is a constant")
        blob: Blob = self.inputs[slot]
        return blob

    def constant(self, slot: int, what: str) -> Array:
        """An input that is constant, `what` in words. Raises Lack where it is computed."""
        if not self.has(slot):
            raise Lack(f"{what} is missing")
        if isinstance(self.inputs[slot], Blob):
            raise Lack(f"{what} is computed by the net, not constant")
        array: Array = self.inputs[slot]
        return array

    def array(self, slot: int) -> Array:
        """An input that is constant, of whatever it holds."""
        return self.constant(slot, f"input {slot + 1}")

    def floats(self, slot: int, what: str) -> Array:
        """A constant input as weights: float32 or float64."""
        import numpy as np

        array = self.constant(slot, what)
        if array.dtype.kind not in "fiub":
            raise Lack(f"{what} holds no numbers")
        return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)

    def listed(self, name: str, slot: int | None = None) -> tuple[int, ...] | None:
        """Whole numbers from an attribute or, in later opsets, from a constant input; None where neither is given."""
        if slot is not None and self.has(slot):
            return tuple(int(number) for number in self.constant(slot, name).reshape(-1))
        value = self.node.attributes.get(name)
        if value is None:
            return None
        if not isinstance(value, tuple) or not all(isinstance(number, int) for number in value):
            raise Lack(f"{name} is no list of whole numbers")
        return value

    def integer(self, name: str, default: int) -> int:
        """An attribute that is a whole number."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, int):
            raise Lack(f"{name} is no whole number")
        return value

    def number(self, name: str, default: float) -> float:
        """An attribute that is a number, as few digits as mean the same float32."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, int | float):
            raise Lack(f"{name} is no number")
        return short(value)

    def word(self, name: str, default: str) -> str:
        """An attribute that is a word."""
        value = self.node.attributes.get(name, default)
        if not isinstance(value, str):
            raise Lack(f"{name} is no word")
        return value

    def only(self, name: str, *allowed: Any) -> None:
        """Raise Lack where an attribute is none of these values; it may be left out."""
        value = self.node.attributes.get(name, allowed[0])
        if value not in allowed:
            raise Lack(f"{name} = {value}")

    def layer(self, type: str, *bottoms: Blob, part: str = "", **fields: Any) -> Blob:
        """Add a layer of one top. `part` goes behind the name of a layer that does only a part of the work."""
        (top,) = self.layers(type, *bottoms, part=part, **fields)
        return top

    def layers(self, type: str, *bottoms: Blob, part: str = "", tops: int = 1, **fields: Any) -> tuple[Blob, ...]:
        """Add a layer; its tops."""
        return self.net.add(type, bottoms, f"{self.wanted}_{part}" if part else self.wanted, tops=tops, **fields)

    def expect(self, blob: Blob, shape: Shape) -> Blob:
        """The blob, which must have the shape that the model says. Raises Lack."""
        if blob.shape != shape:
            raise Lack(f"the result would be {text(blob.shape)}, but is {text(shape)} in the model")
        return blob

    def sole(self, slot: int) -> Entry | None:
        """The layer that writes an input which nothing else reads."""
        blob = self.inputs[slot]
        if not isinstance(blob, Blob) or self.readers(self.node.inputs[slot]) != 1 or blob.name:
            return None
        return self.net.maker(blob)


def reshaped(op: Op, blob: Blob, shape: Shape, part: str = "", batch: int | None = None) -> Blob:
    """The blob under another shape, which other batch sizes fit too; `batch` is the axis that has theirs, if known."""
    if count(shape) != count(blob.shape):
        raise Lack(f"a blob of {text(blob.shape)} cannot be {text(shape)}")
    maker = op.net.maker(blob)
    if maker.type in ("Reshape", "Flatten") and maker.bottoms[0].shape == shape:
        return maker.bottoms[0]  # it was reshaped to and fro
    if shape == blob.shape:
        return blob
    if len(shape) == 2 and len(blob.shape) > 2 and shape[0] == blob.shape[0]:
        return marked(op.layer("Flatten", blob, part=part), blob)
    sizes = list(shape)
    at = same_batch(blob, shape) if batch is None else batch
    if at is not None:
        copied = at == blob.batch and shape[at] == blob.shape[at]
        sizes[at] = 0 if copied else -1
    return marked(op.layer("Reshape", blob, part=part, shape=sizes), blob)


def permuted(op: Op, blob: Blob, order: Sequence[int], part: str = "") -> Blob:
    """The blob with its axes in another order; two orders that undo one another are none."""
    maker = op.net.maker(blob)
    before = maker.fields["order"] if maker.type == "Permute" else range(len(order))
    whole = [before[axis] for axis in order]
    start = maker.bottoms[0] if maker.type == "Permute" else blob
    if whole == sorted(whole):
        return start
    return marked(op.layer("Permute", start, part=part, order=whole), blob)


def same_batch(blob: Blob, shape: Shape) -> int | None:
    """The axis of a new shape that is the batch: where as many values stand before it as before the blob's."""
    if blob.batch is None:
        return None
    before, length = count(blob.shape[: blob.batch]), blob.shape[blob.batch]
    fitting = [axis for axis, size in enumerate(shape) if size % length == 0 and count(shape[:axis]) == before]
    return next((axis for axis in fitting if axis == blob.batch), fitting[0] if fitting else None)


def spread(op: Op, array: Array, shape: Shape) -> Array:
    """An array repeated to a shape. Raises Lack."""
    import numpy as np

    if array.shape == shape:
        return array
    op.net.room(shape, array.itemsize)
    try:
        return np.ascontiguousarray(np.broadcast_to(array, shape))
    except ValueError:
        raise Lack(f"a constant of {text(array.shape)} for values of {text(shape)}") from None


def marked(blob: Blob, of: Blob) -> Blob:
    """The blob, whose values are whole where those of another are."""
    blob.whole = of.whole
    return blob


def axis_in(axis: int, axes: int) -> int:
    """An axis, counted from the front. Raises Lack where there is no such axis."""
    if not -axes <= axis < axes:
        raise Lack(f"axis {axis} of a blob of {axes} axes")
    return axis % axes


def short(value: float) -> float:
    """The number of fewest digits that is the same float32."""
    import numpy as np

    with np.errstate(over="ignore"):
        return value if isinstance(value, int) else float(str(np.float32(value)))


def plain(values: Sequence[N] | None, idle: int | None = None) -> N | list[N] | None:
    """Lengths as a person writes them: one number where all are equal, and nothing where that is the `idle` one."""
    if values is None or set(values) == {idle}:
        return None
    return values[0] if len(set(values)) == 1 else list(values)
