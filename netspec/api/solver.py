"""Solver: a training that is driven from Python, as in pycaffe."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex

from netspec.api.arguments import BadArgumentError, keep_of, overrides_of, path_of, spec_of, threads_of, whole
from netspec.api.blobs import check_kept
from netspec.api.feeding import TesterFeeding, TrainingFeeding
from netspec.api.net import Net
from netspec.api.recipe import Recipe
from netspec.core import nodes
from netspec.core.calls import Phase
from netspec.core.errors import NetspecError, NetspecWarning, UsageError
from netspec.core.nodes import Document
from netspec.engine.weights import params_by_key
from netspec.net.graph import State
from netspec.prototxt.solver import TYPES
from netspec.training.by_hand import apply_update, measure
from netspec.training.caffe_keeping import CaffeSnapshots
from netspec.training.caffe_keeping import write as write_caffe
from netspec.training.events import Event, Unwritten, Warned
from netspec.training.job import Job, load_solver
from netspec.training.rules.base import FIRST
from netspec.training.session import Session
from netspec.training.solve import due, solve, tested
from netspec.training.solvers.base_driving import DrivingRule

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Solver:
    """A training that is driven from Python; `net` and `test_nets` keep every blob readable.

    With `keep=False` it is as fast as the command line: of their blobs only inputs and outputs stay readable, and they
    have no backward of their own. A list of names keeps these blobs too, with their diffs where there are any. Results
    may differ from those with `keep=True` in last bits, as those of other rewrites do.

    Before its first iteration, and after some more, it may issue a NetspecWarning.

    `solver` is a path, a zoo name, or plain values. Raises the errors of the spec and of the data.

    An exception at any moment, such as KeyboardInterrupt, leaves a state from which `step` goes on: the iteration it
    came in is done and counted, or has changed nothing. Nobody needs to call `close()`: a Solver that is dropped gives
    back its thread and memory.
    """

    def __init__(
        self,
        solver: str | Path | Mapping[str, Any] | Document,
        overrides: Sequence[str] = (),
        threads: int | None = None,
        *,
        keep: bool | Sequence[str] = True,
    ) -> None:
        most, self._keep = threads_of(threads), keep_of(keep)
        every = self._keep is True
        self._job = load_solver(spec_of(solver, "a solver"), overrides_of(overrides), keep=every, given=True)
        check_kept(self._keep, *(net.graph for net in (self._job.train, *self._job.tests().values())))
        self._session = Session(self._job, most, keep=self._keep)
        self._session.load_own()
        self._snapshots = CaffeSnapshots(self._session)
        self._callbacks: list[tuple[Callable[[], Any], Callable[[], Any]]] = []
        feed, caffe = self._job.spec.data.train, self._job.spec.like_caffe
        if caffe and every:
            self._session.train.fill_once()
        recipe = self._recipe(self._job, "TRAIN", feed.net_batch if feed is not None else None)
        stepped = caffe and every and type(self._job.spec.rule).__name__ in TYPES
        self.net = Net.around(self._session.train, recipe, TrainingFeeding(self._session) if caffe else None, stepped)
        self.test_nets = []
        firsts = {tester: name for name, tester in reversed(self._session.testers.items())}
        for tester, name in reversed(firsts.items()):
            for size, program in tester.programs.items():
                recipe = self._recipe(tester.job, "TEST", size if tester.fed else None)
                self.test_nets.append(Net.around(program, recipe, TesterFeeding(tester, name) if caffe else None))

    def _recipe(self, job: Job, phase: Phase, batch: int | None) -> Recipe:
        spec, written = job.spec, job.net.written
        assert isinstance(written, nodes.Mapping)
        state = State(phase, spec.level, spec.stage)
        document = Document(written, written.at.source)
        how = (spec.dtype, spec.random_seed, self._session.threads, self._keep)
        return Recipe(document, state, batch, "any" if self._keep is True else "none", *how)

    @property
    def job(self) -> Job:
        """The Job that the solver was created from."""
        return self._job

    @property
    def iter(self) -> int:
        """Iterations done."""
        return self._session.iteration

    @property
    def lr(self) -> float:
        """Learning rate of the coming iteration."""
        return self._session.rate

    @property
    def loss(self) -> float:
        """Mean loss of the last `average_loss` iterations."""
        return self._session.loss

    @property
    def param(self) -> Any:
        """The SolverParameter of a solver.prototxt, as pycaffe has it. Raises UsageError for other solvers."""
        from google.protobuf import text_format

        from netspec.formats.caffe_messages import message_class

        written = self._job.spec.written
        if written is None or not written.at.source.caffe:
            raise UsageError(
                "only a solver.prototxt has Caffe's SolverParameter", help="solver.job.spec has its fields"
            )
        return text_format.Parse(written.at.source.text, message_class("SolverParameter")())

    @property
    def averages(self) -> dict[str, tuple[Array, ...]]:
        """The averaged params of every layer with params, weight first, as `average` of the solver averages them.

        Params that stand still are the net's own. The arrays change with every step. Raises UsageError.
        """
        if self._job.spec.average is None:
            raise UsageError("the solver keeps no average of weights", help="add `average: {type: ema, decay: 0.999}`")
        program = self._session.train
        found: dict[str, tuple[Array, ...]] = {}
        for key, array in params_by_key(program.shaped, program.weights.averaged).items():
            found[key.layer] = (*found.get(key.layer, ()), array)
        return found

    def step(self, n: int = 1) -> float:
        """Train `n` iterations; returns the loss of the last iteration. Raises NotFiniteLossError.

        In Caffe's way the tests that are due are made, snapshots are written, and `loss` begins anew.
        """
        session, loss, caffe = self._session, float("nan"), self._job.spec.like_caffe
        self._warn(session.warnings())
        if caffe:
            session.train.iterations.set(session.iteration, ())
            self.net.hand_over()
        for _ in range(whole(n, "number of iterations", 0)):
            for name in due(session, self.iter) if caffe else ():
                tested(session, name)
            loss = session.step()
            if caffe and session.spec.snapshot and session.spec.snapshot.ends(self.iter, session.pace):
                self._note(self._snapshots.try_write())
            if self.iter == FIRST:
                self._warn(session.warnings())
        return loss

    def add_callback(self, on_start: Callable[[], Any], on_gradients_ready: Callable[[], Any]) -> None:
        """Call `on_start` as each iteration begins, and `on_gradients_ready` between its gradients and its update.

        As in pycaffe: what the second changes in the diffs of params is what the update reads. At its start the diffs
        are 0. Raises UsageError for solver types that drive passes.
        """
        session = self._session
        if isinstance(session.spec.rule, DrivingRule):
            raise UsageError(f"the solver type {type(session.spec.rule).__name__} makes its own gradients")
        self._callbacks.append((on_start, on_gradients_ready))
        session.hooks = self._start, self._ready

    def _start(self) -> None:
        self.net.clear_param_diffs()
        for start, _ in self._callbacks:
            start()

    def _ready(self) -> None:
        for _, ready in self._callbacks:
            ready()
        measure(self._session.train)

    def apply_update(self) -> None:
        """Change the params by their gradients as they are, and count an iteration, as in pycaffe.

        Raises NotFiniteLossError, and UsageError for solver types that drive passes.
        """
        with self._session.train.weights.turn.lock():
            apply_update(self._session)

    def solve(self) -> None:
        """Train to the end: `max_iter`, `max_epoch`, an early stop or a budget."""
        for _ in self.events():
            pass

    def events(self) -> Iterator[Event]:
        """Train to the end, yielding every Display, Tested, DebugInfo and Finished event."""
        self._warn(self._session.warnings())
        return self._events()

    def _events(self) -> Iterator[Event]:
        snapshots = self._snapshots if self._job.spec.like_caffe else None
        if self._job.spec.like_caffe:
            self.net.hand_over()
        for event in solve(self._session, snapshots=snapshots):
            if isinstance(event, Warned):
                self._warn([event.warning])
            elif isinstance(event, Unwritten):
                warnings.warn(str(event), NetspecWarning, stacklevel=3)
            else:
                yield event

    def _warn(self, found: list[NetspecError]) -> None:
        """Issue what rules say against the training as Python warnings."""
        for warning in found:
            warnings.warn(str(warning), NetspecWarning, stacklevel=3)

    def test(self, on: str | None = None) -> dict[str, float]:
        """Every score of the test net over the test set, or over another feed that the solver tests on.

        Raises UsageError where there are no such data, NotFiniteScoreError, DataError.
        """
        testers = self._session.testers
        if not testers:
            raise UsageError("the solver has no test data", help="add `data: test:`")
        name = on or ("test" if "test" in testers else next(iter(testers)))
        if name not in testers:
            raise UsageError(f"the solver has no data called {name!r} to test on", help=f"one of: {', '.join(testers)}")
        with self._session.train.weights.turn.lock():
            return testers[name].run(name)[0]

    def _note(self, events: Iterator[Event | Unwritten]) -> None:
        """Issue a warning for what the disk refuses."""
        for event in events:
            if isinstance(event, Unwritten):
                warnings.warn(str(event), NetspecWarning, stacklevel=4)

    def snapshot(self, path: str | Path | None = None) -> Path:
        """Write the whole state to a file; returns its path. Raises WriteError.

        A name that ends in .solverstate or .solverstate.h5 is written in Caffe's format, with its weights beside it;
        one in .caffemodel or .caffemodel.h5 holds the weights alone. Without a path a solver of Caffe's writes what its
        `snapshot_prefix` says.
        """
        by_prefix = path is None and self._job.spec.like_caffe
        target = self._snapshots.path if by_prefix else path_of(path, "a snapshot")
        with self._session.train.weights.turn.lock():
            if target.suffix.lower() in (".solverstate", ".caffemodel", ".h5"):
                write_caffe(self._session, target)
            else:
                self._session.snapshot(target)
        return target

    def restore(self, path: str | Path) -> list[str]:
        """Restore the state of a snapshot; returns what changed in the solver since, as texts. Raises SnapshotError."""
        source = path_of(path, "a snapshot")
        with self._session.train.weights.turn.lock():
            return [str(change) for change in self._session.restore(source)]

    def close(self) -> None:
        """End the thread that prepares batches; the next step starts another."""
        self._session.close()

    def __enter__(self) -> Solver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        help = (
            "write `solver.snapshot(path)`, and `restore(path)` it in a new Solver; its nets can be copied and pickled"
        )
        raise BadArgumentError("a Solver holds open data and a thread, so it is not copied or pickled", help=help)

    def __repr__(self) -> str:
        spec = self._job.spec
        done = f"iteration {self.iter:,} of {self._session.last:,}"
        return f"<Solver {self._job.name!r} {type(spec.rule).__name__}: {done}, loss {self.loss:.4g}, lr {self.lr:.4g}>"
