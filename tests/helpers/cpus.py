"""Nets that together run every kernel file, small enough to be compiled and trained on an emulated CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

ITERATIONS, BATCH, SAMPLES, CLASSES = 10, 4, 14, 3
"""14 samples in batches of 4: the last batch of a test is short."""


def _conv(name: str, outputs: int, kernel: int, **fields: Any) -> dict[str, Any]:
    shape = {"num_output": outputs, "kernel_size": kernel, "weight_filler": "msra"}
    return {"name": name, "type": "Convolution", **shape, **fields}


def _ip(name: str, outputs: int, **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "InnerProduct", "num_output": outputs, "weight_filler": "xavier", **fields}


def _input(*shapes: list[int]) -> dict[str, Any]:
    return {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[BATCH, *shape] for shape in shapes]}


def _end(loss: str, bottom: str = "ip") -> list[dict[str, Any]]:
    return [{"name": "loss", "type": loss, "bottom": [bottom, "label"]}]


ACCURACY = {"name": "accuracy", "type": "Accuracy", "bottom": ["ip", "label"], "include": {"phase": "TEST"}}
CONVOLUTIONS = [
    _input([3, 12, 10], []),
    _conv("direct", 16, 5, pad=2),
    {"name": "relu", "type": "ReLU"},
    _conv("winograd", 32, 3, pad=1),
    _conv("wider", 32, 5, pad=2),
    {"name": "max", "type": "Pooling", "kernel_size": 2, "stride": 2},
    _conv("depthwise", 32, 3, group=32, pad=1),
    _conv("grouped", 32, 3, group=8, pad=1),
    _conv("strided", 8, 3, group=2, stride=2, pad=1),
    _conv("pointwise", 6, 1),
    {"name": "scale", "type": "Scale"},
    {"name": "average", "type": "Pooling", "pool": "AVE", "kernel_size": 2},
    {"name": "drop", "type": "Dropout", "dropout_ratio": 0.3},
    _ip("ip", CLASSES),
    ACCURACY,
    *_end("SoftmaxWithLoss"),
]


def _unit(name: str, bottom: str, *layers: dict[str, Any], relu: bool = True) -> list[dict[str, Any]]:
    """Convolutions, each with a BatchNorm and, but for the last without `relu`, a ReLU; the first reads `bottom`."""
    made: list[dict[str, Any]] = []
    for i, layer in enumerate(layers):
        made.append({**layer, "name": f"{name}_{layer['name']}", "bias_term": False})
        made.append({"name": f"{name}_bn{i}", "type": "BatchNorm", "affine": i % 2 == 0})
        if i % 2:
            made.append({"name": f"{name}_scale{i}", "type": "Scale", "bias_term": True})
        if relu or i < len(layers) - 1:
            made.append({"name": f"{name}_relu{i}", "type": "ReLU"})
    made[0]["bottom"] = bottom
    return made


RESIDUAL = [
    _input([3, 15, 13], []),
    *_unit("stem", "data", _conv("conv", 20, 3, pad=1)),
    {"name": "pool", "type": "Pooling", "pool": "MAX", "kernel_size": 3, "stride": 2},
    *_unit("a", "pool", _conv("1x1", 18, 1), _conv("3x3", 18, 3, pad=1), _conv("wide", 20, 1), relu=False),
    {"name": "sum1", "type": "Eltwise", "bottom": ["a_bn2", "pool"]},
    {"name": "b", "type": "ReLU"},
    *_unit("b", "b", _conv("depthwise", 20, 3, group=20, pad=1), _conv("1x1", 36, 1, stride=2), relu=False),
    *_unit("project", "b", _conv("1x1", 36, 1, stride=2), relu=False),
    {"name": "sum2", "type": "Eltwise", "bottom": ["b_scale1", "project_bn0"]},
    {"name": "c", "type": "ReLU"},
    *_unit("c", "c", _conv("3x3", 24, 3, pad=1), _conv("again", 36, 3, pad=1), relu=False),
    {"name": "sum3", "type": "Eltwise", "bottom": ["c_scale1", "c"]},
    {"name": "d", "type": "ReLU"},
    *_unit("before", "d", _conv("strided", 17, 3, stride=2, pad=1)),
    _conv("e", 17, 1),
    {"name": "sum4", "type": "Eltwise", "bottom": ["e", "before_relu0"]},
    {"name": "f", "type": "ReLU"},
    _conv("end", 19, 1, stride=2),
    {"name": "last", "type": "ReLU"},
    {"name": "mean", "type": "Pooling", "pool": "AVE", "global_pooling": True},
    _ip("ip", CLASSES),
    ACCURACY,
    *_end("SoftmaxWithLoss"),
]
"""BatchNorms beside every way of computing a convolution, sums of residuals, one of them thinned, and pooling."""
NORMS = [
    _input([3, 12, 10], []),
    _conv("conv", 18, 3),
    {"name": "lrn", "type": "LRN"},
    {"name": "within", "type": "LRN", "norm_region": "WITHIN_CHANNEL"},
    {"name": "bn", "type": "BatchNorm"},
    {"name": "scale", "type": "Scale", "bias_term": True},
    {"name": "prelu", "type": "PReLU"},
    {"name": "flat", "type": "Reshape", "shape": [0, 0, -1]},
    {"name": "rows", "type": "BatchNorm", "affine": True},
    {"name": "halves", "type": "Slice", "axis": 1, "top": ["one", "two"]},
    {"name": "sum", "type": "Eltwise", "bottom": ["one", "two"], "coeff": [1.0, -0.5]},
    {"name": "greater", "type": "Eltwise", "bottom": ["one", "two"], "operation": "MAX"},
    {"name": "both", "type": "Concat", "bottom": ["sum", "greater"]},
    _ip("ip", CLASSES),
    {"name": "share", "type": "Softmax", "include": {"phase": "TEST"}},
    *_end("MultiClassHingeLoss"),
]
FORMULAS = [
    _input([7], [5]),
    _ip("first", 21),
    {"name": "tanh", "type": "TanH"},
    _ip("second", 18),
    {"name": "elu", "type": "ELU"},
    _ip("third", 11),
    {"name": "sigmoid", "type": "Sigmoid"},
    {"name": "power", "type": "Power", "power": 2.0, "scale": 0.5, "shift": 1.0},
    _ip("ip", 5),
]
SETTINGS: dict[str, dict[str, Any]] = {
    "convolutions": {"net": CONVOLUTIONS, "momentum": 0.9, "weight_decay": 0.001, "clip_gradients": 5.0},
    "residual": {"net": RESIDUAL, "momentum": 0.9, "weight_decay": 0.001},
    "norms": {"net": NORMS, "type": "Nesterov", "momentum": 0.9, "iter_size": 2},
    "formulas": {"net": [*FORMULAS, *_end("EuclideanLoss")], "type": "RMSProp", "base_lr": 0.001},
    "moments": {
        "net": [*FORMULAS, *_end("EuclideanLoss")],
        "type": "Adam",
        "momentum": 0.9,
        "base_lr": 0.001,
        "weight_decay": 0.01,
        "regularization_type": "Orthogonal",
        "gradient_noise": {"eta": 0.01},
        "average": {"type": "ema", "decay": 0.9},
    },
    "ratios": {"net": [*FORMULAS, *_end("EuclideanLoss")], "type": "LAMB", "momentum": 0.9, "base_lr": 0.001},
    "factored": {"net": [*FORMULAS, *_end("EuclideanLoss")], "type": "Adafactor"},
    "kronecker": {"net": [*FORMULAS, *_end("EuclideanLoss")], "type": "KFAC", "base_lr": 0.001},
    "float64": {"net": [*FORMULAS, *_end("SigmoidCrossEntropyLoss")], "dtype": "float64", "momentum": 0.5},
}
APART = {
    "convolutions": 5e-7,
    "residual": 1e-6,
    "norms": 6e-6,
    "formulas": 2e-7,
    "moments": 1e-6,
    "ratios": 1e-6,
    "factored": 1e-6,
    "kronecker": 1e-5,
    "float64": 1e-15,
}
"""Greatest distance of a weight after the training, between two CPUs; relative where a param's greatest exceeds 1."""


def solver(name: str, folder: Path) -> dict[str, Any]:
    """The solver of that name, its data written into `folder`."""
    settings = dict(SETTINGS[name])
    rng = np.random.default_rng(5)
    (_, *image), (_, *target) = settings["net"][0]["shape"]
    np.save(folder / "x.npy", rng.standard_normal((SAMPLES, *image)).astype(np.float32))
    np.save(folder / "y.npy", rng.random((SAMPLES, *target)) if target else rng.integers(0, CLASSES, SAMPLES))
    source = {"type": "Arrays", "outputs": [str(folder / "x.npy"), str(folder / "y.npy")]}
    data = {phase: {"source": source, "batch_size": BATCH} for phase in ("train", "test")}
    whenever = {"max_iter": ITERATIONS, "test_interval": 5}
    settings["net"] = {"name": name, "layers": settings["net"]}
    return {"data": data, "base_lr": 0.01, "lr_policy": "fixed", **whenever, **settings}
