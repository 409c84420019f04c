import gzip
import struct

import pytest


@pytest.fixture
def write_idx(tmp_path):
    """Writes an idx file by hand: the type byte, the shape, the bytes of the values."""

    def write(name: str, shape: tuple[int, ...], values: bytes, kind: int = 0x08, packed: bool = False):
        data = bytes([0, 0, kind, len(shape)]) + b"".join(struct.pack(">i", size) for size in shape) + values
        path = tmp_path / name
        path.write_bytes(gzip.compress(data, mtime=0) if packed else data)
        return path

    return write
