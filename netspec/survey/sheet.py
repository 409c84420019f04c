"""A sheet of samples: images as a training sees them, in rows and columns with their classes, as one PNG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import UsageError
from netspec.core.outputs import writing
from netspec.data.dataset import Outputs
from netspec.survey.sets import Sample

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    Array = NDArray[Any]


class NoImagesError(UsageError):
    """Samples that are no images cannot be shown as a picture."""

    code = "NS667"


_TEXT, _GAP, _LEAST, _STORED = 12, 4, 56, 128
"""Pixels: the height of a line of text; between images; the least width and height of an image on the sheet; the
longer side of an image as it is stored, at most."""


def sheet(sample: Sample, number: int, columns: int, position: int = 0) -> Image:
    """The `number` samples from a position of a feed on; of data without a feed some from all over, as they are stored,
    but not larger than thumbnails.

    Raises NoImagesError, DataError.
    """
    from PIL import Image, ImageDraw

    images, labels = _samples(sample, number, position)
    names = sample.data.classes(1)
    tiles = [_picture(image) for image in images]
    if sample.feed is None:
        for tile in tiles:
            tile.thumbnail((_STORED, _STORED))
    width = max(max(tile.width for tile in tiles), _LEAST)
    height = max(tile.height for tile in tiles)
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    page = Image.new("RGB", (columns * (width + _GAP) + _GAP, rows * (height + _TEXT + _GAP) + _GAP), "white")
    draw = ImageDraw.Draw(page)
    for place, (tile, label) in enumerate(zip(tiles, labels, strict=True)):
        x, y = _GAP + place % columns * (width + _GAP), _GAP + place // columns * (height + _TEXT + _GAP)
        page.paste(tile, (x + (width - tile.width) // 2, y))
        draw.text((x, y + height), _said(label, names, width), fill="black")
    return page


def save(page: Image, path: Path) -> None:
    """Write a sheet as PNG. Raises WriteError."""
    with writing(path):
        page.save(path, format="PNG")


def _samples(sample: Sample, number: int, position: int) -> tuple[list[Array], list[Array | None]]:
    """The first output and the label of each sample."""
    import numpy as np

    number = min(number, len(sample.data))
    if sample.feed is not None:
        batch: Outputs = sample.feed.batch(position, number)
    else:
        spread = np.linspace(0, len(sample.data), number, endpoint=False).astype(np.int64)
        batch = sample.data.read((spread + position) % len(sample.data))
    x, *others = batch
    if len(x[0].shape) != 3 or x[0].shape[0] not in {1, 3, 4}:
        raise NoImagesError(
            "the samples are no images, so they cannot be shown", help="`netspec data stats` has numbers"
        )
    return list(x), list(others[0]) if others else [None] * number


def _picture(image: Array) -> Image:
    """An image (C, H, W) of any range as bytes, enlarged by a whole number where it is small."""
    import numpy as np
    from PIL import Image

    values = image[:3] if image.shape[0] >= 3 else np.repeat(image[:1], 3, axis=0)
    if values.dtype != np.uint8:
        least, most = float(values.min()), float(values.max())
        values = ((values - least) * (255 / (most - least) if most > least else 0.0)).round().astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(values.transpose(1, 2, 0)))
    times = max(1, _LEAST // max(picture.size))
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _said(label: Array | None, names: tuple[str, ...] | None, width: int) -> str:
    """A label in so many pixels: its class, of soft labels the two largest."""
    import numpy as np

    if label is None:
        return ""
    values = np.asarray(label)
    if values.ndim == 0:
        number = float(values)
        known = names is not None and number.is_integer() and 0 <= number < len(names)
        text = names[int(number)] if names is not None and known else f"{number:g}"
    elif names is not None and values.shape == (len(names),):
        first = np.argsort(-values)[:2]
        text = " ".join(f"{names[i]} {values[i]:.2f}" for i in first if values[i] > 0)
    else:
        text = " ".join(f"{value:.3g}" for value in values.flat[:3])
    text = _plain(text)
    most = max(4, width // 6)
    return text if len(text) <= most else text[: most - 2] + ".."


def _plain(text: str) -> str:
    """A text in the letters that Pillow's own font has: ASCII, so without accents; ? for a letter of other scripts."""
    import unicodedata

    apart = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(c if c.isascii() else "?" for c in apart if not unicodedata.combining(c))
