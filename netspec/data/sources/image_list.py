"""ImageList: a text file with a line for each image: its path, then its label.

Caffe's ImageData reads such files. As there, a path may hold blanks: the labels are the numbers at the end of the line.
There may be several, and `target: mask` takes a picture of labels in their place: its path. Where a line has a tab,
only tabs separate. A label may be a word of `classes`. Source: Caffe's image_data_layer.cpp.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from netspec.core.locate import beside, home
from netspec.core.model import Aka, Listed, SpecPath
from netspec.core.shape import counted
from netspec.data.dataset import Dataset
from netspec.data.image_files import ImageFiles
from netspec.data.sources.base import EmptyDataError, Source
from netspec.formats.files import FileError, UnreadableDataError, about, opened
from netspec.formats.images import Color

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class ListLineError(FileError):
    """A line of a list of images is not a path and its label."""

    code = "NS629"


class ImageList(Source):
    """Image (C, H, W) of bytes, and its target: a label (), several (K,), a mask (1, H, W), or none."""

    file: Annotated[SpecPath, Aka("source", "list")] = Field(description="The list: `path label` in each line.")
    root: Annotated[SpecPath | None, Aka("root_folder")] = Field(
        None,
        description="The folder that paths begin in; left out: that of the list, the current one, or one above.",
    )
    target: Literal["label", "mask", "none"] = Field(
        "label", description="What follows the path: numbers, the path of a picture of labels, or nothing."
    )
    classes: Annotated[Listed[str] | None, Aka("class_names")] = Field(
        None, description="The names of the classes 0, 1, ...; labels may then be words."
    )
    color: Annotated[Color, Aka("is_color")] = Field(
        "rgb", description="Channels: red, green, blue, or `bgr`; one of grey; or `rgba`, the fourth being the opacity."
    )
    on_error: Literal["error", "skip"] = Field(
        "error", description="What an unreadable file does: stop with its name, or be left out, which is reported."
    )

    def open(self, base: Path | None) -> Dataset:
        """The images; without `on_error: skip` only their heads are read now. Raises DataError."""
        path = beside(base, self.file)
        with about("file"):
            lines = [
                _Line(path, number, line) for number, line in enumerate(_text(path).split("\n"), 1) if line.strip()
            ]
            if not lines:
                raise EmptyDataError(f"'{path}' names no images", help="write `path label` in each line")
            split = {"label": self._labelled, "mask": _masked, "none": lambda line: (line.text.strip(), ())}[
                self.target
            ]
            files, targets = zip(*map(split, lines), strict=True)
            root = home(path.parent, files[0]) if self.root is None else beside(base, self.root)
            masks = tuple(words[0] for words in targets) if self.target == "mask" else None
            numbers = _numbers(lines, targets) if self.target == "label" else None
            data = ImageFiles(str(path), root, files, self.color, numbers, masks, names=self.classes or None)
            return data.opened(self.on_error == "skip")

    def _labelled(self, line: _Line) -> tuple[str, tuple[float, ...]]:
        """The path in a line, and its labels: all numbers and names of classes at its end."""
        words, joint = line.words
        known = {name: float(number) for number, name in enumerate(self.classes or ())}
        labels: list[float] = []
        while len(words) > 1 and (label := _number(words[-1], known)) is not None:
            labels.insert(0, label)
            words = words[:-1]
        if not labels:
            help = "name the class as one of `classes`" if known else "a label is a number, or a word of `classes`"
            raise line.wrong("ends without a label" if len(words) > 1 else "has no label", help)
        if len(words) > 1 and joint == "\t":
            raise line.wrong(f"has the label '{words[-1]}', which is no number", "labels are numbers")
        return joint.join(words), tuple(labels)


class _Line(NamedTuple):
    """A line of a list."""

    path: Path
    number: int
    text: str

    @property
    def words(self) -> tuple[list[str], str]:
        """The parts of the line, and what separates them: tabs, or else blanks."""
        joint = "\t" if "\t" in self.text.strip() else " "
        return [word.strip() for word in self.text.strip().split(joint) if word.strip()], joint

    def wrong(self, what: str, help: str) -> ListLineError:
        """The error about this line."""
        return ListLineError(f"line {self.number:,} of '{self.path}' {what}: {self.text.strip()!r}", help=help)


def _number(word: str, known: dict[str, float]) -> float | None:
    if word in known:
        return known[word]
    try:
        return float(word)
    except ValueError:
        return None


def _masked(line: _Line) -> tuple[str, tuple[str, ...]]:
    words, joint = line.words
    if len(words) < 2:
        raise line.wrong("names no mask", "write the path of the image, and that of its mask")
    if len(words) > 2 and joint == "\t":
        raise line.wrong(f"has {counted(len(words), 'part')}", "write the path of the image, and that of its mask")
    return joint.join(words[:-1]), (words[-1],)


def _numbers(lines: list[_Line], targets: tuple[tuple[float, ...], ...]) -> Array:
    """Labels (N,), or (N, K) where a line has K; whole numbers where all are. Raises ListLineError."""
    import numpy as np

    for line, labels in zip(lines, targets, strict=True):
        if len(labels) != len(targets[0]):
            many = f"has {counted(len(labels), 'label')}, but line {lines[0].number:,} has {len(targets[0]):,}"
            raise line.wrong(many, "all images have equally many; where a path ends in a number, separate by tabs")
    numbers = np.array(targets)
    if not np.isfinite(numbers).all():
        first = lines[int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])]
        raise first.wrong("has a label that is not finite", "labels are numbers")
    if (numbers == np.floor(numbers)).all() and np.abs(numbers).max() < 2**53:
        numbers = numbers.astype(np.int64)
    return numbers[:, 0] if numbers.shape[1] == 1 else numbers


def _text(path: Path) -> str:
    """The text of a list, in UTF-8. Raises UnreadableDataError."""
    with opened(path) as file:
        content = file.read()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableDataError(
            f"line {line:,} of '{path}' is no UTF-8: byte {error.start:,} of the file is {content[error.start]:#04x}",
            help="save the list as UTF-8",
        ) from None
