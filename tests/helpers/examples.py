"""The examples of all layer types as one net: every kind of layer, each fed by Inputs of its own."""

from __future__ import annotations

from typing import Any

import yaml

from netspec.layers.base import LAYERS


def layers_of(type: str) -> list[dict[str, Any]]:
    """The layers of a type's example, all names under that of the type: `ELU/data`."""
    found: list[dict[str, Any]] = yaml.safe_load(LAYERS.get(type).example) or []
    for layer in found:
        layer["name"] = f"{type}/{layer['name']}"
        for word in ("bottom", "top"):
            if word in layer:
                blobs = [layer[word]] if isinstance(layer[word], str) else layer[word]
                layer[word] = [f"{type}/{blob}" for blob in blobs]
    return found


def every() -> dict[str, Any]:
    """The net of netspec's own layer types."""
    types = [word for word in LAYERS.words() if LAYERS.owner(word) == "netspec"]
    return {"name": "every layer", "layers": [layer for type in types for layer in layers_of(type)]}
