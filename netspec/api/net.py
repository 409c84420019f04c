"""Net: a net of one phase, as in pycaffe, with its blobs and params, forward and backward.

Every blob's data and diff stay readable, so a Net uses more memory and time than the command line does; `keep=False`
gives it the command line's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakMethod

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
from netspec.api.blobs import Blob, Cell, Named, UnknownNameError, check_kept, no_diff
from netspec.api.copies import Copied
from netspec.api.feeding import Feeding, LayerFeeding
from netspec.api.habits import Habits, caffe_forces, check_backward, is_input, param_cells, positional
from netspec.api.hooks import Hooked
from netspec.api.labels import Labels
from netspec.api.passes import Passes
from netspec.api.recipe import Recipe
from netspec.api.stored import Stored
from netspec.core.calls import Phase
from netspec.core.nodes import Document
from netspec.core.shape import Shape, text
from netspec.core.spelling import suggest
from netspec.engine.program import Program
from netspec.language.references import open_net
from netspec.net.as_caffe import as_caffe
from netspec.net.graph import Gradients, State

if TYPE_CHECKING:
    import numpy as np

    from netspec.core.calls import Array


_BY_HAND = -1
"""Sub-iteration of a forward by hand on a training's net: no iteration of the training draws its masks."""


class Net(Habits, Hooked, Stored, Copied):
    """A net of one phase on its own memory.

    `net` is a path, a zoo name, YAML-like plain values, or a Document. Raises the errors of the spec, and SnapshotError
    for `weights`. As in pycaffe, `Net(net, phase)` and `Net(net, weights, phase)` may go without words.

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
        *caffe: Any,
        phase: Phase | int = "TEST",
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
        if caffe:
            weights, phase = positional(caffe, weights, phase)
        state = State(phase_of(phase), whole(level, "level"), words_of(stages, "stages", '["deploy"]'))
        size = None if batch is None else whole(batch, "batch", 1)
        kept, forced = keep_of(keep), flag(force_backward, "force_backward")
        if forced and kept is not True:
            raise BadArgumentError("backward needs every blob, so force_backward=True needs keep=True")
        how = (number_type(dtype), whole(seed, "seed", 0), threads_of(threads))
        path = None if weights is None else path_of(weights, "a file of weights")
        document = open_net(spec_of(net, "a net"), overrides_of(overrides))
        forced = forced or (kept is True and caffe_forces(document))
        gradients: Gradients = "inputs" if forced else "any" if kept is True else "none"
        recipe = Recipe(document, state, size, gradients, *how, kept)
        self._hold(recipe.program(), recipe)
        check_kept(kept, self._program.graph)
        if path is not None:
            self.load(path)

    @classmethod
    def around(cls, program: Program, recipe: Recipe, feeding: Feeding | None = None, stepped: bool = False) -> Net:
        """A Net around an existing program, such as a training's; the recipe is for its copies.

        `stepped` says that the training leaves its updates in the diffs of params.
        """
        net = cls.__new__(cls)
        net._hold(program, recipe)
        net._feeding, net._memory.stepped = feeding, stepped
        net._ran, net._sub, net._packed, net._alone = True, _BY_HAND, False, False
        return net

    def _hold(self, program: Program, recipe: Recipe) -> None:
        self._program, self._recipe, self._labels = program, recipe, Labels(program)
        brings = any(node.layer.brings is not None for node in program.graph.nodes)
        self._feeding: Feeding | None = LayerFeeding(recipe.seed, recipe.dtype) if brings else None
        self._ran, self._forwards, self._sub = False, 0, 0
        self._hooks, self._rows = {}, None
        self._packed = bool(program.plan.fixed)
        """Whether nobody else changes the params, so that what is made of them is kept from one forward to the next."""
        self._alone = True
        """Whether the program is the net's own, so that another may take its place."""
        forced = recipe.gradients == "inputs"
        self._memory = Passes(program, as_caffe(program.graph, recipe.exact, forced), recipe.exact)
        self._params: dict[str, tuple[Cell, ...]] = {}
        self._show()

    def _show(self) -> None:
        """Show the arrays of the program, prepared and with the loss weights in their diffs, as Caffe sets a net up."""
        program, memory = self._program, self._memory
        program.prepare()
        memory.seed()
        for cell in memory.inputs.values():
            if is_input(memory.maker(cell)) and self._recipe.keep is True:
                cell.reshape = WeakMethod(self._resize)
        for name, cells in param_cells(program, not self._packed).items():
            held = self._params.setdefault(name, cells)
            for mine, cell in zip(held, cells, strict=True):
                mine.data, mine.diff = cell.data, cell.diff

    def _resize(self, name: str, shape: Shape) -> None:
        """Give an input another shape, to which `reshape` will bring the net."""
        if not self._alone:
            raise BadArgumentError("the net of a training keeps its shapes", help="make a Net of its own to reshape")
        self._memory.resize(name, shape)

    def reshape(self) -> None:
        """Bring all blobs to the shapes that the inputs were given, as the next forward does too.

        Params stay the same arrays. Raises the errors of shapes, BadArgumentError where a param would change its shape.
        """
        memory = self._memory
        if not memory.resized:
            return
        shapes = {name: tuple(cell.data.shape) for name, cell in memory.inputs.items()}
        with self._program.weights.turn.lock():
            recipe = replace(self._recipe, batch=None, shapes=shapes)
            self._take(recipe.program(weights=self._program))
            self._recipe = recipe

    def _take(self, program: Program) -> None:
        """Go on with another program of the net, whose inputs hold what they held."""
        given = {name: cell.data for name, cell in self._memory.inputs.items()}
        self._program, self._labels = program, Labels(program)
        self._memory.bind(program)
        self._show()
        for name, data in given.items():
            self._memory.inputs[name].data[...] = data

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

        A blob that is changed in place shows the data of its last version and the diff of its first one, as in Caffe;
        an input that is changed in place shows what the caller fills. Without `keep=True` these are the inputs, the
        outputs and the blobs named in `keep`. A net from a prototxt also has the blobs that Caffe adds by itself, the
        tops of Splits and those of losses without a top.
        """
        program, graph = self._program, self._program.graph
        self._memory.sync()
        shown = self._memory.named
        every, outputs = program.plan.keep, {*graph.outputs, *graph.inputs}
        ends = {name: self._memory.versions(cell)[-1] for name, cell in shown.items()}
        kept = (name for name, blob in ends.items() if every or graph.blobs[blob].kept or blob in outputs)
        blobs = {name: Blob(shown[name]) for name in kept}
        return Named(blobs, "blob", "net.blobs[name].data[...] = values", shown.keys())

    @property
    def params(self) -> Mapping[str, tuple[Blob, ...]]:
        """The param blobs of every layer with params, weight first; layers that share a param see the same memory.

        The diffs of params that are not learned stay 0.
        """
        params = {name: tuple(map(Blob, cells)) for name, cells in self._params.items()}
        return Named(params, "layer with params called", "net.params[layer][0].data[...] = values")

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

    def forward(self, /, blobs: Any = None, start: Any = None, end: Any = None, **inputs: Any) -> dict[str, Array]:
        """Compute all blobs, or those of the layers from `start` to `end`; inputs that are not given keep their values.

        `start` and `end` are names of layers. Returns copies of the outputs, or of the tops of `end`, and of the blobs
        named in `blobs`. Raises UnknownNameError,
        WrongShapeError, WrongLabelError.
        """
        self.reshape()
        program, graph, memory = self._program, self._program.graph, self._memory
        first, last = self._span(start, end)
        wanted = [memory.find(name) for name in words_of(blobs or (), "blobs", '["conv1"]')]
        wanted += [memory.cells[n] for n in memory.net.layers[last].tops] if end is not None else self._output_cells()
        given: list[tuple[Array, Array]] = []
        for name, value in inputs.items():
            if name not in memory.inputs:
                raise UnknownNameError(f"the net has no input '{name}'", help=suggest(name, memory.inputs))
            cell = memory.inputs[name]
            axis = program.shaped.batch_axes[memory.versions(cell)[0]]
            given.append((cell.data, self._apart(fitting(name, cell.data, value, axis))))
        with program.weights.turn.lock():
            for array, values in given:
                array[...] = values
            if first == 0:
                self._take_rows(inputs)
            memory.put(first, last)
            if self._feeding is not None and start is None:
                self._feeding.fill(program, inputs)
            self._labels.check()
            if graph.phase == "TRAIN":
                program.clock[:] = self._forwards, self._sub
            if (
                start is not None
                or end is not None
                or self._hooks
                or memory.constants
                or memory.spoiled
                or memory.handed
            ):
                self._forward_by_layers(first, last)
            elif self._packed:
                program.infer()
            else:
                program.forward()
            memory.take(first, last)
            if end is None:
                self._labels.check_computed()
            self._ran = True
            self._forwards += 1
            return {cell.name: cell.items(cell.data).copy() for cell in wanted}

    def hand_over(self) -> None:
        """Put what a caller has written into inputs and constants where a training reads it."""
        self._memory.put()

    def _span(self, start: Any, end: Any) -> tuple[int, int]:
        """The numbers of the layers from `start` to `end`. Raises UnknownNameError."""
        layers = self._memory.net.layers
        if (start is not None or end is not None) and not self._program.plan.keep:
            raise BadArgumentError("this net does not keep the blobs between its layers", help="say keep=True")
        names = [layer.name for layer in layers]
        for name in (start, end):
            if name is not None and name not in names:
                raise UnknownNameError(f"the net has no layer {name!r}", help=suggest(str(name), names))
        first = 0 if start is None else names.index(start)
        return first, len(names) - 1 if end is None else names.index(end)

    def _apart(self, values: Array) -> Array:
        """Values that are given to the net, copied where they may be a view of its own blobs, which change."""
        import numpy as np

        return values.copy() if np.may_share_memory(values, self._program.arena) else values

    @property
    def loss(self) -> float:
        """Weighted sum of the losses of the last forward."""
        return float(self._program.loss[0])

    def backward(
        self, /, diffs: Any = None, start: Any = None, end: Any = None, **top_diffs: Any
    ) -> dict[str, Array | None]:
        """Compute gradients of the weighted losses, or of the sum of some tops times their given diffs.

        It runs all layers, or those from `start` down to `end`. Without diffs given, it starts from the diffs of the
        blobs that no layer reads, as they are: the loss weight of a loss, 0 of others, or what was written into them.
        With diffs given, nothing above the topmost of them runs, and the losses do not count; given for outputs alone,
        a net from a prototxt takes them for what was written into these, as Caffe does. Returns the diffs of the inputs
        (None without `force_backward`), or of the bottoms of `end`, and of the blobs named in `diffs`.
        Raises UnknownNameError, WrongShapeError, NoDiffError.
        """
        if not self._program.plan.keep:
            raise BadArgumentError("backward needs every blob, and this net does not keep them", help="say keep=True")
        if not self._ran:
            raise BadArgumentError("backward before the first forward", help="call net.forward(...) first")
        memory, program = self._memory, self._program
        if self._recipe.exact:
            check_backward(program.graph, memory.net)
        last, first = self._span(end, start)
        wanted = [memory.find(name) for name in words_of(diffs or (), "blobs", '["conv1"]')]
        if end is not None:
            wanted += [memory.cells[number] for number in memory.net.layers[last].bottoms]
        given: dict[int, Array] = {}
        for name, value in top_diffs.items():
            cell = memory.find(name)
            if program.diff[memory.versions(cell)[-1]] is None and not self._recipe.exact:
                raise no_diff(name)
            given[cell.number] = self._apart(fitting(name, cell.items(cell.data), value))
        with program.weights.turn.lock():
            memory.sync()
            if self._recipe.exact and given.keys() <= {*memory.net.outputs}:
                for number, values in given.items():
                    cell = memory.cells[number]
                    cell.items(cell.gradient())[...] = values
                self._backward_by_layers(first, last)
            elif not self._recipe.exact and start is None and end is None and not (self._hooks and not given):
                memory.backward_at_once(given)
            elif given:
                memory.backward_from(given, first, last)
            else:
                self._backward_by_layers(first, last)
            found: dict[str, Array | None] = {} if end is not None else self._input_diffs()
            return found | {cell.name: cell.items(cell.gradient()).copy() for cell in wanted}

    def _input_diffs(self) -> dict[str, Array | None]:
        """Copies of the diffs of the inputs; None where no gradient is computed, unless a prototxt has them 0 there."""
        memory, diffs = self._memory, self._program.diff
        cells = map(memory.find, self.inputs)
        pairs = ((cell, memory.exact or diffs[memory.versions(cell)[0]] is not None) for cell in cells)
        return {cell.name: cell.gradient().copy() if shown else None for cell, shown in pairs}

    def clear_param_diffs(self) -> None:
        """Set the gradients of all params to zero."""
        self._program.weights.flat_diff[:] = 0
        for cell in (cell for cells in self._params.values() for cell in cells):
            if cell.diff is not None:
                cell.diff[...] = 0

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
