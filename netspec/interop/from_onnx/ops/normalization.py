"""Normalization of batches, instances, layers, groups and neighbouring channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netspec.core.shape import text
from netspec.interop.from_onnx.building import Blob, Lack
from netspec.interop.from_onnx.op import Op, axis_in, spread

if TYPE_CHECKING:
    pass


def batch_norm(op: Op) -> Blob:
    """BatchNormalization with its running statistics: a BatchNorm with `affine`."""
    import numpy as np

    op.only("training_mode", 0)
    op.only("spatial", 1)
    if any(op.uses(slot) for slot in range(1, 5)):
        raise Lack("its statistics are read")
    names = ("the scale", "the bias", "the mean", "the variance")
    weight, bias, mean, variance = (op.floats(slot, name) for slot, name in enumerate(names, 1))
    one = np.ones(1, mean.dtype)
    return op.layer(
        "BatchNorm",
        op.blob(),
        affine=True,
        eps=op.number("epsilon", 1e-5),
        moving_average_fraction=op.number("momentum", 0.9),
        weights=[mean, variance, one, weight, bias],
    )


def instance_norm(op: Op) -> Blob:
    """InstanceNormalization; without learned factors where they are all 1."""
    weight, bias = op.floats(1, "the scale"), op.floats(2, "the bias")
    learned = bool((weight != 1).any() or (bias != 0).any())
    eps = op.number("epsilon", 1e-5)
    return op.layer("InstanceNorm", op.blob(), affine=learned, eps=eps, weights=[weight, bias])


def layer_norm(op: Op) -> Blob:
    """LayerNormalization."""
    import numpy as np

    x = op.blob()
    axis = axis_in(op.integer("axis", -1), len(x.shape))
    if op.uses(1) or op.uses(2):
        raise Lack("its mean or deviation is read")
    shape = x.shape[axis:]
    eps = op.number("epsilon", 1e-5)
    last = -1 if axis == len(x.shape) - 1 else axis
    if not op.has(1):
        return op.layer("LayerNorm", x, axis=last, eps=eps, affine=False)
    weights = [spread(op, op.floats(1, "the scale"), shape)]
    weights.append(spread(op, op.floats(2, "the bias"), shape) if op.has(2) else np.zeros_like(weights[0]))
    return op.layer("LayerNorm", x, axis=last, eps=eps, weights=weights)


def rms_norm(op: Op) -> Blob:
    """RMSNormalization."""
    x = op.blob()
    axis = axis_in(op.integer("axis", -1), len(x.shape))
    weight = spread(op, op.floats(1, "the scale"), x.shape[axis:])
    last = -1 if axis == len(x.shape) - 1 else axis
    return op.layer("RMSNorm", x, axis=last, eps=op.number("epsilon", 1e-5), weights=[weight])


def group_norm(op: Op) -> Blob:
    """GroupNormalization; before opset 21 its factors are for groups, later for channels."""
    import numpy as np

    x, groups = op.blob(), op.integer("num_groups", 1)
    weights = [op.floats(1, "the scale"), op.floats(2, "the bias")]
    channels = x.shape[1] if len(x.shape) > 1 else 0
    if groups < 1 or channels % groups:
        raise Lack(f"num_groups = {groups} of {text(x.shape)}")
    if any(array.shape == (groups,) and groups != channels for array in weights):
        op.net.room((channels, 2))
        weights = [np.repeat(array, channels // groups) for array in weights]
    return op.layer("GroupNorm", x, group=groups, eps=op.number("epsilon", 1e-5), weights=weights)


def lrn(op: Op) -> Blob:
    """LRN across channels."""
    return op.layer(
        "LRN",
        op.blob(),
        local_size=op.integer("size", 1),
        alpha=op.number("alpha", 1e-4),
        beta=op.number("beta", 0.75),
        k=op.number("bias", 1.0),
    )


def lp_norm(op: Op) -> Blob:
    """LpNormalization with p = 2: an L2Normalize."""
    op.only("p", 2)
    x = op.blob()
    return op.layer("L2Normalize", x, axis=axis_in(op.integer("axis", -1), len(x.shape)))


OPS = {
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
    "GroupNormalization": group_norm,
    "RMSNormalization": rms_norm,
    "LRN": lrn,
    "LpNormalization": lp_norm,
}
