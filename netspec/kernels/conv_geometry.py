"""Geometry of convolution's calls: direct, of volumes, and depthwise. See `geometry`.

Letters: N images, C channels of the image that is read, K channels of the image that is written (as many as filters);
in each group R channels are read and M written. Images lie as (N, height, width, channels). Sizes are in values
(numbers of an array) unless said otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from netspec.core.beside import Lens, Pieces, Products, Pull

if TYPE_CHECKING:
    from netspec.codegen.kinds import Clock, Code

# --- direct convolution


class Filters(NamedTuple):
    """The weight (K, R, area) of a convolution, and the panels it is packed into."""

    groups: int
    filters: int  # K, of all groups
    channels: int  # R
    area: int  # taps of a filter: its height times its width
    panel: int  # columns of a panel
    turned: int  # 0: a column is a filter, for forward; 1: a column is a channel, for backward to the bottom


class Windows(NamedTuple):
    """The windows of a pass in the images (N, height, width, ...) that it reads.

    A window's taps meet `runs` contiguous runs of the image. Lines are written in blocks, whose sources are copied
    where they need padding.
    """

    images: int  # N
    height: int
    width: int
    pitch: int  # from one pixel to the next
    groups: int
    channels: int  # R
    top: int  # line at which the windows of the first line written begin; negative in the padding
    left: int  # column at which the first window of a line begins
    stride_y: int  # lines from a window to the next
    stride_x: int  # columns from a window to the next
    extent: int  # lines from the first of a window to its last
    reach: int  # columns from the first of a line's first window to the last of its last
    copied: int  # 1 where windows reach out of the image: then lines are copied to scratch with the padding around them
    runs: int
    run: int  # values of a run
    lines: int  # lines of windows in an image
    block: int  # lines that are written at a time


class Target(NamedTuple):
    """Pixels that a pass writes in images (N, height, width, ...): every stride-th pixel from its first place on."""

    height: int
    width: int
    pitch: int  # from one pixel to the next
    stride_y: int  # lines from one written line to the next
    stride_x: int
    place_y: int  # the first line that is written
    place_x: int
    channels: int  # M


class Pixels(NamedTuple):
    """A convolution with filters of one tap, as a product of rows, which are pixels, with the weight.

    A part multiplies some blocks of pixels with some panels of the weight.
    """

    pitch: int  # from one pixel of the source to the next
    channels: int  # R
    out_pitch: int  # from one pixel of the result to the next
    filters: int  # M
    deep: int  # channels that are multiplied at a time
    group: int  # panels that stay near while all blocks of pixels are multiplied with them
    shares: int  # parts that share the panels of a block of pixels
    read_apart: int  # 1 where the pixels that are read lie apart
    sent: int  # 1 where the result goes through scratch to pixels that lie apart


class Around(NamedTuple):
    """How a product of pixels sees its source, and what it leaves of its result: forward, or backward to the bottom."""

    lens: Lens
    pull: Pull
    moments: Pieces
    products: Products


class Apart(NamedTuple):
    """Pixels (N, lines, columns) that lie apart: every stride-th of images (N, height, width)."""

    lines: int
    columns: int
    height: int
    width: int
    stride_y: int
    stride_x: int


class Sending(NamedTuple):
    """Backward to the bottom by scattering: every pixel of dy adds to a padded image.

    dy is (N, lines, columns, K). The padded image (tall, wide, C) lies around that of dx (N, height, width, C).
    """

    images: int  # N
    lines: int
    columns: int
    filters: int  # K
    pitch: int  # from one pixel of dy to the next
    height: int  # of dx (N, height, width, C)
    width: int
    channels: int  # C
    pad_y: int  # lines of the padded image above that of dx
    pad_x: int
    stride_y: int
    stride_x: int
    dilation: int  # lines between a filter's lines of taps
    taps: int  # lines of taps
    run: int  # values that a line of taps sends to
    tall: int  # lines of the padded image
    wide: int  # columns of the padded image


class Diff(NamedTuple):
    """The top's diff as the weight's gradient reads it, in lines of `width` pixels."""

    width: int
    pitch: int  # from one pixel to the next
    channels: int  # M
    shares: int  # parts that share the rows of a piece


class PixelGradient(NamedTuple):
    """The weight's gradient for filters of one tap, as a product over all pixels of dy."""

    pixels: int
    pitch: int  # of x, from one pixel to the next
    diff_pitch: int  # of dy, from one pixel to the next
    channels: int  # C
    down: int  # parts that share the rows of a piece, which are dy's filters
    across: int  # parts that share its columns, which are x's channels
    deep: int  # pixels that are multiplied at a time
    row: int  # from one pixel to the next where dy's are copied
    wide: int  # from one row of a piece to the next
    apart: int  # 1 where pixels of x lie apart


class BothPixels(NamedTuple):
    """Both gradients for filters of one tap, as products of the same blocks of dy's pixels."""

    product: PixelGradient
    out_pitch: int  # of dx, from one pixel to the next
    filters: int  # K
    blocks: int  # blocks of rows of dx that make a block of pixels


# --- convolution of volumes by planes


class Volume(NamedTuple):
    """A volume (N, channels, D, pixels), and the planes that the taps of its leading axes meet."""

    images: int  # N
    groups: int
    channels: int  # of a group
    depth: int  # planes of the volume, D
    pixels: int  # of a plane
    places: int  # windows along the leading axes
    taps: int  # along the leading axes


# --- windows as channels, and windows with filters of their own


class Columns(NamedTuple):
    """Windows along the last axis of planes, which have some lines of a width each."""

    lines: int  # of a plane
    width: int
    places: int  # windows along the leading axes
    windows: int  # along the last axis
    taps: int  # along the last axis
    stride: int
    pad: int
    dilation: int


class Unshared(NamedTuple):
    """A product with filters of their own for every place."""

    images: int
    channels: int
    pixels: int  # of a channel
    filters: int
    places: int
    taps: int


# --- depthwise and grouped convolution


class DepthwiseImages(NamedTuple):
    """The images of a depthwise or grouped pass: it reads (N, height, width, C) and writes (N, lines, columns, C)."""

    images: int  # N
    height: int
    width: int
    channels: int  # C
    group: int  # channels of a group; 1: depthwise
    lines: int
    columns: int
    across: int  # taps of a filter's line
    row_step: int  # rows of the source between those that neighbouring taps meet
    tap_step: int  # lines of the filter between those that neighbouring rows of the source meet


class SourceRows(NamedTuple):
    """The source rows that a written line reads: an entry of the table `rows`."""

    row: int  # the first row of the source
    number: int  # rows
    tap: int  # the filter's line that meets the first row


class Phase(NamedTuple):
    """Every stride-th pixel of a written line, and the columns it reads: an entry of the table `phases`."""

    number: int  # pixels
    step: int  # columns of the source from one pixel's window to the next
    shift: int  # column at which the first window begins
    taps: int
    first_tap: int  # the tap that meets a window's first column
    next_tap: int  # from a tap to that of the next column
    stride: int  # columns from one written pixel to the next
    place: int  # column of the first pixel that is written
    pixels: int  # pixels of a strip
    apart: int  # columns between those that neighbouring taps meet


class StripCodes(NamedTuple):
    """Codes of the strips of one or two phases: strips of `Phase.pixels` pixels, and the last, shorter strips."""

    whole: Code
    rest: Code
    other_whole: Code
    other_rest: Code


class Bands(NamedTuple):
    """Lines that are written at a time, by codes of bands."""

    lines: int  # 0: lines are written one by one, by codes of strips
    stride: int  # rows from one line's window to the next
    top: int  # row at which the first line's window begins; negative in the padding
    tap: int  # the filter's line that meets a window's first row


class LinePass(NamedTuple):
    """A pass that writes whole lines in strips: see `depthwise`."""

    images: DepthwiseImages
    rows: Clock
    phases: Clock
    codes: StripCodes
    bands: Bands
    mode: int  # bits ADD and RECTIFY


class SpotCodes(NamedTuple):
    """Codes of spots: of `Phase.pixels` pixels, and of one pixel."""

    some: Code
    one: Code


class DepthwiseGradient(NamedTuple):
    """The weight's gradient, from x (N, height, width, C) and dy (N, lines, columns, C)."""

    images: int  # N
    height: int
    width: int
    channels: int  # C
    group: int  # channels of a group; 1: depthwise
    lines: int
    columns: int
    down: int  # lines of taps
    across: int  # taps of a line
    stride_y: int
    stride_x: int
    pad_y: int
    pad_x: int
    dilation_y: int
    dilation_x: int
    shares: int  # parts that share the channels of a piece
    band: int  # lines of dy that are gone over once for every tap
    together: int  # taps that are summed at a time: all of a line, or one
    pixels: int  # pixels of a strip
    whole: Code  # the strip of `pixels` pixels
    rest: Code  # the strip of the pixels that are left
