"""Geometry of kernels' calls: named tuples that layers build and kernels read, and the constants that both need.

A kernel's descriptor holds a tuple's fields in their order. Where a field is `Code`, a call holds a compiled tile or
stream, and the kernel sees its address. Sizes are in values (numbers of an array) where nothing else is said. Nothing
here imports numpy or numba. Convolution's tuples are in `conv_geometry`.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from netspec.codegen.kinds import Clock, Code, Doubles, Vector

GRAIN = 16384
"""Values in a part, where a kernel does not say otherwise: large enough to be worth a thread, small enough to
balance."""
MOST_PARTS = 64
"""Parts of a step, at most."""
ADD, RECTIFY = 1, 2
"""Bits of a tile's or strip's mode: add to what the result holds; replace what is negative by 0."""
STREAM = 4
"""Bit of a strip's mode: the result is written past the caches."""
MOST_TAPS = 7
"""Taps of a line that a strip multiplies, at most: more would need too many registers."""
STRIP_PIXELS = 8
"""Pixels of a strip of a depthwise convolution, at most."""
LINE = 64
"""Bytes of a line of a cache."""
AIR = 16
"""Values between rows, and between planes, of frequencies: powers of two would share the same few lines of a cache."""
APART = 512 + AIR
"""Values from one row to the next that tiles near read: of scratch, with 512 values at most."""
DENSE = 32
"""Channels up to which rows of frequencies lie without air: so few lines do not meet in a cache."""


class Minimal(NamedTuple):
    """Winograd's minimal filtering F(step x step, taps x taps), in some finite points and infinity.

    `step` x `step` pixels of the result come from a tile of `side` x `side` pixels by as many products, one for each
    frequency.
    """

    step: int  # pixels of a tile's side that are written
    taps: int  # of a filter's side
    points: tuple[float, ...]

    @property
    def side(self) -> int:
        """Pixels of a tile's side that are read."""
        return self.step + self.taps - 1

    @property
    def frequencies(self) -> int:
        """Products for each pair of a channel and a filter."""
        return self.side**2


MINIMAL = {3: Minimal(4, 3, (0, 1, -1, 2, -2)), 5: Minimal(4, 5, (0, 1, -1, 2, -2, 0.5, -0.5))}
"""The filtering for each number of taps."""
PLACES = max(minimal.frequencies for minimal in MINIMAL.values())
"""Room for the addresses of a tile's pixels."""
TABLE = 4 * PLACES + 16
"""Words of the table of a tile's pixels: addresses inside and at the border, those of a pull's x, and a Sight."""
DEEP = 64
"""Channels of a block of filters that are multiplied as soon as they are frequencies."""
FILTERS_TURNED = 16
"""Values of filters that are turned at a time on their way to or from frequencies, so that they stay near."""


def share(total: int, most: int) -> tuple[int, int]:
    """A size for shares of `total`, at most `most`, and the size of the last share.

    It is a divisor of the total where one is large enough.
    """
    size = next((d for d in range(min(total, most), most // 2, -1) if total % d == 0), -(-total // -(-total // most)))
    return size, (total - 1) % size + 1


def even_parts(products: int, work: int, most: int) -> int:
    """The number of parts of at least `work` products: a power of two, at most `most`, so that threads share evenly."""
    return 1 << max(0, min(products // work, most, MOST_PARTS).bit_length() - 1)


def meetings(columns: int, taps: int, step: int, pad: int) -> list[tuple[int, int, int]]:
    """(column of dy, column of the bottom, tap that brings them together), for `columns` columns of the bottom."""
    pairs = product(range(columns), range(taps))
    return sorted(((j + pad - t) // step, j, t) for j, t in pairs if (j + pad - t) % step == 0)


def first_column(taps: int, step: int, pad: int) -> int:
    """The first column of dy that the first pixels meet; it may be negative."""
    return min((q for q, _, _ in meetings(step, taps, step, pad)), default=0)


# --- register tiles


class Tiling(NamedTuple):
    """The cut of a product of many rows and columns into register tiles; `tiles.tiling` chooses it.

    Columns come in panels, rows in blocks. All blocks of a panel take tall tiles or low ones, which have one row less.
    """

    lanes: int  # numbers in a vector
    panel: int  # columns of a panel: whole vectors; the last panel may need fewer
    blocks: int  # blocks of rows
    rows: int  # rows of a tall tile
    more: int  # blocks that take a tall tile: the first ones
    tall: Code  # tiles of whole panels
    low: Code
    tall_edge: Code  # tiles of the last panel
    low_edge: Code


class Grid(NamedTuple):
    """The cut of an InnerProduct's result into register tiles; `products.tiles` chooses it."""

    rows: int  # rows of a tile
    width: int  # columns of a tile
    lanes: int  # numbers in a vector
    whole: Code  # the tile inside
    below: Code  # at the lower edge, with the rows that are left
    right: Code  # at the right edge, with the columns that are left
    corner: Code  # at both


class Streams(NamedTuple):
    """The cut of a product of few rows into streams; `products.walks` and `products.dots` choose it."""

    rows: int  # rows of the result that are computed at a time
    steps: int  # of a walk: rows of the weight at a time; of a dot tile: columns of the result
    whole: Code  # the stream inside
    below: Code  # for the rows that are left
    rest: Code  # for the steps that are left
    corner: Code  # for both


# --- pooling


class PoolWindow(NamedTuple):
    """A window that moves over an image's height and width."""

    height: int
    width: int
    stride_y: int
    stride_x: int
    pad_y: int
    pad_x: int


class Slide(NamedTuple):
    """Windows along one axis. With a stride of 0 they share the axis as evenly as whole numbers can."""

    size: int  # values along the axis
    windows: int
    kernel: int  # length of a window
    stride: int
    pad: int


class Planes(NamedTuple):
    """Blocks of up to three axes with their windows, within an array (outer, depth, rows, columns, inner).

    A plane is one of outer x inner such blocks; axes that a blob does not have are 1 long.
    """

    outer: int
    inner: int
    depth: Slide
    rows: Slide
    columns: Slide


# --- moving


class Moved(NamedTuple):
    """Blocks of rows x columns values that are copied; a step is the distance from one to the next.

    The kernel takes up to `tall` x `wide` values at a time.
    """

    x0: int  # where the first block begins in x
    y0: int  # and in y
    blocks: int
    rows: int
    row_x: int  # step of the rows in x
    row_y: int
    columns: int
    column_x: int
    column_y: int
    tall: int
    wide: int


class Solid(NamedTuple):
    """The axes of an array (outer, depth, rows, columns, inner), of which the middle three are made anew."""

    outer: int
    depth: int
    rows: int
    columns: int
    inner: int
    even: int  # taps of every new column, whose first ones come first, then the second ones, ...; 0: column by column
    run: int  # new columns side by side that are old ones, from `to` on, and in x from `of` on
    to: int
    of: int


class Taps(NamedTuple):
    """Numbers of an axis that is made anew, each a weighted sum of values along the old one.

    The value at i is the sum over t from begin[i] to begin[i + 1] of weight[t] * the old value at place[t].
    """

    begin: Clock
    place: Clock
    weight: Vector


# --- normalisation

BATCH, REMEMBERED, RUNNING = 0, 1, 2
"""Statistics that BatchNorm normalises by: the batch's; the batch's, added to the running sums too; the running."""
LRN_PIXELS = 8
"""Pixels that LRN works on at a time; fewer would read values at once after they are written, which stalls."""


class Affine(NamedTuple):
    """Factors and constants (C,) that are learned; empty where there are none: then 1 and 0."""

    weight: Vector
    bias: Vector


class AffineDiffs(NamedTuple):
    """Gradients (C,) of factors and constants; empty where they are not wanted."""

    weight: Vector
    bias: Vector
    add_weight: int  # 1 where the gradient is added to what stands there
    add_bias: int


class RunningSums(NamedTuple):
    """Sums of the batches' statistics."""

    mean: Vector  # (C,)
    variance: Vector  # (C,)
    scale: Vector  # (1,): how many batches they stand for


class Statistics(NamedTuple):
    """Mean, variance and inverse deviation (C,) that a batch is normalised by."""

    mean: Doubles
    variance: Doubles
    inverse: Doubles  # 1 / sqrt(variance + eps)


class Known(NamedTuple):
    """Statistics of a batch's first channels, where they are known already; empty where none are."""

    mean: Doubles
    variance: Doubles


class Slots(NamedTuple):
    """Coefficients of forward, (width,): y = x * factor + offset, with `centre` near the mean of x."""

    factor: Vector
    offset: Vector
    centre: Vector


class Slopes(NamedTuple):
    """Coefficients of backward, (width,): dx = of_dy * dy - of_x * (x - centre) - shift."""

    of_dy: Vector
    of_x: Vector
    shift: Vector


class Settling(NamedTuple):
    """Settings for the statistics of a batch and for the running sums."""

    eps: float  # added to the variance
    fraction: float  # what a running sum keeps of itself
    pixels: int  # values of a channel
    mode: int  # BATCH, REMEMBERED or RUNNING
    first: float  # the running variance before the first batch
    guarded: int  # 1: a batch that is not finite leaves the running sums as they are


VARIANCE, DEVIATION, LENGTH, CENTRE = 0, 1, 2, 3
"""What rows are divided by: sqrt(variance + eps); sqrt(variance) + eps; the larger of length and eps; nothing."""


class RowRule(NamedTuple):
    """How each row is normalised by itself: y = (x - mean) / divisor."""

    eps: float
    centred: int  # 1 where the row's mean is taken off; else 0 is, and the variance is the mean of x * x
    divisor: int  # VARIANCE, DEVIATION, LENGTH or CENTRE
    runs: int  # runs of a row, each with a factor and a constant of its own; 0: each place has its own


# --- attention


class Heads(NamedTuple):
    """The sizes of an attention: every head of every sample lets Q queries look at K keys of D values each."""

    samples: int
    heads: int
    queries: int  # Q of a sample
    keys: int  # K of a sample
    size: int  # D
    pitch: int  # values between the probabilities of two keys, at least Q
    bars: int  # values between the bars of two samples: K, or 0 where all have the same
    causal: int  # 1 where query i sees the keys 0..i only
    scale: float  # factor on the products of queries and keys


class HeadGrids(NamedTuple):
    """The cuts of a head's products into register tiles, by rows x columns of their results."""

    scores: Grid  # K x Q
    queries: Grid  # Q x D
    keys: Grid  # K x D


class Dropping(NamedTuple):
    """How elements are dropped at random: where 32 random bits are below the threshold; the others are scaled."""

    seed: int
    threshold: int  # of 2^32; 0: nothing is dropped
    scale: float


# --- recurrent layers


class Marks(NamedTuple):
    """Where sequences begin and end in a batch of T steps by N rows; empty where nothing says so."""

    cont: Vector  # (T * N,): the factor on the state before each step, 0 where a sequence begins
    lengths: Vector  # (N,): the steps of each row that count


class Walk(NamedTuple):
    """The steps that a call of a recurrent layer walks, and the cut of each step's product into tiles.

    A part owns one of `bands` of rows and, where there are more parts than bands, some of the hidden units.
    """

    begin: int  # first step of the walk; the last comes just before `end`
    end: int
    reverse: int  # 1 where the walk goes from the last step of a sequence to the first
    bands: int
    pitch: int  # values between the rows of the top
    offset: int  # where this direction's values begin in a row of the top
    grid: Grid
