"""caffe.io: images as arrays (H, W, C) from 0 to 1, what is done to them for a net, and arrays in Caffe's messages.

Source: Caffe python/caffe/io.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.api.arguments import BadArgumentError, path_of
from netspec.core.shape import text
from netspec.formats.caffe_messages import message_class
from netspec.formats.images import read_image

Array = np.ndarray[Any, Any]


def load_image(filename: str | Path, color: bool = True) -> Array:
    """The image in a file, float32 (H, W, 3), or (H, W, 1) without `color`, from 0 to 1. Raises FileError."""
    image = read_image(path_of(filename, "an image"), "rgb" if color else "gray")
    return np.moveaxis(image, 0, 2).astype(np.float32) / np.float32(255)


def resize_image(im: Array, new_dims: Iterable[int], interp_order: int = 1) -> Array:
    """An image (H, W, C) in another height and width, float32: bilinear, or the nearest pixel for `interp_order` 0."""
    if interp_order not in (0, 1):
        raise BadArgumentError(f"images are not resized by order {interp_order}", help="0 nearest, 1 bilinear")
    image = np.asarray(im, np.float32)
    for axis, wanted in enumerate(map(int, new_dims)):
        image = _resized(image, axis, wanted, interp_order)
    return image


def _resized(image: Array, axis: int, wanted: int, order: int) -> Array:
    """An image with another length of one axis; pixels are squares, and beyond the edge lies its last pixel."""
    length = image.shape[axis]
    at = np.clip((np.arange(wanted) + 0.5) * length / wanted - 0.5, 0, length - 1)
    if order == 0:
        return np.asarray(image.take(np.rint(at).astype(int), axis))
    below = np.floor(at).astype(int)
    share = (at - below).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(image.ndim)])
    above = np.minimum(below + 1, length - 1)
    return np.asarray(image.take(below, axis) * (1 - share) + image.take(above, axis) * share)


def oversample(images: Iterable[Array], crop_dims: Iterable[int]) -> Array:
    """Ten windows of each image: the four corners and the middle, then their mirror images; (10 N, h, w, C)."""
    high, wide = map(int, crop_dims)
    found = []
    for image in images:
        down, right = image.shape[0] - high, image.shape[1] - wide
        corners = [(0, 0), (0, right), (down, 0), (down, right), (int(down / 2), int(right / 2))]
        windows = [image[top : top + high, left : left + wide] for top, left in corners]
        found += [*windows, *(window[:, ::-1] for window in windows)]
    return np.array(found, np.float32)


class Transformer:
    """What is done to images (H, W, C) for the inputs of a net, given as {name: shape of the blob}.

    In this order: resize, transpose, swap channels, scale raw values, subtract the mean, scale.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = {name: tuple(shape) for name, shape in inputs.items()}
        self.transpose: dict[str, tuple[int, ...]] = {}
        self.channel_swap: dict[str, tuple[int, ...]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, Array] = {}
        self.input_scale: dict[str, float] = {}

    def _shape(self, in_: str) -> tuple[int, ...]:
        if in_ not in self.inputs:
            raise BadArgumentError(f"{in_!r} is not among the inputs {', '.join(self.inputs)}")
        return self.inputs[in_]

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The order of axes: (2, 0, 1) makes (C, H, W) of (H, W, C)."""
        if len(order) != len(self._shape(in_)) - 1:
            raise BadArgumentError(f"an order of {len(order)} axes does not fit a sample of '{in_}'")
        self.transpose[in_] = tuple(order)

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """The order of channels: (2, 1, 0) makes BGR of RGB."""
        if len(order) != self._shape(in_)[1]:
            raise BadArgumentError(f"an order of {len(order)} channels does not fit '{in_}'")
        self.channel_swap[in_] = tuple(order)

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """A factor before the mean is subtracted: 255 where a net wants values from 0 to 255."""
        self._shape(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: Any) -> None:
        """What is subtracted: a value for each channel, or an image (C, H, W), resized where it does not fit."""
        shape, values = self._shape(in_), np.asarray(mean, np.float32)
        if values.ndim == 1:
            if len(values) != shape[1]:
                raise BadArgumentError(f"a mean of {len(values)} channels does not fit '{in_}' of {shape[1]}")
            values = values[:, None, None]
        else:
            values = values[None] if values.ndim == 2 else values
            if values.ndim != 3 or values.shape[0] not in (1, shape[1]):
                raise BadArgumentError(f"a mean of {text(values.shape)} does not fit '{in_}' of {text(shape[1:])}")
            if values.shape[1:] != shape[2:]:
                values = resize_image(values.transpose(1, 2, 0), shape[2:]).transpose(2, 0, 1)
        self.mean[in_] = values

    def set_input_scale(self, in_: str, scale: float) -> None:
        """A factor behind all else."""
        self._shape(in_)
        self.input_scale[in_] = scale

    def preprocess(self, in_: str, data: Array) -> Array:
        """An image as the net's input wants it, (C, H, W)."""
        shape, image = self._shape(in_), np.asarray(data, np.float32)
        if image.shape[:2] != shape[2:]:
            image = resize_image(image, shape[2:])
        if in_ in self.transpose:
            image = image.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            image = image[list(self.channel_swap[in_])]
        image = image * np.float32(self.raw_scale.get(in_, 1))
        return (image - self.mean.get(in_, np.float32(0))) * np.float32(self.input_scale.get(in_, 1))

    def deprocess(self, in_: str, data: Array) -> Array:
        """The image (H, W, C) of what `preprocess` made; its size stays."""
        self._shape(in_)
        image = np.array(data, np.float32).squeeze() / np.float32(self.input_scale.get(in_, 1))
        image = (image + self.mean.get(in_, np.float32(0))) / np.float32(self.raw_scale.get(in_, 1))
        if in_ in self.channel_swap:
            image = image[np.argsort(self.channel_swap[in_])]
        return image.transpose(np.argsort(self.transpose[in_])) if in_ in self.transpose else image


def blobproto_to_array(blob: Any, return_diff: bool = False) -> Array:
    """The values of a BlobProto, or its gradients, with its axes."""
    single, double = (blob.diff, blob.double_diff) if return_diff else (blob.data, blob.double_data)
    values = np.array(double, np.float64) if len(double) else np.array(single, np.float32)
    old = ("num", "channels", "height", "width")
    if any(map(blob.HasField, old)):
        return values.reshape([getattr(blob, name) for name in old])
    return values.reshape(blob.shape.dim)


def array_to_blobproto(arr: Array, diff: Array | None = None) -> Any:
    """A BlobProto of an array, and of gradients."""
    blob = message_class("BlobProto")()
    blob.shape.dim.extend(arr.shape)
    blob.data.extend(np.asarray(arr, np.float32).ravel())
    if diff is not None:
        blob.diff.extend(np.asarray(diff, np.float32).ravel())
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[Array]) -> bytes:
    """The bytes of a BlobProtoVector of arrays."""
    vector = message_class("BlobProtoVector")()
    vector.blobs.extend(map(array_to_blobproto, arraylist))
    return bytes(vector.SerializeToString())


def blobprotovector_str_to_arraylist(data: bytes) -> list[Array]:
    """The arrays in the bytes of a BlobProtoVector."""
    return list(map(blobproto_to_array, message_class("BlobProtoVector").FromString(data).blobs))


def array_to_datum(arr: Array, label: int | None = None) -> Any:
    """A Datum of an array (C, H, W): bytes as they are, other numbers as floats."""
    if arr.ndim != 3:
        raise BadArgumentError(f"a Datum holds an array (C, H, W), not one of {text(arr.shape)}")
    datum = message_class("Datum")()
    datum.channels, datum.height, datum.width = arr.shape
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(np.asarray(arr, np.float32).ravel())
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: Any) -> Array:
    """The array (C, H, W) in a Datum."""
    values = np.frombuffer(datum.data, np.uint8) if len(datum.data) else np.array(datum.float_data, np.float32)
    return values.reshape(datum.channels, datum.height, datum.width)
