"""Feeds, which fill a net's Input tops. A batch is a function of (seed, position).

Samples are counted through all epochs: number p is sample p % n in the order of epoch p // n. So batches run across the
end of an epoch, and a training that is resumed at position p sees the samples that it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from netspec.core.calls import Phase
from netspec.core.errors import DataError
from netspec.core.nodes import Node, placed
from netspec.core.shape import counted, text
from netspec.data.chosen import Chosen
from netspec.data.class_labels import NoClassesError, class_labels
from netspec.data.computed import Computed
from netspec.data.dataset import Dataset, Outputs
from netspec.data.labels import BadLabelError, LabelRule, allowed, fault
from netspec.data.order import Balanced, Order, Sequential, Shuffled
from netspec.data.pipeline import FEW, MANY, Pipeline, pipeline
from netspec.data.spec import FeedSpec
from netspec.data.transforms.base import Draw, Undo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]


class NoTrainingDataError(DataError):
    """A transform wants a mean of the training data, but there are no training data."""

    code = "NS611"


class OrderError(DataError):
    """Samples that go on where those of the last batch ended cannot be shuffled."""

    code = "NS625"


class LimitError(DataError):
    """`limit` asks for more samples than the source has, or for a part of a batch where only whole ones follow on."""

    code = "NS613"


def open_feed(
    spec: FeedSpec,
    phase: Phase,
    seed: int,
    base: Path | None = None,
    *,
    dtype: Literal["float32", "float64"] = "float32",
    train: FeedSpec | None = None,
    computed: Computed | None = None,
) -> Feed:
    """The feed of one phase, opened and checked.

    `base` is the folder of the solver file; `train` are the training data, for a TEST feed that subtracts their mean.
    What is computed over training data is looked up in `computed`, and added to it.
    Raises DataError, ShapeError.
    """
    import numpy as np

    with placed(spec.written, "source"):
        data = _chosen_of(spec, base).in_batches(spec.batch_size)
    with placed(spec.written, "limit"):
        data = _limited(data, spec.limit)
        if data.ordered and len(data) % spec.batch_size:
            raise LimitError(
                f"`limit` must be a multiple of the batch size, {spec.batch_size:,}, as batches follow one another"
            )
    if data.ordered and spec.shuffle:
        with placed(spec.written, "shuffle"):
            raise OrderError("these samples go on where the batch before ended", help="leave `shuffle` out")

    @cache
    def training() -> Dataset:
        try:
            opened = data if phase == "TRAIN" else _limited(_chosen_of(train, base), train.limit) if train else None
        except DataError as error:
            raise error.changed(message=f"the mean of the training data is wanted: {error.message}") from None
        if opened is None:
            raise NoTrainingDataError(
                "the mean of the training data is wanted, but there are none", help="add `train` beside `test`"
            )
        if opened.shapes[0] != data.shapes[0]:
            both = f"training samples are {text(opened.shapes[0])}, test samples {text(data.shapes[0])}"
            raise NoTrainingDataError(
                f"the mean of the training data does not fit: {both}", help="bring both to one shape"
            )
        return opened

    real = np.float64 if dtype == "float64" else np.float32
    steps = pipeline(spec, data, phase, training, real, base, computed or Computed())
    if phase != "TRAIN" and training.cache_info().currsize:
        training().close()
        training.cache_clear()
    shuffle = phase == "TRAIN" and not data.ordered if spec.shuffle is None else spec.shuffle
    return Feed(data, steps, dtype, seed, _order(spec, data, shuffle, seed), spec.written)


def _chosen_of(spec: FeedSpec, base: Path | None) -> Dataset:
    """The source of a feed, opened, or the subset of it that is asked for. Raises DataError."""
    data = spec.source.open(base)
    if spec.subset is None:
        return data
    with placed(spec.written, "subset"):
        if data.ordered:
            raise OrderError("these samples go on where the batch before ended", help="leave `subset` out")
        return spec.subset.of(data, base)


def _order(spec: FeedSpec, data: Dataset, shuffle: bool, seed: int) -> Order:
    """The order in which the samples of a feed come. Raises OrderError, NoClassesError."""
    if spec.balance is None:
        return Shuffled(len(data), seed) if shuffle else Sequential(len(data))
    with placed(spec.written, "balance"):
        if not shuffle:
            raise OrderError("classes are balanced by drawing samples", help="leave out `balance`, or `shuffle: false`")
        found = class_labels(data, every=True)
        if found is None:
            raise NoClassesError("the samples have no class labels to balance", help="leave `balance` out")
    return Balanced(found[1], seed)


def _limited(data: Dataset, limit: int | None) -> Dataset:
    """The first `limit` samples, or all of them. Raises LimitError."""
    import numpy as np

    if limit is None or limit == len(data):
        return data
    if limit > len(data):
        raise LimitError(
            f"`limit` asks for {counted(limit, 'sample')}, but there are only {len(data):,}",
            help="leave it out to take them all",
        )
    return Chosen(data, np.arange(limit), f"the first {limit:,}")


class Feed:
    """Samples in the order and form in which a net gets them.

    `shapes` are those of one sample, after the transforms.
    """

    def __init__(
        self,
        data: Dataset,
        steps: Pipeline,
        dtype: str,
        seed: int,
        order: Order,
        node: Node | None,
    ) -> None:
        self.data, self.shapes, self.dtype = data, steps.shapes, dtype
        self._steps, self._seed, self._order, self._node = steps, seed, order, node
        self._rules: list[LabelRule] = []
        """Rules that are checked in each batch."""

    def __len__(self) -> int:
        return len(self.data)

    def describe(self) -> str:
        """One line: which data, from where, how many samples."""
        changed = f", fed as {text(self.shapes[0])}" if self.shapes[0] != self.data.shapes[0] else ""
        return self.data.describe() + changed

    @property
    def soft(self) -> Mapping[int, int]:
        """The outputs that are soft labels, each with the place of the transform that makes them so."""
        return self._steps.soft

    def buffers(self, size: int) -> tuple[Array, ...]:
        """Arrays that hold a batch of `size` samples: each (size, *shape) in the feed's dtype."""
        import numpy as np

        return tuple(np.empty((size, *shape), self.dtype) for shape in self.shapes)

    def batch(self, position: int, size: int) -> tuple[Array, ...]:
        """Samples position..position+size-1, counted through all epochs; each output is (size, *shape).

        Raises DataError.
        """
        into = self.buffers(size)
        self.fill(position, into)
        return into

    def fill(self, position: int, into: tuple[Array, ...]) -> None:
        """Write the batch that begins at `position` into arrays (N, *shape), one for each output that is wanted.

        Raises DataError.
        """
        epoch, index = self._chosen(position, len(into[0]))
        with placed(self._node, "source"):
            batch = _whole(self._steps.read(self.data, Draw(self._seed, epoch, index)))
        for rule in self._rules:
            if rule.alike or len(rule.places) == len(index):
                self._check(rule, batch[rule.output], index)
        copy_batch(batch, into)

    def undo(self, output: int) -> Undo | None:
        """Brings values of an output, or predictions of it, (N, ...), to the units of the data; None where they are so.

        The result is in float64.
        """
        return self._steps.undo(output)

    def read_through(self) -> None:
        """Read all samples to find what cannot be read, and labels that only reading shows. Raises DataError."""
        import numpy as np

        if self._rules and self.data.masks:
            for position in range(0, len(self), FEW):
                self.batch(position, min(FEW, len(self) - position))
            return
        with placed(self._node, "source"):
            self.data.read_through(np.arange(len(self)))

    @property
    def readers(self) -> int:
        """Threads that read best at the same time."""
        return self.data.readers

    def name(self, position: int, output: int = 0) -> str:
        """The name of the sample at a position, in messages."""
        _, index = self._chosen(position, 1)
        return self.data.name(int(index[0]), output)

    def raw(self, position: int) -> Array:
        """The first output of the sample at a position, as the source has it. Raises DataError."""
        _, index = self._chosen(position, 1)
        with placed(self._node, "source"):
            return cast("Array", self.data.read(index)[0][0])

    def _chosen(self, position: int, size: int) -> tuple[Index, Index]:
        """The key of the draw and the index of each sample of a batch; both (size,)."""
        import numpy as np

        return self._order.at(*np.divmod(np.arange(position, position + size, dtype=np.int64), len(self.data)))

    def samples(self, position: int, size: int) -> Index:
        """The index of each sample of a batch in the data, (N,)."""
        return self._chosen(position, size)[1]

    def check_labels(self, rules: Iterable[LabelRule], batches: Sequence[int] = ()) -> None:
        """Check the labels of all samples. Raises BadLabelError.

        Labels that the source does not know without reading, and those that a transform changes, are checked in each
        batch as it is read. So are labels whose place depends on the sample's place in the batch; and the batches that
        begin at the positions `batches` are checked for them now.
        """
        import numpy as np

        for rule in rules:
            labels = None if rule.output in self._steps.changed else self.data.labels(rule.output)
            if labels is None or not rule.alike:
                self._rules.append(rule)
            if labels is None:
                continue
            if rule.alike:
                for start in range(0, len(labels), MANY):
                    some = labels[start : start + MANY]
                    self._check(rule, some, np.arange(start, start + len(some)), labels)
                continue
            for position in batches:
                _, index = self._chosen(position, len(rule.places))
                self._check(rule, labels[index], index)

    def _check(self, rule: LabelRule, labels: Array, index: Index, whole: Array | None = None) -> None:
        """Raise BadLabelError at the first wrong label; labels: (N, ...) of the samples `index` (N,).

        `whole` are the labels of all samples, where the rule holds for all.
        """
        import numpy as np

        wrong = rule.wrong(labels)
        if not wrong.any():
            return
        first = tuple(np.argwhere(wrong)[0].tolist())
        help = allowed(rule.reader, rule.word, rule.classes)
        if whole is not None:
            wrong = rule.wrong(whole)
            if labels[first] == rule.classes and rule.from_one(whole):
                kind = "labels" if rule.word == "label" else "whole numbers"
                help = f"{kind} count from 0, but these seem to count from 1"
        sample = self.data.name(int(index[first[0]]), rule.output)
        label, where = labels[first].item(), f" at {list(first[1:])}" if labels[0].size > 1 else ""
        more = int(wrong.sum()) - 1
        others = f" (and {more:,} more {'is' if more == 1 else 'are'} wrong)" if more else ""
        with placed(self._node, "source"):
            message = f"{sample} has the {rule.word} {label}{where}, which {fault(label, rule.classes)}{others}"
            raise BadLabelError(message, help=help)


def _whole(batch: Outputs) -> tuple[Array, ...]:
    """The outputs of a batch, of which each is an array now: a net takes no samples that differ in size."""
    assert not any(isinstance(output, list) for output in batch)
    return cast("tuple[Array, ...]", batch)


def copy_batch(batch: tuple[Array, ...], into: tuple[Array, ...]) -> None:
    """Write outputs of a batch into arrays of the same shape and of a float type.

    A net may take fewer outputs than there are: the last ones are left out.
    """
    import numpy as np

    for values, array in zip(batch[: len(into)], into, strict=True):
        if values.shape != array.shape:
            raise ValueError(
                f"a batch of {text(values.shape)} for an array of {text(array.shape)}"
            )  # a bug: the caller made the array
        np.copyto(array, values, casting="same_kind")
