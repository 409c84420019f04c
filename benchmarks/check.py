"""Before a net is timed: do both sides compute the same? Losses and gradients from the same weights and data, Dropout at ratio 0.

The judge is the same net in PyTorch with float64 numbers; PyTorch's own float32 stands beside netspec's for comparison.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.in_torch import TorchNet
from benchmarks.nets import Arrays, Stepper, undropped
from netspec.infer import ShapedGraph

LOSS_BOUND, GRADIENT_BOUND, SCORE_BOUND = 1e-4, 2e-3, 1e-3
"""Largest relative error of the loss; of any param's gradient, |g - g'| / |g'| in the L2 norm; of a deployed net's scores, likewise."""


@dataclass(frozen=True)
class Agreement:
    """How far a side is from the judge: relative error of the loss, and of the gradient of the param where it is worst."""

    loss: float
    gradient: float
    param: str

    def __str__(self) -> str:
        return f"loss {self.loss:.1e}, gradients at most {self.gradient:.1e} ({self.param})"


class Disagreement(Exception):
    """Two sides that should compute the same do not; a race between them would mean nothing."""


def check_training(shaped: ShapedGraph, batch: Arrays) -> tuple[Agreement, Agreement]:
    """(netspec's, torch's float32) distance from float64. Raises Disagreement."""
    shaped = undropped(shaped)
    stepper = Stepper(shaped, batch)
    ours = stepper.gradients()
    single = TorchNet(shaped, stepper.weights)
    theirs = single.loss(*batch).item(), single.gradients(*batch)
    double = TorchNet(shaped, (array.astype(np.float64) for array in stepper.weights))
    wide = [array.astype(np.float64) for array in batch]
    judge = double.loss(*wide).item(), double.gradients(*wide)
    names = stepper.program.weights.names
    mine, peer = (_distance(names, side, judge) for side in (ours, theirs))
    if mine.loss > LOSS_BOUND or not mine.gradient <= GRADIENT_BOUND:
        raise Disagreement(f"netspec: {mine}; torch float32: {peer}; allowed: {LOSS_BOUND:.0e} and {GRADIENT_BOUND:.0e}")
    return mine, peer


def _distance(names: Sequence[str], side: tuple[float, list[Any]], judge: tuple[float, list[Any]]) -> Agreement:
    largest = max(float(np.linalg.norm(g)) for g in judge[1] if g is not None)
    errors = {
        name: float(np.linalg.norm(mine - true) / max(float(np.linalg.norm(true)), 1e-6 * largest))
        for name, mine, true in zip(names, side[1], judge[1], strict=True)
        if true is not None
    }
    worst = max(errors, key=lambda name: errors[name] if np.isfinite(errors[name]) else np.inf)
    return Agreement(abs(side[0] - judge[0]) / abs(judge[0]), errors[worst], worst)


def check_inference(stepper: Stepper, net: TorchNet) -> float:
    """Relative L2 distance of both sides' scores. Raises Disagreement."""
    with torch.inference_mode():
        theirs = net.scores(*stepper.batch).numpy()
    error = float(np.linalg.norm(stepper.scores() - theirs) / np.linalg.norm(theirs))
    if not error <= SCORE_BOUND:
        raise Disagreement(f"scores differ by {error:.1e}; allowed: {SCORE_BOUND:.0e}")
    return error
