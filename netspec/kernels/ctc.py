"""Connectionist temporal classification: the likelihood of a row of labels, summed over all ways to spread it in time.

logp: (T, N, C), the logarithms of probabilities; label: (N, L); steps and lengths: (N,), or (0,) for T, or for the
labels before the first blank. Between, before and after the K labels of a sample stand blanks: 2K + 1 states.
`alpha` (N, T, 2L + 1) and `beta` (N, 2, 2L + 1) hold logarithms. `partial`, `dtop` and `norm` are as in
`kernels/loss.py`. Each sample is computed whole, by one part. Source: Graves et al. 2006.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array3, Doubles, Matrix, Vector
from netspec.kernels.loss import is_class


@kernel
def log_softmax(x: Array3, logp: Array3, part: int, parts: int) -> None:
    """logp = x - ln of the sum of exp(x) over the last axis; x, logp: (T, N, C)."""
    rows = x.shape[1]
    for row in range(*span(x.shape[0] * rows, part, parts)):
        t, n = row // rows, row % rows
        most = x[t, n, 0]
        for c in range(1, x.shape[2]):
            most = max(most, x[t, n, c])
        total = 0.0
        for c in range(x.shape[2]):
            total += math.exp(x[t, n, c] - most)
        total = math.log(total)
        for c in range(x.shape[2]):
            logp[t, n, c] = x[t, n, c] - most - total


@helper
def length_of(lengths: Vector, n: int, most: int) -> int:
    """A sample's length; -1 where it is not one of 0..most."""
    return int(lengths[n]) if is_class(lengths[n], most + 1) else -1


@helper
def labels_of(label: Matrix, lengths: Vector, n: int, classes: int, blank: int) -> int:
    """The number of a sample's labels; -1 where one of them is no class, or a blank, or the length is wrong."""
    number = length_of(lengths, n, label.shape[1]) if lengths.size else label.shape[1]
    for k in range(number):
        if not lengths.size and label[n, k] == blank:
            return k
        if not is_class(label[n, k], classes) or label[n, k] == blank:
            return -1
    return number


@helper
def class_at(label: Matrix, n: int, state: int, blank: int) -> int:
    """The class of a state: blanks stand at even places."""
    return int(label[n, state // 2]) if state % 2 else blank


@helper
def skips(label: Matrix, n: int, state: int) -> bool:
    """Whether the state may follow that two before it: both are labels, and differ."""
    return state % 2 == 1 and state > 1 and label[n, state // 2] != label[n, state // 2 - 1]


@helper
def log_add(a: float, b: float) -> float:
    """ln(exp(a) + exp(b))."""
    most, least = (a, b) if a > b else (b, a)
    return most if least == -math.inf else most + math.log1p(math.exp(least - most))


@helper
def likelihood(alpha: Doubles, base: int, steps: int, states: int, width: int) -> float:
    """The logarithm of the probability of the labels, from the states of the last step."""
    if steps == 0:
        return 0.0 if states == 1 else -math.inf
    last = base + (steps - 1) * width
    ended = alpha[last + states - 1]
    return ended if states == 1 else log_add(ended, alpha[last + states - 2])


@kernel
def ctc_forward(
    logp: Array3,
    label: Matrix,
    steps: Vector,
    lengths: Vector,
    alpha: Doubles,
    partial: Doubles,
    blank: int,
    zero_infinity: int,
    part: int,
    parts: int,
) -> None:
    """The sum of -ln p(labels), and of the numbers of labels; alpha of each sample."""
    times, width = logp.shape[0], 2 * label.shape[1] + 1
    total = 0.0
    labels = 0
    for n in range(*span(logp.shape[1], part, parts)):
        number = labels_of(label, lengths, n, logp.shape[2], blank)
        ends = length_of(steps, n, times) if steps.size else times
        if number < 0 or ends < 0:
            total = math.nan
            continue
        labels += number
        states, base = 2 * number + 1, n * times * width
        for t in range(ends):
            now = base + t * width
            for s in range(states):
                came = -math.inf
                if t == 0:
                    came = 0.0 if s < 2 else -math.inf
                else:
                    came = alpha[now - width + s]
                    if s > 0:
                        came = log_add(came, alpha[now - width + s - 1])
                    if skips(label, n, s):
                        came = log_add(came, alpha[now - width + s - 2])
                alpha[now + s] = came + logp[t, n, class_at(label, n, s, blank)]
        loss = -likelihood(alpha, base, ends, states, width)
        total += 0.0 if zero_infinity and loss == math.inf else loss
    partial[2 * part] = total
    partial[2 * part + 1] = labels


@helper
def beta_step(
    logp: Array3, label: Matrix, beta: Doubles, now: int, after: int, t: int, n: int, states: int, last: int, blank: int
) -> None:
    """The states of step t, from those of the step after it; `last` says that there is none."""
    for s in range(states):
        goes = 0.0 if s >= states - 2 else -math.inf
        if not last:
            goes = beta[after + s]
            if s + 1 < states:
                goes = log_add(goes, beta[after + s + 1])
            if s + 2 < states and skips(label, n, s + 2):
                goes = log_add(goes, beta[after + s + 2])
        beta[now + s] = goes + logp[t, n, class_at(label, n, s, blank)]


@kernel
def ctc_backward(
    logp: Array3,
    label: Matrix,
    steps: Vector,
    lengths: Vector,
    alpha: Doubles,
    beta: Doubles,
    dtop: Vector,
    norm: Doubles,
    dx: Array3,
    blank: int,
    zero_infinity: int,
    part: int,
    parts: int,
) -> None:
    """dx = (prob - the sum over states of a class of their probability, given the labels) * dtop / norm.

    It is 0 behind a sample's last step; where the labels have the probability 0 it is NaN, or 0 with `zero_infinity`.
    """
    times, width = logp.shape[0], 2 * label.shape[1] + 1
    scale = dtop[0] / norm[0]
    for n in range(*span(logp.shape[1], part, parts)):
        number = labels_of(label, lengths, n, logp.shape[2], blank)
        ends = length_of(steps, n, times) if steps.size else times
        states, base = 2 * number + 1, n * times * width
        found = likelihood(alpha, base, ends, states, width) if number >= 0 and ends >= 0 else math.nan
        filler = 0.0 if zero_infinity and found == -math.inf else found - found
        for t in range(times):
            for c in range(logp.shape[2]):
                dx[t, n, c] = filler if t >= ends or not found > -math.inf else math.exp(logp[t, n, c]) * scale
        if not found > -math.inf:
            continue
        for t in range(ends - 1, -1, -1):
            now, after = (2 * n + t % 2) * width, (2 * n + (t + 1) % 2) * width
            beta_step(logp, label, beta, now, after, t, n, states, t == ends - 1, blank)
            for s in range(states):
                own = class_at(label, n, s, blank)
                both = alpha[base + t * width + s] + beta[now + s]
                if both > -math.inf:
                    dx[t, n, own] -= math.exp(both - np.float64(logp[t, n, own]) - found) * scale
