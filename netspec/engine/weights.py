"""Weights: the param blobs of a net, filled by their fillers, or shared with the net of another phase."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from netspec.core import rng
from netspec.core.calls import Slot, SolverState
from netspec.core.errors import SpecError
from netspec.core.shape import Shape, count, text
from netspec.engine.plan import OutOfMemoryError
from netspec.net.graph import Graph, GraphParam, ParamKey
from netspec.net.shaped import ShapedGraph

if TYPE_CHECKING:
    import numpy as np

    from netspec.core.calls import Array


StateOf = Callable[[Sequence[Shape]], SolverState]
"""The state that a solver type keeps for learned params of given shapes."""


class PhaseShapeError(SpecError):
    """A param has one shape in TRAIN and another in TEST."""

    code = "NS402"


class Turn:
    """A lock that one thread holds at a time, as often as it likes: `with turn.lock(): ...`.

    A forked process finds it free, whichever thread of its parent held it.
    """

    def __init__(self) -> None:
        self._lock, self._process = threading.RLock(), os.getpid()

    def lock(self) -> AbstractContextManager[object]:
        """The lock of this process."""
        if self._process != os.getpid():
            self._lock, self._process = threading.RLock(), os.getpid()
        return self._lock


@dataclass
class Weights:
    """The param blobs of a net: values, gradients and history, each contiguous in memory.

    `names[i]` is 'layer.param' of the first layer that has it; `diff[i]` is None for a param that the solver does not
    learn. `history[i]` holds the solver type's state for param i by name, `whole` its state for all params together.
    `averages[i]` is the average of param i over the iterations, None where the param stands still; it is empty where
    the solver keeps no averages.
    `flat_diff` spans all gradients, `flat_stored` the values of all params that layers store, and behind them
    `states`: by layer and name what a batch leaves to the next. `turn` belongs to the thread that runs one of the nets
    that share these weights.
    """

    names: tuple[str, ...]
    data: tuple[Array, ...]
    diff: tuple[Array | None, ...]
    flat_diff: Array
    flat_stored: Array
    history: tuple[Mapping[str, Array], ...] = ()
    whole: Mapping[str, Array] = field(default_factory=dict)
    states: Mapping[ParamKey, Array] = field(default_factory=dict)
    turn: Turn = field(default_factory=Turn)
    averages: tuple[Array | None, ...] = ()

    @property
    def averaged(self) -> Weights:
        """These weights, with the averages in place of the values; both see the same memory."""
        pairs = zip(self.averages, self.data, strict=True)
        return replace(self, data=tuple(data if own is None else own for own, data in pairs))

    def begin_averages(self) -> None:
        """Let every average begin with the weights as they are."""
        for own, data in zip(self.averages, self.data, strict=False):
            if own is not None:
                own[...] = data

    def forget(self) -> None:
        """Set all states to 0."""
        for array in self.states.values():
            array[...] = 0

    def index(self, name: str) -> int:
        """The position of a param by name. Raises ValueError."""
        return self.names.index(name)


def params_by_key(shaped: ShapedGraph, weights: Weights) -> dict[ParamKey, Array]:
    """Views of every layer's params, each in the shape that its layer gives it; layers that share one see the same."""
    graph = shaped.graph
    shapes = (shape for node in graph.nodes for shape in node.layer.param_shapes(shaped.bottom_shapes(node)))
    pairs = zip(graph.param_keys.items(), shapes, strict=True)
    return {key: weights.data[index].reshape(shape) for (key, index), shape in pairs}


def allocate(shapes: Iterable[Shape], dtype: str) -> tuple[Array, tuple[Array, ...]]:
    """Zeroed memory, (M,), and arrays of the shapes in it, each on cache lines of its own."""
    import numpy as np

    shapes = tuple(shapes)
    lanes = 64 // np.dtype(dtype).itemsize
    starts, total = [], 0
    for shape in shapes:
        starts.append(total)
        total += -(-count(shape) // lanes) * lanes
    flat = zeros((total + 2 * lanes) * np.dtype(dtype).itemsize).view(dtype)[: total + lanes]
    places = zip(starts, shapes, strict=True)
    return flat[:total], tuple(flat[start : start + count(shape)].reshape(shape) for start, shape in places)


BESIDE = 4096
"""Bytes before and behind an arena. A masked vector may begin or end outside; CPUs touch only what the mask names, but
emulated ones read it all (qemu 7.2, AVX2)."""


def zeros(size: int) -> np.ndarray[Any, Any]:
    """`size` zeroed bytes that begin on a cache line, with BESIDE more on both sides. Raises OutOfMemoryError."""
    import numpy as np

    try:
        raw = np.zeros(BESIDE + size + 64 + BESIDE, np.uint8)
    except MemoryError:
        raise OutOfMemoryError(f"no memory for {size / 2**20:,.0f} MiB", help="lower the batch size") from None
    start = BESIDE + -(raw.ctypes.data + BESIDE) % 64
    return raw[start : start + size]


def fill_weights(
    shaped: ShapedGraph,
    dtype: str,
    seed: int,
    state: StateOf | None = None,
    shared: Mapping[int, Array] | None = None,
) -> Weights:
    """Weights at their fillers' values; params in `shared` take those arrays instead."""
    weights, shared = new_weights(shaped, dtype, state), shared or {}
    fill(shaped, weights, seed, shared)
    return replace(weights, data=tuple(shared.get(index, array) for index, array in enumerate(weights.data)))


def fill(shaped: ShapedGraph, weights: Weights, seed: int, but: Collection[int] = ()) -> None:
    """Give params the values of their fillers, all `but` those of these indices.

    Each param draws from a random stream of its own, keyed by the seed and the param's name.
    """
    for param, shape, array in zip(shaped.graph.params, shaped.params, weights.data, strict=True):
        if param.index not in but:
            array[...] = param.param.filler.fill(shape, rng.generator(seed, "filler", param.name))


def new_weights(shaped: ShapedGraph, dtype: str, state: StateOf | None = None, averages: bool = False) -> Weights:
    """Weights that are all 0, with the arrays of a solver type's `state` at their first values; `averages` of 0 too."""
    params = shaped.graph.params
    flat_stored, data, states = _values(shaped, dtype)
    learned = [shape for shape, param in zip(shaped.params, params, strict=True) if param.learned]
    flat_diff, diff = allocate(learned, dtype)
    diffs = iter(diff)
    own: list[Array | None] = [next(diffs) if p.learned else None for p in params]
    wanted = state(learned) if state is not None else SolverState(tuple({} for _ in learned))
    slots = iter([_slots(one, dtype) for one in wanted.params])
    history = tuple(next(slots) if p.learned else {} for p in params)
    whole = _slots(wanted.whole, dtype)
    names, values = tuple(p.name for p in params), (tuple(own), flat_diff, flat_stored, history, whole, states)
    kept = _averages(shaped, dtype) if averages else ()
    return Weights(names, data, *values, averages=kept)


def _averages(shaped: ShapedGraph, dtype: str) -> tuple[Array | None, ...]:
    """Memory for the averages of all params that move: that layers store, or that the solver learns."""
    moving = [param.learned or not param.param.learned for param in shaped.graph.params]
    _, own = allocate((shape for shape, moves in zip(shaped.params, moving, strict=True) if moves), dtype)
    arrays = iter(own)
    return tuple(next(arrays) if moves else None for moves in moving)


def _slots(slots: Mapping[str, Slot], dtype: str) -> dict[str, Array]:
    """The arrays of a solver type's state, at their first values."""
    arrays = {}
    for name, slot in slots.items():
        _, (arrays[name],) = allocate((slot.shape,), dtype if slot.kind == "real" else slot.kind)
        if slot.start:
            arrays[name][...] = slot.start
    return arrays


def _values(shaped: ShapedGraph, dtype: str) -> tuple[Array, tuple[Array, ...], dict[ParamKey, Array]]:
    """Memory for the values of all params, and for states.

    Those that layers store lie together with the states in the array that comes first.
    """
    kinds = [param.param.learned for param in shaped.graph.params]
    pairs = tuple(zip(shaped.params, kinds, strict=True))
    _, learned = allocate((shape for shape, learns in pairs if learns), dtype)
    states = {
        ParamKey(node.layer.name, name): shape
        for node in shaped.graph.nodes
        for name, shape in node.layer.states(shaped.bottom_shapes(node)).items()
    }
    flat, stored = allocate([*(shape for shape, learns in pairs if not learns), *states.values()], dtype)
    pools = {True: iter(learned), False: iter(stored)}
    data = tuple(next(pools[kind]) for kind in kinds)
    return flat, data, dict(zip(states, pools[False], strict=True))


def share_weights(shaped: ShapedGraph, owner: ShapedGraph, weights: Weights, dtype: str, seed: int) -> Weights:
    """The weights of a net of another phase: the owner's arrays where layers match, fillers elsewhere.

    Raises PhaseShapeError.
    """
    pairs = shared_params(shaped, owner)
    shared = {own: weights.data[theirs].reshape(shaped.params[own]) for own, theirs in pairs.items()}
    return replace(fill_weights(shaped, dtype, seed, shared=shared), turn=weights.turn)


def shared_params(shaped: ShapedGraph, owner: ShapedGraph) -> dict[int, int]:
    """The params that a net shares with the net of another phase, each with its index there. Raises PhaseShapeError."""
    pairs = same_params(shaped.graph, owner.graph)
    for own, index in pairs.items():
        param, wanted, theirs = shaped.graph.params[own], shaped.params[own], owner.params[index]
        if theirs != wanted and not (param.permissive and count(theirs) == count(wanted)):
            phases = (text(theirs), owner.graph.phase, text(wanted), shaped.graph.phase)
            message = "param '{}' is {} in phase {}, but {} in phase {}".format(param.name, *phases)
            at = shaped.graph.nodes[param.users[0][0]].layer.place()
            raise PhaseShapeError(message, at=at, help="both phases use one param: feed them samples of one shape")
    return pairs


def same_params(net: Graph, owner: Graph) -> dict[int, int]:
    """The params that two phases of a net have in common: the index in the one, and in the other.

    Params are matched by (layer, slot) and not by name: a shared param may have another owner in the other phase.
    """
    theirs = {place: param.index for param in owner.params for place in _users(owner, param)}
    pairs = {}
    for param in net.params:
        index = next((theirs[place] for place in _users(net, param) if place in theirs), None)
        if index is not None:
            pairs[param.index] = index
    return pairs


def _users(graph: Graph, param: GraphParam) -> list[tuple[str, int]]:
    """(layer, slot) of every layer that has the param."""
    return [(graph.nodes[node].layer.name, slot) for node, slot in param.users]
