"""Trainings that are spoiled on purpose, each in several nets, and healthy ones; `benchmarks/spoiled.py` runs them."""

from __future__ import annotations

from typing import Any

from benchmarks.spoiling import (
    BELOW,
    LOOP,
    NETS,
    SCALED,
    WIDE,
    Fault,
    Healthy,
    all_filled,
    arrays,
    before_loss,
    both,
    changed,
    dropout,
    filled,
    frozen,
    numbers,
    rate,
    sigmoids,
)
from benchmarks.trainings import BUNDLED

FAULTS = (
    Fault("rate x1000", ("NS817", "NS840"), rate(1000), ("NS504", "NS505", "NS506")),
    Fault("rate /1000", ("NS818", "NS841"), rate(0.001), ("NS505",)),
    Fault("weights all 0", ("NS320",), all_filled({"type": "constant", "value": 0}), ("NS505", "NS842")),
    Fault("weights of deviation 10", ("NS801", "NS850"), all_filled(WIDE), ("NS504", "NS506", "NS840")),
    Fault(
        "labels shuffled",
        ("NS842", "NS843"),
        lambda net, folder: arrays(folder, "train", y="shuffled"),
        ("NS505",),
    ),
    Fault(
        "labels shifted by one class", ("NS816",), lambda net, folder: arrays(folder, "test", y="shifted"), ("NS843",)
    ),
    Fault("inputs 0 to 255", ("NS802", "NS850"), both([]), ("NS504", "NS506", "NS840", "NS842")),
    Fault("inputs all 0", ("NS803",), both([{"type": "Scale", "factor": 0.0}]), ("NS505", "NS842")),
    Fault(
        "no shuffle on sorted data",
        ("NS804",),
        lambda net, folder: {**arrays(folder, "train", "x_sorted", "y_sorted"), "data.train.shuffle": False},
        ("NS504", "NS506", "NS840", "NS843"),
    ),
    Fault("decay 1", ("NS814", "NS842"), {"weight_decay": 1}, ("NS505",)),
    Fault(
        "ReLUs dead by bias -10",
        ("NS806", "NS848"),
        filled("bias_filler", BELOW, lambda net: net.dead),
        ("NS505", "NS842"),
        ("lenet", "mlp"),
    ),
    Fault("ten sigmoid layers", ("NS805",), sigmoids(10, 100), ("NS505", "NS842", "NS841"), ("mlp",)),
    Fault("dropout .95", ("NS812",), dropout),
    Fault("a frozen layer too many", ("NS813",), frozen),
    Fault("TEST transform missing", ("NS808",), {"data.test.transform": []}, ("NS843", "NS844")),
    Fault("BatchNorm at batch 1", ("NS809",), {"data.train.batch_size": 1}, ("NS847", "NS840", "NS842"), ("resnet8",)),
    Fault("test samples in the training set", ("NS810",), {"data.test.source.split": "train"}),
    Fault(
        "one class 95 % of the data",
        ("NS811",),
        lambda net, folder: arrays(folder, "train", "x_one", "y_one"),
        ("NS843", "NS844"),
    ),
    Fault(
        "iter_size and rate confused (x32)",
        ("NS817", "NS840"),
        rate(32, iter_size=32, max_iter=60, display=1),
        ("NS504", "NS506"),
    ),
    Fault(
        "50 samples, many params",
        ("NS815",),
        {"data.train.limit": 50, "net.layers.ip1.num_output": 5000},
        ("NS844",),
        ("lenet", "mlp"),
    ),
)
"""Those of issue 16, and others that beginners make."""


MLP = ("mlp",)
MORE = (
    Fault("ten sigmoid layers, narrow", ("NS805",), sigmoids(10, 20), ("NS505", "NS842", "NS841"), ("mlp",)),
    Fault("softmax before the softmax loss", ("NS323",), before_loss("Softmax"), ("NS841", "NS842", "NS846", "NS505")),
    Fault("ReLU on the scores", ("NS323",), before_loss("ReLU"), ("NS848",), ("lenet", "mlp")),
    Fault("no activation anywhere", ("NS823",), changed({"remove": "relu1"}, {"remove": "relu2"}), (), MLP),
    Fault(
        "labels from 1, a score too many",
        ("NS821",),
        lambda net, folder: {
            **arrays(folder, "train", y="from_one"),
            **arrays(folder, "test", y="from_one"),
            f"net.layers.{net.scores}.num_output": 11,
        },
        (),
        MLP,
    ),
    Fault(
        "labels from 1",
        ("NS610",),
        lambda net, folder: {**arrays(folder, "train", y="from_one"), **arrays(folder, "test", y="from_one")},
        (),
        MLP,
    ),
    Fault("NaN in the data", ("NS819",), lambda net, folder: arrays(folder, "train", "x_nan"), ("NS504", "NS506"), MLP),
    Fault("scaled twice", ("NS824",), both([*SCALED, *SCALED]), ("NS505", "NS841", "NS842"), ("lenet", "mlp")),
    Fault(
        "Adam at rate .1",
        ("NS817", "NS840"),
        {"type": "Adam", "base_lr": 0.1, "momentum": 0.9},
        ("NS504", "NS506", "NS505"),
    ),
    Fault(
        "rate gone after 90 iterations",
        ("NS531",),
        {"lr_policy": {"type": "step", "gamma": 0.1, "stepsize": 10}},
        (),
        ("lenet", "mlp"),
    ),
    Fault("20 iterations", ("NS841", "NS845"), {"max_iter": 20, "display": 1}, (), ("lenet", "mlp")),
    Fault("batch of one", ("NS847", "NS840"), {"data.train.batch_size": 1}, ("NS504", "NS842"), ("lenet", "mlp")),
    Fault(
        "equal weights", ("NS321",), all_filled({"type": "constant", "value": 0.01}), ("NS505", "NS841", "NS842"), MLP
    ),
    Fault(
        "half of the classes missing",
        ("NS825",),
        lambda net, folder: {**arrays(folder, "train", "x_sorted", "y_sorted"), "data.train.limit": 5000},
        ("NS843", "NS844"),
        ("lenet", "mlp"),
    ),
    Fault("gradients clipped to .0001", ("NS818", "NS841"), {"clip_gradients": 0.0001}, ("NS505",)),
    Fault(
        "BatchNorm's statistics of long ago",
        ("NS843",),
        {"net.defaults.BatchNorm.moving_average_fraction": 0.999},
        (),
        ("resnet8",),
    ),
    Fault("loss_weight .0001", ("NS818", "NS841"), changed({"name": "loss", "loss_weight": 0.0001}), ("NS505",), MLP),
    Fault(
        "contradictory labels",
        ("NS820",),
        lambda net, folder: arrays(folder, "train", "x_twice", "y_twice"),
        ("NS842", "NS846", "NS844"),
        MLP,
    ),
)
"""What the issue does not list, and beginners do."""

NUMBERS = {
    "targets in thousands": (("NS822",), numbers(1000.0, base_lr=1e-7), ("NS841",)),
    "targets beyond the sigmoid": (("NS826",), numbers(1.0, "Sigmoid"), ("NS846", "NS841")),
}
"""Regressions: for each the right findings, a whole solver, and what follows."""


def _zoo(solver: str, name: str = "", **settings: Any) -> Healthy:
    """A solver of the zoo with settings, at its own length where these say none."""
    images = {} if solver in {"iris_mlp", "two_moons", "spirals", "char_lstm"} else {**BUNDLED, "data.test.limit": 500}
    own = {"data.test.limit"} | ({"max_epoch"} if "max_iter" not in settings else set())
    loop = {key: value for key, value in LOOP.items() if key not in own}
    return Healthy(name or solver, solver, {**images, **loop, **settings})


HEALTHY = (
    *(Healthy(name, net.solver, {**BUNDLED, **LOOP, **net.settings}) for name, net in NETS.items()),
    _zoo("iris_mlp", test_interval="10 epochs", display="1 epoch"),
    _zoo("logistic_regression", max_iter=500),
    Healthy("linear regression", numbers(1.0), {}),
    *(
        _zoo(name, f"{name}, seed {seed}", random_seed=seed, max_iter=300)
        for seed in (2, 3)
        for name in ("lenet", "mlp")
    ),
    *(
        _zoo("iris_mlp", f"iris_mlp, seed {seed}", random_seed=seed, test_interval="10 epochs", display="1 epoch")
        for seed in (2, 3)
    ),
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
