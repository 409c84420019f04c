"""The steps between the gradients of an iteration and its end: the watch, the update of every param, the count.

Order of an update, as in Caffe's sgd_solver.cpp: the gradient that is the sum over iter_size batches is clipped, then
divided by iter_size; noise is added; the regularizer pulls; the rule changes the weight. Then the regularizer may
project the weight, and its average follows it. Nothing of it happens while the gate is shut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from netspec.core import rng
from netspec.core.calls import Call, Calls, Run, Update
from netspec.engine.program import Iterations, Step
from netspec.engine.weights import Weights
from netspec.net.graph import Graph, GraphParam, Node

if TYPE_CHECKING:
    from netspec.core.calls import Array, Clock


def nothing(run: Update) -> Calls:
    """No Calls."""
    return iter(())


class Decay(NamedTuple):
    """What a regularizer does to one param: its coefficients, and its Calls before and after the rule's."""

    l1: float = 0.0
    l2: float = 0.0
    before: Callable[[Update], Calls] = nothing
    after: Callable[[Update], Calls] = nothing


class Clip(NamedTuple):
    """Limits of a summed gradient, 0 where there is none: of its norm, of its norm in each layer, of every value."""

    norm: float = 0.0
    layer_norm: float = 0.0
    value: float = 0.0


NO_CLIP = Clip()


class Noise(NamedTuple):
    """Variance of the noise on gradients: eta / (1 + iteration)^gamma."""

    eta: float
    gamma: float


class Preconditioner(Protocol):
    """A solver type's part in a program, where it reads what layers read and updates all params together."""

    def observe(self, node: Node, run: Run) -> Calls:
        """Calls behind a layer's backward, where its bottoms and its tops' diffs are still in memory."""
        ...

    def updates(self, runs: Mapping[int, Update]) -> Iterator[tuple[int, Call]]:
        """The Calls of the update of all learned params, by index; each with the param that it belongs to."""
        ...


@dataclass(frozen=True)
class Learning:
    """Settings of the update: the solver type's `update`, the decay of each param, clipping, batches per update, noise.

    `remembered` is how many of the last losses are kept. `preconditioner` takes the place of `update`. With
    `shows_steps` the diff of a param holds after an update what was subtracted from it, as in Caffe.
    """

    update: Callable[[Update], Calls]
    decay: tuple[Decay, ...]
    clip: Clip = NO_CLIP
    iter_size: int = 1
    remembered: int = 1
    noise: Noise | None = None
    preconditioner: Preconditioner | None = None
    shows_steps: bool = False


class Signals(NamedTuple):
    """Small arrays that every iteration writes anew, as `Program` describes them."""

    clock: Clock
    loss: Array
    rate: Array
    gate: Array
    norm: Array
    share: Array

    @classmethod
    def of(cls, dtype: str) -> Signals:
        """New ones: the gate is open."""
        import numpy as np

        return cls(np.zeros(2, np.int64), np.zeros(1), np.zeros(1, dtype), np.ones(2, dtype), np.zeros(1), np.zeros(1))


@dataclass
class Updating:
    """Makes the steps of a program that learns.

    `taken` (P, parts) are the sums of squares that layers leave by parts, `squares` its rows by param. `pending` (M,)
    is what the stored params become where the iteration counts, in the order of `Weights.flat_stored`. `gates` holds
    one for each layer, by node, where the limit of the norm is one for each layer. `steps` is as large as the largest
    param, where steps are shown, and 0 between updates.
    """

    graph: Graph
    weights: Weights
    seed: int
    learning: Learning
    signals: Signals
    taken: Array
    squares: Mapping[int, Array]
    pending: Array
    gates: dict[int, Array] = field(init=False)
    steps: Array = field(init=False)

    def __post_init__(self) -> None:
        import numpy as np

        largest = max((data.size for data in self.weights.data), default=0) if self.learning.shows_steps else 0
        self.steps = np.zeros(largest, self.signals.rate.dtype)
        layers = {param.users[0][0] for param in self.graph.params} if self.learning.clip.layer_norm else ()
        self.gates = {layer: np.ones_like(self.signals.gate) for layer in layers}

    def sections(self, iterations: Iterations) -> dict[str, list[Step]]:
        """The steps of the sections watch, update, resume, suspend and commit."""
        return {"watch": list(self.watch()), "update": list(self.update()), **self.counting(iterations)}

    def watch(self) -> Iterator[Step]:
        """Sum up the squares of all gradients, and set the gates."""
        import numpy as np

        from netspec.kernels import settle, update

        clip, signals = self.learning.clip, self.signals
        learned = [(index, diff) for index, diff in enumerate(self.weights.diff) if diff is not None]
        cuts = {index: update.sum_of_squares.parts((diff,)) for index, diff in learned if index not in self.squares}
        partials = np.zeros(sum(cuts.values()))
        sums, start = dict(self.squares), 0
        for index, diff in learned:
            if index in cuts:
                sums[index] = partials[start : start + cuts[index]]
                start += cuts[index]
                yield _step("watch", Call(update.sum_of_squares, diff, sums[index], parts=cuts[index]))
        ends = (signals.loss, signals.gate, signals.norm, clip.norm, self.learning.iter_size)
        yield _step("watch", Call(update.gate, self.taken, partials, *ends, parts=1))
        totals = {layer: np.zeros(1) for layer in self.gates}
        begun: set[int] = set()
        for index, _ in learned if self.gates else ():
            layer = self.graph.params[index].users[0][0]
            own = (totals[layer], signals.gate, self.gates[layer], clip.layer_norm, int(layer not in begun))
            begun.add(layer)
            yield _step("watch", Call(settle.layer_gate, sums[index], *own, parts=1))

    def update(self) -> Iterator[Step]:
        """Change every learned param, and let the averages follow the weights."""
        learning, params = self.learning, self.graph.params
        settled = {param.index: self.settled(param) for param in params if self.weights.diff[param.index] is not None}
        if learning.preconditioner is not None:
            runs = {index: run for index, (_, run) in settled.items()}
            before = [(index, call) for index, (calls, _) in settled.items() for call in calls]
            for index, call in (*before, *learning.preconditioner.updates(runs)):
                yield _step("update", call, params[index].name)
        for index, param in enumerate(params):
            calls: list[Call] = []
            if index in settled:
                before_one, run = settled[index]
                if learning.preconditioner is None:
                    calls = [*before_one, *(self.shown(run) if learning.shows_steps else learning.update(run))]
                calls += learning.decay[index].after(run)
            calls += following(self.graph, self.weights, index, self.pending, self.signals.gate, self.signals.share)
            for call in calls:
                yield _step("update", call, param.name)

    def settled(self, param: GraphParam) -> tuple[tuple[Call, ...], Update]:
        """The Calls that a param's gradient goes through before the solver type sees it, and what that type gets."""
        import numpy as np

        from netspec.kernels import settle

        learning, signals = self.learning, self.signals
        decay, diff = learning.decay[param.index], self.weights.diff[param.index]
        assert diff is not None
        arrays = (self.weights.data[param.index], diff, self.weights.history[param.index])
        gate = self.gates.get(param.users[0][0], signals.gate)
        factors = (param.lr_mult, decay.l1, decay.l2)
        run = Update(
            *arrays,
            signals.rate,
            gate,
            *factors,
            clock=signals.clock,
            whole=self.weights.whole,
            decay_mult=param.decay_mult,
        )
        calls = [Call(settle.clamp, diff, gate, learning.clip.value)] if learning.clip.value else []
        settled = replace(run, gate=np.ones_like(gate))
        pulls = tuple(decay.before(settled))
        if learning.noise is not None:
            seed = rng.key(self.seed, "gradient noise", param.name) & (2**63 - 1)
            noise = (signals.clock, seed, *learning.noise)
            calls.append(Call(settle.settle_with_noise, diff, gate, settled.gate, *noise))
        elif pulls:
            calls.append(Call(settle.settle, diff, gate, settled.gate))
        return (*calls, *pulls), settled if pulls or learning.noise is not None else run

    def shown(self, run: Update) -> Calls:
        """The Calls of the update of a param whose diff becomes the step: the rule works on a weight of 0."""
        import numpy as np

        from netspec.kernels import settle

        moved, gate = self.steps[: run.weight.size].reshape(run.weight.shape), np.ones_like(run.gate)
        yield Call(settle.settle_decayed, run.weight, run.diff, run.gate, gate, run.local)
        yield from self.learning.update(replace(run, weight=moved, gate=gate, l1=0.0, l2=0.0))
        yield Call(settle.take_step, run.weight, run.diff, moved, gate)

    def counting(self, iterations: Iterations) -> dict[str, list[Step]]:
        """The steps that keep stored params as they are until the iteration counts, and that make it count."""
        from netspec.kernels import update

        both, signals = (self.weights.flat_stored, self.pending), self.signals
        ends = (signals.gate, signals.loss, iterations.counts, iterations.recent, *both, self.learning.iter_size)
        calls: dict[str, tuple[Call, ...]] = {"commit": (Call(update.commit, *ends, parts=1),)}
        if self.pending.size:
            begin, end = (Call(update.mark, iterations.counts, number, parts=1) for number in (1, 0))
            calls |= {"resume": (Call(update.resume, signals.clock, *both), begin)}
            calls |= {"suspend": (Call(update.suspend, *both), end)}
        return {section: [_step(section, call) for call in each] for section, each in calls.items()}


def following(graph: Graph, weights: Weights, index: int, pending: Array, gate: Array, share: Array) -> Calls:
    """The Call by which the average of a param follows it; that of a stored param follows it in `pending`."""
    from netspec.kernels import average

    own = weights.averages[index] if weights.averages else None
    if own is not None:
        data, stored = weights.data[index], weights.flat_stored
        if not graph.params[index].param.learned:
            start = (data.ctypes.data - stored.ctypes.data) // stored.itemsize
            data = pending[start : start + data.size]
        yield Call(average.follow, data, own, gate, share)


def _step(section: str, call: Call, name: str = "") -> Step:
    parts = call.parts if call.parts is not None else call.kernel.parts(call.args)
    return Step(section, name, -1, call, parts)


def local_decay(params: Iterable[GraphParam], regularizer: Any, weight_decay: float) -> tuple[Decay, ...]:
    """What a regularizer does to every param, by weight_decay * decay_mult; nothing where decay_mult is 0."""
    decays = []
    for param in params:
        local = weight_decay * param.decay_mult
        l1, l2 = regularizer.coefficients(local)
        around = (partial(regularizer.before, decay=local), partial(regularizer.after, decay=local))
        decays.append(Decay(l1, l2, *around) if param.decay_mult else Decay())
    return tuple(decays)
