"""ImageData reads the images of a list in Caffe's order of channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.data.feed import open_feed
from tests.helpers.checks import make_layer

FIELDS = {"type": "ImageData", "top": ["data", "label"], "batch_size": 2}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for name, shape, seed in (("a b", (6, 5, 3), 1), ("c", (6, 5, 3), 2), ("d", (8, 9, 3), 3)):
        pixels = (np.random.default_rng(seed).random(shape) * 256).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    (folder / "list.txt").write_text("a b.png 4\nc.png 2\n")
    (folder / "uneven.txt").write_text("a b.png 4\nd.png 2\n")
    return folder


def test_images_are_blue_green_red(source: Path) -> None:
    layer = make_layer(**FIELDS, source=str(source / "list.txt"), transform_param={"mean_value": [1, 2, 3]})
    assert layer.top_shapes(()) == ((2, 3, 6, 5), (2,))
    data, label = open_feed(layer.brings, "TRAIN", 1).batch(0, 2)
    assert label.tolist() == [4, 2]
    for x, name in zip(data, ("a b", "c"), strict=True):
        pixels = np.asarray(Image.open(source / f"{name}.png")).astype(np.float32)
        np.testing.assert_array_equal(x, pixels.transpose(2, 0, 1)[::-1] - np.array([1, 2, 3])[:, None, None])


def test_grey_and_resized(source: Path) -> None:
    layer = make_layer(**FIELDS, source=str(source / "uneven.txt"), is_color=False, new_height=4, new_width=3)
    assert layer.top_shapes(()) == ((2, 1, 4, 3), (2,))
    data, _ = open_feed(layer.brings, "TEST", 1).batch(0, 2)
    for x, name in zip(data, ("a b", "d"), strict=True):
        grey = Image.open(source / f"{name}.png").convert("L")
        wanted = np.asarray(grey.resize((3, 4), Image.Resampling.BILINEAR)).astype(np.float32)
        np.testing.assert_allclose(x[0], wanted, atol=1)


def test_resized_as_in_caffe(source: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    fields = {"new_height": 4, "new_width": 3, "smooth": False}
    layer = make_layer(**FIELDS, source=str(source / "uneven.txt"), **fields)
    data, _ = open_feed(layer.brings, "TEST", 1).batch(0, 2)
    for x, name in zip(data, ("a b", "d"), strict=True):
        wanted = cv2.resize(cv2.imread(str(source / f"{name}.png")), (3, 4))
        np.testing.assert_array_equal(x, wanted.transpose(2, 0, 1))


def test_what_is_wrong(source: Path) -> None:
    with pytest.raises(ValidationError, match="belong together"):
        make_layer(**FIELDS, source="x", new_height=4)
    with pytest.raises(ShapeError, match="the images differ in size"):
        make_layer(**FIELDS, source=str(source / "uneven.txt")).top_shapes(())
    cut = make_layer(**FIELDS, source=str(source / "uneven.txt"), transform_param={"crop_size": 4})
    assert cut.top_shapes(()) == ((2, 3, 4, 4), (2,))
