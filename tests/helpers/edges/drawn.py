"""Random nets of convolutions, BatchNorms, ReLUs, sums and Concats, all of one image size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.helpers.edges.layers import FROZEN, SHAPE, STOPPED, Layers, bn, conv, ended, of, relu, total

Choose = Callable[[Sequence[Any]], Any]


def residual(choose: Choose, steps: int) -> dict[str, Any]:
    """A net of so many steps; `choose` takes one of a sequence."""
    layers: Layers = []
    blobs = {"data": SHAPE[1]}
    """The channels of every blob."""

    def add(layer: dict[str, Any], channels: int) -> None:
        layers.append(layer)
        blobs[layer["name"]] = channels

    def step(name: str) -> None:
        bottom = choose(list(blobs)[-4:])
        channels = blobs[bottom]
        kind = choose(["unit", "unit", "conv", "bn", "relu", "sum", "sum", "sum", "concat", "neuron", "pool"])
        alike = [blob for blob, number in blobs.items() if number == channels]
        if kind in {"unit", "conv"}:
            fields = choose([{}, {}, {}, FROZEN])
            outputs = choose([6, 6, SHAPE[1], 17])
            add(conv(f"{name}_conv", outputs, choose([1, 3]), bottom, **fields), outputs)
            if kind == "unit":
                add(
                    bn(f"{name}_bn", f"{name}_conv", **choose([{}, {}, {"affine": False}, {"param": STOPPED}])), outputs
                )
                if choose([True, False]):
                    add(relu(name, f"{name}_bn"), outputs)
        elif kind == "bn":
            add(bn(name, bottom, **choose([{}, {"use_global_stats": True}])), channels)
        elif kind == "relu":
            add(relu(name, bottom), channels)
        elif kind == "neuron":
            add(of(choose(["Sigmoid", "Dropout", "TanH"]), name, bottom), channels)
        elif kind == "pool":
            add(of("Pooling", name, bottom, pool=choose(["AVE", "MAX"]), kernel_size=3, stride=1, pad=1), channels)
        elif kind == "sum":
            others = [choose(alike) for _ in range(choose([1, 1, 2]))]
            add(
                total(name, bottom, *others, **choose([{}, {}, {"operation": "PROD"}, {"loss_weight": 0.01}])), channels
            )
            if choose([True, False]):
                add(relu(f"{name}_relu", name), channels)
        else:
            other = choose(list(blobs))
            add(of("Concat", name, [bottom, other]), channels + blobs[other])

    add(conv("first", 6, 1, "data"), 6)
    for i in range(steps):
        step(f"s{i}")
    return ended(layers, choose([[], conv("every_second", 6, 1, stride=2)]))
