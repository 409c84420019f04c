"""Layers of Caffe's version 0, a message `layer` inside of `layers`, as layers of version 1.

A `padding` layer of V0 becomes the `pad` of the convolution or pooling that reads it.
Source: Caffe upgrade_proto.cpp, UpgradeV0PaddingLayers and UpgradeV0LayerParameter.
"""

from __future__ import annotations

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Mapping, Node, Note, Scalar, Sequence
from netspec.core.places import Place
from netspec.core.spelling import suggest


class UpgradeV0Error(SpecError):
    """A layer of Caffe's version 0 cannot be upgraded: its type or a field of it is unknown, or a padding is lost."""

    code = "NS708"


_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}
"""V0's words for layer types, and V1's."""

_CONV, _POOL, _PRODUCT, _LRN = "convolution_param", "pooling_param", "inner_product_param", "lrn_param"
_DATA, _HDF5, _IMAGES, _WINDOWS = "data_param", "hdf5_data_param", "image_data_param", "window_data_param"
_TRANSFORM = "transform_param"
_PRODUCTS = {"conv": _CONV, "innerproduct": _PRODUCT}
_WINDOWED = {"conv": _CONV, "pool": _POOL}
_READERS = {"data": _DATA, "hdf5_data": _HDF5, "images": _IMAGES, "window_data": _WINDOWS}
_PIXELS = dict.fromkeys(("data", "images", "window_data"), _TRANSFORM)
_DRAWN = {"data": _DATA, "images": _IMAGES}
_DETECTION = {"window_data": _WINDOWS}

_FIELDS: dict[str, tuple[str, dict[str, str]]] = {
    "num_output": ("num_output", _PRODUCTS),
    "biasterm": ("bias_term", _PRODUCTS),
    "weight_filler": ("weight_filler", _PRODUCTS),
    "bias_filler": ("bias_filler", _PRODUCTS),
    "pad": ("pad", _WINDOWED),
    "kernelsize": ("kernel_size", _WINDOWED),
    "group": ("group", {"conv": _CONV}),
    "stride": ("stride", _WINDOWED),
    "pool": ("pool", {"pool": _POOL}),
    "dropout_ratio": ("dropout_ratio", {"dropout": "dropout_param"}),
    "local_size": ("local_size", {"lrn": _LRN}),
    "alpha": ("alpha", {"lrn": _LRN}),
    "beta": ("beta", {"lrn": _LRN}),
    "k": ("k", {"lrn": _LRN}),
    "source": ("source", {**_READERS, "infogain_loss": "infogain_loss_param"}),
    "scale": ("scale", _PIXELS),
    "meanfile": ("mean_file", _PIXELS),
    "batchsize": ("batch_size", _READERS),
    "cropsize": ("crop_size", _PIXELS),
    "mirror": ("mirror", _PIXELS),
    "rand_skip": ("rand_skip", _DRAWN),
    "shuffle_images": ("shuffle", {"images": _IMAGES}),
    "new_height": ("new_height", {"images": _IMAGES}),
    "new_width": ("new_width", {"images": _IMAGES}),
    "concat_dim": ("concat_dim", {"concat": "concat_param"}),
    "det_fg_threshold": ("fg_threshold", _DETECTION),
    "det_bg_threshold": ("bg_threshold", _DETECTION),
    "det_fg_fraction": ("fg_fraction", _DETECTION),
    "det_context_pad": ("context_pad", _DETECTION),
    "det_crop_mode": ("crop_mode", _DETECTION),
}
"""V0's fields: their names in V1, and in which message they stand there for each layer type that has them."""

_KEPT = ("name", "blobs", "blobs_lr", "weight_decay")
_LISTS = {(_CONV, "pad"), (_CONV, "kernel_size"), (_CONV, "stride")}
"""Fields that may repeat by now."""


def upgraded_v0(layers: list[Mapping], notes: list[Note], found: Findings, lenient: bool = False) -> list[Mapping]:
    """Layers of V0 as layers of V1, those that only padded folded into their readers; mistakes go to `found`."""
    return [_layer(layer, notes, found, lenient) for layer in _padded(layers, notes, found)]


def _padded(layers: list[Mapping], notes: list[Note], found: Findings) -> list[Mapping]:
    """The layers without those that only pad: their padding is that of the layers which read them."""
    padding: dict[str, Mapping] = {}
    kept: list[Mapping] = []
    for layer in layers:
        inner = _inner(layer)
        bottoms = _names(layer, "bottom")
        if inner.value("type") == "padding":
            for top in _names(layer, "top"):
                padding[top] = layer
            notes.append(Note("a padding layer became the `pad` of the layer above it", layer.at))
            continue
        for place, bottom in enumerate(bottoms):
            if bottom in padding:
                layer = _folded(layer, place, padding[bottom], found)
        for top in _names(layer, "top"):
            padding.pop(top, None)
        kept.append(layer)
    return kept


def _folded(layer: Mapping, place: int, source: Mapping, found: Findings) -> Mapping:
    """A layer that reads what the padding layer `source` read, and pads it."""
    inner, bottoms, read = _inner(layer), layer.items["bottom"], source.items.get("bottom")
    assert isinstance(bottoms, Sequence)
    if inner.value("type") not in _WINDOWED or len(bottoms.items) != 1 or not isinstance(read, Sequence):
        text = "this layer reads a padding layer, which only a convolution or a pooling with one bottom can"
        found.add(UpgradeV0Error(text, at=layer.at, related=[("the padding layer", source.at)]))
        return layer
    pad = _inner(source).items.get("pad")
    if pad is not None:
        layer = layer.with_item("layer", inner.with_item("pad", pad, pad.at), layer.keys["layer"])
    items = (*bottoms.items[:place], read.items[0], *bottoms.items[place + 1 :])
    return layer.with_item("bottom", Sequence(items, bottoms.at), layer.keys["bottom"])


def _inner(layer: Mapping) -> Mapping:
    held = layer.items.get("layer")
    return held if isinstance(held, Mapping) else Mapping({}, {}, layer.at)


def _names(layer: Mapping, key: str) -> tuple[str, ...]:
    return layer.value(key) or ()


def _layer(layer: Mapping, notes: list[Note], found: Findings, lenient: bool) -> Mapping:
    """A layer of V0 as one of V1; a layer without a message `layer` stays as it is."""
    if "layer" not in layer.items:
        return layer
    inner = _inner(layer)
    old = str(inner.value("type") or "")
    at = inner.items["type"].at if "type" in inner.items else inner.at
    if old not in _TYPES and not lenient:
        found.add(UpgradeV0Error(f"'{old}' is no layer type of Caffe's version 0", at=at, help=suggest(old, _TYPES)))
    items: dict[str, Node] = {"type": Scalar(_TYPES.get(old, old), at, quoted=True)}
    keys: dict[str, Place] = {"type": at}
    for key in ("bottom", "top"):
        if key in layer.items:
            items[key], keys[key] = layer.items[key], layer.keys[key]
    result = Mapping(items, keys, layer.at)
    for key, node in inner.items.items():
        place = inner.keys[key]
        if key in _KEPT or (key, old) == ("hdf5_output_param", "hdf5_output"):
            result = result.with_item(key, node, place)
        elif key in _FIELDS and old in _FIELDS[key][1]:
            result = _moved(result, _FIELDS[key][1][old], _FIELDS[key][0], node, place)
        elif key != "type":
            notes.append(Note(f"'{key}' means nothing to a layer '{old}' of V0: it was left out", place))
    return result


def _moved(layer: Mapping, param: str, key: str, node: Node, at: Place) -> Mapping:
    """A layer with a field in one of its messages."""
    held = layer.items.get(param)
    message = held if isinstance(held, Mapping) else Mapping({}, {}, at)
    value = Sequence((node,), node.at) if (param, key) in _LISTS else node
    return layer.with_item(param, message.with_item(key, value, at), layer.keys.get(param, at))
