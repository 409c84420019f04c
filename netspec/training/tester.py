"""Tests: the TEST net on the training's weights, over the whole test set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from typing import TYPE_CHECKING

from netspec.core.errors import NetspecError
from netspec.core.spelling import unused
from netspec.data.prefetch import Prefetcher
from netspec.engine.bind import Keep, bind, compile_net
from netspec.engine.program import Program
from netspec.engine.weights import Weights, fill_weights, share_weights
from netspec.net.shaped import ShapedGraph
from netspec.training.blame import Fed, NotFiniteScoreError, blame_score
from netspec.training.feeds import sample_names
from netspec.training.job import Job
from netspec.training.tally import Tally

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.data.feed import Feed


MOST_SCORES = 100
"""Maximum length of a vector score, whose values are shown one by one, and of each axis of a matrix."""


class Tester:
    """The TEST net: programs for a whole batch and for the short last one.

    It runs on the weights of `owner`, a training's program; without one, on weights of its own.
    """

    def __init__(self, job: Job, feed: Feed | None, owner: Program | None, seed: int, keep: Keep = False) -> None:
        self.job, self.owner, self.seed, self.keep = job, owner, seed, keep
        self.feed = feed
        self.batch = job.spec.data.test.batch_size if job.spec.data.test else 1
        self.programs: dict[int, Program] = {}
        self.scores = scores(job.phase("TEST"))
        self._first = self.program(min(self.batch, len(self.feed)) if self.feed else self.batch)

    @property
    def weights(self) -> Weights:
        """The weights that are tested."""
        return self._first.weights

    @property
    def shaped(self) -> ShapedGraph:
        """The net that the weights belong to."""
        return self._first.shaped

    def program(self, size: int) -> Program:
        """The TEST program for batches of `size`; it uses the owner's arena unless blobs are kept."""
        if size not in self.programs:
            shaped = self.job.shaped("TEST", size) if self.feed else self.job.phase("TEST")
            dtype = self.job.spec.dtype
            shaped, memory = compile_net(shaped, dtype, self.keep)
            if self.owner is None:
                weights, arena = fill_weights(shaped, dtype, self.seed), None
            else:
                weights = share_weights(shaped, self.owner.shaped, self.owner.weights, dtype, self.seed)
                arena = self.owner.arena if self.keep is False else None
            program = bind(shaped, memory, weights, self.seed, arena=arena)
            self.owner = self.owner or program
            program.table.threads = self.owner.table.threads
            self.programs[size] = program
        return self.programs[size]

    def prepare(self) -> None:
        """Bind the program of the short last batch too, so that no kernel is compiled in the middle of a training."""
        if self.feed and (short := self.total % self.batch):
            self.program(short)

    def run(self, between: Callable[[], None] = lambda: None) -> tuple[dict[str, float], int]:
        """The values of every score by name, as `measure` finds them, and the number of samples."""
        arrays, samples = self.measure(between)
        return labelled(arrays), samples

    def measure(self, between: Callable[[], None] = lambda: None) -> tuple[dict[str, Array], int]:
        """Every score over the whole test set (or `test_iter` batches), and the number of samples.

        `between` is called between batches, and may raise to end the test.

        A score is what one forward over all samples as a single batch would give, however they are cut into batches:
        the exceptions are blobs whose layers have no Metric (`training/tally.py`). So a loss with `normalization: NONE`
        is the sum over the whole set. Raises DataError, NotFiniteScoreError.
        """
        net = self.job.phase("TEST")
        tally = Tally(net, tuple(blob for blob in net.graph.outputs if blob in self.scores))
        self.prepare()
        program = self.program(min(self.batch, self.total))
        for one in self.programs.values():
            one.prepare()
            one.weights.forget()
        prefetch = Prefetcher(self.feed, 0, self.batch, stop=self.total) if self.feed else None
        try:
            for start in range(0, self.total, self.batch):
                between()
                size = min(self.batch, self.total - start)
                program = self.program(size)
                program.clock[:] = (0, start)
                if prefetch:
                    prefetch.take(program.inputs, between)
                program.infer()
                if not tally.add(program, size):
                    raise self._blame(program, start, size)
        finally:
            if prefetch:
                prefetch.close()
        result = {net.graph.blobs[blob].name: array for blob, array in tally.finish(program).items()}
        for name, value in labelled(result).items():
            if not isfinite(value):
                raise NotFiniteScoreError(f"test: '{name}' is {value} over the {self.total:,} samples of the test")
        return result, self.total

    @property
    def total(self) -> int:
        """Samples in a test."""
        limit = self.job.spec.test_iter
        if not self.feed:
            return self.batch * (limit or 1)
        return len(self.feed) if limit is None else min(len(self.feed), limit * self.batch)

    def _blame(self, program: Program, start: int, size: int) -> NetspecError:
        """The error for a batch with a score that is not finite."""
        feed = self.feed
        net = self.job.shaped("TEST", size) if feed else self.job.phase("TEST")
        arrays = feed.batch(start, size)[: len(program.inputs)] if feed else ()
        return blame_score(net, program, self.seed, Fed(arrays, sample_names(feed, start), (0, start)), "test")


def outputs(program: Program, chosen: frozenset[int]) -> dict[str, Array]:
    """Data of the blobs that no layer reads and that are among `scores`, by name."""
    return {program.graph.blobs[b].name: program.data[b] for b in program.graph.outputs if b in chosen}


def scores(shaped: ShapedGraph) -> frozenset[int]:
    """The blobs that describe a whole batch: scalars and short vectors whose length does not depend on the batch.

    Matrices too, where a layer says how they come about over several batches.
    """
    chosen = set()
    for blob, (shape, axis) in enumerate(zip(shaped.blobs, shaped.batch_axes, strict=True)):
        if axis is None and len(shape) <= 2 and all(length <= MOST_SCORES for length in shape):
            node = shaped.graph.nodes[shaped.graph.blobs[blob].producer]
            if len(shape) < 2 or node.layer.metric(shaped.bottom_shapes(node)) is not None:
                chosen.add(blob)
    return frozenset(chosen)


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
