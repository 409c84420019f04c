"""StrongDecay: weight decay that rules over the loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class StrongDecayWarning(Caution):
    """The weight decay is so strong that weights shrink faster than the loss can teach them."""

    code = "NS814"


SHRINK = 5e-4
"""Share of a weight that the decay may take in an iteration: AlexNet's takes 5e-6; by 5e-4 a weight that the loss does
not hold is a hundredth of itself after nine thousand iterations.
"""


class StrongDecay(ProbeRule):
    """A penalty larger than the loss, of which each iteration takes more than one in two thousand of a weight."""

    finding: ClassVar[type[NetspecError]] = StrongDecayWarning
    wrong: ClassVar[Example] = Example(solver(weight_decay=1.0))
    fine: ClassVar[Example] = Example(solver(weight_decay=0.0005))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning."""
        probe = probed.probe
        if probe.penalty <= probe.loss or probe.shrink <= SHRINK:
            return
        text = (
            f"the decay rules over the loss: its penalty is {probe.penalty:.3g}, the loss {probe.loss:.3g}, and each "
        )
        text += f"iteration takes {probe.shrink:.1%} of every weight"
        help = "`weight_decay: 0.0005` is usual, 0.0001 for long trainings"
        yield StrongDecayWarning(text, at=probed.job.spec.place("weight_decay"), help=help)
