"""Classifier and Detector: nets that take images (H, W, C), prepare them, and answer.

Source: Caffe python/caffe/classifier.py, detector.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.api.arguments import BadArgumentError
from netspec.caffe import io
from netspec.caffe.nets import TEST, Net

Array = np.ndarray[Any, Any]


class _Prepared(Net):
    """A net of phase TEST whose first input takes images, prepared by `transformer`."""

    def __init__(
        self,
        model_file: str | Path,
        pretrained_file: str | Path | None = None,
        mean: Any = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, phase=TEST, weights=pretrained_file)
        name = self.inputs[0]
        self.transformer = io.Transformer({name: self.blobs[name].shape})
        self.transformer.set_transpose(name, (2, 0, 1))
        if mean is not None:
            self.transformer.set_mean(name, mean)
        if input_scale is not None:
            self.transformer.set_input_scale(name, input_scale)
        if raw_scale is not None:
            self.transformer.set_raw_scale(name, raw_scale)
        if channel_swap is not None:
            self.transformer.set_channel_swap(name, channel_swap)

    def _answers(self, images: Iterable[Array]) -> Array:
        """The first output for images, each prepared."""
        name = self.inputs[0]
        given = np.array([self.transformer.preprocess(name, image) for image in images])
        return self.forward_all(**{name: given})[self._answer]

    @property
    def _answer(self) -> str:
        """The first output that is no input."""
        return next(name for name in self.outputs if name not in self.inputs)


class Classifier(_Prepared):
    """A net that says the classes of images, by default by the mean over ten windows of each."""

    def __init__(
        self,
        model_file: str | Path,
        pretrained_file: str | Path | None = None,
        image_dims: Sequence[int] | None = None,
        mean: Any = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
    ) -> None:
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].shape[2:])
        self.image_dims = np.array(self.crop_dims if image_dims is None else image_dims)

    def predict(self, inputs: Iterable[Array], oversample: bool = True) -> Array:
        """The scores (N, classes) of images (H, W, C), of their ten windows or of the middle alone."""
        images = [io.resize_image(image, self.image_dims) for image in inputs]
        if not images:
            raise BadArgumentError("there are no images to predict")
        if oversample:
            scores = self._answers(io.oversample(images, self.crop_dims))
            return np.asarray(scores.reshape(len(images), 10, -1).mean(1))
        top, left = ((self.image_dims - self.crop_dims) / 2).astype(int)
        high, wide = self.crop_dims
        return self._answers(image[top : top + high, left : left + wide] for image in images)


class Detector(_Prepared):
    """A net that scores windows of images, each with `context_pad` pixels of its surroundings in the net's input."""

    def __init__(
        self,
        model_file: str | Path,
        pretrained_file: str | Path | None = None,
        mean: Any = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int = 0,
    ) -> None:
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap)
        self.context_pad = context_pad

    def detect_windows(
        self, images_windows: Iterable[tuple[str | Path, Iterable[Sequence[int]]]]
    ) -> list[dict[str, Any]]:
        """The scores of windows (ymin, xmin, ymax, xmax) of image files, as {window, prediction, filename}."""
        crops, found = [], []
        for filename, windows in images_windows:
            image = io.load_image(filename)
            for window in windows:
                crops.append(self.crop(image, window))
                found.append({"window": window, "filename": filename})
        if not found:
            raise BadArgumentError("there are no windows to detect in")
        return [one | {"prediction": scores} for one, scores in zip(found, self._answers(crops), strict=True)]

    def crop(self, im: Array, window: Sequence[int]) -> Array:
        """A window of an image; with its surroundings in the size of the net's input, and the mean beyond the image."""
        top, left, bottom, right = map(int, window)
        if not self.context_pad:
            return im[top:bottom, left:right]
        size = np.array(self.blobs[self.inputs[0]].shape[2:])
        middle = np.array([top + bottom, left + right]) / 2
        half = np.array([bottom - top, right - left]) / 2 * size / (size - 2 * self.context_pad)
        begin, end = np.round(middle - half).astype(int), np.round(middle + half).astype(int)
        inner = np.maximum(begin, 0), np.minimum(end, im.shape[:2])
        scale = size / (end - begin)
        at = np.round((inner[0] - begin) * scale).astype(int)
        wanted = np.maximum(np.minimum(np.round((inner[1] - inner[0]) * scale).astype(int), size - at), 1)
        crop = np.tile(self._beyond(im.shape[2]), (*size, 1))
        part = im[inner[0][0] : inner[1][0], inner[0][1] : inner[1][1]]
        crop[at[0] : at[0] + wanted[0], at[1] : at[1] + wanted[1]] = io.resize_image(part, wanted)
        return crop

    def _beyond(self, channels: int) -> Array:
        """The pixel that becomes 0 in the net's input: the mean, in the channels and the scale of images."""
        name, transformer = self.inputs[0], self.transformer
        mean = transformer.mean.get(name, np.zeros((channels, 1, 1), np.float32)).mean((1, 2))
        order = transformer.channel_swap.get(name, tuple(range(channels)))
        return np.asarray(mean[np.argsort(order)] / np.float32(transformer.raw_scale.get(name, 1)))
