"""Tests: the TEST net on the training's weights, over the whole test set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.core.shape import count
from netspec.data.prefetch import Prefetcher
from netspec.engine.bind import bind, compile_net
from netspec.engine.program import Program
from netspec.engine.weights import Weights, fill_weights, share_weights
from netspec.net.shaped import ShapedGraph
from netspec.training.job import Job

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.data.feed import Feed


MOST_SCORES = 100
"""Maximum length of a vector score, whose values are shown one by one."""


class Tester:
    """The TEST net: programs for a whole batch and for the short last one.

    It runs on the weights of `owner`, a training's program; without one, on weights of its own.
    """

    def __init__(self, job: Job, feed: Feed | None, owner: Program | None, seed: int, keep: bool = False) -> None:
        self.job, self.owner, self.seed, self.keep = job, owner, seed, keep
        self.feed = feed
        self.batch = job.spec.data.test.batch_size if job.spec.data.test else 1
        self.programs: dict[int, Program] = {}
        self.scores = scores(job.phase("TEST"))
        self.program(min(self.batch, len(self.feed)) if self.feed else self.batch)

    @property
    def weights(self) -> Weights:
        """The weights that are tested."""
        assert self.owner is not None  # the constructor has made a program
        return self.owner.weights

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
                arena = None if self.keep else self.owner.arena
            self.programs[size] = bind(shaped, memory, weights, self.seed, arena=arena)
            self.owner = self.owner or self.programs[size]
        return self.programs[size]

    def run(self) -> tuple[dict[str, float], int]:
        """The mean of every output over the whole test set (or `test_iter` batches), and the number of samples."""
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
    """Data of the blobs that no layer reads and that are among `scores`, by name."""
    return {program.graph.blobs[b].name: program.data[b] for b in program.graph.outputs if b in chosen}


def scores(shaped: ShapedGraph) -> frozenset[int]:
    """The blobs that describe a whole batch: scalars and short vectors whose length does not depend on the batch."""
    pairs = enumerate(zip(shaped.blobs, shaped.batch_axes, strict=True))
    return frozenset(
        b for b, (shape, axis) in pairs if axis is None and len(shape) <= 1 and count(shape) <= MOST_SCORES
    )


def named(name: str, array: Array) -> dict[str, float]:
    """A scalar under its name; the values of a vector under name[i]."""
    values = array.reshape(-1)
    return {name: float(values[0])} if array.ndim == 0 else {f"{name}[{i}]": float(v) for i, v in enumerate(values)}
