"""The transforms of a feed, bound one after another to the samples that reach each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.calls import Phase
from netspec.core.nodes import placed
from netspec.core.shape import Shapes
from netspec.data.computed import Computed
from netspec.data.dataset import Dataset, Outputs
from netspec.data.sources.base import load_array
from netspec.data.spec import FeedSpec
from netspec.data.transforms.base import ApplyAll, Draw, Setting

if TYPE_CHECKING:
    import numpy as np


_CHUNK = 1024
"""Samples that are read at a time when something is computed over all of them."""


@dataclass(frozen=True)
class Training:
    """The training data, for what is computed over them: how they are written, and how they are opened."""

    spec: FeedSpec | None
    open: Callable[[], Dataset]


@dataclass(frozen=True)
class Pipeline:
    """Bound transforms; `shapes` are those of a sample after all of them."""

    shapes: Shapes
    steps: tuple[ApplyAll, ...]

    def __call__(self, batch: Outputs, draw: Draw) -> Outputs:
        """The batch after all transforms; `batch` itself is left alone."""
        for step in self.steps:
            batch = step(batch, draw)
        return batch


def pipeline(
    spec: FeedSpec,
    data: Dataset,
    phase: Phase,
    training: Training,
    real: type[np.float32] | type[np.float64],
    base: Path | None,
    computed: Computed,
) -> Pipeline:
    """The transforms of a feed, bound to its data. Raises DataError, ShapeError."""
    shapes, applied = data.shapes, []
    still: list[ApplyAll] = []  # the transforms as they act in TEST
    for place, transform in enumerate(spec.transform):
        like = [type(other) for other in spec.transform[:place]].count(type(transform))
        stream = f"{type(transform).__name__} {like}"
        setting = Setting(
            phase,
            shapes,
            real,
            stream,
            partial(load_array, base),
            partial(_all_samples, training.open, tuple(still)),
            partial(computed.of, _key(spec, place, training.spec)),
            data,
        )
        with placed(spec.written, "transform", place):
            after = transform.output_shapes(shapes)
            applied.append(transform.bind_all(setting))
            still.append(transform.bind_all(replace(setting, phase="TEST")) if transform.random else applied[-1])
        shapes = after
    return Pipeline(shapes, tuple(applied))


def _key(spec: FeedSpec, place: int, training: FeedSpec | None) -> str:
    """The name of what the transform at a place computes: a digest of all that it depends on, as it is written."""
    steps: list[Any] = [transform.model_dump(mode="json") for transform in spec.transform[: place + 1]]
    words = [type(transform).__name__ for transform in spec.transform[: place + 1]]
    data = (
        None
        if training is None
        else training.model_dump(
            mode="json", exclude={"transform", "batch_size", "shuffle", "test_interval", "test_iter"}
        )
    )
    text = json.dumps([steps, words, data], sort_keys=True, default=str)
    return f"{words[-1]}-{blake2b(text.encode(), digest_size=8).hexdigest()}"


def _all_samples(training: Callable[[], Dataset], before: Sequence[ApplyAll]) -> Iterator[Outputs]:
    """Yield the outputs of all training samples, after the transforms `before`, in batches."""
    import numpy as np

    data = training()
    for start in range(0, len(data), _CHUNK):
        index = np.arange(start, min(start + _CHUNK, len(data)))
        batch: Outputs = data.read(index)
        draw = Draw(0, np.zeros_like(index), index)
        for apply in before:
            batch = apply(batch, draw)
        yield batch
