"""Layers that move values, join and cut blobs, and combine them value by value."""

from __future__ import annotations

from functools import reduce

import numpy as np

from netspec.core.shape import axis_of, count, each_axis
from netspec.fillers.constant import Constant
from netspec.interop.to_onnx.writing import NotWritable, Tops, Writer, fixed, times, writes
from netspec.layers.arg_max import ArgMax
from netspec.layers.batch_reindex import BatchReindex
from netspec.layers.concat import Concat
from netspec.layers.crop import Crop
from netspec.layers.drop_block import DropBlock
from netspec.layers.drop_path import DropPath
from netspec.layers.dropout import Dropout
from netspec.layers.dummy_data import DummyData
from netspec.layers.eltwise import Eltwise
from netspec.layers.filter import Filter
from netspec.layers.flatten import Flatten
from netspec.layers.gaussian_noise import GaussianNoise
from netspec.layers.interp import Interp
from netspec.layers.pad import Pad
from netspec.layers.parameter import Parameter
from netspec.layers.permute import Permute
from netspec.layers.pixel_shuffle import PixelShuffle
from netspec.layers.pixel_unshuffle import PixelUnshuffle
from netspec.layers.reduction import Reduction
from netspec.layers.reshape import Reshape
from netspec.layers.shuffle_channel import ShuffleChannel
from netspec.layers.silence import Silence
from netspec.layers.slice import Slice
from netspec.layers.spatial_dropout import SpatialDropout
from netspec.layers.split import Split
from netspec.layers.tile import Tile
from netspec.layers.upsample import Upsample


@writes(Dropout)
def dropout(to: Writer[Dropout]) -> Tops:
    """Dropout, which passes everything on."""
    return to.op("Dropout", to.x, to.constant(to.layer.dropout_ratio, "ratio"))


@writes(DropPath, DropBlock, SpatialDropout, GaussianNoise)
def quiet(to: Writer[DropPath | DropBlock | SpatialDropout | GaussianNoise]) -> Tops:
    """The bottom: there is noise while training alone."""
    return to.x


@writes(Split)
def split(to: Writer[Split]) -> Tops:
    """The bottom under each name."""
    return (to.x,) * len(to.tops)


@writes(Silence)
def silence(to: Writer[Silence]) -> Tops:
    """Nothing."""
    return ()


@writes(Reshape)
def reshape(to: Writer[Reshape]) -> Tops:
    """Reshape."""
    return to.to_top(to.x)


@writes(Flatten)
def flatten(to: Writer[Flatten]) -> Tops:
    """Flatten, or Reshape where it joins other axes than all from the second on."""
    first, last = axis_of(to.layer.axis, to.shape), axis_of(to.layer.end_axis, to.shape)
    return to.op("Flatten", to.x, axis=1) if (first, last) == (1, to.rank - 1) else to.to_top(to.x)


@writes(Concat)
def concat(to: Writer[Concat]) -> Tops:
    """Concat."""
    return to.op("Concat", *to.bottom, axis=to.layer.joint(to.shape)) if len(to.bottom) > 1 else to.x


@writes(Slice)
def slice_(to: Writer[Slice]) -> Tops:
    """Split."""
    if len(to.tops) == 1:
        return to.x
    named = to.layer.axis if to.layer.slice_dim is None else to.layer.slice_dim
    axis = axis_of(named, to.shape)
    fixed(to.sizes()[axis : axis + 1])
    parts = [top[axis] for top in to.tops]
    return to.ops("Split", len(parts), to.x, to.ints(parts, "split"), axis=axis)


@writes(Crop)
def crop(to: Writer[Crop]) -> Tops:
    """Slice with the lengths of the other blob, which are known."""
    axis = axis_of(to.layer.axis, to.shape)
    lengths = to.sizes(1)[axis:]
    fixed(lengths)
    starts = each_axis(to.layer.offset or (0,), to.rank - axis, "offset", "cut")
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    return to.op("Slice", to.x, to.ints(starts, "starts"), to.ints(ends, "ends"), to.ints(range(axis, to.rank)))


@writes(Pad)
def pad(to: Writer[Pad]) -> Tops:
    """Pad."""
    layer, axis = to.layer, axis_of(to.layer.axis, to.shape)
    sides = (layer.pad, layer.pad) if layer.pad else (layer.pad_beg, layer.pad_end)
    before, behind = (each_axis(side or (0,), to.rank - axis, "pad", "padded") for side in sides)
    around = to.ints([*(0,) * axis, *before, *(0,) * axis, *behind], "pads")
    if layer.mode == "constant":
        return to.op("Pad", to.x, around, to.constant(layer.value, "value"))
    return to.op("Pad", to.x, around, mode={"reflect": "reflect", "replicate": "edge"}[layer.mode])


@writes(Permute)
def permute(to: Writer[Permute]) -> Tops:
    """Transpose."""
    order = to.layer.order
    return to.op("Transpose", to.x, perm=[*order, *(axis for axis in range(to.rank) if axis not in order)])


@writes(PixelShuffle)
def pixel_shuffle(to: Writer[PixelShuffle]) -> Tops:
    """DepthToSpace."""
    return to.op("DepthToSpace", to.x, blocksize=to.layer.upscale_factor, mode="CRD")


@writes(PixelUnshuffle)
def pixel_unshuffle(to: Writer[PixelUnshuffle]) -> Tops:
    """The pixels of a block on axes of their own, turned behind the channels."""
    (_, c, h, w), r = to.shape, to.layer.downscale_factor
    blocks = to.reshape(to.x, (to.samples, c, h // r, r, w // r, r))
    return to.to_top(to.op("Transpose", blocks, perm=[0, 1, 3, 5, 2, 4]))


@writes(ShuffleChannel)
def shuffle_channel(to: Writer[ShuffleChannel]) -> Tops:
    """Groups and their channels on two axes, exchanged."""
    _, c, *spatial = to.shape
    groups = to.reshape(to.x, (to.samples, to.layer.group, c // to.layer.group, count(spatial)))
    return to.to_top(to.op("Transpose", groups, perm=[0, 2, 1, 3]))


@writes(Tile)
def tile(to: Writer[Tile]) -> Tops:
    """Tile."""
    repeats = [1] * to.rank
    repeats[axis_of(to.layer.axis, to.shape)] = to.layer.tiles
    return to.op("Tile", to.x, to.ints(repeats, "repeats"))


@writes(Upsample)
def upsample(to: Writer[Upsample]) -> Tops:
    """Resize."""
    layer, how = to.layer, dict[str, object]()
    if layer.mode == "nearest":
        how |= {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        how |= {"mode": "linear"} if layer.mode == "bilinear" else {"mode": "cubic", "cubic_coeff_a": -0.75}
        how["coordinate_transformation_mode"] = "align_corners" if layer.align_corners else "half_pixel"
    if layer.scale_factor and not layer.align_corners:
        factors = each_axis(layer.scale_factor, to.rank - 2, "scale_factor")
        return to.op("Resize", to.x, "", to.constant([1.0, 1.0, *factors], "scales"), **how)
    return _resized(to, to.x, how)


@writes(Interp)
def interp(to: Writer[Interp]) -> Tops:
    """What is cut off by Slice, then Resize between the corners."""
    layer, x = to.layer, to.x
    if layer.pad_beg or layer.pad_end:
        ends = [size + layer.pad_end for size in to.shape[2:]]
        x = to.op("Slice", x, to.ints([-layer.pad_beg] * 2, "starts"), to.ints(ends, "ends"), to.ints([2, 3]))
    return _resized(to, x, {"mode": "linear", "coordinate_transformation_mode": "align_corners"})


def _resized(to: Writer[Upsample] | Writer[Interp], x: str, how: dict[str, object]) -> str:
    """A Resize to the lengths of the top, however many samples there are."""
    rows = to.op("Slice", to.op("Shape", x), to.ints([0], "start"), to.ints([2], "end"), to.ints([0]))
    sizes = to.op("Concat", rows, to.ints(to.tops[0][2:], "sizes"), axis=0)
    return to.op("Resize", x, "", "", sizes, **how)


@writes(Eltwise)
def eltwise(to: Writer[Eltwise]) -> Tops:
    """Add, Mul or Max; Mul with coefficients before."""
    layer, values = to.layer, list(to.bottom)
    if layer.operation == "MAX":
        return to.op("Max", *values)
    if layer.operation == "SUM":
        for i, coeff in enumerate(layer.coeff):
            if coeff != 1:
                values[i] = to.op("Mul", values[i], to.constant(coeff, "coeff"))
    kind = "Add" if layer.operation == "SUM" else "Mul"
    return reduce(lambda a, b: to.op(kind, a, b), values)


@writes(Reduction)
def reduction(to: Writer[Reduction]) -> Tops:
    """A reduction of all axes from one on, and its factor."""
    layer, axis = to.layer, axis_of(to.layer.axis, to.shape)
    kind = {"SUM": "ReduceSum", "ASUM": "ReduceL1", "SUMSQ": "ReduceSumSquare", "MEAN": "ReduceMean"}[layer.operation]
    axes = list(range(axis, to.rank))
    if kind == "ReduceSum":
        y = to.op(kind, to.x, to.ints(axes), keepdims=0)
    else:
        y = to.op(kind, to.x, axes=axes, keepdims=0)
    return y if layer.coeff == 1 else to.op("Mul", y, to.constant(layer.coeff, "coeff"))


@writes(ArgMax)
def arg_max(to: Writer[ArgMax]) -> Tops:
    """ArgMax with the last of equals; of several values TopK of the reversed axis, so that later ones come first."""
    layer = to.layer
    if layer.axis is None:
        x, axis = to.reshape(to.x, (to.samples, count(to.shape[1:]))), 1
        length = count(to.shape[1:])
    else:
        x, axis = to.x, axis_of(layer.axis, to.shape)
        length = fixed(to.sizes()[axis : axis + 1])
    if layer.top_k == 1:
        index = to.op("ArgMax", x, axis=axis, keepdims=1, select_last_index=1)
        value = to.op("ReduceMax", x, axes=[axis], keepdims=1) if layer.out_max_val else ""
    else:
        turned = to.op("Gather", x, to.ints(range(length)[::-1], "reversed"), axis=axis)
        value, place = to.ops("TopK", 2, turned, to.ints([layer.top_k], "k"), axis=axis)
        index = to.op("Sub", to.ints(length - 1, "last"), place)
    if layer.axis is not None:
        return value if layer.out_max_val else to.op("Cast", index, to=1)
    found = to.op("Cast", index, to=1)
    if layer.out_max_val:
        found = to.op("Concat", *(to.op("Unsqueeze", each, to.ints([1])) for each in (found, value)), axis=1)
    return to.to_top(found)


@writes(Filter)
def filter_(to: Writer[Filter]) -> Tops:
    """Compress with the selector."""
    selector = to.reshape(to.bottom[-1], (times(to.sizes(len(to.bottom) - 1)),))
    kept = to.op("Cast", selector, to=9)
    return tuple(to.op("Compress", x, kept, axis=0) for x in to.bottom[:-1])


@writes(BatchReindex)
def batch_reindex(to: Writer[BatchReindex]) -> Tops:
    """Gather."""
    return to.op("Gather", to.x, to.op("Cast", to.bottom[1], to=7), axis=0)


@writes(Parameter)
def parameter(to: Writer[Parameter]) -> Tops:
    """The param, by Identity."""
    return to.op("Identity", to.param(0))


@writes(DummyData)
def dummy_data(to: Writer[DummyData]) -> Tops:
    """Constants of a fixed shape."""
    constants = [filler for filler in to.layer.fillers if isinstance(filler, Constant)]
    if len(constants) < len(to.tops):
        raise NotWritable("its values are drawn anew for every batch")
    values = [np.full(shape, filler.value) for shape, filler in zip(to.tops, constants, strict=True)]
    return tuple(to.op("Identity", to.constant(each, "data")) for each in values)
