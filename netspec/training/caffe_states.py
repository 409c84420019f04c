"""States of Caffe's solver, `.solverstate`: read into a training, and made of one.

They hold the iteration, the history and the path of the weights; not random numbers, nor the place in the data.
Source: Caffe solver.cpp; sgd_solver.cpp.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from netspec.core.errors import Caution, NetspecError, SnapshotError
from netspec.core.shape import count, counted, text
from netspec.engine.weights import Weights
from netspec.formats import caffe_hdf5, solverstate
from netspec.formats.solverstate import SolverState
from netspec.training import reading
from netspec.training.caffe_weights import caffe_file
from netspec.training.container import MissingSnapshotError, check_there
from netspec.training.job import Job
from netspec.training.loading import LoadReport, Match, match
from netspec.training.recorded import settings
from netspec.training.snapshot import Slot, Snapshot
from netspec.training.solvers.base import UpdateRule

if TYPE_CHECKING:
    from netspec.core.calls import Array

TYPES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")
"""Caffe's solver types: the slots of each are its arrays of history, in Caffe's order."""


class OtherSolverError(SnapshotError):
    """A state of Caffe's solver does not fit a training, or the training has no state that Caffe knows."""

    code = "NS731"


class CaffeStateWarning(Caution):
    """What a state of Caffe's solver leaves open."""

    code = "NS732"


def read(path: Path, job: Job, weights: Weights, taken: int) -> tuple[Match, Snapshot, list[NetspecError]]:
    """The weights that belong to a state, matched; the state as a snapshot of this training; and what is left open.

    `taken` is the number of batches that the training has taken: data go on from there in a loop in Caffe's way.
    Raises SnapshotError.
    """
    check_there(path)
    with caffe_file():
        hdf5 = caffe_hdf5.is_hdf5(path)
        state = caffe_hdf5.read_state(path) if hdf5 else solverstate.read_state(path)
    found, told = Match((), LoadReport((), (), ())), []
    if state.learned_net:
        net = _net_of(path, state.learned_net)
        found = match(job.train, weights, reading.read(net), net)
        if net.parent != path.parent:
            told.append(f"its weights are those of '{net}', as it says")
    if job.spec.loop is None:
        told.append("it holds no random numbers and no place in the data, which go on as if netspec had trained so far")
    history = _history(path, state, job)
    about: list[NetspecError] = [CaffeStateWarning(f"'{path}' is of Caffe: {'; '.join(told)}")] if told else []
    shift = 0 if job.spec.loop is None else taken - state.iter * job.spec.iter_size
    own = Snapshot(state.iter, {}, history, solver=settings(job), states=dict(weights.states), shift=shift)
    return found, own, about


def _net_of(path: Path, said: str) -> Path:
    """The file of weights of a state: that of the name beside it, else where it says. Raises MissingSnapshotError."""
    beside = path.parent / said.replace("\\", "/").rpartition("/")[2]
    for found in (beside, Path(said)):
        if "\0" not in said and found.is_file():
            return found
    raise MissingSnapshotError(
        f"'{path}' names its weights '{said}', and there are none, nor '{beside}'",
        help="put the .caffemodel beside the .solverstate",
    )


def check_type(rule: UpdateRule) -> None:
    """Raise OtherSolverError unless Caffe has a solver type."""
    if type(rule).__name__ not in TYPES:
        raise OtherSolverError(
            f"Caffe has no solver type {type(rule).__name__}, and no state of it", help=f"it has {', '.join(TYPES)}"
        )


def _history(path: Path, state: SolverState, job: Job) -> dict[Slot, Array]:
    """The history of the learned params, by slot and param. Raises OtherSolverError."""
    rule, net = job.spec.rule, job.train
    check_type(rule)
    params = net.graph.params
    wanted = len(params) * len(rule.slots)
    if len(state.history) != wanted:
        each = f"{counted(len(rule.slots), 'array')} for each of {counted(len(params), 'param')}"
        raise OtherSolverError(
            f"'{path}' has a history of {counted(len(state.history), 'array')}, and {type(rule).__name__} has {each}",
            help="is it of another net or solver type?" if state.history else "is it a .caffemodel? say --weights",
        )
    found: dict[Slot, Array] = {}
    for number, slot in enumerate(rule.slots):
        held = state.history[number * len(params) : (number + 1) * len(params)]
        for param, key, shape, array in zip(params, net.graph.owners, net.params, held, strict=True):
            if not param.learned:
                continue
            if array.size != count(shape):
                raise OtherSolverError(
                    f"'{path}' has a history of {text(array.shape)} for '{key}', which is {text(shape)}",
                    help="is it of another net?",
                )
            found[slot, key] = array.reshape(shape)
    return found
