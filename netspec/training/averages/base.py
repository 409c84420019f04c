"""Averages: weights averaged over the iterations, beside the weights that are trained.

Averages change nothing of the training. After every iteration average += share * (w - average); the share is a pure
function of the iteration. All params that move are averaged: those that the solver learns, and those that layers store,
such as BatchNorm's statistics. Statistics of averaged weights, as a pass over the data would give them, differ a little
from these; Izmailov et al. 2018 make that pass, PyTorch's AveragedModel with `use_buffers` does as is done here.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator

from netspec.core.counts import Pace
from netspec.core.model import Model
from netspec.core.rooms import Room, snake


class Average(Model):
    """A way to average weights over the iterations."""

    def share(self, done: int, pace: Pace) -> float:
        """The share of the weights after `done` iterations in their new average: 1 replaces it, 0 leaves it."""
        raise NotImplementedError


AVERAGES: Room[Average] = Room("netspec.training.averages", Average, "average of weights", snake)

AnyAverage = Annotated[Average, BeforeValidator(AVERAGES.parse)]
