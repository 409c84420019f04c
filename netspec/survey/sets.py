"""The sets of samples that are looked at: the feeds of a solver, or the images of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netspec.core.errors import UsageError
from netspec.core.locate import expanded
from netspec.data.dataset import Dataset
from netspec.data.feed import Feed
from netspec.data.image_files import listing, parts_of
from netspec.data.sources.image_folder import ImageFolder
from netspec.formats.files import FileError
from netspec.formats.images import SUFFIXES
from netspec.training import folders
from netspec.training.feeds import open_phases
from netspec.training.job import load_solver


class NoSetError(UsageError):
    """There is no set of samples of that name."""

    code = "NS672"


@dataclass(frozen=True)
class Sample:
    """A set of samples: the data as they are stored and, of a solver, the feed that transforms them."""

    name: str
    data: Dataset
    feed: Feed | None = None


def sets(reference: str, overrides: list[str], on: list[str] | None = None) -> dict[str, Sample]:
    """The sets of a solver by the names of its feeds, or a folder of images as the set `all`.

    Where its folders are called train, validation and test, each is a set. `on` chooses some of the sets.
    Raises NoSetError, and what opening the data raises.
    """
    place = expanded(reference)
    if Path(place).is_dir() and not folders.holds(place):
        if overrides:
            help = f"write a solver for it: netspec init {reference}"
            raise NoSetError(f"a folder has no values to change, such as '{overrides[0]}'", help=help)
        found = {name: Sample(name, _folder(Path(part))) for name, part in parts_of(str(place)).items()}
    else:
        job = load_solver(reference, overrides)
        feeds = open_phases(job, job.spec.random_seed)
        found = {name: Sample(name, feed.data, feed) for name, feed in feeds.items()}
    if not found:
        raise NoSetError(f"'{reference}' has no data", help="its net brings its own")
    for name in on or ():
        if name not in found:
            raise NoSetError(f"there is no set '{name}'", help=f"there are {', '.join(found)}")
    return {name: sample for name, sample in found.items() if not on or name in on}


def _folder(place: Path) -> Dataset:
    """The images of a folder: of its folders, each a class, even an empty one; or all, where most lie beside these.

    Where one cannot be read, all are there as files, so that a survey meets each that is broken. Raises DataError.
    """
    inside = listing(place)
    classes = tuple(entry.name for entry in inside if entry.is_dir())
    loose = sum(Path(entry.name).suffix.lower() in SUFFIXES for entry in inside if not entry.is_dir())
    labels = len(classes) > loose
    source = ImageFolder(folder=str(place), classes=classes if labels else None, labels=labels)
    try:
        return source.open(None)
    except FileError:
        return source.listed(None)
