"""The output of a test that a training is judged by, and the best test."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from netspec.net.shaped import ShapedGraph
from netspec.training.events import Tested
from netspec.training.tester import scores


@dataclass(frozen=True)
class Judge:
    """The output of a test that a training is judged by, and whether a higher value is better."""

    output: str
    higher: bool

    def best(self, tests: Iterable[Tested]) -> Tested | None:
        """The first of the best tests, if any has a finite value."""
        sound = [test for test in tests if math.isfinite(test.outputs.get(self.output, math.nan))]
        sign = -1 if self.higher else 1
        return min(sound, key=lambda test: sign * test.outputs[self.output], default=None)

    def first(self, outputs: dict[str, float]) -> dict[str, float]:
        """The outputs of a test, with the one that judges in front."""
        return {name: outputs[name] for name in sorted(outputs, key=lambda name: name != self.output)}


def judge(shaped: ShapedGraph) -> Judge | None:
    """The first output of a layer that scores, such as Accuracy; else the first loss; None where there is neither."""
    net, chosen = shaped.graph, scores(shaped)
    single = [net.blobs[b] for b in sorted(net.outputs) if b in chosen and not shaped.blobs[b]]
    scoring = [blob for blob in single if net.nodes[blob.producer].layer.is_score]
    losses = [blob for blob in single if blob.loss_weight]
    found = next(iter(scoring or losses), None)
    return None if found is None else Judge(found.name, bool(scoring))
