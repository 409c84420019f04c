"""Samples of data that are not there: a layer whose fields tell their shape gets it as its `shape`.

So a net for ImageNet is looked at without ImageNet; a training still opens the data.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from netspec.core.locate import beside
from netspec.core.nodes import Mapping, Note, Scalar
from netspec.prototxt.draft import node

COLOURS = 3
"""Channels of an image in colour; of records of a database it is a guess."""


@dataclass(frozen=True)
class _Sample:
    """The shape of an image, and whether its channels are assumed."""

    shape: tuple[int, int, int]
    assumed: bool = False


def with_samples(layer: Mapping) -> tuple[Mapping, tuple[Note, ...]]:
    """A layer in netspec's words with the shape of its samples, where its fields tell it and its data are not there."""
    source = layer.items.get("source")
    if "shape" in layer.items or not isinstance(source, Scalar) or not isinstance(source.value, str):
        return layer, ()
    found = _SAMPLES[str(layer.value("type"))](layer) if layer.value("type") in _SAMPLES else None
    if found is None or "\0" in source.value or os.path.exists(beside(source.at.source.folder, source.value)):
        return layer, ()
    tops = layer.value("top")
    labels = [()] * (len(tops) - 1 if isinstance(tops, tuple) else 0)
    at = layer.keys["source"]
    sizes = " x ".join(map(str, found.shape))
    how = f"where {found.shape[0]} channels are ASSUMED" if found.assumed else "by the fields of the layer"
    text = f"'{source.value}' is not there: its samples are taken as {sizes}, {how}"
    return layer.with_item("shape", node([found.shape, *labels], at), at), (Note(text, at),)


def _images(layer: Mapping) -> _Sample | None:
    """Of ImageData: a crop, or the size that images get; in colour unless it says otherwise."""
    crop = _crop(layer)
    height, width = (crop, crop) if crop else (layer.value("new_height") or 0, layer.value("new_width") or 0)
    channels = 1 if layer.value("is_color") is False else COLOURS
    return _Sample((channels, height, width)) if height and width else None


def _records(layer: Mapping) -> _Sample | None:
    """Of Data: a crop; channels are as many as mean values. One mean value may be that of all channels."""
    crop, transform = _crop(layer), layer.value("transform_param") or {}
    means = transform.get("mean_value", ())
    told = len(means) if isinstance(means, tuple) and len(means) > 1 else 0
    channels = told or (1 if transform.get("force_gray") else COLOURS)
    return _Sample((channels, crop, crop), not told) if crop else None


def _windows(layer: Mapping) -> _Sample | None:
    """Of WindowData: the size of windows; they are in colour."""
    crop = _crop(layer)
    return _Sample((COLOURS, crop, crop)) if crop else None


def _crop(layer: Mapping) -> int:
    """The side of the square that is cut out; 0 where there is none."""
    crop = (layer.value("transform_param") or {}).get("crop_size", 0)
    return crop if isinstance(crop, int) else 0


_SAMPLES = {"Data": _records, "ImageData": _images, "WindowData": _windows}
