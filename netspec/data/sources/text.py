"""Text: a long text in steps, as nets that predict the next character read it.

The text is cut into as many chunks as a batch has samples, its lanes. Lane i of each batch goes on in chunk i where the
batch before ended. Source: Caffe's convention for recurrent nets, where `cont` 0 says that a sequence begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from netspec.core.locate import beside, bundled
from netspec.core.model import SpecPath
from netspec.core.shape import Shapes, counted
from netspec.data.dataset import Dataset
from netspec.data.sources.base import EmptyDataError, Source
from netspec.formats.files import UnreadableDataError, about, content

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]

BYTES = 256


class Text(Source):
    """Characters (T,), the characters one place later (T,), and cont (T,): 0 where a lane's chunk begins, else 1.

    Characters are numbers: their places among the sorted characters of the training part, then one number for all
    others. Bytes are their own numbers, 0..255. The test part is the end of the text. Samples come in the order of the
    text; a sample's lane is its number modulo the batch size. Without `file` it is the New Testament of 1611, which
    comes with netspec.
    """

    split: Literal["train", "test"] = Field(description="Which part.")
    steps: int = Field(gt=0, description="Characters in a sample, T.")
    file: SpecPath | None = Field(None, description="The text, in UTF-8; left out: the bundled text.")
    unit: Literal["character", "byte"] = Field("character", description="What is one step.")
    held_out: float = Field(0.1, ge=0, lt=1, description="The share of the text, at its end, that is the test part.")

    @property
    def bundled(self) -> bool:
        """True where no file is named."""
        return self.file is None

    def open(self, base: Path | None) -> Dataset:
        """The part of the text. Raises DataError."""
        import numpy as np

        path = bundled("new_testament") / "new_testament.txt.gz" if self.file is None else beside(base, self.file)
        with about("file"):
            numbers, kinds, characters = self._numbers(path, content(path))
        first = len(numbers) - round(len(numbers) * self.held_out)
        here = slice(0, first) if self.split == "train" else slice(first, None)
        part = numbers[here]
        if not part.size:
            raise EmptyDataError(f"the {self.split} part of {path.name} is empty", help="change `held_out`")
        more = f", {counted(int(np.count_nonzero(part == kinds)), 'other')}" if characters else ""
        words = f"{path.name}, {self.split}: {counted(part.size, self.unit)} of {counted(kinds, 'kind')}{more}"
        return _Lanes(words, f"{path.name}, {self.split}", part, self.steps, 1, characters)

    def _numbers(self, path: Path, held: bytes) -> tuple[Array, int, str]:
        """The text as numbers, (L,), how many kinds the training part has, and these characters; none of bytes."""
        import numpy as np

        if self.unit == "byte":
            return np.frombuffer(held, np.uint8), BYTES, ""
        try:
            text = held.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnreadableDataError(
                f"'{path}' is no UTF-8: byte {error.start:,} is {held[error.start]:#04x}", help="say `unit: byte`"
            ) from None
        codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        known = np.unique(codes[: len(codes) - round(len(codes) * self.held_out)])
        places = np.searchsorted(known, codes)
        strange = (
            known[np.minimum(places, max(len(known) - 1, 0))] != codes if known.size else np.ones(len(codes), bool)
        )
        return np.where(strange, len(known), places).astype(np.uint32), len(known), known.tobytes().decode("utf-32-le")


@dataclass(frozen=True, eq=False)
class _Lanes(Dataset):
    """A text as numbers (L,), cut into `lanes` chunks; sample k is step k // lanes of lane k % lanes.

    `characters` are those that the numbers stand for, none where these are bytes.
    """

    title: str
    source: str
    numbers: Array
    steps: int
    lanes: int
    characters: str

    ordered = True

    @cached_property
    def _each(self) -> int:
        """Samples of a lane: the last character of each is followed by another."""
        return (len(self.numbers) - 1) // self.lanes // self.steps

    @property
    def shapes(self) -> Shapes:
        """T numbers, T targets, T marks."""
        return ((self.steps,),) * 3

    def __len__(self) -> int:
        return self._each * self.lanes

    def in_batches(self, size: int) -> Dataset:
        """The text cut into `size` chunks. Raises EmptyDataError where it is too short."""
        found = _Lanes(self.title, self.source, self.numbers, self.steps, size, self.characters)
        if not len(found):
            raise EmptyDataError(
                f"{self.source} has {len(self.numbers):,} steps, too few for {counted(size, 'lane')} of {self.steps:,}",
                help="take a smaller `batch_size`, or fewer `steps`",
            )
        return found

    def _starts(self, index: Index) -> Index:
        starts: Index = (index % self.lanes) * self._each * self.steps + index // self.lanes * self.steps
        return starts

    def read(self, index: Index) -> tuple[Array, ...]:
        """Numbers, those one place later, and marks, each (N, T)."""
        import numpy as np

        places = self._starts(index)[:, None] + np.arange(self.steps)
        cont = np.ones(places.shape, np.uint8)
        cont[index < self.lanes, 0] = 0
        return self.numbers[places], self.numbers[places + 1], cont

    def labels(self, output: int) -> Array | None:
        """All values of an output."""
        import numpy as np

        return self.read(np.arange(len(self)))[output]

    def facts(self) -> dict[str, Any]:
        """The characters by their numbers, or that a step is a byte: with them a net goes on writing."""
        return {"characters": self.characters} if self.characters else {"unit": "byte"}

    def describe(self) -> str:
        """The text, its characters, and how they are cut."""
        return f"{self.title}, in {counted(self.lanes, 'lane')} of {self._each:,} times {counted(self.steps, 'step')}"

    def name(self, index: int, output: int = 0) -> str:
        """The steps of a sample: steps 640 to 703 of FILE."""
        import numpy as np

        first = int(self._starts(np.array([index]))[0])
        return f"steps {first} to {first + self.steps - 1} of {self.source}"
