"""Functions of a vector's numbers that no CPU has an instruction for: LLVM's calls in float64, series in float32.

A `Value` of rows.py goes in and comes out; its type is not named, as rows.py imports this module. The float32 functions
are within 2 units of the last place. Source: Cephes expf, tanhf, logf, erf, erfc (Moshier 1984).
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

_INT = ir.IntType(32)


def called(name: str, x: Any, *others: Any) -> Any:
    """LLVM's function of each lane: one call a lane where the CPU has no such instruction."""
    kind = x.value.type
    bits = 64 if kind.element == ir.DoubleType() else 32
    values = [each.value for each in (x, *others)]
    return _like(x, x.loop.call(f"llvm.{name}.v{kind.count}f{bits}", kind, *values))


def exp(x: Any) -> Any:
    """e to the power of each lane; float32: 0 and infinity beyond its range."""
    kind = x.value.type
    if kind.element == ir.DoubleType():
        return called("exp", x)
    # Added to a small number, the shift leaves its whole part in the last bits.
    least, most, shift = -87.3365, 88.7228, 12582912.0
    near = x.where(x > least, x.where(x.is_nan(), least))
    near = near.where(near <= most, near.where(near.is_nan(), most))
    shifted = near * 1.44269504 + shift
    whole = shifted - shift
    r = near - whole * 0.693359375 + whole * 2.12194440e-4
    series = polynomial(
        r, 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1
    )
    words, builder = ir.VectorType(_INT, kind.count), x.loop.builder
    bits = builder.shl(builder.bitcast(shifted.value, words), _every(words, 23))
    bits = builder.add(bits, _every(words, 127 << 23))
    return ((series * r * r + r + 1.0) * _like(x, builder.bitcast(bits, kind))).cleared(x <= least)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of each lane."""
    if x.value.type.element == ir.DoubleType():
        return called("tanh", x)
    size = (0.0 - x).where(x < 0, x)
    t = (size * -2.0).exp()
    far = (1.0 - t) / (1.0 + t)
    z = x * x
    near = (
        polynomial(z, -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
        * z
        * x
        + x
    )
    return near.where(size < 0.625, (0.0 - far).where(x < 0, far))


def log(x: Any) -> Any:
    """The natural logarithm of each lane: -inf of 0, NaN of what is negative, infinity of infinity."""
    kind = x.value.type
    if kind.element == ir.DoubleType():
        return called("log", x)
    words, builder = ir.VectorType(_INT, kind.count), x.loop.builder
    small = x < 1.17549435e-38  # below the least normal number the exponent's bits say nothing
    scaled = (x * 8388608.0).where(small, x)
    bits = builder.bitcast(scaled.value, words)
    fraction = builder.or_(builder.and_(bits, _every(words, 0x7FFFFF)), _every(words, 0x3F000000))
    m = _like(x, builder.bitcast(fraction, kind))  # x = m * 2^e, m in [1/2, 1)
    e = _like(x, builder.sitofp(builder.sub(builder.lshr(bits, _every(words, 23)), _every(words, 126)), kind))
    e = (e - 23.0).where(small, e)
    low = m < 0.707106781186547524
    r, e = (m + m).where(low, m) - 1.0, (e - 1.0).where(low, e)
    series = polynomial(
        r, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
        2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )  # fmt: skip
    z = r * r
    found = (r + (series * r * z - e * 2.12194440e-4 - z * 0.5)) + e * 0.693359375
    below = _like(x, _every(kind, -math.inf)).where(x.equals(0.0), math.nan)
    return found.where(x < math.inf, x).where(x > 0.0, x.where(x.is_nan(), below))


def log1p(x: Any) -> Any:
    """The natural logarithm of 1 + each lane; what rounding takes from 1 + x is given back (Kahan; Goldberg 1991)."""
    near = 1.0 + x
    kept = near - 1.0
    there = near.log() * (x / kept)
    return there.where(x < math.inf, near.log()).where(kept > 0.0, there.where(kept < 0.0, x))


def erf(x: Any) -> Any:
    """The error function of each lane: an odd series near 0, elsewhere 1 - e^(-x^2) times a slow function.

    float32: within 2 units of the last place, by coefficients that minimise the largest relative error of [0, 1] and of
    [1, 4]. float64: likewise, by the fractions of Cephes erf and erfc.
    """
    size, square = x.abs(), x * x
    bell = (-square).exp()
    if x.value.type.element == ir.DoubleType():
        near = x * (polynomial(square, *_ERF_ABOVE) / polynomial(square, *_ERF_BELOW))
        size = size.minimum(6.0)
        tail = bell * (polynomial(size, *_ERFC_ABOVE) / polynomial(size, *_ERFC_BELOW))
    else:
        near = x * polynomial(square, *_ERF)
        tail = bell * polynomial(size.minimum(4.0), *_ERFCX)
    far = 1.0 - tail
    return near.where(size < 1.0, (-far).where(x < 0.0, far))


_ERF = (
    7.8538576848e-5, -8.0101925150e-4, 5.1883275595e-3, -2.6853811869e-2, 1.1283585147e-1, -3.7612625824e-1,
    1.1283791657,
)  # fmt: skip
_ERFCX = (
    1.0819484254e-4, -1.9316432314e-3, 1.5426964000e-2, -7.3197339196e-2, 2.3151270894e-1, -5.2012929965e-1,
    8.6376751280e-1, -1.0803282645, 9.9235473633e-1,
)  # fmt: skip
"""For float32: erf(x) / x as a polynomial in x^2, and erfc(x) * e^(x^2) as one in x."""
_ERF_ABOVE = (
    9.60497373987051638749, 9.00260197203842689217e1, 2.23200534594684319226e3, 7.00332514112805075473e3,
    5.55923013010394962768e4,
)  # fmt: skip
_ERF_BELOW = (
    1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3, 2.26290000613890934246e4,
    4.92673942608635921086e4,
)  # fmt: skip
_ERFC_ABOVE = (
    2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687, 4.86371970985681366614e1,
    1.96520832956077098242e2, 5.26445194995477358631e2, 9.34528527171957607540e2, 1.02755188689515710272e3,
    5.57535335369399327526e2,
)  # fmt: skip
_ERFC_BELOW = (
    1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2, 9.75708501743205489753e2,
    1.82390916687909736289e3, 2.24633760818710981792e3, 1.65666309194161350182e3, 5.57535340817727675546e2,
)  # fmt: skip
"""For float64: numerators and denominators of erf(x) / x in x^2, and of erfc(x) * e^(x^2) in x."""


def polynomial(x: Any, first: float, *others: float) -> Any:
    """A polynomial in each lane, the highest power first."""
    total = x * first
    for factor in others[:-1]:
        total = (total + factor) * x
    return total + others[-1]


def _every(kind: Any, word: float) -> Any:
    return ir.Constant(kind, [word] * kind.count)


def _like(x: Any, value: Any) -> Any:
    return type(x)(x.loop, value)
