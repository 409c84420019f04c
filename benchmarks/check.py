"""Check before timing that both sides compute equal losses and gradients, from equal weights and data, Dropout at 0.

The reference is the net in PyTorch with float64; errors of PyTorch's float32 are shown beside those of netspec.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.in_torch import TorchNet
from benchmarks.nets import Arrays, Stepper, undropped
from netspec.net.shaped import ShapedGraph

LOSS_BOUND, SCORE_BOUND = 1e-4, 1e-3
"""Largest relative error of the loss, and of a deployed net's scores, |s - s'| / |s'| in the L2 norm."""
GRADIENT_BOUND, PEER_FACTOR = 2e-3, 5.0
"""Bounds on the relative error |g - g'| / |g'| of any param's gradient; the larger bound counts.

They are a fixed number, and a multiple of the error that PyTorch has with float32 on the net.

Rounding sometimes moves a value across the kink of a ReLU, or to another maximum of a pool, and then a whole path of
the gradient changes: one value in a million makes an error of 1e-3, and deep nets have several such layers in a row. A
mistake in a kernel shows as 1e-1 or more.
"""


@dataclass(frozen=True)
class Agreement:
    """Error of a side against the reference: of the loss, and the largest of any param's gradient; both relative."""

    loss: float
    gradient: float
    param: str

    def __str__(self) -> str:
        return f"loss {self.loss:.1e}, gradients at most {self.gradient:.1e} ({self.param})"


class Disagreement(Exception):
    """The two sides do not compute equal results, so that a race between them would mean nothing."""


@dataclass(frozen=True)
class Checked:
    """Errors of each side against the reference; `allowed` is the bound on those of gradients."""

    sides: Mapping[str, Agreement]
    allowed: float

    def agrees(self, side: str) -> bool:
        """Whether a side is within the bounds."""
        found = self.sides[side]
        return found.loss <= LOSS_BOUND and found.gradient <= self.allowed


Side = tuple[float, Sequence[Any]]
"""A loss, and each param's gradient or None."""


def check_training(shaped: ShapedGraph, batch: Arrays, others: Mapping[str, Side] | None = None) -> Checked:
    """The distances of netspec, of torch's float32 and of others from float64. Raises Disagreement for netspec's."""
    shaped = undropped(shaped)
    stepper = Stepper(shaped, batch)
    names, weights = stepper.program.weights.names, stepper.weights
    judge = _torch(
        shaped, (array.astype(np.float64) for array in weights), [array.astype(np.float64) for array in batch]
    )
    sides = {"netspec": stepper.gradients(), "torch": _torch(shaped, weights, batch), **(others or {})}
    errors = {name: _distance(names, side, judge) for name, side in sides.items()}
    checked = Checked(errors, max(GRADIENT_BOUND, PEER_FACTOR * errors["torch"].gradient))
    if not checked.agrees("netspec"):
        said = "; ".join(f"{name}: {error}" for name, error in errors.items())
        raise Disagreement(f"{said}; allowed: {LOSS_BOUND:.0e} and {checked.allowed:.1e}")
    return checked


def _torch(shaped: ShapedGraph, weights: Iterable[Any], batch: Arrays) -> Side:
    net = TorchNet(shaped, weights)
    loss = net.loss(*batch)
    loss.backward()
    return loss.item(), [None if param.grad is None else param.grad.numpy() for param in net.params]


def _distance(names: Sequence[str], side: Side, judge: Side) -> Agreement:
    """Errors of gradients; those below 1e-6 of the largest gradient are divided by that bound instead of their norm."""
    largest = max(float(np.linalg.norm(g)) for g in judge[1] if g is not None)
    errors = {
        name: float(np.linalg.norm(mine - true) / max(float(np.linalg.norm(true)), 1e-6 * largest))
        for name, mine, true in zip(names, side[1], judge[1], strict=True)
        if true is not None
    }
    worst = max(errors, key=lambda name: errors[name] if np.isfinite(errors[name]) else np.inf)
    return Agreement(abs(side[0] - judge[0]) / abs(judge[0]), errors[worst], worst)


def check_scores(ours: Any, theirs: Any, peer: str) -> float:
    """Relative L2 distance of netspec's scores from a peer's. Raises Disagreement."""
    error = float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
    if not error <= SCORE_BOUND:
        raise Disagreement(f"scores differ from those of {peer} by {error:.1e}; allowed: {SCORE_BOUND:.0e}")
    return error
