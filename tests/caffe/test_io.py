"""caffe.io: images, what is done to them, and Caffe's messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import netspec.caffe as caffe
from netspec.core.errors import NetspecError


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (7, 5, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    np.save(tmp_path / "pixels.npy", pixels)
    return tmp_path / "picture.png"


def test_images(picture: Path) -> None:
    pixels = np.load(picture.with_name("pixels.npy"))
    image = caffe.io.load_image(picture)
    assert image.dtype == np.float32 and image.shape == (7, 5, 3)
    np.testing.assert_allclose(image, pixels / 255, rtol=1e-6)
    assert caffe.io.load_image(str(picture), color=False).shape == (7, 5, 1)


def test_resize() -> None:
    """Half of each length is the mean of 2 by 2 pixels; a slope stays one away from the edges."""
    image = np.random.default_rng(2).random((6, 8, 3))
    half = caffe.io.resize_image(image, (3, 4))
    np.testing.assert_allclose(half, image.reshape(3, 2, 4, 2, 3).mean((1, 3)), rtol=1e-5)
    slope = np.broadcast_to(np.arange(5.0)[:, None, None], (5, 4, 2))
    np.testing.assert_allclose(
        caffe.io.resize_image(slope, (10, 4))[:, 0, 0], [0, *np.arange(0.25, 4, 0.5), 4], rtol=1e-6
    )
    np.testing.assert_array_equal(caffe.io.resize_image(image, (12, 8), 0)[::2], image.astype(np.float32))
    with pytest.raises(NetspecError, match="order 3"):
        caffe.io.resize_image(image, (3, 4), 3)


def test_oversample() -> None:
    image = np.arange(6 * 5 * 2, dtype=np.float32).reshape(6, 5, 2)
    crops = caffe.io.oversample([image, image + 100], (4, 2))
    assert crops.shape == (20, 4, 2, 2)
    for number, (top, left) in enumerate([(0, 0), (0, 3), (2, 0), (2, 3), (1, 1)]):
        window = image[top : top + 4, left : left + 2]
        np.testing.assert_array_equal(crops[number], window)
        np.testing.assert_array_equal(crops[number + 5], window[:, ::-1])
        np.testing.assert_array_equal(crops[number + 10], window + 100)


def test_the_order_of_what_a_transformer_does() -> None:
    made = caffe.io.Transformer({"data": (4, 3, 5, 6)})
    made.set_transpose("data", (2, 0, 1))
    made.set_channel_swap("data", (2, 1, 0))
    made.set_raw_scale("data", 255)
    made.set_mean("data", [104, 117, 123])
    made.set_input_scale("data", 0.5)
    image = np.random.default_rng(3).random((5, 6, 3)).astype(np.float32)
    found = made.preprocess("data", image)
    wanted = [
        [[(image[y, x, 2 - c] * 255 - (104, 117, 123)[c]) / 2 for x in range(6)] for y in range(5)] for c in range(3)
    ]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(made.deprocess("data", found[None]), image, rtol=1e-4, atol=1e-5)
    assert made.preprocess("data", np.zeros((10, 12, 3))).shape == (3, 5, 6)
    made.set_mean("data", np.ones((3, 10, 12)))
    assert made.mean["data"].shape == (3, 5, 6) and (made.mean["data"] == 1).all()
    bad: list[tuple[Any, ...]] = [
        (made.set_mean, "data", [1, 2]),
        (made.set_mean, "data", np.ones((4, 5, 6))),
        (made.set_transpose, "data", (1, 0)),
        (made.set_channel_swap, "data", (1, 0)),
        (made.preprocess, "label", image),
    ]
    for call, *words in bad:
        with pytest.raises(NetspecError):
            call(*words)


def test_messages() -> None:
    arr = np.random.default_rng(4).random((2, 3, 4)).astype(np.float32)
    blob = caffe.io.array_to_blobproto(arr, 2 * arr)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob), arr)
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(blob, return_diff=True), 2 * arr)
    old = caffe.proto.caffe_pb2.BlobProto(num=1, channels=2, height=3, width=4, data=arr.ravel().tolist())
    np.testing.assert_array_equal(caffe.io.blobproto_to_array(old), arr[None])
    data = caffe.io.arraylist_to_blobprotovector_str([arr, arr[0]])
    first, second = caffe.io.blobprotovector_str_to_arraylist(data)
    np.testing.assert_array_equal(first, arr)
    np.testing.assert_array_equal(second, arr[0])
    for pixels in (arr, np.arange(24, dtype=np.uint8).reshape(2, 3, 4)):
        datum = caffe.io.array_to_datum(pixels, 7)
        assert datum.label == 7 and (datum.channels, datum.height, datum.width) == (2, 3, 4)
        np.testing.assert_array_equal(caffe.io.datum_to_array(datum), pixels)
    with pytest.raises(NetspecError, match="holds an array"):
        caffe.io.array_to_datum(arr[0])
