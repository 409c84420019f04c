"""The feeds of a job, each checked against the inputs and labels of the net of its phase."""

from __future__ import annotations

from netspec.core.calls import Phase
from netspec.core.errors import DataError, Findings
from netspec.data.feed import Feed, open_feed
from netspec.net.labels import label_ranges
from netspec.training.job import Job
from netspec.training.rules.base import Known, refuse


class TooFewSamplesError(DataError):
    """The data of a phase have no samples."""

    code = "NS621"


def open_phase(job: Job, phase: Phase, seed: int) -> Feed | None:
    """The feed of a phase, checked against its net's inputs and labels; None for a net without inputs.

    Raises DataError.
    """
    spec, shaped = job.spec.feed(phase), job.nets.get(phase)
    if spec is None or shaped is None or not shaped.graph.inputs:
        return None
    feed = open_feed(spec, phase, seed, job.base, dtype=job.spec.dtype, train=job.spec.data.train)
    if len(feed) == 0:
        raise TooFewSamplesError("there are no samples", at=spec.place("source"))
    refuse(Known({phase: shaped}, job, {phase: feed}))
    for blob, (classes, ignore) in label_ranges(shaped).items():
        feed.check_labels(shaped.graph.inputs.index(blob), classes, ignore)
    return feed


def open_phases(job: Job, seed: int) -> dict[Phase, Feed]:
    """The feeds of all phases of a job that have one. Raises all DataErrors at once."""
    found, feeds = Findings(), {}
    for phase in job.nets:
        with found.catching():
            feeds[phase] = open_phase(job, phase, seed)
    found.raise_if_any()
    return {phase: feed for phase, feed in feeds.items() if feed is not None}
