"""FadingGradients: gradients that all but vanish on their way down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, named
from netspec.training.rules.base_examples import product, solver
from netspec.training.rules.equal_units import EqualUnits
from netspec.training.rules.probed.base import Probed, ProbeRule


class FadingGradientsWarning(Caution):
    """The gradients of the lower layers are so small beside those of the upper ones that they do not learn."""

    code = "NS805"


FADED = 1e-4
"""Share of the largest relative gradient below which a layer hardly learns: at one rate for all it moves ten thousand
times more slowly.
"""


def _deep(activation: str) -> list[dict[str, Any]]:
    pairs = [(product(f"ip{i}"), {"name": f"act{i}", "type": activation}) for i in range(10)]
    return [layer for pair in pairs for layer in pair]


class FadingGradients(ProbeRule):
    """A gradient, beside weights of usual size, below a ten-thousandth of the largest; those of 0 have other causes."""

    finding: ClassVar[type[NetspecError]] = FadingGradientsWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(solver(_deep("Sigmoid")))
    fine: ClassVar[Example] = Example(solver(_deep("TanH")))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning, with the layers that get no gradient."""
        probe = probed.probe
        own = [(one, one.gradient * one.size / one.usual) for one in probe.weights if one.usual and one.gradient]
        most = max((gradient for _, gradient in own), default=0.0)
        small = [(one, gradient) for one, gradient in own if gradient < FADED * most]
        if not small or probe.wide or probe.saturated or probe.dead:
            return
        if next(EqualUnits().judge(probed.known), None):
            return  # the gradients of equal outputs cancel one another
        least, gradient = min(small, key=lambda pair: pair[1])
        names = named([one.layer for one, _ in small])
        text = f"the gradients fade: that of '{least.layer}' is {gradient:.2g} of its weights, the largest {most:.2g}; "
        text += f"{names} will hardly learn"
        types = {node.layer.type for node in probed.job.train.graph.nodes}
        squash = "ReLU in the place of Sigmoid and TanH, " if types & {"Sigmoid", "TanH"} else ""
        help = f"{squash}`weight_filler: msra` or xavier, BatchNorm, or sums around layers (Eltwise)"
        yield FadingGradientsWarning(text, help=help)
