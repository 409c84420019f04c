"""FarTargets: targets that are far from the numbers that a net begins with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import FEATURES, SAMPLES, product, value
from netspec.training.rules.probed.base import Probed, ProbeRule


class FarTargetsWarning(Caution):
    """The numbers that a net should give are so large that it takes long to reach them, or throws it about."""

    code = "NS822"


FAR = 100
"""Values that a net reaches from its first outputs, which are about 1: the gradients of squares are as many times
larger as the targets are farther away, and no usual rate fits them.
"""


def _solver(size: float) -> dict[str, Any]:
    values = [
        [[value(i, j) for j in range(FEATURES)] for i in range(SAMPLES)],
        [size * value(i, 9) for i in range(SAMPLES)],
    ]
    first = {"name": "data", "type": "Input", "top": ["data", "truth"], "shape": [[20, FEATURES], [20]]}
    last = {"name": "loss", "type": "EuclideanLoss", "bottom": ["out", "truth"]}
    feed = {"source": {"type": "Arrays", "values": values}, "batch_size": 20}
    net = {"layers": [first, product("out", 1), last]}
    return {"net": net, "data": {"train": feed}, "base_lr": 1e-6, "lr_policy": "fixed", "max_iter": 10}


class FarTargets(ProbeRule):
    """Targets of a loss beyond -100..100."""

    finding: ClassVar[type[NetspecError]] = FarTargetsWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(_solver(500.0))
    fine: ClassVar[Example] = Example(_solver(0.5))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for each input that is compared with."""
        for one in probed.probe.data.inputs:
            if one.feed != "train" or not one.truth or max(-one.least, one.most) <= FAR:
                continue
            text = f"target '{one.name}' lies far from 0: {one.least:.4g} to {one.most:.4g}, mean {one.mean:.4g}"
            help = "scale it in all feeds: Standardize, or Scale; predictions come back in units of the data"
            yield FarTargetsWarning(text, at=probed.at_feed("train", "transform"), help=help)
