"""UnscaledInputs: inputs from 0 to 255 where nets expect about -1 to 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import feed, solver, value
from netspec.training.rules.probed.base import Probed, ProbeRule


class UnscaledInputsWarning(Caution):
    """An input of the net is neither scaled nor centred: steps that suit it do not suit the other layers."""

    code = "NS802"


def _bytes(sample: int, feature: int) -> float:
    return round(127.5 + 127.5 * value(sample, feature))


class UnscaledInputs(ProbeRule):
    """Training inputs without values below 0 and with values above 30, such as bytes."""

    finding: ClassVar[type[NetspecError]] = UnscaledInputsWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(solver(train=feed(_bytes)))
    fine: ClassVar[Example] = Example(solver(train=feed(_bytes, transform=[{"type": "Scale", "factor": 0.0078125}])))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for each such input."""
        data = probed.probe.data
        for one in data.unscaled:
            if one not in data.constant:
                text = f"input '{one.name}' is not scaled: {one.least:.4g} to {one.most:.4g}, mean {one.mean:.4g}"
                factor = 1 / 256 if one.most <= 255 else 1 / one.most
                help = f"add `transform: [{{type: Scale, factor: {factor:.8g}}}]` to all feeds, or Standardize"
                yield UnscaledInputsWarning(text, at=probed.at_feed("train", "transform"), help=help)
