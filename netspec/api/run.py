"""Run: a finished or interrupted training, read from its run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

from netspec.api.arguments import BadArgumentError, flag, path_of, phase_of, threads_of, whole, words_of
from netspec.api.net import Net
from netspec.api.predictor import Answers, Predictor
from netspec.core.calls import Phase
from netspec.core.locate import RUN_CONFIG
from netspec.core.spelling import shown
from netspec.study.curves import Along, Log, Wish
from netspec.training import folders, runs
from netspec.training.container import MissingSnapshotError
from netspec.training.events import Event
from netspec.training.job import Job, load_solver
from netspec.training.judging.evaluation import evaluate
from netspec.training.run import load_tester


class Run:
    """A run folder: its configuration, events and snapshots at the time of reading.

    Raises NoRunError if the folder is no run folder, BrokenRunError if a file in it is broken.
    """

    def __init__(self, folder: str | Path) -> None:
        self._record = runs.read(path_of(folder, "a run folder"))

    @property
    def path(self) -> Path:
        """The folder."""
        return self._record.path

    @property
    def config(self) -> dict[str, Any]:
        """The resolved solver with its net inside, as plain values that `Solver` takes."""
        return self._record.config

    @property
    def environment(self) -> dict[str, Any]:
        """The environment of the run's last start: command, versions, CPU, threads, data."""
        return self._record.environment

    @property
    def events(self) -> list[Event]:
        """The events in order: Display, Tested, DebugInfo, Snapshotted and Finished."""
        return self._record.events

    @property
    def snapshots(self) -> list[Path]:
        """The snapshots that are kept, oldest iteration first."""
        return self._record.snapshots

    @property
    def best(self) -> Path | None:
        """The snapshot of the best test, if it is kept."""
        return folders.best(self.path)

    def test(
        self, snapshot: str | Path | None = None, *, on: str = "test", threads: int | None = None
    ) -> dict[str, float]:
        """Every score over the test data, or other data of the solver, with the weights of a snapshot.

        The snapshot is by default the latest; `run.best` is that of the best test. `on` is `test`, `validation`,
        `train` or the name of a further test set.

        Raises MissingSnapshotError, UsageError where the run has no test data, SnapshotError, DataError,
        NotFiniteScoreError.
        """
        tester, _ = load_tester(self._job("TEST"), self._snapshot(snapshot), threads_of(threads), on)
        return tester.run(on)[0]

    def evaluate(
        self, snapshot: str | Path | None = None, *, on: str = "test", worst: int = 10, threads: int | None = None
    ) -> dict[str, Any]:
        """All that `netspec test` says, as plain values: of each head confusion, scores by class, the worst samples.

        Module `netspec.training.judging.evaluation` documents them. Raises what `test` raises, NotFiniteOutputError.
        """
        path = self._snapshot(snapshot)
        tester, _ = load_tester(self._job("TEST"), path, threads_of(threads), on, judged=True)
        return evaluate(tester, on, path, worst=whole(worst, "number of samples", 0))[1]

    def predict(self, inputs: Any, snapshot: str | Path | None = None, **how: Any) -> Answers:
        """What the run's net answers to inputs, with the weights of a snapshot, by default the latest.

        `inputs` are as for `Predictor.predict`, and `how` are the arguments of a Predictor; one that is kept answers
        sooner. Raises MissingSnapshotError, SnapshotError, UsageError.
        """
        return Predictor(self._snapshot(snapshot), **how).predict(inputs)

    def plot(
        self,
        file: str | Path | None = None,
        *,
        x: Along = "iteration",
        log: Log = "",
        smooth: int = 1,
        only: Sequence[str] = (),
        metric: str | None = None,
    ) -> Path:
        """Draw the curves of the training into a file, by default curves.png in the run folder; its path.

        The name ends in .png, .svg or .pdf. The arguments are the options of `netspec plot`. Needs matplotlib.

        Raises BadArgumentError, NoLibraryError, NothingToPlotError, NoCurvesError, UnknownCurveError, ExistsError,
        WriteError.
        """
        from netspec.pictures.curves import CURVES, plot_curves

        for value, known, name in ((x, get_args(Along), "x"), (log, get_args(Log), "log")):
            if value not in known:
                raise BadArgumentError(f"`{name}` is no {shown(value)}", help=f"one of {', '.join(map(repr, known))}")
        judged = None if metric is None else words_of([metric], "metrics", '"test/accuracy"')[0]
        wish = Wish(x, words_of(only, "panels", '["loss"]'), judged, whole(smooth, "number of values", 1), log)
        path = self.path / CURVES if file is None else path_of(file, "a picture")
        plot_curves(path, [self._record], wish)
        return path

    def report(self, file: str | Path | None = None, *, threads: int | None = None) -> Path:
        """Write the report of the run, one HTML file, by default `report.html` in its folder; the file.

        The run is tested first where its folder holds no test of its latest or best weights. Raises NoLibraryError,
        ExistsError where the file is no page of netspec's, WriteError.
        """
        from netspec.report.run import write_report

        return write_report(self.path, None if file is None else path_of(file, "a file"), threads_of(threads))

    def show(
        self,
        kind: str,
        file: str | Path | None = None,
        *,
        layer: Sequence[str] = (),
        blob: str | None = None,
        input: Sequence[str] = (),
        class_: str | None = None,
        samples: int | None = None,
        on: str | None = None,
        each: bool = False,
        best: bool = False,
    ) -> Path:
        """Draw filters, activations, saliency, embedding or regions, as `netspec show` does; returns the file.

        The file is by default RUN/show/KIND.png; a .npz gets the numbers. The other arguments are the options of the
        command. Raises UsageError, NoLibraryError, WriteError, ExistsError, SnapshotError, DataError.
        """
        from netspec.pictures.showing import Asked, show
        from netspec.study.shown import Shown

        many = None if samples is None else whole(samples, "number of samples", 2)
        words = words_of(layer, "layers", '["conv1"]'), blob, words_of(input, "inputs", '["0", "photo.png"]')
        asked = Asked(*words, class_, many, on, flag(each, "each"))
        path = None if file is None else path_of(file, "a file")
        return show(Shown(str(self.path), best=flag(best, "best")), kind, path, asked)[0]

    def net(
        self,
        phase: Phase = "TEST",
        snapshot: str | Path | None = None,
        *,
        batch: int | None = None,
        threads: int | None = None,
    ) -> Net:
        """The net of a phase with a snapshot's weights (by default the latest), on memory of its own.

        `batch` is by default the run's batch size in that phase. Raises MissingSnapshotError, BadArgumentError,
        SnapshotError.
        """
        spec = self._job(phase_of(phase)).spec
        feed = spec.feed(phase)
        return Net(
            self.config["net"],
            phase=phase,
            weights=self._snapshot(snapshot),
            dtype=spec.dtype,
            level=spec.level,
            stages=spec.stage,
            batch=batch if batch is not None or feed is None else feed.batch_size,
            seed=spec.random_seed,
            threads=threads,
        )

    def _job(self, phase: Phase) -> Job:
        """The run's job, for one phase."""
        return load_solver(self.path / RUN_CONFIG, phases=(phase,))

    def _snapshot(self, wanted: str | Path | None) -> Path:
        """A snapshot, or the latest. Raises MissingSnapshotError."""
        found = self._record.latest if wanted is None else path_of(wanted, "a snapshot")
        if found is None:
            raise MissingSnapshotError(
                f"the run '{self.path}' has no snapshot yet", help="`netspec train RUN --resume` goes on with it"
            )
        return found

    def __repr__(self) -> str:
        last = max((event.iteration for event in self.events), default=0)
        return f"<Run '{self.path}': {last} iterations, {len(self.snapshots)} snapshots>"
