"""Joined feeds: the data of several layers of a net, each read in its own order and in batches of its own size.

A position counts the samples of the first of them; the others stand at the batch of the same number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from netspec.core.calls import Phase
from netspec.core.model import Model
from netspec.data.computed import Computed
from netspec.data.feed import Feed, open_feed
from netspec.data.labels import LabelRule
from netspec.data.spec import FeedSpec, ScoredFeedSpec
from netspec.data.transforms.base import Undo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

T = TypeVar("T")


class JoinedPart(Model):
    """The data that one layer of a net brings, and the numbers of its tops among all inputs of the net."""

    feed: FeedSpec
    tops: tuple[int, ...]


class JoinedSpec(ScoredFeedSpec):
    """The data that several layers bring; the fields are those of the first. Other inputs are filled by a caller."""

    parts: tuple[JoinedPart, ...]
    inputs: int
    """How many inputs the net has."""

    @property
    def net_batch(self) -> int | None:
        """The batch size where all inputs share it; None where each layer says its own."""
        sizes = {part.feed.batch_size for part in self.parts}
        filled = sum(len(part.tops) for part in self.parts)
        return self.batch_size if len(sizes) == 1 and filled == self.inputs else None

    def among(self, inputs: tuple[T, ...]) -> tuple[T, ...]:
        """Of something for every input of the net, that of the inputs that are read from data."""
        return tuple(inputs[top] for part in self.parts for top in part.tops)


def open_any_feed(
    spec: FeedSpec,
    phase: Phase,
    seed: int,
    base: Path | None = None,
    *,
    dtype: Literal["float32", "float64"] = "float32",
    train: FeedSpec | None = None,
    computed: Computed | None = None,
) -> Feed:
    """The feed of one phase, joined where several layers bring data, as `open_feed` opens it."""
    if not isinstance(spec, JoinedSpec):
        return open_feed(spec, phase, seed, base, dtype=dtype, train=train, computed=computed)
    opened = [
        _Part(open_feed(part.feed, phase, seed, base, dtype=dtype, computed=computed), part.feed.batch_size, part.tops)
        for part in spec.parts
    ]
    return JoinedFeed(opened, dtype)


@dataclass(frozen=True)
class _Part:
    """A feed that is joined with others: samples of its batch, and the inputs of the net that it fills."""

    feed: Feed
    batch: int
    tops: tuple[int, ...]


class JoinedFeed(Feed):
    """Several feeds as one, whose outputs are those of all in their order; `data` are those of the first."""

    def __init__(self, parts: Sequence[_Part], dtype: str) -> None:
        self._parts, self.data, self.dtype = tuple(parts), parts[0].feed.data, dtype
        self._batch = parts[0].batch
        self.shapes = tuple(shape for part in parts for shape in part.feed.shapes[: len(part.tops)])

    def describe(self) -> str:
        """The data of each."""
        return "; ".join(part.feed.describe() for part in self._parts)

    @property
    def soft(self) -> dict[int, int]:
        """None of Caffe's data layers makes labels soft."""
        return {}

    def buffers(self, size: int) -> tuple[Array, ...]:
        """Arrays for a batch of `size` samples of the first, and as many of the others as belong to them."""
        return tuple(
            array for part in self._parts for array in part.feed.buffers(self._scaled(size, part))[: len(part.tops)]
        )

    def _scaled(self, number: int, part: _Part) -> int:
        """A number of samples of the first feed as one of a part."""
        return number * part.batch // self._batch

    def fill(self, position: int, into: tuple[Array, ...]) -> None:
        """Write the batches that belong to a position into arrays, one for each output. Raises DataError."""
        at = 0
        for part in self._parts:
            own = into[at : at + len(part.tops)]
            part.feed.fill(self._scaled(position, part), own)
            at += len(part.tops)

    def _owner(self, output: int) -> tuple[_Part, int]:
        """The part that fills an input of the net, and the number of its output."""
        return next((part, part.tops.index(output)) for part in self._parts if output in part.tops)

    def undo(self, output: int) -> Undo | None:
        """What brings values of an input to the units of its data."""
        part, own = self._owner(output)
        return part.feed.undo(own)

    def read_through(self) -> None:
        """Read all samples of each. Raises DataError."""
        for part in self._parts:
            part.feed.read_through()

    @property
    def readers(self) -> int:
        """As many threads as the first reads best with."""
        return self._parts[0].feed.readers

    def name(self, position: int, output: int = 0) -> str:
        """The name of the sample at a position, of the data that fill an input of the net."""
        part, own = self._owner(output)
        whole, sample = divmod(position, self._batch)
        return part.feed.name(whole * part.batch + sample, own)

    def raw(self, position: int) -> Array:
        """The first output of the first feed's sample at a position. Raises DataError."""
        return self._parts[0].feed.raw(position)

    def check_labels(self, rules: Iterable[LabelRule], batches: Sequence[int] = ()) -> None:
        """Check the labels of all samples; of inputs that a caller fills nothing is known. Raises BadLabelError."""
        rules = tuple(rules)
        for part in self._parts:
            own = [replace(rule, output=part.tops.index(rule.output)) for rule in rules if rule.output in part.tops]
            part.feed.check_labels(own, [self._scaled(position, part) for position in batches])
