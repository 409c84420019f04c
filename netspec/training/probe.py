"""Probe: what a few batches through a training net show before, or after, it is trained."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Probe:
    """What the first batches show, with the weights as they are. Nothing is changed by looking."""

    loss: float
    """The loss of the net without regularization."""
