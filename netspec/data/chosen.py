"""Some samples of other data: a part of a split, a subset, or the first of them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from netspec.core.shape import Shapes
from netspec.data.dataset import Dataset

if TYPE_CHECKING:
    from netspec.data.dataset import Array, Index, Outputs


@dataclass(frozen=True, eq=False)
class Chosen(Dataset):
    """The samples `index` (N,) of other data, in this order; `what` describes the choice."""

    data: Dataset
    index: Index
    what: str

    @property
    def ordered(self) -> bool:  # type: ignore[override]
        """As in the other data."""
        return self.data.ordered

    @property
    def readers(self) -> int:  # type: ignore[override]
        """As in the other data."""
        return self.data.readers

    @property
    def shapes(self) -> Shapes:
        """As in the other data."""
        return self.data.shapes

    @property
    def masks(self) -> frozenset[int]:
        """As in the other data."""
        return self.data.masks

    def __len__(self) -> int:
        return len(self.index)

    def read(self, index: Index) -> Outputs:
        """The chosen samples at `index`."""
        return self.data.read(self.index[index])

    def read_through(self, index: Index) -> None:
        """Read the chosen samples at `index`."""
        self.data.read_through(self.index[index])

    def labels(self, output: int) -> Array | None:
        """The labels of the chosen samples."""
        labels = self.data.labels(output)
        return None if labels is None else labels[self.index]

    def classes(self, output: int) -> tuple[str, ...] | None:
        """The classes of all samples, chosen or not."""
        return self.data.classes(output)

    def facts(self) -> dict[str, Any]:
        """As in the other data."""
        return self.data.facts()

    def column(self, name: str) -> Array | None:
        """The values of the chosen samples."""
        values = self.data.column(name)
        return None if values is None else values[self.index]

    def file(self, index: int) -> str | None:
        """The file of the sample in the other data."""
        return self.data.file(int(self.index[index]))

    def describe(self) -> str:
        """The other data, and the choice."""
        return f"{self.data.describe()}, {self.what}"

    def name(self, index: int, output: int = 0) -> str:
        """The name of the sample in the other data."""
        return self.data.name(int(self.index[index]), output)

    def digest(self) -> str | None:
        """The name of the other data's content, and the samples that were chosen."""
        other = self.data.digest()
        chosen = blake2b(self.index.tobytes(), digest_size=16).hexdigest()
        return None if other is None else f"{other}, samples {chosen}"

    def close(self) -> None:
        """Close the other data."""
        self.data.close()
