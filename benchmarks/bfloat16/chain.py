"""A chain of convolutions of one pixel, each with a BatchNorm and a ReLU behind it: forward and backward in steps.

Memory: every convolution's top, the top of the last ReLU, and the gradients of the ReLUs' tops; all of them float32 or
all bfloat16. Weights, their gradients, moments and sums are float32 or float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from benchmarks.bfloat16 import chain_floats, chain_halves, tiles
from benchmarks.bfloat16.chain_floats import Array, Size
from benchmarks.bfloat16.numbers import to_bfloat16, to_float32
from netspec.codegen import tiles as float_tiles
from netspec.core.beside import Lens, Pieces, Products, Pull

PARTS = 2
EPS = 1e-5
KINDS = ("float32", "bf16 stored")
"""Ways to compute the chain that every AVX-512 CPU has: `bf16 stored` multiplies in float32. A name of `tiles.WAYS` is
another: operands of products are bfloat16 too."""


class Case(NamedTuple):
    """N images of H x H pixels; the channels of the input and of each convolution. P = N * H * H."""

    n: int
    h: int
    channels: tuple[int, ...]

    @property
    def sizes(self) -> list[Size]:
        """Each convolution's."""
        pairs = zip(self.channels, self.channels[1:], strict=False)
        return [Size(self.n * self.h * self.h, c, k) for c, k in pairs]

    @property
    def flops(self) -> int:
        """Operations of the products of a step; the first convolution has no dX."""
        work = [2 * size.pixels * size.c * size.k for size in self.sizes]
        return 3 * sum(work) - work[0]

    def __str__(self) -> str:
        return f"{self.n} x {self.h} x {self.h}, channels {' '.join(map(str, self.channels))}"


CASES = (Case(16, 28, (256, 256, 256, 256, 256)), Case(8, 56, (256, 64, 256, 64, 256)))


class Values(NamedTuple):
    """What a chain computes from: x (P, C), w (K, C) and the BatchNorms' factors and offsets (K,), dy (P, K)."""

    x: Array
    weights: list[Array]
    gammas: list[Array]
    betas: list[Array]
    dy: Array


class Results(NamedTuple):
    """The last top (P, K), and the gradients of weights, factors and offsets."""

    y: Array
    dw: list[Array]
    dgamma: list[Array]
    dbeta: list[Array]


def drawn(case: Case) -> Values:
    """Standard normal images and gradients; weights as `msra` fills them."""
    random = np.random.default_rng(1)

    def normal(*shape: int) -> Array:
        return random.standard_normal(shape, np.float32)

    sizes = case.sizes
    return Values(
        normal(sizes[0].pixels, sizes[0].c),
        [normal(size.k, size.c) * np.float32((2 / size.c) ** 0.5) for size in sizes],
        [1 + normal(size.k) / 10 for size in sizes],
        [normal(size.k) / 10 for size in sizes],
        normal(sizes[-1].pixels, sizes[-1].k),
    )


def reference(values: Values) -> Results:
    """The results in float64, by NumPy's formulas."""
    x = values.x.astype(float)
    kept = []
    for w, gamma, beta in zip(values.weights, values.gammas, values.betas, strict=True):
        z = x @ w.T.astype(float)
        slope = 1 / np.sqrt(z.var(0) + EPS)
        normal = (z - z.mean(0)) * slope
        kept.append((x, normal, slope))
        x = np.maximum(normal * gamma + beta, 0)
    dy, y = values.dy.astype(float), x
    found: list[tuple[Array, Array, Array]] = []
    for i in reversed(range(len(kept))):
        bottom, normal, slope = kept[i]
        dy = dy * (normal * values.gammas[i] + values.betas[i] > 0)
        dgamma, dbeta = (dy * normal).sum(0), dy.sum(0)
        dz = values.gammas[i] * slope * (dy - (normal * dgamma + dbeta) / len(dy))
        found.insert(0, (dz.T @ bottom, dgamma, dbeta))
        dy = dz @ values.weights[i]
    return Results(y, *(list(column) for column in zip(*found, strict=True)))


def errors(found: Results, judge: Results) -> dict[str, float]:
    """rms of the error / rms of the result: of the last top, and the largest among the weights' gradients."""

    def relative(mine: Array, true: Array) -> float:
        return float(np.linalg.norm(mine - true) / np.linalg.norm(true))

    of_y = {"error_y": relative(found.y, judge.y)} if found.y.size else {}
    return {**of_y, "error_dw": max(map(relative, found.dw, judge.dw))}


def aligned(shape: Sequence[int], dtype: Any) -> Array:
    """Zeros that begin on a page."""
    count = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.zeros(count + 4096, np.uint8)
    start = -raw.ctypes.data % 4096
    return raw[start : start + count].view(dtype).reshape(shape)


class Chain:
    """The chain's arrays and kernels, of one kind."""

    def __init__(self, case: Case, values: Values, kind: str) -> None:
        self.case, self.values, self.sizes = case, values, case.sizes
        self.stored = np.float32 if kind == "float32" else np.uint16
        self.halves = kind in tiles.WAYS
        self.x = [self._blob(values.x), *(self._blob(None, size.k) for size in self.sizes)]
        self.dy = [self._blob(None, size.k) for size in self.sizes[:-1]] + [self._blob(values.dy)]
        self.y = self._blob(None, self.sizes[-1].k)
        self.panels = [self._panels(size) for size in self.sizes]
        self.pieces = [aligned((PARTS, size.k * size.c), np.float32) for size in self.sizes]
        none = np.zeros(0, np.float32)
        self.plain = Lens(none, none, np.float32(np.nan))
        self.moments = [self._sums(3, size.k) for size in self.sizes]
        self.sums = [self._sums(2, size.k) for size in self.sizes]
        floats = max(chain_halves.floats_of(size) if self.halves else size.scratch for size in self.sizes)
        self.scratch: Any = aligned((PARTS, floats), np.float32)
        self.code = float_tiles.tile(chain_floats.TALL, 2).address("float32")
        if self.halves:
            count = max(map(chain_halves.halves_of, self.sizes))
            self.ahead, self.back = chain_halves.forward_with(kind), chain_halves.backward_with(kind)
            self.both = (self.scratch, aligned((PARTS, count), np.uint16))
        self.pool = ThreadPoolExecutor(PARTS)

    def _blob(self, values: Array | None, channels: int = 0) -> Array:
        """A flat blob, with these values or zeros."""
        if values is None:
            return aligned((self.sizes[0].pixels * channels,), self.stored)
        blob = aligned((values.size,), self.stored)
        blob[...] = (values if self.stored is np.float32 else to_bfloat16(values)).reshape(-1)
        return blob

    def _panels(self, size: Size) -> tuple[Array, Array]:
        c, k = size.c, size.k
        if self.halves:
            return aligned((k // 16, c // 2, 16, 2), np.uint16), aligned((c // 16, k // 2, 16, 2), np.uint16)
        return aligned((k // 32, c, 32), np.float32), aligned((c // 32, k, 32), np.float32)

    @staticmethod
    def _sums(rows: int, k: int) -> Pieces:
        return Pieces(np.zeros(PARTS * rows * k), np.zeros(PARTS), k)

    def _run(self, kernel: Callable[..., None], *args: Any) -> None:
        """All parts of a kernel at once."""
        list(self.pool.map(lambda part: kernel(*args, part, PARTS), range(PARTS)))

    def step(self) -> None:
        """Forward and backward."""
        pack = chain_halves.pack if self.halves else chain_floats.pack
        for w, panels in zip(self.values.weights, self.panels, strict=True):
            pack(w, *panels)
        self.lenses, self.norms = [self.plain], []
        for i, size in enumerate(self.sizes):
            self._forward(i, size)
        last = self.sizes[-1].k
        self._run(chain_floats.finish, self.x[-1], self.lenses[-1], self.y, self.scratch, last)
        self._run(chain_floats.begin, self.x[-1], self.dy[-1], self._products(len(self.sizes)), self.scratch, last)
        self.dw: list[Array] = [np.empty(0)] * len(self.sizes)
        self.dgamma, self.dbeta = list(self.dw), list(self.dw)
        for i in reversed(range(len(self.sizes))):
            self._backward(i, self.sizes[i])

    def _forward(self, i: int, size: Size) -> None:
        x, y, panels, lens = self.x[i], self.x[i + 1], self.panels[i][0], self.lenses[-1]
        if self.halves:
            args = panels.reshape(-1), y, lens, self.moments[i], self.both, tiles.config(), size
            self._run(self.ahead, x, *args)
        else:
            args = panels.reshape(-1), y, lens, self.moments[i], self.scratch, self.code, size
            self._run(chain_floats.forward, x, *args)
        counts, (pivot, s, q) = (
            self.moments[i].counts[:, None],
            np.moveaxis(self.moments[i].values.reshape(PARTS, 3, -1), 1, 0),
        )
        mean = (counts * pivot + s).sum(0) / size.pixels
        far = pivot - mean
        variance = (q + 2 * far * s + counts * far * far).sum(0) / size.pixels
        slope = 1 / np.sqrt(variance + EPS)
        factor = self.values.gammas[i] * slope
        self.norms.append((mean, slope, factor))
        offset = self.values.betas[i] - mean * factor
        self.lenses.append(Lens(factor.astype(np.float32), offset.astype(np.float32), np.float32(0)))

    def _products(self, i: int) -> Products:
        """What the writer of the gradient of the i-th ReLU's top is asked; the first is that of convolution 0."""
        centre = self.norms[i - 1][0].astype(np.float32)
        return Products(self.x[i], self.sizes[i - 1].k, self.lenses[i], centre, self.sums[i - 1])

    def _backward(self, i: int, size: Size) -> None:
        mean, slope, factor = self.norms[i]
        s, q = self.sums[i].values.reshape(PARTS, 2, -1).sum(0)
        self.dbeta[i], self.dgamma[i] = s, q * slope
        factors = (mean, factor, factor * slope * slope * q / size.pixels, factor * s / size.pixels)
        pull = Pull(self.x[i + 1], size.k, self.lenses[i + 1], *(each.astype(np.float32) for each in factors))
        wanted = i > 0
        products = self._products(max(i, 1))
        x, dy, dx, lens = self.x[i], self.dy[i], self.dy[max(i - 1, 0)], self.lenses[i]
        panels, beside, pieces = self.panels[i][1].reshape(-1), (lens, pull, products), self.pieces[i]
        if self.halves:
            self._run(self.back, x, dy, panels, dx, beside, pieces, self.both, tiles.config(), size, wanted)
        else:
            tiling = float_tiles.tiling(size.k, size.c, "float32", "across")
            codes = (code.address("float32") for code in tiling[5:])
            both = (self.code, type(tiling)(*tiling[:5], *codes))
            self._run(chain_floats.backward, x, dy, panels, dx, beside, pieces, self.scratch, both, size, wanted)
        self.dw[i] = (pieces[0] + pieces[1]).reshape(size.k, size.c)

    def results(self) -> Results:
        """Those of the last step."""
        y = self.y if self.stored is np.float32 else to_float32(self.y)
        return Results(y.reshape(len(self.values.dy), -1), self.dw, self.dgamma, self.dbeta)

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown()
