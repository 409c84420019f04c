"""Products of a batch with a weight matrix, and their gradients. Letters: N rows of the batch, K values a row, M results a row.

`b` is the bias (M,), or empty where there is none.
"""

from __future__ import annotations

from netspec.kernels.gemm import gemm_add
from netspec.kernels.jit import Matrix, Vector, helper, kernel, span


@helper
def _clear(x: Vector, first: int, last: int) -> None:
    """x[first:last] = 0."""
    for i in range(first, last):
        x[i] = 0


@kernel
def multiply_transposed(w: Matrix, xt: Matrix, b: Vector, product: Matrix, y: Matrix, part: int, parts: int) -> None:
    """w: (M, K), xt: (K, N), y: (N, M). y = x w^T + b, by way of product (M, N) = w x^T; a part owns rows of w."""
    (m, k), n = w.shape, xt.shape[1]
    first, last = span(m, part, parts)
    flat = product.reshape(m * n)
    _clear(flat, first * n, last * n)
    gemm_add(w.reshape(m * k), first * k, k, 1, xt.reshape(k * n), 0, n, flat, first * n, n, last - first, n, k)
    for i0 in range(0, n, 16):
        for j in range(first, last):
            if b.size:
                for i in range(i0, min(i0 + 16, n)):
                    y[i, j] = product[j, i] + b[j]
            else:
                for i in range(i0, min(i0 + 16, n)):
                    y[i, j] = product[j, i]


@kernel
def multiply(x: Matrix, w: Matrix, b: Vector, y: Matrix, part: int, parts: int) -> None:
    """x: (N, K), w: (K, M), y: (N, M). y = x w + b; a part owns columns, so that w is read once in all."""
    (n, k), m = x.shape, w.shape[1]
    first, last = span(m, part, parts)
    flat = y.reshape(n * m)
    for i in range(n):
        _clear(flat, i * m + first, i * m + last)
        if b.size:
            for j in range(first, last):
                flat[i * m + j] = b[j]
    gemm_add(x.reshape(n * k), 0, k, 1, w.reshape(k * m), first, m, flat, first, m, n, last - first, k)


@kernel
def weight_gradient(left: Matrix, right: Matrix, dw: Matrix, part: int, parts: int) -> None:
    """left: (N, R), right: (N, C), dw: (R, C). dw += left^T right; a part owns rows of dw."""
    (n, r), c = left.shape, right.shape[1]
    first, last = span(r, part, parts)
    gemm_add(left.reshape(n * r), first, 1, r, right.reshape(n * c), 0, c, dw.reshape(r * c), first * c, c, last - first, c, n)


@kernel
def bias_gradient(dy: Matrix, db: Vector, part: int, parts: int) -> None:
    """dy: (N, M), db: (M,). db += the columns of dy, each summed in float64."""
    for j in range(*span(db.size, part, parts)):
        total = 0.0
        for i in range(dy.shape[0]):
            total += dy[i, j]
        db[j] += total
