"""Paths mean what the operating system means: links, `..` behind links, files that name files, and what runs record.

A mutation run makes random trees of folders and links. Every data file holds a number of its own, which tells what was
read; the file that should be read is the one that the system opens at `folder/path`.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.language.document import dump
from netspec.training import provenance
from netspec.training.feeds import open_phase
from netspec.training.job import Job, load_solver
from netspec.training.recorded import settings
from tests.helpers.mutations import seeds
from tests.helpers.trees import Tree

NET = {
    "layers": [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3], [2]]},
        {"name": "ip", "type": "InnerProduct", "num_output": 4, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
}
BASIC = {"base_lr": 0.1, "lr_policy": "fixed", "max_iter": 1}


def quoted(text: str) -> str:
    """A path as a spec writes it: a dollar sign is doubled."""
    return text.replace("$", "$$")


def read_by(job: Job) -> list[int]:
    """The numbers in the files that the feeds of TRAIN and TEST of a job read."""
    found = []
    for phase in ("TRAIN", "TEST"):
        feed = open_phase(job, phase, 1)
        assert feed is not None
        found.append(round(float(feed.batch(0, 2)[0].mean())))
    return found


@dataclass
class Layout:
    """A solver in a tree, with the numbers that its feeds must read."""

    reference: str
    overrides: list[str]
    expected: dict[str, float]


def layout(tree: Tree) -> Layout:
    """One to three solver files that extend one another, in a tree; each writes a path, and so may the command line."""
    chance = tree.random
    np.save(tree.root / "y.npy", np.zeros(5, np.int64))
    labels = quoted(str(tree.root / "y.npy"))
    place = chance.choice(tree.folders)
    above: str | None = None
    numbers: dict[str, float] = {}
    for level in range(chance.randint(1, 3)):
        own: dict[str, Any] = {} if above is None else {"extends": quoted(above)}
        if above is None:
            (place / "net.yaml").write_text(dump(NET))
            own |= BASIC | {"net": "./net.yaml"}
        for phase in ("train", "test"):
            if above is not None and chance.random() < 0.5:
                continue
            path = tree.data(place)
            numbers[phase] = tree.held(place, path)
            written = quoted(path)
            if chance.random() < 0.3 and not os.path.isabs(path):
                own.setdefault("vars", {})[f"{phase}{level}"] = os.path.dirname(written) or "."
                written = f"${phase}{level}/{os.path.basename(path)}"
            source = {"type": "Arrays", "outputs": [written, labels]}
            own.setdefault("data", {})[phase] = {"source": source, "batch_size": 2}
        name = f"s{level}.yaml"
        (place / name).write_text(dump(own))
        other = chance.choice(tree.folders)
        above = tree.path(other, place / name)
        assert os.path.samefile(os.path.join(other, above), place / name)
        place = other
    cwd = chance.choice(tree.folders)
    os.chdir(cwd)
    reference = os.path.join(os.path.relpath(os.path.realpath(place), os.path.realpath(cwd)), str(above))
    reference = str(place / str(above)) if chance.random() < 0.3 else reference
    overrides = []
    if chance.random() < 0.5:
        path = tree.data(Path())
        numbers["train"] = tree.held(Path(), path)
        overrides.append(f"data.train.source.outputs.0={dump([quoted(path)]).strip()[1:-1]}")
    return Layout(reference, overrides, numbers)


@pytest.mark.parametrize("seed", seeds(24))
def test_a_random_tree_is_read_as_the_system_reads_it(seed: int, here: Path) -> None:
    """The files of a solver, of its parents and of the command line; then those of its config.yaml, from elsewhere."""
    tree = Tree(here, random.Random(seed))
    tree.grow()
    made = layout(tree)
    expected = [made.expected["train"], made.expected["test"]]
    job = load_solver(made.reference, made.overrides)
    assert read_by(job) == expected
    (here / "run").mkdir()
    (here / "run" / "config.yaml").write_text(provenance.config(job), encoding="utf-8")
    before = settings(job)
    home = tree.random.choice(tree.folders)
    (here / "run").rename(home / "run, moved")
    (here / "run").symlink_to(home / "run, moved")
    os.chdir(tree.random.choice(tree.folders))
    again = load_solver(tree.random.choice([home / "run, moved", here / "run", here / "run" / ".." / "run, moved"]))
    assert read_by(again) == expected
    assert settings(again) == before  # so a resume reports no change
