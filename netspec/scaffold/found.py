"""What was found at a path: images in folders, a table, or a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netspec.core.shape import counted

Size = tuple[int, int]
"""Height and width."""


@dataclass(frozen=True)
class Images:
    """Images of some classes, one folder a class.

    `parts` are the folders by the feed that they are for, as a solver names them: `all`, or `train` beside
    `validation` and `test`. `size` is the height and width of all images, None where they differ; `short` is the
    median of their shorter sides. `samples` are those of `all` or `train`, `broken` the files among them that cannot
    be read, where one was met, `least` those of the smallest class.
    """

    parts: Mapping[str, str]
    classes: tuple[str, ...]
    samples: int
    channels: int
    size: Size | None
    short: int
    broken: int
    least: int

    def __str__(self) -> str:
        """120 colour images of 32x32 in 4 classes."""
        kind = {1: "grey ", 3: "colour "}.get(self.channels, "")
        size = f"{self.size[0]}x{self.size[1]}" if self.size else f"about {self.short} pixels on the short side"
        images = counted(self.samples, f"{kind}image")
        broken = f"; {counted(self.broken, 'file')} that cannot be read left out" if self.broken else ""
        return f"{images} of {size} in {counted(len(self.classes), 'class', 'classes')}{broken}"


@dataclass(frozen=True)
class Table:
    """A table with a column to predict.

    `kind` is the source that reads it, `fields` what else must be said to it. `features` is the length of a sample once
    columns have become numbers; `categories` are columns of words among them, and `left` those that look like names of
    rows, dates or texts and are left out. `classes` is empty where the target is a number to be met; `least` is the
    number of samples of the smallest class.
    """

    file: str
    kind: str
    fields: Mapping[str, str]
    target: str
    categories: tuple[str, ...]
    left: tuple[str, ...]
    features: int
    rows: int
    classes: tuple[str, ...]
    least: int

    def __str__(self) -> str:
        """150 rows of 4 features, 'species' of 3 classes."""
        what = counted(len(self.classes), "class", "classes") if self.classes else "real numbers"
        return f"{counted(self.rows, 'row')} of {counted(self.features, 'feature')}, '{self.target}' of {what}"


@dataclass(frozen=True)
class Characters:
    """A text of so many characters, of which `different` are different."""

    file: str
    length: int
    different: int

    def __str__(self) -> str:
        """1,115,394 characters, 65 different ones."""
        return f"{counted(self.length, 'character')}, {self.different:,} different ones"


Found = Images | Table | Characters
