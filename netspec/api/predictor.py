"""Predictor: trained nets that answer for new samples, made of snapshots alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.api.arguments import BadArgumentError, path_of, threads_of, whole
from netspec.core.errors import NetspecError
from netspec.training import folders
from netspec.training.answering.generating import generate
from netspec.training.answering.predicting import Predictions
from netspec.training.answering.predicting import Predictor as Predicting
from netspec.training.answering.trained import Trained

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Answers:
    """Answers to inputs, in their order.

    `names` are the inputs. `values` is an array (N, ...) of all answers, NaN where an input could not be read; of
    classes these are the probabilities (N, C), or scores where the net has none. `classes` are the names of the
    classes, None where they have none. `errors` are what was wrong with inputs, by their number.
    """

    def __init__(self, found: Predictions) -> None:
        self._found = found
        self.names, self.classes = list(found.names), found.labels
        self.errors: dict[int, NetspecError] = dict(found.errors)

    @property
    def values(self) -> Array:
        """All answers as an array. Raises UsageError where they differ in shape."""
        return self._found.array()

    def top(self, most: int = 3) -> list[list[tuple[str, float]]]:
        """For each input the classes with the highest values, each with its name (or number) and value."""
        if self._found.kind != "classes":
            raise BadArgumentError(f"the answers are values of '{self._found.blob}', not classes", help="say `.values`")
        every = (self._found.top(index, whole(most, "number of classes", 1)) for index in range(len(self)))
        return [[(self._found.label(number), value) for number, value in best] for best in every]

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        failed = f", {len(self.errors)} of them errors" if self.errors else ""
        return f"<Answers of '{self._found.blob}' to {len(self)} inputs{failed}>"


class Predictor:
    """A trained net, ready to answer; `others` answer with it, by the mean of their answers.

    `snapshot` is a snapshot or a run folder, whose latest it is. `blob` names another blob to answer with, and
    `crops=10` answers for an image by ten windows of it. Raises SnapshotError, UsageError.
    """

    def __init__(
        self,
        snapshot: str | Path,
        others: Sequence[str | Path] = (),
        *,
        blob: str | None = None,
        crops: int = 1,
        batch: int | None = None,
        threads: int | None = None,
    ) -> None:
        from netspec.codegen import environment

        environment.load()
        from netspec.codegen import driver

        driver.limit_threads(threads_of(threads))
        paths = [path_of(each, "a snapshot") for each in (snapshot, *others)]
        self._nets = [Trained(_weights(path), blob) for path in paths]
        size = None if batch is None else whole(batch, "batch", 1)
        self._how = whole(crops, "number of crops", 1), size
        self._predicting: Predicting | None = None

    @property
    def _ready(self) -> Predicting:
        """What predicts; a net that writes text predicts nothing."""
        if self._predicting is None:
            self._predicting = Predicting(self._nets, *self._how)
        return self._predicting

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The names of the classes; None where they have none."""
        return self._nets[0].classes

    def predict(self, inputs: Any) -> Answers:
        """The answers for inputs: paths of images, folders, tables and .npy files, or samples as an array (N, ...).

        A list may also hold samples of different sizes, such as images (C, H, W). Of inputs that cannot be read,
        `errors` of the answers tells. Raises UsageError.
        """
        import numpy as np

        if isinstance(inputs, str | Path):
            return Answers(self._ready.predict([str(inputs)]))
        several = list(inputs)
        if all(isinstance(each, str | Path) for each in several):
            return Answers(self._ready.predict([str(each) for each in several]))
        samples = [np.asarray(each) for each in several]
        if any(each.dtype.kind not in "biuf" for each in samples):
            raise BadArgumentError("inputs are paths, or arrays of numbers", help="an array counts samples first")
        return Answers(self._ready.predict_arrays(samples))

    def generate(self, length: int, start: str = "", *, temperature: float = 1.0, seed: int = 1) -> str:
        """`start`, and `length` characters that a net that predicts the next one goes on with.

        Raises UnfitNetError for a net that predicts no characters.
        """
        if not temperature >= 0:
            raise BadArgumentError(f"a temperature of {temperature} is none", help="a number from 0")
        length, seed = whole(length, "length", 1), whole(seed, "seed", 0)
        return "".join(generate(self._nets[0], length, start, temperature, seed))

    def __repr__(self) -> str:
        more = f" with {len(self._nets) - 1} more" if len(self._nets) > 1 else ""
        return f"<Predictor '{self._nets[0].path}'{more}>"


def _weights(path: Path) -> Path:
    """A snapshot; of a run folder its latest."""
    return folders.weights_for(path, path, False)
