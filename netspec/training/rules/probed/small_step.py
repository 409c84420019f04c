"""SmallStep: steps so small that all of them together change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import solver
from netspec.training.rules.probed.base import Probed, ProbeRule
from netspec.training.rules.probed.big_step import USUAL


class SmallStepWarning(Caution):
    """The rate is so low that the weights stay about where they begin."""

    code = "NS818"


SMALL = 1e-4
"""Update of a weight over its size that is small: a tenth of the usual .001. Larger steps get somewhere in time."""

MOVED = 0.2
"""Part of their size that weights must be able to move in a training: by less, a net stays about as it was drawn."""

LEAST = 100
"""Iterations of a training that is meant to learn: shorter ones are trials."""


class SmallStep(ProbeRule):
    """Steps like the first that, over all iterations, change no layer's weights by a fifth of their size."""

    finding: ClassVar[type[NetspecError]] = SmallStepWarning
    wrong: ClassVar[Example] = Example(solver(base_lr=1e-6, max_iter=1000))
    fine: ClassVar[Example] = Example(solver(base_lr=0.1, max_iter=1000))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning; trained weights may need no more."""
        probe, course = probed.probe, probed.known.course
        if course is None or not probe.rate or not course.last or probe.data.tiny:
            return
        own = [one for one in probe.weights if one.usual is not None and one.drawn and one.gradient]
        step = max((one.step or 0.0 for one in own), default=0.0) * probe.top_rate / probe.rate
        if not own or not 0 < step < SMALL or course.last < LEAST or step * course.last > MOVED:
            return
        text = f"at rate {probe.top_rate:.4g} a step changes weights by at most {step:.2g} of their size: "
        text += f"{course.last:,} such steps add up to {step * course.last:.2g}"
        help = f"raise base_lr to about {probe.top_rate * USUAL / step:.1g}, or let `netspec lr-find` look for it"
        yield SmallStepWarning(text, at=probed.job.spec.place("base_lr"), help=help)
