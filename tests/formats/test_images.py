"""Images of each kind, written by Pillow or byte by byte, against Pillow's own reading and hand-worked numbers."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps

from netspec.formats.files import MissingDataError, UnreadableDataError, WrongFormatError, WrongSizeError
from netspec.formats.images import (
    HugeImageError,
    UndecodableImageError,
    decode,
    image_size,
    read_image,
    read_mask,
)

H, W = 16 * 3, 16 * 2
BLOCKS = np.kron(np.random.default_rng(0).integers(0, 256, (3, 2, 3)), np.ones((16, 16, 1))).astype(np.uint8)
WIDE = (np.arange(5 * 7) * 1871).reshape(5, 7).astype(np.uint16)
"""Values of 16 bits over the whole range, up to 63,614."""


def saved(path, image, **words):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **words)
    return path


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize(
    ("suffix", "words"), [("jpg", {"quality": 95}), ("png", {}), ("tif", {}), ("webp", {"lossless": True})]
)
def test_images_that_lie_on_their_side_are_turned_upright(tmp_path, suffix, words, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    path = saved(tmp_path / f"image.{suffix}", BLOCKS, exif=exif, **words)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    x = read_image(path, "rgb")
    np.testing.assert_array_equal(x.transpose(1, 2, 0), wanted)
    assert x.transpose(1, 2, 0).flags.c_contiguous and x.flags.writeable
    assert image_size(path) == x.shape[1:] == ((W, H) if turn > 4 else (H, W))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "gif", "ppm"])
def test_what_loses_nothing_is_read_as_it_was_written(tmp_path, suffix):
    few = np.where(BLOCKS > 127, 255, 0).astype(np.uint8)  # as many colours as a GIF holds
    x = read_image(saved(tmp_path / f"image.{suffix}", few), "rgb")
    np.testing.assert_array_equal(x.transpose(1, 2, 0), few)


def test_a_grey_image_has_as_many_channels_as_are_asked_for(tmp_path):
    path = saved(tmp_path / "grey.png", BLOCKS[..., 0])
    np.testing.assert_array_equal(read_image(path, "rgb"), [BLOCKS[..., 0]] * 3)
    np.testing.assert_array_equal(read_image(path, "gray"), BLOCKS[None, ..., 0])
    np.testing.assert_array_equal(read_image(path, "rgba")[3], np.full((H, W), 255))


def test_grey_is_the_luma(tmp_path):
    path = saved(tmp_path / "image.png", BLOCKS)
    luma = BLOCKS @ np.array([0.299, 0.587, 0.114])
    assert np.abs(read_image(path, "gray")[0] - luma).max() <= 0.51


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_become_eight(tmp_path, suffix):
    path = tmp_path / f"wide.{suffix}"
    if suffix == "pgm":
        path.write_bytes(b"P5 7 5 65535\n" + WIDE.astype(">u2").tobytes())
    else:
        saved(path, WIDE)
    x = read_image(path, "gray")
    np.testing.assert_array_equal(x[0], np.rint(WIDE / 257))
    assert x.dtype == np.uint8 and x.max() > 200
    mask = read_mask(path)
    np.testing.assert_array_equal(mask[0], WIDE)
    assert mask.dtype == np.uint16


def test_opacity_is_dropped_unless_it_is_asked_for(tmp_path):
    rgba = np.dstack([BLOCKS, BLOCKS[..., 0]])
    path = saved(tmp_path / "image.png", rgba)
    np.testing.assert_array_equal(read_image(path, "rgb").transpose(1, 2, 0), BLOCKS)
    np.testing.assert_array_equal(read_image(path, "rgba").transpose(1, 2, 0), rgba)


def test_a_palette_is_resolved_but_for_masks(tmp_path):
    numbers = np.array([[0, 1, 2], [2, 3, 255]], np.uint8)
    image = Image.fromarray(numbers).convert("P")
    image.putpalette([9, 8, 7, 60, 50, 40, 1, 2, 3, *[0] * 759])
    image.putdata(numbers.ravel().tolist())
    path = saved(tmp_path / "image.png", image, transparency=1)
    np.testing.assert_array_equal(read_image(path, "rgb")[:, 0], [[9, 60, 1], [8, 50, 2], [7, 40, 3]])
    np.testing.assert_array_equal(read_image(path, "rgba")[3, 0], [255, 0, 255])
    np.testing.assert_array_equal(read_mask(path), numbers[None])


def test_a_mask_of_two_tones(tmp_path):
    path = saved(tmp_path / "mask.png", Image.fromarray(BLOCKS[..., 0] > 127))
    np.testing.assert_array_equal(read_mask(path)[0], BLOCKS[..., 0] > 127)
    np.testing.assert_array_equal(read_image(path, "gray")[0], 255 * (BLOCKS[..., 0] > 127))


def test_a_mask_of_colours_says_so(tmp_path):
    with pytest.raises(WrongFormatError, match=r"no picture of labels: it has 3 channels") as caught:
        read_mask(saved(tmp_path / "mask.png", BLOCKS))
    assert "palette" in caught.value.help


def test_of_several_frames_the_first_counts(tmp_path):
    frames = [Image.fromarray(np.full((5, 7), tone, np.uint8)) for tone in (40, 200)]
    for name in ("image.gif", "image.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        assert (read_image(tmp_path / name, "gray") == 40).all()


def test_cmyk(tmp_path):
    image = Image.fromarray(BLOCKS).convert("CMYK")
    path = saved(tmp_path / "image.jpg", image, quality=95)
    np.testing.assert_array_equal(
        read_image(path, "rgb").transpose(1, 2, 0), np.asarray(Image.open(path).convert("RGB"))
    )


def test_the_content_counts_and_not_the_name(tmp_path):
    path = saved(tmp_path / "image.jpg", BLOCKS, format="PNG")
    np.testing.assert_array_equal(read_image(path, "rgb").transpose(1, 2, 0), BLOCKS)


def test_an_open_file_will_do():
    content = io.BytesIO()
    Image.fromarray(BLOCKS).save(content, "PNG")
    content.seek(0)
    np.testing.assert_array_equal(decode(content, "the input", "rgb").transpose(1, 2, 0), BLOCKS)


def png(width, height, data=b""):
    """A PNG of one channel whose pixels are these compressed bytes."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_a_small_file_that_would_fill_the_memory(tmp_path):
    for width in (10_000, 60_000):  # Pillow warns of the first, and refuses the second
        (tmp_path / "bomb.png").write_bytes(png(width, 10_000))
        for read in (lambda path: read_image(path, "rgb"), image_size, read_mask):
            with pytest.raises(HugeImageError, match=r"bomb.png' would fill the memory: it has more than 89,478,485 "):
                read(tmp_path / "bomb.png")


BROKEN = {
    "empty.png": (b"", WrongSizeError, "is empty"),
    "text.png": (b"this is a text, and no image\n", WrongFormatError, "is no image, whatever its name says"),
    "page.jpg": (b"<!DOCTYPE html><html>404 not found</html>", WrongFormatError, "is no image"),
    "head.jpg": (b"\xff\xd8\xff\xe0\0\x10JFIF\0", UndecodableImageError, "cannot be decoded"),
    "no_pixels.png": (png(7, 5, zlib.compress(b"\0\0")), UndecodableImageError, "truncated"),
    "no_zlib.png": (png(7, 5, b"never compressed"), UndecodableImageError, "cannot be decoded"),
    "drawing.svg.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", WrongFormatError, "is no image"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named(tmp_path, name):
    content, error, says = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=says) as caught:
        read_image(tmp_path / name, "rgb")
    assert f"{tmp_path / name}" in caught.value.message and caught.value.help
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "gif", "tif", "ppm"])
def test_an_image_cut_anywhere_is_an_error_or_an_image_of_its_size(tmp_path, suffix):
    """Never another exception; and never an image without its second half."""
    whole = saved(tmp_path / f"image.{suffix}", BLOCKS).read_bytes()
    path = tmp_path / f"cut.{suffix}"
    for cut in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:cut])
        with contextlib.suppress(UndecodableImageError, WrongFormatError, WrongSizeError):
            assert read_image(path, "rgb").shape == (3, H, W) and cut > len(whole) / 2


def test_numbers_of_32_bits_have_no_black_and_white(tmp_path):
    with pytest.raises(WrongFormatError, match="32 bits"):
        read_image(saved(tmp_path / "float.tif", WIDE.astype(np.float32)), "gray")


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(MissingDataError, match="there is no file"):
        read_image(tmp_path / "none.png", "rgb")
    with pytest.raises(UnreadableDataError, match="is a directory"):
        image_size(tmp_path)
