"""ImageFolder: a folder of images, in which each class has a folder of its own.

Classes are numbered in natural order of their names, 2 before 10, where torchvision and Keras sort letter by letter.
Folders below that of a class belong to it. Hidden files and files without the ending of an image are passed over.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from netspec.core.errors import DataError
from netspec.core.locate import beside
from netspec.core.model import Aka, Listed, SpecPath, wrong
from netspec.core.shape import counted
from netspec.core.spelling import suggest
from netspec.data.image_files import ImageFiles, images_in, listing
from netspec.data.sources.base import EmptyDataError, Source
from netspec.formats.files import FileError, MissingDataError, about
from netspec.formats.images import SUFFIXES, Color


class ClassFoldersError(FileError):
    """The folders of a folder of images are no classes to learn: there are none, only one, or an empty one."""

    code = "NS628"


class ImageFolder(Source):
    """Image (C, H, W) of bytes, and its class: the number of the folder that it lies in."""

    folder: Annotated[SpecPath, Aka("path", "root", "directory")] = Field(
        description="The folder with a folder of images for each class."
    )
    classes: Annotated[Listed[str] | None, Aka("class_names")] = Field(
        None,
        description="The classes 0, 1, ... by the names of their folders; left out: all folders, in natural order.",
    )
    labels: bool = Field(True, description="`false` takes all images of the folder, at any depth, without classes.")
    color: Annotated[Color, Aka("color_mode", "is_color")] = Field(
        "rgb", description="Channels: red, green, blue, or `bgr`; one of grey; or `rgba`, the fourth being the opacity."
    )
    on_error: Literal["error", "skip"] = Field(
        "error", description="What an unreadable file does: stop with its name, or be left out, which is reported."
    )

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.classes and not self.labels:
            raise wrong("without labels there are no `classes`", field="classes", help="leave one of them out")
        twice = [name for i, name in enumerate(self.classes or ()) if name in (self.classes or ())[:i]]
        if twice:
            raise wrong(f"the class '{twice[0]}' is named twice", field="classes", help="every class has one number")
        return self

    def open(self, base: Path | None) -> ImageFiles:
        """The images; without `on_error: skip` only their heads are read now. Raises DataError."""
        with about("folder"):
            data = self.listed(base).opened(self.on_error == "skip")
            if data.skipped and data.names and self.classes is None:
                self._check_kept(data)
            return data

    def listed(self, base: Path | None) -> ImageFiles:
        """The images as files, none of which is looked at. Raises DataError."""
        import numpy as np

        root = beside(base, self.folder)
        with about("folder"):
            if not self.labels:
                files = tuple(images_in(root))
                if not files:
                    raise _empty(root)
                return ImageFiles(str(root), root, files, self.color)
            names, title = self._classes(root)
            found = [tuple(images_in(root, name)) for name in names]
            self._check(root, names, found)
            numbers = np.repeat(np.arange(len(names)), [len(files) for files in found])
            files = tuple(file for each in found for file in each)
            return ImageFiles(title, root, files, self.color, numbers, names=names)

    def _check_kept(self, data: ImageFiles) -> None:
        """Raise an error where a class has lost all its images."""
        import numpy as np

        names = data.names or ()
        kept = np.bincount(np.asarray(data.targets), minlength=len(names))
        if not kept.all():
            raise ClassFoldersError(
                f"the class '{names[int(kept.argmin())]}' has no images that can be read",
                help="leave `on_error: skip` out to see what is wrong with them",
            )

    def _classes(self, root: Path) -> tuple[tuple[str, ...], str]:
        """The names of the classes, and the title of the data, which says what is left out of the folder."""
        inside = listing(root)
        folders = tuple(entry.name for entry in inside if entry.is_dir())
        loose = sum(os.path.splitext(one.name)[1].lower() in SUFFIXES for one in inside if one.name not in folders)
        if not folders and loose:
            raise ClassFoldersError(
                f"'{root}' holds {counted(loose, 'image')}, but no folder of a class",
                help="put the images of each class into a folder of its own, or say `labels: false`",
            )
        names = self.classes or folders
        for i, name in enumerate(names):
            if name not in folders:
                raise MissingDataError(f"'{root}' holds no folder '{name}'", help=suggest(name, folders)).changed(
                    field=f"classes.{i}"
                )
        others = [counted(len(folders) - len(names), "other folder")] if len(folders) > len(names) else []
        others += [f"{counted(loose, 'image')} beside the folders of classes"] if loose else []
        return names, f"{root}, without {' and '.join(others)}" if others else str(root)

    def _check(self, root: Path, names: tuple[str, ...], found: list[tuple[str, ...]]) -> None:
        """Raise an error where there are no images, or where nothing can be learned; `classes` may be as they are."""
        if not any(found):
            raise _empty(root)
        empty = [name for name, files in zip(names, found, strict=True) if not files]
        if self.classes is None and empty:
            raise ClassFoldersError(
                f"the class '{empty[0]}' has no images" + (f" (and {len(empty) - 1:,} more)" if empty[1:] else ""),
                help=f"remove the folder '{root / empty[0]}', or name the classes that there are: `classes: [...]`",
            )
        if self.classes is None and len(names) == 1:
            raise ClassFoldersError(
                f"all images of '{root}' are of one class, '{names[0]}'",
                help="a net needs two to tell apart; name the folder above, or say `labels: false`",
            )


def _empty(root: Path) -> DataError:
    """The error about a folder without images."""
    help = "files that end in .jpg, .png, .webp, .bmp, .tif, .gif or .pgm are looked for"
    return EmptyDataError(f"'{root}' holds no images", help=help).changed(field="folder")
