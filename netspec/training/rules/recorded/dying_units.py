"""DyingUnits: ReLUs most of whose units passed nothing on."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, named
from netspec.training.rules.recorded.base import HistoryRule, Past, recorded

MOST = 0.5
"""Share of dead units from which a layer is called dead: where most units work, a layer learns."""


class DyingUnitsWarning(Caution):
    """Most units of a ReLU pass nothing on for any sample: they do not learn, and others learn nothing from them."""

    code = "NS848"


class DyingUnits(HistoryRule):
    """Layers of which half of the units or more were dead in the last lines of `debug_info`."""

    finding: ClassVar[type[NetspecError]] = DyingUnitsWarning
    wrong: ClassVar[Example] = recorded({"dead/relu1": [0.1, 0.6, 0.7, 0.8]})
    fine: ClassVar[Example] = recorded({"dead/relu1": [0.6, 0.2, 0.2, 0.1]})

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning for all such layers, with the figures of the worst."""
        shares = dead(past)
        if not shares:
            return
        worst = max(shares, key=lambda layer: shares[layer])
        first = past.history.series[f"dead/{worst}"].values[0]
        message = (
            f"most units of {named(list(shares))} are dead: in '{worst}' {100 * shares[worst]:.0f} % passed nothing on "
            f"for any sample of the last iterations that were looked at ({100 * first:.0f} % in the first)"
        )
        help = "try a lower rate, biases that begin at 0, `weight_filler: msra`, or negative_slope: 0.01 at the ReLU"
        yield DyingUnitsWarning(message, help=help)


def dead(past: Past) -> dict[str, float]:
    """The share of dead units of each layer that is called dead, in the last lines of `debug_info`."""
    shares = {layer: median(one.values[-3:]) for layer, one in past.history.under("dead").items()}
    return {layer: share for layer, share in shares.items() if share >= MOST}
