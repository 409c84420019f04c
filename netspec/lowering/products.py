"""Products of a batch with a weight matrix, and their gradients: the kernels and tiles that the shapes choose.

Letters: N rows of the batch, K values a row, M results a row. `bias` is (M,), or empty where there is none; `mode`
holds the bits ADD and RECTIFY. Many rows are multiplied by register tiles, few rows by streams.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from netspec.codegen.geometry import Grid, Streams, even_parts
from netspec.core.calls import Call, Calls, Workspace

if TYPE_CHECKING:
    from netspec.codegen.tiles import Kind

FEW = 8
"""Rows of a batch that are better streamed past than tiled, and of a product's smaller factor that stay as they lie."""
FEW_PRODUCTS = 16
"""Products of a gradient's value up to which it is computed by walks: a walk writes it in one go."""
WORK = 2**18
"""Products of a part."""
CACHED = 2**18
"""Values of a weight up to which each band of a batch reads it anew; a larger weight is read once, in long runs."""


def tiles(rows: int, columns: int, dtype: str, kind: Kind = "any", widest: int = 4, bands: int = 1) -> Grid:
    """Tiles of a kind for a result of rows x columns, of as few sizes as possible; so many bands have as many of them.

    Wide tiles are preferred, of at most `widest` vectors: they read and write memory in longer runs.
    """
    from netspec.codegen.geometry import share
    from netspec.codegen.tiles import MOST_ROWS, lanes, tile

    number = lanes(dtype)
    vectors = -(-columns // number)
    wide = min(vectors, widest if MOST_ROWS[4] >= 4 else 2)
    high, below = share(rows, share(-(-rows // bands), MOST_ROWS[wide])[0])
    right = (vectors - 1) % wide + 1
    return Grid(high, wide * number, number, *(tile(r, v, kind) for v in (wide, right) for r in (high, below)))


def walks(rows: int, k: int) -> Streams:
    """Walks for a result of `rows` rows, each value a sum of k products."""
    from netspec.codegen.geometry import share
    from netspec.codegen.streams import STEPS

    return _streams("walk", share(rows, 4), share(k, STEPS))


def dots(large: int, small: int) -> Streams:
    """Dot tiles for the products of `large` rows with `small` rows."""
    from netspec.codegen.geometry import share
    from netspec.codegen.streams import FEW_COLUMNS, SUMS

    wide = share(small, FEW_COLUMNS)
    return _streams("dots", share(large, min(8, SUMS // wide[0])), wide)


def _streams(kind: str, rows: tuple[int, int], steps: tuple[int, int]) -> Streams:
    from netspec.codegen.streams import stream

    return Streams(rows[0], steps[0], *(stream(kind, r, s) for s in steps for r in rows))


def _parts(products: int, most: int) -> int:
    """Number of parts that compute `products` products, where `most` things can be shared out."""
    return even_parts(products, WORK, most)


def multiply_rows(x: Any, w: Any, bias: Any, y: Any, mode: int) -> Calls:
    """x: (N, K), w: (K, at least M), y: (N, M). y = x w + bias."""
    from netspec.kernels import inner_product

    (n, k), m = x.shape, y.shape[1]
    if n <= FEW:
        yield Call(
            inner_product.walk_rows,
            x,
            w,
            bias,
            y,
            mode,
            walks(n, k),
            parts=_parts(n * k * m, max(m // 1024, min(4, m // 128))),
        )
        return
    grid = tiles(n, m, y.dtype.name, widest=min(3, max(2, n // 8)))
    width, height = (64, 1) if k * m <= CACHED else (max(64, min(512, m // 16)), 64)
    columns = _parts(n * k * m, m // width)
    bands = max(1, min(_parts(n * k * m, 64) // columns, n // height))
    yield Call(inner_product.tile_rows, x, w, bias, y, mode, bands, grid, parts=columns * bands)


def turning(n: int, k: int, m: int, use: Literal["forward", "backward"]) -> dict[str, Workspace]:
    """Workspaces of (N, K) times the transpose of (M, K): the transpose of the smaller factor.

    Where the smaller is the left factor, also the product.
    """
    rows = -(-min(n, m) // 16) * 16
    if min(n, m) <= FEW:
        return {}
    turned = {"turned": Workspace((k, rows), use=use, fixed=m < n)}
    return turned | {"product": Workspace((m, rows), use=use)} if n <= m else turned


def multiply_transposed(x: Any, w: Any, bias: Any, y: Any, mode: int, turned: Any, product: Any) -> Calls:
    """x: (N, K), w: (M, K), y: (N, M). y = x w^T + bias.

    With `product` (M, at least N), `turned` (K, at least N) takes the transpose of x, the small factor. With `product`
    None, `turned` (K, at least M) takes the transpose of w. With both None nothing is transposed.
    """
    from netspec.kernels import inner_product

    (n, k), m = x.shape, w.shape[0]
    if turned is None:
        large, small, steps = (w, x, (1, m)) if m >= n else (x, w, (m, 1))
        cut = dots(len(large), len(small))
        yield Call(
            inner_product.dot_rows,
            large,
            small,
            bias,
            y,
            *steps,
            mode,
            cut,
            parts=_parts(n * k * m, -(-len(large) // cut.rows)),
        )
        return
    yield Call(inner_product.turn, x if product is not None else w, turned, parts=_parts(16 * turned.size, k // 16))
    if product is None:
        yield from multiply_rows(x, turned, bias, y, mode)
        return
    grid = tiles(m, n, y.dtype.name)
    yield Call(
        inner_product.tile_transposed,
        w,
        turned,
        bias,
        product,
        y,
        mode,
        grid,
        parts=_parts(n * k * m, -(-m // grid.rows)),
    )


def multiply_columns(left: Any, right: Any, dw: Any, squares: Any, mode: int) -> Calls:
    """left: (N, R), right: (N, C), dw: (R, C). dw = left^T right.

    squares (a value for each part) = the sums of dw's squares, while dw is near; nothing where it is empty.
    """
    from netspec.kernels import inner_product

    (n, r), c = left.shape, right.shape[1]
    if n <= FEW_PRODUCTS:
        cut = walks(r, n)
        parts = _parts(n * r * c, -(-r // cut.rows))
        yield Call(inner_product.walk_columns, left, right, dw, squares, mode, cut, parts=parts)
        return
    grid = tiles(r, c, dw.dtype.name, "across")
    parts = _parts(n * r * c, -(-r // grid.rows))
    yield Call(inner_product.tile_columns, left, right, dw, squares, mode, grid, parts=parts)


def bias_gradient(y: Any, dy: Any, db: Any, sums: Any, mode: int) -> Calls:
    """y, dy: (N, M), db, sums: (M,). db = (or +=) the column sums of dy.

    With RECTIFY dy first becomes 0 where y is not positive. An empty db is not computed.
    """
    from netspec.kernels import inner_product

    yield Call(inner_product.column_sums, y, dy, db, sums, mode, parts=_parts(16 * dy.size, dy.shape[1] // 64))
