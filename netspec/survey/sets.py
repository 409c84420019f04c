"""The sets of samples that are looked at: the feeds of a solver, or the images of a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netspec.core.errors import UsageError
from netspec.core.locate import expanded
from netspec.data.dataset import Dataset
from netspec.data.feed import Feed
from netspec.data.sources.base import SOURCES, Source
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

    `on` chooses some of them. Raises NoSetError, and what opening the data raises.
    """
    place = expanded(reference)
    if Path(place).is_dir() and not folders.holds(place):
        source: Source = SOURCES.parse({"type": "ImageFolder", "folder": str(place)})
        found = {"all": Sample("all", source.open(None))}
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
