"""How samples are divided among parts: at random by a seed, each class in its proportion, groups left whole.

Only whole numbers and one permutation decide, so every machine divides alike. Samples are known by their index alone.
Source for the classes: Kohavi 1995, "A study of cross-validation and bootstrap", section 2 (stratified folds).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Any

from netspec.core import rng

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]


def divided(classes: Index, shares: Sequence[Fraction], seed: int, purpose: str, each: bool = True) -> Index:
    """The part of each sample, (N,): 0, 1, ... for each of the shares, -1 for the rest of shares that sum to less.

    `classes` (N,) are the classes of the samples, 0, 1, ...; without classes all are 0. A part differs from its share
    of all samples by less than one, of a class by less than two. With `each`, a class then gives one sample to every
    part that has none of it, from the part that has most, if it has samples enough.
    """
    import numpy as np

    parts = _with_rest(shares)
    order = rng.permutation(len(classes), seed, purpose)
    order = order[np.argsort(classes[order], kind="stable")]  # class after class, each in random order
    turns = _turns(parts, len(order))
    result = np.empty(len(classes), np.int64)
    result[order] = turns[np.arange(len(order)) % len(turns)]
    if each:
        _give_each(classes, result, order, len(shares))
    result[result == len(shares)] = -1
    return result


def _give_each(classes: Index, result: Index, order: Index, parts: int) -> None:
    """Give a sample of every class to the `parts` that have none of it, where there are enough; writes `result`."""
    import numpy as np

    number, columns = int(classes.max()) + 1, max(parts, int(result.max()) + 1)
    counts = np.bincount(classes * columns + result, minlength=number * columns).reshape(number, -1)
    for name in np.flatnonzero((counts[:, :parts] == 0).any(axis=1)):
        own, count = order[classes[order] == name], counts[name]
        for part in np.flatnonzero(count[:parts] == 0):
            most = int(count.argmax())
            if count[most] > 1:
                result[own[result[own] == most][-1]] = part
                count[[part, most]] += [1, -1]


def _with_rest(shares: Sequence[Fraction]) -> list[Fraction]:
    """The shares, and what they leave over."""
    rest = 1 - sum(shares, Fraction(0))
    return [*shares, rest] if rest else list(shares)


def _turns(shares: Sequence[Fraction], most: int) -> Index:
    """The part whose turn it is, for each sample of a row; after these turns they begin anew, unless `most` are enough.

    After any number of turns each part differs by less than one from its share.
    Source: Tijdeman 1980, "The chairman assignment problem". Of two parts the first has its rounded share at any time.
    """
    import numpy as np

    period, twice = lcm(*(share.denominator for share in shares)), max(2, 2 * len(shares) - 2)
    weights = [share.numerator * (period // share.denominator) for share in shares]
    if len(shares) == 2 and period < 2**31:  # products of two such numbers are whole in 64 bits
        rounded = (2 * weights[0] * np.arange(min(period, most) + 1) + period) // (2 * period)
        return 1 - np.diff(rounded)
    lacking = [0] * len(shares)
    result: list[int] = []
    for _ in range(min(period, most)):
        lacking = [lack + weight for lack, weight in zip(lacking, weights, strict=True)]
        ready = [part for part, lack in enumerate(lacking) if lack * twice >= period]
        part = min(ready, key=lambda i: ((twice - 1) * period - twice * lacking[i]) / weights[i])
        lacking[part] -= period
        result.append(part)
    return np.array(result, np.int64)


def dealt(groups: Index, classes: Index, shares: Sequence[Fraction], seed: int, purpose: str) -> Index:
    """The part of each sample, (N,), where all samples of a group come to one part; -1 for the rest.

    `groups` (N,) and `classes` (N,) are counted from 0. The largest group is dealt first, of equal ones that which the
    seed puts first, each to the part that lacks most of what the group holds: the sum over the classes of squared
    differences from the wanted numbers, each divided by the size of its class, becomes smallest.
    """
    import numpy as np

    wanted = _with_rest(shares)
    sizes = np.bincount(groups)
    shuffled = rng.permutation(len(sizes), seed, purpose)
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    in_class = np.bincount(classes)
    lacking = np.array([[_quota(share, int(size)) for size in in_class] for share in wanted])  # (P, C), whole numbers
    members = np.argsort(groups, kind="stable")
    begins = np.concatenate([[0], sizes.cumsum()])
    part_of = np.empty(len(sizes), np.int64)
    for group in order:
        held, count = np.unique(classes[members[begins[group] : begins[group + 1]]], return_counts=True)
        gain = np.zeros(len(wanted))
        for column, number in zip(held, count, strict=True):  # in this order: a sum by NumPy may have another elsewhere
            gain += float(number) * (2.0 * lacking[:, column] - float(number * _UNIT)) / float(in_class[column])
        part = int(gain.argmax())
        lacking[part, held] -= count * _UNIT
        part_of[group] = part
    part_of[part_of == len(shares)] = -1
    return part_of[groups]


_UNIT = 2**20
"""Parts of a sample in which wanted numbers are counted, so that their sums are exact."""


def _quota(share: Fraction, size: int) -> int:
    return share.numerator * size * _UNIT // share.denominator
