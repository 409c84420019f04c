"""Evaluation: what a test says of each head of a net, beside the scores that the net computes itself.

`RUN/test/SET.json` holds, as written by `netspec test`:

- `format`: 1. `set`: the feed, like "test". `data`: which data, as text. `samples`: their number. `weights`: the name
  of the snapshot's file; `average`: "ema" or "swa" where an average of weights was tested, else null;
  `overrides`: values of the command line, such as "data.test.limit=100".
- `scores`: the net's own scores by name.
- `heads`: a list. Each has `name`, the layer that judges; `task`: "classes", "labels" or "numbers"; `classes`: names of
  the classes, labels or numbers, or null; `size`: how many there are; `places`: positions of each sample, such as
  pixels; `worst`: the samples with the greatest loss.

A head of classes: `positions` that count, `accuracy` (a tie counts against it, as in Accuracy), `top5` of more than 10
classes, `macro` and `weighted`: each `precision`, `recall`, `f1`; `by_class`: a list with these, `support` and
`roc_auc` (null without one); `roc_auc`: their mean, one class against the rest, and `roc_auc_exact`, whether no scores
were counted together; `ece`, the expected calibration error, with `calibration`: of 15 equal parts of confidence
`accuracy`, `confidence` and `positions`; `confusion`: the matrix, a row for each true class, null for more than 200
classes; `confused`: lists (true class, predicted class, positions), most first.
A head of labels: `accuracy` of all labels alike, `exact`, the share of positions whose labels are all right, `macro`,
`micro`, `by_class`, `roc_auc`, `roc_auc_exact`. A single label is a head of two classes.
A head of numbers: `values`, `rmse`, `mae`, `r2`, and `by_output`: a list with these three; in the target's own units.
`points`: of each of the first outputs pairs (target, prediction) of samples that lie evenly over the test.
What does not apply is left out.

Of `worst`: `sample`, its number in the feed, `name`, `loss`, `thumbnail` (a PNG in base64, or null), and of classes
`label`, `prediction`, `probability` of the prediction, `label_probability`; of labels `labels`, `predictions`,
`probabilities` of the predictions; of several positions `positions` and `wrong`; of numbers `target` and `prediction`.
The loss of a sample is the mean over its positions: of classes -ln p of the true one, of labels the cross entropy, of
numbers the squared error as the net sees it; where scores are no probabilities, by how much a wrong score is ahead.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import DivergedError
from netspec.core.shape import count
from netspec.core.task import Task
from netspec.engine.program import Program
from netspec.net.heads import Head
from netspec.training.container import write_whole
from netspec.training.judging.blocks import Blocks, laid
from netspec.training.judging.class_judge import ClassJudge
from netspec.training.judging.judge import Judge
from netspec.training.judging.label_judge import LabelJudge
from netspec.training.judging.number_judge import NumberJudge
from netspec.training.judging.worst import Worst, thumbnail
from netspec.training.tester import Tester, labelled

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.data.feed import Feed

WORST = 10
"""Worst samples of a head, unless another number is asked for."""
FOLDER = "test"
"""The folder of evaluations in a run folder."""


class NotFiniteOutputError(DivergedError):
    """A net's output is NaN or infinite, so that nothing can be said of it."""

    code = "NS663"


def evaluate(
    tester: Tester, on: str, weights: Path, average: str | None = None, worst: int = WORST
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Test once over a feed: the net's own scores, and the values that `write` keeps, of the weights in a file.

    `tester` is one that is judged. Raises DataError, NotFiniteScoreError, NotFiniteOutputError.
    """
    feed = tester.feeds[on]
    heads = [_Judged(head, feed, tester.total(on), worst) for head in tester.heads]

    def take(program: Program, start: int, size: int) -> None:
        for head in heads:
            head.take(program, start, size)

    arrays, samples = tester.measure(on, watching=take)
    return arrays, {
        "set": on,
        "data": feed.describe() if feed is not None else None,
        "samples": samples,
        "weights": weights.name,
        "average": average,
        "scores": labelled(arrays),
        "heads": [head.finish() for head in heads],
    }


class _Judged:
    """A head with its judge."""

    def __init__(self, head: Head, feed: Feed | None, samples: int, worst: int) -> None:
        self.head, self.feed, self.samples = head, feed, samples
        self._worst, self._blocks = Worst(worst), Blocks()
        self._judge: Judge | None = None
        self._first = 0
        self._alone = True
        """Whether each row is a sample of the feed, so that it can be named."""

    def take(self, program: Program, start: int, size: int) -> None:
        """Take a batch. Raises NotFiniteOutputError."""
        task, batch = self.head.task, program.shaped.batch_axes[self.head.scores]
        assert batch is not None
        made, truth = _made(task, program.data[self.head.scores]), program.data[self.head.truth]
        x, t = laid(task, made, truth, batch)
        alone = len(x) == size
        self._check_finite(program, x, start, alone)
        arrays = [x, t]
        output = self.head.output
        undo = self.feed.undo(output) if self.feed is not None and output is not None else None
        if task.kind == "numbers" and undo is not None and output is not None:
            shape = program.inputs[output].shape
            predicted, target = (undo(values.reshape(shape)).reshape(made.shape) for values in (made, truth))
            arrays += laid(task, predicted, target, batch)
        elif task.kind == "labels" and x.shape[2] == 1:
            task, arrays = _as_classes(task, x, t)
        if self._judge is None:
            self._alone = alone
            self._judge = self._judge_of(task, arrays[0], len(x) // size)
        for block in self._blocks.add(*arrays):
            self._block(block)

    def _judge_of(self, task: Task, x: Array, rows: int) -> Judge:
        size = x.shape[2]
        names = None
        if self.feed is not None and self.head.output is not None:
            names = self.feed.data.classes(self.head.output)
        names = names if names is not None and len(names) == size else None
        if task.kind == "numbers":
            return NumberJudge(task, size, names, self._worst)
        kind = ClassJudge if task.kind == "classes" else LabelJudge
        return kind(task, size, names, self._worst, self.samples * max(1, rows) * count(x.shape[1:]))

    def _block(self, block: tuple[Array, ...]) -> None:
        assert self._judge is not None
        self._judge.block(self._first, *block)
        self._places = block[0].shape[1]
        self._first += len(block[0])

    def _check_finite(self, program: Program, x: Array, start: int, alone: bool) -> None:
        import numpy as np

        wrong = ~np.isfinite(x).all(axis=(1, 2))
        if wrong.any():
            name = program.graph.blobs[self.head.scores].name
            at = start + int(wrong.argmax())
            where = f" of {self.feed.name(at)}" if alone and self.feed is not None else ""
            raise NotFiniteOutputError(f"test: blob '{name}'{where} holds values that are not finite")

    def finish(self) -> dict[str, Any]:
        """What is said of the head."""
        for block in self._blocks.rest():
            self._block(block)
        assert self._judge is not None
        found = {"name": self.head.name, "places": self._places} | self._judge.finish()
        if not self._alone:
            return found
        return found | {"worst": [self._sample(*one) for one in self._worst.found]}

    def _sample(self, loss: float, position: int, verdict: dict[str, Any]) -> dict[str, Any]:
        picture = name = None
        if self.feed is not None:
            name = self.feed.name(position)
            picture = thumbnail(self.feed.raw(position))
        return {"sample": position, "name": name, "loss": loss, **verdict, "thumbnail": picture}


def _made(task: Task, scores: Array) -> Array:
    """Numbers as they are predicted; all other scores as they are."""
    import numpy as np

    return np.exp(scores.astype(np.float64)) if task.makes == "exp" else scores


def _as_classes(task: Task, x: Array, t: Array) -> tuple[Task, list[Array]]:
    """A single label as a task of two classes: no and yes; the softmax of 0 and x is the sigmoid of x."""
    import numpy as np

    label = (t[:, :, 0] >= 0.5).astype(np.int64)
    ignore = None
    if task.ignore is not None:
        ignore = -1
        label[np.trunc(t[:, :, 0]) == task.ignore] = ignore
    other = 1 - x if task.makes == "itself" else np.zeros_like(x)
    makes = "softmax" if task.makes == "sigmoid" else task.makes
    return Task("classes", makes, 2, ignore=ignore), [np.concatenate([other, x], axis=2), label]


def write(folder: Path, values: dict[str, Any]) -> Path:
    """Keep the values of an evaluation in a run folder, whole or not at all. Raises WriteError."""
    path = folder / FOLDER / f"{values['set']}.json"
    write_whole(path, (json.dumps({"format": 1, **values}, indent=1) + "\n").encode())
    return path
