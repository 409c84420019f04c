"""Caffe's states of a solver, `.solverstate`: iteration, history, and the file of the weights that belong to it.

Source: Caffe caffe.proto, SolverState; sgd_solver.cpp.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.formats import blob_proto, wire
from netspec.formats.blob_proto import blob_of
from netspec.formats.files import WrongFormatError
from netspec.formats.mapped import map_message

if TYPE_CHECKING:
    from netspec.formats.mapped import Array

NAME = "solverstate"

_ITER, _LEARNED_NET, _HISTORY, _STEP = 1, 2, 3, 4
_MOST_HISTORY = 2**16
"""Most arrays of a history: each takes more memory than its few bytes in the file."""


@dataclass(frozen=True)
class SolverState:
    """The state of a solver.

    `history` has an array for each param that the net owns, in order; of solver types with two, all first ones and
    then all second ones. `current_step` is the number of steps that the policy "multistep" has taken.
    """

    iter: int
    learned_net: str
    history: tuple[Array, ...]
    current_step: int = 0


def read_state(path: Path) -> SolverState:
    """The state in a `.solverstate`, its history lying in the mapped file.

    Raises MissingDataError, UnreadableDataError, WrongFormatError, WrongSizeError.
    """
    return state_of(map_message(path, NAME))


def state_of(message: wire.Message) -> SolverState:
    """The state in a message. Raises WrongFormatError, WrongSizeError."""
    iter: int | None = None
    learned_net, step, history = "", 0, list[wire.Message]()
    for field in message.fields():
        if field.number == _ITER:
            iter = field.integer()
        elif field.number == _LEARNED_NET:
            learned_net = field.text()
        elif field.number == _HISTORY:
            history.append(field.message(blob_proto.NAME))
            if len(history) > _MOST_HISTORY:
                raise message.fault(field.place, f"more than {_MOST_HISTORY:,} arrays")
        elif field.number == _STEP:
            step = field.integer()
        else:
            raise message.fault(field.place, f"a field of number {field.number}, which it does not have")
    if iter is None or iter < 0:
        raise WrongFormatError(
            f"'{message.path}' is no {NAME}: it says no iteration",
            help="a caffemodel? those hold weights, and are given with --weights",
        )
    return SolverState(iter, learned_net, tuple(blob_of(each).data for each in history), step)


def pieces(iter: int, learned_net: str, history: Iterable[Array], step: int = 0) -> Iterator[bytes | memoryview]:
    """The bytes of a `.solverstate`, in pieces."""
    yield wire.integer(_ITER, iter) + wire.row(_LEARNED_NET, learned_net.encode())
    for array in history:
        blob = blob_proto.pieces(array)
        yield wire.head(_HISTORY, sum(map(len, blob)))
        yield from blob
    yield wire.integer(_STEP, step)
