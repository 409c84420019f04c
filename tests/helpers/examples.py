"""The examples of all layer types as one net: every kind of layer, each fed by Inputs of its own."""

from __future__ import annotations

import os
import tempfile
from typing import Any

import yaml

from netspec.layers.base import LAYERS
from netspec.net.graph import Node
from netspec.net.labels import label_rules
from netspec.net.load import load_net


def layers_of(type: str) -> list[dict[str, Any]]:
    """The layers of a type's example, all names under that of the type: `ELU/data`."""
    found: list[dict[str, Any]] = yaml.safe_load(LAYERS.get(type).example) or []
    for layer in found:
        layer["name"] = f"{type}/{layer['name']}"
        if "file_name" in layer:  # it is written: not into the current folder
            layer["file_name"] = os.path.join(tempfile.gettempdir(), f"{os.getpid()}-{layer['file_name']}")
        for word in ("bottom", "top"):
            if word in layer:
                blobs = [layer[word]] if isinstance(layer[word], str) else layer[word]
                layer[word] = [f"{type}/{blob}" for blob in blobs]
    return found


def every() -> dict[str, Any]:
    """The net of netspec's own layer types."""
    types = [word for word in LAYERS.words() if LAYERS.owner(word) == "netspec"]
    return {"name": "every layer", "layers": [layer for type in types for layer in layers_of(type)]}


DRAWING = {"dropout_ratio": 0.3, "num_layers": 2}
"""Fields by which layers draw random numbers that draw none unless asked, as between the layers of a stack."""


def learning() -> dict[str, Any]:
    """The net of all types as one that learns without data: params in the place of inputs, a loss on every end.

    A param is 1 and frozen where a layer reads labels, and frozen where a layer passes no gradient back.
    """
    shaped, layers = load_net(every(), gradients="none"), every()["layers"]
    graph = shaped.graph
    labels = {graph.blobs[graph.inputs[rule.output]].name for rule in label_rules(shaped)}
    still = {graph.blobs[node.bottoms[slot]].name for node in graph.nodes for slot in _stopped(node)}
    shapes = {graph.blobs[blob].name: list(shaped.blobs[blob]) for blob in graph.inputs}
    learned: list[dict[str, Any]] = []
    for layer in layers:
        cls = LAYERS.get(layer["type"])
        if not cls.fed:
            learned.append({key: value for key, value in DRAWING.items() if key in cls.model_fields} | layer)
            continue
        for name in reversed(layer.get("top", [layer["name"]])):  # the layer behind may read the first, unsaid
            filler = {"type": "constant", "value": 1} if name in labels else {"type": "gaussian", "std": 0.5}
            frozen = {"param": {"lr_mult": 0}} if name in labels | still else {}
            learned.append({"name": name, "type": "Parameter", "shape": shapes[name], "filler": filler, **frozen})
    for blob in graph.outputs:
        top = graph.blobs[blob]
        maker = graph.nodes[top.producer].layer
        parted = LAYERS.get(top.name.partition("/")[0]).counts  # only layers that see each item alone may read these
        if maker.differentiable and not (maker.is_loss or top.loss_weight or parted):
            end = {"type": "Reduction", "operation": "SUMSQ", "coeff": 0.01, "loss_weight": 1}
            learned.append({"name": f"{top.name} end", "bottom": top.name, **end})
    return {"name": "every layer learns", "layers": learned}


def _stopped(node: Node) -> set[int]:
    """The bottoms of a layer that get no gradient from it."""
    bottoms = {*range(len(node.bottoms))}
    return bottoms & node.layer.without_diff(len(bottoms)) if node.layer.differentiable else bottoms
