"""Both gradients of a convolution with filters of one tap in one pass over its pixels: dx = dy W and dw = dy^T x.

A block of pixels of dy is brought near once, seen through its pull (`core/beside.py`), and multiplied with the weight
and then with x. The weight, a piece of its gradient and a block are to fit the second cache together.
"""

from __future__ import annotations

from netspec.codegen.geometry import ADD, AIR, APART, Tiling
from netspec.codegen.kernel import following, helper, kernel, span
from netspec.codegen.kinds import Matrix, Vector
from netspec.codegen.tiles import (
    Ahead,
    Awaited,
    Left,
    Result,
    Right,
    Sums,
    address,
    multiply,
    one_tap,
    rows_at,
    tiles_of,
)
from netspec.kernels.beside import leave_products
from netspec.kernels.conv_geometry import Apart, Around, BothPixels
from netspec.kernels.pointwise import shared
from netspec.kernels.pointwise_gradient import Following, coming_line, near_columns, near_rows


@helper
def shared_rows(row: int, count: int, products: int, size: int, i: int, tiles: int) -> Ahead:
    """What the i-th of some tiles of so many products prefetches of `count` values at an address; 0: nothing."""
    step = shared(count * size, tiles * products) if row else 0
    return Ahead(row + i * products * step, 0, step)


@helper
def multiply_back(
    packed: Vector,
    dx: Vector,
    near: Vector,
    both: BothPixels,
    tiles: Tiling,
    pixel: int,
    number: int,
    dy_then: int,
    pull_then: int,
    mode: int,
) -> None:
    """Write, or add to, a block of rows of dx from `number` pixels of dy, which are near.

    Prefetches as many of dy and of what is behind it at these addresses; 0: nothing.
    """
    c, k, panel, size = both.product.channels, both.filters, tiles.panel, dx.itemsize
    panels = (c + panel - 1) // panel
    step = number * c * size // (panels * k)
    writing = Awaited(address(dx, (pixel + number) * both.out_pitch), step if both.out_pitch == c else 0)
    half = panels // 2 if pull_then else 0
    for p in range(panels):
        _, tail, tall, low = tiles_of(tiles, p, c)
        result = Result(address(dx, pixel * both.out_pitch + p * panel), both.out_pitch, 0, mode, tail)
        reading = shared_rows(dy_then, number * k, k, size, p, panels - half)
        if p >= panels - half:
            reading = shared_rows(pull_then, number * k, k, size, p - (panels - half), half)
        multiply(
            tall if number == tiles.rows else low,
            Sums(1, one_tap(), k),
            Left(address(near, 0), APART, 1),
            Right(address(packed, p * k * panel), 0, panel),
            result,
            reading,
            Awaited(writing.address + p * k * writing.step, writing.step),
        )


@helper
def multiply_weight(
    x: Vector,
    dy: Vector,
    piece: Vector,
    near: Vector,
    both: BothPixels,
    around: Around,
    tiles: Tiling,
    pixel: int,
    number: int,
    then: int,
    mode: int,
) -> None:
    """piece = (or +=) dy^T x over `number` pixels; dy is near.

    Prefetches what `multiply_back` does not from `then` on: of dy and of what is behind it, and x.
    """
    product, pull, panel, size = both.product, around.pull, tiles.panel, dy.itemsize
    c, k, rows, line = product.channels, both.filters, product.deep * panel + AIR, 0
    beside = Apart(1, product.pixels, 1, product.pixels, 1, 1)
    nothing, sums = Following(0, 0, 0), Sums(1, one_tap(), number)
    dy_then, pull_then, x_then = nothing, nothing, nothing
    if then:
        x_then = Following(address(x, then * product.pitch), c * size, product.pitch * size)
        if product.diff_pitch > k:
            dy_then = Following(address(dy, then * product.diff_pitch), k * size, product.diff_pitch * size)
        if pull.pitch > k or c <= panel:
            pull_then = Following(address(pull.x, then * pull.pitch), k * size, pull.pitch * size)
    for p in range((c + panel - 1) // panel):
        some, tail, tall, low = tiles_of(tiles, p, c)
        b = near_columns(x, pixel, number, p * panel, some, product, beside, around.lens, near, panel)
        for cut in range(tiles.blocks):
            v, _ = rows_at(cut, tiles.rows, tiles.more)
            result = Result(address(piece, v * c + p * panel), c, 0, mode, tail)
            soon = coming_line(line, dy_then, pull_then, x_then)
            line += 1
            multiply(tall if cut < tiles.more else low, sums, Left(address(near, rows + v), 1, APART), b, result, soon)


@kernel
def both_gradients_pixels(
    x: Vector,
    dy: Vector,
    packed: Vector,
    dx: Vector,
    pieces: Matrix,
    scratch: Matrix,
    both: BothPixels,
    around: Around,
    back: Tiling,
    tiles: Tiling,
    mode: int,
    part: int,
    parts: int,
) -> None:
    """dx = dy W, or with ADD +=, and pieces[part] = dy^T x over the pixels of the part, for filters of one tap.

    x, dx: (P, C), x seen through a lens; dy: (P, K), seen through a pull; packed: the weight, as `conv.pack` has it
    turned; pieces: (parts, K*C). scratch: (parts, a panel of x's block of pixels, then the rows of dy's). `back` cuts
    dx, `tiles` the weight's gradient. Products are left of dx block by block.
    """
    product, near, products, pull, k = both.product, scratch[part], around.products, around.pull, both.filters
    begin, end = span(back.blocks, part, parts)
    rows, after = product.deep * tiles.panel + AIR, following(part, parts)
    after = rows_at(span(back.blocks, after, parts)[0], back.rows, back.more)[0] if after >= 0 else 0
    for first in range(begin, end, both.blocks):
        last = min(end, first + both.blocks)
        pixel, beyond = rows_at(first, back.rows, back.more)[0], rows_at(last, back.rows, back.more)[0]
        then = beyond if last < end else after
        near_rows(dy, pixel, beyond - pixel, 0, k, product, pull, near, rows)
        for block in range(first, last):
            v, count = rows_at(block, back.rows, back.more)
            soon, rows_of = then + v - pixel, near[rows + (v - pixel) * APART :]
            dy_then = address(dy, soon * k) if then and product.diff_pitch == k else 0
            pull_then = address(pull.x, soon * k) if then and pull.pitch == k and pull.of_dy.size else 0
            multiply_back(packed, dx, rows_of, both, back, v, count, dy_then, pull_then, mode)
        at, pitch, c = pixel * both.out_pitch, both.out_pitch, product.channels
        leave_products(dx, at, pitch, pixel, beyond - pixel, 0, c, products, part, first == begin)
        how = ADD if first > begin else 0
        multiply_weight(x, dy, pieces[part], near, both, around, tiles, pixel, beyond - pixel, then, how)
