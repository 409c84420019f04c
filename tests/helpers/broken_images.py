"""Folders and lists of images, each wrong in its own way, for the transcripts of `tests/cli/broken/`."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (8, 6)


def make(folder: Path) -> None:
    """Write the folders and lists into a folder."""
    for name in ("sound", "truncated", "several", "zero_bytes", "text", "bomb", "float", "link", "sizes"):
        _photos(folder / name, "cat/1.jpg", "cat/2.jpg", "dog/1.jpg", "dog/2.jpg")
    for name, number in (("truncated", 2), ("several", 1), ("several", 2)):
        path = folder / name / f"dog/{number}.jpg"
        path.write_bytes(path.read_bytes()[:-60])
    (folder / "zero_bytes" / "cat" / "1.jpg").write_bytes(b"")
    (folder / "zero_bytes" / "cat" / "2.jpg").write_bytes(b"")
    (folder / "text" / "cat" / "a.png").write_text("no image at all")
    (folder / "bomb" / "cat" / "a.png").write_bytes(_png(60_000, 60_000))
    Image.fromarray(np.zeros(SIZE, np.float32)).save(folder / "float" / "cat" / "a.tif")
    (folder / "link" / "cat" / "3.jpg").symlink_to("../gone.jpg")
    _photos(folder / "sizes", "cat/3.jpg", size=(5, 7))
    _photos(folder / "several", "dog/3.jpg")
    _photos(folder / "one_class", "cat/1.jpg", "cat/2.jpg")
    _photos(folder / "empty_class", "cat/1.jpg", "dog/1.jpg")
    _photos(folder / "class_skipped", "cat/1.jpg", "dog/1.jpg")
    _photos(folder / "other", "cat/1.jpg", "cow/1.jpg", "dog/1.jpg")
    (folder / "class_skipped" / "dog" / "1.jpg").write_bytes(b"")
    for name in ("none", "empty_class/bird", "empty_class/cow"):
        (folder / name).mkdir()
    for name, values in (("mask", np.full(SIZE, 2)), ("label", np.full(SIZE, 3)), ("small", np.zeros((4, 6)))):
        Image.fromarray(values.astype(np.uint8)).save(folder / f"{name}.png")
    lists = {
        "sound": "sound/cat/1.jpg 0\nsound/dog/1.jpg 1\n",
        "no_label": "sound/cat/1.jpg 0\nsound/dog/1.jpg\n",
        "word": "sound/cat/1.jpg cat\nsound/dog/1.jpg dog\n",
        "uneven": "sound/cat/1.jpg 0 1\nsound/dog/1.jpg 1\n",
        "missing": "sound/cat/1.jpg 0\nsound/dog/7.jpg 1\n",
        "empty": "\n",
        "label": "sound/cat/1.jpg 0\nsound/dog/1.jpg 7\n",
        "masks": "sound/cat/1.jpg mask.png\nsound/dog/1.jpg label.png\n",
        "mask_colours": "sound/cat/1.jpg mask.png\nsound/dog/1.jpg sound/dog/1.jpg\n",
        "mask_size": "sound/cat/1.jpg mask.png\nsound/dog/1.jpg small.png\n",
    }
    for name, text in lists.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    (folder / "latin1.txt").write_bytes("sound/cat/1.jpg 0\nsound/Müller/1.jpg 1\n".encode("latin-1"))


def _photos(folder: Path, *names: str, size: tuple[int, int] = SIZE) -> None:
    """Write images whose pixels are told apart, of this height and width."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(path, quality=90)


def _png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is this large."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
