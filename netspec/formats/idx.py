"""Idx: the format of MNIST, raw or gzipped.

A file is two zero bytes, a type byte, the number of axes, each axis as a big-endian int32, then the values in row-major
order.
Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from netspec.core.shape import Shape, count, counted, text
from netspec.formats.files import BrokenGzipError, Watched, WrongFormatError, WrongSizeError, check_size, opened
from netspec.formats.rows import Rows, open_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


_GZIP = b"\x1f\x8b"


_CHUNK = 2**24


_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> tuple[Array | Rows, Watched]:
    """The array in an idx file, and the file: rows of a large raw file are read as they are asked for.

    Raises WrongFormatError, WrongSizeError, BrokenGzipError.
    """
    import numpy as np

    with opened(path) as file:
        size, watched = os.fstat(file.fileno()).st_size, Watched(path, file)
        if _starts(file, _GZIP):
            try:
                with gzip.open(file) as stream:
                    dtype, shape, wanted = _header(stream, path)
                    data = _unpacked(stream, wanted + 1)
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                raise BrokenGzipError(
                    f"'{path}' does not unpack: {error}", help="the copy is damaged: fetch it again"
                ) from None
            check_size(path, len(data), wanted, f"after its header, which says {text(shape)}")
            return np.frombuffer(data, dtype).reshape(shape), watched
        dtype, shape, wanted = _header(file, path)
        check_size(path, size - file.tell(), wanted, f"after its header, which says {text(shape)}")
        kind = np.dtype(dtype)
        return (open_rows(watched, file.tell(), shape, kind) if wanted else np.empty(shape, kind)), watched


def _starts(file: BinaryIO, magic: bytes) -> bool:
    begins = file.read(len(magic)) == magic
    file.seek(0)
    return begins


def _unpacked(stream: gzip.GzipFile, most: int) -> bytes:
    """The rest of a stream, up to `most` bytes; a header that lies about its size reserves no memory."""
    pieces: list[bytes] = []
    while most and (piece := stream.read(min(most, _CHUNK))):
        pieces.append(piece)
        most -= len(piece)
    return b"".join(pieces)


def _header(file: Any, path: Path) -> tuple[str, Shape, int]:
    """(type, shape, bytes of the values that follow)."""
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in _TYPES or not 0 < head[3] <= 32:
        raise WrongFormatError(
            f"'{path}' is not an idx file: it begins with {head.hex(' ') or 'nothing'}",
            help="an idx file begins with 00 00, a type (08 for bytes) and the number of axes",
        )
    axes = file.read(4 * head[3])
    check_size(path, 4 + len(axes), 4 + 4 * head[3], f"of header, for {counted(head[3], 'axis', 'axes')}")
    shape = tuple(int.from_bytes(axes[i : i + 4], "big") for i in range(0, len(axes), 4))
    dtype = _TYPES[head[2]]
    if 0 in shape and math.prod(filter(None, shape)) >= 2**60:
        raise WrongSizeError(f"'{path}' says that it holds {text(shape)}, more than any machine", help="it is damaged")
    return dtype, shape, count(shape) * int(dtype[2])
