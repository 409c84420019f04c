"""Formulas of scores x whose logistic function is the probability of a truth t."""

from __future__ import annotations

from netspec.core.formula import Number


def logistic(x: Number) -> tuple[Number, Number]:
    """(s, 1 - s) with s = 1 / (1 + e^-x), each exact where it is small."""
    small = (-x).where(x > 0, x).exp()
    large = 1.0 / (1.0 + small)
    return large.where(x > 0, small * large), (small * large).where(x > 0, large)


def entropy(x: Number, t: Number) -> Number:
    """max(x, 0) - x t + ln(1 + e^-|x|)."""
    return x.where(x > 0, 0.0) - x * t + (-x).where(x > 0, x).exp().log1p()


def mixed(t: Number, smoothing: Number) -> Number:
    """A truth of which a share is replaced by 1/2."""
    return t - smoothing * (t - 0.5)
