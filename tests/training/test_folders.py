"""Folders of runs: names of any text, two that begin at the same moment, and folders that links lead to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.training import folders, snapshot
from netspec.training.folders import NoRunError
from netspec.training.job import Job, load_solver
from netspec.training.run import run
from netspec.training.runs import FolderInUseError, FolderTakenError

Make = Callable[..., dict[str, Any]]


@pytest.fixture
def job(solver: Make, here: Path) -> Job:
    return load_solver(solver(max_iter=2))


def held(folder: Path, iteration: int = 1) -> Path:
    """A run folder with the name of a snapshot in it."""
    (folder / "snapshots").mkdir(parents=True)
    (folder / "config.yaml").touch()
    (folder / "snapshots" / snapshot.name(iteration)).touch()
    return folder


@pytest.mark.parametrize("name", ["net", "n[1]", "*", "?et", "{a,b}", "a-1", "~", "-n", "ü", "50%", "a\nb", ".n"])
def test_a_name_means_itself(name: str, here: Path) -> None:
    """No other run is found by it, although a pattern of that name would match."""
    for other in ("n1", "net-2", "met", "a", "b"):
        held(here / "runs" / f"{other}-7")
    with pytest.raises(NoRunError):
        folders.latest_folder(name)
    assert folders.claimed_folder(name) == Path("runs") / f"{name}-1"
    last = held(Path("runs") / f"{name}-10")
    assert folders.latest_folder(name) == last
    assert folders.fresh_folder(name) == Path("runs") / f"{name}-2"


@pytest.mark.parametrize("name", ["a/b", "../../a", "/a", "n" * 300, "", ".", ".."])
def test_a_name_that_is_no_file_name_makes_one_folder_all_the_same(name: str, here: Path) -> None:
    made = folders.claimed_folder(name)
    assert made.parent == Path("runs") and made.is_dir() and [made.name] == [p.name for p in (here / "runs").iterdir()]
    (made / "snapshots").mkdir()
    (made / "snapshots" / snapshot.name(3)).touch()
    assert folders.latest_folder(name) == made


def test_many_that_claim_a_folder_at_once_get_one_each(here: Path) -> None:
    barrier, got = threading.Barrier(8), []

    def claim() -> None:
        barrier.wait()
        got.extend(folders.claimed_folder("net") for _ in range(5))

    threads = [threading.Thread(target=claim) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(Path("runs") / f"net-{number}" for number in range(1, 41))


def test_two_that_begin_together_train_in_folders_of_their_own(job: Job, here: Path) -> None:
    one, other = run(job), run(job)
    assert one.folder == other.folder == Path("runs") / "tiny-1"  # what would be next, before either begins
    next(one)
    next(other)
    assert (one.folder, other.folder) == (Path("runs") / "tiny-1", Path("runs") / "tiny-2")
    assert [list(each)[-1].iteration for each in (one, other)] == [2, 2]  # type: ignore[union-attr]


def test_of_two_that_begin_in_one_folder_one_trains(job: Job, here: Path) -> None:
    one, other, late = run(job, "r"), run(job, "r"), run(job, "r")
    next(one)
    with pytest.raises(FolderInUseError):
        next(other)
    assert (here / "r" / "snapshots").is_dir()
    list(one)
    before = sorted((here / "r").rglob("*"))
    with pytest.raises(FolderTakenError):  # although nothing was there when it was asked for
        next(late)
    assert sorted((here / "r").rglob("*")) == before


def test_of_two_that_resume_one_trains(job: Job, solver: Make, here: Path) -> None:
    list(run(job, "r"))
    longer = load_solver(solver(max_iter=4))
    one, other = run(longer, "r", resume=True), run(longer, "r", resume=True)
    next(one)
    with pytest.raises(FolderInUseError):
        next(other)
    assert list(one)[-1].iteration == 4  # type: ignore[union-attr]


def test_a_folder_of_others_is_left_as_it_is(job: Job, here: Path) -> None:
    (here / "mine" / "snapshots").mkdir(parents=True)
    (here / "mine" / "notes.txt").touch()
    with pytest.raises(FolderTakenError):
        next(run(job, "mine"))
    assert sorted(path.name for path in (here / "mine").iterdir()) == ["notes.txt", "snapshots"]


def test_a_snapshot_belongs_to_the_run_around_it_by_any_path(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = held(here / "a")
    name = snapshot.name(1)
    (here / "link").symlink_to("a/snapshots")
    (here / "other").mkdir()
    (home / "snapshots" / "deep").mkdir()
    for path in (f"a/snapshots/{name}", f"a/../a/snapshots/{name}", f"a/snapshots/deep/../{name}", f"link/{name}"):
        folder, file = folders.places("n", None, Path(path))
        assert folder.samefile(home) and file == Path(path)
    monkeypatch.chdir(home / "snapshots")
    assert folders.places("n", None, Path(name))[0].samefile(home)
    monkeypatch.chdir(home)
    assert folders.places("n", None, Path("snapshots") / name)[0].samefile(home)
    (here / "b").mkdir()
    (here / "b" / "snapshots").symlink_to(here / "a" / "snapshots")  # on a larger disk, say
    assert folders.places("n", None, here / "b" / "snapshots" / name)[0] == here / "b"
