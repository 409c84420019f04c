"""What KFAC does in a training: statistics behind each layer's backward, inverses, and the Calls of the update.

All that Python code writes is scratch. The state changes in compiled steps behind the last Python step of an iteration,
together with the weights, so that an iteration counts whole or not at all (decision 39).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from netspec.codegen.geometry import ADD, GRAIN, MOST_PARTS
from netspec.core import blas
from netspec.core.calls import Call, Calls, Routine, Run, Update
from netspec.core.errors import DivergedError
from netspec.engine.program import Step, Table
from netspec.engine.weights import allocate
from netspec.lowering import products
from netspec.lowering.conv_passes import flat
from netspec.net.graph import Node
from netspec.training.solvers._kronecker import Factored, Rows, bottom_rows, damped_inverses, top_rows

if TYPE_CHECKING:
    from netspec.core.calls import Array

ROOM = 2**21
"""Values of a factor's rows that are laid out at a time."""
BAND = 256
"""Rows are laid out in multiples of this number, in which products sum them."""


class NotFiniteFactorError(DivergedError):
    """The Kronecker factors of a layer are not finite, or cannot be inverted."""

    code = "NS549"


class Settings(NamedTuple):
    """The fields of the solver type, and `plain`, its Calls for a param without factors."""

    momentum: float
    damping: float
    factor_decay: float
    update_interval: int
    inverse_interval: int
    kl_clip: float
    plain: Callable[[Update], Calls]


class Kronecker:
    """The preconditioner of KFAC in one program. `fresh[node]` holds by name a layer's factors and inverses to come."""

    def __init__(self, rule: Settings, layers: tuple[Factored, ...], dtype: str) -> None:
        self.rule, self.layers, self.dtype = rule, layers, dtype
        self.fresh = {
            one.node.index: dict(zip(one.shapes, self._new(*one.shapes.values()), strict=True)) for one in layers
        }
        widest = max((max(one.inputs, one.outputs) for one in layers), default=0)
        self.room: Array = self._new((max(ROOM, BAND * widest) if layers else 0,))[0]

    def _new(self, *shapes: tuple[int, ...]) -> tuple[Array, ...]:
        return allocate(shapes, self.dtype)[1]

    # --- statistics

    def observe(self, node: Node, run: Run) -> Calls:
        """A Python step that adds the statistics of a batch, behind a layer's backward."""
        one = next((one for one in self.layers if one.node.index == node.index), None)
        if one is None:
            return
        last = run.layout == "NHWC" and run.bottom[0].ndim == 4
        (x, pitch), (dy, top_pitch) = (
            flat(blob) if last else (blob, None) for blob in (run.bottom[0], run.top_diff[0])
        )
        moments, clock = self.fresh[node.index], run.clock
        calls = (
            *self._moments(one, moments["A"], x, bottom_rows(one, run.bottom_shapes[0], pitch)),
            *self._moments(one, moments["G"], dy, top_rows(one, run.top_shapes[0], top_pitch)),
        )
        steps = [Step("statistics", node.layer.name, node.index, call, call.parts or 1) for call in calls]
        table = Table(steps, self.dtype)

        def collect() -> None:
            if clock[0] % self.rule.update_interval == 0:
                for name in ("A", "G") if clock[1] == 0 else ():
                    moments[name].fill(0)
                table.run(0, len(calls))

        yield Call(Routine("kfac.statistics", collect))

    def _moments(self, one: Factored, moments: Array, blob: Array, rows: Rows) -> Calls:
        """moments (groups, n, n) += the products of all rows with themselves."""
        from netspec.kernels import kfac

        n, total, none = moments.shape[1], one.samples * one.places, np.zeros(0)
        band = max(BAND, self.room.size // n // BAND * BAND)
        for group, result in enumerate(moments):
            first = group * rows.channels * rows.channel
            windows, taps = rows.table.shape
            places = kfac.Places(windows, taps, rows.channels, rows.image, rows.channel, first)
            for start in range(0, total, band):
                number = min(band, total - start)
                laid = self.room[: number * n].reshape(number, n)
                yield Call(kfac.rows, blob, rows.table, laid, places, start, parts=_parts(number, n))
                yield from products.multiply_columns(laid, laid, result, none, ADD)

    # --- the update

    def updates(self, runs: Mapping[int, Update]) -> Iterator[tuple[int, Call]]:
        """The Calls that update all params, each with the param that it belongs to.

        First the Python step, then state and weights: an interrupt comes before all of them or after all of them.
        """
        from netspec.kernels import kfac

        blocks = self._blocks()
        if blocks:
            first = self.layers[0].weight
            yield first, Call(Routine("kfac.factors", lambda: self._renew(runs)))
            work, scale, partials = self._work(), np.ones(1), np.concatenate([block.partial for block in blocks])
            at = 0
            for block in blocks:  # views of a single array, which `constrain` sums
                block.partial, at = partials[at : at + block.partial.size], at + block.partial.size
            for one in self.layers:
                yield from ((one.weight, call) for call in self._adopted(one, runs[one.weight]))
            for block in blocks:
                yield from self._direction(block, runs, work)
            yield first, Call(kfac.constrain, partials, runs[first].rate, scale, self.rule.kl_clip, parts=1)
            for block in blocks:
                for param, lying in block.params():
                    run = runs[param]
                    arrays = (run.weight, run.history["momentum"], block.step, scale)
                    settings = (run.now, run.local, self.rule.momentum, lying)
                    yield param, Call(kfac.step, *arrays, *settings, parts=_parts(*block.step.shape))
        own = {param for block in blocks for param, _ in block.params()}
        for param, run in runs.items():
            yield from ((param, call) for call in (() if param in own else self.rule.plain(run)))

    def _blocks(self) -> list[_Block]:
        """The blocks of all layers, with memory for their steps."""
        steps = self._new(*((one.groups, one.outputs, one.inputs) for one in self.layers))
        pairs = zip(self.layers, steps, strict=True)
        return [_Block(one, group, step) for one, all_steps in pairs for group, step in enumerate(all_steps)]

    def _work(self) -> tuple[Array, Array]:
        """Memory for the gradient of a block and its product with the inverse of A."""
        largest = max(one.outputs * one.inputs for one in self.layers)
        first, second = self._new((largest,), (largest,))
        return first, second

    def _renew(self, runs: Mapping[int, Update]) -> None:
        """Compute the running means and the inverses to come, where they are due. Raises NotFiniteFactorError."""
        first, rule = runs[self.layers[0].weight], self.rule
        iteration, batches = int(first.clock[0]), int(first.clock[1]) + 1
        measured, inverting = iteration % rule.update_interval == 0, iteration % rule.inverse_interval == 0
        if first.gate[0] == 0 or not (measured or inverting):
            return
        share = max(1 / (iteration // rule.update_interval + 1), 1 - rule.factor_decay)
        for one in self.layers:
            run, fresh = runs[one.weight], self.fresh[one.node.index]
            scales = {"A": 1 / one.samples, "G": one.samples / one.places}
            for name, scale in scales.items() if measured else ():
                fresh[name] *= share * scale / batches
                fresh[name] += (1 - share) * run.history[name]
            now = fresh if measured else run.history
            sound = all(np.isfinite(now[name]).all() for name in scales)
            if not sound or (inverting and not self._invert(one, now, fresh, rule.damping + run.l2)):
                text = f"iteration {iteration}: the Kronecker factors of layer '{one.node.layer.name}' "
                text += "have no finite inverse" if sound else "are not finite"
                raise NotFiniteFactorError(text, help="raise `damping`, lower base_lr, or check the scale of the data")

    @staticmethod
    def _invert(one: Factored, now: Mapping[str, Array], fresh: dict[str, Array], damping: float) -> bool:
        """Compute the damped inverses of a layer's factors; returns whether they exist and are finite."""
        try:
            with blas.single_threaded(), np.errstate(over="ignore", invalid="ignore"):
                for group in range(one.groups):
                    inverses = damped_inverses(now["A"][group], now["G"][group], damping)
                    fresh["A_inverse"][group], fresh["G_inverse"][group] = inverses
        except np.linalg.LinAlgError:
            return False
        return all(bool(np.isfinite(fresh[name]).all()) for name in ("A_inverse", "G_inverse"))

    def _adopted(self, one: Factored, run: Update) -> Calls:
        """The state takes the factors and the inverses that are due."""
        from netspec.kernels import kfac

        for name, fresh in self.fresh[one.node.index].items():
            interval = self.rule.inverse_interval if name.endswith("inverse") else self.rule.update_interval
            yield Call(kfac.adopt, fresh, run.history[name], run.now, interval)

    def _direction(
        self, block: _Block, runs: Mapping[int, Update], work: tuple[Array, Array]
    ) -> Iterator[tuple[int, Call]]:
        """step = G^-1 gradient A^-1, and the parts of its product with the gradient."""
        from netspec.kernels import kfac

        step, weight, state = block.step, block.one.weight, runs[block.one.weight].history
        gradient, half = (memory[: step.size].reshape(step.shape) for memory in work)
        parts, none = _parts(*step.shape), gradient.reshape(-1)[:0]
        for param, lying in block.params():
            run = runs[param]
            yield param, Call(kfac.gradient, run.weight, run.diff, gradient, run.now, run.local, lying, parts=parts)
        a, g = state["A_inverse"][block.group], state["G_inverse"][block.group]
        for call in (
            *products.multiply_rows(gradient, a, none, half, 0),
            *products.multiply_rows(g, half, none, step, 0),
            Call(kfac.inner, step, gradient, block.partial, parts=parts),
        ):
            yield weight, call


class _Block:
    """A group of a layer: `step` (M, n), and the sums of its product with the gradient by parts."""

    def __init__(self, one: Factored, group: int, step: Array) -> None:
        self.one, self.group, self.step = one, group, step
        self.partial = np.zeros(_parts(*step.shape))

    def params(self) -> Iterator[tuple[int, Any]]:
        """The weight and the bias, each with where the matrix lies in it."""
        from netspec.kernels.kfac import Lying

        m, n = self.step.shape
        columns = n - (self.one.bias is not None)
        row, column = (1, m) if self.one.turned else (columns, 1)
        yield self.one.weight, Lying(self.group * m * columns, row, column, 0, columns)
        if self.one.bias is not None:
            yield self.one.bias, Lying(self.group * m, 1, 1, columns, 1)


def _parts(rows: int, columns: int) -> int:
    """Number of parts for work on the rows of a matrix."""
    return max(1, min(MOST_PARTS, rows, rows * columns // GRAIN))
