"""Layer types of well-known forks of Caffe, written with netspec's: one function each, found by the type's word.

A function changes the layer's draft, and may return several layers that stand for it. The layer that holds the params
keeps the name, so that weights find them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from netspec.core.nodes import Mapping, Node
from netspec.prototxt.draft import Draft
from netspec.prototxt.layer import Given

Several = list[Mapping] | None


def axpy(given: Given) -> Several:
    """y = a * x + b, a factor for each channel (SENet): Flatten, Scale and Eltwise."""
    if len(given.bottoms) != 3:
        return None
    factor, x, other = given.bottoms
    flat, name = (_fresh(given, word) for word in ("factors", "scaled"))
    scaled = x if given.tops == [x] else name
    return [
        _layer(given, flat, "Flatten", bottom=factor, top=flat),
        _layer(given, name, "Scale", bottom=[x, flat], top=scaled, axis=0),
        _final(given, "Eltwise", bottom=[other, scaled] if given.tops == [other] else [scaled, other]),
    ]


def bn(given: Given) -> Several:
    """SegNet's INFERENCE is a Scale; its LEARN takes the batch's statistics in every phase; others' BN keeps sums."""
    message, at = given.message("bn_param"), given.node.keys["type"]
    given.notes.add(f"{given.type} is of a fork: written with netspec's layers", at)
    factor = _filler(given, message, "slope_filler" if "slope_filler" in message.items else "scale_filler")
    constant = _filler(given, message, "shift_filler" if "shift_filler" in message.items else "bias_filler")
    factors = {"filler": factor, "bias_filler": constant}
    if message.value("bn_mode") == "INFERENCE":
        return [_final(given, "Scale", bias_term=True, **factors)]
    own = {"eps": message.value("eps") or message.value("var_eps")}
    if message.items.keys() & {"slope_filler", "frozen", "momentum", "moving_average"}:
        given.notes.add("weights of such a BN are four blobs, which BatchNorm does not load", at)
        own |= {"use_global_stats": message.value("frozen") or None}
        return [_final(given, "BatchNorm", affine=True, **own, weight_filler=factor, bias_filler=constant)]
    own |= {"use_global_stats": False}
    return _scaled(given, _fresh(given, "norm"), "BatchNorm", own, bias_term=True, **factors)


def depthwise(given: Given) -> Several:
    """A Convolution with a group for each channel."""
    message = given.message("convolution_param")
    given.fields(*(["group"] if given.type == "ConvolutionDepthwise" else []))
    given.put("type", "Convolution")
    if "group" not in given.draft.items and "num_output" in message.items:
        given.put("group", message.value("num_output"))
    return None


def local(given: Given) -> Several:
    """LocallyConnected."""
    given.draft.items |= (kept := given.kept(given.message("local_param"))).items
    given.draft.keys |= kept.keys
    given.put("type", "LocallyConnected")
    return None


def normalize(given: Given) -> Several:
    """L2Normalize; where all channels have one factor, or a vector is a whole image, the factors are a Scale."""
    word = next((name for name in ("norm_param", "normalize_param") if name in given.node.items), None)
    message = given.message(word or "norm_param")
    given_eps = message.value("eps") or 1e-10
    eps = {"eps": math.copysign(math.sqrt(abs(given_eps)), given_eps)}  # the schema refuses what is below 0
    if word is None:
        return [_final(given, "L2Normalize", **eps)]
    wide, shared = (message.value(name) is not False for name in ("across_spatial", "channel_shared"))
    factors = _filler(given, message, "scale_filler")
    if not wide and not shared:
        return [_final(given, "L2Normalize", affine=True, **eps, weight_filler=factors)]
    length = _fresh(given, "normalized")
    axes = {"num_axes": -1} if wide else {}
    one = {"axis": 0, "num_axes": 0} if shared else {}
    return _scaled(given, length, "L2Normalize", axes | eps, **one, filler=factors)


def relu6(given: Given) -> Several:
    """Its field chooses whose code computes it."""
    given.message("relu6_param")
    return None


def smooth_l1_loss(given: Given) -> Several:
    """It divides by the batch size."""
    given.fields()
    if "normalization" not in given.draft.items:
        given.put("normalization", "BATCH_SIZE")
    return None


def transpose(given: Given) -> Several:
    """Permute."""
    message = given.message("transpose_param")
    if "dim" in message.items:
        given.put("order", message.items["dim"], message.keys["dim"])
    given.put("type", "Permute")
    return None


def upsample(given: Given) -> Several:
    """With the places of maxima an Unpooling (SegNet), else the pixels repeated (YOLO)."""
    message = given.message("upsample_param")
    both = message.value("stride") or message.value("scale") or 2
    factors = [message.value(f"scale_{side}") or both for side in "hw"]
    sizes = [
        message.value(f"upsample_{side}") or message.value(long) for side, long in (("h", "height"), ("w", "width"))
    ]
    if len(given.bottoms) == 2:
        given.put("type", "Unpooling")
        if all(sizes):
            given.put("output_size", sizes)
            return None
        cut = [int(bool(message.value(f"pad_out_{side}"))) for side in "hw"]
        given.put("kernel_size", _once([factor - less for factor, less in zip(factors, cut, strict=True)]))
        given.put("stride", _once(factors))
        return None
    if all(sizes):
        given.put("size", sizes)
    else:
        given.put("scale_factor", _once(factors))
    if message.value("mode"):
        given.put("mode", str(message.value("mode")).lower(), message.keys["mode"])
    return None


FORKS: dict[str, Callable[[Given], Several]] = {
    "Axpy": axpy,
    **dict.fromkeys(("BN", "BNData"), bn),
    "ConvolutionDepthwise": depthwise,
    "DepthwiseConvolution": depthwise,
    "Local": local,
    "Normalize": normalize,
    "ReLU6": relu6,
    "SmoothL1Loss": smooth_l1_loss,
    "Transpose": transpose,
    "Upsample": upsample,
}
"""The types of forks that netspec does not have under the same name and fields."""


def _layer(given: Given, name: str, type: str, **fields: Any) -> Mapping:
    """A layer that stands for a part of the given one."""
    draft, at = Draft(given.node.at), given.node.keys.get("type", given.node.at)
    for key, value in {"name": name, "type": type, **fields}.items():
        if value is not None:
            draft.put(key, value, at)
    for key in ("include", "exclude"):
        if key in given.draft.items:
            draft.put(key, given.draft.items[key], given.draft.keys[key])
    return draft.mapping()


def _scaled(given: Given, name: str, type: str, first: dict[str, Any], **fields: Any) -> list[Mapping]:
    """Two layers: of a type with the fields `first`, then a Scale that is the given layer; in place where that is."""
    between = given.bottoms[0] if given.bottoms[:1] == given.tops else name
    return [
        _layer(given, name, type, bottom=given.bottoms, top=between, **first),
        _final(given, "Scale", bottom=between, **fields),
    ]


def _final(given: Given, type: str, **fields: Any) -> Mapping:
    """The given layer as another type: its wiring and its params stay."""
    for key, value in {"type": type, **fields}.items():
        if value is not None:
            given.put(key, value)
    return given.draft.mapping()


def _fresh(given: Given, word: str) -> str:
    """The name of a part of the given layer."""
    return f"{given.node.value('name') or given.type}/{word}"


def _filler(given: Given, message: Mapping, name: str) -> Node | None:
    """A filler of a message, where it is given."""
    found = message.items.get(name)
    return None if found is None else given.value(name, found)


def _once(values: list[int]) -> int | list[int]:
    """One number where all are equal."""
    return values[0] if len({*values}) == 1 else values
