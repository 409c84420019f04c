"""Image files: JPEG, PNG, WebP, BMP, TIFF, GIF and PGM, decoded by Pillow to bytes (C, H, W).

What a file is, its content says, not its name. Of several frames or pages the first counts. An image that a camera
marks as lying on its side (EXIF) is turned upright. A palette is resolved, and 16 bits become 8: v / 257, rounded.
Transparency is dropped, as OpenCV and torchvision drop it, unless `color` is `rgba`. Grey is the luma of ITU-R 601.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from netspec.core.shape import counted
from netspec.formats.files import FileError, WrongFormatError, WrongSizeError, opened

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image as Picture

    Array = NDArray[Any]

Color = Literal["rgb", "bgr", "gray", "rgba"]

CHANNELS: dict[Color, int] = {"bgr": 3, "rgb": 3, "gray": 1, "rgba": 4}

_ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".pgm", ".ppm", ".pnm")

SUFFIXES = frozenset(_ENDINGS)
"""Endings, in lower case, of the files that a folder is searched for."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "PPM")
_MODES: dict[Color, str] = {"rgb": "RGB", "bgr": "RGB", "gray": "L", "rgba": "RGBA"}
_ORIENTATION = 0x0112
_TURNED = range(5, 9)
"""Orientations of EXIF that exchange height and width."""


class UndecodableImageError(FileError):
    """An image file is empty, cut short or damaged."""

    code = "NS626"


class HugeImageError(FileError):
    """An image would fill the memory: a small file may hold a picture of many gigabytes."""

    code = "NS627"


def read_image(path: Path, color: Color) -> Array:
    """The image in a file: bytes (C, H, W), a view of memory (H, W, C). Raises FileError."""
    with opened(path) as file:
        return decode(file, str(path), color)


def read_mask(path: Path) -> Array:
    """The numbers of classes in an image of one channel or of palette entries: (1, H, W), 8 or 16 bits wide.

    Raises FileError.
    """
    with opened(path) as file, _Decoding(str(path)):
        image = _open(file, str(path))
        turn = _orientation(image)
        image.load()
        mode = "L" if image.mode == "1" else image.mode
        if mode not in {"L", "P"} and not _sixteen(image):
            raise WrongFormatError(
                f"'{path}' is no picture of labels: it has {counted(len(image.getbands()), 'channel')}",
                help="a mask has one channel, or a palette, of the numbers of classes",
            )
        import numpy as np

        x = np.array(image if image.mode != "1" else image.convert("L"))
        x = x.astype(np.uint16) if x.dtype.itemsize > 1 else x // 255 if image.mode == "1" else x
        return _upright(x[..., None], turn).transpose(2, 0, 1)


def decode(file: BinaryIO, name: str, color: Color) -> Array:
    """The image in an open file: bytes (C, H, W), a view of memory (H, W, C). Raises FileError with this name."""
    import numpy as np
    from PIL import Image

    with _Decoding(name):
        image = _open(file, name)
        turn = _orientation(image)
        image.load()
        mode = _MODES[color]
        if _sixteen(image):
            wide = np.asarray(image).astype(np.uint32)
            image = Image.fromarray(((wide + 128) // 257).astype(np.uint8))
        elif image.mode in {"I", "F"}:
            raise WrongFormatError(
                f"'{name}' holds numbers of 32 bits, whose black and white nobody knows",
                help="save it with 8 or 16 bits",
            )
        if image.mode != mode:
            image = _converted(image, mode)
        pixels = image.tobytes("raw", "BGR") if color == "bgr" else image.tobytes()
        x = np.frombuffer(bytearray(pixels), np.uint8)
        return _upright(x.reshape(image.height, image.width, -1), turn).transpose(2, 0, 1)


def image_size(path: Path) -> tuple[int, int]:
    """(H, W) of the image in a file, as `read_image` gives it, of which only the head is read. Raises FileError."""
    with opened(path) as file, _Decoding(str(path)):
        image = _open(file, str(path))
        width, height = image.size
        return (width, height) if _orientation(image) in _TURNED else (height, width)


class _Decoding:
    """Within it, whatever Pillow raises about a broken file is a FileError about the file of this name.

    Its decoders raise errors of a dozen types, on bytes that no one foresaw.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        from PIL import Image, UnidentifiedImageError

        if error is None or isinstance(error, FileError | MemoryError) or not isinstance(error, Exception):
            return
        if isinstance(error, UnidentifiedImageError):
            raise WrongFormatError(
                f"'{self._name}' is no image, whatever its name says",
                help="JPEG, PNG, WebP, BMP, TIFF, GIF and PGM are read",
            ) from None
        if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
            most = Image.MAX_IMAGE_PIXELS or 0
            raise HugeImageError(
                f"'{self._name}' would fill the memory: it has more than {most:,} pixels",
                help="make it smaller, or leave it out",
            ) from None
        why = "its parts do not fit together" if isinstance(error, struct.error | KeyError | IndexError) else error
        raise UndecodableImageError(
            f"'{self._name}' cannot be decoded: {why}", help="it is cut short or damaged: fetch it again"
        ) from None


def _open(file: BinaryIO, name: str) -> Picture:
    """The image in a file whose head has been read. Raises what `_Decoding` takes for a FileError."""
    from PIL import Image

    if not file.read(1):
        raise WrongSizeError(f"'{name}' is empty", help="it is cut short: fetch it again")
    file.seek(0)
    image = Image.open(file, formats=_FORMATS)
    if Image.MAX_IMAGE_PIXELS is not None and image.width * image.height > Image.MAX_IMAGE_PIXELS:
        raise Image.DecompressionBombError
    return image


def _sixteen(image: Picture) -> bool:
    """Whether an image holds grey values of 16 bits; those of PGM come in a wider type."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")


def _converted(image: Picture, mode: str) -> Picture:
    """An image in another mode; where entries of its palette are transparent, by way of the one that has all."""
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert(mode)


def _orientation(image: Picture) -> int:
    """How an image lies, 1 to 8, as EXIF counts; Pillow turns a TIFF itself. Asked before the image is decoded."""
    if image.format == "TIFF" or (image.format == "PNG" and "exif" not in image.info):
        return 1  # PNG is decoded whole to look for it behind the image, where no camera writes it
    try:
        turn = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a broken note beside a sound image, as viewers take it
        return 1
    return turn if turn in range(1, 9) else 1


def _upright(x: Array, turn: int) -> Array:
    """An image (H, W, C) that lies as EXIF's orientation says, turned upright."""
    import numpy as np

    if turn == 1:
        return x
    x = x.transpose(1, 0, 2) if turn in _TURNED else x
    rows = turn in {3, 4, 7, 8}  # the top edge is at the bottom, or behind the exchange at the right
    columns = turn in {2, 3, 6, 7}
    return np.ascontiguousarray(x[:: -1 if rows else 1, :: -1 if columns else 1])
