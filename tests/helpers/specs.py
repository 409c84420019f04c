"""Small nets written out layer by layer, as plain values."""

from __future__ import annotations

import copy
from typing import Any

FILLER = {"type": "gaussian", "std": 0.1}

INPUT = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 3, 6, 5], [4]]}


def ip(name: str, outputs: int, bottom: str | None = None, **fields: Any) -> dict[str, Any]:
    layer = {
        "name": name,
        "type": "InnerProduct",
        "num_output": outputs,
        "weight_filler": FILLER,
        "bias_filler": FILLER,
        **fields,
    }
    return layer | ({"bottom": bottom} if bottom else {})


def conv(name: str, outputs: int, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "Convolution",
        "num_output": outputs,
        "kernel_size": 2,
        "weight_filler": FILLER,
        **fields,
    }


def loss(bottom: str, name: str = "loss", label: str = "label", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "SoftmaxWithLoss", "bottom": [bottom, label], **fields}


def net(*layers: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"name": "test", **fields, "layers": [copy.deepcopy(layer) for layer in (INPUT, *layers)]}
