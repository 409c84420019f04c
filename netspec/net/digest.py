"""Digest of a graph: whether a snapshot belongs to a net."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from netspec.net.graph import Graph, GraphBlob


def digest(net: Graph) -> str:
    """Digest of the computation of a graph before rewrites: the identities of its layers, and how they are wired.

    Names of layers and blobs do not count, nor does how far down gradients are wanted.
    """
    rows = []
    for node in net.nodes:
        layer = node.layer
        params = [(p, net.params[p].lr_mult, net.params[p].decay_mult) for p in node.params]
        weights = [net.blobs[top].loss_weight for top in node.tops]
        asked = layer.propagate_down or (True,) * len(node.bottoms)
        rows.append([layer.type, layer.identity(), node.bottoms, node.tops, weights, params, asked])
    return _hashed(_canonical(rows))


def _canonical(value: Any) -> Any:
    """A value as JSON has it, with one form for what is equal: 2.0 is 2, and a set is a sorted list."""
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(map(_canonical, value), key=repr)
    if isinstance(value, (tuple, list)):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _hashed(rows: Any) -> str:
    return hashlib.sha256(json.dumps(rows, sort_keys=True, default=list).encode()).hexdigest()[:32]


_APART = frozenset({"bottom", "top", "include", "exclude", "param", "loss_weight", "propagate_down"})
_LATER = frozenset({"batch_axis", "label_smoothing", "class_weights"})
"""Fields that these digests take from the graph, and fields that were added after they began to leave defaults out."""
_LATER_OF = {
    "BatchNorm": frozenset({"running_sums"}),
    "ContrastiveLoss": frozenset({"any_label"}),
    "Convolution": frozenset({"axis", "force_nd_im2col"}),
    "ImageData": frozenset({"smooth"}),
    "MVN": frozenset({"four_axes"}),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), frozenset({"state_gradient"})),
    **dict.fromkeys(("LRN", "Pooling", "ReLU", "Sigmoid", "Softmax", "SoftmaxWithLoss", "TanH"), frozenset({"engine"})),
}
"""Fields like `_LATER`, by layer type, whose names older fields of other types have."""


def earlier_digests(net: Graph) -> tuple[str, str]:
    """The digests that snapshots of format 1 hold: with defaults left out, and from version 0.1.0 with all fields."""
    return _earlier(net, defaults=False), _earlier(net, defaults=True)


def _earlier(net: Graph, defaults: bool) -> str:
    rows = []
    elsewhere = _APART | _LATER if defaults else _APART
    for node in net.nodes:
        later = _LATER_OF.get(node.layer.type, frozenset()) if defaults else frozenset()
        fields = node.layer.model_dump(exclude={*elsewhere, *later}, exclude_defaults=not defaults)
        kept = {key: value for key, value in fields.items() if not key.endswith("filler")}
        params = [(net.params[p].name, net.params[p].lr_mult, net.params[p].decay_mult) for p in node.params]
        tops = [(_label(net.blobs[t]), net.blobs[t].loss_weight) for t in node.tops]
        rows.append([node.layer.type, kept, [_label(net.blobs[b]) for b in node.bottoms], tops, params, node.propagate])
    return _hashed(rows)


def _label(blob: GraphBlob) -> str:
    return blob.name if blob.version == 0 else f"{blob.name}#{blob.version}"
