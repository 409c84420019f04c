"""Randomness as an argument: every draw is a function of (seed, purpose, ...), never of earlier draws.

Streams and orders use Philox counters (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"); one number
per sample uses SplitMix64 (Steele, Lea & Flood 2014). Both compute with integers only, so every machine and every NumPy
version gives equal numbers.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.random import Generator
    from numpy.typing import NDArray

_GOLDEN = 0x9E3779B97F4A7C15


def key(seed: int, *parts: int | str) -> int:
    """128 bits that name one stream: a hash of the seed, and of words and numbers that state the purpose."""
    code = "".join(f"s{len(part)}:{part}" if isinstance(part, str) else f"i{int(part)};" for part in (seed, *parts))
    return int.from_bytes(blake2b(code.encode(), digest_size=16).digest(), "little")


def generator(seed: int, *parts: int | str) -> Generator:
    """A NumPy generator at the start of the stream that (seed, parts) name."""
    from numpy.random import Generator, Philox

    return Generator(Philox(key=key(seed, *parts)))


def permutation(n: int, seed: int, *parts: int | str) -> NDArray[np.int64]:
    """The numbers 0..n-1 in an order that (seed, parts) name, (n,): the ranks of n raw Philox words."""
    import numpy as np
    from numpy.random import Philox

    return np.argsort(Philox(key=key(seed, *parts)).random_raw(n), kind="stable").astype(np.int64, copy=False)


def uniform(seed: int, purpose: str, *counters: NDArray[np.int64]) -> NDArray[np.float64]:
    """One number in [0, 1) for each sample, (N,), from its own counters, each (N,): (epoch, index).

    Counters of other shapes are broadcast: (N, 1), (N, 1) and (1, M) give numbers (N, M).

    For each counter c in turn, the state becomes the c-th output of a SplitMix64 that starts from the state. The top 53
    bits of the last state are the number.
    """
    import numpy as np

    state: Any = np.uint64(key(seed, purpose) & 0xFFFFFFFFFFFFFFFF)
    for counter in counters:
        state = _mixed(state + (np.atleast_1d(counter).astype(np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN))
    numbers: NDArray[np.float64] = (state >> np.uint64(11)) * 2.0**-53
    return numbers


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser, elementwise modulo 2**64; z: (N,)."""
    import numpy as np

    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
