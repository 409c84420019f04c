"""A solver with every source of random numbers, and its data: for tests that runs are repeated bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tests.helpers.cpus import RESIDUAL

LAST = 12
NETS = ("random", "residual")


def values(net: str = "random") -> dict[str, Any]:
    weights = {
        "weight_filler": {"type": "gaussian", "std": 0.2, "sparse": 3},
        "bias_filler": {"type": "uniform", "min": -0.1, "max": 0.1},
    }
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[4, 2, 6, 5], [4]]},
        {"name": "conv", "type": "Convolution", "num_output": 3, "kernel_size": 3, "weight_filler": "msra"},
        {"name": "pool", "type": "Pooling", "kernel_size": 2, "stride": 2},
        {"name": "relu", "type": "ReLU", "top": "pool", "bottom": "pool"},
        {"name": "drop", "type": "Dropout", "dropout_ratio": 0.4},
        {"name": "ip1", "type": "InnerProduct", "num_output": 70, **weights},
        {"name": "drop1", "type": "Dropout", "top": "ip1", "bottom": "ip1"},
        {
            "name": "ip2",
            "type": "InnerProduct",
            "num_output": 3,
            "weight_filler": "xavier",
            "param": [{"lr_mult": 2}, {"lr_mult": 1}],
        },
        {"name": "accuracy", "type": "Accuracy", "bottom": ["ip2", "label"], "include": {"phase": "TEST"}},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip2", "label"]},
    ]
    if net == "residual":
        at = next(i for i, layer in enumerate(RESIDUAL) if layer["name"] == "ip")
        layers = [layers[0], *RESIDUAL[1:at], {"name": "drop", "type": "Dropout"}, *RESIDUAL[at:]]
    transform = [{"type": "Crop", "size": [6, 5], "pad": 1}, "Mirror", {"type": "SubtractMean", "computed": "channel"}]
    data = {
        phase: {
            "source": {"type": "Arrays", "outputs": [f"{phase}_x.npy", f"{phase}_y.npy"]},
            "batch_size": 4,
            "transform": transform,
        }
        for phase in ("train", "test")
    }
    rates = {
        "base_lr": 0.05,
        "momentum": 0.9,
        "weight_decay": 0.01,
        "lr_policy": {"type": "inv", "gamma": 0.1, "power": 0.5},
    }
    whenever = {
        "max_iter": LAST,
        "test_interval": 5,
        "display": 1,
        "average_loss": 3,
        "snapshot": 4,
        "iter_size": 2,
        "clip_gradients": 1.0,
    }
    return {"net": {"name": net, "layers": layers}, "data": data, **rates, **whenever, "random_seed": 42}


def write_data(folder: Path) -> None:
    """Write the arrays that the solver names, with a short last batch of each."""
    rng = np.random.default_rng(3)
    for phase, count in (("train", 23), ("test", 10)):
        np.save(folder / f"{phase}_x.npy", rng.standard_normal((count, 2, 8, 7)).astype(np.float32))
        np.save(folder / f"{phase}_y.npy", rng.integers(0, 3, count))
