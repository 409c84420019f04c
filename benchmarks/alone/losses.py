"""Losses and searches beside their formulas in NumPy: 128 rows of 1000 values, or images of 21 classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.alone.case import Array, Case

N, C = 128, 1000
_DRAWN = np.random.default_rng(1)
POSITIVE = np.abs(_DRAWN.standard_normal((N, C))).astype(np.float32)
SHARES = POSITIVE / POSITIVE.sum(1, keepdims=True)
WEIGHTS, TRUTH = POSITIVE[:, 0].copy(), (POSITIVE > 1).astype(np.float32)


def softmax(x: Array) -> Array:
    """The softmax along axis 1."""
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def softmax_both(x: Array) -> Array:
    """Softmax, and its gradient for ones."""
    y = softmax(x)
    return y * (1 - y.sum(1, keepdims=True))


def logistic(x: Array, labels: Array) -> tuple[Array, Array]:
    """The logistic loss with the softmax inside."""
    p, own = softmax(x), labels.astype(int)[:, None]
    chance = np.take_along_axis(p, own.reshape(len(x), 1, *x.shape[2:]), 1)
    dx = p.copy()
    np.put_along_axis(dx, own.reshape(chance.shape), chance - 1, 1)
    return -np.log(chance).mean(), dx / labels.size


def smoothed(x: Array, labels: Array, weights: Array) -> tuple[Array, Array]:
    """The same with smoothed labels and weights of positions."""
    p, rows, own = softmax(x), np.arange(N), labels.astype(int)
    loss = -(weights * (0.9 * np.log(p[rows, own]) + 0.1 * np.log(p).mean(1))).sum() / weights.sum()
    p -= 0.1 / C
    p[rows, own] -= 0.9
    return loss, p * (weights / weights.sum())[:, None]


def infogain(x: Array, labels: Array, gain: Array) -> tuple[Array, Array]:
    """The loss by a matrix of gains."""
    p, worth = softmax(x), gain[labels.astype(int)]
    loss = -(worth * np.log(np.maximum(p, 1e-20))).sum() / N
    return loss, (p * worth.sum(1, keepdims=True) - worth) / N


def entropy(x: Array, t: Array) -> Array:
    """The logistic loss of yes/no scores."""
    return np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


def focal(x: Array, t: Array) -> tuple[Array, Array]:
    """The focal loss of yes/no scores, gamma 2 and alpha 0.25."""
    p, loss, factor = sigmoid(x), entropy(x, t), 0.25 * t + 0.75 * (1 - t)
    q = p * (1 - t) + (1 - p) * t
    slope = factor * (q * q * (p - t) + 2 * q * p * (1 - p) * (1 - 2 * t) * loss)
    return (factor * q * q * loss).mean(), slope / x.size


def perceptron(x: Array, labels: Array) -> tuple[Array, Array]:
    """By how much the best wrong class wins."""
    rows, own = np.arange(N), labels.astype(int)
    others = x.copy()
    others[rows, own] = -np.inf
    best = others.argmax(1)
    short, dx = others[rows, best] - x[rows, own], np.zeros_like(x)
    wins = (short >= 0) / N
    dx[rows, best] = wins
    dx[rows, own] -= wins
    return np.maximum(short, 0).mean(), dx


def hinge(x: Array, labels: Array) -> tuple[Array, Array]:
    """Margins of 1 at all classes."""
    sign = -np.ones_like(x)
    sign[np.arange(N), labels.astype(int)] = 1
    short = np.maximum(0, 1 - sign * x)
    return short.sum() / N, np.where(short > 0, -sign, 0) / N


def l1(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Absolute distances."""
    apart = a - b
    return np.abs(apart).sum() / N, np.sign(apart) / N, -np.sign(apart) / N


def smooth_l1(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Squares near 0, absolute distances beyond 1."""
    apart = a - b
    far, slope = np.abs(apart), np.clip(apart, -1, 1) / N
    return np.where(far < 1, apart * apart / 2, far - 0.5).sum() / N, slope, -slope


def poisson(x: Array, t: Array) -> tuple[Array, Array]:
    """The likelihood of counts."""
    rate = np.exp(x)
    return (rate - t * x).sum() / N, (rate - t) / N


def pair(type: str, numpy: Callable[..., object], *given: Array, **fields: Any) -> Case:
    """A loss of two blobs of 128 x 1000 values; `given` are the second and third bottom."""
    shapes = [[N, C], *(list(each.shape) for each in given)] if given else [[N, C], [N, C]]
    return Case({"type": type, **fields}, shapes, None, numpy, dict(enumerate(given, 1)))


def labelled(type: str, numpy: Callable[..., object], **fields: Any) -> Case:
    """A loss of 128 x 1000 scores and labels."""
    return Case({"type": type, **fields}, [[N, C], [N]], None, numpy)


CASES: dict[str, Case] = {
    "softmax": Case({"type": "Softmax"}, [[N, C]], None, softmax_both),
    "softmax loss": labelled("SoftmaxWithLoss", logistic),
    "softmax loss of images": Case(
        {"type": "SoftmaxWithLoss"}, [[4, 21, 64, 64], [4, 64, 64]], None, lambda x, t: logistic(x, t)
    ),
    "softmax loss with weights": Case(
        {"type": "SoftmaxWithLoss", "label_smoothing": 0.1}, [[N, C], [N], [N]], None, smoothed, {2: WEIGHTS}
    ),
    "infogain loss": Case({"type": "InfogainLoss"}, [[N, C], [N], [C, C]], None, infogain),
    "sigmoid loss with weights": pair(
        "SigmoidCrossEntropyLoss",
        lambda x, t, w: ((w * entropy(x, t)).sum() / N, (sigmoid(x) - t) * w / N),
        TRUTH,
        POSITIVE,
    ),
    "focal loss": pair("FocalLoss", focal, TRUTH),
    "perceptron loss": labelled("PerceptronLoss", perceptron),
    "hinge loss": labelled("HingeLoss", hinge),
    "l1 loss": pair("L1Loss", l1),
    "smooth l1 loss": pair("SmoothL1Loss", smooth_l1),
    "kl loss": pair("KLDivLoss", lambda x, t: ((t * (np.log(t) - x)).sum() / N, -t / N), SHARES),
    "poisson loss": pair("PoissonLoss", poisson, POSITIVE),
    "arg max": Case({"type": "ArgMax", "axis": 1}, [[N, C]], None, lambda x: x.argmax(1)),
}
