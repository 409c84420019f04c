"""Activations, element by element, and Softmax."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from netspec.core.shape import count, text
from netspec.interop.from_onnx.building import Blob, Lack
from netspec.interop.from_onnx.op import Convert, Op, axis_in, reshaped, short

MOST = 3.4028234663852886e38
"""The largest float32, as a bound that bounds nothing."""


def plainly(type: str, **fields: Any) -> Convert:
    """The conversion of an operator that is a layer with fixed fields."""
    return lambda op: op.layer(type, op.blob(), **fields)


def with_number(type: str, field: str, name: str, default: float) -> Convert:
    """The conversion of an operator whose attribute `name` is the field of a layer."""

    def convert(op: Op) -> Blob:
        fields: dict[str, Any] = {field: op.number(name, default)}
        return op.layer(type, op.blob(), **fields)

    return convert


def prelu(op: Op) -> Blob:
    """PRelu with constant slopes, one for each channel or a single one."""
    x, slope = op.blob(), op.floats(1, "the slope")
    if slope.size == 1:
        return op.layer("PReLU", x, channel_shared=True, weights=[slope.reshape(())])
    channels = x.shape[1] if len(x.shape) > 1 else 0
    shape = (1,) * (len(x.shape) - slope.ndim) + slope.shape
    if slope.size != channels or len(shape) != len(x.shape) or shape[1] != channels:
        raise Lack(f"slopes of {text(slope.shape)} for {text(x.shape)}")
    return op.layer("PReLU", x, weights=[slope.reshape(channels)])


def selu(op: Op) -> Blob:
    """Selu with its usual numbers."""
    alpha, gamma = op.number("alpha", 1.67326319), op.number("gamma", 1.05070102)
    if not (math.isclose(alpha, 1.6732632, rel_tol=1e-4) and math.isclose(gamma, 1.0507009, rel_tol=1e-4)):
        raise Lack(f"alpha = {alpha}, gamma = {gamma}")
    return op.layer("SELU", op.blob())


def hard_sigmoid(op: Op) -> Blob:
    """HardSigmoid: netspec's where the slope is 1/6, else a Clip of a straight line."""
    alpha, beta = op.number("alpha", 0.2), op.number("beta", 0.5)
    if math.isclose(alpha, 1 / 6, rel_tol=1e-4) and beta == 0.5:
        return op.layer("HardSigmoid", op.blob())
    return op.layer("Clip", op.layer("Power", op.blob(), part="line", scale=alpha, shift=beta), min=0, max=1)


def clip(op: Op) -> Blob:
    """Clip: ReLU6 or ReLU where it is one."""
    bounds = []
    for slot, name, default in ((1, "min", -MOST), (2, "max", MOST)):
        value = op.number(name, default)
        if op.has(slot):
            value = short(float(op.constant(slot, name).reshape(-1)[0]))
        bounds.append(int(value) if float(value).is_integer() and abs(value) < 1e6 else value)
    low, high = (max(-MOST, min(MOST, bound)) for bound in bounds)
    if (low, high) == (0, 6):
        return op.layer("ReLU6", op.blob())
    if low == 0 and high >= MOST * 0.999:
        return op.layer("ReLU", op.blob())
    return op.layer("Clip", op.blob(), min=low, max=high)


def gelu(op: Op) -> Blob:
    """Gelu, exact or by tanh."""
    op.only("approximate", "none", "tanh")
    return op.layer("GELU", op.blob(), approximate=op.word("approximate", "none"))


def softmax(op: Op, last: Callable[[Op, Blob], Blob] = lambda op, blob: blob) -> Blob:
    """Softmax; before opset 13 over all axes from `axis` on, as if they were one."""
    x = op.blob()
    axis = axis_in(op.integer("axis", -1 if op.opset >= 13 else 1), len(x.shape))
    if op.opset >= 13 or count(x.shape[axis + 1 :]) == 1:
        return last(op, op.layer("Softmax", x, axis=axis))
    flat = reshaped(op, x, (*x.shape[:axis], count(x.shape[axis:])), part="flat")
    return reshaped(op, last(op, op.layer("Softmax", flat, axis=axis)), x.shape, part="shape")


def log_softmax(op: Op) -> Blob:
    """LogSoftmax: a Log of a Softmax."""
    return softmax(op, lambda op, blob: op.layer("Log", blob, part="log"))


def dropout(op: Op) -> Blob:
    """Dropout, which passes everything on but while training."""
    ratio = op.number("ratio", 0.5)
    if op.has(1):
        ratio = short(float(op.constant(1, "ratio").reshape(-1)[0]))
    if op.uses(1):
        raise Lack("its mask is read")
    return op.layer("Dropout", op.blob(), dropout_ratio=ratio) if ratio else op.blob()


OPS = {
    "Relu": plainly("ReLU"),
    "Sigmoid": plainly("Sigmoid"),
    "Tanh": plainly("TanH"),
    "Softplus": plainly("Softplus"),
    "Softsign": plainly("Softsign"),
    "HardSwish": plainly("HardSwish"),
    "Mish": plainly("Mish"),
    "Abs": plainly("AbsVal"),
    "Exp": plainly("Exp"),
    "Log": plainly("Log"),
    "Sqrt": plainly("Power", power=0.5),
    "Neg": plainly("Power", scale=-1),
    "Reciprocal": plainly("Power", power=-1),
    "LeakyRelu": with_number("LeakyReLU", "negative_slope", "alpha", 0.01),
    "Elu": with_number("ELU", "alpha", "alpha", 1.0),
    "Celu": with_number("CELU", "alpha", "alpha", 1.0),
    "Swish": with_number("Swish", "beta", "alpha", 1.0),
    "PRelu": prelu,
    "Selu": selu,
    "HardSigmoid": hard_sigmoid,
    "Clip": clip,
    "Gelu": gelu,
    "Dropout": dropout,
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
}
