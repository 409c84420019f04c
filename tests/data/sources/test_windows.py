"""Windows of images against a slow definition in the words of Caffe's layer; the order of batches; and broken lists."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from netspec.data.sources.base import EmptyDataError
from netspec.data.sources.windows import WindowLineError, WindowMeanError, Windows, placed
from netspec.formats.blob_proto import write_blob
from netspec.formats.files import MissingDataError

LIST = """# 0
a.png
3
20
30
4
1 0.9 2 3 9 12
2 0.5 0 0 29 19
1 0.1 5 5 9 9
0 0.0 10 2 25 17
# 1
b.png
3
16
12
2
3 1 0 4 6 15
2 0.3 1 1 5 8
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("windows")
    for name, shape, seed in (("a", (20, 30, 3), 1), ("b", (16, 12, 3), 2)):
        pixels = (np.random.default_rng(seed).random(shape) * 256).astype(np.uint8)
        Image.fromarray(pixels).save(path / f"{name}.png")
    (path / "list.txt").write_text(LIST)
    return path


def c_round(value: float) -> int:
    """C's round: halves go away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def slow(image: np.ndarray, corners: list[int], size: int, pad: int, square: bool) -> tuple[np.ndarray, np.ndarray]:
    """The window (size, size, 3) with zeros where it shows no image, and where it does, as Caffe's text walks it."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = corners
    if pad or square:
        scale = size / (size - 2 * pad)
        half_height, half_width = (y2 - y1 + 1) / 2, (x2 - x1 + 1) / 2
        center_x, center_y = x1 + half_width, y1 + half_height
        if square:
            half_height = half_width = max(half_height, half_width)
        x1, x2 = (c_round(v) for v in (center_x - half_width * scale, center_x + half_width * scale))
        y1, y2 = (c_round(v) for v in (center_y - half_height * scale, center_y + half_height * scale))
    unclipped_height, unclipped_width = y2 - y1 + 1, x2 - x1 + 1
    pad_x1, pad_y1, pad_x2, pad_y2 = max(0, -x1), max(0, -y1), max(0, x2 - width + 1), max(0, y2 - height + 1)
    x1, x2, y1, y2 = x1 + pad_x1, x2 - pad_x2, y1 + pad_y1, y2 - pad_y2
    scale_x, scale_y = size / unclipped_width, size / unclipped_height
    inner_width, inner_height = (
        int(np.floor((b - a + 1) * scale + 0.5)) for a, b, scale in ((x1, x2, scale_x), (y1, y2, scale_y))
    )
    left, top = int(np.floor(pad_x1 * scale_x + 0.5)), int(np.floor(pad_y1 * scale_y + 0.5))
    inner_height, inner_width = min(inner_height, size - top), min(inner_width, size - left)
    part = Image.fromarray(image[y1 : y2 + 1, x1 : x2 + 1]).resize(
        (inner_width, inner_height), Image.Resampling.BILINEAR
    )
    window, shown = np.zeros((size, size, 3)), np.zeros((size, size), bool)
    window[top : top + inner_height, left : left + inner_width] = np.asarray(part)
    shown[top : top + inner_height, left : left + inner_width] = True
    return window, shown


@pytest.mark.parametrize("square", [False, True])
@pytest.mark.parametrize("pad", [0, 2])
def test_windows_are_those_of_a_slow_definition(folder: Path, pad: int, square: bool) -> None:
    mode = "square" if square else "warp"
    spec = Windows(file="list.txt", size=9, context_pad=pad, crop_mode=mode, mean=(1.0, 20.0, 30.0), fg_fraction=0.5)
    data = spec.open(folder).in_batches(4)
    x, labels = data.read(np.arange(len(data)))
    partial = 0
    for i in range(len(data)):
        image, label, _, *corners = data.windows[data.window(i)].astype(int).tolist()
        pixels = np.asarray(Image.open(folder / data.images[image]))
        window, shown = slow(pixels, corners, 9, pad, square)
        wanted = (window - [30, 20, 1]) * shown[..., None]
        np.testing.assert_array_equal(x[i], wanted.transpose(2, 0, 1)[::-1])
        partial += not shown.all()
        assert labels[i] == label
    assert x.dtype == np.float32 and bool(partial) == (pad > 0 or square)


def test_a_batch_is_background_then_objects_and_an_epoch_shows_all_background(folder: Path) -> None:
    data = Windows(file="list.txt", size=5, fg_fraction=0.4).open(folder).in_batches(5)
    assert data.ordered and len(data) == 5 and len(data) % 5 == 0  # three windows of background in one batch
    _, labels = data.read(np.arange(5))
    assert labels[:3].tolist() == [0, 0, 0] and (labels[3:] > 0).all()
    data = Windows(file="list.txt", size=5, fg_fraction=0.5, seed=3).open(folder).in_batches(2)
    windows = [data.window(i) for i in range(len(data))]
    assert sorted(windows[::2]) == [2, 3, 5] and sorted(windows[1::2]) == [0, 1, 4]
    other = Windows(file="list.txt", size=5, fg_fraction=0.5, seed=4).open(folder).in_batches(2)
    assert windows != [other.window(i) for i in range(len(other))]
    assert data.name(windows.index(5)) == "window 1, 1, 5, 8 of b.png"
    assert "2 images, 3 of objects, 3 of background, 3x5x5" in data.describe()


def test_the_middle_of_a_mean_is_subtracted(folder: Path) -> None:
    mean = np.arange(3 * 8 * 7, dtype=np.float32).reshape(1, 3, 8, 7)
    write_blob(folder / "mean.binaryproto", mean)
    plain, less = (
        Windows(file="list.txt", size=5, mean_file=file).open(folder).in_batches(2).read(np.arange(2))[0]
        for file in (None, "mean.binaryproto")
    )
    np.testing.assert_array_equal(plain - less, np.broadcast_to(mean[0, :, 1:6, 1:6], (2, 3, 5, 5)))
    with pytest.raises(WindowMeanError, match="the mean is 3x8x7, windows are 3x8x8"):
        Windows(file="list.txt", size=8, mean_file="mean.binaryproto").open(folder)


def test_context_is_worked_by_hand() -> None:
    spec = Windows(file="x", size=10, context_pad=2)
    # a window of 6x6 pixels gets 6 of the 10; its context is 2 on each side, and 1 of them lies beyond the left edge
    place = placed(spec, np.array([1.0, 4.0, 6.0, 9.0]), (30, 30))
    assert (place.x1, place.x2, place.y1, place.y2) == (0, 10, 2, 13)
    assert (place.left, place.width, place.top, place.height) == (1, 9, 0, 10)


@pytest.mark.parametrize(
    ("error", "text", "said"),
    [
        (EmptyDataError, "", "names no windows"),
        (WindowLineError, "a.png\n", "line 1 of .* is 'a.png', where `# NUMBER`"),
        (WindowLineError, "# 0\n", "ends where the path of an image should follow"),
        (WindowLineError, LIST[:-12], "ends where|should stand"),
        (WindowLineError, LIST.replace("1 0.9 2 3 9 12", "1 0.9 2 3 9"), "line 7 of .*`class overlap x1 y1 x2 y2`"),
        (WindowLineError, LIST.replace("20\n30", "20\nwide"), "line 5 of .* is 'wide', where width"),
        (WindowLineError, LIST.replace("3\n20", "4\n20"), "has 4 channels, not 1 or 3"),
        (
            EmptyDataError,
            LIST.replace(" 0.9 ", " 0.2 ").replace(" 0.5 ", " 0.2 ").replace("3 1 ", "3 0 "),
            "of objects",
        ),
    ],
)
def test_broken_lists(folder: Path, tmp_path: Path, error, text: str, said: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(error, match=said):
        Windows(file="list.txt", size=5).open(tmp_path).in_batches(4)


def test_missing_images_and_windows_beside_them(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="there is no file"):
        Windows(file="nowhere.txt", size=5).open(tmp_path)
    (tmp_path / "list.txt").write_text(LIST)
    with pytest.raises(MissingDataError, match=r"[ab]\.png"):
        Windows(file="list.txt", size=5).open(tmp_path).in_batches(4).read(np.array([0]))
    (tmp_path / "list.txt").write_text("# 0\na.png\n3\n20\n30\n1\n0 0 40 2 50 9\n")
    with pytest.raises(
        WindowLineError, match=r"window 40, 2, 50, 9 of a\.png shows nothing of the image, which is 20x30"
    ):
        Windows(file="list.txt", size=5, root=str(folder), fg_fraction=0).open(tmp_path).in_batches(1).read(
            np.array([0])
        )


@pytest.mark.parametrize("word", ["inf", "nan", "1e999"])
@pytest.mark.parametrize("line", ["3\n", "2 0.9"])
def test_numbers_that_are_not_finite(folder: Path, word: str, line: str) -> None:
    number, rest = line[0], line[1:]
    text = "# 0\na.png\n3\n20\n30\n2\n2 0.9 1 1 5 5\n0 0.1 2 2 7 7\n"
    assert f"\n{number}{rest}" in text
    (folder / "bad.txt").write_text(text.replace(f"\n{number}{rest}", f"\n{word}{rest}", 1))
    with pytest.raises(WindowLineError, match=word):
        Windows(file="bad.txt", size=4).open(folder)


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (5, "inf"),
        (5, "-1"),
        (5, "2.5"),
        (6, "nan 0.9 2 3 9 12"),
        (6, "-1 0.9 2 3 9 12"),
        (6, "1.5 0.9 2 3 9 12"),
        (6, "1 0.9 2 3 inf 12"),
        (6, "1 0.9 2 3 1 12"),
        (6, "1 0.9 2 3 9 2"),
    ],
)
def test_numbers_that_no_window_has(tmp_path, line, text):
    lines = LIST.splitlines()
    lines[line] = text
    (tmp_path / "list.txt").write_text("\n".join(lines))
    with pytest.raises(WindowLineError, match=f"line {line + 1} of"):
        Windows(file="list.txt", size=9).open(tmp_path)


@pytest.mark.parametrize("pad", [5, 6])
def test_context_that_leaves_nothing(pad):
    Windows(file="x", size=10, context_pad=4)
    with pytest.raises(ValidationError, match="leaves nothing"):
        Windows(file="x", size=10, context_pad=pad)
