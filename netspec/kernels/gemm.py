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
    """C += A B for A (m, k), B (k, n), C (m, n), each somewhere in a flat array: A with any strides, rows of B and C contiguous."""
    for j0 in range(0, n, WIDE):
        wide = min(WIDE, n - j0)
        for k0 in range(0, k, DEEP):
            deep = min(DEEP, k - k0)
            even = m - m % 4
            at_a, at_b, at_c = a0 + k0 * a_col, b0 + k0 * ldb + j0, c0 + j0
            for i in range(0, even, 4):
                _four_rows(a, at_a + i * a_row, a_row, a_col, b, at_b, ldb, c, at_c + i * ldc, ldc, wide, deep)
            for i in range(even, m):
                _one_row(a, at_a + i * a_row, a_col, b, at_b, ldb, c, at_c + i * ldc, wide, deep)


@helper
def _four_rows(
    a: Vector, a0: int, a_row: int, a_col: int, b: Vector, b0: int, ldb: int, c: Vector, c0: int, ldc: int, n: int, k: int
) -> None:
    """Four rows of C += four rows of A times B."""
    c_0, c_1 = c[c0 : c0 + n], c[c0 + ldc : c0 + ldc + n]
    c_2, c_3 = c[c0 + 2 * ldc : c0 + 2 * ldc + n], c[c0 + 3 * ldc : c0 + 3 * ldc + n]
    even = k - k % 4
    for p in range(0, even, 4):
        at = b0 + p * ldb
        b_0, b_1 = b[at : at + n], b[at + ldb : at + ldb + n]
        b_2, b_3 = b[at + 2 * ldb : at + 2 * ldb + n], b[at + 3 * ldb : at + 3 * ldb + n]
        r = a0 + p * a_col
        s, t, u = r + a_row, r + 2 * a_row, r + 3 * a_row
        r0, r1, r2, r3 = a[r], a[r + a_col], a[r + 2 * a_col], a[r + 3 * a_col]
        s0, s1, s2, s3 = a[s], a[s + a_col], a[s + 2 * a_col], a[s + 3 * a_col]
        t0, t1, t2, t3 = a[t], a[t + a_col], a[t + 2 * a_col], a[t + 3 * a_col]
        u0, u1, u2, u3 = a[u], a[u + a_col], a[u + 2 * a_col], a[u + 3 * a_col]
        for j in range(n):
            c_0[j] += (r0 * b_0[j] + r1 * b_1[j]) + (r2 * b_2[j] + r3 * b_3[j])
            c_1[j] += (s0 * b_0[j] + s1 * b_1[j]) + (s2 * b_2[j] + s3 * b_3[j])
            c_2[j] += (t0 * b_0[j] + t1 * b_1[j]) + (t2 * b_2[j] + t3 * b_3[j])
            c_3[j] += (u0 * b_0[j] + u1 * b_1[j]) + (u2 * b_2[j] + u3 * b_3[j])
    for p in range(even, k):
        row = b[b0 + p * ldb : b0 + p * ldb + n]
        r = a0 + p * a_col
        r0, s0, t0, u0 = a[r], a[r + a_row], a[r + 2 * a_row], a[r + 3 * a_row]
        for j in range(n):
            c_0[j] += r0 * row[j]
            c_1[j] += s0 * row[j]
            c_2[j] += t0 * row[j]
            c_3[j] += u0 * row[j]


@helper
def _one_row(a: Vector, a0: int, a_col: int, b: Vector, b0: int, ldb: int, c: Vector, c0: int, n: int, k: int) -> None:
    """One row of C += one row of A times B; the sums in the same order as in `_four_rows`."""
    c_0 = c[c0 : c0 + n]
    even = k - k % 4
    for p in range(0, even, 4):
        at = b0 + p * ldb
        b_0, b_1 = b[at : at + n], b[at + ldb : at + ldb + n]
        b_2, b_3 = b[at + 2 * ldb : at + 2 * ldb + n], b[at + 3 * ldb : at + 3 * ldb + n]
        r = a0 + p * a_col
        r0, r1, r2, r3 = a[r], a[r + a_col], a[r + 2 * a_col], a[r + 3 * a_col]
        for j in range(n):
            c_0[j] += (r0 * b_0[j] + r1 * b_1[j]) + (r2 * b_2[j] + r3 * b_3[j])
    for p in range(even, k):
        row = b[b0 + p * ldb : b0 + p * ldb + n]
        r0 = a[a0 + p * a_col]
        for j in range(n):
            c_0[j] += r0 * row[j]


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
