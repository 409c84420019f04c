"""Trainings in processes of their own that are killed at chosen moments; `killable` is what runs in them."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.helpers import ROOT

PATIENCE = 120


class Nursery:
    """Trainings that can be killed at a chosen moment."""

    def __init__(self, errors: Path) -> None:
        self.errors = errors.open("w+")
        words = [sys.executable, "-m", "tests.helpers.killable"]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, cwd=ROOT
        )
        assert self.says() == "ready"

    def says(self) -> str:
        """The next line that the nursery writes; it must come soon."""
        assert self.process.stdout is not None
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise AssertionError(f"nothing for {PATIENCE} seconds; stderr: {Path(self.errors.name).read_text()}")
        return self.process.stdout.readline().decode().strip()

    def train(self, argv: list[str], kind: str, count: int) -> int:
        """Train, and kill at the count-th moment of a kind; the status of the process, as os.waitpid returns it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"argv": argv, "kind": kind, "count": count}).encode() + b"\n")
        self.process.stdin.flush()
        word, _, number = self.says().partition(" ")
        if word == "reached":
            os.kill(int(number), signal.SIGKILL)
            word, _, number = self.says().partition(" ")
        assert word == "ended", f"{word!r}; stderr: {Path(self.errors.name).read_text()}"
        return int(number)


@contextmanager
def nursery(errors: Path) -> Iterator[Nursery]:
    one = Nursery(errors)
    try:
        yield one
    finally:
        one.process.kill()
        one.process.communicate()
        one.errors.close()
