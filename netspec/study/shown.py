"""Shown: a net with its weights, and the samples that it is looked at with.

A run folder and a snapshot bring their own weights; a net or a solver gets those of a file. The net is its deploy view,
so it answers for a sample as `netspec predict` does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from netspec.core.errors import DataError, UsageError
from netspec.core.locate import RUN_CONFIG, expanded
from netspec.core.nodes import Document
from netspec.core.shape import text
from netspec.core.spelling import suggest
from netspec.data.computed import Computed, in_folder
from netspec.data.facts import Facts
from netspec.data.joined import open_any_feed
from netspec.engine.bind import Keep, bind, compile_net
from netspec.engine.program import Program
from netspec.engine.weights import Weights, fill_weights, params_by_key
from netspec.language.document import from_python
from netspec.language.references import Reference, open_any
from netspec.net.graph import Node
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from netspec.training import folders
from netspec.training.answering.inputs import parts
from netspec.training.answering.predicting import Predictor
from netspec.training.answering.trained import Trained
from netspec.training.job import TESTING, Job, load_solver, with_solver
from netspec.training.loading import LoadReport, load
from netspec.training.snapshot import Snapshot

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.data.feed import Feed


_KEPT = ("data", "dtype", "random_seed", "level", "stage")
"""What of a snapshot's solver says which data a net is tested on, and how it is read."""


class NothingToShowError(UsageError):
    """A net, or its data, has nothing of the kind that is to be shown."""

    code = "NS880"


class NotThereError(UsageError):
    """A layer, a blob, a class, a sample or data are asked for that the net or the solver does not have."""

    code = "NS881"


@dataclass(frozen=True, eq=False)
class Sample:
    """A sample as the net takes it: `inputs`, each without its batch axis.

    `truth` is the number or value that the net should answer with; None where it is not known. `order` says how three
    channels of an image lie.
    """

    name: str
    inputs: tuple[Array, ...]
    truth: Array | None = None
    order: Literal["rgb", "bgr"] = "rgb"


class Shown:
    """A net with its weights. `word` is a run folder or a snapshot; with `weights` it is a net, a solver or a run.

    `best` takes the weights of a run's best test, and `average` those of an average of weights. `report` says which
    params were loaded, once there is a program. Raises UsageError, SnapshotError and the errors of the spec.
    """

    def __init__(self, word: str, weights: Path | None = None, best: bool = False, average: str | None = None) -> None:
        self.word, self._average = word, average
        self.report: LoadReport | None = None
        self._solver: Document | None = None
        if weights is None:
            path = folders.named(word)
            if not path.exists():
                help = "`netspec runs list` shows the runs; for a net say --weights FILE"
                raise UsageError(f"there is no run or snapshot '{word}'", help=help)
            self.path = folders.weights_for(path, path, best)
            self.trained = Trained(self.path, None, average)
            self.folder = path if folders.holds(path) else self._home
            return
        path = expanded(word)
        self.path = folders.weights_for(path, weights, best)
        self.folder = path if folders.holds(path) else None
        opened = open_any(word, prefer="solvers")  # which brings the transforms of the data
        solver = {} if opened.solver is None else opened.solver.plain()
        self._solver = None if opened.solver is None else opened.flat
        state = Snapshot(None, {}, net={} if opened.net is None else opened.net.plain(), solver=solver)
        self.trained = Trained(self.path, None, state=state)

    @property
    def _home(self) -> Path | None:
        """The run folder that the weights are in."""
        home = self.path.parent.parent
        return home if self.path.parent.name == folders.SNAPSHOTS and folders.holds(home) else None

    @property
    def title(self) -> str:
        """The net and where its weights come from."""
        return f"{self.written.graph.name}, {self.path.name}"

    @property
    def written(self) -> ShapedGraph:
        """The shaped net, with the batch size that is written in it."""
        return self.trained.written

    @property
    def order(self) -> Literal["rgb", "bgr"]:
        """How the three channels of the images lie that the net was trained on."""
        return "rgb" if self.trained.source is None else self.trained.source.order

    def node(self, layer: str) -> Node:
        """A layer by name. Raises NotThereError."""
        nodes = {node.layer.name: node for node in self.written.graph.nodes}
        if layer not in nodes:
            fault = f"the net '{self.written.graph.name}', as it predicts, has no layer '{layer}'"
            raise NotThereError(fault, help=suggest(layer, nodes))
        return nodes[layer]

    def blob(self, name: str) -> int:
        """The number of a blob, of which its name is known. Raises NotThereError."""
        named = self.written.graph.named
        if name not in named:
            fault = f"the net '{self.written.graph.name}', as it predicts, has no blob '{name}'"
            raise NotThereError(fault, help=suggest(name, named))
        return named[name].index

    @cached_property
    def scores(self) -> str:
        """The blob that the last loss compares: scores before an activation where the loss contains one."""
        answer = self.trained.answer
        return answer.scores if answer.scores in self.written.graph.named else answer.blob

    @cached_property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes; None where they have none, or where the net tells no classes apart."""
        if self.trained.answer.axis is None:
            return None
        if self.trained.facts.outputs:
            return self.trained.classes
        truth = self.trained.answer.truth
        with suppress(DataError):  # a net with foreign weights is looked at without its data too
            return None if truth is None or self._opened is None else self._opened.data.classes(truth)
        return None

    def class_name(self, number: int) -> str:
        """The name of a class; its number where it has none."""
        names = self.classes
        return names[number] if names is not None and number < len(names) else f"class {number}"

    def true_name(self, sample: Sample) -> str | None:
        """The name of the class that a sample should be answered with; None where it is not known, or no class."""
        if sample.truth is None or sample.truth.size != 1 or self.trained.answer.axis is None:
            return None
        return self.class_name(int(sample.truth.item()))

    def program(self, size: int, keep: Keep = True, gradients: Literal["none", "inputs"] = "none") -> Program:
        """The net for batches of a size, with its weights. Raises SnapshotError."""
        view, seed = self.trained.view, self.trained.seed
        shaped = load_net(view.document, (), view.state, size, gradients)
        shaped, memory = compile_net(shaped, self.trained.dtype, keep)
        program = bind(shaped, memory, self._weights(shaped), seed)
        program.prepare()
        return program

    def params(self, layer: str) -> dict[str, Array]:
        """The params of a layer by name, each in the shape that the layer gives it. Raises SnapshotError."""
        found = params_by_key(self.written, self._weights(self.written))
        return {key.param: array for key, array in found.items() if key.layer == layer}

    def _weights(self, shaped: ShapedGraph) -> Weights:
        weights = fill_weights(shaped, self.trained.dtype, self.trained.seed)
        self.report = load(shaped, weights, self.path, average=self._average)
        return weights

    def sample(self, word: str, on: str | None = None) -> Sample:
        """A sample: a number of the data `on`, or the first in a file. Raises UsageError, DataError."""
        return self._of_feed(int(word), on) if word.isdecimal() else self._of_file(word)

    def _of_feed(self, position: int, on: str | None) -> Sample:
        feed = self.feed(on)
        if position >= len(feed):
            fault = f"there is no sample {position:,}: the data have {len(feed):,}, counted from 0"
            raise NotThereError(fault)
        batch = feed.batch(position, 1)
        return Sample(feed.name(position), self.inputs(batch, each=True), self.truth(batch, 0), self.order)

    def _of_file(self, word: str) -> Sample:
        trained = self.trained
        predictor = Predictor([trained])
        part = next(parts([str(expanded(word))], predictor.table))
        raw = part.read(range(1), predictor.color)[0]
        x = trained.transformed(raw[None], trained.pipeline(raw.shape))
        return Sample(part.name(0), (x[0],), None, self.order)

    def inputs(self, batch: Sequence[Array], each: bool = False) -> tuple[Array, ...]:
        """What the net's inputs take of a batch of the data, each (N, ...), or of its first sample with `each`."""
        numbers = self.trained.view.inputs
        wanted = [self.written.sample_shape(index) for index in self.written.graph.inputs]
        if len(batch) <= max(numbers, default=-1) or any(
            batch[number].shape[1:] != shape for number, shape in zip(numbers, wanted, strict=True)
        ):
            given = ", ".join(text(one.shape[1:]) for one in batch)
            fault = f"the data give samples of {given}, and the net takes {', '.join(map(text, wanted))}"
            raise NothingToShowError(fault)
        return tuple(batch[number][0] if each else batch[number] for number in numbers)

    def truth(self, batch: Sequence[Array], n: int) -> Array | None:
        """What the net should answer for sample n of a batch of the data; None where nobody knows."""
        number = self.trained.answer.truth
        return None if number is None or number >= len(batch) else batch[number][n]

    def feed(self, on: str | None = None) -> Feed:
        """The data of a name as they come in TEST, by default the first there are of test, validation and train.

        Raises UsageError, DataError.
        """
        if on is None:
            if self._opened is None:
                help = "give a solver in place of the net, or a file as --input"
                raise NothingToShowError(f"nothing is known of the data of '{self.word}'", help=help)
            return self._opened
        found = self._open(on)
        if found is None:
            there = [] if self.job is None else _names(self.job)
            help = f"one of: {', '.join(there)}" if there else "name a run folder or a solver"
            raise NotThereError(f"there are no data called '{on}'", help=help)
        return found

    @cached_property
    def _opened(self) -> Feed | None:
        """The data that a net is tested on, else those it is trained on; None where there are none."""
        names = [] if self.job is None else _names(self.job)
        first = next((name for name in ("test", *names) if name in names), None)
        return None if first is None else self._open(first)

    def _open(self, name: str) -> Feed | None:
        job = self.job
        spec = None if job is None else job.spec.data.named(name)
        if job is None or spec is None:
            return None
        own = in_folder(job.base / folders.COMPUTED) if folders.holds(job.base) else {}
        computed, train = Computed(own | self.trained.state.computed), job.spec.data.train
        seed = job.spec.random_seed
        feed = open_any_feed(spec, "TEST", seed, job.base, dtype=job.spec.dtype, train=train, computed=computed)
        if not len(feed):
            raise NothingToShowError(f"the data called '{name}' have no samples")
        return feed

    @cached_property
    def job(self) -> Job | None:
        """The solver that the net was trained by, for its data; None for a net that brings none."""
        reference = self._reference()
        return None if reference is None else load_solver(reference, phases=())

    def _reference(self) -> Reference | None:
        """The solver: that of the run or the snapshot, the one that was named, or what a net or its weights bring."""
        state = self.trained.state
        if self.folder is not None:
            return self.folder / RUN_CONFIG
        if state.weights:
            kept = {key: state.solver[key] for key in _KEPT if state.solver.get(key) is not None}
            return from_python({**TESTING, **kept, "net": state.net}, f"<solver in {self.path.name}>")
        if self._solver is not None:
            return self._solver
        brought = with_solver(self.word)
        if brought != self.word:
            return brought
        return None if self._home is None else self._home / RUN_CONFIG

    def batches(self, feed: Feed, count: int, size: int) -> Iterator[tuple[list[int], tuple[Array, ...]]]:
        """Numbers of so many samples, spread evenly over the data, with their outputs, in batches of a size."""
        import numpy as np

        total = len(feed)
        count = min(count, total)
        if feed.data.ordered:  # such data come in whole batches alone
            for start in range(0, count, size):
                yield list(range(start, start + size)), feed.batch(start, size)
            return
        chosen = [i * total // count for i in range(count)]
        for start in range(0, count, size):
            numbers = chosen[start : start + size]
            if numbers[-1] - numbers[0] == len(numbers) - 1:
                yield numbers, feed.batch(numbers[0], len(numbers))
                continue
            each = [feed.batch(number, 1) for number in numbers]
            yield numbers, tuple(np.concatenate(outputs) for outputs in zip(*each, strict=True))


def _names(job: Job) -> list[str]:
    """The names of a job's data."""
    return [*job.spec.data.scored, *(["train"] if job.spec.data.train else [])]


def forward(program: Program, inputs: Sequence[Array]) -> None:
    """Run a net on samples, each input (N, ...); a short batch is filled with its last sample."""
    count = len(inputs[0])
    for into, values in zip(program.inputs, inputs, strict=True):
        into[:count], into[count:] = values, values[-1]
    program.weights.forget()
    program.clock[:] = 0
    program.infer()


def of_samples(program: Program, blob: int, count: int, diff: bool = False) -> Array:
    """A copy of a blob of the first samples, (count, ...), or of its gradient. Raises NothingToShowError."""
    import numpy as np

    array, batch = program.diff[blob] if diff else program.data[blob], program.shaped.batch_axes[blob]
    name = program.graph.blobs[blob].name
    if batch is None:
        raise NothingToShowError(f"blob '{name}' is one for the whole batch, and not one for a sample")
    assert array is not None
    return np.array(np.moveaxis(array, batch, 0)[:count])


def facts_columns(facts: Facts, many: int) -> tuple[str, ...] | None:
    """The names of a table's columns, where there are so many."""
    columns: Any = facts.source.get("columns")
    return tuple(map(str, columns)) if isinstance(columns, list) and len(columns) == many else None
