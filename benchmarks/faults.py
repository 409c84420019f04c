"""Trainings that are spoiled on purpose, each in several nets, and healthy ones; `benchmarks/spoiled.py` runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.trainings import BUNDLED, Settings

LOOP: Settings = {
    "max_epoch": None, "display": 10, "test_interval": 60, "test_initialization": False, "snapshot": 0,
    "snapshot_after_train": False, "data.test.limit": 500,
}  # fmt: skip
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
        "resnet8_fashion", {"max_iter": 150, "lr_policy": "fixed", "warmup": None, "test_interval": 50},
        ("conv1", "fc"), 0.1, "fc",
    ),
}  # fmt: skip
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
            "x": x, "y": y, "shuffled": random.permutation(y), "shifted": (y + 1) % 10, "from_one": y + 1,
            "x_sorted": x[order], "y_sorted": y[order], "x_one": x[rare], "y_one": y[rare],
            "x_nan": np.where(np.arange(x.size).reshape(x.shape) % 7919 == 0, np.nan, x).astype(np.float32),
            "x_twice": np.repeat(x[:2000], 2, axis=0), "y_twice": (np.repeat(y[:2000], 2) + np.tile([0, 1], 2000)) % 10,
        }  # fmt: skip
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


def weighted(net: Net) -> tuple[str, ...]:
    return net.weighted


def _all(filler: Mapping[str, Any]) -> Made:
    """A filler of all weights: those within blocks by the net's defaults."""

    def made(net: Net, folder: Path) -> Settings:
        own = filled("weight_filler", filler, weighted)(net, folder)
        return own | ({"net.defaults.Convolution.weight_filler": filler} if "resnet" in net.solver else {})

    return made


def _rate(factor: float, **fields: Any) -> Made:
    return lambda net, _: {"base_lr": net.rate * factor, **fields}


def both(transform: Any) -> Settings:
    """A transform of both feeds."""
    return {f"data.{feed}.transform": transform for feed in ("train", "test")}


def _sigmoids(number: int, width: int) -> Settings:
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
    "extends": "resnet20", "vars": {"n": 1},
    "defaults": {"BatchNorm": {"moving_average_fraction": 0.9}},
    "layers": [{"name": "data", "shape": [[128, 1, 28, 28], [128]]}],
}  # fmt: skip
"""The net of resnet8_fashion."""


def _dropout(net: Net, folder: Path) -> Settings:
    after = {"lenet": "relu1", "mlp": "relu1", "resnet8_fashion": "pool"}[net.solver]
    return changed({"insert_after": after, "name": "drop", "type": "Dropout", "dropout_ratio": 0.95})(net, folder)


def _frozen(net: Net, folder: Path) -> Settings:
    match = {"lenet": "ip1", "mlp": "ip2", "resnet8_fashion": "stage*"}[net.solver]
    return {"params": [{"match": match, "lr_mult": 0}]}


FAULTS = (
    Fault("rate x1000", ("NS817", "NS840"), _rate(1000), ("NS504", "NS505", "NS506")),
    Fault("rate /1000", ("NS818", "NS841"), _rate(0.001), ("NS505",)),
    Fault("weights all 0", ("NS320",), _all({"type": "constant", "value": 0}), ("NS505", "NS842")),
    Fault("weights of deviation 10", ("NS801",), _all(WIDE), ("NS504", "NS506", "NS840")),
    Fault(
        "labels shuffled", ("NS842", "NS843"),
        lambda net, folder: arrays(folder, "train", y="shuffled"), ("NS505",),
    ),
    Fault("labels shifted by one class", ("NS816",), lambda net, folder: arrays(folder, "test", y="shifted"), ("NS843",)),
    Fault("inputs 0 to 255", ("NS802",), both([]), ("NS504", "NS506", "NS840", "NS842")),
    Fault("inputs all 0", ("NS803",), both([{"type": "Scale", "factor": 0.0}]), ("NS505", "NS842")),
    Fault(
        "no shuffle on sorted data", ("NS804",),
        lambda net, folder: {**arrays(folder, "train", "x_sorted", "y_sorted"), "data.train.shuffle": False},
        ("NS504", "NS506", "NS840", "NS843"),
    ),
    Fault("decay 1", ("NS814", "NS842"), {"weight_decay": 1}, ("NS505",)),
    Fault(
        "ReLUs dead by bias -10", ("NS806", "NS848"),
        filled("bias_filler", BELOW, lambda net: net.dead), ("NS505", "NS842"), ("lenet", "mlp"),
    ),
    Fault("ten sigmoid layers", ("NS805",), _sigmoids(10, 100), ("NS505", "NS842", "NS841"), ("mlp",)),
    Fault("ten sigmoid layers, narrow", ("NS805",), _sigmoids(10, 20), ("NS505", "NS842", "NS841"), ("mlp",)),
    Fault("dropout .95", ("NS812",), _dropout),
    Fault("a frozen layer too many", ("NS813",), _frozen),
    Fault("TEST transform missing", ("NS808",), {"data.test.transform": []}, ("NS843", "NS844")),
    Fault("BatchNorm at batch 1", ("NS809",), {"data.train.batch_size": 1}, ("NS847", "NS840", "NS842"), ("resnet8",)),
    Fault("test samples in the training set", ("NS810",), {"data.test.source.split": "train"}),
    Fault("one class 95 % of the data", ("NS811",), lambda net, folder: arrays(folder, "train", "x_one", "y_one"), ("NS843", "NS844")),
    Fault("iter_size and rate confused (x32)", ("NS817", "NS840"), _rate(32, iter_size=32, max_iter=60, display=1), ("NS504", "NS506")),
    Fault("50 samples, many params", ("NS815",), {"data.train.limit": 50, "net.layers.ip1.num_output": 5000}, ("NS844",), ("lenet", "mlp")),
)  # fmt: skip
"""Those of issue 16, and others that beginners make."""



def _before_loss(type: str) -> Made:
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
    return {"base_lr": 0.01, "momentum": 0.9, "lr_policy": "fixed", **loop, "data": feeds, **fields, "net": {"layers": layers}}


MLP = ("mlp",)
MORE = (
    Fault("softmax before the softmax loss", ("NS323",), _before_loss("Softmax"), ("NS841", "NS842", "NS846", "NS505")),
    Fault("ReLU on the scores", ("NS323",), _before_loss("ReLU"), ("NS848",), ("lenet", "mlp")),
    Fault("no activation anywhere", ("NS823",), changed({"remove": "relu1"}, {"remove": "relu2"}), (), MLP),
    Fault(
        "labels from 1, a score too many", ("NS821",),
        lambda net, folder: {
            **arrays(folder, "train", y="from_one"), **arrays(folder, "test", y="from_one"),
            f"net.layers.{net.scores}.num_output": 11,
        },
        (), MLP,
    ),
    Fault(
        "labels from 1", ("NS505", "NS671", "NS672"),
        lambda net, folder: {**arrays(folder, "train", y="from_one"), **arrays(folder, "test", y="from_one")},
        (), MLP,
    ),
    Fault("NaN in the data", ("NS819",), lambda net, folder: arrays(folder, "train", "x_nan"), ("NS504", "NS506"), MLP),
    Fault("scaled twice", ("NS824",), both([*SCALED, *SCALED]), ("NS841", "NS505"), ("lenet", "mlp")),
    Fault("momentum .99", ("NS817", "NS840"), {"momentum": 0.99}, ("NS504", "NS506")),
    Fault(
        "Adam at rate .1", ("NS817", "NS840"), {"type": "Adam", "base_lr": 0.1, "momentum": 0.9}, ("NS504", "NS506", "NS505"),
    ),
    Fault("rate gone after 90 iterations", ("NS531",), {"lr_policy": {"type": "step", "gamma": 0.1, "stepsize": 10}}, (), ("lenet", "mlp")),
    Fault("20 iterations", ("NS841", "NS845"), {"max_iter": 20, "display": 1}, (), ("lenet", "mlp")),
    Fault("batch of one", ("NS847", "NS840"), {"data.train.batch_size": 1}, ("NS842",), ("lenet", "mlp")),
    Fault("equal weights", ("NS321",), _all({"type": "constant", "value": 0.01}), ("NS505", "NS841", "NS842"), MLP),
    Fault(
        "half of the classes missing", ("NS825",),
        lambda net, folder: {**arrays(folder, "train", "x_sorted", "y_sorted"), "data.train.limit": 5000},
        ("NS843", "NS844"), ("lenet", "mlp"),
    ),
    Fault("gradients clipped to .0001", ("NS818", "NS841"), {"clip_gradients": 0.0001}, ("NS505",)),
    Fault(
        "BatchNorm's statistics of long ago", ("NS843",),
        {"net.defaults.BatchNorm.moving_average_fraction": 0.999}, (), ("resnet8",),
    ),
    Fault("loss_weight .0001", ("NS818", "NS841"), changed({"name": "loss", "loss_weight": 0.0001}), ("NS505",), MLP),
    Fault("contradictory labels", ("NS820",), lambda net, folder: arrays(folder, "train", "x_twice", "y_twice"), ("NS842", "NS846", "NS844"), MLP),
)  # fmt: skip
"""What the issue does not list, and beginners do."""

NUMBERS = {
    "targets in thousands": (("NS822",), numbers(1000.0, base_lr=1e-7), ("NS841",)),
    "targets beyond the sigmoid": (("NS826",), numbers(1.0, "Sigmoid"), ("NS846", "NS841")),
}
"""Regressions: for each the right findings, a whole solver, and what follows."""


def _zoo(solver: str, name: str = "", **settings: Any) -> Healthy:
    images = {} if solver in {"iris_mlp", "two_moons", "spirals", "char_lstm"} else {**BUNDLED, "data.test.limit": 500}
    loop = {key: value for key, value in LOOP.items() if key != "data.test.limit"} | {"snapshot": 0}
    keep_epochs = {"max_epoch": None} if "max_iter" in settings else {}
    loop = {key: value for key, value in loop.items() if key != "max_epoch"}
    return Healthy(name or solver, solver, {**images, **loop, **keep_epochs, **settings})


HEALTHY = (
    *(Healthy(name, net.solver, {**BUNDLED, **LOOP, **net.settings}) for name, net in NETS.items()),
    _zoo("iris_mlp", test_interval="10 epochs", display="1 epoch"),
    _zoo("logistic_regression", max_iter=500),
    Healthy("linear regression", numbers(1.0), {}),
    *(_zoo(name, f"{name}, seed {seed}", random_seed=seed, max_iter=300) for seed in (2, 3) for name in ("lenet", "mlp")),
    *(_zoo("iris_mlp", f"iris_mlp, seed {seed}", random_seed=seed, test_interval="10 epochs", display="1 epoch") for seed in (2, 3)),
    _zoo("iris_mlp", "iris_mlp, half as long", max_epoch=30, test_interval="10 epochs", display="1 epoch"),
    _zoo("mlp", "mlp, half as long", max_iter=200),
    _zoo("lenet", "lenet as in README", max_iter=1500, display=100, test_interval=500),
    _zoo("mlp", "mlp, cosine", max_iter=300, lr_policy="cosine"),
    _zoo("mlp", "mlp, iter_size 4", max_iter=150, iter_size=4),
    _zoo("lenet_adamw", max_iter=300),
    _zoo("lenet_adam", max_iter=300),
    _zoo("lenet_rmsprop", max_iter=300),
    _zoo("linear_svm", max_iter=500),
    _zoo("two_moons", test_interval="20 epochs", display="2 epochs"),
    _zoo("spirals", test_interval="20 epochs", display="2 epochs"),
    _zoo("char_lstm", max_iter=120),
    _zoo("transformer_fashion", max_iter=120),
)
