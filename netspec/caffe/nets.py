"""Net with the arguments of pycaffe's: `Net(file, phase, weights=...)`, `Net(file, weights, phase)`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from netspec.api.habits import positional
from netspec.api.net import Net as _Net

TRAIN, TEST = 0, 1
"""The phases, as numbers."""


class Net(_Net):
    """A net of one phase, as pycaffe makes it. All else is netspec's Net."""

    random_seed: ClassVar[int] = 1

    def __init__(
        self,
        network_file: str | Path,
        *given: Any,
        phase: Any = TEST,
        level: int = 0,
        stages: Sequence[str] | None = None,
        weights: str | Path | None = None,
        **how: Any,
    ) -> None:
        if given:
            weights, phase = positional(given, weights, phase)
        words = {"seed": self.random_seed} | how
        super().__init__(network_file, phase=phase, level=level, stages=stages or (), weights=weights, **words)
