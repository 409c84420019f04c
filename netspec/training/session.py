"""A session: a training in progress.

One iteration is `iter_size` batches forward and backward, and one update. The state is (weights, history, iteration);
batches and random numbers are functions of (seed, iteration). Source: Caffe solver.cpp.

The weights, the history, the losses and the iteration are written by one call of the program, the last of an iteration.
So an exception that Python raises at any moment, such as KeyboardInterrupt, finds an iteration counted or not begun.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.core.changes import Changes
from netspec.core.errors import NetspecError
from netspec.data.computed import Computed
from netspec.data.cursor import Cursor, Reading
from netspec.data.facts import Facts
from netspec.engine.beside import Beside
from netspec.engine.bind import Keep, bind, compile_net
from netspec.engine.weights import fill, new_weights, params_by_key, zeros
from netspec.net.digest import digest
from netspec.net.graph import ParamKey
from netspec.training import resuming, snapshot
from netspec.training.averaging import averages, other_average
from netspec.training.blame import Fed, blame, blame_score
from netspec.training.caffe_weights import is_state
from netspec.training.course import Course
from netspec.training.debugging import Debugging
from netspec.training.driving import Driving, Passes
from netspec.training.events import DebugInfo, Progress
from netspec.training.feeds import open_phases, sample_names
from netspec.training.job import Job
from netspec.training.learning import learning_of
from netspec.training.loading import (
    LoadReport,
    Match,
    fitted,
    fitting_history,
    fitting_states,
    load,
    match,
)
from netspec.training.recorded import changes, flat_net, settings
from netspec.training.rehearsal import load_own
from netspec.training.rules.base import FIRST, Known, judge
from netspec.training.scorelog import ScoreLog, Tests
from netspec.training.scores import scores
from netspec.training.snapshot import WHOLE, Slot, Snapshot
from netspec.training.solvers.base_driving import DrivingRule
from netspec.training.tester import outputs, testers
from netspec.training.watch import feed_of

if TYPE_CHECKING:
    from netspec.core.calls import Array


MEAN_OF = 100
"""Iterations that the shown means cover where the solver has no `display`."""


class Session:
    """A training in progress: programs, feeds, `testers` by the names of their tests, and the iteration.

    `keep` says which blobs' data and diff have memory of their own, so that they can be read. `computed` is what is
    known of the training data already: a training that resumes goes on with that of its snapshot.
    Raises DataError, OutOfMemoryError.
    """

    hooks: tuple[Callable[[], None], Callable[[], None]] | None = None
    """Called as each iteration begins, and between its gradients and its update."""

    def __init__(
        self, job: Job, threads: int | None = None, keep: Keep = False, computed: Computed | None = None
    ) -> None:
        from netspec.codegen import environment

        spec = job.spec
        self.job, self.spec, self.seed = job, spec, spec.random_seed
        self.resumed: Path | None = None
        self.computed = computed or Computed()
        shaped, memory = compile_net(job.train, spec.dtype, keep, spec.rule.without)
        state = partial(spec.rule.net_state, shaped)
        weights = new_weights(shaped, spec.dtype, state, averages=spec.average is not None)
        arena = zeros(memory.arena)
        gradients = (weights.flat_diff, *(array for arrays in weights.history for array in arrays.values()))
        with Beside(lambda: fill(shaped, weights, self.seed), (arena, *gradients)) as beside:
            environment.load()
            from netspec.codegen import driver

            self.threads = driver.limit_threads(threads)
            self.feeds = open_phases(job, self.seed, self.computed)
            self.feed = self.feeds.get("train")
            learning = None if isinstance(spec.rule, DrivingRule) else learning_of(spec, shaped, bool(keep))
            self.train = bind(shaped, memory, weights, self.seed, learning, arena)
            beside.wait_filled()
            weights.begin_averages()
            given = weights.averaged if spec.test_average else weights
            self.testers = testers(job, self.feeds, self.train, given, keep)
        samples = None if self.feed is None else len(self.feed)
        self.pace, self.watch = job.pace(samples), job.watch
        self.last = job.last(samples) or 0
        """Iterations to train."""
        self._recent: deque[tuple[float, ...]] = deque(maxlen=spec.display.iterations(self.pace) or MEAN_OF)
        self.unit = shaped.unit
        self.batch = job.batch
        self.scores = scores(job.train)
        self._means = {
            name: array for name, array in outputs(self.train, self.scores).items() if not array.ndim and name != "loss"
        }
        self.between: Callable[[], None] = lambda: None
        """Called between batches; if it raises, the iteration or the test that is under way ends and counts nothing."""
        self.tests = ScoreLog()
        """The tests so far: each its iteration, and its scores by name. One of the coming iteration is made again by a
        training that resumes, so a snapshot does not hold it."""
        self.over = False
        """Whether the tests, those of the coming iteration too, have ended the training."""
        self._cursor: Reading | None = None if self.feed is None else Cursor(self.feed, self.batch)
        self.shift = 0
        """Batches by which the data are ahead of the iterations: in Caffe's way forwards between them read data too."""
        self._driving: Driving | None = None
        if isinstance(spec.rule, DrivingRule):
            shown = tuple(outputs(self.train, self.scores).values())
            passes = Passes(self._batch, lambda: self.between(), shown)
            self._driving = Driving(spec.rule, self.train, (shaped, memory), spec, passes)
        self.debugging = Debugging(job.train, self.train, self.seed) if spec.debug_info else None
        """What makes `debug_info`, where the solver wants any: `begin` it before an iteration."""
        self._first: list[float] = []
        self._gradients_at = -1
        """The iteration whose forerunner the gradients are of; -1 where one was begun that does not count."""
        self._said: set[str] = set()
        self._told: list[NetspecError] = []

    def close(self) -> None:
        """End the threads that prepare batches."""
        if self._cursor is not None:
            self._cursor.close()
        for tester in self.testers.values():
            tester.close()

    def _batch(self, number: int) -> None:
        """Copy training batch `number` into the net's inputs."""
        if self._cursor is not None:
            feed, inputs = self.spec.data.train, self.train.inputs
            self._cursor.taken = number + self.shift
            self._cursor.take(inputs if feed is None else feed.among(inputs), self.between)
        if self.debugging is not None:
            self.debugging.take(*divmod(number, self.spec.iter_size))

    @property
    def iteration(self) -> int:
        """Iterations done."""
        return self.train.iterations.iteration

    @property
    def losses(self) -> tuple[float, ...]:
        """The losses of the last iterations, `average_loss` at most."""
        return self.train.iterations.losses

    def warnings(self) -> list[NetspecError]:
        """What rules say against this training, with the weights and first losses that it has now, and not before."""
        weights = dict(zip(self.train.weights.names, self.train.weights.data, strict=True))
        feeds = {name: feed for name, feed in self.feeds.items() if name not in self.job.tested}
        found = judge(Known(self.job.nets, self.job, feeds, weights, self._first))
        found += self._told
        new = [warning for warning in found if warning.code not in self._said]
        self._said.update(warning.code for warning in new)
        return new

    @property
    def course(self) -> Course:
        """What the rate depends on besides the iteration: it shares the list of tests."""
        return self.job.course(None if self.feed is None else len(self.feed), self.tests)

    @property
    def rate(self) -> float:
        """The learning rate of the coming iteration."""
        return self.spec.rate(self.iteration, self.course)

    @property
    def loss(self) -> float:
        """Mean loss of the last iterations; NaN before the first."""
        losses = self.losses
        return sum(losses) / len(losses) if losses else float("nan")

    @property
    def progress(self) -> Progress:
        """How far the training is."""
        loss = next(reversed(self.losses), float("nan"))
        samples = self.batch * self.spec.iter_size
        recent = self._recent.copy()  # another thread may show the progress while this one trains
        mean, *own = (sum(column) / len(recent) for column in zip(*recent, strict=True)) if recent else (math.nan,)
        means = dict(zip(self._means, own, strict=False))
        now = (self.iteration, self.last, loss, self.rate, samples)
        return Progress(*now, mean, len(recent), means, self.epoch(self.iteration), self.unit, self.waited)

    @property
    def waited(self) -> float:
        """Seconds that this process has waited for data until now."""
        return 0.0 if self._cursor is None else self._cursor.waited

    def epoch(self, iteration: int) -> float | None:
        """How many epochs are done after so many iterations; None without training data."""
        return None if self.pace.epoch is None else iteration * self.pace.iteration / self.pace.epoch

    def step(self) -> float:
        """Train one iteration; returns its loss. Raises NotFiniteLossError, DataError.

        If it raises, at whatever moment, the iteration is counted and all of it is done, or the state is unchanged: the
        weights, the stored params that layers update in forward, the history, the losses and the iteration.
        """
        program, size = self.train, self.spec.iter_size
        with program.weights.turn.lock():
            iteration, self._gradients_at = self.iteration, -1
            program.rate[0] = self.rate
            program.share[0] = self.spec.average.share(iteration + 1, self.pace) if self.spec.average else 0.0
            if self._driving is not None:
                self._driving.step(iteration, self.rate)
            else:
                self._update(iteration)
            if self.iteration == iteration:
                raise blame(self.job.train, program, self.seed, iteration, self._batches(iteration))
            self._gradients_at = self.iteration
            loss = float(program.loss[0]) / size
            self._recent.append((loss, *map(float, self._means.values())))
            if iteration == len(self._first) < FIRST:
                self._first.append(loss)
            return loss

    def _update(self, iteration: int) -> None:
        """Run the passes and the update of a solver type that gives Calls."""
        program, size = self.train, self.spec.iter_size
        program.loss[0] = 0.0
        if self.hooks:
            self.hooks[0]()
        for sub in range(size):
            if sub > 0:
                self.between()
            self._batch(iteration * size + sub)
            program.clock[:] = iteration, sub
            program.run("resume" if sub else "clear", "suspend" if sub < size - 1 or self.hooks else "commit")
        if self.hooks:
            self.hooks[1]()
            program.run("watch", "commit")

    def _batches(self, iteration: int) -> Iterator[Fed]:
        """Each batch of an iteration."""
        for sub in range(self.spec.iter_size):
            number = iteration * self.spec.iter_size + sub
            self._batch(number)
            names = sample_names(self.feed, (number + self.shift) * self.batch)
            yield Fed(self.train.inputs, names, (iteration, sub))

    def read_from(self, reading: Reading) -> None:
        """Let the coming iteration begin with the first batch of other data."""
        self._cursor, self.shift = reading, -self.iteration * self.spec.iter_size

    def take_batch(self) -> None:
        """Copy the next batch into the net's inputs; the coming iteration begins with the batch after it."""
        self._batch(self.iteration * self.spec.iter_size)
        self.shift += 1

    def debug_info(self) -> DebugInfo:
        """The `debug_info` of the last iteration, before which it was begun."""
        assert self.debugging is not None
        return replace(self.debugging.info(), epoch=self.epoch(self.iteration - 1))

    def blame_score(self) -> NetspecError:
        """The error for a score of the last iteration that is not finite; the state is not changed."""
        last = self.iteration - 1
        *_, batch = self._batches(last)
        return blame_score(self.job.train, self.train, self.seed, batch, f"iteration {last}")

    def record(self, feed: str, scores: Mapping[str, float]) -> None:
        """Record the scores of a test on a feed; a test of this iteration that was made before is forgotten."""
        self.forget(lambda other: other == feed)
        self.tests.append((self.iteration, {f"{feed}/{name}": score for name, score in scores.items()}))

    def forget(self, on: Callable[[str], bool]) -> None:
        """Forget the tests of this iteration on some feeds: they were of other weights, or are made again."""
        first = len(self.tests)
        while first and self.tests[first - 1][0] == self.iteration:
            first -= 1
        kept = [test for test in self.tests[first:] if not on(feed_of(test[1]))]
        if len(kept) < len(self.tests) - first:  # a log only grows
            self.tests = ScoreLog([*self.tests[:first], *kept])

    def snapshot(self, path: Path) -> None:
        """Write the state to a file."""
        snapshot.write(path, self.state())

    def state(self) -> Snapshot:
        """The state as a Snapshot: weights, history, iteration, and the net and settings that they belong to."""
        return Snapshot(
            self.iteration,
            params_by_key(self.train.shaped, self.train.weights),
            self._history(),
            digest(self.job.train.graph),
            flat_net(self.job),
            settings(self.job),
            self.losses,
            states=dict(self.train.weights.states),
            tests=self._kept_tests(),
            averages=averages(self.spec.average, self.train.shaped, self.train.weights),
            diffs=self._gradients() if self.spec.snapshot_diff else {},
            computed=self.computed.used,
            data=Facts() if self.feed is None else Facts.of(self.feed.data, self.feed.shapes),
            shift=self.shift,
        )

    def _kept_tests(self) -> Tests:
        """The tests that a snapshot holds: not those of the coming iteration, unless they have ended the training."""
        if self.over or not self.tests or self.tests[-1][0] < self.iteration:
            return self.tests
        return [test for test in self.tests if test[0] < self.iteration]

    def _history(self) -> dict[Slot, Array]:
        """The history by slot and param; that of a shared param under the first layer that has it."""
        pairs = zip(self.train.graph.owners, self.train.weights.history, strict=True)
        own = {(slot, key): array for key, slots in pairs for slot, array in slots.items()}
        return own | {(slot, WHOLE): array for slot, array in self.train.weights.whole.items()}

    def restore(self, path: Path) -> Changes:
        """Restore the state of a snapshot; returns what changed in the solver since. Raises SnapshotError."""
        taken = self.iteration * self.spec.iter_size + self.shift
        found, state, told = resuming.read(path, self.job, self.train.weights, taken)
        assert state.iteration is not None
        self._copy(found, state, path)
        self._told += told
        self.shift = state.shift
        self.train.iterations.set(state.iteration, state.losses)
        # only a snapshot of an early end holds tests of its own iteration
        self.over = self.watch.over(state.tests) and any(n == state.iteration for n, _ in state.tests)
        self.tests = ScoreLog([test for test in state.tests if test[0] < state.iteration or self.over])
        if not is_state(path):  # Caffe's states do not say how far the data of tests were read
            for name, tester in self.testers.items():
                tester.go_on(name, sum(feed_of(scores) == name for _, scores in self.tests))
        self.resumed = path.resolve()
        self._first.clear()
        self._recent.clear()
        self._gradients_at = self.iteration if self._took_gradients(state) else -1
        return changes(state.solver, settings(self.job))

    def take_arrays(self, path: Path) -> None:
        """Take all arrays from a snapshot of this training; iteration, losses and tests stay. Raises SnapshotError."""
        state = snapshot.read(path)
        self._copy(match(self.train.shaped, self.train.weights, state, path, strict=True), state, path)

    def _copy(self, found: Match, state: Snapshot, path: Path) -> None:
        """Copy all arrays of a snapshot, whose weights are matched already. Raises SnapshotError before it begins."""
        kept = averages(self.spec.average, self.train.shaped, self.train.weights)
        other = other_average(kept, state)
        pairs = [
            *fitting_history(self._history(), self.spec.rule, state, path),
            *fitting_states(self.train.weights.states, state, path),
        ]
        if other is None:
            named = ((f"the average of '{key}'", kept[slot, key], state.averages[slot, key]) for slot, key in kept)
            pairs += fitted(named, path)
        found.copy()
        self.train.weights.begin_averages()
        for own, array in pairs:
            own[...] = array
        self._told = [other] if other is not None else []

    def _gradients(self) -> dict[ParamKey, Array]:
        """The gradients of the last iteration by param; none where they are not known."""
        return self._diffs() if self._gradients_at == self.iteration else {}

    def _diffs(self) -> dict[ParamKey, Array]:
        """The array of the gradient of each param, a shared one's under each layer that has it."""
        weights, keys = self.train.weights, self.train.graph.param_keys.items()
        return {key: diff for key, index in keys if (diff := weights.diff[index]) is not None}

    def _took_gradients(self, state: Snapshot) -> bool:
        """Take the gradients of a snapshot, if it has all: a training may end before it makes its own."""
        own = self._diffs()
        if {key: array.shape for key, array in own.items()} != {key: a.shape for key, a in state.diffs.items()}:
            return False
        for key, array in own.items():
            array[...] = state.diffs[key]
        return True

    def load(self, path: Path) -> LoadReport:
        """Start from the weights of a file (fine-tuning), by layer and param. Raises SnapshotError."""
        report = load(self.train.shaped, self.train.weights, path)
        self.train.weights.begin_averages()
        return report

    def load_own(self, files: Sequence[Path] = ()) -> tuple[tuple[Path, ...], LoadReport] | None:
        """Start from the weights that the solver names, or from other files, if there are any. Raises SnapshotError."""
        own = load_own(self.job, self.train.weights, files)
        self.train.weights.begin_averages()
        return own
