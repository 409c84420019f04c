"""A survey of a set: one pass over its samples, in bounded memory.

Of each sample a digest is kept, and of images a hash and a small copy, some 300 bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from netspec.core.errors import DataError
from netspec.core.shape import Shape
from netspec.data.dataset import Dataset
from netspec.survey import twins

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


@dataclass(frozen=True)
class Moments:
    """Over all values of a channel or a feature: how many are there and missing, their mean, deviation and bounds."""

    count: int
    missing: int
    mean: float
    deviation: float
    least: float
    most: float


@dataclass(frozen=True)
class Survey:
    """What was found in a set.

    `shapes` counts the samples of each shape. `classes` counts the samples of each label; it is empty where samples
    have no class. `columns` are the moments of each channel of images, and of each feature of a table, whose names are
    `titles`. `broken` are the samples that cannot be read, by name, with the reason. `digests` tell samples apart;
    `hashes` (N,) and `small` (N, SIDE, SIDE) are those of images.
    """

    name: str
    samples: int
    shapes: Mapping[Shape, int]
    classes: Mapping[int, int]
    columns: tuple[Moments, ...]
    broken: tuple[tuple[str, str], ...]
    digests: tuple[bytes, ...]
    hashes: Array
    small: Array
    images: bool
    titles: tuple[str, ...]


@dataclass
class _Sums:
    """Sums of the values of one channel or feature, in float64; as differences from `base`, its first value."""

    base: float = 0.0
    count: int = 0
    missing: int = 0
    total: float = 0.0
    squares: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def add(self, values: Array) -> None:
        import numpy as np

        there = values[~np.isnan(values)] if values.dtype.kind == "f" else values
        self.missing += values.size - there.size
        if not there.size:
            return
        numbers = there.astype(np.float64)
        if not self.count:
            self.base = float(numbers.flat[0])
        self.count += numbers.size
        self.least, self.most = min(self.least, float(numbers.min())), max(self.most, float(numbers.max()))
        numbers = numbers - self.base
        self.total += float(numbers.sum())
        self.squares += float((numbers * numbers).sum())

    def moments(self) -> Moments:
        if not self.count:
            return Moments(0, self.missing, *[float("nan")] * 4)
        mean = self.total / self.count
        variance = max(0.0, self.squares / self.count - mean * mean)
        return Moments(self.count, self.missing, self.base + mean, variance**0.5, self.least, self.most)


@dataclass
class _Pass:
    """What a pass over a set gathers."""

    shapes: Counter[Shape] = field(default_factory=Counter)
    classes: Counter[int] = field(default_factory=Counter)
    sums: list[_Sums] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    hashes: list[int] = field(default_factory=list)
    small: list[Array] = field(default_factory=list)


def survey(name: str, data: Dataset, progress: Callable[[int], None] = lambda done: None) -> Survey:
    """Look at every sample of a set; a sample that cannot be read is one of `broken`, and the others are looked at."""
    import numpy as np

    seen, images = _Pass(), len(data.shapes[0]) == 3
    labelled = len(data.shapes) > 1 and data.shapes[1] == ()
    for index in range(len(data)):
        try:
            x, *others = (output[0] for output in data.read(np.array([index])))
        except DataError as error:
            seen.broken.append((data.name(index), error.message))
            seen.digests.append(b"broken %d" % index)
            if images:
                seen.hashes.append(0)
                seen.small.append(np.zeros((twins.SIDE, twins.SIDE), np.uint8))
            continue
        _look(seen, x, images)
        if labelled and float(others[0]).is_integer():
            seen.classes[int(others[0])] += 1
        progress(index + 1)
    classes = dict(sorted(seen.classes.items())) if _are_classes(data, seen) else {}
    return Survey(
        name,
        len(data),
        dict(seen.shapes.most_common()),
        classes,
        tuple(sums.moments() for sums in seen.sums),
        tuple(seen.broken),
        tuple(seen.digests),
        np.array(seen.hashes, np.uint64),
        np.array(seen.small, np.uint8).reshape(-1, twins.SIDE, twins.SIDE),
        images,
        _titles(data, len(seen.sums), images),
    )


def _titles(data: Dataset, number: int, images: bool) -> tuple[str, ...]:
    """The names of channels or features: of a table those of its columns, of a category with its word."""
    facts = data.facts()
    columns, words = facts.get("columns", ()), facts.get("categories", {})
    each = [title for name in columns for title in ([f"{name}={word}" for word in words.get(name, ())] or [name])]
    known = next((titles for titles in (columns, each) if len(titles) == number), None)
    return tuple(known or (f"{'channel' if images else 'feature'} {i}" for i in range(number)))


def _look(seen: _Pass, x: Array, images: bool) -> None:
    """Gather what one sample says; x: its first output."""
    import numpy as np

    seen.shapes[tuple(x.shape)] += 1
    seen.digests.append(blake2b(np.ascontiguousarray(x).tobytes() + repr(x.shape).encode(), digest_size=16).digest())
    rows = x.reshape(len(x), -1) if x.ndim else x.reshape(1, 1)
    while len(seen.sums) < len(rows):
        seen.sums.append(_Sums())
    for sums, values in zip(seen.sums, rows, strict=False):
        sums.add(values)
    if images:
        hash, small = twins.hashes(_grey(x))
        seen.hashes.append(hash)
        seen.small.append(small)


def _grey(x: Array) -> Array:
    """A grey image (H, W) of bytes; x: (C, H, W), bytes or real numbers of any range."""
    import numpy as np

    grey: Array = x[:3].mean(axis=0) if x.shape[0] >= 3 else x[0].astype(np.float64)
    if x.dtype != np.uint8:
        least, most = float(grey.min()), float(grey.max())
        grey = (grey - least) * (255 / (most - least)) if most > least else grey * 0
    return np.asarray(grey.round(), np.uint8)


def _are_classes(data: Dataset, seen: _Pass) -> bool:
    """Whether labels are numbers of classes: they have names, or all are whole and many samples share each."""
    if len(data.shapes) > 1 and data.classes(1) is not None:
        return True
    read = sum(seen.shapes.values())
    return bool(seen.classes) and sum(seen.classes.values()) == read and len(seen.classes) <= max(2, read // 2)
