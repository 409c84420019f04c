"""A solver in Caffe's words: a SolverParameter beside the net's prototxt, and the history of a snapshot as solverstate.

What changes the training and cannot be said in Caffe is refused; what only chooses what is kept and shown is left out
with a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from netspec.core.counts import Count, Pace, in_epochs
from netspec.core.errors import DataError, Findings, SpecError
from netspec.formats import caffe_messages
from netspec.interop.to_caffe.case import Blob, Filled
from netspec.language.document import from_python
from netspec.training.caffe_saving import steps_taken
from netspec.training.course import Course
from netspec.training.policies.base import POLICIES as ROOM
from netspec.training.policies.base import Policy
from netspec.training.regularizers.base import REGULARIZERS
from netspec.training.solvers.base import SOLVERS
from netspec.training.spec import SolverSpec

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.net.graph import ParamKey
    from netspec.net.shaped import ShapedGraph
    from netspec.training.job import Job
    from netspec.training.snapshot import Slot, Snapshot


class NoSolverMeaningError(SpecError):
    """A field of a solver has no meaning in Caffe."""

    code = "NS741"


TYPES = frozenset({"SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"})
"""Caffe's solver types."""
POLICIES = frozenset({"fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"})
"""Caffe's policies of the rate."""
_SAME = ("base_lr", "weight_decay", "iter_size", "average_loss", "random_seed")
_SWITCHES = ("test_initialization", "snapshot_after_train", "snapshot_diff")
_LOST = {
    "average": "Caffe keeps no average of weights",
    "best": "Caffe keeps no best weights",
    "dtype": "Caffe computes in float32",
    "early_stop": "Caffe does not end early",
    "max_rss": "Caffe has no budget of memory",
    "max_time": "Caffe has no budget of time",
    "weights": "name a caffemodel on Caffe's command line",
}
"""Fields that are left out with a note, and why."""
_REFUSED = {"warmup": "warm-up of the rate", "gradient_noise": "noise on gradients"}
"""Fields that change the training, and what Caffe lacks."""


@dataclass
class _Solver:
    """A solver on its way to Caffe; its data are opened where a length depends on their number."""

    job: Job
    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    found: Findings = field(default_factory=Findings)

    @property
    def spec(self) -> SolverSpec:
        return self.job.spec

    @cached_property
    def samples(self) -> dict[str, int]:
        """The number of samples of each feed. Raises DataError."""
        from netspec.training.feeds import open_phases

        return {name: len(feed) for name, feed in open_phases(self.job, self.spec.random_seed).items()}

    def refuse(self, text: str, *path: str, help: str | None = None) -> None:
        self.found.add(NoSolverMeaningError(text, at=self.spec.place(*path), help=help))

    def counted(self, count: Count, name: str) -> int | None:
        """The iterations of a count; None, and a mistake, where their number is not known."""
        if not count.in_epochs:
            return count.value
        return self._known(name, lambda: count.iterations(self._pace()))

    def _pace(self) -> Pace:
        return self.job.pace(self.samples.get("train"))

    def _known(self, name: str, number: Callable[[], int]) -> int | None:
        """A number that the data say; None, and a mistake, where they cannot be opened."""
        try:
            return number()
        except (DataError, ValueError, KeyError):
            help = f"say `{name}` in the solver, or behind its name: {name}=100"
            self.refuse(f"Caffe counts `{name}` in iterations, and the data cannot be opened to know them", help=help)
            return None


def solver_values(job: Job, net: str, prefix: str) -> tuple[dict[str, Any], list[str]]:
    """The values of a SolverParameter, and notes; `net` is the path of the net's prototxt.

    Raises NoSolverMeaningError for each field without a meaning in Caffe.
    """
    solver = _Solver(job)
    spec = job.spec
    solver.values["net"] = net
    _state(solver)
    _lengths(solver)
    _tests(solver)
    solver.values |= {name: getattr(spec, name) for name in _SAME}
    solver.values |= {name: getattr(spec, name) for name in _SWITCHES}
    _policy(solver)
    _rule(solver)
    _limits(solver)
    _lost(solver)
    solver.values |= {"snapshot_prefix": prefix, "solver_mode": "CPU"}
    solver.found.raise_if_any()
    known = caffe_messages.fields("SolverParameter")
    kept = {
        name: value for name, value in solver.values.items() if value != known[name].default and value not in _UNSET
    }
    return kept, solver.notes


_UNSET: tuple[Any, ...] = (None, 0, [])
"""Values that Caffe has for fields that are not written and have no default."""


def _state(solver: _Solver) -> None:
    """Stages and level, which both nets see."""
    spec, state = solver.spec, dict[str, Any]()
    state |= {"stage": list(spec.stage)} if spec.stage else {}
    state |= {"level": spec.level} if spec.level else {}
    if state:
        solver.values |= {"train_state": state, "test_state": [state]}


def _tests(solver: _Solver) -> None:
    """The test on the data that the training watches, as many batches as hold every sample once."""
    spec, job = solver.spec, solver.job
    if spec.test_nets:
        solver.refuse("several test nets are files of their own in Caffe", "test_nets", help="export them one by one")
        return
    name = spec.data.watched
    if job.test is None or name is None:
        return
    feed, number = spec.data.named(name), spec.test_batches(name)
    assert feed is not None
    size = feed.batch_size
    if number is None:
        number = solver._known("test_iter", lambda: -(-solver.samples[name] // size))
        if number is not None and solver.samples[name] % size:
            solver.notes.append(f"the last of {number} test batches begins anew with the first samples")
    own = getattr(feed, "test_interval", None) or spec.test_interval
    every = solver.counted(own, "test_interval") if own else solver.values["max_iter"]
    solver.values |= {"test_iter": [number], "test_interval": every}
    others = [other for other in spec.data.scored if other != name]
    if others:
        solver.notes.append(f"the data {', '.join(others)} are left out: Caffe's solver tests on {name} alone")


def _lengths(solver: _Solver) -> None:
    """How long it trains, and when it shows and keeps something."""
    spec = solver.spec
    lengths = [spec.max_iter]
    if spec.max_epoch is not None:
        lengths.append(solver.counted(Count(spec.max_epoch, in_epochs=True), "max_iter"))
    solver.values["max_iter"] = min((length for length in lengths if length is not None), default=None)
    for name in ("display", "snapshot"):
        solver.values[name] = solver.counted(getattr(spec, name), name)
    if spec.loop is not None:
        solver.values |= {name: getattr(spec.loop, name) for name in ("test_compute_loss", "snapshot_format")}
    if spec.debug_info:
        solver.values["debug_info"] = True
        if spec.debug_info is not True and spec.debug_info != spec.display:
            solver.notes.append("`debug_info` is shown whenever `display` is")


def _policy(solver: _Solver) -> None:
    """The policy with its fields beside it."""
    policy = solver.spec.lr_policy
    word = ROOM.word(type(policy))
    if word not in POLICIES:
        solver.refuse(f"Caffe has no policy '{word}'", "lr_policy", help=f"it has {', '.join(sorted(POLICIES))}")
        return
    solver.values["lr_policy"] = word
    for name in type(policy).model_fields:
        value = getattr(policy, name)
        if isinstance(value, tuple) and not isinstance(value, Count):
            solver.values[name] = [solver.counted(each, name) for each in value]
        else:
            solver.values[name] = solver.counted(value, name) if isinstance(value, Count) else value


def _rule(solver: _Solver) -> None:
    """The solver type with its fields."""
    rule = solver.spec.rule
    word, known = SOLVERS.word(type(rule)), caffe_messages.fields("SolverParameter")
    if word not in TYPES:
        solver.refuse(f"Caffe has no solver type '{word}'", "type", help=f"it has {', '.join(sorted(TYPES))}")
        return
    solver.values["type"] = word
    for name, info in type(rule).model_fields.items():
        value = getattr(rule, name)
        if name in known:
            solver.values[name] = value
        elif value != info.default:
            solver.refuse(f"Caffe's {word} has no `{name}`", name)


def _limits(solver: _Solver) -> None:
    """Weight decay and the limit of gradients."""
    spec = solver.spec
    word = REGULARIZERS.word(type(spec.regularization_type))
    if word in ("L1", "L2"):
        solver.values["regularization_type"] = word
    else:
        solver.refuse(f"Caffe has no regularizer '{word}'", "regularization_type", help="it has L1 and L2")
    clip = spec.clip_gradients
    if clip is not None and clip.type != "norm":
        solver.refuse(f"Caffe does not limit gradients by `{clip.type}`", "clip_gradients", help="it has `type: norm`")
    elif clip is not None:
        solver.values["clip_gradients"] = clip.limit


def _lost(solver: _Solver) -> None:
    """Fields that Caffe does not have."""
    spec, usual = solver.spec, SolverSpec.model_fields
    for name, what in _REFUSED.items():
        if getattr(spec, name) is not None:
            solver.refuse(f"Caffe has no {what}", name)
    said = (f"`{name}` is left out: {why}" for name, why in _LOST.items() if getattr(spec, name) != usual[name].default)
    solver.notes += said


def history(held: Snapshot, shaped: ShapedGraph, blobs: Iterable[Blob]) -> list[Array] | None:
    """A snapshot's history in Caffe's order: of every slot, the arrays of all params; None where Caffe has no such.

    `blobs` are the params of the TRAIN net's layers, as Caffe counts them. Those that are not learned have a history
    too, of zeros.
    """
    import numpy as np

    word = str(held.solver.get("type"))
    if word not in TYPES or not held.history:
        return None
    graph = shaped.graph
    first: dict[int, ParamKey] = {}
    for key, index in graph.param_keys.items():
        first.setdefault(index, key)
    owners: list[Filled | int] = []
    for blob in blobs:
        owner = blob if isinstance(blob, Filled) else graph.param_keys[blob]
        if isinstance(owner, Filled) or owner not in owners:
            owners.append(owner)

    def array(slot: str, owner: Filled | int) -> Array:
        if isinstance(owner, Filled):
            return np.zeros(owner.shape, np.float32)
        known: Slot = (slot, first[owner])
        return held.history.get(known, np.zeros(shaped.params[owner], np.float32))

    return [array(slot, owner) for slot in SOLVERS.get(word).slots for owner in owners]


def current_step(held: Snapshot) -> int:
    """How many steps its policy has taken, as Caffe counts them; 0 where they are counted in epochs."""
    written = from_python({"lr_policy": held.solver.get("lr_policy") or "fixed"}, "<solver>")
    policy = ROOM.parse(written.plain()["lr_policy"])
    if not isinstance(policy, Policy) or any(in_epochs(policy)):
        return 0
    return steps_taken(policy, (held.iteration or 0) - 1, Course(1.0, None, Pace(None, 1)))
