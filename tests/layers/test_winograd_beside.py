"""Winograd's passes with BatchNorms beside them, against NumPy in float64: seen, pulled, moments and products."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.core.beside import PIECES, Lens, Pieces, Products, Pull
from netspec.core.calls import Run
from netspec.layers.base import Layer
from netspec.lowering import conv_winograd
from tests.helpers.checks import Array, Runner, blob, make_layer, run_reversed
from tests.helpers.convolved import by_definition, near


class Case(NamedTuple):
    """A convolution, and whether its blobs lie inside wider ones."""

    bottom: tuple[int, int, int, int]  # N, C, H, W
    filters: int
    taps: int = 3
    pad: int = 1
    groups: int = 1
    wide: bool = False
    low: float = 0.0
    adds: bool = False


CASES = {
    "odd sizes": Case((3, 16, 5, 7), 32),
    "wide, adding": Case((2, 32, 9, 8), 16, wide=True, adds=True),
    "lines of many tiles": Case((2, 16, 6, 53), 48, low=math.nan),
    "groups, odd channels": Case((2, 63, 6, 11), 54, groups=3, adds=True),
    "batch 1": Case((1, 17, 13, 4), 21, wide=True, low=math.nan),
    "5 x 5": Case((2, 32, 7, 10), 16, taps=5, pad=2, adds=True),
    "5 x 5 in groups, wide": Case((1, 40, 6, 5), 48, taps=5, pad=4, groups=2, wide=True),
    "no padding": Case((5, 20, 11, 6), 16, pad=0),
}
BOUNDS = {"float64": 1e-10, "float32": 4e-5}
NORMAL = {"float64": 1e-12, "float32": 5e-6}


def lying(value: Array, dtype: str, left: int, right: int) -> Array:
    """A blob N, C, H, W as (N, H, W, C), with foreign values before and behind its channels."""
    n, c, h, w = value.shape
    whole = np.full((n, h, w, left + c + right), np.nan, dtype)
    found = whole[..., left : left + c]
    found[...] = value.transpose(0, 2, 3, 1)
    return found


class Beside:
    """A BatchNorm beside: x (N, C, H, W), and numbers for all that is seen through it."""

    def __init__(self, shape: Any, low: float, dtype: str, seed: int, widths: tuple[int, int]) -> None:
        rng, c = np.random.default_rng(seed), shape[1]
        self.x = (blob(*shape, seed=seed) * 1.5 + 0.5).astype(dtype).astype(np.float64)
        numbers = [rng.standard_normal(c).astype(dtype) for _ in range(6)]
        self.factor, self.offset, self.centre, self.of_dy, self.of_x, self.shift = numbers
        self.low, self.lying = low, lying(self.x, dtype, *widths)
        self.pitch = c + sum(widths)
        self.lens = Lens(self.factor, self.offset, low)

    def __call__(self, numbers: Array) -> Array:
        return numbers.astype(np.float64)[:, None, None]

    @property
    def value(self) -> Array:
        """x seen through the lens, without a limit."""
        return self.x * self(self.factor) + self(self.offset)

    @property
    def seen(self) -> Array:
        """x seen through the lens."""
        return self.value if math.isnan(self.low) else np.maximum(self.value, self.low)

    def masked(self, dy: Array) -> Array:
        """dy where the limit does not hold."""
        return dy if math.isnan(self.low) else np.where(self.value <= self.low, 0, dy)

    def pulled(self, dy: Array) -> Array:
        """The gradient of x for that of the top."""
        off = self(self.of_x) * (self.x - self(self.centre)) + self(self.shift)
        return self(self.of_dy) * self.masked(dy) - off

    def flat(self) -> Array:
        """The values of x from its first on."""
        from netspec.lowering.conv_passes import flat

        return flat(self.lying)[0].reshape(-1)

    def pull(self, once: bool = False) -> Pull:
        coefficients = self.centre, self.of_dy, self.of_x, self.shift
        return Pull(self.flat(), self.pitch, self.lens, *coefficients, int(once))

    def products(self, pieces: Pieces) -> Products:
        return Products(self.flat(), self.pitch, self.lens, self.centre, pieces)


def pieces(number: int, sums: int, channels: int) -> Pieces:
    """Room for pieces, filled with what nobody may add to."""
    assert 0 < number <= PIECES
    return Pieces(np.full((number, sums, channels), np.nan), np.full(number, np.nan), channels)


class Ran(NamedTuple):
    """What a convolution wrote, as N, C, H, W, and what it left."""

    y: Array
    dx: Array
    dw: Array
    dy: Array
    moments: Pieces
    products: Pieces

    def bits(self) -> list[bytes]:
        return [a.tobytes() for a in (*self[:4], *self.moments[:2], self.products.values)]


class Setting:
    """A convolution between two BatchNorms, with one of which it shares the bottom, with the other the top."""

    def __init__(self, case: Case, dtype: str) -> None:
        self.case, self.dtype = case, dtype
        fields = {"num_output": case.filters, "kernel_size": case.taps, "pad": case.pad, "group": case.groups}
        self.layer: Layer = make_layer("Convolution", engine="WINOGRAD", bias_term=False, **fields)
        (self.top,) = self.layer.top_shapes((case.bottom,))
        self.before = Beside(case.bottom, case.low, dtype, 1, (3, 6) if case.wide else (0, 0))
        self.behind = Beside(self.top, case.low, dtype, 2, (5, 2) if case.wide else (0, 0))
        self.w = blob(*self.layer.param_shapes((case.bottom,))[0], seed=3).astype(dtype)
        self.dy = blob(*self.top, seed=4).astype(dtype)
        self.start = blob(*case.bottom, seed=5).astype(dtype)

    def run(self, runner: Runner, lens: bool = True, pull: bool = True, left: bool = True, once: bool = False) -> Ran:
        """Forward and backward, with what is wanted; with `once` the top's diff may be overwritten."""
        case, dtype, layer = self.case, self.dtype, self.layer
        can = layer.beside((case.bottom,))
        moments, sums = pieces(can.moments, 3, self.top[1]), pieces(can.products[0], 2, case.bottom[1])
        wide = (1, 4) if case.wide else (0, 0)
        y, dx = lying(np.full(self.top, np.nan), dtype, *wide), lying(self.start, dtype, *wide)
        declared = layer.workspaces((case.bottom,), backward=True).items()
        space = {k: np.full(s.shape, np.nan if s.kind == "real" else -7, dtype if s.kind == "real" else s.kind)
                 for k, s in declared}  # fmt: skip
        dw, bottom = np.full_like(self.w, np.nan), self.before.lying
        shapes: dict[str, Any] = {"layout": "NHWC", "bottom_shapes": (case.bottom,), "top_shapes": (self.top,)}
        asked: dict[str, Any] = {"lenses": (self.before.lens,)} if lens else {}
        clock, none = np.zeros(2, np.int64), (None,)
        run = Run("TRAIN", (bottom,), (y,), none, (), (self.w,), none, clock, 0, space, **shapes, **asked)
        runner(layer.forward(replace(run, moments=moments if left else None)), dtype)
        diff = lying(self.dy, dtype, *((2, 1) if case.wide else (0, 0)))
        run = replace(run, bottom_diff=(dx,), top_diff=(diff,), param_diff=(dw,), param_add=(False,))
        run = replace(run, bottom_add=(case.adds,), pull=self.behind.pull(once) if pull else None)
        runner(layer.backward(replace(run, products=(self.before.products(sums) if left else None,))), dtype)
        y, dx, diff = (one.transpose(0, 3, 1, 2) for one in (y, dx, diff))
        return Ran(y, dx, dw, diff, moments, sums)

    def check(self, ran: Ran, lens: bool = True, pull: bool = True, left: bool = True) -> None:
        """Against the definition."""
        case, bound = self.case, BOUNDS[self.dtype]
        x = self.before.seen if lens else self.before.x
        dy = self.behind.pulled(self.dy.astype(np.float64)) if pull else self.dy.astype(np.float64)
        y, dx, dw = by_definition(x, self.w.astype(np.float64), dy, case.pad, case.groups)
        dx = dx + self.start if case.adds else dx
        near(ran.y, y, bound)
        near(ran.dw, dw, bound)
        near(ran.dx, self.before.masked(dx) if left else dx, bound)
        if left:
            self.check_left(ran)

    def check_left(self, ran: Ran) -> None:
        """Moments and products, of what was written."""
        case, bound = self.case, NORMAL[self.dtype]
        (pivot, s, q), counts = ran.moments.values.swapaxes(0, 1), ran.moments.counts[:, None]
        y = ran.y.astype(np.float64)
        assert counts.sum() == self.top[0] * self.top[2] * self.top[3]
        mean = (counts * pivot + s).sum(0) / counts.sum()
        near(mean, y.mean((0, 2, 3)), bound)
        about = q - 2 * (mean - pivot) * s + counts * (mean - pivot) ** 2
        near(about.sum(0) / counts.sum(), y.var((0, 2, 3)), bound)
        dx, off = ran.dx.astype(np.float64), self.before.x - self.before(self.before.centre)
        size = np.abs(dx).sum((0, 2, 3)).max()
        for found, wanted in zip(ran.products.values.sum(0), (dx, dx * off), strict=True):
            np.testing.assert_allclose(found, wanted.sum((0, 2, 3)), rtol=0, atol=bound * size)
        assert case.low != 0 or (dx == 0).any()


def together(monkeypatch: pytest.MonkeyPatch, manner: str) -> None:
    """Take the plan of few or of many channels, with some chunks."""
    if manner == "all parts together":
        monkeypatch.setattr(conv_winograd, "FEW", 0)
        monkeypatch.setattr(conv_winograd, "FEW_SUMMED", 0)
        monkeypatch.setattr(conv_winograd, "FAR", 1)
        monkeypatch.setattr(conv_winograd, "FAR_SUMMED", 1)


@pytest.mark.parametrize("manner", ["each part alone", "all parts together"])
@pytest.mark.parametrize("case", CASES)
def test_all_at_once(case: str, manner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together(monkeypatch, manner)
    for dtype in BOUNDS:
        setting = Setting(CASES[case], dtype)
        ran = setting.run(driver.run)
        setting.check(ran)
        assert ran.bits() == setting.run(run_reversed).bits()


@pytest.mark.parametrize("manner", ["each part alone", "all parts together"])
@pytest.mark.parametrize("wanted", [(True, False, False), (False, True, False), (False, False, True)])
def test_one_thing_alone(wanted: tuple[bool, bool, bool], manner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together(monkeypatch, manner)
    setting = Setting(CASES["odd sizes"], "float64")
    setting.check(setting.run(driver.run, *wanted), *wanted)


@pytest.mark.parametrize("manner", ["each part alone", "all parts together"])
@pytest.mark.parametrize("case", CASES)
def test_the_tops_diff_is_pulled_once(case: str, manner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together(monkeypatch, manner)
    for dtype in BOUNDS:
        setting = Setting(CASES[case], dtype)
        ran, apart = setting.run(driver.run, once=True), setting.run(driver.run)
        setting.check(ran)
        near(ran.dy, setting.behind.pulled(setting.dy.astype(np.float64)), BOUNDS[dtype])
        assert ran.bits() == setting.run(run_reversed, once=True).bits()
        assert (apart.dy == setting.dy).all() and (apart.dw == ran.dw).all()


def test_what_it_can_do() -> None:
    case = CASES["odd sizes"]
    fields: dict[str, Any] = {"engine": "WINOGRAD", "num_output": case.filters, "kernel_size": 3, "pad": 1}
    plain, with_bias = make_layer("Convolution", bias_term=False, **fields), make_layer("Convolution", **fields)
    can = plain.beside((case.bottom,))
    assert can.reads == {0} and can.pulls and can.moments and can.products
    assert with_bias.beside((case.bottom,)) == replace(can, pulls=False)
