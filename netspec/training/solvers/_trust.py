"""What rules with a ratio of norms share: which params they adapt, and room for the sums of their parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netspec.core.calls import Kernel, Update

if TYPE_CHECKING:
    from netspec.core.calls import Array


def adapts(run: Update) -> bool:
    """Whether a param's step is scaled: it has two axes or more, and its decay_mult is not 0."""
    return run.weight.ndim > 1 and run.decay_mult != 0


def room_for_sums(kernel: Kernel, run: Update) -> tuple[Array, int]:
    """Room for two sums of each part, and the number of parts."""
    import numpy as np

    parts = kernel.parts((run.weight,))
    return np.zeros(2 * parts), parts
