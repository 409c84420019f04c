"""Arithmetic of two blobs, or of a blob and a constant: Add, Sub, Mul, Div, Pow, Max, Min, Sum, Mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netspec.core.shape import Shape, count, text
from netspec.interop.from_onnx.building import FROZEN, Blob, Entry, Lack
from netspec.interop.from_onnx.op import Convert, Op, reshaped, short, spread
from netspec.interop.from_onnx.ops.activations import MOST
from netspec.interop.from_onnx.ops.cutting import repeated

if TYPE_CHECKING:
    from netspec.core.calls import Array

WITH_BIAS = ("Convolution", "Deconvolution", "InnerProduct", "Scale")
"""Layers that can add a constant to each channel themselves."""


ELTWISE: dict[str, dict[str, Any]] = {"Mul": {"operation": "PROD"}, "Sub": {"coeff": [1, -1]}}
"""Fields of an Eltwise, by operator; a sum has none."""


def added(op: Op) -> Blob:
    """Add."""
    return _binary(op, "Add")


def subtracted(op: Op) -> Blob:
    """Sub: the sum with what is negative."""
    return _binary(op, "Sub")


def multiplied(op: Op) -> Blob:
    """Mul."""
    return _binary(op, "Mul")


def divided(op: Op) -> Blob:
    """Div: the product with the reciprocal."""
    return _binary(op, "Div")


def _binary(op: Op, sign: str) -> Blob:
    first, second = (op.inputs[slot] if op.has(slot) else None for slot in (0, 1))
    if isinstance(first, Blob) and isinstance(second, Blob):
        return _of_blobs(op, sign, first, second)
    if isinstance(second, Blob):
        array, blob = op.floats(0, "the first input"), second
        if sign == "Sub":
            blob, sign = op.layer("Power", blob, part="negative", scale=-1), "Add"
        elif sign == "Div":
            blob, sign = op.layer("Power", blob, part="inverse", power=-1), "Mul"
        return _with_constant(op, sign, blob, array, 1)
    array = op.floats(1, "the second input")
    if sign == "Sub":
        array, sign = -array, "Add"
    elif sign == "Div":
        if not array.all():
            raise Lack("it divides by 0")
        if array.size > 1:
            array, sign = 1 / array, "Mul"
    return _with_constant(op, sign, op.blob(), array, 0)


def _with_constant(op: Op, sign: str, x: Blob, array: Array, slot: int) -> Blob:
    """A blob and a constant: a Power for a single number, else a Scale or Bias, or the bias of the layer above."""
    if array.ndim > len(x.shape):
        x = reshaped(op, x, (1,) * (array.ndim - len(x.shape)) + x.shape, part="axes")
    if array.size == 1:
        number = short(float(array.reshape(-1)[0]))
        if sign == "Div":
            number = 1 / float(array.reshape(-1)[0])
        return op.layer("Power", x, shift=number) if sign == "Add" else op.layer("Power", x, scale=number)
    first, values = _standing(op, x, array)
    above = op.sole(slot)
    if above is not None and above.tops[0] is x and len(above.bottoms) == 1:
        joined = _into_bias(above, first, values) if sign == "Add" else _into_factors(op, above, first, values)
        if joined is not None:
            return joined
    if sign == "Add" and len(x.shape) == 3 and (x.batch, first, values.ndim) == (0, 1, 2):
        return op.layer("PositionalEmbedding", x, weights=[values])
    return op.layer("Bias" if sign == "Add" else "Scale", x, axis=first, num_axes=values.ndim, weights=[values])


def _into_bias(above: Entry, first: int, values: Array) -> Blob | None:
    """The top of the layer above, which adds a constant of its channels itself; None where it cannot."""
    top = above.tops[0]
    last = above.type in ("InnerProduct", "MultiHeadAttention")
    at = above.fields.get("axis", 1) if above.type == "Scale" else len(top.shape) - 1 if last else 1
    if (first, values.ndim) != (at, 1) or above.fields.get("num_axes", 1) != 1:
        return None
    if above.type == "MultiHeadAttention":
        above.weights["output_bias"] = above.weights["output_bias"] + values
        return top
    if above.type not in WITH_BIAS or above.fields.get("bias_term", above.type != "Scale"):
        return None
    above.fields["bias_term"] = True
    above.weights["bias"] = values
    return top


def _into_factors(op: Op, above: Entry, first: int, values: Array) -> Blob | None:
    """The top of the constant factors above, times others; None where there are none.

    Where all become 1, as for means that are divided by other numbers of values, there is nothing left to multiply.
    """
    import numpy as np

    frozen = above.type == "Scale" and above.fields.get("param") == FROZEN
    if not frozen or (above.fields.get("axis", 1), above.fields.get("num_axes", 1)) != (first, values.ndim):
        return None
    product = above.weights["weight"] * values
    if not np.allclose(product, 1, rtol=1e-6, atol=0):
        above.weights["weight"] = product
        return above.tops[0]
    means = op.net.maker(above.bottoms[0])
    means.wanted = op.wanted
    return above.bottoms[0]


def _standing(op: Op, x: Blob, array: Array) -> tuple[int, Array]:
    """The first axis of a blob that a constant stands at, and the constant with the lengths from there on."""

    shape = (1,) * (len(x.shape) - array.ndim) + array.shape
    pairs = list(zip(shape, x.shape, strict=True))
    if any(own not in (1, size) for own, size in pairs):
        raise Lack(f"a constant of {text(array.shape)} and a blob of {text(x.shape)}")
    axes = [axis for axis, (own, _) in enumerate(pairs) if own != 1]
    first, last = axes[0], axes[-1]
    if x.batch is not None and first <= x.batch <= last:
        raise Lack(f"a constant of {text(array.shape)} that differs from sample to sample")
    return first, spread(op, array.reshape(shape[first : last + 1]), x.shape[first : last + 1])


def _of_blobs(op: Op, sign: str, a: Blob, b: Blob) -> Blob:
    """Two blobs: an Eltwise of equal shapes, else a Scale or Bias by the smaller one, or repeated blobs."""
    axes = max(len(a.shape), len(b.shape))
    a, b = (reshaped(op, each, (1,) * (axes - len(each.shape)) + each.shape, part="axes") for each in (a, b))
    shape = _together(a.shape, b.shape)
    if a is b and sign == "Mul":
        return op.layer("Power", a, power=2)
    if sign == "Div":
        b, sign = op.layer("Power", b, part="inverse", power=-1), "Mul"
    if shape not in (a.shape, b.shape):
        a, b = repeated(op, a, shape, "repeated"), repeated(op, b, shape, "repeated")
    if a.shape == b.shape:
        return op.layer("Eltwise", a, b, **ELTWISE.get(sign, {}))
    if sign == "Sub":
        b, sign = op.layer("Power", b, part="negative", scale=-1), "Add"
    large, small = (a, b) if a.shape == shape else (b, a)
    wide = [axis for axis, size in enumerate(small.shape) if size != 1 or axis == small.batch]
    region = slice(min(wide, default=0), max(wide, default=-1) + 1)
    if small.shape[region] != large.shape[region]:
        small = repeated(op, small, shape, "repeated")
        return op.layer("Eltwise", large, small, **ELTWISE.get(sign, {}))
    small = reshaped(op, small, small.shape[region], part="small")
    return op.layer("Scale" if sign == "Mul" else "Bias", large, small, axis=region.start)


def _together(a: Shape, b: Shape) -> Shape:
    if any(x != y and 1 not in (x, y) for x, y in zip(a, b, strict=True)):
        raise Lack(f"blobs of {text(a)} and {text(b)}")
    return tuple(map(max, a, b))


def power(op: Op) -> Blob:
    """Pow with a constant exponent: a Power; with a constant base: an Exp."""
    if op.has(0) and not isinstance(op.inputs[0], Blob):
        base = op.floats(0, "the base")
        if base.size != 1 or base.reshape(-1)[0] <= 0:
            raise Lack("a base that is no single number above 0")
        return op.layer("Exp", op.blob(1), base=short(float(base.reshape(-1)[0])))
    exponent = op.floats(1, "the exponent")
    if exponent.size != 1 or exponent.ndim > len(op.blob().shape):
        raise Lack(f"exponents of {text(exponent.shape)}")
    return op.layer("Power", op.blob(), power=short(float(exponent.reshape(-1)[0])))


def _many(fields: dict[str, Any], mean: bool = False) -> Callable[[Op], Blob]:
    """The conversion of an operator on any number of blobs of one shape."""

    def convert(op: Op) -> Blob:
        blobs = [op.blob(slot) for slot in range(len(op.inputs))]
        if len(blobs) == 1:
            return blobs[0]
        if any(blob.shape != blobs[0].shape for blob in blobs):
            raise Lack("inputs of " + ", ".join(text(blob.shape) for blob in blobs))
        coeff = [1 / len(blobs)] * len(blobs) if mean else None
        return op.layer("Eltwise", *blobs, **fields, coeff=coeff)

    return convert


def _extreme(least: bool) -> Convert:
    """The conversion of Max (Min where `least`): of blobs an Eltwise, of a blob and a number a Clip."""

    def convert(op: Op) -> Blob:
        constants = [value for value in op.inputs if not isinstance(value, Blob)]
        if constants:
            x = next(value for value in op.inputs if isinstance(value, Blob))
            if len(op.inputs) != 2 or count(constants[0].shape) != 1 or constants[0].ndim > len(x.shape):
                raise Lack("constants that are no single number")
            number = short(float(constants[0].reshape(-1)[0]))
            if not least and number == 0:
                return op.layer("ReLU", x)
            return op.layer("Clip", x, min=-MOST if least else number, max=number if least else MOST)
        if not least:
            return _many({"operation": "MAX"})(op)
        turned = [op.layer("Power", op.blob(slot), part="negative", scale=-1) for slot in range(len(op.inputs))]
        if any(blob.shape != turned[0].shape for blob in turned):
            raise Lack("inputs of " + ", ".join(text(blob.shape) for blob in turned))
        top = op.layer("Eltwise", *turned, part="largest", operation="MAX") if len(turned) > 1 else turned[0]
        return op.layer("Power", top, scale=-1)

    return convert


OPS: dict[str, Convert] = {
    "Add": added,
    "Sub": subtracted,
    "Mul": multiplied,
    "Div": divided,
    "Pow": power,
    "Sum": _many({}),
    "Mean": _many({}, mean=True),
    "Max": _extreme(False),
    "Min": _extreme(True),
}
