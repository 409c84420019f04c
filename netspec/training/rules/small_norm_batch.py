"""SmallNormBatch: a training whose BatchNorm took its statistics of a few samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.core.shape import counted
from netspec.layers.batch_norm import BatchNorm
from netspec.training.history import History
from netspec.training.rules.base import Example, example, named
from netspec.training.rules.base_history import HistoryRule, Past

FEWEST = 4
"""Samples of a batch from which its mean and variance say something of all samples."""


class SmallNormBatchWarning(Caution):
    """BatchNorm took means and variances of so few samples that they say little of the others."""

    code = "NS850"


def _example(stats: bool) -> Example:
    layers = [
        {"name": "ip", "type": "InnerProduct", "num_output": 4},
        {"name": "bn", "type": "BatchNorm", "use_global_stats": stats},
    ]
    return Example(example(layers), history=History(iteration=100))


class SmallNormBatch(HistoryRule):
    """A BatchNorm with statistics of its own batches, which have fewer than four samples."""

    finding: ClassVar[type[NetspecError]] = SmallNormBatchWarning
    wrong: ClassVar[Example] = _example(False)
    fine: ClassVar[Example] = _example(True)

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning with the layers and the size of a batch."""
        net = past.known.learner
        if net is None or past.job.batch >= FEWEST:
            return
        layers = [node.layer for node in net.graph.nodes if isinstance(node.layer, BatchNorm)]
        own = [layer.name for layer in layers if not layer.use_global_stats]
        if own:
            message = f"{named(own)} took mean and variance of {counted(past.job.batch, 'sample')} at a time"
            help = "take 8 samples a batch or more (iter_size does not help), or normalise by GroupNorm or LayerNorm"
            yield SmallNormBatchWarning(message, help=help)
