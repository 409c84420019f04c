"""Net: a net of one phase, as in pycaffe, with its blobs and params, forward and backward.

Every blob's data and diff stay readable, so a Net uses more memory and time than the command line does; `keep=False`
gives it the command line's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from netspec.api.arguments import (
    BadArgumentError,
    fitting,
    flag,
    keep_of,
    number_type,
    overrides_of,
    path_of,
    phase_of,
    spec_of,
    threads_of,
    whole,
    words_of,
)
from netspec.api.blobs import Blob, Named, UnknownNameError, check_kept, no_diff
from netspec.api.feeding import Feeding, LayerFeeding
from netspec.api.labels import Labels
from netspec.api.recipe import Recipe, twin
from netspec.core.calls import Phase
from netspec.core.nodes import Document
from netspec.core.shape import Shape, text
from netspec.core.spelling import suggest
from netspec.engine.program import Program
from netspec.engine.weights import params_by_key
from netspec.language.references import open_net
from netspec.net.graph import Gradients, State
from netspec.training import snapshot
from netspec.training.loading import LoadReport, load
from netspec.training.snapshot import Snapshot

if TYPE_CHECKING:
    import numpy as np

    from netspec.core.calls import Array


_BY_HAND = -1
"""Sub-iteration of a forward by hand on a training's net: no iteration of the training draws its masks."""


class Net:
    """A net of one phase on its own memory.

    `net` is a path, a zoo name, YAML-like plain values, or a Document. Raises the errors of the spec, and SnapshotError
    for `weights`.

    `blobs[name]` and `params[layer][i]` have `data` and `diff`; what is written into them is what the next forward and
    backward read. Param diffs add up over `backward` calls, as in Caffe, until `clear_param_diffs()`. `force_backward`
    computes the gradients of the inputs too, and of params of `lr_mult: 0`. Every forward of a TRAIN net draws new
    random masks (`forwards`).

    `keep=False` is for forward alone: only inputs and outputs stay readable, layers are computed along with others and
    share memory, and there is no backward; a list of names keeps these blobs too. In phase TEST factors by channel are
    then folded into weights, and weights packed once: `params` are read-only arrays, and `load` packs again. Results
    may differ from those with `keep=True` in last bits.

    `copy` and `pickle` make a net of its own of it, with equal params and their diffs, inputs and `forwards`. A copy
    has the other blobs too; a net from a pickle computes them at its next forward. Several threads may use a net: each
    call waits until the one before has ended, as calls of nets that share weights do.
    """

    def __init__(
        self,
        net: str | Path | Mapping[str, Any] | Document,
        *,
        phase: Phase = "TEST",
        weights: str | Path | None = None,
        dtype: Literal["float32", "float64"] | type[np.floating[Any]] | np.dtype[Any] = "float32",
        overrides: Sequence[str] = (),
        level: int = 0,
        stages: Sequence[str] = (),
        batch: int | None = None,
        seed: int = 1,
        threads: int | None = None,
        force_backward: bool = False,
        keep: bool | Sequence[str] = True,
    ) -> None:
        state = State(phase_of(phase), whole(level, "level"), words_of(stages, "stages", '["deploy"]'))
        size = None if batch is None else whole(batch, "batch", 1)
        kept, forced = keep_of(keep), flag(force_backward, "force_backward")
        if forced and kept is not True:
            raise BadArgumentError("backward needs every blob, so force_backward=True needs keep=True")
        gradients: Gradients = "inputs" if forced else "any" if kept is True else "none"
        how = (number_type(dtype), whole(seed, "seed", 0), threads_of(threads))
        path = None if weights is None else path_of(weights, "a file of weights")
        document = open_net(spec_of(net, "a net"), overrides_of(overrides))
        recipe = Recipe(document, state, size, gradients, *how, kept)
        self._hold(recipe.program(), recipe)
        check_kept(kept, self._program.graph)
        if path is not None:
            self.load(path)

    @classmethod
    def around(cls, program: Program, recipe: Recipe, feeding: Feeding | None = None) -> Net:
        """A Net around an existing program, such as a training's; the recipe is for its copies."""
        net = cls.__new__(cls)
        net._hold(program, recipe)
        net._feeding = feeding
        net._ran, net._sub, net._packed = True, _BY_HAND, False
        return net

    def _hold(self, program: Program, recipe: Recipe) -> None:
        self._program, self._recipe, self._labels = program, recipe, Labels(program)
        brings = any(node.layer.brings is not None for node in program.graph.nodes)
        self._feeding: Feeding | None = LayerFeeding(recipe.seed, recipe.dtype) if brings else None
        self._ran, self._forwards, self._sub = False, 0, 0
        self._packed = bool(program.plan.fixed)
        """Whether nobody else changes the params, so that what is made of them is kept from one forward to the next."""
        program.prepare()
        for storage, diff in self._ends().items():  # the loss weights, as in Caffe at set-up
            diff[...] = program.flows[storage].seed

    def _ends(self) -> dict[int, Array]:
        """The diffs that no layer writes, by blob: backward starts from them, and they are the caller's."""
        program = self._program
        if not program.plan.keep:
            return {}
        pairs = ((storage, program.diff[storage]) for storage, flow in program.flows.items() if not flow.writers)
        return {storage: diff for storage, diff in pairs if diff is not None}

    @property
    def program(self) -> Program:
        """The program that the net runs."""
        return self._program

    @property
    def name(self) -> str:
        """The net's name."""
        return self._program.graph.name

    @property
    def blobs(self) -> Mapping[str, Blob]:
        """Every blob by name, in the order of production.

        Of a blob that is changed in place it is the last version; of an input the first, which a caller fills. Without
        `keep=True` these are the inputs, the outputs and the blobs named in `keep`.
        """
        program, graph = self._program, self._program.graph
        shown = graph.named | {graph.blobs[index].name: graph.blobs[index] for index in graph.inputs}
        every, outputs = program.plan.keep, {*graph.outputs}
        seen = {name: one.index for name, one in shown.items() if every or one.kept or one.index in outputs}
        blobs = {name: Blob(name, *self._shown(index)) for name, index in seen.items()}
        return Named(blobs, "blob", "net.blobs[name].data[...] = values", shown.keys())

    def _shown(self, blob: int) -> tuple[Array, Array | None]:
        """The data and diff of a blob, with the items that it holds."""
        program = self._program
        diff = program.diff[blob]
        return program.items(blob, program.data[blob]), diff if diff is None else program.items(blob, diff)

    @property
    def params(self) -> Mapping[str, tuple[Blob, ...]]:
        """The param blobs of every layer with params, weight first; layers that share a param see the same memory."""
        weights, shaped = self._program.weights, self._program.shaped

        def blob(param: int, shape: Shape) -> Blob:
            diff = weights.diff[param]
            data = weights.data[param].reshape(shape)
            data.flags.writeable = not self._packed
            return Blob(weights.names[param], data, None if diff is None else diff.reshape(shape))

        params = {
            node.layer.name: tuple(map(blob, node.params, node.layer.param_shapes(shaped.bottom_shapes(node))))
            for node in shaped.graph.nodes
            if node.params
        }
        return Named(params, "layer with params called", "net.params[layer][0].data[...] = values")

    @property
    def inputs(self) -> list[str]:
        """Names of the blobs that Input layers hold."""
        graph = self._program.graph
        return [graph.blobs[i].name for i in graph.inputs]

    @property
    def outputs(self) -> list[str]:
        """Names of the blobs that no layer reads."""
        graph = self._program.graph
        return [graph.blobs[i].name for i in graph.outputs]

    @property
    def forwards(self) -> int:
        """Forwards so far. With the seed, it is what the random masks of a TRAIN net's next forward are drawn by.

        So two nets of one seed draw equal masks, forward by forward. Set it back to draw those of an earlier forward
        again: after `net.forwards = 0` the next forward draws the masks of the first.
        """
        return self._forwards

    @forwards.setter
    def forwards(self, number: int) -> None:
        self._forwards = whole(number, "number of forwards", 0)

    def forward(self, /, **inputs: Any) -> dict[str, Array]:
        """Compute all blobs; inputs that are not given keep their values. Returns copies of the outputs.

        Raises UnknownNameError, WrongShapeError, WrongLabelError.
        """
        program, graph = self._program, self._program.graph
        places = dict(zip(self.inputs, graph.inputs, strict=True))
        given: list[tuple[Array, Array]] = []
        for name, value in inputs.items():
            if name not in places:
                raise UnknownNameError(f"the net has no input '{name}'", help=suggest(name, places))
            array, axis = program.data[places[name]], program.shaped.batch_axes[places[name]]
            given.append((array, self._apart(fitting(name, array, value, axis))))
        with program.weights.turn.lock():
            if self._feeding is not None:
                self._feeding.fill(program, inputs)
            for array, values in given:
                array[...] = values
            self._labels.check()
            if graph.phase == "TRAIN":
                program.clock[:] = self._forwards, self._sub
            if self._packed:
                program.infer()
            else:
                program.forward()
            self._labels.check_computed()
            self._ran = True
            self._forwards += 1
            return {graph.blobs[b].name: program.items(b, program.data[b]).copy() for b in graph.outputs}

    def _apart(self, values: Array) -> Array:
        """Values that are given to the net, copied where they may be a view of its own blobs, which change."""
        import numpy as np

        return values.copy() if np.may_share_memory(values, self._program.arena) else values

    @property
    def loss(self) -> float:
        """Weighted sum of the losses of the last forward."""
        return float(self._program.loss[0])

    def backward(self, /, **top_diffs: Any) -> dict[str, Array | None]:
        """Compute gradients of the weighted losses, or of the sum of some tops times their given diffs.

        Without diffs given, it starts from the diffs of the blobs that no layer reads, as they are: the loss weight of
        a loss, 0 of others, or what was written into them. With diffs given, nothing above the topmost of them runs,
        and the losses do not count. Returns the diffs of the inputs (None without `force_backward`).
        Raises UnknownNameError, WrongShapeError, NoDiffError.
        """
        import numpy as np

        if not self._program.plan.keep:
            raise BadArgumentError("backward needs every blob, and this net does not keep them", help="say keep=True")
        if not self._ran:
            raise BadArgumentError("backward before the first forward", help="call net.forward(...) first")
        program, graph = self._program, self._program.graph
        given: dict[int, Array] = {}
        for name, value in top_diffs.items():
            if name not in graph.named:
                raise UnknownNameError(f"the net has no blob '{name}'", help=suggest(name, graph.named))
            blob = graph.latest(name).index
            if program.diff[blob] is None:
                raise no_diff(name)
            given[blob] = self._apart(fitting(name, self._shown(blob)[0], value))
        of = program.plan.storage
        results = {of[i] for i in graph.inputs} & {of[blob] for blob in given}  # given tops that are views of inputs
        with program.weights.turn.lock():
            ends = {storage: diff.copy() for storage, diff in self._ends().items()}
            try:
                self._backward(given, {} if given else ends)
            finally:
                for storage, diff in self._ends().items():
                    if storage not in results:
                        diff[...] = ends[storage]
            diffs = ((graph.blobs[i].name, program.diff[i]) for i in graph.inputs)
            return {name: None if diff is None else np.array(diff) for name, diff in diffs}

    def _backward(self, given: Mapping[int, Array], ends: Mapping[int, Array]) -> None:
        """Run backward from the given diffs of some blobs, or, without them, from those of `ends` and the losses."""
        program, graph = self._program, self._program.graph
        start = max((graph.blobs[b].producer for b in given), default=len(graph.nodes) - 1)
        for storage, flow in program.flows.items():
            diff = program.diff[storage]
            if diff is not None and (not flow.writers or flow.writers[0][0] > start):
                diff[...] = 0
        begins: dict[int, list[tuple[int, Array]]] = {}
        for blob, values in (*given.items(), *((blob, program.items(blob, array)) for blob, array in ends.items())):
            begins.setdefault(program.flows[program.plan.storage[blob]].producer, []).append((blob, values))
        for node in reversed(graph.nodes[: start + 1]):
            if not given:
                program.run_node("seed", node.index)
            for blob, values in begins.get(node.index, ()):
                whole = program.diff[blob]
                assert whole is not None
                total = program.items(blob, whole)
                if blob in graph.counted:
                    whole[len(total) :] = 0
                if blob in ends:
                    total[...] = values
                else:
                    total += values  # to the gradient that arrives from other given tops
            program.run_node("backward", node.index)

    def clear_param_diffs(self) -> None:
        """Set the gradients of all params to zero."""
        self._program.weights.flat_diff[:] = 0

    def save(self, path: str | Path) -> None:
        """Write the params of every layer to a safetensors file, a shared one under each layer that has it.

        Raises WriteError, NotFiniteError.
        """
        program, target = self._program, path_of(path, "a file of weights")
        with program.weights.turn.lock():
            snapshot.write(target, Snapshot(None, params_by_key(program.shaped, program.weights)))

    def load(self, path: str | Path, average: str | None = None) -> LoadReport:
        """Read params by layer and name from a snapshot or a safetensors file of any program.

        `average` is the kind of a snapshot's average of weights, such as "ema", to take in place of the weights.
        Returns a report of the params loaded, skipped and left. Raises SnapshotError.
        """
        source = path_of(path, "a file of weights")
        program = self._program
        with program.weights.turn.lock():
            try:
                return load(program.shaped, program.weights, source, average=average)
            finally:  # whatever was loaded when an interrupt came
                program.prepare()

    def __copy__(self) -> Self:
        copy = type(self).__new__(type(self))
        with self._program.weights.turn.lock():
            vars(copy).update(vars(self))
            copy._program = twin(self._program, self._recipe.seed)
            copy._feeding = LayerFeeding(self._recipe.seed, self._recipe.dtype) if self._feeding is not None else None
            copy._labels, copy._packed = Labels(copy._program), bool(copy._program.plan.fixed)
        return copy

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        from copy import deepcopy

        copy = memo[id(self)] = self.__copy__()
        vars(copy).update(deepcopy(self._others(), memo))
        return copy

    def _others(self) -> dict[str, Any]:
        """Attributes that a caller or a subclass gave to the net."""
        own = {"_program", "_recipe", "_ran", "_forwards", "_sub", "_labels", "_packed", "_feeding"}
        return {name: value for name, value in vars(self).items() if name not in own}

    def __getstate__(self) -> dict[str, Any]:
        program, weights = self._program, self._program.weights
        with weights.turn.lock():
            return {
                "recipe": self._recipe,
                "params": dict(zip(weights.names, (array.copy() for array in weights.data), strict=True)),
                "diffs": weights.flat_diff.copy(),
                "inputs": [program.data[index].copy() for index in program.graph.inputs],
                "ends": [diff.copy() for diff in self._ends().values()],
                "forwards": (self._forwards, self._sub),
                "others": self._others(),
            }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._hold(state["recipe"].program(filled=False), state["recipe"])
        program, weights = self._program, self._program.weights
        for name, array in zip(weights.names, weights.data, strict=True):
            array[...] = state["params"][name]
        weights.flat_diff[:] = state["diffs"]
        fed = [program.data[index] for index in program.graph.inputs]
        for array, values in zip((*fed, *self._ends().values()), (*state["inputs"], *state["ends"]), strict=True):
            array[...] = values
        self._forwards, self._sub = state["forwards"]
        vars(self).update(state["others"])
        program.prepare()

    def __repr__(self) -> str:
        program, graph = self._program, self._program.graph
        layers = len(graph.written)
        size = f"{layers} layer{'s' * (layers != 1)}, {program.shaped.total_params:,} params"
        fed = _few([f"{graph.blobs[index].name} {text(program.shaped.blobs[index])}" for index in graph.inputs])
        return f"<Net {self.name!r} {graph.phase} {program.plan.dtype}: {size}; {fed} -> {_few(self.outputs)}>"

    def _repr_html_(self) -> str:
        """The table of `netspec inspect`, for notebooks."""
        from netspec.views.inspection import inspection
        from netspec.views.tables import inspect_table

        return inspect_table(inspection(self._program.shaped, self._program.plan)).html()


def _few(words: Sequence[str]) -> str:
    """Words with commas between them, the first four where they are many; "nothing" where there are none."""
    return ", ".join(words) or "nothing" if len(words) <= 5 else f"{', '.join(words[:4])} and {len(words) - 4} more"
