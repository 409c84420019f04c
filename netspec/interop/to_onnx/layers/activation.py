"""Elementwise layers."""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from netspec.interop.to_onnx.writing import Tops, Writer, over_last, writes
from netspec.layers.abs_val import AbsVal
from netspec.layers.bnll import BNLL
from netspec.layers.celu import CELU
from netspec.layers.clip import Clip
from netspec.layers.elu import ELU
from netspec.layers.exp import Exp
from netspec.layers.gelu import GELU
from netspec.layers.glu import GLU
from netspec.layers.hard_sigmoid import HardSigmoid
from netspec.layers.hard_swish import HardSwish
from netspec.layers.hard_tanh import HardTanh
from netspec.layers.leaky_relu import LeakyReLU
from netspec.layers.log import Log
from netspec.layers.mish import Mish
from netspec.layers.power import Power
from netspec.layers.prelu import PReLU
from netspec.layers.relu import ReLU
from netspec.layers.relu6 import ReLU6
from netspec.layers.selu import SELU
from netspec.layers.sigmoid import Sigmoid
from netspec.layers.silu import SiLU
from netspec.layers.softmax import Softmax
from netspec.layers.softplus import Softplus
from netspec.layers.softsign import Softsign
from netspec.layers.swish import Swish
from netspec.layers.tanh import TanH
from netspec.layers.threshold import Threshold


@writes(ReLU, LeakyReLU)
def relu(to: Writer[ReLU]) -> Tops:
    """Relu, or LeakyRelu."""
    slope = to.layer.negative_slope
    return to.op("LeakyRelu", to.x, alpha=slope) if slope else to.op("Relu", to.x)


@writes(PReLU)
def prelu(to: Writer[PReLU]) -> Tops:
    """PRelu, with its slopes at the channels."""
    slope = to.params[0].reshape(-1)
    behind = 0 if to.layer.channel_shared else max(0, to.rank - 2)
    return to.op("PRelu", to.x, to.changed(0, over_last(slope, behind)))


@writes(ReLU6)
def relu6(to: Writer[ReLU6]) -> Tops:
    """Clip."""
    return _clipped(to, 0.0, 6.0)


@writes(Clip)
def clip(to: Writer[Clip]) -> Tops:
    """Clip."""
    return _clipped(to, to.layer.min, to.layer.max)


@writes(HardTanh)
def hard_tanh(to: Writer[HardTanh]) -> Tops:
    """Clip."""
    return _clipped(to, to.layer.min_val, to.layer.max_val)


def _clipped(to: Writer[ReLU6] | Writer[Clip] | Writer[HardTanh], least: float, most: float) -> str:
    return to.op("Clip", to.x, to.constant(least, "min"), to.constant(most, "max"))


@writes(ELU)
def elu(to: Writer[ELU]) -> Tops:
    """Elu."""
    return to.op("Elu", to.x, alpha=to.layer.alpha)


@writes(CELU)
def celu(to: Writer[CELU]) -> Tops:
    """Celu."""
    return to.op("Celu", to.x, alpha=to.layer.alpha)


@writes(SELU)
def selu(to: Writer[SELU]) -> Tops:
    """Selu, whose numbers are the usual ones."""
    return to.op("Selu", to.x)


@writes(Sigmoid)
def sigmoid(to: Writer[Sigmoid]) -> Tops:
    """Sigmoid."""
    return to.op("Sigmoid", to.x)


@writes(TanH)
def tanh(to: Writer[TanH]) -> Tops:
    """Tanh."""
    return to.op("Tanh", to.x)


@writes(AbsVal)
def abs_val(to: Writer[AbsVal]) -> Tops:
    """Abs."""
    return to.op("Abs", to.x)


@writes(BNLL)
def bnll(to: Writer[BNLL]) -> Tops:
    """Softplus."""
    return to.op("Softplus", to.x)


@writes(Softplus)
def softplus(to: Writer[Softplus]) -> Tops:
    """Softplus of a multiple, divided by the factor."""
    beta = to.layer.beta
    if beta == 1:
        return to.op("Softplus", to.x)
    factor = to.constant(beta)
    return to.op("Div", to.op("Softplus", to.op("Mul", to.x, factor)), factor)


@writes(Softsign)
def softsign(to: Writer[Softsign]) -> Tops:
    """Softsign."""
    return to.op("Softsign", to.x)


@writes(SiLU)
def silu(to: Writer[SiLU]) -> Tops:
    """A value times its Sigmoid."""
    return to.op("Mul", to.x, to.op("Sigmoid", to.x))


@writes(Swish)
def swish(to: Writer[Swish]) -> Tops:
    """A value times the Sigmoid of a multiple."""
    inner = to.x if to.layer.beta == 1 else to.op("Mul", to.x, to.constant(to.layer.beta))
    return to.op("Mul", to.x, to.op("Sigmoid", inner))


@writes(Mish)
def mish(to: Writer[Mish]) -> Tops:
    """A value times the Tanh of its Softplus; operator set 17 has no Mish."""
    return to.op("Mul", to.x, to.op("Tanh", to.op("Softplus", to.x)))


@writes(HardSigmoid)
def hard_sigmoid(to: Writer[HardSigmoid]) -> Tops:
    """HardSigmoid with the slope 1/6."""
    return to.op("HardSigmoid", to.x, alpha=1 / 6, beta=0.5)


@writes(HardSwish)
def hard_swish(to: Writer[HardSwish]) -> Tops:
    """HardSwish."""
    return to.op("HardSwish", to.x)


@writes(GELU)
def gelu(to: Writer[GELU]) -> Tops:
    """x / 2 * (1 + Erf or Tanh); operator set 17 has no Gelu."""
    if to.layer.approximate == "tanh":
        cubed = to.op("Mul", to.op("Mul", to.x, to.x), to.x)
        inner = to.op("Add", to.x, to.op("Mul", cubed, to.constant(0.044715)))
        bent = to.op("Tanh", to.op("Mul", inner, to.constant(sqrt(2 / np.pi))))
    else:
        bent = to.op("Erf", to.op("Div", to.x, to.constant(sqrt(2.0))))
    share = to.op("Add", bent, to.constant(1.0))
    return to.op("Mul", to.op("Mul", to.x, share), to.constant(0.5))


@writes(GLU)
def glu(to: Writer[GLU]) -> Tops:
    """Two halves by Split; one times the Sigmoid of the other."""
    axis = to.axis(to.layer.axis)
    half = to.shape[axis] // 2
    a, b = to.ops("Split", 2, to.x, to.ints([half, half], "split"), axis=axis)
    return to.op("Mul", a, to.op("Sigmoid", b))


@writes(Softmax)
def softmax(to: Writer[Softmax]) -> Tops:
    """Softmax."""
    return to.op("Softmax", to.x, axis=to.axis(to.layer.axis))


@writes(Threshold)
def threshold(to: Writer[Threshold]) -> Tops:
    """Greater, as numbers."""
    return to.op("Cast", to.op("Greater", to.x, to.constant(to.layer.threshold)), to=1)


@writes(Power)
def power(to: Writer[Power]) -> Tops:
    """Mul, Add and Pow, as far as they change anything."""
    layer = to.layer
    inner = _affine(to, layer.scale, layer.shift)
    if layer.power == 1:
        return inner if inner != to.x else to.op("Identity", to.x)
    return to.op("Pow", inner, to.constant(layer.power, "power"))


@writes(Exp)
def exp(to: Writer[Exp]) -> Tops:
    """Exp of a multiple of the scaled and shifted value."""
    layer, factor = to.layer, 1.0 if to.layer.base < 0 else log(to.layer.base)
    return to.op("Exp", _affine(to, layer.scale * factor, layer.shift * factor))


@writes(Log)
def logarithm(to: Writer[Log]) -> Tops:
    """Log of the scaled and shifted value, divided by that of the base."""
    layer = to.layer
    result = to.op("Log", _affine(to, layer.scale, layer.shift))
    return result if layer.base < 0 else to.op("Div", result, to.constant(log(layer.base), "base"))


def _affine(to: Writer[Power] | Writer[Exp] | Writer[Log], scale: float, shift: float) -> str:
    """A factor times x plus a constant."""
    value = to.x if scale == 1 else to.op("Mul", to.x, to.constant(scale, "scale"))
    return value if shift == 0 else to.op("Add", value, to.constant(shift, "shift"))
