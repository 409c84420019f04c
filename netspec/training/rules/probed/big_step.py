"""BigStep: a first step that changes weights by more than half of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class BigStepWarning(Caution):
    """The first step of the training would throw the weights about: the rate is far too high."""

    code = "NS817"


MOST = 0.5
"""Update of a weight over its size that passes: types like Adam begin with steps of the size of the rate. A weight that
changes by half of itself in each step forgets what it was.
"""

USUAL = 0.005
"""What a first step is brought to: some times the .001 that is usual later, when gradients are smaller."""

SMALL = 0.2
"""Part of the usual size below which weights are left out: those that begin near 0 grow many times in a step."""


class BigStep(ProbeRule):
    """Updates of more than half the norm of weights, in half of the layers; very small weights are left out."""

    finding: ClassVar[type[NetspecError]] = BigStepWarning
    wrong: ClassVar[Example] = Example(solver(base_lr=100.0))
    fine: ClassVar[Example] = Example(solver(base_lr=0.1))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning, with the worst layer."""
        probe = probed.probe
        if probe.exploded or probe.data.unscaled or probe.wide:
            return
        own = [one for one in probe.weights if one.usual is not None and one.size > SMALL * one.usual]
        steps = sorted((one.step, one.layer) for one in own if one.step is not None)
        if not steps or steps[len(steps) // 2][0] <= MOST:
            return
        step, layer = steps[-1]
        by = f"{step:.3g} times their size, where .001 is usual"
        text = f"at rate {probe.rate:.4g} the first step changes the weights of '{layer}' by {by}"
        near = probe.rate * USUAL / step
        help = f"lower base_lr to about {near:.1g}, or let `netspec lr-find` look for it"
        yield BigStepWarning(text, at=probed.job.spec.place("base_lr"), help=help)
