"""A trained net that answers for new samples, made of a snapshot alone.

The snapshot holds the net, of which the deploy view is bound, the transforms of its data, which act as in TEST, and
what was computed over training data; so no file of the training is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from netspec.core.errors import DataError, Findings, SnapshotError, SpecError, UsageError
from netspec.core.locate import RUN_CONFIG
from netspec.core.model import Listed, Model
from netspec.core.rooms import UnknownWord
from netspec.core.shape import ANY, Shape, Shapes, counted, text
from netspec.core.spelling import suggest
from netspec.data.computed import Computed
from netspec.data.dataset import Dataset
from netspec.data.facts import Facts
from netspec.data.pipeline import Pipeline, pipeline
from netspec.data.sources.base import AnySource, Source
from netspec.data.spec import FeedSpec
from netspec.data.transforms.base import AnyTransform, Draw, Transform
from netspec.engine.bind import bind, compile_net
from netspec.engine.program import Program
from netspec.engine.weights import fill_weights, share_weights
from netspec.formats.files import FileError
from netspec.language.document import from_python
from netspec.language.references import open_any, open_net
from netspec.language.validate import Subject, validate
from netspec.layers.base import LAYERS, Layer
from netspec.net.deploy import Answer, Deployed, deploy
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from netspec.training import snapshot
from netspec.training.averaging import averaged
from netspec.training.folders import SNAPSHOTS
from netspec.training.loading import match
from netspec.training.snapshot import Snapshot

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.data.dataset import Index, Outputs


class NoNetError(SnapshotError):
    """A snapshot lacks what predicts: its net, its weights, or means of its data; or a file that these stand in."""

    code = "NS658"


class WrongInputError(DataError):
    """An input does not become a sample that the net takes."""

    code = "NS659"


class UnfitNetError(UsageError):
    """A net cannot do what is asked of it: it takes several inputs, or no images, or writes no text."""

    code = "NS662"


class _Written(Model):
    """The transforms and the source of a feed, as a snapshot has them."""

    transform: Listed[AnyTransform] = ()


class _WrittenSource(Model):
    source: AnySource


@dataclass(frozen=True, eq=False)
class _New(Dataset):
    """New samples of one shape, `own`, whose targets nobody knows: they are 0.

    Classes and masks are those of the training; without `x`, (N, *own), nothing is read.
    """

    training: Facts
    own: Shapes
    x: Array | None = None

    @property
    def shapes(self) -> Shapes:
        """The new samples' shapes."""
        return self.own

    @property
    def masks(self) -> frozenset[int]:
        """As in the training data."""
        return frozenset(number for number, one in enumerate(self.training.outputs) if one.mask)

    def classes(self, output: int) -> tuple[str, ...] | None:
        """As in the training data."""
        return self.training.classes(output)

    def __len__(self) -> int:
        return 0 if self.x is None else len(self.x)

    def read(self, index: Index) -> Outputs:
        """The samples, and zeros."""
        import numpy as np

        assert self.x is not None
        return (self.x[index], *(np.zeros((len(index), *shape)) for shape in self.own[1:]))

    def describe(self) -> str:
        """How many there are."""
        return f"{counted(len(self), 'new sample')} of {text(self.own[0])}"

    def name(self, index: int, output: int = 0) -> str:
        """The number of a sample."""
        return f"sample {index}"


class Trained:
    """The deploy view of a snapshot's net with its weights, and what is done to a sample before the net takes it.

    `blob` names another blob to answer with than the main answer. `average` is the kind of an average of weights to
    take in their place. `state` stands for what the file holds, and its solver's data come before those of the run
    that the file is in. Raises SnapshotError, UsageError for a blob that is not there.
    """

    def __init__(
        self, path: Path, blob: str | None = None, average: str | None = None, state: Snapshot | None = None
    ) -> None:
        own = {} if state is None else state.solver.get("data") or {}
        state = state or snapshot.read(path)
        state = state if average is None else averaged(state, average, path)
        if not state.net:
            raise NoNetError(f"'{path}' holds weights, but not their net", help="name a snapshot of netspec")
        self.path, self.state, self.facts = path, state, state.data
        solver = state.solver
        level, stages = solver.get("level") or 0, tuple(solver.get("stage") or ())
        self.view: Deployed = deploy(open_net(with_known_shapes(state.net, self.facts)), State("TEST", level, stages))
        self.dtype = solver.get("dtype") or "float32"
        self.answer = self._answer(blob)
        self.batch, self.transforms, self.source = self._feed(own or self._data(solver))
        self.seed = solver.get("random_seed") or 1
        self.computed = Computed(state.computed)
        self._programs: dict[int, Program] = {}
        self._bound: dict[Shape, Pipeline] = {}

    @cached_property
    def written(self) -> ShapedGraph:
        """The shaped deploy view, with the batch size that is written in the net."""
        return load_net(self.view.document, (), self.view.state)

    def _answer(self, blob: str | None) -> Answer:
        """The answer of the net, or that of a blob. Raises UsageError."""
        if blob is None:
            return self.view.main
        names = self.written.graph.named
        if blob not in names:
            help = suggest(blob, names)
            raise UsageError(f"the net '{self.written.graph.name}', as it predicts, has no blob '{blob}'", help=help)
        return next((one for one in self.view.answers if one.blob == blob), Answer(blob))

    def _data(self, solver: dict[str, Any]) -> dict[str, Any]:
        """The data as they are written; a snapshot has only the last parts of paths, and a run's configuration all."""
        config = self.path.parent.parent / RUN_CONFIG
        if self.path.parent.name == SNAPSHOTS and config.is_file():
            opened = open_any(config).solver
            return (opened.plain().get("data") or {}) if opened is not None else {}
        return solver.get("data") or {}

    def _feed(self, data: dict[str, Any]) -> tuple[int, tuple[Transform, ...], Source | None]:
        """The batch size, the transforms and the source of the feed that tests the net, as far as they are known."""
        feeds = (data.get(name) for name in ("test", "validation", "train"))
        feed: dict[str, Any] = next((each for each in feeds if each), {})
        if not feed and self.view.brought is not None:
            return self.view.brought.batch_size, self.view.brought.transform, self.view.brought.source
        found = Findings()
        document = from_python({"transform": feed.get("transform") or []}, f"<data in {self.path.name}>")
        subject = Subject(_Written, document.plain(), document.root, "the data")
        known: _Written | None = validate(subject, found)
        found.raise_if_any()
        assert known is not None
        source = feed.get("source") or (data.get("all") or {}).get("source")
        return feed.get("batch_size") or self.written.batch, known.transform, self._source(source)

    def _source(self, written: Any) -> Source | None:
        """The source; None where what is written of it is cut short, or its program is not there."""
        found = Findings()
        document = from_python({"source": written}, "<data>")
        known: _WrittenSource | None = validate(Subject(_WrittenSource, document.plain(), document.root, "data"), found)
        return known.source if known is not None else None

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes among which it answers; None where they have none."""
        return self.facts.classes(self.answer.truth)

    @property
    def wanted(self) -> Shape:
        """The shape of a sample that the net takes. Raises UnfitNetError for a net of several inputs."""
        inputs = self.written.graph.inputs
        if len(inputs) != 1 or self.written.batch_axes[inputs[0]] is None:
            names = ", ".join(f"'{self.written.graph.blobs[index].name}'" for index in inputs)
            fault = f"the net takes {len(inputs)} inputs ({names})" if inputs else "the net takes no input"
            raise UnfitNetError(f"{fault}, and a sample is one", help="`netspec.Net` in Python takes any inputs")
        return self.written.sample_shape(inputs[0])

    def takes(self, shape: Shape) -> bool:
        """Whether samples of a shape become what the net takes."""
        shapes = self.with_targets(shape)
        try:
            for transform in self.transforms:
                shapes = transform.output_shapes(shapes)
        except (SpecError, DataError):
            return False
        return shapes[0] == self.wanted

    def with_targets(self, shape: Shape) -> Shapes:
        """The shape of a sample with those of its targets, where an image gives a mask its height and width."""
        others = self.facts.outputs[1:]
        shapes = (one.shape[:-2] + shape[-2:] if one.mask and len(shape) == 3 else one.shape for one in others)
        return (shape, *shapes)

    def pipeline(self, shape: Shape) -> Pipeline:
        """The transforms as they act on samples of a shape. Raises DataError, ShapeError, WrongInputError."""
        if shape not in self._bound:
            bound = self.bind(self.transforms, shape, self.computed)
            if bound.shapes[0] != self.wanted:
                done = f", and {text(bound.shapes[0])} after its transforms" if bound.shapes[0] != shape else ""
                fault = f"it is {text(shape)}{done}; the net takes {text(self.wanted)}"
                raise WrongInputError(fault, help=_sized(shape, self.wanted))
            self._bound[shape] = bound
        return self._bound[shape]

    def bind(self, transforms: Sequence[Transform], shape: Shape, computed: Computed) -> Pipeline:
        """Some transforms, bound to samples of a shape."""
        import numpy as np

        def training() -> Dataset:
            known = self.facts.outputs[0].shape if self.facts.outputs else shape
            if len(known) != len(shape) or any(a not in {b, ANY} for a, b in zip(known, shape, strict=True)):
                fault = f"it is {text(shape)}; the net was trained on samples of {text(known)}"
                raise WrongInputError(fault, help=_sized(shape, known))
            help = "train it anew with this version, which keeps it"
            raise NoNetError(f"'{self.path}' does not hold what was computed over its training data", help=help)

        fields = {"transform": tuple(transforms), "batch_size": self.batch}
        spec = FeedSpec.model_construct(None, **fields)  # type: ignore[arg-type]  # the transforms are looked at alone
        real = np.float64 if self.dtype == "float64" else np.float32
        new = _New(self.facts, self.with_targets(shape))
        try:
            return pipeline(spec, new, "TEST", training, real, self.path.parent, computed)
        except FileError as error:
            fault = f"'{self.path}' needs a file of its training: {error.message}"
            raise NoNetError(fault, help="name the run, or put the file beside the snapshot") from None

    def transformed(self, x: Array, steps: Pipeline) -> Array:
        """Samples (N, *shape) after bound transforms, with zeros for the targets that nobody knows."""
        import numpy as np

        index = np.arange(len(x))
        new = _New(self.facts, self.with_targets(x.shape[1:]), x)
        return cast("Array", steps.read(new, Draw(self.seed, np.zeros_like(index), index))[0])

    def own_units(self, answers: Array, steps: Pipeline) -> Array:
        """Answers (N, ...) in the units of what they are compared with, before its transforms changed them."""
        undo = None if self.answer.truth is None or self.answer.axis is not None else steps.undo(self.answer.truth)
        return answers if undo is None else undo(answers)

    def run(self, x: Array) -> Array:
        """The answers (N, ...) of samples (N, *wanted); classes that exclude each other lie on the last axis."""
        import numpy as np

        done = [self._run(x[start : start + self.batch]) for start in range(0, len(x), self.batch)]
        return np.concatenate(done)

    def _run(self, x: Array) -> Array:
        """The answers of at most a batch. Few samples run in a batch of the next power of two, filled with the last."""
        import numpy as np

        program = self.program(min(self.batch, 1 << (len(x) - 1).bit_length()))
        (into,) = program.inputs
        into[: len(x)], into[len(x) :] = x, x[-1]
        program.weights.forget()
        program.clock[:] = 0
        program.infer()
        blob = program.graph.named[self.answer.blob].index
        batch, axis = program.shaped.batch_axes[blob], self.answer.axis
        data = program.items(blob, program.data[blob])
        if batch is None:
            raise UnfitNetError(f"blob '{self.answer.blob}' is one for the whole batch, and not one for a sample")
        if axis is None or data.ndim < 2:
            return np.array(np.moveaxis(data, batch, 0)[: len(x)])
        return np.array(np.moveaxis(data, (batch, axis), (0, -1))[: len(x)])

    def program(self, size: int, shaped: ShapedGraph | None = None) -> Program:
        """The program for batches of a size, on weights that all sizes share. Raises SnapshotError."""
        if size not in self._programs:
            whole = shaped or load_net(self.view.document, (), self.view.state, size)
            found, memory = compile_net(whole, self.dtype, (self.answer.blob,))
            first = next(iter(self._programs.values()), None)
            if first is None:
                weights = fill_weights(found, self.dtype, self.seed)
                state = replace(self.state, weights=self._own(found), unread={})
                match(found, weights, state, self.path).copy()
            else:
                weights = share_weights(found, first.shaped, first.weights, self.dtype, self.seed)
            program = bind(found, memory, weights, self.seed, arena=None)
            program.prepare()
            self._programs[size] = program
        return self._programs[size]

    def _own(self, shaped: ShapedGraph) -> dict[Any, Array]:
        """The weights of the snapshot that the deploy view has. Raises SnapshotError where one is missing."""
        keys = shaped.graph.param_keys
        missing = [str(key) for key in keys if key not in self.state.weights]
        if missing:
            raise NoNetError(f"'{self.path}' lacks the params {', '.join(missing[:4])} of its own net")
        return {key: self.state.weights[key] for key in keys}


def with_known_shapes(net: dict[str, Any], facts: Facts) -> dict[str, Any]:
    """A flat net whose layers that bring data say the shapes of samples, so that nobody looks for them in files."""
    return net | {"layers": [_with_shapes(layer, facts.shapes) for layer in net.get("layers", ())]}


def _with_shapes(layer: dict[str, Any], shapes: Shapes) -> dict[str, Any]:
    tops = layer.get("top", ())
    number = 1 if isinstance(tops, str) else len(tops)
    try:
        brings = LAYERS.get(str(layer.get("type"))).brings is not Layer.brings
    except UnknownWord:
        brings = False
    known = len(shapes) >= number and "shape" not in layer
    return layer | {"shape": [list(shape) for shape in shapes[:number]]} if brings and known else layer


def _sized(shape: Shape, wanted: Shape) -> str | None:
    """Help where an image is of another size than the net takes."""
    if len(shape) == 3 and len(wanted) == 3 and shape[0] == wanted[0]:
        return f"resize it to {wanted[1]}x{wanted[2]}, or train with a Resize among the transforms of the data"
    return None
