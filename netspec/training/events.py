"""Events and notes: the reports of a training as values, their text, and the rows that store events.

An event happens at an iteration and becomes a row of metrics.jsonl. A note describes the start of a run (folder,
resumed or loaded weights, data), a warning, or a file that the disk refused. `str` of either is its text for people, a
line or a few.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from netspec.core.changes import Changes, lines
from netspec.core.errors import NetspecError
from netspec.core.locate import from_here
from netspec.core.shape import clock, counted, per
from netspec.core.visible import visible
from netspec.training.loading import LoadReport

Number = Annotated[float, BeforeValidator(lambda value: float("nan") if value is None else value)]
"""A float of an event. JSON has no NaN and no infinity: in a row they are null, and null is read as NaN."""
Iteration = Annotated[int, Field(ge=0, lt=2**53)]
"""The iteration of an event, which a float holds exactly."""


MOST_SHOWN = 10
"""Values of one vector that a line of text shows; metrics.jsonl has them all."""
INDEX = re.compile(r"\[[\d,]+\]'*$")
"""The end of the name of a value of a vector or matrix."""


@dataclass(frozen=True)
class Progress:
    """How far a training is: `loss` and `rate` of the last iteration, NaN before the first; `samples` per iteration.

    `mean` and `scores` are means of the loss and of the net's other scalar outputs over the last `over` iterations: as
    many as lie between two progress lines. `epoch` is None without training data. `unit` is what a sample is called.
    `waited` are the seconds that this process has waited for data.
    """

    iteration: int
    last: int
    loss: float
    rate: float
    samples: int
    mean: float = math.nan
    over: int = 0
    scores: dict[str, float] = field(default_factory=dict)
    epoch: float | None = None
    unit: str = "image"
    waited: float = 0.0


CLOCK = ("elapsed", "speed", "left", "seconds", "waited")
"""Fields of events that differ from run to run: they stand under the key `clock` of a row."""


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What every event has: the epochs until then, and `elapsed`, the seconds of training, summed over all resumes.

    `epoch` is None without training data. Before version 0.2 neither was recorded: `elapsed` is 0.
    """

    epoch: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    elapsed: Number = 0.0


@dataclass(frozen=True)
class Display(Recorded):
    """A progress line: mean loss of the last `average_loss` iterations, outputs of the net, rate, pace, time left.

    `speed` is in samples a second, `left` in seconds; `gradient` is the L2 norm before clipping.
    """

    iteration: Iteration
    loss: Number
    outputs: dict[str, Number]
    rate: Number
    gradient: Number
    speed: Number
    left: Number

    def __str__(self) -> str:
        values = valued({name: value for name, value in self.outputs.items() if name != "loss"}, "{:.4g}")
        head, tail = f"{moment(self)} loss {self.loss:.4g}", f"lr {self.rate:.4g} {self.speed:,.0f} samples/s"
        return " ".join([head, *values, tail, f"eta {_clock(self.left)}"])


@dataclass(frozen=True)
class Tested(Recorded):
    """A test over `samples` samples of a feed: every score over all of them."""

    iteration: Iteration
    outputs: dict[str, Number]
    samples: int
    seconds: Number
    feed: str = field(default="test", kw_only=True)

    def __str__(self) -> str:
        values = " ".join(valued(self.outputs, "{:.4f}"))
        return f"{self.feed} at {moment(self)}: {values} ({counted(self.samples, 'sample')}, {self.seconds:.1f} s)"


@dataclass(frozen=True)
class TopInfo:
    """A top of a layer: mean |data| and, where it has a gradient, mean |diff|.

    `dead` is, of a ReLU without a slope, the share of units that passed nothing on, for any sample of the iteration; a
    unit is a channel, or a value where a sample is one axis long.
    """

    layer: str
    type: str
    top: str
    data: Number
    diff: float | None = None
    dead: float | None = None


@dataclass(frozen=True)
class ParamInfo:
    """A param before an iteration's update: mean |data|, and of its gradient the mean |diff| and the L2 norm.

    `update` is the update-to-weight ratio: the L2 norm of what the iteration added, over that of the param; None where
    the param was 0. A param that is not learned has only `data`.
    """

    layer: str
    param: str
    data: Number
    diff: float | None = None
    gradient: float | None = None
    update: float | None = None


@dataclass(frozen=True)
class DebugInfo(Recorded):
    """`debug_info` of an iteration: all tops and params, and the L1 and L2 norms of all learned params together.

    Those of blobs are means over the iteration's batches. Gradients of params are sums over them, as they are before
    clipping. Source: Caffe net.cpp.
    """

    iteration: Iteration
    tops: tuple[TopInfo, ...]
    params: tuple[ParamInfo, ...]
    data_l1: Number
    data_l2: Number
    diff_l1: Number
    diff_l2: Number

    def __str__(self) -> str:
        dead = [(top.dead, top.layer) for top in self.tops if top.dead is not None]
        ratios = [(param.update, f"{param.layer}.{param.param}") for param in self.params if param.update is not None]
        words = [f"debug_info at {moment(self)}: all params L2 {self.data_l2:.4g}, gradient L2 {self.diff_l2:.4g}"]
        words += [f"largest update/weight {_most(ratios, '.2e')}"] if ratios else []
        words += [f"most dead {_most(dead, '.1%')}"] if dead else []
        return ", ".join(words)


def _most(found: list[tuple[float, str]], form: str) -> str:
    value, name = max(found, key=lambda pair: pair[0])
    return f"{value:{form}} ({visible(name)})"


@dataclass(frozen=True)
class Snapshotted(Recorded):
    """A snapshot was written."""

    iteration: Iteration
    path: Path

    def __str__(self) -> str:
        return f"snapshot {self.path}"


@dataclass(frozen=True)
class Finished(Recorded):
    """The end of a training.

    `stopped` is the signal or the budget that ended it before its end; it goes on where it is resumed. `early` says why
    there was nothing more to gain, where an early stop was its end.
    """

    iteration: Iteration
    stopped: str | None
    seconds: Number
    waited: Number
    early: str | None = None

    def __str__(self) -> str:
        why = f", stopped by {self.stopped}" if self.stopped else ""
        why += f", early: {self.early}" if self.early else ""
        whole = f" ({_clock(self.elapsed)} with what came before)" if self.elapsed > self.seconds + 60 else ""
        return f"done at {moment(self)} after {_clock(self.seconds)}{whole}{why}"


def moment(event: Display | Tested | DebugInfo | Finished) -> str:
    """When an event happened: its iteration, and the epochs that were done."""
    return _moment(event.iteration, event.epoch)


def best_text(name: str, score: float, iteration: int, epoch: float | None) -> str:
    """The best test of a training: its score, and when it was."""
    return f"best {visible(name)} {score:.4f} at {_moment(iteration, epoch)}"


def _moment(iteration: int, epoch: float | None) -> str:
    return f"iter {iteration}" + ("" if epoch is None else f" epoch {epoch:.2f}")


def valued(outputs: Mapping[str, float], form: str) -> list[str]:
    """Words for outputs, each with its value in a form such as "{:.4f}".

    Of a vector or matrix with more than MOST_SHOWN values, whose outputs end in an index, the number of values.
    """
    blobs: dict[str, list[str]] = {}
    for name in outputs:
        blobs.setdefault(INDEX.sub("", name), []).append(name)
    words = []
    for blob, names in blobs.items():
        if len(names) > MOST_SHOWN:
            words.append(f"{visible(blob)} ({len(names)} values)")
        else:
            words += [f"{visible(name)} {form.format(outputs[name])}" for name in names]
    return words


def _clock(seconds: float) -> str:
    return clock(seconds) if math.isfinite(seconds) else "?"


Event = Display | Tested | DebugInfo | Snapshotted | Finished


@dataclass(frozen=True)
class Opened:
    """The run folder is open and locked; the net is about to be compiled."""

    folder: Path
    net: str
    params: int
    macs: int
    unit: str = "image"

    def __str__(self) -> str:
        params, macs = counted(self.params, "parameter"), counted(self.macs, "MAC")
        return f"net '{visible(self.net)}': {params}, {macs} {per(self.unit)}"


@dataclass(frozen=True)
class Resumed:
    """The state of a snapshot was restored; `changed` is what differs from its settings, `last` is where it ends."""

    path: Path
    iteration: int
    changed: Changes
    last: int

    def __str__(self) -> str:
        text = f"resumed from {self.path} at iteration {self.iteration}"
        if self.changed:
            text = "\n  ".join([f"{text}; changed since:", *lines(self.changed)])
        if self.iteration < self.last:
            return text
        return (
            f"{text}\nnothing left to train: iteration {self.iteration} is done, and the training ends at {self.last}"
        )


@dataclass(frozen=True)
class Loaded:
    """Weights, or an `average` of them, were read from files; `report` lists the params loaded, skipped and left."""

    paths: tuple[Path, ...]
    report: LoadReport
    average: str | None = None

    def __str__(self) -> str:
        what = f"average of weights ({self.average})" if self.average else "weights"
        first, *more = self.report.rows
        rows = [f"{what} from {', '.join(map(str, self.paths))}: {first}", *more]
        return "\n  ".join(map(visible, rows))


@dataclass(frozen=True)
class Started:
    """The first iteration is about to begin; has the data (a text for each feed, by its name) and the resources in use.

    `arena` is in bytes.
    """

    iteration: int
    data: Mapping[str, str]
    threads: int
    seed: int
    arena: int
    folder: Path

    def __str__(self) -> str:
        threads, memory = counted(self.threads, "thread"), f"arena {self.arena / 2**20:.1f} MiB"
        return "\n".join([*fed(self.data), f"{threads}, seed {self.seed}, {memory}; run folder {self.folder}"])


def fed(data: Mapping[str, str]) -> list[str]:
    """A line for each feed: its name, and the text on its data."""
    return [f"{name} data: {from_here(text)}" for name, text in data.items()]


@dataclass(frozen=True)
class Warned:
    """A rule has something to say against the training, which goes on: before it begins, or after some iterations."""

    warning: NetspecError

    def __str__(self) -> str:
        return str(self.warning)


@dataclass(frozen=True)
class Unwritten:
    """The disk refused a file; the training goes on."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return self.reason


Note = Opened | Resumed | Loaded | Started | Warned | Unwritten


def row(event: Event) -> dict[str, Any]:
    """An event as the values of a row, those of the CLOCK last; of a snapshot's path only the file name."""
    values = asdict(event)
    if isinstance(event, Snapshotted):
        values["path"] = event.path.name
    values = {key: _written(value) for key, value in values.items()}
    times = {key: values.pop(key) for key in CLOCK if key in values}
    return {"event": type(event).__name__.lower(), **values, "clock": times}


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _written(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def from_row(values: dict[str, Any], snapshots: Path) -> Event:
    """The event in a row; `snapshots` is the folder of a snapshot's file. Raises ValueError with a sentence.

    Before version 0.2 the values of the CLOCK stood beside the others.
    """
    kinds, kind = _kinds(), values.get("event")
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"there is no event {kind!r}")
    times = values.get("clock", {})
    if not isinstance(times, dict):
        raise ValueError(f"`clock` of the event '{kind}' is no JSON object")
    try:
        event = kinds[kind].validate_python(values | times)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise ValueError(f"`{path}` of the event '{kind}': {first['msg'].lower()}") from None
    return replace(event, path=snapshots / event.path.name) if isinstance(event, Snapshotted) else event


def recorded(tests: Iterable[Tested]) -> list[tuple[int, dict[str, float]]]:
    """Tests as a session records them: each its iteration, and its scores by FEED/blob."""
    return [(test.iteration, {f"{test.feed}/{name}": test.outputs[name] for name in test.outputs}) for test in tests]


@cache
def _kinds() -> dict[str, TypeAdapter[Event]]:
    return {cls.__name__.lower(): TypeAdapter(cls) for cls in get_args(Event)}
