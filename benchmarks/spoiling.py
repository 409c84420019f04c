"""What `benchmarks/faults.py` spoils trainings with: nets of the zoo, data that it makes, and changes of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.trainings import BUNDLED, Settings

LOOP: Settings = {
    "max_epoch": None,
    "display": 10,
    "test_interval": 60,
    "test_initialization": False,
    "snapshot": 0,
    "snapshot_after_train": False,
    "data.test.limit": 500,
}
"""What all trainings have: progress often enough to judge by, and no snapshot."""
SCALED = [{"type": "Scale", "factor": 0.00390625}]
WIDE, BELOW = {"type": "gaussian", "std": 10}, {"type": "constant", "value": -10}


@dataclass(frozen=True)
class Net:
    """A solver of the zoo, shortened; its layers with weights, and those before a ReLU."""

    solver: str
    settings: Settings
    weighted: tuple[str, ...]
    rate: float
    scores: str
    dead: tuple[str, ...] = ()


NETS = {
    "lenet": Net("lenet", {"max_iter": 400}, ("conv1", "conv2", "ip1", "ip2"), 0.01, "ip2", ("ip1",)),
    "mlp": Net("mlp", {"max_iter": 400, "lr_policy": "fixed"}, ("ip1", "ip2", "ip3"), 0.02, "ip3", ("ip1", "ip2")),
    "resnet8": Net(
        "resnet8_fashion",
        {"max_iter": 150, "lr_policy": "fixed", "warmup": None, "test_interval": 50},
        ("conv1", "fc"),
        0.1,
        "fc",
    ),
}
"""A convolutional net, one of dense layers, and one of residual blocks with BatchNorm."""

Made = Callable[[Net, Path], Settings]


@dataclass(frozen=True)
class Fault:
    """A fault; `right` are the findings that name it, `also` those that follow from it and mislead nobody."""

    name: str
    right: tuple[str, ...]
    settings: Settings | Made
    also: tuple[str, ...] = ()
    nets: tuple[str, ...] = ("lenet", "mlp", "resnet8")

    def trainings(self, folder: Path) -> dict[str, tuple[str, Settings]]:
        """For each net its solver and settings; `folder` holds what `data` made."""
        chosen = {name: NETS[name] for name in self.nets}
        return {
            name: (net.solver, {**BUNDLED, **LOOP, **net.settings, **self._own(net, folder)})
            for name, net in chosen.items()
        }

    def _own(self, net: Net, folder: Path) -> Settings:
        return self.settings(net, folder) if callable(self.settings) else self.settings


@dataclass(frozen=True)
class Healthy:
    """A training without a fault."""

    name: str
    solver: str | Settings
    settings: Settings


def data(folder: Path) -> Path:
    """Make the spoiled data: bundled images as arrays, with labels of several kinds."""
    import numpy as np

    from netspec.data.sources.fashion_mnist import FashionMNIST

    random = np.random.default_rng(3)
    for split in ("train", "test"):
        source = FashionMNIST.model_validate({"split": split, "subset": True}).open(None)
        x, y = source.read(np.arange(len(source)))
        order = np.argsort(y, kind="stable")
        rare = np.sort(np.concatenate([np.flatnonzero(y == 3), np.flatnonzero(y != 3)[: (y == 3).sum() // 19]]))
        arrays = {
            "x": x,
            "y": y,
            "shuffled": random.permutation(y),
            "shifted": (y + 1) % 10,
            "from_one": y + 1,
            "x_sorted": x[order],
            "y_sorted": y[order],
            "x_one": x[rare],
            "y_one": y[rare],
            "x_nan": np.where(np.arange(x.size).reshape(x.shape) % 7919 == 0, np.nan, x).astype(np.float32),
            "x_twice": np.repeat(x[:2000], 2, axis=0),
            "y_twice": (np.repeat(y[:2000], 2) + np.tile([0, 1], 2000)) % 10,
        }
        for name, array in arrays.items():
            np.save(folder / f"{split}_{name}.npy", array)
    return folder


def arrays(folder: Path, feed: str, x: str = "x", y: str = "y", of: str | None = None) -> Settings:
    """A feed that reads arrays that `data` made; `of` is the split that they are of."""
    files = [str(folder / f"{of or feed}_{name}.npy") for name in (x, y)]
    return {f"data.{feed}.source": {"type": "Arrays", "outputs": files}}


def filled(field: str, filler: Mapping[str, Any], layers: Callable[[Net], tuple[str, ...]]) -> Made:
    """A filler of some layers."""
    return lambda net, _: {f"net.layers.{layer}.{field}": filler for layer in layers(net)}


def all_filled(filler: Mapping[str, Any]) -> Made:
    """A filler of all weights: those within blocks by the net's defaults."""

    def made(net: Net, folder: Path) -> Settings:
        own = filled("weight_filler", filler, lambda net: net.weighted)(net, folder)
        return own | ({"net.defaults.Convolution.weight_filler": filler} if "resnet" in net.solver else {})

    return made


def rate(factor: float, **fields: Any) -> Made:
    return lambda net, _: {"base_lr": net.rate * factor, **fields}


def both(transform: Any) -> Settings:
    """A transform of both feeds."""
    return {f"data.{feed}.transform": transform for feed in ("train", "test")}


def sigmoids(number: int, width: int) -> Settings:
    """A net of layers of sigmoids, with the fillers that LeNet has."""
    first = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[64, 1, 28, 28], [64]]}
    pairs = [
        (
            {"name": f"ip{i}", "type": "InnerProduct", "num_output": width, "weight_filler": "xavier"},
            {"name": f"sigmoid{i}", "type": "Sigmoid"},
        )
        for i in range(1, number + 1)
    ]
    last = [
        {"name": "scores", "type": "InnerProduct", "num_output": 10, "weight_filler": "xavier"},
        {"name": "accuracy", "type": "Accuracy", "bottom": ["scores", "label"], "include": {"phase": "TEST"}},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["scores", "label"]},
    ]
    return {"net": {"layers": [first, *(layer for pair in pairs for layer in pair), *last]}}


def changed(*layers: Mapping[str, Any]) -> Made:
    """The net with other layers; `LAST` stands for the name of the layer that gives the scores."""

    def made(net: Net, folder: Path) -> Settings:
        own = [{key: net.scores if value == "LAST" else value for key, value in layer.items()} for layer in layers]
        if "resnet" in net.solver:
            return {"net": {**RESNET, "layers": [*RESNET["layers"], *own]}}
        return {"net": {"extends": net.solver, "layers": own}}

    return made


RESNET: dict[str, Any] = {
    "extends": "resnet20",
    "vars": {"n": 1},
    "defaults": {"BatchNorm": {"moving_average_fraction": 0.9}},
    "layers": [{"name": "data", "shape": [[128, 1, 28, 28], [128]]}],
}
"""The net of resnet8_fashion."""


def dropout(net: Net, folder: Path) -> Settings:
    after = {"lenet": "relu1", "mlp": "relu1", "resnet8_fashion": "pool"}[net.solver]
    return changed({"insert_after": after, "name": "drop", "type": "Dropout", "dropout_ratio": 0.95})(net, folder)


def frozen(net: Net, folder: Path) -> Settings:
    match = {"lenet": "ip1", "mlp": "ip2", "resnet8_fashion": "stage*"}[net.solver]
    return {"params": [{"match": match, "lr_mult": 0}]}


def before_loss(type: str) -> Made:
    """A layer between the scores and the loss."""
    layer = {"insert_after": "LAST", "name": "squash", "type": type, "bottom": "LAST", "top": "squash"}
    return changed(layer, {"name": "loss", "bottom": ["squash", "label"]})


def numbers(scale: float, activation: str | None = None, **fields: Any) -> Settings:
    """A whole solver of a regression on made data: y = x w + noise, times `scale`."""
    import numpy as np

    random = np.random.default_rng(11)
    x = random.normal(size=(320, 5)).round(3)
    y = (scale * (x @ [1.0, -2.0, 0.5, 0.0, 1.5] + 0.1 * random.normal(size=320))).round(4)
    layers: list[dict[str, Any]] = [
        {"name": "data", "type": "Input", "top": ["data", "truth"], "shape": [[20, 5], [20]]},
        {"name": "ip1", "type": "InnerProduct", "num_output": 16, "weight_filler": "msra"},
        {"name": "relu1", "type": "ReLU"},
        {"name": "ip2", "type": "InnerProduct", "num_output": 1, "weight_filler": "xavier"},
        *([{"name": "squash", "type": activation}] if activation else []),
        {"name": "loss", "type": "EuclideanLoss", "bottom": ["squash" if activation else "ip2", "truth"]},
    ]
    feeds = {
        name: {"source": {"type": "Arrays", "values": [x[part].tolist(), y[part].tolist()]}, "batch_size": 20}
        for name, part in (("train", slice(240)), ("test", slice(240, 320)))
    }
    loop = {"display": 5, "test_interval": 40, "snapshot_after_train": False, "max_iter": 200}
    return {
        "base_lr": 0.01,
        "momentum": 0.9,
        "lr_policy": "fixed",
        **loop,
        "data": feeds,
        **fields,
        "net": {"layers": layers},
    }
