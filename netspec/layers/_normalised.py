"""The arithmetic of layers that take off a mean and divide by a deviation, for a reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from netspec.codegen.geometry import CENTRE, DEVIATION, LENGTH, VARIANCE, RowRule
from netspec.core.worked import Term, Worked, dot, indices, sum_of, sum_of_squares, unravelled

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Rows(NamedTuple):
    """Rows whose values are normalised together, and what is done with them: x, dy (rows, length)."""

    x: Array
    dy: Array | None
    affine: tuple[Array, ...]  # none, the factors, or the factors and the constants
    rule: RowRule

    @property
    def factor_of(self) -> Array:
        """For each value the number of its factor, (rows, length)."""
        import numpy as np

        rows, length = self.x.shape
        places, runs = np.arange(length), self.rule.runs
        if not runs:
            return np.broadcast_to(places, self.x.shape)
        return np.asarray((np.arange(rows)[:, None] * runs + places * runs // length) % self.affine[0].size)

    def statistics(self, row: int, names: tuple[int, ...]) -> Iterator[Worked]:
        """m and v of a row, as far as the rule has them."""
        x, mean = self.x[row], 0.0
        if self.rule.centred:
            step = (sum_of(x) / len(x)).at("m", names)
            mean = step.value
            yield step
        if self.rule.divisor in (VARIANCE, DEVIATION):
            yield (sum_of_squares(x, mean) / len(x)).at("v", names)

    def divisor(self, row: int, variance: Term) -> Term | None:
        """What the values of a row are divided by; None where they are not."""
        eps = self.rule.eps
        if self.rule.divisor == CENTRE:
            return None
        if self.rule.divisor == LENGTH:
            return sum_of_squares(self.x[row]).sqrt().maximum(eps)
        if self.rule.divisor == DEVIATION:
            return variance.sqrt() + eps
        return (variance + eps).sqrt()


def worked_row(
    rows: Rows, at: tuple[int, int], index: tuple[int, ...], names: tuple[int, ...], given: list[Worked] | None = None
) -> Iterator[Worked]:
    """The value at a row and a place in it, `index` in the blob.

    `names` is the index of the row's statistics; `given` are statistics that do not come from the row.
    """
    row, _ = at
    steps = [*rows.statistics(row, names)] if given is None else given
    yield from steps
    found = {step.what: Term(step.value) for step in steps}
    y = _standard(Term(rows.x[at]), found.get("m"), rows.divisor(row, found.get("v", Term(1.0))))
    factor = unravelled(int(rows.factor_of[at]), rows.affine[0].shape) if rows.affine else ()
    for i, param in enumerate(rows.affine):
        y = y + Term(param[factor]) if i else y * Term(param[factor])
    yield y.at("y", index)


def slope_in_row(
    rows: Rows, at: tuple[int, int], index: tuple[int, ...], given: list[Worked] | None = None
) -> Iterator[Worked]:
    """The gradient of the value at a row and a place in it."""
    assert rows.dy is not None
    row, place = at
    steps = [*rows.statistics(row, ())] if given is None else given
    found = {step.what: Term(step.value) for step in steps}
    mean, below = found.get("m"), rows.divisor(row, found.get("v", Term(1.0)))
    slope = rows.dy[row].astype("float64")
    if rows.affine:
        slope = slope * rows.affine[0].reshape(-1)[rows.factor_of[row]]
    own = Term(slope[place])
    if given is None:
        own = _less_row(rows, at, slope, mean, below)
    yield (own if below is None else own / (below if given else Term(below.value))).at("dx", index)


def slopes_of_affine(rows: Rows, first: int, given: Sequence[list[Worked]] = ()) -> Iterator[Worked]:
    """The gradients of the factors, which are the layer's param number `first`, and of the constants behind them."""
    assert rows.dy is not None
    normal = _normal(rows, given)
    for slot, param in enumerate(rows.affine):
        for place, factor in enumerate(indices(param.shape)):
            same = rows.factor_of == place
            gradient = sum_of(rows.dy[same]) if slot else dot(rows.dy[same], normal[same])
            yield gradient.at("dw", factor, first + slot)


def _standard(x: Term, mean: Term | None, below: Term | None) -> Term:
    apart = x if mean is None else x - mean
    return apart if below is None else apart / below


def _less_row(rows: Rows, at: tuple[int, int], slope: Array, mean: Term | None, below: Term | None) -> Term:
    """The slope at a place, less what it changes of the row's mean and deviation."""
    row, place = at
    own, length = Term(slope[place]), len(slope)
    if mean is not None:
        own = own - sum_of(slope) / length
    clamped = rows.rule.divisor == LENGTH and below is not None and below.value <= rows.rule.eps
    if below is None or clamped:
        return own
    normal = _normal(rows)[row]
    product = dot(slope, normal)
    return own - Term(normal[place]) * (product if rows.rule.divisor == LENGTH else product / length)


def _normal(rows: Rows, given: Sequence[list[Worked]] = ()) -> Array:
    """All values normalised, (rows, length); `given` are the statistics of each row, where they do not come from it."""
    import numpy as np

    x = rows.x.astype(np.float64)
    if given:
        mean, variance = (np.array([[steps[i].value] for steps in given]) for i in (0, 1))
        return np.asarray((x - mean) / np.sqrt(variance + rows.rule.eps))
    apart = x - x.mean(1, keepdims=True) if rows.rule.centred else x
    squares = (apart**2).sum(1, keepdims=True) if rows.rule.divisor == LENGTH else (apart**2).mean(1, keepdims=True)
    eps = rows.rule.eps
    below = {
        VARIANCE: np.sqrt(squares + eps),
        DEVIATION: np.sqrt(squares) + eps,
        LENGTH: np.maximum(np.sqrt(squares), eps),
        CENTRE: np.ones_like(squares),
    }
    return np.asarray(apart / below[rows.rule.divisor])
