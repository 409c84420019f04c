"""Base of the recurrent layers: stacks of walks through time, in one direction or both, over T x N blobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from netspec.codegen.geometry import ADD, Marks
from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka
from netspec.core.shape import Shape, ShapeError, Shapes, count, counted
from netspec.fillers.base import AnyFiller, Filler
from netspec.fillers.constant import Constant
from netspec.layers.base import BOTTOM, Abilities, Arity, BatchAxes, Layer, Param
from netspec.lowering import products, recurrent
from netspec.lowering.recurrent import Diff, Scan

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Bottoms(NamedTuple):
    """Where a layer's bottoms stand; None for one that it does not have. `initial` are those of the states."""

    cont: int | None
    static: int | None
    initial: tuple[int, ...]
    lengths: int | None


class Blob(NamedTuple):
    """A param blob of one direction of one layer of a stack: the role it plays, its name, shape and filler."""

    role: str
    name: str
    shape: Shape
    filler: Filler


class Recurrent(Layer):
    """A layer that carries states from step to step."""

    label_word: ClassVar[str] = "number"
    bottoms: ClassVar[Arity] = Arity(1, 6)
    tops: ClassVar[Arity] = Arity(1, 3)
    gates: ClassVar[int] = 1
    """Gates of a unit, G."""
    memories: ClassVar[tuple[str, ...]] = ("hidden",)
    """The states of a unit, the one that is multiplied with a weight first."""
    blob_names: ClassVar[tuple[str, str, str, str]]
    """Names of the weight of x, the bias, the weight of a static input, the weight of the state."""

    num_output: Annotated[int, Aka("hidden_size", "units", "hidden", "channels", "width")] = Field(
        gt=0, description="Number of hidden units, H."
    )
    num_layers: Annotated[int, Aka("layers", "depth")] = Field(
        1, gt=0, le=64, description="Layers of the stack: each reads the outputs of the one before."
    )
    bidirectional: Annotated[bool, Aka("bidir")] = Field(
        False, description="Walk from the last step to the first too, with weights of its own; the outputs lie behind."
    )
    dropout_ratio: Annotated[float, Aka("dropout", "p")] = Field(
        0.0, ge=0, lt=1, description="Probability that an output between two layers of the stack becomes 0, in TRAIN."
    )
    expose_hidden: Annotated[bool, Aka("return_state")] = Field(
        False, description="The states before the first step are bottoms, those after the last step are tops."
    )
    state_gradient: bool = Field(
        True, description="Exposed states take part in the gradient; in Caffe they do not, and get a gradient of 0."
    )
    lengths: bool = Field(
        False, description="The last bottom holds for each row the number of its steps that count, 0 to T."
    )
    weight_filler: Annotated[AnyFiller, Aka("init", "initializer", "kernel_initializer", "weight_init")] = Field(
        Constant(value=0.0), description="Initial weights."
    )
    bias_filler: Annotated[AnyFiller, Aka("bias_init", "bias_initializer")] = Field(
        Constant(value=0.0), description="Initial biases."
    )

    @property
    def abilities(self) -> Abilities:
        """Backward reads the bottoms, and stores."""
        return Abilities(reads=BOTTOM, stores=True)

    def without_diff(self, bottoms: int) -> frozenset[int]:
        """Marks and lengths."""
        return frozenset(at for at in (self.places.cont, self.places.lengths) if at is not None)

    # --- bottoms and shapes

    @property
    def directions(self) -> int:
        """1, or 2 where it walks both ways."""
        return 2 if self.bidirectional else 1

    @property
    def _number(self) -> int:
        """Bottoms, as written."""
        return 1 if self.bottom is None else len(self.bottom)

    @property
    def places(self) -> Bottoms:
        """Where its bottoms stand."""
        exposed = len(self.memories) if self.expose_hidden else 0
        inputs = self._number - exposed - self.lengths
        initial = tuple(range(inputs, inputs + exposed))
        return Bottoms(
            1 if inputs > 1 else None, 2 if inputs > 2 else None, initial, self._number - 1 if self.lengths else None
        )

    def _check_bottoms(self, bottoms: Shapes) -> None:
        """Raises ShapeError where a bottom is missing, is too many, or has another shape than its place asks for."""
        exposed, tops = len(self.memories) if self.expose_hidden else 0, len(self.top_names())
        inputs = len(bottoms) - exposed - self.lengths
        least = 2 if exposed else 1
        if not least <= inputs <= 3:
            parts = ["x and cont" if exposed else "x, or x and cont", "perhaps a static input"]
            parts += [f"{counted(exposed, 'state')}"] * bool(exposed) + ["lengths"] * self.lengths
            raise ShapeError(f"its bottoms are {', '.join(parts)}, but there are {len(bottoms)}", field="bottom")
        if tops != 1 + exposed:
            raise ShapeError(f"it writes {counted(1 + exposed, 'top')}, but {tops} are named", field="top")
        x, place = bottoms[0], self.places
        if len(x) < 2:
            raise ShapeError("{bottom[0]} must have steps and rows: T x N x ...", field="bottom.0")
        t, n = x[:2]
        wanted: list[tuple[int | None, Shape, str]] = [
            (place.cont, (t, n), "the mark of each step and row"),
            (place.lengths, (n,), "a length for each row"),
            *((at, (self.num_layers * self.directions, n, self.num_output), "the states") for at in place.initial),
        ]
        for at, shape, what in wanted:
            if at is not None and bottoms[at] != shape:
                words = "x".join(map(str, shape))
                raise ShapeError(f"{{bottom[{at}]}} must be {words}: {what}", field=f"bottom.{at}")
        if place.static is not None and bottoms[place.static][:1] != (n,):
            raise ShapeError(f"{{bottom[2]}} must have {n} rows, as many as {{bottom[0]}}", field="bottom.2")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(T, N, H), with both directions (T, N, 2H); with exposed states also (layers * directions, N, H) of each."""
        self._check_bottoms(bottoms)
        t, n = bottoms[0][:2]
        state = (self.num_layers * self.directions, n, self.num_output)
        top = (t, n, self.directions * self.num_output)
        return (top, *(state for _ in self.memories)) if self.expose_hidden else (top,)

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """Steps are the first axis and rows the second, in every top."""
        return (axes[0] if axes[0] in (0, 1) else None,) * len(self.top_names())

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """A mark is 0 or 1, a length 0 to T."""
        place = self.places
        pairs = ((place.cont, 2), (place.lengths, bottoms[0][0] + 1))
        return {at: (number, None) for at, number in pairs if at is not None}

    def states(self, bottoms: Shapes) -> dict[str, Shape]:
        """With marks, what forward walks left at the last step, (layers, N, H); nothing where states are exposed."""
        if self.places.cont is None or self.expose_hidden:
            return {}
        shape = (self.num_layers, bottoms[0][1], self.num_output)
        return dict.fromkeys(self.memories, shape)

    # --- params

    def extra(self, inputs: int) -> Iterator[Blob]:
        """Further param blobs of each direction of each layer."""
        yield from ()

    def _blobs(self, bottoms: Shapes = ()) -> list[list[Blob]]:
        """The param blobs of each direction of each layer; without bottoms their shapes mean nothing."""
        place, h, found = self.places, self.num_output, []
        first = count(bottoms[0][2:]) if bottoms else 1
        static = count(bottoms[place.static][1:]) if bottoms and place.static is not None else 1
        weight, bias = self.weight_filler, self.bias_filler
        for layer in range(self.num_layers):
            inputs = self.directions * h if layer else first
            own = [Blob("x", self.blob_names[0], (self.gates * h, inputs), weight)]
            own.append(Blob("bias", self.blob_names[1], (self.gates * h,), bias))
            if place.static is not None and not layer:
                own.append(Blob("static", self.blob_names[2], (self.gates * h, static), weight))
            own += [Blob("h", self.blob_names[3], (self.gates * h, h), weight), *self.extra(inputs)]
            for direction in range(self.directions):
                tail = (f"_l{layer}" if layer else "") + ("_reverse" if direction else "")
                found.append([blob._replace(name=blob.name + tail) for blob in own])
        return found

    def params(self) -> tuple[Param, ...]:
        """The blobs of each layer, and in it of each direction."""
        return tuple(Param(blob.name, blob.filler) for blobs in self._blobs() for blob in blobs)

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """The shapes of all blobs."""
        return tuple(blob.shape for blobs in self._blobs(bottoms) for blob in blobs)

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """4*(3+5+1)*5 = 180 of each layer and direction."""
        words = [" + ".join("*".join(map(str, blob.shape)) for blob in blobs) for blobs in self._blobs(bottoms)]
        total = sum(count(shape) for shape in self.param_shapes(bottoms))
        return f"{' + '.join(words)} = {total}" if len(words) <= 2 else f"{words[0]} + ... = {total}"

    def macs(self, bottoms: Shapes, tops: Shapes) -> int:
        """Every matrix once for each step and row; that of a static input once for each row."""
        t, n = bottoms[0][:2]
        blobs = [blob for blobs in self._blobs(bottoms) for blob in blobs if len(blob.shape) == 2]
        return sum(count(blob.shape) * n * (1 if blob.role == "static" else t) for blob in blobs)

    # --- memory

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Of each walk the bent gates and all states; between layers of a stack their outputs; scratch of backward."""
        (t, n), h, g, place = bottoms[0][:2], self.num_output, self.gates, self.places
        spaces: dict[str, Workspace] = {}
        for k, blobs in enumerate(self._blobs(bottoms)):
            inputs = blobs[0].shape[1]
            own = {"gates": Workspace((t, n, g * h), kept=True), **self.kept(t, n)}
            own |= {name: Workspace((t + 1, n, h), kept=True) for name in self.memories}
            own["across"] = Workspace((h, g * h), use="forward", fixed=True)
            own |= products.turning(t * n, inputs, g * h, "forward")
            spaces |= {f"{name}{k}": space for name, space in own.items()}
        for layer in range(self.num_layers - 1):
            spaces[f"between{layer}"] = Workspace((t, n, self.directions * h), kept=True)
        if place.static is not None:
            spaces["lines"] = Workspace((n, g * h), use="forward")
        if not backward:
            return spaces
        spaces["sums"] = Workspace((g * h,), "float64", use="backward")
        spaces |= {name: Workspace(shape, use="backward") for name, shape in self.scratch(t, n).items()}
        spaces |= {f"d{name}": Workspace((n, h), use="backward") for name in self.memories}
        if self.num_layers > 1:
            spaces["dbetween"] = Workspace((2, t, n, self.directions * h), use="backward")
        if place.static is not None:
            spaces["dlines"] = Workspace((n, g * h), use="backward")
        return spaces

    def kept(self, t: int, n: int) -> dict[str, Workspace]:
        """Further workspaces of each walk."""
        return {}

    def scratch(self, t: int, n: int) -> dict[str, Shape]:
        """Shapes of the arrays that backward needs while it is at a walk: the gates' diffs at least."""
        return {"dgates": (t, n, self.gates * self.num_output)}

    # --- Calls

    def _scans(self, run: Run) -> list[Scan]:
        """The walks, in the order of forward."""
        (t, n), h, place = run.bottom_shapes[0][:2], self.num_output, self.places
        none = run.bottom[0].reshape(-1)[:0]
        cont, lengths = (none if at is None else run.bottom[at] for at in (place.cont, place.lengths))
        scans, params = [], iter(run.param)
        for k, blobs in enumerate(self._blobs(run.bottom_shapes)):
            layer, direction = divmod(k, self.directions)
            x = run.bottom[0] if layer == 0 else run.workspace[f"between{layer - 1}"]
            y = run.top[0] if layer == self.num_layers - 1 else run.workspace[f"between{layer}"]
            own = {blob.role: array for blob, array in zip(blobs, params, strict=False)}
            space = {name: array for name, array in run.workspace.items() if not name[-1].isdigit()}
            names = (name for name in run.workspace if name.rstrip("0123456789") + str(k) == name)
            space |= {name.removesuffix(str(k)): run.workspace[name] for name in names}
            shape = (t, n, h, self.gates, direction == 1, Marks(cont, lengths))
            pitch = self.directions * h
            scans.append(Scan(*shape, x.reshape(t * n, -1), y, pitch, direction * h, own, space))
        return scans

    def forward(self, run: Run) -> Calls:
        """For each walk one product over all steps, then the steps; with marks, the states before and after them."""
        from netspec.kernels import copy

        place = self.places
        for k, scan in enumerate(self._scans(run)):
            layer, direction = divmod(k, self.directions)
            static = run.bottom[place.static] if place.static is not None and layer == 0 else None
            yield recurrent.turn(scan)
            yield from recurrent.inputs(scan, None if static is None else static.reshape(len(static), -1))
            for i, name in enumerate(self.memories):
                carried = run.state[name][layer] if run.state and not direction else None
                initial = run.bottom[place.initial[i]][k] if self.expose_hidden else carried
                yield recurrent.enter(scan, initial, scan.space[name])
            yield from self.steps(scan)
            for i, name in enumerate(self.memories):
                last = scan.last(scan.space[name])
                if self.expose_hidden:
                    yield Call(copy.copy, last, run.top[1 + i][k])
                elif run.state and not direction:
                    yield Call(copy.copy, last, run.state[name][layer])
            if direction == self.directions - 1 and layer < self.num_layers - 1:
                yield from self._drop(run, layer, run.workspace[f"between{layer}"])

    def backward(self, run: Run) -> Calls:
        """For each walk its steps from the last to the first, then one product over all steps for each gradient."""
        from netspec.kernels import copy
        from netspec.kernels import recurrent as kernels

        place, diffs = self.places, self._diffs(run)
        for k, scan in reversed([*enumerate(self._scans(run))]):
            layer, direction = divmod(k, self.directions)
            top = layer == self.num_layers - 1
            dy = run.top_diff[0] if top else run.workspace["dbetween"][layer % 2]
            if direction == self.directions - 1 and not top:
                yield from self._drop(run, layer, dy)
            for i, name in enumerate(self.memories):
                to = scan.space[f"d{name}"]
                after = run.top_diff[1 + i][k] if self.expose_hidden and self.state_gradient else None
                yield Call(copy.fill, to, 0.0) if after is None else Call(copy.copy, after, to)
            down = yield from self.steps_back(scan, dy, diffs[k])
            dgates, dx = scan.flat(scan.space["dgates"]), self._input_diff(run, layer)
            sums = scan.space["sums"]
            hidden = scan.space[self.memories[0]]
            yield from recurrent.weight_diffs(scan, dgates, down, hidden, diffs[k], sums)
            if dx is not None:
                mode = 0 if direction == self.directions - 1 else ADD
                to = dx.reshape(scan.x.shape)
                yield from products.multiply_rows(dgates, scan.param["x"], to.reshape(-1)[:0], to, mode)
            yield from self._static_back(run, scan, k, diffs[k])
            for i, name in enumerate(self.memories):
                begin = run.bottom_diff[place.initial[i]] if self.expose_hidden else None
                if begin is not None and not self.state_gradient:
                    yield Call(copy.fill, begin[k], 0.0)
                elif begin is not None:
                    state = scan.space[f"d{name}"]
                    if i == 0:
                        earliest = down[: scan.rows] if not direction else down[-scan.rows :]
                        yield from products.multiply_rows(earliest, scan.param["h"], state.reshape(-1)[:0], state, ADD)
                    yield recurrent.let_in(scan, kernels.enter, state, begin[k])

    def steps(self, scan: Scan) -> Calls:
        """The Calls of a walk forward."""
        raise NotImplementedError

    def steps_back(self, scan: Scan, dy: Array, diffs: dict[str, Diff]) -> Any:
        """Yield the Calls of a walk backward; returns the gradients of what the gates add up of the state, (T*N, G*H).

        They leave dgates and, in `dhidden` and the like, the gradients of the states before the walk, that of `hidden`
        without the first step's product.
        """
        raise NotImplementedError

    def _diffs(self, run: Run) -> list[dict[str, Diff]]:
        """The wanted gradients of each walk's params, by role."""
        given, found = iter(zip(run.param_diff, run.param_add, strict=True)), []
        for blobs in self._blobs(run.bottom_shapes):
            pairs = zip(blobs, given, strict=False)
            found.append(
                {blob.role: Diff(diff, ADD if adds else 0) for blob, (diff, adds) in pairs if diff is not None}
            )
        return found

    def _input_diff(self, run: Run, layer: int) -> Array | None:
        """The gradient of what a layer of the stack reads."""
        return run.bottom_diff[0] if layer == 0 else run.workspace["dbetween"][(layer - 1) % 2]

    def _static_back(self, run: Run, scan: Scan, k: int, diffs: dict[str, Diff]) -> Calls:
        """The gradients of a static input; the reverse walk comes first, and the other adds."""
        at = self.places.static
        if at is None or k >= self.directions:
            return
        static, dstatic, dgates = run.bottom[at], run.bottom_diff[at], scan.space["dgates"]
        rows = static.reshape(len(static), -1)
        to = None if dstatic is None else dstatic.reshape(rows.shape)
        yield from recurrent.static_diffs(scan, dgates, rows, to, k < self.directions - 1, diffs)

    def _drop(self, run: Run, layer: int, x: Array) -> Calls:
        """Dropout of the values between two layers, in place; it serves both directions of a pass."""
        from netspec.kernels import random

        if run.phase == "TRAIN" and self.dropout_ratio:
            ratio = self.dropout_ratio
            seed = (run.seed + layer) % 2**63
            yield Call(random.dropout, x, x, run.clock, seed, round(ratio * 2**32), 1 / (1 - ratio))
