"""ProbeRule: a judgement about a solver by what its first batches show; and `Probed`, which its rules look at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netspec.core.errors import NetspecError
from netspec.core.places import Place
from netspec.core.rooms import Room
from netspec.training.job import Job
from netspec.training.probe import Probe
from netspec.training.rules.base import Judgement, Known


@dataclass(frozen=True)
class Probed:
    """A solver whose first batches were looked at."""

    known: Known
    job: Job
    probe: Probe

    def at_feed(self, feed: str, field: str) -> Place | None:
        """The place of a field of the data of a name; None where the net brings them."""
        spec = self.job.spec.data.named(feed)
        return None if spec is None else spec.place(field)

    def at_layer(self, name: str, field: str | None = None) -> Place | None:
        """The place of a layer of the training net, or of a field of it."""
        layer = next(node.layer for node in self.job.train.graph.nodes if node.layer.name == name)
        return layer.place() if field is None else layer.place(field)


class ProbeRule(Judgement):
    """A judgement about a solver by a probe of its first batches.

    It warns of what is probably wrong: so it is asked by `netspec doctor` and `netspec overfit` alone. A fault that
    explains others is found by one rule: the others say nothing where they see its figures.
    """

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """The findings, where there is a probe."""
        if known.job is not None and known.probe is not None:
            yield from self.look(Probed(known, known.job, known.probe))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """The findings."""
        raise NotImplementedError


PROBED: Room[ProbeRule] = Room("netspec.training.rules.probed", ProbeRule, "rule of a probe")
