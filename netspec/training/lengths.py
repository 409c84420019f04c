"""Lengths in epochs that a training cannot know, rates of a policy that are out of order, and settings too large for
the number type.
"""

from __future__ import annotations

from netspec.core.counts import in_epochs
from netspec.core.errors import Findings, SpecError
from netspec.core.model import leaves
from netspec.language.validate import InvalidFieldError, OutOfRangeError
from netspec.training.spec import SolverSpec


class UnknownLengthError(SpecError):
    """A length is counted in epochs, and the solver has no training data."""

    code = "NS551"


def check_lengths(spec: SolverSpec, fed: bool, found: Findings) -> None:
    """Find them; `fed` says whether the solver has training data for its net."""
    for path in in_epochs(spec) if not fed else ():
        path, name = _written(path)
        text = f"`{name}` counts epochs, but the solver has no training data"
        help = "say how many iterations, like 500"
        found.add(UnknownLengthError(text, at=spec.place(*path), help=help))
    for name, sign, word in (("min_lr", 1, "more"), ("max_lr", -1, "less")):
        rate = getattr(spec.lr_policy, name, spec.base_lr)
        if sign * (rate - spec.base_lr) > 0:
            text = f"`{name}` of the policy is {rate:g}, which is {word} than base_lr, {spec.base_lr:g}"
            found.add(InvalidFieldError(text, at=spec.place("lr_policy", name)))
    for path, value in leaves(spec) if spec.dtype == "float32" else ():
        if isinstance(value, float) and abs(value) > LARGEST and _computed(path):
            path, name = _written(path)
            text = f"`{name}` is {value:g}, and float32 holds nothing above {LARGEST:.2g}"
            help = "choose a smaller number; `dtype: float64` holds it"
            found.add(OutOfRangeError(text, at=spec.place(*path), help=help))


LARGEST = float.fromhex("0x1.fffffep+127")
"""The largest number of float32."""


def _computed(path: tuple[str | int, ...]) -> bool:
    """Whether kernels compute with a number: of a policy only with rates."""
    if path[0] == "lr_policy":
        return path[-1] in {"min_lr", "max_lr", "rate"}
    return path[0] not in {"data", "max_time", "reached", "early_stop"}


def _written(path: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], str]:
    """Where a value stands in the file, whose top level has the fields of the rule too, and its dotted name."""
    path = path[1:] if path[0] == "rule" else path
    return path, ".".join(step for step in path if isinstance(step, str))
