"""TinyBatchNorm: BatchNorm over a batch of one, two or three samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.core.shape import counted
from netspec.layers.batch_norm import BatchNorm
from netspec.training.rules.base import Example, Known, Rule, named
from netspec.training.rules.base_examples import feed, product, solver


class TinyBatchNormWarning(Caution):
    """BatchNorm has too few samples to tell a mean and a variance from: in TEST it computes something else."""

    code = "NS809"


LEAST = 4
"""Samples of a batch whose statistics are of use: a variance of three is off by 100 % of itself, sqrt(2 / (n - 1))."""


def _solver(batch: int) -> dict[str, Any]:
    return solver([product("hidden"), {"name": "norm", "type": "BatchNorm"}], feed(batch_size=batch))


class TinyBatchNorm(Rule):
    """Fewer than four samples in a batch, in a training net with a BatchNorm that takes statistics of batches."""

    finding: ClassVar[type[NetspecError]] = TinyBatchNormWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(_solver(2))
    fine: ClassVar[Example] = Example(_solver(16))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """One warning for the net."""
        if known.job is None or known.learner is None or known.job.batch >= LEAST:
            return
        norms = [node.layer for node in known.learner.graph.nodes if isinstance(node.layer, BatchNorm)]
        names = [layer.name for layer in norms if not layer.running("TRAIN")]
        if not names:
            return
        words = "takes its mean and variance" if len(names) == 1 else "take their means and variances"
        text = f"{named(names)} {words} from batches of {counted(known.job.batch, 'sample')}"
        spec = known.job.spec.data.train
        help = f"`batch_size: {8 * LEAST}`, or GroupNorm, which takes them of each sample alone"
        yield TinyBatchNormWarning(text, at=spec.place("batch_size") if spec else None, help=help)
