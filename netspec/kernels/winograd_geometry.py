"""Geometry of the calls of Winograd's convolution (see `geometry`), in the letters of `conv_geometry`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netspec.core.beside import Lens, Pieces, Products, Pull

if TYPE_CHECKING:
    from netspec.codegen.kinds import Clock, Code, Codes, Matrix


class TiledImage(NamedTuple):
    """An image (N, height, width, channels) cut into tiles of side x side pixels, one every `step` pixels."""

    height: int
    width: int
    pitch: int  # from one pixel to the next
    channels: int
    across: int  # tiles of a line of tiles
    tiles: int  # tiles of an image
    pad: int  # pixels before its place at which a tile begins
    side: int
    step: int
    code: Code  # the transform of tiles to frequencies, or of frequencies to tiles


class TiledImages(NamedTuple):
    """The image whose tiles are read, and that whose tiles are written."""

    source: TiledImage
    target: TiledImage


class FrequencyFilters(NamedTuple):
    """The weight (K, R, taps x taps) of a convolution, and its frequencies: for products, or summed for its gradient.

    The frequencies of a product are [frequency][group][column block][value][panel], as `conv.pack` has them; those of
    the gradient [frequency][group][R][M], with rows of whole vectors.
    """

    groups: int
    filters: int  # K, of all groups
    channels: int  # R
    area: int  # taps of a filter
    panel: int  # columns of a panel, or of a row of the M
    plane: int  # from one frequency to the next
    turned: int  # 0: a column is a filter, for forward; 1: a column is a channel, for backward to the bottom
    code: Code  # the transform


class FrequencyProducts(NamedTuple):
    """The products of each frequency, in every group: (tiles, R) with (R, M).

    For the weight's gradient they are (R, tiles) with (tiles, M).
    """

    frequencies: int
    plane: int  # from one frequency of the filters, or of the gradient, to the next
    groups: int
    channels: int  # R
    filters: int  # M
    panel: int  # columns of a panel of the M
    most: int  # rows of a register tile, at most; 0: the filters of a frequency stay in registers
    codes: Codes  # tiles of 0 to `most` rows for whole panels, then for the last panel; or the product of all rows


class FilterBlock(NamedTuple):
    """Some panels of a group's filters' frequencies, and the channels of theirs that are multiplied."""

    group: int
    first: int  # panel
    last: int  # one past the last
    begin: int  # channel of the group
    end: int  # one past the last
    deep: int  # rows from one panel to the next
    plane: int  # values from one frequency to the next
    afar: int  # 1 where they are prefetched


class Tiles(NamedTuple):
    """The tiles that a frequency is multiplied for."""

    frequency: int
    number: int  # of tiles
    room: int  # tiles that the planes of frequencies have room for


class Chunks(NamedTuple):
    """All tiles of all images, taken a chunk at a time."""

    tiles: int
    number: int  # chunks, all of about equally many tiles
    room: int  # tiles of a chunk, at most


class Chunk(NamedTuple):
    """Tiles that are taken together."""

    first: int
    last: int  # one past the last
    room: int  # tiles that the planes of frequencies have room for
    begins: int  # 1: the first chunk of those that are taken one after the other


class Coming(NamedTuple):
    """Pixels that are brought near while frequencies are multiplied, some with each frequency; in bytes."""

    address: int
    pitch: int  # from one pixel to the next
    size: int  # of a pixel; 0: nothing comes
    number: int  # pixels with each frequency


class Through(NamedTuple):
    """What tiles are seen through as they are read: a lens, a pull, or neither."""

    lens: Lens
    pull: Pull


class Asked(NamedTuple):
    """What BatchNorms beside ask of the tiles that are written."""

    moments: Pieces
    products: Products
    code: Code  # the transform that leaves it of whole tiles on its way
    along: int  # 1 where there is such a code


class TileScratch(NamedTuple):
    """Scratch of the parts in a step that takes its tiles from the images to the result."""

    near: Matrix  # (parts, planes): frequencies of the image that is read
    far: Matrix  # (parts, planes): frequencies of the image that is written
    outside: Matrix  # (1 + parts, channels): zeros that are read for pixels outside; then what each part writes outside
    table: Clock  # 0, then for each part TABLE words for the addresses of a tile's pixels


class FilterScratch(NamedTuple):
    """Scratch of the parts of a step that makes frequencies of filters and multiplies them at once."""

    turning: Matrix  # (parts, FILTERS_TURNED filters of vectors)
    places: Clock  # (parts * PLACES,): addresses of taps in it
    table: Clock  # begins with a 0
