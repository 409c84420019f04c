"""Class labels among the outputs of samples: which output they are, and how a class is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.core.errors import DataError
from netspec.data.dataset import Dataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]


class NoClassesError(DataError):
    """Classes are asked for, but the samples have no class labels."""

    code = "NS656"


_RECUR = 5
"""Times that whole numbers recur, as a rule, where they are classes; a year or a price recurs less."""


def class_labels(data: Dataset, every: bool = False) -> tuple[int, Array] | None:
    """The first output after the sample itself that is a class label, and its values (N,).

    It has class names, or whole numbers from 0 on, stored as such, each of which recurs; with `every`, any whole
    numbers are classes.
    """
    import numpy as np

    for output, shape in enumerate(data.shapes[1:], 1):
        if shape not in ((), (1,)) or (labels := data.labels(output)) is None:
            continue
        labels = labels.reshape(-1)
        if data.classes(output) is not None or (every and bool((np.floor(labels) == labels).all())):
            return output, labels
        if labels.dtype.kind in "bui" and labels.min() >= 0 and _RECUR * len(np.unique(labels)) <= len(labels):
            return output, labels
    return None


def class_name(data: Dataset, output: int, label: float) -> str:
    """A class in messages: by its name, if it has one, or its number."""
    names = data.classes(output)
    return f"'{names[int(label)]}'" if names is not None and 0 <= label < len(names) else f"{label:g}"


def counted_from_0(values: Array) -> Index:
    """Numbers that stand for the values in their order, without a gap: 0, 1, ..."""
    import numpy as np

    return np.unique(values, return_inverse=True)[1].astype(np.int64)
