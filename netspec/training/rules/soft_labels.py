"""SoftLabels: a layer that reads numbers of classes, on labels that a transform has made soft."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import DataError, NetspecError
from netspec.net.labels import label_rules
from netspec.training.rules.base import Example, Known, Rule


class SoftLabelError(DataError):
    """A layer reads numbers of classes, but the data have soft labels, which are shares of the classes."""

    code = "NS674"


def _solver(soft: bool) -> dict[str, Any]:
    """A net that reads a label for each of two positions; the data have these, or soft labels of two classes."""
    labels = [0, 1] if soft else [[0, 1], [1, 0]]
    source = {"type": "Arrays", "values": [[[[1.0, 0.5], [0.0, 2.0]]] * 2, labels]}
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 2, 2], [2, 2]]},
        {"name": "conv", "type": "Convolution", "bottom": "data", "num_output": 2, "kernel_size": 1},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["conv", "label"]},
    ]
    feed = {"source": source, "batch_size": 2, "transform": {"type": "OneHot", "classes": 2} if soft else ()}
    return {"base_lr": 0.1, "lr_policy": "fixed", "max_iter": 1, "net": {"layers": layers}, "data": {"train": feed}}


class SoftLabels(Rule):
    """Labels of MixUp, CutMix or OneHot, where a layer reads numbers of classes."""

    finding: ClassVar[type[NetspecError]] = SoftLabelError
    wrong: ClassVar[Example] = Example(_solver(True))
    fine: ClassVar[Example] = Example(_solver(False))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """An error for each feed and output; where the shapes differ already, another rule says so."""
        for name, feed, shaped in known.fed():
            inputs = shaped.graph.inputs
            fitting = {i for i, blob in enumerate(inputs) if feed.shapes[i : i + 1] == (shaped.sample_shape(blob),)}
            readers = {rule.output: rule for rule in reversed(label_rules(shaped))} if feed.soft else {}
            for output in sorted(feed.soft.keys() & readers.keys() & fitting):
                spec = known.job.spec.data.named(name) if known.job else None
                at = spec.place("transform", feed.soft[output]) if spec else None
                text = f"{readers[output].reader} reads numbers of classes, but this makes soft labels"
                help = "SoftmaxWithLoss takes soft labels of the shape of its scores; Accuracy takes none"
                yield SoftLabelError(text, at=at, help=help)
