"""FashionMNIST: 70,000 grey 28x28 pictures of ten kinds of clothing.

Source: Xiao, Rasul & Vollgraf 2017, "Fashion-MNIST: a novel image dataset for benchmarking machine learning
algorithms".
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from netspec.core.locate import beside, bundled, folder_of
from netspec.core.model import SpecPath, wrong
from netspec.data.dataset import Dataset
from netspec.data.sources.base import Source
from netspec.data.sources.idx import open_pair

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""The folder of Debian's package dataset-fashion-mnist."""

CLASSES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
"""The kinds of clothing, 0 to 9."""

_HELP = (
    "leave `folder` out to use the bundled subset, install Debian's dataset-fashion-mnist,"
    " or fetch the four files from https://github.com/zalandoresearch/fashion-mnist"
)


class FashionMNIST(Source):
    """Image (1, 28, 28) and label 0..9; 60,000 for training and 10,000 for testing.

    The files are looked for in `folder`; without it in NETSPEC_DATA_DIR/fashion-mnist, then in Debian's package
    dataset-fashion-mnist, then in the subset that comes with netspec: 10,000 and 2,000 samples, equally many of each
    class.
    """

    split: Literal["train", "test"] = Field(description="Which part.")
    folder: SpecPath | None = Field(
        None, description="The folder of the four idx files; left out: where they are usually found."
    )
    subset: bool = Field(
        False, description="Use the bundled subset wherever the whole set is at hand, so that machines can be compared."
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.subset and self.folder is not None:
            raise wrong(
                "`subset` means the bundled files, and `folder` others", field="folder", help="leave one of them out"
            )
        return self

    @property
    def bundled(self) -> bool:
        """True where no folder is named."""
        return self.folder is None

    def open(self, base: Path | None) -> Dataset:
        """The images and labels. Raises DataError."""
        folder, shown = self._place(base)
        return open_pair(f"Fashion-MNIST {self.split}, {shown}", folder, self.split, CLASSES, _HELP)

    def _place(self, base: Path | None) -> tuple[Path, str]:
        """(folder, its name in messages)."""
        if self.folder is not None:
            folder = beside(base, self.folder)
            return folder, str(folder)
        own = folder_of("NETSPEC_DATA_DIR")
        for folder in [own / "fashion-mnist", DEBIAN] if own else [DEBIAN]:
            if not self.subset and folder.is_dir():
                return folder, str(folder)
        return bundled("fashion_mnist"), "bundled subset"
