"""Makes a folder of 200 small PNGs in 4 classes, as the README trains on: bags, circles, crosses, trousers.

    python scripts/example_images.py shapes

Bags and trousers are of the bundled Fashion-MNIST images; circles and crosses are drawn, each at another place, size
and angle. Every machine makes the same pixels.
"""

from __future__ import annotations

import sys
from math import cos, pi, sin
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from netspec.core import rng
from netspec.data.sources.fashion_mnist import FashionMNIST

EACH, SIDE, FINE = 50, 28, 8
"""Images of a class; their height and width; how much larger drawings are before they are shrunk."""

BUNDLED = {"trousers": 1, "bags": 8}
"""The numbers of the classes that are taken from the bundled images."""


def drawn(kind: str, number: int) -> Image.Image:
    """A white circle or cross on black."""
    x, y, size, turn = (float(rng.uniform(1, f"{kind} {what}", np.array([number]))[0]) for what in "xyst")
    centre = (FINE * (10 + 8 * x), FINE * (10 + 8 * y))
    radius = FINE * (5 + 4 * size)
    page = Image.new("L", (FINE * SIDE, FINE * SIDE))
    draw = ImageDraw.Draw(page)
    if kind == "circles":
        draw.circle(centre, radius, outline=255, width=FINE * 2)
    else:
        for angle in (turn * pi / 2, (turn + 1) * pi / 2):
            across, down = radius * cos(angle), radius * sin(angle)
            ends = [(centre[0] - across, centre[1] - down), (centre[0] + across, centre[1] + down)]
            draw.line(ends, fill=255, width=FINE * 2)
    return page.resize((SIDE, SIDE), Image.Resampling.BOX)


def main(folder: Path) -> None:
    """Write all images below the folder."""
    data = FashionMNIST(split="train", subset=True).open(None)
    labels = data.labels(1)
    assert labels is not None
    for name, label in BUNDLED.items():
        places = np.flatnonzero(labels == label)[:EACH]
        for number, image in enumerate(data.read(places)[0]):
            _save(Image.fromarray(image[0]), folder, name, number)
    for name in ("circles", "crosses"):
        for number in range(EACH):
            _save(drawn(name, number), folder, name, number)


def _save(image: Image.Image, folder: Path, name: str, number: int) -> None:
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    image.save(place / f"{number:02}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "shapes"))
