"""Solver: a training that is driven from Python, as in pycaffe."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from netspec.api.net import Net, check_overrides
from netspec.core.errors import NetspecError, NetspecWarning, UsageError
from netspec.training.events import Event, Warned
from netspec.training.job import Job, load_solver
from netspec.training.rules.base import FIRST
from netspec.training.session import Session
from netspec.training.solve import solve


class Solver:
    """A training that is driven from Python; `net` and `test_nets` keep every blob readable.

    Before its first iteration, and after some more, it may issue a NetspecWarning.

    `solver` is a path, a zoo name, or plain values. Raises the errors of the spec and of the data.
    """

    def __init__(
        self, solver: str | Path | dict[str, Any], overrides: Sequence[str] = (), threads: int | None = None
    ) -> None:
        check_overrides(overrides)
        self._job = load_solver(solver, overrides, keep=True)
        self._session = Session(self._job, threads, keep=True)
        self._session.load_own()
        self.net = Net.around(self._session.train)
        tester = self._session.test
        self.test_nets = [Net.around(program) for program in tester.programs.values()] if tester else []

    @property
    def job(self) -> Job:
        """The Job that the solver was created from."""
        return self._job

    @property
    def iter(self) -> int:
        """Iterations done."""
        return self._session.iteration

    @property
    def lr(self) -> float:
        """Learning rate of the coming iteration."""
        return self._session.rate

    @property
    def loss(self) -> float:
        """Mean loss of the last `average_loss` iterations."""
        return self._session.loss

    def step(self, n: int = 1) -> float:
        """Train `n` iterations; returns the loss of the last iteration. Raises NotFiniteLossError."""
        loss = float("nan")
        self._warn(self._session.warnings())
        for _ in range(n):
            loss = self._session.step()
            if self.iter == FIRST:
                self._warn(self._session.warnings())
        return loss

    def solve(self) -> None:
        """Train to `max_iter`."""
        for _ in self.events():
            pass

    def events(self) -> Iterator[Event]:
        """Train to `max_iter`, yielding every Display, Tested and Finished event."""
        self._warn(self._session.warnings())
        return self._events()

    def _events(self) -> Iterator[Event]:
        for event in solve(self._session):
            if isinstance(event, Warned):
                self._warn([event.warning])
            else:
                yield event

    def _warn(self, found: list[NetspecError]) -> None:
        """Issue what rules say against the training as Python warnings."""
        for warning in found:
            warnings.warn(str(warning), NetspecWarning, stacklevel=3)

    def test(self) -> dict[str, float]:
        """Every score of the test net over the test set. Raises NotFiniteScoreError, DataError."""
        if self._session.test is None:
            raise UsageError("the solver has no test data", help="add `data: test:`")
        return self._session.test.run()[0]

    def snapshot(self, path: str | Path) -> Path:
        """Write the whole state to a file. Raises WriteError."""
        self._session.snapshot(Path(path))
        return Path(path)

    def restore(self, path: str | Path) -> list[str]:
        """Restore the state of a snapshot; returns the solver settings that differ from it. Raises SnapshotError."""
        self._session.close()
        return self._session.restore(Path(path))

    def close(self) -> None:
        """End the thread that prepares batches."""
        self._session.close()

    def __enter__(self) -> Solver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
