import gzip
import struct

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def write_idx(tmp_path):
    """Writes an idx file by hand: the type byte, the shape, the bytes of the values."""

    def write(name: str, shape: tuple[int, ...], values: bytes, kind: int = 0x08, packed: bool = False):
        data = bytes([0, 0, kind, len(shape)]) + b"".join(struct.pack(">i", size) for size in shape) + values
        path = tmp_path / name
        path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
        return path

    return write


@pytest.fixture
def write_images():
    """Writes small PNG files of bytes: a mapping of paths below a folder to (H, W), each with pixels of its own."""

    def write(folder, files):
        for number, (name, size) in enumerate(files.items()):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels(number, size)).save(path)
        return folder

    return write


def pixels(number, size):
    """The pixels of image `number`, (H, W, 3)."""
    return (np.arange(size[0] * size[1] * 3) * 7 + 31 * number).astype(np.uint8).reshape(*size, 3)
