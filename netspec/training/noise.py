"""Gradient noise: normal numbers that are added to gradients, fewer from iteration to iteration.

Their variance in iteration t, counted from 0, is eta / (1 + t)^gamma. They are added to the gradient that is clipped
and divided by iter_size, before weight decay. Each number is a function of (seed, iteration, param, index), so a
training that resumes draws what it would have drawn. Source: Neelakantan et al. 2015, equation 1.
"""

from __future__ import annotations

from pydantic import Field

from netspec.core.model import Model


class GradientNoise(Model):
    """Normal noise on every gradient, of variance eta / (1 + iteration)^gamma."""

    eta: float = Field(gt=0, description="Variance in the first iteration; the paper takes 0.01, 0.3 and 1.")
    gamma: float = Field(0.55, ge=0, description="How fast the variance falls; 0: never.")
