"""Layers on sequences: tables of rows, and attention."""

from __future__ import annotations

from math import sqrt

import numpy as np

from netspec.interop.to_onnx.writing import Tops, Writer, writes
from netspec.layers.embed import Embed
from netspec.layers.multi_head_attention import MultiHeadAttention
from netspec.layers.positional_embedding import PositionalEmbedding

_LOWEST = float(np.finfo(np.float32).min)


@writes(Embed)
def embed(to: Writer[Embed]) -> Tops:
    """Gather of rows, and Add."""
    y = to.op("Gather", to.param(0), to.op("Cast", to.x, to=7), axis=0)
    return to.op("Add", y, to.param(1)) if len(to.params) > 1 else y


@writes(PositionalEmbedding)
def positional_embedding(to: Writer[PositionalEmbedding]) -> Tops:
    """Add of the table's first rows."""
    return to.op("Add", to.x, to.changed(0, to.params[0][: to.shape[1]]))


@writes(MultiHeadAttention)
def multi_head_attention(to: Writer[MultiHeadAttention]) -> Tops:
    """Products for queries, keys and values, heads on an axis of their own, Softmax, and the product of the output."""
    layer, of = to.layer, to.layer.sizes(to.bottoms)
    last = len(to.bottom) - 1 - (layer.key_padding != "NONE")
    q, k, v = (
        _heads(to, _product(to, to.bottom[min(which, last)], which), of.heads, length)
        for which, length in enumerate((of.queries, of.keys, of.keys))
    )
    scores = to.op("MatMul", q, to.op("Transpose", k, perm=[0, 1, 3, 2]))
    scores = to.op("Mul", scores, to.constant(1 / sqrt(of.size), "scale"))
    seen = _seen(to, of.queries, of.keys)
    if seen:
        scores = to.op("Where", seen, scores, to.constant(_LOWEST, "lowest"))
    share = to.op("Softmax", scores, axis=3)
    if seen:  # of a query that sees no key, nothing
        share = to.op("Where", seen, share, to.constant(0.0, "zero"))
    mixed = to.op("Transpose", to.op("MatMul", share, v), perm=[0, 2, 1, 3])
    n = to.top_sizes()[0]
    return _product(to, to.reshape(mixed, (n, of.queries, of.width)), 3)


def _product(to: Writer[MultiHeadAttention], x: str, which: int) -> str:
    """The product number `which`, and its bias."""
    y = to.op("MatMul", x, to.changed(which, to.params[which].T))
    return to.op("Add", y, to.param(4 + which)) if to.layer.bias_term else y


def _heads(to: Writer[MultiHeadAttention], x: str, heads: int, length: int) -> str:
    """(N, T, A) as (N, heads, T, D)."""
    sizes = (to.top_sizes()[0], length, heads, to.layer.sizes(to.bottoms).size)
    return to.op("Transpose", to.reshape(x, sizes), perm=[0, 2, 1, 3])


def _seen(to: Writer[MultiHeadAttention], queries: int, keys: int) -> str:
    """Whether a query sees a key, as far as that is bounded: (Q, K), (N, 1, 1, K) or both; empty where it is not."""
    layer, seen = to.layer, ""
    if layer.causal:
        seen = to.constant(np.tril(np.ones((queries, keys), bool)), "causal")
    if layer.key_padding == "NONE":
        return seen
    if layer.key_padding == "LENGTHS":
        lengths = to.op("Unsqueeze", to.bottom[-1], to.ints([1, 2, 3]))
        counts = to.op("Less", to.constant(np.arange(keys) + 0.5, "positions"), lengths)
    else:
        counts = to.op("Unsqueeze", to.op("Cast", to.bottom[-1], to=9), to.ints([1, 2]))
    return to.op("And", seen, counts) if seen else counts
