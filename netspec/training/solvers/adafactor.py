"""Adafactor: gradients divided by the root of their mean square, of which only means by rows and columns are kept.

R = R + (mean of g^2 + delta along rows - R) * t^-decay_rate, C alike along columns; u = g / sqrt(R C / mean(R));
w = w - rho * max(delta2, RMS(w)) * u / max(1, RMS(u) / clip_threshold), rho = min(rate, 1 / sqrt(t)), t = iteration + 1

Source: Shazeer & Stern 2018, algorithms 4 and 5, without a first moment; `base_lr: 0.01` is the paper's. A param of N
axes is seen as the matrix (K, M) of its first axis and all others: a convolution's filters are rows, and its channels
and taps columns. (The paper has no such params. Its authors' program, PyTorch and others factor two axes, and keep
means for each index of the others.) A param of a single axis keeps its whole mean square.

`weight_decay` is not in the gradient, whose scale plays no part, but is subtracted beside the step, as in PyTorch:
w = w - rate * decay * w. PyTorch takes delta for a floor of R C / mean(R), where the paper adds it to g^2. A gradient
is read three times an iteration: for its means, for the length of u, and for the step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from netspec.core.calls import Call, Calls, Slot, SolverState, Update
from netspec.core.model import Aka
from netspec.core.shape import Shape, count
from netspec.training.solvers._trust import room_for_sums
from netspec.training.solvers.base import UpdateRule


class Adafactor(UpdateRule):
    """Adaptive steps, relative to the weights' size, with a state of only a row and a column for each param."""

    decay_rate: Annotated[float, Aka("beta2_decay")] = Field(
        0.8, gt=0, le=1, description="How fast the share of a new gradient in the means falls: t^-decay_rate."
    )
    delta: float = Field(1e-30, ge=1e-30, description="Added to squared gradients.")
    delta2: float = Field(1e-3, gt=0, description="Least size of weights that steps are relative to.")
    clip_threshold: Annotated[float, Aka("d")] = Field(
        1.0, gt=0, description="Largest root mean square of an update before it is scaled."
    )
    relative_step: bool = Field(True, description="Whether the rate is at most 1 / sqrt(iteration + 1).")
    scale_parameter: bool = Field(True, description="Whether steps are relative to the size of the weights.")

    def state(self, params: Sequence[Shape]) -> SolverState:
        """Means by rows and by columns in float64; for a param of a single axis its mean square."""
        return SolverState(tuple(map(_slots, params)))

    def update(self, run: Update) -> Calls:
        """Calls that move the means, take the length of the update, and change the weight."""
        import numpy as np

        from netspec.kernels import update_factored

        now, local = run.now, run.local
        means = (self.decay_rate, self.delta, self.delta2, self.clip_threshold)
        factored = update_factored.Factored(*means, int(self.relative_step), int(self.scale_parameter))
        sums, parts = room_for_sums(update_factored.sum_factors, run)
        if run.weight.ndim < 2:
            arrays = (run.weight, run.diff, *run.history.values(), now)
            yield Call(update_factored.move_squares, *arrays, sums, factored, parts=parts)
            yield Call(update_factored.adafactor_of_vector, *arrays, local, sums, factored)
            return
        w, diff = (array.reshape(len(array), -1) for array in (run.weight, run.diff))
        parts = min(parts, len(w))  # each has a row of `columns`, and owns rows of w
        rows, columns = np.zeros(w.shape[0]), np.zeros(parts * w.shape[1])
        factors = tuple(np.zeros(length, w.dtype) for length in w.shape)
        yield Call(update_factored.sum_factors, w, diff, now, rows, columns, sums, parts=parts)
        ends = (now, rows, columns, *factors, factored)
        yield Call(update_factored.move_factors, *run.history.values(), *ends, parts=1)
        yield Call(update_factored.sum_updates, diff, now, *factors, sums, parts=parts)
        yield Call(update_factored.adafactor, w, diff, now, local, *factors, sums, factored)


def _slots(shape: Shape) -> dict[str, Slot]:
    if len(shape) < 2:
        return {"mean_square": Slot(shape)}
    return {"row": Slot(shape[:1], "float64"), "column": Slot((count(shape[1:]),), "float64")}
