"""Values that only move: Reshape, Flatten, Squeeze, Unsqueeze, Transpose, DepthToSpace, SpaceToDepth; and Identity."""

from __future__ import annotations

from typing import Any

from netspec.core.shape import count, text
from netspec.interop.from_onnx.building import Blob, Lack
from netspec.interop.from_onnx.fold import Batch
from netspec.interop.from_onnx.op import Op, axis_in, permuted, reshaped

WHOLE = (5, 6, 7, 12, 13)
"""ONNX's types of whole numbers of 16 bits or more."""


def reshape(op: Op) -> Blob:
    """Reshape: a Flatten where the axes behind the batch are merged, else a Reshape."""
    x = op.blob()
    if op.opset < 5 or not op.has(1):
        sizes: list[Any] = list(op.listed("shape") or ())
    else:
        sizes = list(op.constant(1, "shape").reshape(-1))
    whole = [int(size) for size in sizes]
    if not op.integer("allowzero", 0):
        if any(size == 0 and axis >= len(x.shape) for axis, size in enumerate(whole)):
            raise Lack(f"shape = {whole} of {text(x.shape)}")
        whole = [x.shape[axis] if size == 0 else size for axis, size in enumerate(whole)]
    if -1 in whole:
        rest = count(size for size in whole if size != -1)
        if rest <= 0 or count(x.shape) % rest:
            raise Lack(f"shape = {whole} of {text(x.shape)}")
        whole[whole.index(-1)] = count(x.shape) // rest
    if min(whole, default=1) < 1:
        raise Lack(f"shape = {whole}")
    batch = next((axis for axis, size in enumerate(sizes) if isinstance(size, Batch)), None)
    return reshaped(op, x, tuple(whole), batch=batch)


def flatten(op: Op) -> Blob:
    """Flatten: always two axes."""
    x = op.blob()
    axis = op.integer("axis", 1)
    axis = axis + len(x.shape) if axis < 0 else axis
    if not 0 <= axis <= len(x.shape):
        raise Lack(f"axis = {op.integer('axis', 1)} of {text(x.shape)}")
    return reshaped(op, x, (count(x.shape[:axis]), count(x.shape[axis:])))


def squeeze(op: Op) -> Blob:
    """Squeeze: a Reshape."""
    x = op.blob()
    given = op.listed("axes", 1)
    sizes = enumerate(x.shape)
    axes = (
        {axis_in(axis, len(x.shape)) for axis in given}
        if given
        else {axis for axis, size in sizes if size == 1 and axis != x.batch}
    )
    if any(x.shape[axis] != 1 for axis in axes):
        raise Lack(f"axes = {sorted(axes)} of {text(x.shape)}")
    return reshaped(op, x, tuple(size for axis, size in enumerate(x.shape) if axis not in axes))


def unsqueeze(op: Op) -> Blob:
    """Unsqueeze: a Reshape."""
    x = op.blob()
    given = op.listed("axes", 1) or ()
    axes = {axis_in(axis, len(x.shape) + len(given)) for axis in given}
    sizes = iter(x.shape)
    if len(axes) != len(given):
        raise Lack(f"axes = {list(given)}")
    return reshaped(op, x, tuple(1 if axis in axes else next(sizes) for axis in range(len(x.shape) + len(axes))))


def transpose(op: Op) -> Blob:
    """Transpose: a Permute."""
    x = op.blob()
    order = op.listed("perm") or tuple(reversed(range(len(x.shape))))
    if sorted(order) != list(range(len(x.shape))):
        raise Lack(f"perm = {list(order)} of {text(x.shape)}")
    return permuted(op, x, order)


def depth_to_space(op: Op) -> Blob:
    """DepthToSpace: a PixelShuffle, behind a change of the order of channels where blocks come first."""
    x, size = op.blob(), op.integer("blocksize", 1)
    if len(x.shape) != 4 or size < 1 or x.shape[1] % (size * size):
        raise Lack(f"blocksize = {size} of {text(x.shape)}")
    if op.word("mode", "DCR") == "DCR" and size > 1:
        x = op.layer("ShuffleChannel", x, part="order", group=size * size)
    return op.layer("PixelShuffle", x, upscale_factor=size)


def space_to_depth(op: Op) -> Blob:
    """SpaceToDepth: a PixelUnshuffle, whose blocks come first then."""
    x, size = op.blob(), op.integer("blocksize", 1)
    if len(x.shape) != 4 or size < 1:
        raise Lack(f"blocksize = {size} of {text(x.shape)}")
    top = op.layer("PixelUnshuffle", x, part="order", downscale_factor=size)
    return op.layer("ShuffleChannel", top, group=x.shape[1]) if size > 1 else top


def identity(op: Op) -> Blob:
    """The input itself."""
    return op.blob()


def cast(op: Op) -> Blob:
    """Cast: nothing, where no values change; to whole numbers a stand-in, which an Embed passes over."""
    x, to = op.blob(), op.integer("to", 1)
    if to in (1, 10, 11, 16) or (x.whole and to in WHOLE):
        return x
    if to not in WHOLE:
        raise Lack(f"to = {to}")
    return op.net.stand_in("Cast", (x,), x.shape, x.batch, f"to = {to}: numbers that are rounded", op.node.number)


def cast_like(op: Op) -> Blob:
    """CastLike: nothing where the numbers are floats."""
    if op.has(1) and not isinstance(op.inputs[1], Blob) and op.inputs[1].dtype.kind != "f":
        raise Lack("numbers that are rounded")
    return op.blob()


OPS = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Identity": identity,
    "Cast": cast,
    "CastLike": cast_like,
}
