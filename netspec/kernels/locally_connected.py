"""Windows that each have filters of their own: a product for every place, vectors along the images of a batch.

Letters: N images, C channels of S pixels, K filters, P places (windows), T taps; R = C*T values of a window. Images are
innermost: x is (C, S, N), y is (K, P, N). The weight is (K, P, R). table: (P, T), the pixel that a tap meets, or -1.
"""

from __future__ import annotations

from netspec.codegen.geometry import Tiling
from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.simd import add_run, clear_run, copy_run
from netspec.codegen.tiles import Left, Result, Right, Sums, address, multiply, one_tap, rows_at, tiles_of
from netspec.kernels.conv_geometry import Unshared


@kernel
def locally_connected_forward(
    x: Vector,
    w: Vector,
    y: Vector,
    table: Clock,
    scratch: Matrix,
    shape: Unshared,
    tiles: Tiling,
    part: int,
    parts: int,
) -> None:
    """y = w x, with tiles of K rows and N columns. scratch: (parts, R * N). A part owns places."""
    n, p, t, near = shape.images, shape.places, shape.taps, scratch[part]
    r, sums = shape.channels * t, Sums(1, one_tap(), shape.channels * t)
    for place in range(*span(p, part, parts)):
        for i in range(r):
            pixel = table[place * t + i % t]
            if pixel < 0:
                clear_run(near, i * n, n)
            else:
                copy_run(x, (i // t * shape.pixels + pixel) * n, near, i * n, n)
        for panel in range((n + tiles.panel - 1) // tiles.panel):
            _, tail, tall, low = tiles_of(tiles, panel, n)
            b = Right(address(near, panel * tiles.panel), 0, n)
            for cut in range(tiles.blocks):
                k, _ = rows_at(cut, tiles.rows, tiles.more)
                a = Left(address(w, (k * p + place) * r), p * r, 1)
                c = Result(address(y, (k * p + place) * n + panel * tiles.panel), p * n, 0, 0, tail)
                multiply(tall if cut < tiles.more else low, sums, a, b, c)


@kernel
def locally_connected_bottom(
    dy: Vector,
    w: Vector,
    dx: Vector,
    table: Clock,
    scratch: Matrix,
    shape: Unshared,
    tiles: Tiling,
    part: int,
    parts: int,
) -> None:
    """dx = the sums of w^T dy, with tiles of T rows and N columns. scratch: (parts, T * panel).

    A part owns panels of images of channels.
    """
    n, p, t, k, near = shape.images, shape.places, shape.taps, shape.filters, scratch[part]
    r, sums, panels = shape.channels * t, Sums(1, one_tap(), k), (n + tiles.panel - 1) // tiles.panel
    for unit in range(*span(shape.channels * panels, part, parts)):
        channel, panel = unit // panels, unit % panels
        some, tail, tall, low = tiles_of(tiles, panel, n)
        first = panel * tiles.panel
        for pixel in range(shape.pixels):
            clear_run(dx, (channel * shape.pixels + pixel) * n + first, some)
        for place in range(p):
            b = Right(address(dy, place * n + first), 0, p * n)
            for cut in range(tiles.blocks):
                row, _ = rows_at(cut, tiles.rows, tiles.more)
                a = Left(address(w, place * r + channel * t + row), 1, p * r)
                c = Result(address(near, row * tiles.panel), tiles.panel, 0, 0, tail)
                multiply(tall if cut < tiles.more else low, sums, a, b, c)
            for tap in range(t):
                pixel = table[place * t + tap]
                if pixel >= 0:
                    add_run(near, tap * tiles.panel, dx, (channel * shape.pixels + pixel) * n + first, some)


@kernel
def locally_connected_weight(
    x: Vector,
    dy: Vector,
    dw: Vector,
    table: Clock,
    scratch: Matrix,
    shape: Unshared,
    tiles: Tiling,
    mode: int,
    part: int,
    parts: int,
) -> None:
    """dw = (with ADD in `mode`: +=) dy x^T, with tiles of K rows and R columns; here x is (N, C, S).

    scratch: (parts, R * N). A part owns places.
    """
    n, p, t, near = shape.images, shape.places, shape.taps, scratch[part]
    r, sums = shape.channels * t, Sums(1, one_tap(), n)
    for place in range(*span(p, part, parts)):
        for image in range(n):
            at = image * shape.channels * shape.pixels
            for i in range(r):
                pixel = table[place * t + i % t]
                near[image * r + i] = x[at + i // t * shape.pixels + pixel] if pixel >= 0 else 0
        for panel in range((r + tiles.panel - 1) // tiles.panel):
            _, tail, tall, low = tiles_of(tiles, panel, r)
            b = Right(address(near, panel * tiles.panel), 0, r)
            for cut in range(tiles.blocks):
                k, _ = rows_at(cut, tiles.rows, tiles.more)
                a = Left(address(dy, (k * p + place) * n), p * n, 1)
                c = Result(address(dw, (k * p + place) * r + panel * tiles.panel), p * r, 0, mode, tail)
                multiply(tall if cut < tiles.more else low, sums, a, b, c)
