"""Lengths in epochs that a training cannot know, and rates of a policy that are out of order."""

from __future__ import annotations

from netspec.core.counts import in_epochs
from netspec.core.errors import Findings, SpecError
from netspec.language.validate import InvalidFieldError
from netspec.training.spec import SolverSpec


class UnknownLengthError(SpecError):
    """A length is counted in epochs, and the solver has no training data."""

    code = "NS551"


def check_lengths(spec: SolverSpec, fed: bool, found: Findings) -> None:
    """Find such lengths and rates; `fed` says whether the solver has training data for its net."""
    for path in in_epochs(spec) if not fed else ():
        path = path[1:] if path[0] == "rule" else path
        name = ".".join(step for step in path if isinstance(step, str))
        text = f"`{name}` counts epochs, but the solver has no training data"
        help = "say how many iterations, like 500"
        found.add(UnknownLengthError(text, at=spec.place(*path), help=help))
    for name, sign, word in (("min_lr", 1, "more"), ("max_lr", -1, "less")):
        rate = getattr(spec.lr_policy, name, spec.base_lr)
        if sign * (rate - spec.base_lr) > 0:
            text = f"`{name}` of the policy is {rate:g}, which is {word} than base_lr, {spec.base_lr:g}"
            found.add(InvalidFieldError(text, at=spec.place("lr_policy", name)))
