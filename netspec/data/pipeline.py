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
from netspec.core.shape import ANY, Shapes
from netspec.data.computed import Computed
from netspec.data.dataset import Batch, Dataset, Outputs
from netspec.data.sources.base import load_array
from netspec.data.spec import FeedSpec
from netspec.data.transforms.base import ApplyAll, Draw, Setting
from netspec.data.transforms.base_geometric import Geometric, join, moved_shapes

if TYPE_CHECKING:
    import numpy as np


_CHUNK = 1024
"""Samples that are read at a time when something is computed over all of them."""

FEW = 8
"""Samples that are read at a time while they differ in size."""


@dataclass(frozen=True)
class Training:
    """The training data, for what is computed over them: how they are written, and how they are opened."""

    spec: FeedSpec | None
    open: Callable[[], Dataset]


@dataclass(frozen=True)
class Pipeline:
    """Bound transforms; `shapes` are those of a sample after all of them.

    The first `uneven` steps are those that samples which differ in size go through, until all are equal.
    """

    shapes: Shapes
    steps: tuple[ApplyAll, ...]
    uneven: int = 0

    def read(self, data: Dataset, draw: Draw) -> Outputs:
        """The samples of a draw, after all transforms. Raises DataError."""
        return through(data, draw, self.steps, self.uneven)


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
    shapes = data.shapes
    applied: list[ApplyAll] = []
    still: list[ApplyAll] = []  # the transforms as they act in TEST
    uneven = 0
    for place, transform in enumerate(spec.transform):
        like = [type(other) for other in spec.transform[:place]].count(type(transform))
        stream = f"{type(transform).__name__} {like}"
        setting = Setting(
            phase,
            shapes,
            real,
            stream,
            partial(load_array, base),
            partial(_all_samples, training.open, tuple(still), uneven),
            partial(computed.of, _key(spec, place, training.spec)),
            data,
        )
        with placed(spec.written, "transform", place):
            after = transform.output_shapes(shapes)
            if isinstance(transform, Geometric):
                after = moved_shapes(after, data.masks)
            bound = transform.bind_all(setting)
            join(applied, bound)
            join(still, transform.bind_all(replace(setting, phase="TEST")) if transform.random else bound)
        uneven = len(applied) if _differ(shapes) else uneven
        shapes = after
    return Pipeline(shapes, tuple(applied), uneven)


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


def _differ(shapes: Shapes) -> bool:
    """Whether a size differs from sample to sample."""
    return any(ANY in shape for shape in shapes)


def _all_samples(training: Callable[[], Dataset], before: Sequence[ApplyAll], uneven: int) -> Iterator[Outputs]:
    """Yield the outputs of all training samples, after the transforms `before`, in batches."""
    import numpy as np

    data = training()
    together = FEW if uneven == len(before) and _differ(data.shapes) else _CHUNK
    for start in range(0, len(data), together):
        index = np.arange(start, min(start + together, len(data)))
        yield through(data, Draw(0, np.zeros_like(index), index), before, uneven)


def through(data: Dataset, draw: Draw, steps: Sequence[ApplyAll], uneven: int) -> Outputs:
    """The samples of a draw after some steps, of which the first `uneven` get samples that differ in size.

    These are read and changed a few at a time: a whole batch of photographs would fill the memory.
    """
    if not uneven:
        return _applied(data.read(draw.index), draw, steps)
    parts = []
    for start in range(0, len(draw.index), FEW):
        some = Draw(draw.seed, draw.epoch[start : start + FEW], draw.index[start : start + FEW])
        parts.append(_applied(data.read(some.index), some, steps[:uneven]))
    return _applied(tuple(map(_joined, zip(*parts, strict=True))), draw, steps[uneven:])


def _applied(batch: Outputs, draw: Draw, steps: Sequence[ApplyAll]) -> Outputs:
    for step in steps:
        batch = step(batch, draw)
    return batch


def _joined(parts: Sequence[Batch]) -> Batch:
    """One output of several batches, as one."""
    import numpy as np

    if isinstance(parts[0], list):
        return [sample for part in parts for sample in part]
    return np.concatenate(parts)
