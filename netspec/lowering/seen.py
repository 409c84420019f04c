"""How kernels that hold lines near see an image, and what they leave of the image they write (`kernels/seen.py`)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from netspec.core.beside import Lens, Pull
from netspec.core.calls import Run
from netspec.lowering.beside import lens_of, moments_of, products_of, pull_of

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.kernels.seen import Leaving, Seen


def through(lens: Lens) -> Pull:
    """A lens as kernels of this kind take it: a pull without slopes."""
    none = lens.factor[:0]
    return Pull(none, 0, lens, none, none, none, none)


def seen_forward(run: Run, scratch: Array, coded: bool = False) -> Seen:
    """How bottom 0 is seen, and the scratch for its lines, (parts, values); with `coded` the codes themselves see."""
    from netspec.kernels.seen import Seen

    lens = lens_of(run)
    plain = lens._replace(factor=lens.factor[:0])
    return Seen(through(plain if coded else lens), scratch, lens if coded else plain)


def seen_back(run: Run, scratch: Array) -> Seen:
    """How the diff of top 0 is seen, and the scratch for its lines, (parts, values)."""
    from netspec.kernels.seen import Seen

    lens = lens_of(run)
    return Seen(pull_of(run), scratch, lens._replace(factor=lens.factor[:0]))


def left_forward(run: Run) -> Leaving:
    """What is left of top 0."""
    from netspec.kernels.seen import Leaving

    return Leaving(moments_of(run), products_of(replace(run, products=())))


def left_back(run: Run) -> Leaving:
    """What is left of the diff of bottom 0."""
    from netspec.kernels.seen import Leaving

    return Leaving(moments_of(replace(run, moments=None)), products_of(run))


def is_held(seen: Seen) -> bool:
    """Whether lines are seen into scratch before they are read."""
    return bool(seen.how.of_dy.size or seen.how.lens.factor.size)


def asked(seen: Seen, left: Leaving) -> bool:
    """Whether anything is seen through a lens or a pull, or left."""
    return is_held(seen) or any(array.size for array in (left.moments.values, left.products.pieces.values))
