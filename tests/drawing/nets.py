"""Nets to draw: a siamese one, and random ones with shortcuts, branches and blocks."""

from __future__ import annotations

import random
from typing import Any

SIAMESE: dict[str, Any] = {
    "name": "Siamese",
    "layers": [
        {"name": "pair", "type": "Input", "top": ["left", "right", "same"], "shape": [[8, 1, 28, 26]] * 2 + [[8]]},
        *(
            layer
            for bottom, end in (("left", ""), ("right", "_p"))
            for layer in (
                {"name": f"conv{end}", "type": "Convolution", "bottom": bottom, "num_output": 20, "kernel_size": 5}
                | {"param": [{"name": "w1"}, {"name": "b1"}]},
                {"name": f"pool{end}", "type": "Pooling", "kernel_size": 2, "stride": 2},
                {"name": f"ip{end}", "type": "InnerProduct", "num_output": 50}
                | {"param": [{"name": "w2"}, {"name": "b2"}]},
                {"name": f"relu{end}", "type": "ReLU"},
                {"name": f"feat{end}", "type": "InnerProduct", "num_output": 2}
                | {"param": [{"name": "w3"}, {"name": "b3"}]},
            )
        ),
        {"name": "loss", "type": "ContrastiveLoss", "bottom": ["feat", "feat_p", "same"]},
    ],
}
"""Two towers that share their params, and labels that say whether both see the same."""


def random_net(seed: int) -> dict[str, Any]:
    """A net of up to 40 layers that read any of the blobs above them, in blocks and blocks of blocks."""
    draw = random.Random(seed)
    layers: list[dict[str, Any]] = [{"name": "data", "type": "Input", "shape": [[4, 3, 6, 5]]}]
    blocks = [f"{a}/" for a in "ab"] + [f"a/{b}/" for b in "cd"] + ["", ""]
    block = ""
    for number in range(draw.randint(2, 40)):
        block = draw.choice(blocks) if draw.random() < 0.3 else block
        names = [layer["name"] for layer in layers]
        near = names[-4:] if draw.random() < 0.8 else names
        kinds = ["Eltwise", "Eltwise"] if len(near) > 1 else []
        kind = draw.choice([*kinds, "ReLU", "Power", "Convolution", "Softmax"])
        layer: dict[str, Any] = {"name": f"{block}layer{number}", "type": kind}
        if kind == "Eltwise":
            layer["bottom"] = draw.sample(near, min(len(near), draw.randint(2, 3)))
        else:
            layer["bottom"] = draw.choice(near)
        if kind == "Convolution":
            layer |= {"num_output": 3, "kernel_size": 1}
        layers.append(layer)
    return {"name": "random", "layers": layers}
