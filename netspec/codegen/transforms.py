"""Transforms of Winograd's minimal filtering as compiled code: one for each filtering and kind, called by address.

A transform multiplies small squares of vectors from both sides by a matrix: B for tiles of the image, A for tiles of
the result and of its diff, G for filters. On one side of it, the square's vectors lie at addresses of a table; on the
other, one to a plane of frequencies. A call transforms a run of squares, each of them some values on.
Source: Winograd 1980; Lavin & Gray 2016, Fast algorithms for convolutional neural networks.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple, cast

from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import MINIMAL, Minimal
from netspec.codegen.kernel import Compiled
from netspec.codegen.transform_squares import (
    Emitter,
    Ends,
    Places,
    Planes,
    Rows,
    Span,
    Terms,
    back,
    forth,
    leaving_moments,
    leaving_products,
    pulled,
    pulled_once,
    seen,
)


class Matrices(NamedTuple):
    """The matrices of a filtering: y = At [ (G w) . (Bt x) ] along each axis."""

    image: Rows  # Bt
    result: Rows  # At
    filter: Rows  # G


def matrices(minimal: Minimal) -> Matrices:
    """Cook's and Toom's matrices in the filtering's points and infinity."""
    points = [Fraction(point) for point in minimal.points]
    others = [points[:i] + points[i + 1 :] for i in range(len(points))]
    image = [_polynomial(roots) for roots in (*others, points)]
    result = [[p**i for p in points] + [Fraction(i == minimal.step - 1)] for i in range(minimal.step)]
    filters = []
    for point, rest in zip(points, others, strict=True):
        scale = Fraction(1)
        for other in rest:
            scale *= point - other
        filters.append([point**k / scale for k in range(minimal.taps)])
    filters.append([Fraction(k == minimal.taps - 1) for k in range(minimal.taps)])
    return Matrices(*([_terms(row) for row in rows] for rows in (image, result, filters)))


def _polynomial(roots: list[Fraction]) -> list[Fraction]:
    """The coefficients of the product of all x - root, from the constant on."""
    found = [Fraction(1)]
    for root in roots:
        found = [low - root * high for low, high in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found


def _terms(row: list[Fraction]) -> Terms:
    return [(float(factor), j) for j, factor in enumerate(row) if factor]


def turned(rows: Rows, width: int) -> Rows:
    """The transpose of a matrix of so many columns."""
    return [[(factor, i) for i, row in enumerate(rows) for factor, j in row if j == column] for column in range(width)]


ARGUMENTS = tuple(f"{group.__name__.lower()}_{field}" for group in (Places, Planes, Span) for field in group._fields)

transform = simd.caller(len(ARGUMENTS))
"""transform(code, Places(...), Planes(...), Span(...)): call a transform by its address."""


KINDS = (
    "image",
    "diff",
    "filter",
    "result",
    "gradient",
    "image_seen",
    "image_pulled",
    "diff_pulled",
    "diff_pulled_once",
    "result_moments",
    "result_products",
)
"""Tiles of the image, tiles of the result's diff and filters, to frequencies; and frequencies to tiles of the result
and to filters. Images may be seen through a lens, or be a diff that is pulled through a BatchNorm, as diffs may, which
may stay so in their places; tiles of the result may leave moments or products."""


class Transform(Compiled):
    """A transform of one filtering; `cut`, the last square's vectors have fewer values."""

    def __init__(self, kind: str, minimal: Minimal, cut: bool) -> None:
        super().__init__(f"transforms.{kind}_{minimal.taps}_{'cut' if cut else 'whole'}")
        self.kind, self.minimal, self.cut = kind, minimal, cut

    @property
    def weight(self) -> int:
        """A rough measure of how long it takes to compile."""
        return 20 * self.minimal.frequencies

    def _map(self) -> tuple[Callable[..., None], Rows, int]:
        """What writes it, its matrix, and the side of the squares that it reads."""
        image, result, filters = matrices(self.minimal)
        side, step, taps = self.minimal.side, self.minimal.step, self.minimal.taps
        found: dict[str, tuple[Callable[..., None], Rows, int]] = {
            "image": (forth, image, side),
            "diff": (forth, turned(result, side), step),
            "filter": (forth, filters, taps),
            "result": (back, result, side),
            "gradient": (back, turned(filters, taps), side),
            "image_seen": (seen, image, side),
            "image_pulled": (pulled, image, side),
            "diff_pulled": (pulled, turned(result, side), step),
            "diff_pulled_once": (pulled_once, turned(result, side), step),
            "result_moments": (leaving_moments, result, side),
            "result_products": (leaving_products, result, side),
        }
        return found[self.kind]

    def wrapper(self, dtype: str) -> tuple[Callable[..., Any], int]:
        """The function to compile, and its number of arguments."""
        emit_square, rows, side = self._map()

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            with cgutils.for_range(builder, args[ARGUMENTS.index("span_squares")]) as loop:
                emit = Emitter(builder, 4 if dtype == "float32" else 8, self.cut)
                more = (*args[-3:], loop.index)
                emit_square(emit, Ends(emit, args, loop.index), rows, side, more)
            return context.get_dummy_value()

        name, words = f"{self.name.replace('.', '_')}_{dtype}", ", ".join(ARGUMENTS)
        scope = {"transform": simd.intrinsic_of(ARGUMENTS, generate), "__name__": __name__}
        exec(compile(f"def {name}({words}):\n    transform({words})\n", __file__, "exec"), scope)
        return cast(Callable[..., Any], scope[name]), len(ARGUMENTS)


_made = cache(Transform)


def transform_of(kind: str, taps: int, cut: bool) -> Transform:
    """The transform of a kind for filters of so many taps: one object, however it is asked for."""
    return _made(kind, MINIMAL[taps], cut)


def __getattr__(name: str) -> Transform:
    """`image_5_whole`: by its name, for the process that compiles others' kernels."""
    kind, taps, cut = ("", *name.rsplit("_", 2))[-3:]
    if kind not in KINDS:
        raise AttributeError(name)
    return transform_of(kind, int(taps), cut == "cut")
