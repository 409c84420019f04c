"""Labels: which values of a source a net reads as classes, and the check that they are classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from netspec.core.errors import DataError
from netspec.core.shape import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Mask = NDArray[np.bool_]


class BadLabelError(DataError):
    """A label is not one of the classes 0..classes-1."""

    code = "NS610"


@dataclass(frozen=True, eq=False)
class LabelRule:
    """Values of a net's input that a layer reads as labels 0..classes-1, or `ignore`.

    `places` (N, S) says which of the S values of each sample of a batch of N they are; `reader` names the layer, and
    `word` is what it calls such a value.
    """

    output: int
    classes: int
    ignore: int | None
    reader: str
    places: Mask
    word: str = "label"

    @cached_property
    def alike(self) -> bool:
        """Whether all samples of a batch have their labels in the same places."""
        return bool((self.places == self.places[0]).all())

    @cached_property
    def _columns(self) -> Any:
        """Of samples that are alike, an index of the labels among the values of one."""
        import numpy as np

        return slice(None) if self.places[0].all() else np.flatnonzero(self.places[0])

    def wrong(self, values: Array) -> Mask:
        """Which values of a batch are labels, but no classes; values: (n, ...), n = N unless samples are alike."""
        import numpy as np

        flat = values.reshape(len(values), -1)
        if self.alike:
            mask = np.zeros(flat.shape, bool)
            mask[:, self._columns] = ~classes(flat[:, self._columns], self.classes, self.ignore)
        else:
            mask = self.places & ~classes(flat, self.classes, self.ignore)
        return mask.reshape(values.shape)

    def from_one(self, values: Array) -> bool:
        """Whether the labels of all samples look as if they counted from 1; values: (n, ...), samples alike."""
        labels = values.reshape(len(values), -1)[:, self._columns]
        if self.ignore is not None:
            labels = labels[labels != self.ignore]
        return bool(labels.size) and labels.min() == 1 and labels.max() == self.classes


def classes(labels: Array, number: int, ignore: int | None) -> Mask:
    """Which labels are one of 0..number-1, or ignored."""
    import numpy as np

    good: Mask = (labels >= 0) & (labels < number) & (np.floor(labels) == labels)
    return good if ignore is None else good | (labels == ignore)


def fault(label: float, number: int) -> str:
    """What is wrong with a label."""
    return f"is not one of 0..{number - 1}" if label == label // 1 else "is not a whole number"


def allowed(reader: str, word: str, number: int) -> str:
    """What a layer reads: its classes, or whole numbers that mean something else."""
    if word != "label":
        return f"{reader} reads whole numbers in 0..{number - 1}"
    return f"{reader} has {counted(number, 'class', 'classes')}"
