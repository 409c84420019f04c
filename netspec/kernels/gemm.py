"""Matrix products in plain loops: C += A B with the inner loop along the contiguous rows of B and C, which the compiler vectorises.

Four rows of C by four steps of the sum, blocked so that the rows of C stay in the first cache level and the block of B in the second.
The four products of a step are added in pairs before they meet C: a sum of k terms is a chain of k/4 additions.
"""

from __future__ import annotations

from netspec.kernels.jit import Matrix, Vector, helper, kernel, span

WIDE = 512
"""Columns of a block."""
DEEP = 128
"""Steps of the sum in a block."""


@helper
def gemm_add(
    a: Vector, a0: int, a_row: int, a_col: int, b: Vector, b0: int, ldb: int, c: Vector, c0: int, ldc: int, m: int, n: int, k: int
) -> None:
    """C += A B for A (m, k), B (k, n), C (m, n), each somewhere in a flat array: A with any strides, rows of B and C contiguous.

    Where k is no multiple of 4 the last step repeats its first row of B with factors of 0.
    """
    zero = a.dtype.type(0)
    even = m - m % 4
    for j0 in range(0, n, WIDE):
        w = min(WIDE, n - j0)
        for k0 in range(0, k, DEEP):
            k1 = min(k0 + DEEP, k)
            for i in range(0, even, 4):
                at = c0 + i * ldc + j0
                c_0, c_1, c_2, c_3 = c[at : at + w], c[at + ldc :][:w], c[at + 2 * ldc :][:w], c[at + 3 * ldc :][:w]
                for p in range(k0, k1, 4):
                    q, more1, more2, more3 = b0 + p * ldb + j0, p + 1 < k1, p + 2 < k1, p + 3 < k1
                    b_0, b_1 = b[q : q + w], b[q + ldb * more1 :][:w]
                    b_2, b_3 = b[q + 2 * ldb * more2 :][:w], b[q + 3 * ldb * more3 :][:w]
                    r = a0 + i * a_row + p * a_col
                    s, t, u = r + a_row, r + 2 * a_row, r + 3 * a_row
                    r0, s0, t0, u0 = a[r], a[s], a[t], a[u]
                    r1, s1, t1, u1 = (a[r + a_col], a[s + a_col], a[t + a_col], a[u + a_col]) if more1 else (zero, zero, zero, zero)
                    d = 2 * a_col
                    r2, s2, t2, u2 = (a[r + d], a[s + d], a[t + d], a[u + d]) if more2 else (zero, zero, zero, zero)
                    d = 3 * a_col
                    r3, s3, t3, u3 = (a[r + d], a[s + d], a[t + d], a[u + d]) if more3 else (zero, zero, zero, zero)
                    for j in range(w):
                        c_0[j] += (r0 * b_0[j] + r1 * b_1[j]) + (r2 * b_2[j] + r3 * b_3[j])
                        c_1[j] += (s0 * b_0[j] + s1 * b_1[j]) + (s2 * b_2[j] + s3 * b_3[j])
                        c_2[j] += (t0 * b_0[j] + t1 * b_1[j]) + (t2 * b_2[j] + t3 * b_3[j])
                        c_3[j] += (u0 * b_0[j] + u1 * b_1[j]) + (u2 * b_2[j] + u3 * b_3[j])
            for i in range(even, m):
                at = c0 + i * ldc + j0
                c_0 = c[at : at + w]
                for p in range(k0, k1, 4):
                    q, more1, more2, more3 = b0 + p * ldb + j0, p + 1 < k1, p + 2 < k1, p + 3 < k1
                    b_0, b_1 = b[q : q + w], b[q + ldb * more1 :][:w]
                    b_2, b_3 = b[q + 2 * ldb * more2 :][:w], b[q + 3 * ldb * more3 :][:w]
                    r = a0 + i * a_row + p * a_col
                    r0 = a[r]
                    r1 = a[r + a_col] if more1 else zero
                    r2 = a[r + 2 * a_col] if more2 else zero
                    r3 = a[r + 3 * a_col] if more3 else zero
                    for j in range(w):
                        c_0[j] += (r0 * b_0[j] + r1 * b_1[j]) + (r2 * b_2[j] + r3 * b_3[j])


@kernel
def add_pieces(pieces: Matrix, total: Vector, part: int, parts: int) -> None:
    """pieces: (S, M), total: (M,). total += the sum of the pieces, added in their order; pieces[0] is overwritten."""
    first, last = span(total.size, part, parts)
    left = pieces[0]
    for s in range(1, pieces.shape[0]):
        right = pieces[s]
        for i in range(first, last):
            left[i] += right[i]
    for i in range(first, last):
        total[i] += left[i]
