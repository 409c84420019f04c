"""Agreement of two programs that run one net: how far apart their outputs are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.core.errors import CheckFailed

if TYPE_CHECKING:
    from netspec.core.calls import Array

TOLERANCE = 1e-4
"""The largest relative difference of outputs that still agree."""


class DisagreementError(CheckFailed):
    """Two programs give different outputs for one net and one input."""

    code = "NS752"


@dataclass(frozen=True)
class Difference:
    """The largest difference of an output: `absolute`, max|a-b|, and `relative`, that divided by max|b|.

    `inputs` says which inputs the outputs are of, `blob` is the output's name. Both numbers are infinite where the
    shapes differ, or where one of the two is not finite at a place where the other is another value.
    """

    inputs: str
    blob: str
    absolute: float
    relative: float

    @property
    def agrees(self) -> bool:
        """Whether it is small enough."""
        return self.relative <= TOLERANCE


def difference(inputs: str, blob: str, ours: Array, theirs: Array) -> Difference:
    """How far an output of ours is from that of another program."""
    import numpy as np

    a, b = (np.asarray(each, np.float64) for each in (ours, theirs))
    if a.shape != b.shape:
        return Difference(inputs, blob, np.inf, np.inf)
    finite = np.isfinite(a) & np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return Difference(inputs, blob, np.inf, np.inf)
    a, b = a[finite], b[finite]
    absolute, largest = float(np.abs(a - b).max(initial=0.0)), float(np.abs(b).max(initial=0.0))
    return Difference(inputs, blob, absolute, absolute / largest if largest else absolute)


def differences(inputs: str, ours: Mapping[str, Array], theirs: Mapping[str, Array]) -> list[Difference]:
    """The differences of all outputs, by their names in `ours`."""
    return [difference(inputs, name, values, theirs[name]) for name, values in ours.items()]


def check(found: Iterable[Difference], program: str) -> None:
    """Raise DisagreementError where outputs of netspec and of another program differ by more than the tolerance."""
    wrong = [one for one in found if not one.agrees]
    if wrong:
        worst = max(wrong, key=lambda one: one.relative)
        raise DisagreementError(
            f"{program} and netspec differ: '{worst.blob}' by {worst.relative:.1e} of its largest value on "
            f"{worst.inputs}; at most {TOLERANCE:g} is rounding"
        )
