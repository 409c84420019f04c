"""Idx: the format of MNIST, raw or gzipped.

A file is two zero bytes, a type byte, the number of axes, each axis as a big-endian int32, then the values in row-major
order.
Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from netspec.core.locate import beside
from netspec.core.model import SpecPath
from netspec.data.dataset import Dataset
from netspec.data.sources.base import ArrayDataset, Source
from netspec.formats.files import about, first_of
from netspec.formats.idx import read_idx


class Idx(Source):
    """Images, and labels if there are any, in idx files; an image of two axes becomes (1, H, W)."""

    images: SpecPath = Field(description="The idx file of images, raw or gzipped.")
    labels: SpecPath | None = Field(None, description="The idx file of labels; left out: the source has one output.")

    def open(self, base: Path | None) -> Dataset:
        """The images and labels. Raises DataError."""
        images = beside(base, self.images)
        labels = beside(base, self.labels) if self.labels is not None else None
        return open_idx(f"idx {images}", images, labels)


def open_pair(title: str, folder: Path, split: str, kinds: tuple[str, ...], help: str) -> ArrayDataset:
    """The images and labels of a split in a folder of four idx files that are named as MNIST's. Raises DataError.

    `kinds` are the names of the classes, and `help` says where the files come from.
    """
    stem = {"train": "train", "test": "t10k"}[split]
    with about("folder"):
        images, labels = (
            first_of(folder, [f"{stem}-{kind}{end}" for kind in written for end in (".gz", "")], help)
            for written in (
                ("images-idx3-ubyte", "images.idx3-ubyte"),
                ("labels-idx1-ubyte", "labels.idx1-ubyte"),
            )
        )
        return open_idx(title, images, labels, kinds)


def open_idx(title: str, images: Path, labels: Path | None, kinds: tuple[str, ...] = ()) -> ArrayDataset:
    """Images (len, C, H, W) and labels (len,), numbers of the classes `kinds`, as a dataset. Raises DataError."""
    with about("images"):
        opened = [read_idx(images)]
    if opened[0][0].ndim == 3:
        array, file = opened[0]
        opened[0] = array.reshape(len(array), 1, *array.shape[1:]), file
    if labels is not None:
        with about("labels"):
            opened.append(read_idx(labels))
    arrays, files = zip(*opened, strict=True)
    names = tuple(file.path.name for file in files)
    return ArrayDataset(title, names, arrays, watched=files, kinds={1: kinds} if kinds else {})
