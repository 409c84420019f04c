"""Image files as data: each is decoded when its sample is read, in as many threads as there are cores."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.cores import decoders
from netspec.core.shape import ANY, Shapes, counted, text
from netspec.data.dataset import Batch, Dataset, Outputs
from netspec.data.image_notes import Notes, spread
from netspec.formats.files import (
    ChangedDataError,
    FileError,
    MissingDataError,
    UnreadableDataError,
    WrongSizeError,
    neighbour,
    stamp,
)
from netspec.formats.images import CHANNELS, SUFFIXES, Color, image_size, read_image, read_mask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
    Index = NDArray[np.int64]

_MOST_HEADS = 20_000
"""Files whose heads are looked at when they are opened, to know whether all images have one size."""
_FIRST_HEADS = 32
"""Files, spread over all, that are looked at first: most sets of photographs differ in these."""


_PARTS = {"train": ("train", "training"), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
"""Names of folders that hold the samples of one feed."""


@dataclass(frozen=True, eq=False)
class ImageFiles(Dataset):
    """Images (C, H, W) in files, each with its target: numbers `targets` (N,) or (N, K), or a picture of labels.

    `files` and `mask_files` are paths below `root`. `size` (H, W) is that of all images, and None where they differ;
    `names` are those of the classes; `title` says which data these are.
    """

    title: str
    root: Path
    files: Sequence[str]
    color: Color
    targets: Array | None = None
    mask_files: Sequence[str] | None = None
    names: tuple[str, ...] | None = None
    size: tuple[int, int] | None = None
    skipped: tuple[str, ...] = field(default=())
    """The messages about files that are left out, as they cannot be read."""

    @property
    def readers(self) -> int:  # type: ignore[override]
        """One for each core: Pillow decodes without Python's lock."""
        return decoders()

    @property
    def shapes(self) -> Shapes:
        """(C, H, W), then the shape of the target: (), (K,) or (1, H, W)."""
        size = self.size or (ANY, ANY)
        image = (CHANNELS[self.color], *size)
        if self.mask_files is not None:
            return image, (1, *size)
        return (image,) if self.targets is None else (image, self.targets.shape[1:])

    @property
    def masks(self) -> frozenset[int]:
        """Output 1, where the targets are pictures of labels."""
        return frozenset() if self.mask_files is None else frozenset({1})

    def __len__(self) -> int:
        return len(self.files)

    def read(self, index: Index) -> Outputs:
        """Images, views of memory (H, W, C), and their targets. Raises FileError."""
        channels = CHANNELS[self.color]
        images = [read_image(self.path(i), self.color) for i in index.tolist()]
        if self.mask_files is not None:
            masks = [self._mask(i, image) for i, image in zip(index.tolist(), images, strict=True)]
            return self._joined(images, channels, index), self._joined(masks, 1, index)
        batch = self._joined(images, channels, index)
        return (batch,) if self.targets is None else (batch, self.targets[index])

    def _mask(self, number: int, image: Array) -> Array:
        assert self.mask_files is not None
        path = self.root / self.mask_files[number]
        mask = read_mask(path)
        if mask.shape[1:] != image.shape[1:]:
            both = f"{text(mask.shape[1:])}, but its image {text(image.shape[1:])}"
            raise WrongSizeError(f"the mask '{path}' is {both}: '{self.path(number)}'")
        return mask

    def _joined(self, images: list[Array], channels: int, index: Index) -> Batch:
        """Images as one array (N, C, H, W), a view of memory (N, H, W, C); as they are where sizes may differ."""
        import numpy as np

        if self.size is None:
            return images
        for i, image in zip(index.tolist(), images, strict=True):
            if image.shape[1:] != self.size:
                raise ChangedDataError(
                    f"'{self.path(i)}' is {text(image.shape[1:])}, but was {text(self.size)} when it was opened"
                )
        kind = np.result_type(*images) if images else np.uint8
        batch = np.empty((len(images), *self.size, channels), kind)
        for row, image in zip(batch, images, strict=True):
            row[...] = image.transpose(1, 2, 0)
        return batch.transpose(0, 3, 1, 2)

    def read_through(self, index: Index) -> None:
        """Decode the images and masks at `index`, in several threads. Raises the first FileError, and counts others."""
        faults = [error for error in spread(self._fault, index.tolist(), self.readers) if error is not None]
        if faults:
            raise faults[0].changed(message=faults[0].message + _others(len(faults) - 1, len(index)))

    def _fault(self, number: int) -> FileError | None:
        """What keeps a sample from being read, if anything does."""
        import numpy as np

        try:
            self.read(np.array([number]))
        except FileError as error:
            return error
        return None

    def labels(self, output: int) -> Array | None:
        """All targets, where they are numbers."""
        return self.targets if output == 1 else None

    def classes(self, output: int) -> tuple[str, ...] | None:
        """The names of the classes, for the targets."""
        return self.names if output == 1 else None

    def path(self, index: int) -> Path:
        """The file of a sample's image."""
        return self.root / self.files[index]

    def file(self, index: int) -> str:
        """The path of a sample's image below the folder."""
        return self.files[index]

    def digest(self) -> str | None:
        """The names, sizes and times of all files, and the targets."""
        state = blake2b(f"{self.color} {self.shapes}".encode(), digest_size=16)
        for file in (*self.files, *(self.mask_files or ())):
            state.update(stamp(self.root / file).encode("utf-8", "surrogateescape"))
        if self.targets is not None:
            state.update(self.targets.tobytes())
        return state.hexdigest()

    def describe(self) -> str:
        """The title, how many images of which shape, how many classes, and how many files are left out."""
        words = [f"{self.title}: {counted(len(self), 'image')} of {text(self.shapes[0])}"]
        words += [f"{counted(len(self.names), 'class', 'classes')}"] if self.names else []
        words += [f"{counted(len(self.skipped), 'file')} that cannot be read left out"] if self.skipped else []
        return ", ".join(words)

    def name(self, index: int, output: int = 0) -> str:
        """The path of the image, or of the mask."""
        masks = self.mask_files
        return str(self.root / masks[index] if output and masks is not None else self.path(index))

    def opened(self, skip: bool) -> ImageFiles:
        """These data with the size that all images have, if they have one; with `skip` without unreadable files.

        To find these, every file is decoded; what was found is kept on the disk. Raises FileError.
        """
        notes = Notes(self.root)
        if skip:
            return self._without(notes)
        if len(self) > _MOST_HEADS:
            return self
        step = -(-len(self) // _FIRST_HEADS)
        for files in (self.files[::step], self.files):
            sizes = notes.of(files, image_size, self.readers)
            if len(set(sizes)) > 1:
                return self
        notes.keep()
        return replace(self, size=sizes[0])

    def _without(self, notes: Notes) -> ImageFiles:
        """These data without the files that cannot be read. Raises the first FileError where none can be read."""

        def decoded(path: Path) -> tuple[int, int]:
            height, width = read_image(path, self.color).shape[1:]
            return height, width

        faults: dict[int, FileError] = {}
        sizes = notes.of(self.files, decoded, self.readers, faults)
        if self.mask_files is not None:
            for i, error in enumerate(spread(self._fault, range(len(self)), self.readers)):
                if error is not None:
                    faults[i] = error
        notes.keep()
        good = [i for i in range(len(self)) if i not in faults]
        if not good:
            raise faults[0].changed(message=faults[0].message + _others(len(faults) - 1, len(self)))
        equal = {sizes[i] for i in good}
        return replace(
            self,
            files=tuple(self.files[i] for i in good),
            targets=None if self.targets is None else self.targets[good],
            mask_files=None if self.mask_files is None else tuple(self.mask_files[i] for i in good),
            size=equal.pop() if len(equal) == 1 else None,
            skipped=tuple(faults[i].message for i in sorted(faults)),
        )


def _others(more: int, total: int) -> str:
    """Words for the files that cannot be read either."""
    return f" (and {more:,} more of {total:,} files cannot be read)" if more else ""


def natural(name: str) -> tuple[str, str]:
    """A key that sorts names as people count: 2.png before 10.png. It does not depend on the system's language."""
    return re.sub(r"[0-9]+", lambda digits: digits[0].lstrip("0").zfill(20), name), name


def hidden(name: str) -> bool:
    """Whether a file or folder is one that systems leave behind."""
    return name.startswith(".") or name in {"__MACOSX", "Thumbs.db"}


def listing(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, but for hidden things, in natural order. Raises MissingDataError, UnreadableDataError."""
    try:
        with os.scandir(folder) as entries:
            return sorted((one for one in entries if not hidden(one.name)), key=lambda one: natural(one.name))
    except FileNotFoundError:
        raise MissingDataError(f"there is no folder '{folder}'", help=neighbour(folder)) from None
    except NotADirectoryError:
        raise UnreadableDataError(f"'{folder}' is not a folder") from None
    except OSError as error:
        raise UnreadableDataError(f"'{folder}' cannot be read: {error.strerror or error}") from None


def parts_of(folder: str) -> dict[str, str]:
    """The folders of the feeds train, validation and test in a folder; itself as `all` where it has other folders.

    Raises MissingDataError, UnreadableDataError.
    """
    there = {entry.name.lower(): entry.name for entry in listing(Path(folder)) if entry.is_dir()}
    found = {
        part: f"{folder.rstrip('/')}/{there[name]}" for part, names in _PARTS.items() for name in names if name in there
    }
    return found if "train" in found and len(there) == len(found) else {"all": folder}


def images_in(root: Path, part: str = "") -> Iterator[str]:
    """The image files in the folder `part` of `root` and in those below it, as paths below `root`, in natural order.

    A folder that links lead to again is entered once: links in a circle end, and few links do not make many files.
    Raises UnreadableDataError.
    """
    entered: set[str] = set()
    waiting = [(part, True)]
    while waiting:
        path, folder = waiting.pop()
        if not folder:
            yield path
            continue
        real = os.path.realpath(root / path)
        if real in entered:
            continue
        entered.add(real)
        inside = [(f"{path}/{entry.name}" if path else entry.name, entry.is_dir()) for entry in listing(root / path)]
        waiting += [one for one in reversed(inside) if one[1] or os.path.splitext(one[0])[1].lower() in SUFFIXES]
