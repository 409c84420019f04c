"""ManyParams: far more params than samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.core.shape import counted
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import feed, product, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class ManyParamsWarning(Caution):
    """The net has so many params for each training sample that it learns the samples by heart."""

    code = "NS815"


EACH = 10_000
"""Params for each sample that pass: AlexNet has 50 on ImageNet; a VGG-16 on a thousand images has 138,000, and needs
trained weights, which are not counted.
"""


def _solver(units: int) -> dict[str, Any]:
    layers = [product("ip1", units), {"name": "relu1", "type": "ReLU"}, product("ip2", units)]
    return solver([*layers, {"name": "relu2", "type": "ReLU"}], feed(samples=range(40)))


class ManyParams(ProbeRule):
    """More than ten thousand learned params a sample, but for those that a file has brought."""

    finding: ClassVar[type[NetspecError]] = ManyParamsWarning
    wrong: ClassVar[Example] = Example(_solver(650))
    fine: ClassVar[Example] = Example(_solver(64))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning."""
        probe = probed.probe
        if not probe.samples:
            return
        own = sum(one.count for one in probe.weights if one.learned and (one.drawn or one.usual is None))
        if own <= EACH * probe.samples:
            return
        text = (
            f"{own:,} params learn from {counted(probe.samples, 'sample')}, {own // probe.samples:,} for each: the net "
        )
        text += "can learn them by heart"
        help = "more samples or augmentation, a smaller net, or trained weights to begin with"
        yield ManyParamsWarning(text, at=probed.at_feed("train", "source"), help=help)
