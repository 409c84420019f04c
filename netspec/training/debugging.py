"""Debugging: sizes of all blobs, params, gradients and updates of an iteration, as Caffe's `debug_info` prints them.

The training's own program cannot tell them: it computes layers together, and lets blobs share memory. So a second
program, of weights of its own, runs forward and backward on the same batches with the same random numbers, and keeps
every blob. It leaves nothing behind in the training, whose weights have the same bits without it.

Source: Caffe net.cpp, ForwardDebugInfo, BackwardDebugInfo and UpdateDebugInfo, which print means over one batch.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from netspec.engine.bind import bind, compile_net
from netspec.engine.conversion import Conversion
from netspec.engine.program import Program
from netspec.engine.weights import new_weights
from netspec.layers.relu import ReLU
from netspec.net.graph import GraphParam, Node
from netspec.net.shaped import ShapedGraph
from netspec.training.events import DebugInfo, ParamInfo, TopInfo

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Debugging:
    """Repeats the batches of an iteration, from the weights before it, and measures what they leave.

    `net` is the training net before it was compiled, `program` its program.
    """

    def __init__(self, net: ShapedGraph, program: Program, seed: int) -> None:
        self._program = program
        shaped, memory = compile_net(net, program.plan.dtype, keep=True)
        self._kept = bind(shaped, memory, new_weights(shaped, program.plan.dtype), seed)
        self._kept.table.threads = program.table.threads
        self._iteration: int | None = None
        self._batches = 0

    def begin(self, iteration: int) -> None:
        """Note the weights before an iteration, whose batches are about to come."""
        import numpy as np

        kept, own = self._kept, self._program
        for mine, theirs in zip(kept.weights.data, own.weights.data, strict=True):
            mine[...] = theirs
        for key, state in own.weights.states.items():
            kept.weights.states[key][...] = state
        self._iteration, self._batches = iteration, 0
        self._data, self._diff = ({blob.index: 0.0 for blob in kept.graph.blobs} for _ in range(2))
        self._fired: dict[int, Array] = {}
        self._gradient = np.zeros(kept.weights.flat_diff.shape)

    def take(self, iteration: int, number: int) -> None:
        """Repeat a batch, which lies in the inputs of the training's program.

        Batches of other iterations are passed over, and those that were repeated already: solver types that drive
        passes may read a batch more than once.
        """
        import numpy as np

        if iteration == self._iteration and number == self._batches:
            with np.errstate(all="ignore"):  # the training itself finds what is not finite
                self._repeat(iteration, number)
            self._batches += 1

    def _repeat(self, iteration: int, number: int) -> None:
        """Run forward and backward, and add up what they leave."""
        kept = self._kept
        for mine, theirs in zip(kept.inputs, self._program.inputs, strict=True):
            mine[...] = theirs
        kept.clock[:] = iteration, number
        kept.weights.flat_diff[:] = 0
        kept.loss[0] = 0.0
        kept.run("forward", "backward")
        self._gradient += kept.weights.flat_diff
        for blob in kept.graph.blobs:
            self._data[blob.index] += _mean(kept.items(blob.index, kept.data[blob.index]))
            diff = kept.diff[blob.index]
            if diff is not None:
                self._diff[blob.index] += _mean(kept.items(blob.index, diff))
        for node in kept.graph.nodes:
            if isinstance(node.layer, ReLU) and not node.layer.negative_slope:
                one = fired(kept, node.tops[0])
                self._fired[node.index] = self._fired.get(node.index, one) | one

    def info(self) -> DebugInfo:
        """What was measured, once the training's program has updated its weights."""
        assert self._iteration is not None
        kept, iteration = self._kept, self._iteration
        self._iteration = None
        kept.weights.flat_diff[:] = self._gradient
        layers = [node for node in kept.graph.nodes if not isinstance(node.layer, Conversion)]
        tops = tuple(self._top(node, top) for node in layers for top in node.tops)
        params = tuple(map(self._param, kept.graph.params))
        learned = [(kept.weights.data[i], diff) for i, diff in enumerate(kept.weights.diff) if diff is not None]
        norms = [[norm(pair[side]) for pair in learned] for side in (0, 1) for norm in (_l1, l2)]
        data_l1, data_l2, diff_l1, diff_l2 = norms
        whole = (sum(data_l1), _joined(data_l2), sum(diff_l1), _joined(diff_l2))
        return DebugInfo(iteration, tops, params, *whole)

    def _top(self, node: Node, top: int) -> TopInfo:
        kept, batches = self._kept, self._batches
        data = self._data[top] / batches
        diff = None if kept.diff[top] is None else self._diff[top] / batches
        own = self._fired.get(node.index)
        dead = None if own is None or not own.size else 1.0 - float(own.mean())
        return TopInfo(node.layer.name, node.layer.type, kept.graph.blobs[top].name, data, diff, dead)

    def _param(self, param: GraphParam) -> ParamInfo:
        kept = self._kept
        layer = kept.graph.nodes[param.users[0][0]].layer.name
        data, diff = kept.weights.data[param.index], kept.weights.diff[param.index]
        named = (layer, param.name.removeprefix(f"{layer}."), _mean(data))
        if diff is None:
            return ParamInfo(*named)
        size, step = l2(data), l2(self._program.weights.data[param.index].astype("float64") - data)
        return ParamInfo(*named, _mean(diff), l2(diff), step / size if size else None)


def fired(kept: Program, top: int) -> Array:
    """Whether each unit of a ReLU's top is above 0 anywhere in a batch: its channels are the axis behind the batch."""
    import numpy as np

    data, batch = kept.items(top, kept.data[top]), kept.shaped.batch_axes[top]
    if batch is None:
        return np.asarray(data > 0).reshape(-1)
    return np.asarray((data > 0).any(axis=tuple(axis for axis in range(data.ndim) if axis != batch + 1))).reshape(-1)


def _mean(array: Array) -> float:
    """Mean of |x|, 0 of an array without values."""
    return _l1(array) / array.size if array.size else 0.0


def _l1(array: Array) -> float:
    import numpy as np

    return float(np.abs(array).sum(dtype=np.float64))


def l2(array: Array) -> float:
    """The L2 norm of all values."""
    import numpy as np

    values: Any = array.astype(np.float64).reshape(-1)
    return sqrt(float(np.square(values).sum()))


def _joined(norms: list[float]) -> float:
    """The L2 norm of all params together, of those of each."""
    return sqrt(sum(norm * norm for norm in norms))
