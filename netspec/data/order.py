"""The order of a feed's samples: which sample has its turn at a position, counted through all epochs.

An order is a function of the position and the seed, so a training that is resumed goes on as if it had never ended.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from netspec.core import rng

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]


class Order(ABC):
    """Turns of `number` samples an epoch."""

    def __init__(self, number: int) -> None:
        self.number = number

    @abstractmethod
    def at(self, epoch: Index, turn: Index) -> tuple[Index, Index]:
        """The key and the index of the samples whose turn it is in their epochs; all are (N,).

        Key and index together belong to one turn alone: they key all that is drawn for it.
        """


class Sequential(Order):
    """Every sample once an epoch, in the order of the source."""

    def at(self, epoch: Index, turn: Index) -> tuple[Index, Index]:
        """The epoch, and the turn itself."""
        return epoch, turn


class Shuffled(Order):
    """Every sample once an epoch, in a new order each time."""

    def __init__(self, number: int, seed: int) -> None:
        super().__init__(number)
        self._seed = seed
        self._last: tuple[int, tuple[Index, Index]] | None = None

    def at(self, epoch: Index, turn: Index) -> tuple[Index, Index]:
        """The key, and the sample in the order of the epoch."""
        key, index = epoch.copy(), turn.copy()
        for number in range(int(epoch[0]), int(epoch[-1]) + 1):
            now = epoch == number
            keys, order = self._of(number)
            key[now], index[now] = keys[turn[now]], order[turn[now]]
        return key, index

    def _of(self, epoch: int) -> tuple[Index, Index]:
        """The keys and the samples of an epoch in their order; the last epoch that was asked for is kept."""
        last = self._last
        if last is None or last[0] != epoch:
            last = self._last = (epoch, self._drawn(epoch))
        return last[1]

    def _drawn(self, epoch: int) -> tuple[Index, Index]:
        import numpy as np

        return np.broadcast_to(np.int64(epoch), self.number), self._permutation(epoch)

    def _permutation(self, epoch: int) -> Index:
        return rng.permutation(self.number, self._seed, "shuffle", epoch)


class Balanced(Shuffled):
    """Every class equally often: an epoch has as many samples as there are, of each class the same number, within one.

    The samples of a class come one after another, in a new order each time they have all been seen; the key is the
    number of such rounds, so that a rare sample that comes twice in an epoch is not changed alike both times.
    """

    def __init__(self, labels: Array, seed: int) -> None:
        import numpy as np

        super().__init__(len(labels), seed)
        classes = np.unique(labels, return_inverse=True)[1]
        self._members = [np.flatnonzero(classes == number) for number in range(int(classes.max()) + 1)]

    def _drawn(self, epoch: int) -> tuple[Index, Index]:
        import numpy as np

        classes = len(self._members)
        whole, rest = divmod(self.number, classes)
        keys, samples = [], []
        for number, members in enumerate(self._members):
            # the `rest` samples go round among the classes: this class has had one whenever its turn came
            begin, end = (e * whole + (e * rest + classes - 1 - number) // classes for e in (epoch, epoch + 1))
            rounds, places = np.divmod(np.arange(begin, end), len(members))
            for one in np.unique(rounds):
                order = members[rng.permutation(len(members), self._seed, "balance", number, int(one))]
                samples.append(order[places[rounds == one]])
            keys.append(rounds)
        turns = self._permutation(epoch)
        return np.concatenate(keys)[turns], np.concatenate(samples)[turns]
