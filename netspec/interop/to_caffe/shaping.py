"""Layers that move, pool or scale values, in Caffe's words: as they are, or as several layers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netspec.core.shape import ShapeError, each_axis, text
from netspec.interop.to_caffe.case import CaffeLayer, Case, Convert, Filled
from netspec.interop.to_caffe.direct import direct, filler, messages
from netspec.layers.adaptive_pooling import AdaptivePooling
from netspec.layers.batch_norm import BatchNorm
from netspec.layers.feature_pooling import FeaturePooling
from netspec.layers.l2_normalize import L2Normalize
from netspec.layers.maxout import Maxout
from netspec.layers.pad import Pad
from netspec.layers.pooling import Pooling
from netspec.layers.upsample import Upsample

_WINDOW = ("kernel_size", "stride", "pad")
_SIDES = {"kernel_size": ("kernel_h", "kernel_w"), "stride": ("stride_h", "stride_w"), "pad": ("pad_h", "pad_w")}


def _planes(case: Case) -> tuple[int, int, int, int]:
    """The shape of the bottom, N, C, H, W; another number of axes is refused."""
    shape = case.bottom_shapes[0]
    if len(shape) != 4:
        raise case.refused(f"it can be said in Caffe for four axes, not for {text(shape)}", "bottom")
    n, c, h, w = shape
    return n, c, h, w


def _pooling(case: Case) -> Iterator[CaffeLayer]:
    """Pooling, whose windows Caffe gives as one length or as a height and a width.

    Old versions of Caffe, and OpenCV, do not know `round_mode`, and forks call it `ceil_mode`: a net that only answers
    has it only where it matters.
    """
    layer = case.layer
    assert isinstance(layer, Pooling)
    _planes(case)
    fields = messages(case, "Pooling", *_WINDOW, *["round_mode"] * (case.forks or case.deploy))
    if (case.forks or case.deploy) and _rounds_down(case, layer):
        fields["pooling_param"] |= {"ceil_mode": False} if case.forks else {"round_mode": "FLOOR"}
    for key in _WINDOW:
        held = getattr(layer, key)
        if len(set(held)) == 1:
            fields["pooling_param"][key] = held[0]
        elif held:
            fields["pooling_param"] |= dict(zip(_SIDES[key], held, strict=True))
    yield case.caffe("Pooling", messages=fields)


def _rounds_down(case: Case, layer: Pooling) -> bool:
    """Whether its windows would be others if their number were rounded up."""
    try:
        return layer.model_copy(update={"round_mode": "CEIL"}).top_shapes(case.bottom_shapes)[0] != case.top_shapes[0]
    except ShapeError:
        return True


def _adaptive_pooling(case: Case) -> Iterator[CaffeLayer]:
    """Pooling whose windows have one size, where they do not overlap."""
    layer = case.layer
    assert isinstance(layer, AdaptivePooling)
    (_, _, h, w), (height, width) = _planes(case), each_axis(layer.output_size, 2, "output_size")
    if h % height or w % width:
        why = f"windows over {h}x{w} for {height}x{width} values differ in size, and Caffe's do not"
        raise case.refused(why, "output_size")
    yield case.caffe("Pooling", pooling_param={"pool": layer.pool} | _window(h, w, h // height, w // width))


def _window(h: int, w: int, height: int, width: int) -> dict[str, Any]:
    """Windows that lie side by side; one over all is global."""
    if (h, w) == (height, width):
        return {"global_pooling": True}
    if height == width:
        return {"kernel_size": height, "stride": height}
    return {"kernel_h": height, "kernel_w": width, "stride_h": height, "stride_w": width}


def _feature_pooling(case: Case) -> Iterator[CaffeLayer]:
    """Channels as rows of a plane, pooled along it, and back."""
    layer = case.layer
    assert isinstance(layer, FeaturePooling)
    if layer.pool == "L2" or layer.axis not in (1, 1 - len(case.bottom_shapes[0])):
        wrong = "pool" if layer.pool == "L2" else "axis"
        raise case.refused(f"Caffe has nothing for `{wrong}: {getattr(layer, wrong)}`", wrong)
    size = layer.group_size
    rows = {"shape": {"dim": [0, case.bottom_shapes[0][1] // size, size, -1]}}
    turned, name = case.step("Reshape", "rows", case.bottoms, reshape_param=rows)
    yield turned
    param: dict[str, Any] = {"kernel_h": size, "kernel_w": 1, "stride_h": size, "stride_w": 1, "pool": layer.pool}
    pooled, name = case.step("Pooling", "pooled", name, pooling_param=param)
    yield pooled
    dims = [0, *case.top_shapes[0][1:]]
    yield case.caffe("Reshape", name, reshape_param={"shape": {"dim": dims}})


def _maxout(case: Case) -> Iterator[CaffeLayer]:
    """All pieces as one InnerProduct, cut apart, and the greatest of them."""
    layer = case.layer
    assert isinstance(layer, Maxout)
    fields = messages(case, "InnerProduct", "pieces")
    fields["inner_product_param"]["num_output"] = layer.pieces * layer.num_output
    if layer.pieces == 1:
        yield case.caffe("InnerProduct", blobs=case.params, messages=fields)
        return
    whole = case.fresh("pieces")
    yield case.caffe("InnerProduct", top=whole, blobs=case.params, name=whole, messages=fields)
    cut = [case.fresh(f"piece{number}") for number in range(layer.pieces)]
    yield case.caffe("Slice", whole, cut, name=case.fresh("cut"), slice_param={"axis": layer.axis})
    yield case.caffe("Eltwise", cut, eltwise_param={"operation": "MAX"})


def _batch_norm(case: Case) -> Iterator[CaffeLayer]:
    """BatchNorm; with `affine`, a Scale behind it, in place."""
    layer = case.layer
    assert isinstance(layer, BatchNorm)
    if len(case.bottom_shapes[0]) < 2:
        raise case.refused("Caffe's BatchNorm does not take a bottom of one axis", "bottom")
    own = messages(case, "BatchNorm", "affine", "weight_filler", "bias_filler")
    yield case.caffe("BatchNorm", blobs=case.params[:3], messages=own)
    if layer.affine:
        scale: dict[str, Any] = {"bias_term": True}
        for key, word in (("weight_filler", "filler"), ("bias_filler", "bias_filler")):
            if key in layer.model_fields_set and (value := filler(case, getattr(layer, key), key)):
                scale[word] = value
        yield case.caffe("Scale", case.tops, blobs=case.params[3:], name=case.fresh("scale"), scale_param=scale)


def _upsample(case: Case) -> Iterator[CaffeLayer]:
    """Whole factors: every pixel written into a square by a Deconvolution; aligned corners: Interp."""
    layer = case.layer
    assert isinstance(layer, Upsample)
    (_, c, h, w), (height, width) = _planes(case), case.top_shapes[0][2:]
    if layer.mode == "bilinear" and layer.align_corners and case.forks:
        yield case.caffe("Interp", interp_param={"height": height, "width": width})
        return
    if layer.mode != "nearest" or height % h or width % w:
        what = "`mode: nearest` and whole factors" + ("" if case.forks else ", and forks aligned corners")
        raise case.refused(f"Caffe has what it takes for {what}", "mode")
    up, across = height // h, width // w
    yield case.caffe("Deconvolution", blobs=[Filled((c, 1, up, across), 1.0)], convolution_param=_ones(c, up, across))


def _ones(channels: int, height: int, width: int) -> dict[str, Any]:
    """Filters of ones, one for each channel, whose windows lie side by side."""
    param: dict[str, Any] = {"num_output": channels, "bias_term": False, "group": channels}
    param |= {"kernel_h": height, "kernel_w": width, "stride_h": height, "stride_w": width}
    return param | {"weight_filler": {"type": "constant", "value": 1.0}}


def _pad(case: Case) -> Iterator[CaffeLayer]:
    """Zeros on both sides alike: a Convolution with a filter of a single one for each channel."""
    layer = case.layer
    assert isinstance(layer, Pad)
    _, c, _, _ = _planes(case)
    if layer.mode != "constant" or layer.value or layer.axis not in (2, -2) or not layer.pad:
        raise case.refused("Caffe has zeros, as many on both sides of the two last axes", "name")
    param = _ones(c, 1, 1)
    param["pad_h"], param["pad_w"] = each_axis(layer.pad, 2, "pad")
    yield case.caffe("Convolution", blobs=[Filled((c, 1, 1, 1), 1.0)], convolution_param=param)


def _fork(case: Case) -> Iterator[CaffeLayer]:
    """A layer that only forks have, under one name."""
    _check_forks(case)
    yield from direct(case)


def _check_forks(case: Case) -> None:
    """Refuse a layer that only forks have, where none of theirs may be used."""
    if not case.forks:
        raise case.refused("only forks of Caffe have it; `--dialect forks` writes it as they do")


def _l2_normalize(case: Case) -> Iterator[CaffeLayer]:
    """SSD's Normalize, along the channels of each pixel."""
    layer = case.layer
    assert isinstance(layer, L2Normalize)
    _check_forks(case)
    _, c, _, _ = _planes(case)
    if layer.axis not in (1, -3) or layer.num_axes != 1:
        raise case.refused("SSD's Normalize has the vectors of the channels", "axis")
    param: dict[str, Any] = {"across_spatial": False, "channel_shared": False}
    param["scale_filler"] = {"type": "constant", "value": layer.weight_filler.level or 1.0}
    yield case.caffe("Normalize", blobs=case.params or [Filled((c,), 1.0)], norm_param=param)


def _unpooling(case: Case) -> Iterator[CaffeLayer]:
    """SegNet's Upsample, of a size."""
    _check_forks(case)
    _planes(case)
    height, width = case.top_shapes[0][2:]
    yield case.caffe("Upsample", case.bottoms[:2], upsample_param={"upsample_h": height, "upsample_w": width})


CONVERTERS: dict[str, Convert] = {
    "AdaptivePooling": _adaptive_pooling,
    "BatchNorm": _batch_norm,
    "FeaturePooling": _feature_pooling,
    "Interp": _fork,
    "L2Normalize": _l2_normalize,
    "Maxout": _maxout,
    "Pad": _pad,
    "Permute": _fork,
    "Pooling": _pooling,
    "ShuffleChannel": _fork,
    "Unpooling": _unpooling,
    "Upsample": _upsample,
}
