"""Weights and states of a training, written as Caffe's files: `.caffemodel` and `.solverstate`, or these with `.h5`.

Source: Caffe net.cpp, ToProto and ToHDF5; sgd_solver.cpp, SnapshotSolverState.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.core.errors import SnapshotError
from netspec.core.shape import counted
from netspec.engine.updating import local_decay
from netspec.formats import caffe_hdf5, caffemodel, solverstate, wire
from netspec.formats.caffemodel import Written
from netspec.formats.solverstate import SolverState
from netspec.net.graph import ParamKey
from netspec.net.shaped import ShapedGraph
from netspec.training.caffe_frozen import history_of_frozen
from netspec.training.caffe_states import check_type
from netspec.training.container import check_finite, replacing, write_whole
from netspec.training.course import Course
from netspec.training.job import Job
from netspec.training.policies.base import Policy
from netspec.training.policies.multistep import Multistep
from netspec.training.policies.step import Step
from netspec.training.snapshot import Snapshot

if TYPE_CHECKING:
    from netspec.core.calls import Array

HDF5 = ".h5"
SUFFIXES = (".caffemodel", HDF5)
"""Suffixes of files that are written in Caffe's formats."""


class TooLargeError(SnapshotError):
    """A net is too large for a `.caffemodel`."""

    code = "NS733"


def is_caffe(path: Path) -> bool:
    """Whether weights in a file of this name are written as Caffe's."""
    return path.suffix.lower() in SUFFIXES


def save(
    path: Path,
    shaped: ShapedGraph,
    weights: Mapping[ParamKey, Array],
    layers: Sequence[Written] | None = None,
    diffs: Mapping[ParamKey, Array] | None = None,
) -> None:
    """Write weights by layer and param as Caffe's file of the path's suffix, with their gradients where given.

    `layers` are the layers with their texts in Caffe's words, for a `.caffemodel`; without them they have names, types,
    bottoms and tops alone, which is enough to load their weights. Raises NotFiniteError, TooLargeError, WriteError.
    """
    check_finite({str(key): array for key, array in weights.items()})
    known = diffs or {}
    keys = {
        node.layer.name: [ParamKey(node.layer.name, p.name) for p in node.layer.params()]
        for node in shaped.graph.written
    }
    if path.suffix.lower() == HDF5:
        owners = frozenset(shaped.graph.owners)
        data = [(name, [weights[key] if key in owners else None for key in own]) for name, own in keys.items()]
        with replacing(path) as temporary:
            caffe_hdf5.write_layers(
                temporary, data, [(name, [*map(known.get, own)]) for name, own in keys.items()] if known else ()
            )
        return
    found = layers if layers is not None else _layers(shaped, weights, keys, known)
    pieces = [*caffemodel.pieces(shaped.graph.name, found)]
    if (size := sum(map(len, pieces))) > wire.MOST:
        raise TooLargeError(
            f"'{path}' would take {counted(size, 'byte')}, and Caffe reads no more than {wire.MOST:,}",
            help="a .caffemodel.h5 may be larger",
        )
    write_whole(path, pieces)


def _layers(
    shaped: ShapedGraph,
    weights: Mapping[ParamKey, Array],
    keys: Mapping[str, Sequence[ParamKey]],
    diffs: Mapping[ParamKey, Array],
) -> list[Written]:
    """All layers by their names, types, bottoms and tops alone."""
    blobs, found = shaped.graph.blobs, []
    for node in shaped.graph.written:
        own = keys[node.layer.name]
        ends = ([blobs[blob].name for blob in side] for side in (node.bottoms, node.tops))
        text = caffemodel.parameter(node.layer.name, node.layer.type, *ends)
        found.append(Written(text, [weights[key] for key in own], [diffs.get(key) for key in own]))
    return found


def state_of(state: Snapshot, job: Job, learned_net: str, course: Course) -> SolverState:
    """The state of Caffe's solver in a snapshot of a job, whose weights are in a file called `learned_net`.

    Raises OtherSolverError where Caffe lacks the solver type.
    """
    import numpy as np

    rule, net, iteration = job.spec.rule, job.train, state.iteration or 0
    check_type(rule)
    spec, owners = job.spec, net.graph.owners
    still: dict[ParamKey, Array] = {}
    """The gradients of params without a history: that of those of `lr_mult: 0` is weight decay's."""
    decays = local_decay(net.graph.params, spec.regularization_type, spec.weight_decay)
    for param, key, shape, decay in zip(net.graph.params, owners, net.params, decays, strict=True):
        weight = state.weights[key].reshape(shape).astype(np.float64)
        pull = decay.l2 * weight + decay.l1 * np.sign(weight)
        still[key] = pull if param.param.learned else np.zeros(shape)

    def missing(slot: str, key: ParamKey) -> Array:
        return history_of_frozen(rule, slot, still[key], iteration).astype(spec.dtype)

    found = ((slot, key) for slot in rule.slots for key in owners)
    history = (state.history[each] if each in state.history else missing(*each) for each in found)
    return SolverState(iteration, learned_net, tuple(history), steps_taken(job.spec.lr_policy, iteration - 1, course))


def steps_taken(policy: Policy, iteration: int, course: Course) -> int:
    """The number of steps that a policy had taken at an iteration, the last that there was."""
    if isinstance(policy, Multistep):
        return policy.taken(iteration, course)
    return policy.stepsize.times(max(0, iteration), course.pace) if isinstance(policy, Step) else 0


def save_state(path: Path, state: SolverState) -> None:
    """Write a state of Caffe's solver as the file of the path's suffix. Raises WriteError."""
    if path.suffix.lower() == HDF5:
        with replacing(path) as temporary:
            caffe_hdf5.write_state(temporary, state)
        return
    write_whole(path, solverstate.pieces(state.iter, state.learned_net, state.history, state.current_step))
