"""The gradient check of a net file, or of a solver's net, on random or on the solver's own data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from netspec.core.calls import Phase
from netspec.core.errors import Findings, UsageError
from netspec.engine.gradcheck import NetCheck, by_sample, gradcheck
from netspec.engine.slopes import Asked
from netspec.language.asked import NOTHING_ASKED, AskedState
from netspec.language.references import Reference
from netspec.net.infer import infer
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from netspec.training.feeds import open_phase
from netspec.training.job import Job, load_solver
from netspec.training.nets import choose

if TYPE_CHECKING:
    from netspec.core.calls import Array

USUAL = Asked()
BATCH = 4
"""Most samples of a batch, unless a number is asked for: few are enough, and quick."""


def check_gradients(
    reference: Reference,
    overrides: Sequence[str] = (),
    phase: Phase = "TRAIN",
    state: AskedState = NOTHING_ASKED,
    batch: int | None = None,
    data: bool = False,
    asked: Asked = USUAL,
) -> tuple[NetCheck, ShapedGraph]:
    """Check every layer of a net in one phase; with `data` on the first samples of the solver's feed.

    Raises the errors of the spec and of the data.
    """
    if data:
        job = load_solver(reference, overrides, phases=(phase,), asked=state)
        feed = job.spec.feed(phase)
        size = batch or min(BATCH, feed.batch_size if feed is not None else BATCH)
        shaped = job.shaped(phase, size)
        return gradcheck(shaped, asked, _samples(job, shaped, asked.seed)), shaped
    one = choose(reference, overrides, phase, state)
    shaped = load_net(one.net, (), one.state, batch or one.batch)
    if batch is None:
        shaped = _smaller(shaped)
    return gradcheck(shaped, asked), shaped


def _smaller(shaped: ShapedGraph) -> ShapedGraph:
    """The net at the usual batch size, if that is smaller than its own and its shapes allow another."""
    if shaped.batch <= BATCH:
        return shaped
    found = Findings()
    smaller = infer(shaped.graph, found, BATCH)
    return shaped if found else smaller


def _samples(job: Job, shaped: ShapedGraph, seed: int) -> list[Array]:
    """The first batch of a phase, N, C, H, W. Raises UsageError where the solver has no data for it."""
    import numpy as np

    feed = open_phase(job, shaped.graph.phase, seed)
    if feed is None:
        raise UsageError(f"the solver has no data for the phase {shaped.graph.phase}", help="leave out --data")
    values = [np.zeros(shaped.blobs[blob]) for blob in shaped.graph.inputs]
    feed.fill(0, by_sample(shaped, values))
    return values
