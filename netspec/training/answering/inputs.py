"""New samples to predict for: image files, folders of images, tables, arrays, and what comes from standard input.

An input that cannot be read is an error of its own; the others are read all the same.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from netspec.core.errors import DataError, NetspecError
from netspec.core.shape import Shape
from netspec.data.dataset import Dataset
from netspec.data.image_files import images_in
from netspec.formats.files import MissingDataError, WrongFormatError
from netspec.formats.npy import open_npy

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.formats.images import Color


class EmptyInputError(DataError):
    """There is nothing to predict for: a folder without images, or an empty input."""

    code = "NS660"


STDIN = "-"
"""The word for standard input."""
_NAME = "stdin"
"""What it is called in answers."""


class Part(Protocol):
    """Some inputs of one kind."""

    def __len__(self) -> int:
        """How many samples."""

    def name(self, index: int) -> str:
        """The name of a sample in answers."""

    def read(self, index: range, color: Color) -> Sequence[Array]:
        """Some samples, each (*shape); images in the colour that is asked for. Raises NetspecError."""


@dataclass(frozen=True)
class Images:
    """Image files, each with its content where that is in memory already."""

    files: Sequence[tuple[str, bytes | None]]

    def __len__(self) -> int:
        return len(self.files)

    def name(self, index: int) -> str:
        """The path."""
        return self.files[index][0]

    def read(self, index: range, color: Color) -> Sequence[Array]:
        """The images (C, H, W). Raises FileError."""
        from netspec.formats.images import decode, read_image

        files = (self.files[i] for i in index)
        return [read_image(Path(n), color) if c is None else decode(io.BytesIO(c), n, color) for n, c in files]


@dataclass(frozen=True)
class Rows:
    """The samples of an array, the first axis of which counts them."""

    title: str
    array: Any

    def __len__(self) -> int:
        return len(self.array)

    @property
    def shape(self) -> Shape:
        """The shape of a sample."""
        shape: Shape = self.array.shape[1:]
        return shape

    def name(self, index: int) -> str:
        """The title with the place in the array."""
        return f"{self.title}[{index}]"

    def read(self, index: range, color: Color) -> Sequence[Array]:
        """The samples."""
        import numpy as np

        return list(self.array.take(np.array(index), axis=0))


@dataclass(frozen=True)
class Samples:
    """The samples of data that a source has opened; `folder` is temporary, and goes with them."""

    title: str
    data: Dataset
    folder: TemporaryDirectory[str] | None = None

    def __len__(self) -> int:
        return len(self.data)

    @property
    def shape(self) -> Shape:
        """The shape of a sample."""
        return self.data.shapes[0]

    def name(self, index: int) -> str:
        """The name that the data give it."""
        return self.data.name(index)

    def read(self, index: range, color: Color) -> Sequence[Array]:
        """The first outputs of the samples."""
        import numpy as np

        return list(self.data.read(np.array(index))[0])


@dataclass(frozen=True)
class Unread:
    """An input that cannot be opened."""

    title: str
    error: NetspecError

    def __len__(self) -> int:
        return 1

    def name(self, index: int) -> str:
        """What was named."""
        return self.title

    def read(self, index: range, color: Color) -> Sequence[Array]:
        """Nothing: raises the error."""
        raise self.error


Table = Callable[[Path], Dataset | None]
"""How the source that a net was trained on reads new samples; None where it reads no such files."""


def parts(words: Sequence[str], table: Table, stdin: BinaryIO | None = None) -> Iterator[Part]:
    """The inputs that words name, in their order; neighbouring images are one part."""
    images: list[tuple[str, bytes | None]] = []
    for word in words:
        try:
            found = _from_stdin(stdin, table) if word == STDIN else _named(Path(word), table)
        except NetspecError as error:
            found = [Unread(_NAME if word == STDIN else word, error)]
        for part in found:
            if isinstance(part, Images):
                images += part.files
                continue
            if images:
                yield Images(tuple(images))
                images = []
            yield part
    if images:
        yield Images(tuple(images))


def _named(path: Path, table: Table) -> list[Part]:
    """The inputs in a file or a folder. Raises DataError."""
    from netspec.formats.images import SUFFIXES

    if path.is_dir():
        files = [(str(path / name), None) for name in images_in(path)]
        if not files:
            help = f"images end in {', '.join(sorted(SUFFIXES)[:6])}, ..."
            raise EmptyInputError(f"the folder '{path}' holds no images", help=help)
        return [Images(files)]
    if not path.exists():
        raise MissingDataError(f"there is no file '{path}'")
    if path.suffix.lower() == ".npy":
        return [_rows(str(path), open_npy(path)[0])]
    if path.suffix.lower() not in SUFFIXES and (data := table(path)) is not None:
        return [Samples(str(path), data)]
    return [Images([(str(path), None)])]


def _rows(title: str, array: Any) -> Part:
    if array.dtype.kind not in "biuf" or not array.ndim or not len(array):
        raise WrongFormatError(f"'{title}' holds no samples", help="an array of numbers, whose first axis counts them")
    return Rows(title, array)


def _from_stdin(stdin: BinaryIO | None, table: Table) -> list[Part]:
    """What standard input holds: an image, an array, the rows of a table, or the names of files, one a line."""
    import numpy as np

    content = b"" if stdin is None else stdin.read()
    if not content:
        raise EmptyInputError("standard input is empty")
    if content.startswith(b"\x93NUMPY"):
        try:
            return [_rows(_NAME, np.load(io.BytesIO(content), allow_pickle=False))]
        except (ValueError, EOFError) as error:
            raise WrongFormatError(f"standard input is no sound .npy file: {error}") from None
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        return [Images([(_NAME, content)])]
    folder = TemporaryDirectory()
    path = Path(folder.name) / _NAME
    path.write_bytes(content)
    if (data := table(path)) is not None:
        return [Samples(_NAME, data, folder)]
    folder.cleanup()
    return list(parts([line for line in lines if line], table))
