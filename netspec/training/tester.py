"""Tests: the TEST net on the training's weights, over a whole feed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import isfinite
from typing import TYPE_CHECKING

from netspec.core.errors import NetspecError
from netspec.core.spelling import unused
from netspec.data.cursor import Cursor, Reading
from netspec.data.prefetch import Prefetcher
from netspec.engine.bind import Keep, bind, compile_net
from netspec.engine.program import Program
from netspec.engine.weights import Weights, fill_weights, share_weights
from netspec.net.heads import heads
from netspec.net.shaped import ShapedGraph
from netspec.training.blame import Fed, NotFiniteScoreError, blame_score
from netspec.training.feeds import sample_names
from netspec.training.job import Job
from netspec.training.scores import scalars, scores
from netspec.training.tally import Tally
from netspec.training.watch import feeds_of

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.data.feed import Feed


class Tester:
    """The TEST net: programs for the whole batches of each feed, and for short last ones.

    `feeds` are what it is tested on, by name; None for a net that has its own data. It runs beside `owner`, a
    training's program, on its weights or on those that are `given`; without an owner, on weights of its own. `judged`:
    what its heads read stays readable.
    """

    def __init__(
        self,
        job: Job,
        feeds: Mapping[str, Feed | None],
        owner: Program | None,
        seed: int,
        keep: Keep = False,
        given: Weights | None = None,
        judged: bool = False,
    ) -> None:
        self.job, self.owner, self.seed = job, owner, seed
        self.feeds, self._given = feeds, given
        self.programs: dict[int, Program] = {}
        net = job.phase("TEST")
        self.heads = heads(net) if judged else ()
        self.keep = {blob for head in self.heads for blob in (head.scores, head.truth)} or keep
        self.scores = scores(net)
        self.scalars = tuple(net.graph.blobs[blob].name for blob in scalars(net))
        """Names of the scores that are a single number: they are recorded, and a training may be watched by them."""
        name = next(iter(feeds))
        self._first = self.program(min(self.batch(name), self.total(name) or self.batch(name)))
        self.cursors: dict[str, Reading] = {
            name: Cursor(feed, self.batch(name)) for name, feed in feeds.items() if feed is not None
        }
        """Where the next test in Caffe's way goes on in each feed."""

    def batch(self, name: str) -> int:
        """Samples in a whole batch of a feed."""
        spec = self.job.spec.data.named(name)
        return 1 if spec is None else spec.batch_size

    @property
    def weights(self) -> Weights:
        """The weights that are tested."""
        return self._first.weights

    @property
    def shaped(self) -> ShapedGraph:
        """The net that the weights belong to."""
        return self._first.shaped

    @property
    def fed(self) -> bool:
        """Whether batches come from feeds."""
        return any(feed is not None for feed in self.feeds.values())

    def program(self, size: int) -> Program:
        """The TEST program for batches of `size`; it uses the owner's arena unless blobs are kept."""
        if size not in self.programs:
            shaped = self.job.shaped("TEST", size) if self.fed else self.job.phase("TEST")
            dtype = self.job.spec.dtype
            shaped, memory = compile_net(shaped, dtype, self.keep)
            if self.owner is None:
                weights, arena = fill_weights(shaped, dtype, self.seed), None
            else:
                weights = share_weights(shaped, self.owner.shaped, self._given or self.owner.weights, dtype, self.seed)
                arena = self.owner.arena if self.keep is False else None
            program = bind(shaped, memory, weights, self.seed, arena=arena)
            self.owner = self.owner or program
            program.table.threads = self.owner.table.threads
            self.programs[size] = program
        return self.programs[size]

    def prepare(self) -> None:
        """Bind the programs of every batch size, so that no kernel is compiled in the middle of a training."""
        for name in self.feeds:
            self._prepare(name)

    def _prepare(self, name: str) -> list[Program]:
        """The programs of a feed: that of whole batches, and that of a short last one."""
        batch, total = self.batch(name), self.total(name)
        short = total % batch if self.feeds[name] is not None else 0
        return [self.program(size) for size in dict.fromkeys((min(batch, total), short)) if size]

    def run(self, on: str | None = None, between: Callable[[], None] = lambda: None) -> tuple[dict[str, float], int]:
        """The values of every score by name, as `measure` finds them, and the number of samples."""
        arrays, samples = self.measure(on, between)
        return labelled(arrays), samples

    def measure(
        self,
        on: str | None = None,
        between: Callable[[], None] = lambda: None,
        watching: Callable[[Program, int, int], None] = lambda program, start, size: None,
    ) -> tuple[dict[str, Array], int]:
        """Every score over a whole feed (or `test_iter` batches of it), by default the first, and how many samples.

        `between` is called between batches, and may raise to end the test. `watching` is called after each batch, with
        the program that ran it, its position and its number of samples.

        A score is what one forward over all samples as a single batch would give, however they are cut into batches:
        the exceptions are blobs whose layers have no Metric (`training/tally.py`). So a loss with `normalization: NONE`
        is the sum over the whole set. Raises DataError, NotFiniteScoreError.
        """
        name = on or next(iter(self.feeds))
        if self.job.spec.like_caffe:
            return self._measure_on(name, between, watching)
        net, feed = self.job.phase("TEST"), self.feeds[name]
        batch, total = self.batch(name), self.total(name)
        tally = Tally(net, tuple(blob for blob in net.graph.outputs if blob in self.scores))
        programs = self._prepare(name)
        program = programs[0]
        for one in programs:
            one.prepare()
            one.weights.forget()
        prefetch = Prefetcher(feed, 0, batch, stop=total) if feed else None
        try:
            for start in range(0, total, batch):
                between()
                size = min(batch, total - start)
                program = self.program(size)
                program.clock[:] = (0, start)
                if prefetch:
                    prefetch.take(self._filled(name, program), between)
                program.infer()
                if not tally.add(program, size):
                    raise self._blame(name, program, start, size)
                watching(program, start, size)
        finally:
            if prefetch:
                prefetch.close()
        result = {net.graph.blobs[blob].name: array for blob, array in tally.finish(program).items()}
        for output, value in labelled(result).items():
            if not isfinite(value):
                raise NotFiniteScoreError(f"test: '{output}' is {value} over the {total:,} samples of the test")
        return result, total

    def _measure_on(
        self, name: str, between: Callable[[], None], watching: Callable[[Program, int, int], None]
    ) -> tuple[dict[str, Array], int]:
        """Every score as the plain mean over batches, which go on where those of the last test ended: Caffe's way."""
        import numpy as np

        batch, cursor = self.batch(name), self.cursors.get(name)
        program, total = self.program(batch), self.total(name)
        outputs = [blob for blob in program.graph.outputs if blob in self.scores]
        sums: dict[str, Array] = {}
        program.prepare()
        with _begun_again(cursor):
            for start in range(0, total, batch):
                between()
                program.clock[:] = (0, start)
                if cursor is not None:
                    cursor.take(self._filled(name, program), between)
                loss = program.infer()
                values = {program.graph.blobs[blob].name: program.data[blob].astype(np.float64) for blob in outputs}
                if self.job.spec.loop is not None and self.job.spec.loop.test_compute_loss:
                    values["total_loss"] = np.asarray(loss, np.float64)
                sums = {key: sums.get(key, 0.0) + value for key, value in values.items()}
                watching(program, start, batch)
        result = {key: np.asarray(value / (total // batch)) for key, value in sums.items()}
        for output, value in labelled(result).items():
            if not isfinite(value):
                raise NotFiniteScoreError(f"test: '{output}' is {value} over {total // batch:,} batches")
        return result, total if self.feeds[name] else total * self._made(program.shaped)

    @staticmethod
    def _made(shaped: ShapedGraph) -> int:
        """Samples in a batch of a net that makes its data itself, as DummyData does: the length of its first blob."""
        shape = next((shape for node in shaped.graph.nodes for shape in shaped.top_shapes(node)), ())
        return shape[0] if shape else 1

    def go_on(self, name: str, tests: int) -> None:
        """Let the next test in Caffe's way begin where so many tests on a feed have ended."""
        if name in self.cursors:
            self.cursors[name].taken = tests * (self.total(name) // self.batch(name))

    def close(self) -> None:
        """End the threads that read ahead."""
        for cursor in self.cursors.values():
            cursor.close()

    def total(self, name: str) -> int:
        """Samples in a test on a feed; where the layers fix the batch, and in Caffe's way, those of whole batches."""
        limit, feed, batch = self.job.spec.test_batches(name), self.feeds[name], self.batch(name)
        if not feed:
            return batch * (1 if limit is None else limit)
        if self.job.spec.like_caffe:
            return batch * (max(1, len(feed) // batch) if limit is None else limit)
        samples = len(feed) if limit is None else min(len(feed), limit * batch)
        spec = self.job.spec.data.named(name)
        return samples if spec is None or spec.net_batch else max(batch, samples // batch * batch)

    def _filled(self, name: str, program: Program) -> tuple[Array, ...]:
        """The inputs of a program that a feed fills."""
        spec = self.job.spec.data.named(name)
        return program.inputs if spec is None else spec.among(program.inputs)

    def _blame(self, name: str, program: Program, start: int, size: int) -> NetspecError:
        """The error for a batch with a score that is not finite."""
        feed, spec = self.feeds[name], self.job.spec.data.named(name)
        net = self.job.shaped("TEST", size) if feed else self.job.phase("TEST")
        arrays = [array.copy() for array in program.inputs]
        if feed is not None and spec is not None:  # the memory of inputs may hold other blobs by now
            filled = spec.among(tuple(range(len(arrays))))
            for number, array in zip(filled, feed.batch(start, size), strict=False):
                arrays[number] = array
        return blame_score(net, program, self.seed, Fed(tuple(arrays), sample_names(feed, start), (0, start)), "test")


@contextmanager
def _begun_again(cursor: Reading | None) -> Iterator[None]:
    """A test that does not come to its end is made again on the batches that it began with."""
    first = 0 if cursor is None else cursor.taken
    try:
        yield
    except BaseException:
        if cursor is not None:
            cursor.taken = first
        raise


def testers(
    job: Job, feeds: Mapping[str, Feed], owner: Program, given: Weights | None, keep: Keep = False
) -> dict[str, Tester]:
    """What makes each test of a training, by the name of the feed or of the net that is tested."""
    seed, found = job.spec.random_seed, {}
    if "TEST" in job.nets:
        own = {name: feeds.get(name) for name in feeds_of(job.spec)}
        found = dict.fromkeys(own, Tester(job, own, owner, seed, keep, given))
    for name, one in job.tested.items():
        found[name] = Tester(one, {name: feeds.get(name)}, owner, seed, keep, given)
    return found


def outputs(program: Program, chosen: frozenset[int]) -> dict[str, Array]:
    """Data of the blobs that no layer reads and that are among `scores`, by name."""
    return {program.graph.blobs[b].name: program.data[b] for b in program.graph.outputs if b in chosen}


def labelled(arrays: Mapping[str, Array]) -> dict[str, float]:
    """A scalar under its name; values of others under name[i] or name[i,j], or name[i]' where a blob is called so."""
    import numpy as np

    result: dict[str, float] = {}
    taken = set(arrays)
    for name, array in arrays.items():
        for index, value in np.ndenumerate(array):
            key = unused(f"{name}[{','.join(map(str, index))}]", taken) if index else name
            taken.add(key)
            result[key] = float(value)
    return result
