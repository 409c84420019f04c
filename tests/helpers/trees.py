"""Random trees of folders with odd names, data files, and links among them; and random paths through them."""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

NAMES = ["a", "b b", "ü", "50%", "[x]", "*", "{c}", "-d", "e.yaml", "$f", "~g", "h\ni", "J", "j", "zoo:k", "l" * 60]
"""Names of folders and links that a shell, a pattern or YAML could take for something else."""


@dataclass
class Tree:
    """A random tree: its folders, and paths through links to them."""

    root: Path
    random: random.Random
    folders: list[Path] = field(default_factory=list)
    files: dict[tuple[int, int], int] = field(default_factory=dict)
    """The number that each data file holds, by the file's device and inode."""

    def grow(self) -> None:
        """Make folders, a data file in each, and links among them, absolute and relative, to folders and files."""
        self.folders = [self.root]
        for _ in range(self.random.randint(4, 8)):
            new = self.random.choice(self.folders) / self.random.choice(NAMES)
            new.mkdir(exist_ok=True)
            self.folders.append(new)
        self.folders = sorted(set(self.folders))
        for folder in self.folders:
            self.array(folder / "x.npy")
        for _ in range(self.random.randint(4, 8)):
            place, target = self.random.choice(self.folders), self.random.choice(self.folders)
            link = place / f"to {self.random.choice(NAMES)}"
            if not os.path.lexists(link):
                short = self.random.random() < 0.5
                link.symlink_to(os.path.relpath(target, place) if short else target, target_is_directory=True)
        link = self.random.choice(self.folders) / "linked.npy"
        link.symlink_to(self.random.choice(self.folders) / "x.npy")

    def array(self, path: Path) -> None:
        """Write a data file whose values are a number that no other file holds."""
        number = len(self.files) + 1
        np.save(path, np.full((5, 3), number, np.float32))
        state = path.stat()
        self.files[state.st_dev, state.st_ino] = number

    def walk(self, start: Path, steps: int) -> str:
        """A path of random steps from a folder: into folders, through links, and back by `..`; it ends in a folder."""
        text = ""
        for _ in range(steps):
            here = os.path.join(start, text)
            inner = sorted(name for name in os.listdir(here) if os.path.isdir(os.path.join(here, name)))
            inside = os.path.realpath(here) != os.path.realpath(self.root)
            choices = [*inner, *([".."] * (1 + len(inner)) if inside else []), "."]
            text += self.random.choice(choices) + self.random.choice(["/", "/", "/", "//", "/./"])
        return text

    def data(self, start: Path) -> str:
        """A path from a folder to a data file: relative, or absolute and through links."""
        text = self.walk(start, self.random.randint(0, 6))
        here = os.path.join(start, text)
        linked = os.path.exists(os.path.join(here, "linked.npy")) and self.random.random() < 0.7
        name = "linked.npy" if linked else "x.npy"
        return os.path.join(here, name) if self.random.random() < 0.15 else text + name

    def path(self, start: Path, file: Path) -> str:
        """A path from a folder to a file, by a detour through the tree."""
        back = self.walk(start, self.random.randint(0, 4))
        there = os.path.relpath(os.path.realpath(file.parent), os.path.realpath(os.path.join(start, back)))
        return os.path.join(back, there, file.name)

    def held(self, start: Path, text: str) -> int:
        """The number in the file that the system opens at a path in a folder."""
        state = os.stat(os.path.join(start, text))
        return self.files[state.st_dev, state.st_ino]
