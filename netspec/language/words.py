"""Words of Caffe and other tools, and how netspec writes them: for the help lines of errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from netspec.core.spelling import nearest

KEYS = {
    "if": "when",
    "model": "net",
    "network": "net",
    "optimizer": "type",
}
"""Other tools' names for keys that are no fields of a model. Names for fields stand at the fields (`Aka`)."""

LAYER_TYPES = {
    "AdaptiveAvgPool2d": "Pooling",
    "Add": "Eltwise",
    "Affine": "Scale",
    "AveragePooling2D": "Pooling",
    "AvgPool": "Pooling",
    "AvgPool2d": "Pooling",
    "BCEWithLogitsLoss": "SigmoidCrossEntropyLoss",
    "BatchNorm1d": "BatchNorm",
    "BatchNorm2d": "BatchNorm",
    "BatchNorm3d": "BatchNorm",
    "BatchNormalization": "BatchNorm",
    "BiasAdd": "Bias",
    "Chunk": "Slice",
    "Concatenate": "Concat",
    "Conv": "Convolution",
    "Conv2D": "Convolution",
    "Conv2d": "Convolution",
    "CrossEntropyLoss": "SoftmaxWithLoss",
    "Dense": "InnerProduct",
    "FullyConnected": "InnerProduct",
    "Gemm": "InnerProduct",
    "GlobalAveragePool": "Pooling",
    "GlobalAveragePooling2D": "Pooling",
    "L2Loss": "EuclideanLoss",
    "LeakyReLU": "ReLU",
    "Linear": "InnerProduct",
    "LocalResponseNorm": "LRN",
    "LocalResponseNormalization": "LRN",
    "MSELoss": "EuclideanLoss",
    "MaxPool": "Pooling",
    "MaxPool2d": "Pooling",
    "MaxPooling2D": "Pooling",
    "Maximum": "Eltwise",
    "Mul": "Eltwise",
    "Multiply": "Eltwise",
    "Pow": "Power",
    "SoftmaxLoss": "SoftmaxWithLoss",
    "Tanh": "TanH",
    "View": "Reshape",
}
"""Other tools' names of layer types, to Caffe's."""

FILLERS = {
    "glorot": "xavier",
    "glorot_uniform": "xavier",
    "he": "msra",
    "he_normal": "msra",
    "kaiming": "msra",
    "normal": "gaussian",
    "random_normal": "gaussian",
    "random_uniform": "uniform",
    "truncated_normal": "gaussian",
    "zeros": "constant",
}
"""Other tools' names of fillers, to Caffe's."""

SOLVER_TYPES = {"GradientDescent": "SGD", "Momentum": "SGD", "NAG": "Nesterov", "momentum": "SGD", "nag": "Nesterov"}
"""Other tools' names of solver types, to Caffe's."""

_INPUT = "write a layer: {name: data, type: Input, shape: [64, 1, 28, 28]}"

NET_MOVED = {"input": _INPUT, "input_shape": _INPUT, "input_dim": _INPUT, "state": "say `--phase` on the command line"}
"""Fields of a Caffe net that stand in another place in netspec, to a help line."""

LAYER_MOVED = {
    "activation": "it is a layer of its own, below this one: {name: relu1, type: ReLU}",
    "blobs_lr": "say `param: [{lr_mult: 1}, {lr_mult: 2}]`",
    "data_param": "sources stand in the solver's `data:`",
    "input_shape": "an Input layer says it: {name: data, type: Input, shape: [64, 1, 28, 28]}",
    "phase": "say `include: {phase: TEST}`",
    "transform_param": "transforms stand in the solver's `data:`",
}
"""Fields of a Caffe layer that stand in another place in netspec, to a help line."""

SOLVER_MOVED = {
    "blocks": "they belong to the net",
    "data.batch_size": "put it below `train:` or `test:`",
    "data.source": "put it below `train:` or `test:`",
    "data.transform": "put it below `train:` or `test:`",
    "defaults": "they belong to the net",
    "device_id": "netspec trains on the CPU; leave it out",
    "momentum2": "it belongs to the solver type Adam",
    "nesterov": "say `type: Nesterov`",
    "snapshot_format": "snapshots are safetensors files; leave it out",
    "snapshot_prefix": "a run writes into one folder: say `--output DIR` on the command line",
    "solver_mode": "netspec trains on the CPU; leave it out",
    "solver_type": "say `type:`",
    "test_net": "one net file serves every phase: say `net:`",
    "train_net": "one net file serves every phase: say `net:`",
}
"""Fields of a Caffe solver that stand in another place in netspec, to a help line."""

NET_FIELDS = ("blocks", "cite", "defaults", "expect", "force_backward", "layers", "name")
"""Fields that only a net has."""

EDITS = ("insert_before", "insert_after", "replace", "remove")
"""Keys by which an entry of `layers` edits the net that its own net extends."""

EDITS_ELSEWHERE = {
    "after": "insert_after",
    "append": "insert_after",
    "before": "insert_before",
    "delete": "remove",
    "drop": "remove",
    "insert": "insert_after",
}
"""Words that one might write for the keys in EDITS."""

POLICY_FIELDS = ("gamma", "power", "stepsize", "stepvalue")
"""Fields that stand at the top of a Caffe solver, and inside `lr_policy` in netspec."""


def meant(word: str, known: Iterable[str], others: Mapping[str, str] = KEYS) -> str | None:
    """The known field that a word probably stands for; `others` are names that other programs have for fields."""
    names = set(known)
    other = others.get(word) or KEYS.get(word)
    return other if other in names else nearest(word, names)


def hint(word: str, known: Iterable[str], others: Mapping[str, str] = KEYS) -> str | None:
    """A help line that names the field that was probably meant, or lists the known ones when they are few."""
    names = sorted(set(known))
    found = meant(word, names, others)
    if found is not None:
        return f"did you mean '{found}'?"
    return f"one of: {', '.join(names)}" if 0 < len(names) <= 40 else None


def type_hint(word: str, known: Iterable[str], others: Mapping[str, str]) -> str | None:
    """A help line for an unknown type, like `hint`; `others` are names that other programs have for types."""
    names = set(known)
    return f"Caffe calls it '{others[word]}'" if others.get(word) in names else hint(word, names)
