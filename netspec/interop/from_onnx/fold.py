"""Constants: nodes whose inputs are all known become arrays, as do the shapes of blobs.

In a shape the batch stands as a Batch, so that `x.view(x.size(0), -1)` fits every batch size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netspec.core.shape import count
from netspec.formats.onnx_model import TYPES, Tensor
from netspec.interop.from_onnx.building import Blob, Lack
from netspec.interop.from_onnx.op import Op, axis_in

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Batch:
    """A length that grows with the batch: `factor` times the batch size, which is `size` here."""

    factor: int
    size: int

    def __int__(self) -> int:
        return self.factor * self.size

    def __index__(self) -> int:
        return int(self)

    def __mul__(self, other: int) -> Batch:
        return Batch(self.factor * int(other), self.size)

    __rmul__ = __mul__

    def __floordiv__(self, other: int) -> Batch | int:
        whole, rest = divmod(self.factor, int(other))
        return int(self) // int(other) if rest else Batch(whole, self.size)


def fold(op: Op) -> list[Array] | None:
    """The outputs of a node, where they are constant. Raises Lack."""
    import numpy as np

    if op.node.op in ("Shape", "Size") and isinstance(op.inputs[0] if op.inputs else None, Blob):
        return [_lengths(op)]
    if op.node.op not in FOLDS or any(isinstance(value, Blob) for value in op.inputs):
        return None
    with np.errstate(all="ignore"):
        result = FOLDS[op.node.op](op)
    arrays = [np.asarray(each) for each in (result if isinstance(result, list) else [result])]
    for array in arrays:
        op.net.room(array.shape, array.itemsize)
    return [_settled(array) for array in arrays]


def _settled(array: Array) -> Array:
    """An array of objects without a Batch among them as whole numbers."""
    import numpy as np

    symbolic = array.dtype == object and any(isinstance(item, Batch) for item in array.reshape(-1))
    return array.astype(np.int64) if array.dtype == object and not symbolic else array


def _lengths(op: Op) -> Array:
    """The shape of a blob, or how many values it has."""
    import numpy as np

    blob = op.blob()
    sizes: list[Any] = list(blob.shape)
    if blob.batch is not None and sizes[blob.batch] % op.net.batch == 0:
        sizes[blob.batch] = Batch(sizes[blob.batch] // op.net.batch, op.net.batch)
    if op.node.op == "Size":
        rest = count(int(size) for size in sizes if not isinstance(size, Batch))
        return np.array(next((size * rest for size in sizes if isinstance(size, Batch)), rest), dtype=object)
    array = np.array(sizes, dtype=object)
    return _settled(array[op.integer("start", 0) : op.node.attributes.get("end")])


def _sizes(array: Array) -> tuple[int, ...]:
    return tuple(int(size) for size in array.reshape(-1))


def _constant(op: Op) -> Array:
    import numpy as np

    attributes = op.node.attributes
    for name, type in (("value_float", "f4"), ("value_floats", "f4"), ("value_int", "i8"), ("value_ints", "i8")):
        if name in attributes:
            return np.array(attributes[name], type)
    value = attributes.get("value")
    if not isinstance(value, Tensor):
        raise Lack("its value is no tensor of numbers")
    return op.read(value)


def _filled(op: Op) -> Array:
    import numpy as np

    value = op.node.attributes.get("value")
    item = op.read(value).reshape(-1)[:1] if isinstance(value, Tensor) else np.zeros(1, np.float32)
    shape = _sizes(op.array(0))
    op.net.room(shape)
    return np.full(shape, item[0], item.dtype)


def _arithmetic(operation: str) -> Callable[[Op], Array]:
    def apply(op: Op) -> Array:
        import numpy as np

        arrays = [np.asarray(value) for value in op.inputs]
        op.net.room(np.broadcast_shapes(*(array.shape for array in arrays)))
        if operation not in ("multiply", "equal", "add") and any(array.dtype == object for array in arrays):
            raise Lack("it computes with the batch size")
        result = arrays[0]
        function = getattr(np, operation)
        if len(arrays) == 1:
            return np.asarray(function(result))
        for array in arrays[1:]:
            result = function(result, array)
        return np.asarray(result)

    return apply


def _divide(op: Op) -> Array:
    import numpy as np

    a, b = (np.asarray(value) for value in op.inputs)
    op.net.room(np.broadcast_shapes(a.shape, b.shape))
    if a.dtype == object or b.dtype == object:
        return np.asarray(a // b)
    return np.asarray(np.trunc(a / b).astype(a.dtype) if a.dtype.kind in "iu" else a / b)


def _cast(op: Op) -> Array:
    array = op.array(0)
    if array.dtype == object:
        return array  # lengths stay whole numbers
    word = TYPES.get(op.integer("to", 1))
    if word is None or word == "bfloat16":
        raise Lack(f"to = {op.node.attributes.get('to')}")
    return array.astype(word)


def _reduced(operation: str) -> Callable[[Op], Array]:
    def apply(op: Op) -> Array:
        import numpy as np

        axes = op.listed("axes", 1)
        result = getattr(np, operation)(op.array(0), axis=axes or None, keepdims=bool(op.integer("keepdims", 1)))
        return np.asarray(result)

    return apply


def _reshape(op: Op) -> Array:
    array = op.array(0)
    sizes = _sizes(op.array(1))
    if not op.integer("allowzero", 0):
        sizes = tuple(array.shape[axis] if size == 0 else size for axis, size in enumerate(sizes))
    return array.reshape(sizes)


def _slice(op: Op) -> Array:
    array = op.array(0)
    cuts = [slice(None)] * array.ndim
    for axis, start, stop, step in slices(op, array.ndim):
        cuts[axis] = slice(start, None if step < 0 and stop < -array.shape[axis] else stop, step)
    return array[tuple(cuts)]


def slices(op: Op, axes: int) -> list[tuple[int, int, int, int]]:
    """Axis, start, stop and step of each cut of a Slice."""
    starts, stops = op.listed("starts", 1) or (), op.listed("ends", 2) or ()
    along = op.listed("axes", 3) or tuple(range(len(starts)))
    steps = op.listed("steps", 4) or (1,) * len(starts)
    if not len(starts) == len(stops) == len(along) == len(steps) or 0 in steps:
        raise Lack("its starts, ends, axes and steps do not fit one another")
    return [
        (axis_in(axis, axes), *cut) for axis, cut in zip(along, zip(starts, stops, steps, strict=True), strict=True)
    ]


def _expand(op: Op) -> Array:
    import numpy as np

    shape = np.broadcast_shapes(op.array(0).shape, _sizes(op.array(1)))
    op.net.room(shape)
    return np.broadcast_to(op.array(0), shape)


def _tile(op: Op) -> Array:
    import numpy as np

    repeats = _sizes(op.array(1))
    op.net.room(tuple(size * times for size, times in zip(op.array(0).shape, repeats, strict=True)))
    return np.tile(op.array(0), repeats)


def _range(op: Op) -> Array:
    import numpy as np

    start, stop, step = (value.reshape(-1)[0] for value in op.inputs)
    first, last, pace = (float(int(item)) if isinstance(item, Batch) else float(item) for item in (start, stop, step))
    op.net.room((max(0, int((last - first) / pace) + 1),))
    return np.arange(first, last, pace).astype(op.array(0).dtype if op.array(0).dtype != object else np.int64)


def _split(op: Op) -> list[Array]:
    import numpy as np

    axis = axis_in(op.integer("axis", 0), op.array(0).ndim)
    sizes = op.listed("split", 1)
    if sizes is None:
        return list(np.array_split(op.array(0), max(1, len(op.node.outputs)), axis))
    return list(np.split(op.array(0), np.cumsum(sizes)[:-1], axis))


def _squeeze(op: Op) -> Array:
    import numpy as np

    axes = op.listed("axes", 1)
    return np.squeeze(op.array(0), axes)


def _unsqueeze(op: Op) -> Array:
    import numpy as np

    return np.expand_dims(op.array(0), op.listed("axes", 1) or ())


def _gather(op: Op) -> Array:
    import numpy as np

    axis = axis_in(op.integer("axis", 0), op.array(0).ndim)
    rest = op.array(0).shape[:axis] + op.array(0).shape[axis + 1 :]
    op.net.room(rest + op.array(1).shape)
    return np.asarray(np.take(op.array(0), op.array(1).astype(np.int64), axis))


def _concat(op: Op) -> Array:
    import numpy as np

    op.net.room((sum(array.size for array in op.inputs),))
    return np.concatenate(op.inputs, op.integer("axis", 1))


def _flatten(op: Op) -> Array:
    axis = op.integer("axis", 1)
    return op.array(0).reshape(count(op.array(0).shape[:axis]), -1)


def _same(op: Op) -> Array:
    return op.array(0)


def _where(op: Op) -> Array:
    import numpy as np

    op.net.room(np.broadcast_shapes(*(value.shape for value in op.inputs)))
    return np.where(op.array(0), op.array(1), op.array(2))


def _transpose(op: Op) -> Array:
    return op.array(0).transpose(op.listed("perm"))


def _shape(op: Op) -> Array:
    import numpy as np

    return np.array(op.array(0).shape if op.node.op == "Shape" else op.array(0).size, np.int64)


_NUMPY = {
    **dict(Add="add", Sub="subtract", Mul="multiply", Pow="power", Mod="mod", Max="maximum", Min="minimum"),
    **dict(Sqrt="sqrt", Exp="exp", Log="log", Abs="abs", Neg="negative", Floor="floor", Ceil="ceil", Round="rint"),
    **dict(Sin="sin", Cos="cos", Tanh="tanh", Reciprocal="reciprocal", Not="logical_not", Sign="sign"),
    **dict(Equal="equal", Less="less", Greater="greater", LessOrEqual="less_equal", GreaterOrEqual="greater_equal"),
    **dict(And="logical_and", Or="logical_or", Sum="add"),
}
FOLDS: dict[str, Callable[[Op], Any]] = {
    **{op: _arithmetic(function) for op, function in _NUMPY.items()},
    **{f"Reduce{name}": _reduced(name.lower()) for name in ("Prod", "Sum", "Max", "Min", "Mean")},
    **dict(Constant=_constant, ConstantOfShape=_filled, Div=_divide, Cast=_cast, Reshape=_reshape, Slice=_slice),
    **dict(Expand=_expand, Tile=_tile, Range=_range, Split=_split, Squeeze=_squeeze, Unsqueeze=_unsqueeze),
    **dict(Gather=_gather, Concat=_concat, Flatten=_flatten, Identity=_same, Dropout=_same, Where=_where),
    **dict(Transpose=_transpose, CastLike=_same),
    "Shape": _shape,
    "Size": _shape,
}
"""How each operator computes constants."""
