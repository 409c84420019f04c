"""Iris: sepals and petals of 150 irises, and which of three species each is.

Source: Fisher 1936, "The use of multiple measurements in taxonomic problems", with the values of scikit-learn.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from netspec.core.locate import bundled
from netspec.data.chosen import Chosen
from netspec.data.dataset import Dataset
from netspec.data.sources.base import Source
from netspec.data.sources.csv import Csv

_FIFTH = 5


class Iris(Source):
    """Four lengths and widths in cm (4,), and the species 0..2; of each species 40 for training, 10 for testing."""

    split: Literal["train", "test", "all"] = Field(
        "all", description="Which part: every fifth iris is for testing; `all` are all 150."
    )

    @property
    def bundled(self) -> bool:
        """True: the table comes with netspec."""
        return True

    def open(self, base: Path | None) -> Dataset:
        """The irises."""
        import numpy as np

        data = Csv(file="iris.csv", label="species").open(bundled("iris"))
        if self.split == "all":
            return data
        fifth = np.arange(len(data)) % _FIFTH == _FIFTH - 1
        return Chosen(data, np.flatnonzero(fifth == (self.split == "test")), self.split)
