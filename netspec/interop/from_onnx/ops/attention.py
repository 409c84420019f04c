"""Attention: two products of blobs with a Softmax between them, which exporters write for one layer.

Which output of which InnerProduct stands at each place of a factor is found by following numbers through the layers
that only move values, in whatever order these come.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.core.shape import count, text
from netspec.interop.from_onnx.building import Blob, Entry, Lack
from netspec.interop.from_onnx.op import Convert, Op, permuted, reshaped
from netspec.interop.yaml_text import layer_of

if TYPE_CHECKING:
    from netspec.core.calls import Array

PRODUCT = "no layer multiplies two blobs as matrices, but in attention: softmax(q k^T) v of three InnerProducts"
MOST = 1 << 26
"""Most values of a blob that are followed."""


@dataclass(frozen=True)
class _Projection:
    """A factor of a product of blobs: the blob that it is projected from, (N, T, E), its weight and bias by head."""

    x: Blob
    batch: int
    weight: Array
    bias: Array | None
    scale: float


def attended(op: Op, a: Blob, b: Blob) -> Blob:
    """A product of two blobs: a MultiHeadAttention where it is the last of one, else a stand-in."""
    if len(a.shape) < 2 or len(b.shape) < 2 or a.shape[-1] != b.shape[-2] or a.shape[:-2] != b.shape[:-2]:
        raise Lack(f"{text(a.shape)} times {text(b.shape)}")
    found = _attention(op, a, b)
    if found is not None:
        return found
    return op.net.stand_in("MatMul", (a, b), (*a.shape[:-1], b.shape[-1]), a.batch, PRODUCT, op.node.number)


def _attention(op: Op, mixed: Blob, values: Blob) -> Blob | None:
    """The attention whose second product is of these blobs; None where it is none."""
    import numpy as np

    softmax = op.net.maker(mixed)
    if softmax.type != "Softmax" or softmax.fields.get("axis", 1) != len(mixed.shape) - 1:
        return None
    scores, scale, causal = softmax.bottoms[0], 1.0, False
    while (entry := op.net.maker(scores)).type in ("Power", "Bias"):
        factor = _factor(entry)
        if entry.type == "Bias":
            if causal or len(entry.bottoms) > 1 or not _is_causal(entry, scores):
                return None
            causal = True
        elif factor is None:
            return None
        scale, scores = scale * (factor or 1.0), entry.bottoms[0]
    if entry.type != "MatMul":
        return None
    queries, keys = entry.bottoms
    found = [_projection(op, *each) for each in ((queries, False), (keys, True), (values, False))]
    q, k, v = found
    if q is None or k is None or v is None:
        return None
    depth = queries.shape[-1]
    heads = len(q.weight) // depth
    scale *= q.scale * k.scale * v.scale * math.sqrt(depth)
    if v.scale != 1:
        return None
    one = q.weight.dtype.type(1 if math.isclose(scale, 1, rel_tol=1e-4) else scale)
    bias = [np.zeros(len(each.weight), one.dtype) if each.bias is None else each.bias for each in (q, k, v)]
    inner = len(v.weight)
    if any(len(each.weight) != inner for each in (q, k)):
        return None
    bottoms, weights = _bottoms(op, q, k, v), (q.weight * one, k.weight, v.weight)
    top = op.layer(
        "MultiHeadAttention",
        *bottoms,
        part="heads",
        num_heads=heads,
        head_dim=depth if heads * depth != bottoms[0].shape[2] else None,
        num_output=inner if inner != bottoms[0].shape[2] else None,
        causal=causal,
        weights=[*weights, np.eye(inner, dtype=one.dtype), bias[0] * one, *bias[1:], np.zeros(inner, one.dtype)],
    )
    batch, steps = top.shape[:2]
    apart = permuted(op, reshaped(op, top, (batch, steps, heads, depth), "apart"), [0, 2, 1, 3], "by_head")
    return reshaped(op, apart, (*mixed.shape[:-1], depth), "heads_apart")


def _bottoms(op: Op, q: _Projection, k: _Projection, v: _Projection) -> list[Blob]:
    """The bottoms of the attention, their batch first: one where it attends to itself."""
    found: dict[int, Blob] = {}
    for each in (q, k, v):
        if id(each.x) not in found:
            found[id(each.x)] = each.x if each.batch == 0 else permuted(op, each.x, [1, 0, 2], "batch_first")
    blobs = [found[id(each.x)] for each in (q, k, v)]
    if blobs[1] is not blobs[2]:
        return blobs
    return blobs[:1] if blobs[0] is blobs[1] else blobs[:2]


def _factor(entry: Entry) -> float | None:
    """The number that a Power multiplies with, where it does nothing else."""
    return float(entry.fields["scale"]) if entry.type == "Power" and {*entry.fields} == {"scale"} else None


def _is_causal(entry: Entry, scores: Blob) -> bool:
    """Whether a Bias hides from every query the keys behind it, and nothing else."""
    import numpy as np

    (mask,) = entry.weights.values()
    steps = scores.shape[-1]
    if mask.shape != (steps, steps) or entry.fields["axis"] != len(scores.shape) - 2:
        return False
    hidden = np.triu(np.ones(mask.shape, bool), 1)
    return bool((mask[hidden] < -1e4).all() and (mask[~hidden] == 0).all())


def _followed(op: Op, blob: Blob) -> tuple[Entry, Array, float] | None:
    """The layer that computed the values of a blob; for each place their number in its top; their common factor."""
    import numpy as np

    steps, scale = [], 1.0
    while True:
        entry = op.net.maker(blob)
        factor = _factor(entry)
        if factor is not None:
            scale, blob = scale * factor, entry.bottoms[0]
            continue
        if entry.lacks or len(entry.bottoms) != 1:
            break
        tops = {"top": [f"top{number}" for number in range(len(entry.tops))]} if len(entry.tops) > 1 else {}
        move = layer_of({"name": "layer", "type": entry.type, **tops, **entry.fields}).moves("TEST")
        if move is None:
            break
        steps.append((move, next(slot for slot, top in enumerate(entry.tops) if top is blob)))
        blob = entry.bottoms[0]
    if count(blob.shape) > MOST:
        return None
    numbers: Array = np.arange(count(blob.shape)).reshape(blob.shape)
    for move, slot in reversed(steps):
        numbers = move((numbers,))[slot]
    return entry, numbers, scale


def _projection(op: Op, factor: Blob, turned: bool) -> _Projection | None:
    """A factor as the projection that it is: of position t of sample n to place d of head h."""
    import numpy as np

    found = _followed(op, factor)
    if found is None or found[0].type != "InnerProduct" or len(found[0].tops[0].shape) != 3:
        return None
    entry, numbers, scale = found
    top = entry.tops[0]
    if top.batch not in (0, 1) or len(entry.bottoms[0].shape) != 3:
        return None
    numbers = numbers.swapaxes(-1, -2) if turned else numbers
    batch, steps, depth = top.shape[top.batch], top.shape[1 - top.batch], numbers.shape[-1]
    if numbers.shape[-2] != steps or numbers.size % (batch * steps * depth):
        return None
    places = np.unravel_index(numbers.reshape(batch, -1, steps, depth), top.shape)
    samples, positions = places[top.batch], places[1 - top.batch]
    feature = places[2][0, :, 0, :]
    if (
        (samples != np.arange(batch)[:, None, None, None]).any()
        or (positions != np.arange(steps)[:, None]).any()
        or (places[2] != feature[:, None, :]).any()
    ):
        return None
    rows = feature.reshape(-1)
    bias = entry.weights.get("bias")
    return _Projection(
        entry.bottoms[0], top.batch, entry.weights["weight"][rows], None if bias is None else bias[rows], scale
    )


def with_output(op: Op, x: Blob, weight: Array, bias: Array | None) -> Blob | None:
    """The product of a weight (M, A) with an attention's top, as a MultiHeadAttention that makes it; else None."""
    import numpy as np

    if op.net.maker(x).type not in ("Reshape", "Flatten", "Permute", "MultiHeadAttention"):
        return None
    found = _followed(op, x)
    if found is None or found[0].type != "MultiHeadAttention" or found[2] != 1:
        return None
    entry, numbers, _ = found
    shape = entry.tops[0].shape
    inner = entry.weights["output_weight"]
    places = np.unravel_index(numbers.reshape(-1, weight.shape[1]), shape) if weight.shape[1] == shape[2] else None
    if places is None or (places[2] != np.arange(shape[2])).any() or not np.array_equal(inner, np.eye(len(inner))):
        return None
    order = [0, 1] if np.array_equal(places[0][:, 0], np.repeat(np.arange(shape[0]), shape[1])) else [1, 0]
    fields = {**entry.fields, "num_output": weight.shape[0] if weight.shape[0] != entry.bottoms[0].shape[2] else None}
    weights = {**entry.weights, "output_weight": np.ascontiguousarray(weight)}
    weights["output_bias"] = np.zeros(len(weight), weight.dtype) if bias is None else bias
    name = re.sub(r"\.(out_proj|output)$", "", op.wanted)
    (top,) = op.net.add("MultiHeadAttention", entry.bottoms, name, weights.values(), **fields)
    turned = top if order == [0, 1] else permuted(op, top, [1, 0, 2], "turned")
    return reshaped(op, turned, (*x.shape[:-1], len(weight)), "flat")


OPS: dict[str, Convert] = {}
"""No operator stands for attention alone."""
