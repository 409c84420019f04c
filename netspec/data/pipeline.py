"""The transforms of a feed, bound one after another to the samples that reach each of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.calls import Phase
from netspec.core.locate import beside
from netspec.core.model import changed_at, spec_paths
from netspec.core.nodes import placed
from netspec.core.shape import ANY, Shape, Shapes
from netspec.data.computed import Arrays, Computed
from netspec.data.dataset import Batch, Dataset, Outputs
from netspec.data.sources.base import load_array
from netspec.data.spec import FeedSpec
from netspec.data.transforms.base import ApplyAll, Draw, Setting, Transform, Undo
from netspec.data.transforms.base_geometric import Geometric, join, moved_shapes
from netspec.formats.files import stamp

if TYPE_CHECKING:
    import numpy as np


MANY = 1024
"""Samples that are read at a time when something is computed over all of them."""

FEW = 8
"""Samples that are read at a time while they differ in size."""


@dataclass(frozen=True)
class Pipeline:
    """Bound transforms; `shapes` are those of a sample after all of them.

    The first `uneven` steps are those that samples which differ in size go through, until all are equal.
    `changed` are the outputs whose values they change; `soft` has for outputs with soft labels the place of the
    transform that makes them. `undone` has for outputs whose units they change the functions that bring them back, in
    the order to call them.
    """

    shapes: Shapes
    steps: tuple[ApplyAll, ...]
    uneven: int = 0
    changed: frozenset[int] = frozenset()
    soft: Mapping[int, int] = field(default_factory=dict)
    undone: Mapping[int, tuple[Undo, ...]] = field(default_factory=dict)

    def read(self, data: Dataset, draw: Draw) -> Outputs:
        """The samples of a draw, after all transforms. Raises DataError."""
        return through(data, draw, self.steps, self.uneven)

    def undo(self, output: int) -> Undo | None:
        """Brings values of an output, (N, ...), to the units of the data, in float64; None where they are so."""
        steps = self.undone.get(output)
        if steps is None:
            return None

        def undo(values: Any) -> Any:
            for step in steps:
                values = step(values)
            return values

        return undo


def pipeline(
    spec: FeedSpec,
    data: Dataset,
    phase: Phase,
    training: Callable[[], Dataset],
    real: type[np.float32] | type[np.float64],
    base: Path | None,
    computed: Computed,
) -> Pipeline:
    """The transforms of a feed, bound to its data. Raises DataError, ShapeError."""
    shapes = data.shapes
    applied: list[ApplyAll] = []
    undone: dict[int, tuple[Undo, ...]] = {}
    still: list[ApplyAll] = []  # the transforms as they act in TEST
    uneven = 0
    for place, transform in enumerate(spec.transform):
        like = [type(other) for other in spec.transform[:place]].count(type(transform))
        chain = spec.transform[: place + 1]
        stream = f"{type(transform).__name__} {like}"
        setting = Setting(
            phase,
            shapes,
            real,
            stream,
            partial(load_array, base),
            partial(_all_samples, training, tuple(still), uneven),
            partial(_computed, computed, chain, partial(_content, chain, real.__name__, base, training)),
            data,
        )
        with placed(spec.written, "transform", place):
            after = transform.bound_shapes(setting)
            if isinstance(transform, Geometric):
                after = moved_shapes(after, data.masks)
            bound = transform.bind_all(setting)
            join(applied, bound)
            join(still, transform.bind_all(replace(setting, phase="TEST")) if transform.random else bound)
            undone |= {output: (undo, *undone.get(output, ())) for output, undo in transform.undo(setting).items()}
        uneven = len(applied) if _differ(shapes) else uneven
        shapes = after
    changed = frozenset[int]().union(*(transform.changes for transform in spec.transform))
    soft = {output: place for place, transform in enumerate(spec.transform) for output in transform.softens}
    return Pipeline(shapes, tuple(applied), uneven, changed, soft, undone)


def _computed(
    computed: Computed,
    steps: Sequence[Transform],
    content: Callable[[], str | None],
    shape: Shape,
    compute: Callable[[], Arrays],
) -> Arrays:
    """What the last of some transforms computes over training data, once."""
    return computed.of(_key(steps, shape), content, compute)


def _key(steps: Sequence[Transform], shape: Shape) -> str:
    """The name of what the last of some transforms computes: a digest of them all, as they are written, and its shape.

    Of a path it knows the last step, as a run's own configuration writes paths in another way.
    """
    written = [_written(step, lambda path: Path(path).name) for step in steps]
    text = json.dumps([written, shape], sort_keys=True, default=str)
    return f"{type(steps[-1]).__name__}-{blake2b(text.encode(), digest_size=8).hexdigest()}"


def _content(steps: Sequence[Transform], real: str, base: Path | None, data: Callable[[], Dataset]) -> str | None:
    """A digest of all that the last of some transforms computes with: data, transforms, their files and programs."""
    own = data().digest()
    if own is None:
        return None
    written = [_written(step, lambda path: stamp(beside(base, path))) for step in steps]
    programs = {path for step in steps if (path := sys.modules[type(step).__module__].__file__)}
    text = json.dumps([own, real, metadata.version("netspec"), written], sort_keys=True, default=str)
    state = blake2b(text.encode(), digest_size=16)
    for program in sorted({*map(Path, programs), *(Path(__file__).parent / "transforms").glob("*.py")}):
        state.update(program.read_bytes())
    return state.hexdigest()


def _written(step: Transform, path: Callable[[str], str]) -> list[Any]:
    """A transform as plain values, with its paths changed."""
    values: Any = step.model_dump()
    for place in spec_paths(type(step), values):
        values = changed_at(values, place, path)
    return [type(step).__name__, values]


def _differ(shapes: Shapes) -> bool:
    """Whether a size differs from sample to sample."""
    return any(ANY in shape for shape in shapes)


def _all_samples(training: Callable[[], Dataset], before: Sequence[ApplyAll], uneven: int) -> Iterator[Outputs]:
    """Yield the outputs of all training samples, after the transforms `before`, in batches."""
    import numpy as np

    data = training()
    together = FEW if uneven == len(before) and _differ(data.shapes) else MANY
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
