"""Attention: softmax(scale * Q K^T) V for every head of every sample, and its gradients.

q (N*Q, H*D), k and v (N*K, H*D) and the context (N*Q, H*D) hold the heads side by side. A head's scores and
probabilities lie with a row for each key, `pitch` values apart, and a column for each query: so softmax runs along
columns, many queries at a time. `bars` holds what is added to the scores of each key: 0, or -infinity where it is not
looked at. A query that may look at no key gets zeros. A part owns some of the N*H heads, and has a piece of `scratch`.
Source: Vaswani et al. 2017, section 3.2.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from netspec.codegen.geometry import Dropping, HeadGrids, Heads
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.rows import Real, Row, Value, Whole, rows
from netspec.codegen.tiles import Left, Result, Right, address
from netspec.kernels.copy import turn
from netspec.kernels.inner_product import product_of
from netspec.kernels.random import drop, stream
from netspec.kernels.softmax import columns, pull_down


class Projections(NamedTuple):
    """Queries, keys and values, or their diffs."""

    q: Vector
    k: Vector
    v: Vector


@kernel
def bar_by_length(length: Vector, bars: Matrix, part: int, parts: int) -> None:
    """bars (N, K) = 0 for the first length[n] keys of a sample, else -infinity; NaN where that is no number of keys.

    length: (N,).
    """
    n, k = bars.shape
    for i in range(*span(n, part, parts)):
        known = length[i] >= 0 and length[i] <= k and length[i] == int(length[i])
        for j in range(k):
            bars[i, j] = (0.0 if j < length[i] else -math.inf) if known else math.nan


@kernel
def bar_by_mask(mask: Vector, bars: Vector, part: int, parts: int) -> None:
    """bars = 0 where the mask is not 0, else -infinity; NaN where it is not finite. mask, bars: (N*K,)."""
    for i in range(*span(mask.size, part, parts)):
        bars[i] = -math.inf if mask[i] == 0 else mask[i] - mask[i]


@rows(group=2)
def attend(s: Row, bars: Row, scale: Real, number: Whole, width: Whole) -> None:
    """The columns of s = the softmax of scale * s + bars, over a number of rows."""
    columns(s, number, width, lambda i: s.get(i * width) * scale + bars.number(i), barred=True)


@rows(group=2)
def attend_back_in_time(s: Row, bars: Row, scale: Real, number: Whole, width: Whole) -> None:
    """Like `attend`, but column j sees the rows 0..j only."""

    def score(i: Value) -> Value:
        value = s.get(i * width) * scale + bars.number(i)
        return value.where(s.places() >= i.spread(s.places()), -math.inf)

    columns(s, number, width, score, barred=True)


@helper
def drop_scores(
    x: Vector, x0: int, y: Vector, y0: int, key: np.int64, unit: int, heads: Heads, dropping: Dropping
) -> None:
    """y = x with some of a head's probabilities dropped, the others scaled; x and y may be the same."""
    for i in range(heads.keys):
        at, index = i * heads.pitch, (unit * heads.keys + i) * heads.queries
        drop(heads.queries, x, x0 + at, y, y0 + at, key, index, 1, dropping.threshold, dropping.scale)


@kernel
def attention_forward(
    q: Vector,
    k: Vector,
    v: Vector,
    bars: Vector,
    clock: Clock,
    prob: Vector,
    scratch: Matrix,
    context: Vector,
    heads: Heads,
    grids: HeadGrids,
    dropping: Dropping,
    part: int,
    parts: int,
) -> None:
    """The probabilities and the context of every head.

    prob: (N*H, K, pitch), or (parts, K, pitch) where nothing is kept for backward; scratch (parts, S), S = D*Q, and
    with dropout K*pitch more.
    """
    width, each, space = heads.heads * heads.size, heads.keys * heads.pitch, scratch.shape[1]
    own, flat, size, key = part * space, scratch.reshape(scratch.size), q.itemsize, np.int64(0)
    if dropping.threshold:
        key = np.int64(stream(dropping.seed, clock))
    kept = prob.size == heads.samples * heads.heads * each
    for unit in range(*span(heads.samples * heads.heads, part, parts)):
        n, h = unit // heads.heads, unit % heads.heads
        query, of = n * heads.queries * width + h * heads.size, n * heads.keys * width + h * heads.size
        p, bar = (unit if kept else part) * each, n * heads.bars
        turn(q, query, width, flat, own, heads.queries, heads.queries, heads.size)
        left, right = Left(address(k, of), width, 1), Right(address(flat, own), 0, heads.queries)
        scores = Result(address(prob, p), heads.pitch, 0, 0, 0)
        product_of(grids.scores, heads.keys, heads.queries, heads.size, left, right, scores, size)
        if heads.causal:
            attend_back_in_time(heads.queries, prob, p, bars, bar, heads.scale, heads.keys, heads.pitch)
        else:
            attend(heads.queries, prob, p, bars, bar, heads.scale, heads.keys, heads.pitch)
        seen = address(prob, p)
        if dropping.threshold:
            dropped = own + heads.size * heads.queries
            drop_scores(prob, p, flat, dropped, key, unit, heads, dropping)
            seen = address(flat, dropped)
        rows, result = Right(address(v, of), 0, width), Result(address(context, query), width, 0, 0, 0)
        product_of(grids.queries, heads.queries, heads.size, heads.keys, Left(seen, 1, heads.pitch), rows, result, size)


@kernel
def attention_backward(
    given: Projections,
    clock: Clock,
    prob: Vector,
    dcontext: Vector,
    scratch: Matrix,
    diffs: Projections,
    heads: Heads,
    grids: HeadGrids,
    dropping: Dropping,
    part: int,
    parts: int,
) -> None:
    """The diffs of queries, keys and values from the gradient of the context and the probabilities that forward kept.

    scratch: (parts, S), S = D*Q + K*pitch, and with dropout K*pitch more.
    """
    (q, k, v), (dq, dk, dv) = given, diffs
    width, each, space = heads.heads * heads.size, heads.keys * heads.pitch, scratch.shape[1]
    own, flat, size, key = part * space, scratch.reshape(scratch.size), q.itemsize, np.int64(0)
    if dropping.threshold:
        key = np.int64(stream(dropping.seed, clock))
    for unit in range(*span(heads.samples * heads.heads, part, parts)):
        n, h = unit // heads.heads, unit % heads.heads
        query, of = n * heads.queries * width + h * heads.size, n * heads.keys * width + h * heads.size
        p, d = unit * each, own + heads.size * heads.queries
        seen, pull = address(prob, p), address(flat, d)
        turn(dcontext, query, width, flat, own, heads.queries, heads.queries, heads.size)
        left, right = Left(address(v, of), width, 1), Right(address(flat, own), 0, heads.queries)
        scores = Result(pull, heads.pitch, 0, 0, 0)
        product_of(grids.scores, heads.keys, heads.queries, heads.size, left, right, scores, size)
        if dropping.threshold:
            drop_scores(flat, d, flat, d, key, unit, heads, dropping)
            drop_scores(prob, p, flat, d + each, key, unit, heads, dropping)
            seen = address(flat, d + each)
        rows, result = Right(address(dcontext, query), 0, width), Result(address(dv, of), width, 0, 0, 0)
        product_of(grids.keys, heads.keys, heads.size, heads.queries, Left(seen, heads.pitch, 1), rows, result, size)
        pull_down(heads.queries, prob, p, flat, d, flat, d, heads.scale, heads.keys, heads.pitch)
        rows, result = Right(address(k, of), 0, width), Result(address(dq, query), width, 0, 0, 0)
        product_of(grids.queries, heads.queries, heads.size, heads.keys, Left(pull, 1, heads.pitch), rows, result, size)
        rows, result = Right(address(q, query), 0, width), Result(address(dk, of), width, 0, 0, 0)
        product_of(grids.keys, heads.keys, heads.size, heads.queries, Left(pull, heads.pitch, 1), rows, result, size)
