"""Iterations of a solver type that drives passes: it evaluates the net where it likes, then its new point counts.

Passes run in a program of their own, on trial weights; its blobs are those of the training's program. The training's
own weights, stored params and history are written by one call, which counts the iteration too. So an exception at any
moment finds an iteration counted or not begun.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING

from netspec.core import blas
from netspec.core.calls import Call
from netspec.engine.bind import bind
from netspec.engine.plan import MemoryPlan
from netspec.engine.program import Iterations, Program, Step, Table
from netspec.engine.updating import following, local_decay
from netspec.engine.weights import new_weights
from netspec.net.shaped import ShapedGraph
from netspec.training.blame import NotFiniteLossError
from netspec.training.solvers.base_driving import DrivingRule
from netspec.training.spec import SolverSpec

if TYPE_CHECKING:
    from netspec.core.calls import Array

HELD = 2**29
"""Bytes of an iteration's batches that are held from pass to pass; those of larger iterations are read anew."""


@dataclass(frozen=True)
class Passes:
    """What a session does for every pass.

    `feed` copies a training batch, by its number, into the net's inputs. `between` is called before each batch, and may
    raise. `shown` are arrays that hold after an iteration what the pass at its start left in them.
    """

    feed: Callable[[int], None]
    between: Callable[[], None]
    shown: tuple[Array, ...]


class Driving:
    """Carries out the iterations of a solver type that drives passes, for the training's program."""

    def __init__(
        self,
        rule: DrivingRule,
        train: Program,
        compiled: tuple[ShapedGraph, MemoryPlan],
        spec: SolverSpec,
        passes: Passes,
    ) -> None:
        import numpy as np

        shaped, memory = compiled
        own, mine = train.weights, new_weights(shaped, memory.dtype)
        trial = replace(mine, diff=own.diff, flat_diff=own.flat_diff)
        self.rule, self.train, self.spec, self.passes = rule, train, spec, passes
        self.decay = local_decay(shaped.graph.params, spec.regularization_type, spec.weight_decay)
        self.trial = bind(shaped, memory, trial, spec.random_seed, arena=train.arena)
        self.params = tuple({name: np.zeros_like(array) for name, array in kept.items()} for kept in own.history)
        self.whole = {name: np.zeros_like(array) for name, array in own.whole.items()}
        self.stored, self.loss = np.zeros_like(own.flat_stored), np.zeros(1)
        train.iterations = Iterations(train.iterations.counts, np.zeros(spec.average_loss))
        steps = [Step("commit", "", -1, call, call.parts or call.kernel.parts(call.args)) for call in self._commit()]
        self._table = Table(steps, memory.dtype)

    def _pairs(self) -> Iterator[tuple[Array, Array]]:
        """Each array of the training's state but the stored params, and the array that takes its place."""
        own, trial = self.train.weights, self.trial.weights
        yield from ((own.data[i], trial.data[i]) for i, diff in enumerate(own.diff) if diff is not None)
        for old, new in zip((*own.history, own.whole), (*self.params, self.whole), strict=True):
            yield from ((array, new[name]) for name, array in old.items())

    def _commit(self) -> Iterator[Call]:
        """The Calls that make an iteration count."""
        import numpy as np

        from netspec.kernels import copy, update

        for old, new in self._pairs():
            if old.size:
                yield Call(copy.copy_bytes, *(array.reshape(-1).view(np.uint8) for array in (new, old)))
        weights, counts, gate = self.train.weights, self.train.iterations, np.ones_like(self.train.gate)
        for index in range(len(weights.data)):
            yield from following(self.train.graph, weights, index, self.stored, gate, self.train.share)
        ends = (gate, self.loss, counts.counts, counts.recent, weights.flat_stored, self.stored, 1)
        yield Call(update.commit, *ends, parts=1)

    def step(self, iteration: int, rate: float) -> None:
        """Train one iteration. Where loss or gradient is not finite at its start, it is not counted: nothing changes.

        Raises NotFiniteLossError where the solver type's new point is not finite.
        """
        import numpy as np

        for old, new in self._pairs():
            new[...] = old
        objective = _Objective(self, iteration, rate)
        try:
            with blas.single_threaded(), np.errstate(all="ignore"):
                begun = objective.begin()
                objective.put(self.rule.step(objective))
        except _BadStart:
            return
        if not np.isfinite(objective.rounded()).all():
            name = type(self.rule).__name__
            help = "check the data's scale and the solver type's fields; weights are as before this iteration"
            raise NotFiniteLossError(f"iteration {iteration}: {name} steps to a point that is not finite", help=help)
        self.loss[0], self.stored[:] = begun.loss, begun.stored
        self._show(begun)
        self._table.run(0, len(self._table.steps))

    def _show(self, begun: _Begun) -> None:
        """Leave what the pass at the start found where other solver types leave it."""
        train, size = self.train, self.spec.iter_size
        train.loss[0], train.norm[0] = begun.loss * size, begun.norm
        for array, value in zip(self.passes.shown, begun.shown, strict=True):
            array[...] = value
        learned = (diff for diff in train.weights.diff if diff is not None)
        for diff, value in zip(learned, begun.diffs, strict=True):
            diff.reshape(-1)[:] = value


class _BadStart(Exception):
    """Loss or gradient are not finite at the start of an iteration."""


@dataclass(frozen=True)
class _Begun:
    """What the pass at an iteration's start found, without the regularizer.

    The mean loss, the stored params behind the pass, the gradients summed over the batches with their norm, and the
    arrays to be shown.
    """

    loss: float
    stored: Array
    diffs: tuple[Array, ...]
    norm: float
    shown: tuple[Array, ...]


class _Objective:
    """The Objective of one iteration."""

    def __init__(self, driving: Driving, iteration: int, rate: float) -> None:
        import numpy as np

        self._driving, self.iteration, self.rate = driving, iteration, rate
        self.whole = driving.whole
        weights, trial = driving.train.weights, driving.trial.weights
        for data, own in zip(trial.data, weights.data, strict=True):
            data[...] = own
        diffs = {i: diff.reshape(-1) for i, diff in enumerate(weights.diff) if diff is not None}
        learned, self._diff = tuple(diffs), tuple(diffs.values())
        self.params = tuple(driving.params[i] for i in learned)
        self._data = tuple(trial.data[i].reshape(-1) for i in learned)
        ends = np.cumsum([0, *(array.size for array in self._data)]).tolist()
        self.spans = tuple(slice(*pair) for pair in pairwise(ends))
        params = [driving.train.graph.params[i] for i in learned]
        self.lr_mult = self._spread(param.lr_mult for param in params)
        decay = [driving.decay[i] for i in learned]
        self._l1, self._l2 = self._spread(one.l1 for one in decay), self._spread(one.l2 for one in decay)
        self.start, self.eps = self.rounded(), float(np.finfo(driving.train.plan.dtype).eps)
        self._held: list[tuple[Array, ...]] = []
        self._known: list[tuple[Array, float, Array]] = []

    def _spread(self, values: Iterable[float]) -> Array:
        """A value of each param as an array (n,)."""
        import numpy as np

        return np.concatenate([np.full(array.size, value) for array, value in zip(self._data, values, strict=True)])

    def put(self, at: Array) -> None:
        """Let the trial weights be a point; numbers too large for the net's type become infinite."""
        for array, span in zip(self._data, self.spans, strict=True):
            array[:] = at[span]

    def rounded(self) -> Array:
        """The point that the trial weights are, (n,)."""
        import numpy as np

        return np.concatenate([array.astype(np.float64) for array in self._data])

    def loss(self, at: Array) -> float:
        """The loss at a point, with the regularizer."""
        known = self._recall(at)
        return self._whole(at, *self._run(at, backward=False))[0] if known is None else known[0]

    def gradient(self, at: Array) -> Array:
        """The gradient (n,) at a point, with the regularizer's share."""
        return self.slope(at)[1]

    def slope(self, at: Array) -> tuple[float, Array]:
        """Loss and gradient at a point, by one pass over the batches."""
        known = self._recall(at)
        if known is None:
            known = self._whole(at, *self._run(at, backward=True))
            self._known[1:] = [(at.copy(), *known)]  # beside that at the start
        return known[0], known[1].copy()

    def product(self, at: Array, v: Array) -> Array:
        """The Hessian at a point times v (n,), by a central difference of gradients along v."""
        length = sqrt(float((v * v).sum()))
        if not length:
            return v * 0.0
        step = self.eps ** (1 / 3) * max(1.0, sqrt(float((at * at).sum()))) / length
        result: Array = (self.gradient(at + step * v) - self.gradient(at - step * v)) / (2 * step)
        return result

    def _recall(self, at: Array) -> tuple[float, Array] | None:
        """Loss and gradient at a point where they are known."""
        return next(((loss, g) for point, loss, g in self._known if (point == at).all()), None)

    def begin(self) -> _Begun:
        """Run the pass at the start. Raises _BadStart where loss or gradient are not finite."""
        import numpy as np

        driving, program = self._driving, self._driving.trial
        loss, total = self._run(self.start, backward=True)
        if not (np.isfinite(loss) and np.isfinite(total).all()):
            raise _BadStart
        diffs = tuple(total[span] for span in self.spans)
        shown = tuple(array.copy() for array in driving.passes.shown)
        size, norm = driving.spec.iter_size, sqrt(float((total * total).sum()))
        begun = _Begun(loss / size, program.weights.flat_stored.copy(), diffs, norm, shown)
        self._known.append((self.start, *self._whole(self.start, loss, total)))
        return begun

    def _run(self, at: Array, backward: bool) -> tuple[float, Array]:
        """Run all batches at a point: the sums of their losses and, with `backward`, of their gradients (n,)."""
        import numpy as np

        driving, program = self._driving, self._driving.trial
        program.weights.flat_stored[:] = driving.train.weights.flat_stored
        self.put(at)
        loss, total = 0.0, np.zeros(self.start.size)
        for sub in range(driving.spec.iter_size):
            driving.passes.between()
            self._feed(sub)
            program.clock[:] = self.iteration, sub
            program.weights.flat_diff[:] = 0
            program.loss[0] = 0.0
            program.run("forward", "backward" if backward else "loss")
            loss += float(program.loss[0])
            if backward:
                total += np.concatenate(self._diff)
        return loss, total

    def _feed(self, sub: int) -> None:
        """Copy a batch of the iteration into the inputs: one that is held, or as the feed gives it."""
        inputs, size = self._driving.trial.inputs, self._driving.spec.iter_size
        if sub < len(self._held):
            for array, value in zip(inputs, self._held[sub], strict=True):
                array[...] = value
            return
        self._driving.passes.feed(self.iteration * size + sub)
        if size * sum(array.nbytes for array in inputs) <= HELD:
            self._held.append(tuple(array.copy() for array in inputs))

    def _whole(self, at: Array, loss: float, total: Array) -> tuple[float, Array]:
        """The objective and its gradient, of sums over the batches; a loss that is no number is inf."""
        import numpy as np

        size = self._driving.spec.iter_size
        loss = loss / size + float((0.5 * self._l2 * at * at + self._l1 * abs(at)).sum())
        return loss if np.isfinite(loss) else float("inf"), total / size + self._l2 * at + self._l1 * np.sign(at)
