"""Twins: samples that are equal, and images that look alike.

Images look alike where their 64-bit difference hashes differ in at most 4 bits, and their small grey copies hardly
differ. A difference hash says of each of 8x8 places of the image, shrunk to 9x8, whether it is darker than its right
neighbour. Source: Krawetz 2013, "Kind of like that".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Hashes = NDArray[np.uint64]
    Small = NDArray[np.uint8]

MOST_BITS = 4
"""Bits in which the hashes of images that look alike may differ."""

SIDE = 16
"""Height and width of the small copies that are compared."""

_MOST_APART = 3.0
"""Mean difference of two small copies, of 255, up to which they are the same picture: a picture that is resized or
saved once more with another quality differs by 1 to 2."""

_FLAT = 4.0
"""Standard deviation of a small copy below which it shows nothing to be compared by."""

_CROWD = 200
"""Images with an equal part of their hash beyond which only neighbours in order are compared."""


def hashes(grey: Array) -> tuple[int, Array]:
    """The difference hash and the small copy (SIDE, SIDE) of a grey image (H, W) of bytes."""
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(grey))
    shrunk = np.asarray(picture.resize((9, 8), Image.Resampling.BILINEAR), np.int16)
    bits = np.packbits(shrunk[:, 1:] > shrunk[:, :-1])
    small = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return int.from_bytes(bits.tobytes(), "big"), small


def equal_groups(digests: Sequence[bytes]) -> list[list[int]]:
    """The places of equal samples, two or more in each group, in order."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for place, digest in enumerate(digests):
        groups[digest].append(place)
    return [group for group in groups.values() if len(group) > 1]


def alike(found: Hashes, small: Small) -> list[tuple[int, int]]:
    """Pairs of images that look alike, in order; `found` (N,), `small` (N, SIDE, SIDE).

    Two hashes that differ in at most 4 of their 64 bits agree in one of 5 parts at least, so only images with an equal
    part are compared.
    """
    import numpy as np

    telling = small.reshape(len(small), -1).std(axis=1) >= _FLAT if len(small) else np.zeros(0, bool)
    pairs: set[tuple[int, int]] = set()
    for first, length in _parts():
        part = (found >> np.uint64(first)) & np.uint64((1 << length) - 1)
        for group in _groups(part, np.flatnonzero(telling)):
            pairs.update(_near(group, found, small))
    return sorted(pairs)


def _parts() -> Iterator[tuple[int, int]]:
    """The first bit and the length of each of 5 parts of 64 bits."""
    lengths, first = (13, 13, 13, 13, 12), 0
    for length in lengths:
        yield first, length
        first += length


def _groups(part: Array, places: Array) -> Iterator[Array]:
    """The places of images that have a part in common, two or more at a time."""
    import numpy as np

    order = places[np.argsort(part[places], kind="stable")]
    ends = np.flatnonzero(np.diff(part[order])) + 1
    yield from (group for group in np.split(order, ends) if len(group) > 1)


def _near(group: Array, found: Hashes, small: Small) -> Iterator[tuple[int, int]]:
    """The pairs of a group that look alike."""
    import numpy as np

    for number, place in enumerate(group[:-1]):
        others = group[number + 1 : number + 1 + _CROWD]
        near = others[np.bitwise_count(found[others] ^ found[place]) <= MOST_BITS]
        if not len(near):
            continue
        apart = np.abs(small[near].astype(np.int16) - small[place].astype(np.int16)).mean(axis=(1, 2))
        for other in near[apart <= _MOST_APART]:
            yield (int(min(place, other)), int(max(place, other)))
