"""Program and SolverSpec to events: the training loop. It yields what happened and prints nothing.

One iteration: a test where one is due, `iter_size` batches forward and backward, one update. Order and meaning follow Caffe's
solver.cpp. The state is (weights, history, iteration); batches and random numbers are functions of (seed, iteration).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec import snapshot
from netspec.diagnostics import DataError, DivergedError, SpecError
from netspec.document import locate
from netspec.feed import Feed, Prefetcher, open_feed
from netspec.graph import digest
from netspec.infer import ShapedGraph
from netspec.layers.base import Phase
from netspec.load import Job
from netspec.program import Learning, Program, bind, compile_net, fill_weights, local_decay, share_weights
from netspec.shape import count, text
from netspec.snapshot import LoadReport, OtherNetError, Snapshot

if TYPE_CHECKING:
    from netspec.call import Array

MOST_SCORES = 100
"""Values of a vector that are shown one by one."""


class MisfitError(DataError):
    """The data do not have the shape of the net's inputs."""

    code = "NS620"


class TooFewSamplesError(DataError):
    """There is nothing to test on."""

    code = "NS621"


class NotFiniteLossError(DivergedError):
    """A loss or gradient stopped being finite; the message names the first layer and blob that went bad."""

    code = "NS504"


@dataclass(frozen=True)
class Display:
    """A progress line: mean loss of the last `average_loss` iterations, the net's outputs, the rate, samples a second, seconds left."""

    iteration: int
    loss: float
    outputs: dict[str, float]
    rate: float
    gradient: float
    speed: float
    left: float


@dataclass(frozen=True)
class Tested:
    """A test over `samples` samples: the mean of every output, weighted by samples."""

    iteration: int
    outputs: dict[str, float]
    samples: int
    seconds: float


@dataclass(frozen=True)
class Snapshotted:
    """A snapshot was written."""

    iteration: int
    path: Path


@dataclass(frozen=True)
class Finished:
    """The end; `stopped` says what asked for it before the last iteration."""

    iteration: int
    stopped: str | None
    seconds: float
    waited: float


Event = Display | Tested | Snapshotted | Finished


class Tester:
    """The TEST net on the training's weights: programs for a whole batch and for the short last one."""

    def __init__(self, job: Job, owner: Program, seed: int, keep: bool) -> None:
        assert job.test is not None
        self.job, self.owner, self.seed, self.keep = job, owner, seed, keep
        self.feed = open_phase(job, "TEST", seed)
        self.batch = job.spec.data.test.batch_size if job.spec.data.test else 1
        self.programs: dict[int, Program] = {}
        self.scores = scores(job, "TEST", self.batch)
        self.program(min(self.batch, len(self.feed)) if self.feed else self.batch)

    def program(self, size: int) -> Program:
        """The TEST program for batches of `size`; the training's memory is used where blobs need not be kept."""
        if size not in self.programs:
            shaped = self.job.shaped("TEST", size) if self.feed else self.job.test
            assert shaped is not None
            dtype = self.job.spec.dtype
            shaped, memory = compile_net(shaped, dtype, self.keep)
            weights = share_weights(shaped, self.owner, dtype, self.seed)
            self.programs[size] = bind(shaped, memory, weights, self.seed, arena=None if self.keep else self.owner.arena)
        return self.programs[size]

    def run(self) -> tuple[dict[str, float], int]:
        """The mean of every output over the whole test set (or `test_iter` batches), and how many samples that were."""
        import numpy as np

        limit = self.job.spec.test_iter
        total = len(self.feed) if self.feed else self.batch * (limit or 1)
        if limit is not None:
            total = min(total, limit * self.batch) if self.feed else limit * self.batch
        sums: dict[str, Any] = {}
        prefetch = Prefetcher(self.feed, 0, self.batch, stop=total) if self.feed else None
        try:
            for start in range(0, total, self.batch):
                size = min(self.batch, total - start)
                program = self.program(size)
                program.clock[:] = (0, start)
                if prefetch:
                    prefetch.take(program.inputs)
                program.forward()
                for name, array in outputs(program, self.scores).items():
                    sums[name] = sums.get(name, 0.0) + size * np.asarray(array, np.float64)
        finally:
            if prefetch:
                prefetch.close()
        return {key: value for name, array in sums.items() for key, value in named(name, array / total).items()}, total


def outputs(program: Program, chosen: frozenset[int]) -> dict[str, Array]:
    """The blobs that nothing reads and that are `scores`, by name."""
    return {program.graph.blobs[b].name: program.data[b] for b in program.graph.outputs if b in chosen}


def scores(job: Job, phase: Phase, batch: int) -> frozenset[int]:
    """The blobs that speak of a batch as a whole: scalars and short vectors whose shape does not depend on the number of samples."""
    one = job.train if phase == "TRAIN" else job.test
    assert one is not None
    other = one
    if one.graph.inputs:
        with suppress(SpecError):  # a net that takes one size of batch only
            other = job.shaped(phase, batch + 1)
    pairs = enumerate(zip(one.blobs, other.blobs, strict=True))
    return frozenset(b for b, (mine, theirs) in pairs if mine == theirs and len(mine) <= 1 and count(mine) <= MOST_SCORES)


def named(name: str, array: Array) -> dict[str, float]:
    """A scalar under its name; the values of a vector under name[i]."""
    values = array.reshape(-1)
    return {name: float(values[0])} if array.ndim == 0 else {f"{name}[{i}]": float(v) for i, v in enumerate(values)}


def open_phase(job: Job, phase: Phase, seed: int) -> Feed | None:
    """The feed of a phase, checked against its net's inputs and labels; None for a net without inputs. Raises DataError."""
    spec = job.spec.data.train if phase == "TRAIN" else job.spec.data.test
    shaped = job.train if phase == "TRAIN" else job.test
    if spec is None or shaped is None or not shaped.graph.inputs:
        return None
    node = job.node(phase)
    feed = open_feed(spec, phase, seed, job.base, dtype=job.spec.dtype, train=job.spec.data.train, node=node)
    at = locate(node, "source") if node is not None else None
    if len(feed) == 0:
        raise TooFewSamplesError("there are no samples", at=at)
    graph = shaped.graph
    if len(feed.shapes) < len(graph.inputs):
        names = ", ".join(f"'{graph.blobs[i].name}'" for i in graph.inputs)
        text_ = (
            f"the net has {len(graph.inputs)} inputs ({names}), but the source has {len(feed.shapes)} output{'s' * (len(feed.shapes) != 1)}"
        )
        raise MisfitError(text_, at=at, help="name the source's labels, or take the top out of the net's Input")
    for blob, shape in zip(graph.inputs, feed.shapes, strict=False):
        wanted = shaped.blobs[blob][1:]
        if wanted != shape:
            name = graph.blobs[blob].name
            message = f"input '{name}' takes samples of {text(wanted)}, but the data have {text(shape)}"
            raise MisfitError(message, at=at, help=f"change the shape of '{name}' in the net, or the source's transforms")
    for blob, (classes, ignore) in label_ranges(shaped).items():
        feed.check_labels(graph.inputs.index(blob), classes, ignore)
    return feed


def label_ranges(shaped: ShapedGraph) -> dict[int, tuple[int, int | None]]:
    """For every input that holds labels: the number of classes of the layer that reads it, and the label it ignores."""
    result: dict[int, tuple[int, int | None]] = {}
    for node in shaped.graph.nodes:
        for slot, limit in node.layer.classes(shaped.bottom_shapes(node)).items():
            blob = shaped.graph.original(node.bottoms[slot])
            if blob in shaped.graph.inputs and (blob not in result or limit[0] < result[blob][0]):
                result[blob] = limit
    return result


class Session:
    """A training in progress: programs, feeds and the iteration.

    `keep` leaves every blob's data and diff readable. Raises DataError, OutOfMemoryError.
    """

    def __init__(self, job: Job, threads: int | None = None, keep: bool = False) -> None:
        from netspec.kernels import jit

        self.threads = jit.limit_threads(threads)
        spec = job.spec
        self.job, self.spec, self.seed = job, spec, spec.random_seed
        self.iteration = 0
        self.resumed: Path | None = None
        self.feed = open_phase(job, "TRAIN", self.seed)
        shaped, memory = compile_net(job.train, spec.dtype, keep)
        weights = fill_weights(shaped, spec.dtype, self.seed, spec.rule.slots)
        decay = local_decay(shaped.graph.params, spec.regularization_type, spec.weight_decay)
        learning = Learning(spec.rule, decay, spec.clip_gradients or 0.0, spec.iter_size)
        self.train = bind(shaped, memory, weights, self.seed, learning)
        self.test = Tester(job, self.train, self.seed, keep) if job.test is not None else None
        self.losses: deque[float] = deque(maxlen=spec.average_loss)
        self.batch = spec.data.train.batch_size if spec.data.train else shaped.batch
        self.scores = scores(job, "TRAIN", self.batch)
        stored = (array for array, param in zip(weights.data, shaped.graph.params, strict=True) if not param.param.learned)
        self._stored = [(array, array.copy()) for array in stored]
        self.waited = 0.0
        self._prefetch: Prefetcher | None = None
        self._prefetched = -1

    def close(self) -> None:
        """End the thread that prepares batches."""
        if self._prefetch is not None:
            self.waited += self._prefetch.waited
            self._prefetch.close()
            self._prefetch = None

    def _batch(self, number: int) -> None:
        """Put training batch `number` into the net's inputs."""
        if self.feed is None:
            return
        if self._prefetch is None or self._prefetched != number:
            self.close()
            self._prefetch = Prefetcher(self.feed, number * self.batch, self.batch)
        self._prefetch.take(self.train.inputs)
        self._prefetched = number + 1

    @property
    def rate(self) -> float:
        """The learning rate of the coming iteration."""
        return self.spec.lr_policy.rate(self.iteration, self.spec.base_lr, self.spec.max_iter)

    @property
    def loss(self) -> float:
        """Mean loss of the last iterations; NaN before the first."""
        return sum(self.losses) / len(self.losses) if self.losses else float("nan")

    def step(self) -> float:
        """One iteration; its loss. Weights are unchanged when it raises, and so is what layers store beside them as they run forward."""
        for array, before in self._stored:
            before[...] = array
        try:
            return self._step()
        except BaseException:
            for array, before in self._stored:
                array[...] = before
            raise

    def _step(self) -> float:
        program, size = self.train, self.spec.iter_size
        program.rate[0] = self.rate
        program.loss[0] = 0.0
        program.clock[0] = self.iteration
        for sub in range(size):
            self._batch(self.iteration * size + sub)
            program.clock[1] = sub
            program.run("clear" if sub == 0 else "forward", "update" if size == 1 else "backward")
        if size > 1:
            program.run("watch", "update")
        loss = float(program.loss[0]) / size
        if program.gate[0] == 0 or loss - loss != 0:
            self._blame()
        self.losses.append(loss)
        self.iteration += 1
        return loss

    def _blame(self) -> None:
        """Repeat the iteration with every blob kept, and name the first layer and blob that is not finite."""
        program = self.train
        shaped, memory = compile_net(self.job.train, self.spec.dtype, keep=True)
        kept = bind(shaped, memory, program.weights, self.seed)
        program.weights.flat_diff[:] = 0
        for name, array in zip(program.weights.names, program.weights.data, strict=True):
            self._judge(f"param '{name}'", array)
        for sub in range(self.spec.iter_size):
            self._batch(self.iteration * self.spec.iter_size + sub)
            for mine, theirs in zip(kept.inputs, program.inputs, strict=True):
                mine[...] = theirs
            kept.clock[:] = (self.iteration, sub)
            self._walk(kept)
        raise NotFiniteLossError(f"iteration {self.iteration}: the sum of squared gradients is too large to be a number", help=_DIVERGED)

    def _walk(self, kept: Program) -> None:
        graph = kept.graph
        for node in graph.nodes:
            kept.run_node("forward", node.index)
            for top in node.tops:
                what = f"blob '{graph.blobs[top].name}' of layer '{node.layer.name}' ({node.layer.type})"
                self._judge(what, kept.data[top], _BAD_DATA if node.layer.type == "Input" else None)
        for node in reversed(graph.nodes):
            kept.run_node("seed", node.index)
            kept.run_node("backward", node.index)
            for bottom, wanted in zip(node.bottoms, node.propagate, strict=True):
                diff = kept.diff[bottom]
                if wanted and diff is not None:
                    self._judge(
                        f"the gradient of blob '{graph.blobs[bottom].name}', from layer '{node.layer.name}' ({node.layer.type}),", diff
                    )
            for param in node.params:
                diff = kept.weights.diff[param]
                if diff is not None:
                    self._judge(
                        f"the gradient of param '{graph.params[param].name}' in layer '{node.layer.name}' ({node.layer.type})", diff
                    )

    def _judge(self, what: str, array: Array, help: str | None = None) -> None:
        import numpy as np

        bad = ~np.isfinite(array)
        if bad.any():
            first = array[tuple(np.argwhere(bad)[0])] if array.ndim else array[()]
            one = f"{what} is {first}"
            many = f"{what} is not finite: {int(bad.sum()):,} of {array.size:,} values, the first {first}"
            raise NotFiniteLossError(f"iteration {self.iteration}: {many if array.size > 1 else one}", help=help or _DIVERGED)

    def snapshot(self, path: Path) -> None:
        """Write the state to a file."""
        snapshot.write(path, self.state())

    def state(self) -> Snapshot:
        """Weights, history and iteration, and what they belong to."""
        weights = self.train.weights
        pairs = {
            (slot, name): array for name, slots in zip(weights.names, weights.history, strict=True) for slot, array in enumerate(slots)
        }
        data = dict(zip(weights.names, weights.data, strict=True))
        return Snapshot(self.iteration, data, pairs, digest(self.job.train.graph), settings(self.job), tuple(self.losses))

    def restore(self, path: Path) -> list[str]:
        """Take up the state of a snapshot; the solver settings that differ from it. Raises SnapshotError."""
        state = snapshot.read(path)
        weights = self.train.weights
        snapshot.compare(weights, state.weights, path, strict=True)
        if state.net != digest(self.job.train.graph):
            raise OtherNetError(f"'{path}' belongs to another net: the params agree, but not the layers or the lr_mult", help=_RESUME)
        own = {(slot, name): array for name, slots in zip(weights.names, weights.history, strict=True) for slot, array in enumerate(slots)}
        rule = type(self.spec.rule).__name__
        same = {key: array.shape for key, array in own.items()} == {key: array.shape for key, array in state.history.items()}
        if not same or state.solver.get("type") != rule:  # arrays of the same shape hold something else
            raise OtherNetError(f"'{path}' has no history for the solver type {rule}", help=_RESUME)
        snapshot.load_weights(weights, state.weights, path)
        for key, array in state.history.items():
            own[key][...] = array
        self.iteration, self.resumed = state.iteration, path.resolve()
        self.losses.clear()
        self.losses.extend(state.losses)
        now = settings(self.job)
        return [
            f"{k}: {state.solver.get(k)!r} -> {now.get(k)!r}" for k in sorted({*now, *state.solver}) if now.get(k) != state.solver.get(k)
        ]

    def load(self, path: Path) -> LoadReport:
        """Start from the weights of a snapshot (fine-tuning), by name. Raises SnapshotError."""
        return snapshot.load_weights(self.train.weights, snapshot.read_tensors(path)[0], path)


_BAD_DATA = "the data hold it, or a transform makes it; the rate has no part in it"
_DIVERGED = "lower base_lr, set clip_gradients, or check the data's scale; weights are as before this iteration"
_RESUME = "to start from its weights only, say --weights"


def settings(job: Job) -> dict[str, Any]:
    """What a snapshot says about its solver, so that a resume can tell what changed; of paths only the last part, so that it may move."""
    spec = job.spec
    keep = {
        "base_lr",
        "lr_policy",
        "max_iter",
        "iter_size",
        "weight_decay",
        "regularization_type",
        "clip_gradients",
        "random_seed",
        "dtype",
    }
    values = {key: value for key, value in job.document.root.plain().items() if key in keep}
    values["data"] = with_paths(job, lambda path: Path(path).name).get("data", {})
    values |= {key: getattr(spec, key) for key in keep if key not in values and not hasattr(getattr(spec, key), "model_dump")}
    values["type"] = type(spec.rule).__name__
    values |= spec.rule.model_dump()
    return {key: _jsonable(value) for key, value in values.items()}


def with_paths(job: Job, change: Callable[[str], str]) -> dict[str, Any]:
    """The resolved solver as plain values, every path in it changed."""

    def changed(value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return [changed(item) for item in value]
        return change(value) if isinstance(value, str) else value

    values = job.document.plain()
    if "weights" in values:
        values["weights"] = changed(values["weights"])
    for phase in ("train", "test"):
        feed = getattr(job.spec.data, phase)
        if feed is None:
            continue
        written = values["data"][phase]
        steps = written.get("transform", ())
        parts = [(feed.source, written["source"]), *zip(feed.transform, steps if isinstance(steps, tuple) else (steps,), strict=True)]
        for model, plain in parts:
            for name in model.path_fields() if isinstance(plain, dict) else ():
                if name in plain:
                    plain[name] = changed(plain[name])
    return values


def _jsonable(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_jsonable(item) for item in value]
    return {key: _jsonable(item) for key, item in value.items()} if isinstance(value, dict) else value


def solve(session: Session, folder: Path | None = None, stopping: Callable[[], str | None] = lambda: None) -> Iterator[Event]:
    """Train to the last iteration, or until `stopping` gives a reason; snapshots go to `folder`.

    Raises NotFiniteLossError, DataError, WriteError.
    """
    from threadpoolctl import threadpool_limits

    spec = session.spec
    begun = time.perf_counter()
    seen, since = 0, begun
    written = session.iteration if folder is not None and session.resumed == (folder / snapshot.name(session.iteration)).resolve() else -1
    blas = threadpool_limits(limits=1, user_api="blas")  # NumPy's own threads would only take the kernels' cores
    try:
        while session.iteration < spec.max_iter and not stopping():
            iteration = session.iteration
            due = spec.test_interval and iteration % spec.test_interval == 0 and (iteration > 0 or spec.test_initialization)
            if session.test is not None and due:
                yield _tested(session)
                since, seen = time.perf_counter(), 0
            rate = session.rate
            session.step()
            seen += 1
            if spec.display and iteration % spec.display == 0:
                now = time.perf_counter()
                pace = seen / max(now - since, 1e-9)
                left = (spec.max_iter - session.iteration) / pace
                yield _display(session, iteration, rate, pace * session.batch * spec.iter_size, left)
                since, seen = time.perf_counter(), 0
            if folder is not None and spec.snapshot and session.iteration % spec.snapshot == 0:
                yield _snapshotted(session, folder)
                written = session.iteration
        stopped = stopping()
        wanted = stopped is not None or spec.snapshot_after_train
        if folder is not None and wanted and written != session.iteration:
            yield _snapshotted(session, folder)
        if session.test is not None and stopped is None:
            yield _tested(session)
    finally:
        blas.restore_original_limits()
        session.close()
    yield Finished(session.iteration, stopped, time.perf_counter() - begun, session.waited)


def _tested(session: Session) -> Tested:
    begun = time.perf_counter()
    assert session.test is not None
    means, samples = session.test.run()
    return Tested(session.iteration, means, samples, time.perf_counter() - begun)


def _display(session: Session, iteration: int, rate: float, speed: float, left: float) -> Display:
    values = {key: value for name, array in outputs(session.train, session.scores).items() for key, value in named(name, array).items()}
    return Display(iteration, session.loss, values, rate, float(session.train.norm[0]), speed, left)


def _snapshotted(session: Session, folder: Path) -> Snapshotted:
    path = folder / snapshot.name(session.iteration)
    session.snapshot(path)
    snapshot.prune(folder, session.spec.snapshot_keep)
    return Snapshotted(session.iteration, path)
