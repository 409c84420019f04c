"""Compute a small net in front of a reader: forward, backward by the chain rule, and the solver's updates.

The net runs as in a training, in float64 and with every blob kept. What the kernels left is then explained, number by
number, by the layers' and the solver type's own arithmetic (`worked`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from netspec.core.errors import Findings
from netspec.core.nodes import Document
from netspec.core.places import Place
from netspec.core.shape import count, counted
from netspec.core.worked import indices
from netspec.language.asked import NOTHING_ASKED, AskedState
from netspec.language.references import Reference, open_any
from netspec.net.graph import GraphParam, State
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph
from netspec.study.batches import Part, Reader, Taken
from netspec.study.traced import Group, Iteration, Line, NoNumbersError, NotByGradientError, TooLargeError, Trace
from netspec.study.updates import Before, updates
from netspec.training.job import Job, job_of
from netspec.training.solvers.base_driving import DrivingRule

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.training.session import Session

MOST = 500
"""Most values, of blobs and params together, of a net that is traced."""


def trace(
    reference: Reference, overrides: Sequence[str] = (), iterations: int = 1, asked: AskedState = NOTHING_ASKED
) -> Trace:
    """The trace of a solver's first iterations; of a net alone, of one forward and backward.

    Raises the errors of the spec and of the data, TooLargeError, NoNumbersError and NotByGradientError.
    """
    opened = open_any(reference, overrides, "solvers", asked)
    if opened.solver is None:
        return _of_net(opened.named, State("TRAIN", asked.level or 0, asked.stages))
    job = job_of(opened, Findings(), phases=("TRAIN",))
    _check_size(job.train)
    if isinstance(job.spec.rule, DrivingRule):
        message = (
            f"{type(job.spec.rule).__name__} decides its steps from several passes, which no trace can show as one"
        )
        at = job.spec.rule.place("type")
        raise NotByGradientError(message, at=at, help="ask for another type, like `type=SGD`")
    return _of_job(job, iterations)


def _of_job(job: Job, iterations: int) -> Trace:
    """The trace of a training."""
    from netspec.training.session import Session

    spec = job.spec.model_copy(update={"dtype": "float64"})
    session = Session(replace(job, spec=spec), keep=True)
    try:
        params = tuple(_params(session.train.graph.params, session.train.weights.data))
        found = tuple(_iteration(session) for _ in range(iterations))
    finally:
        session.close()
    return Trace(job.train.graph.name, type(spec.rule).__name__, params, found)


def _iteration(session: Session) -> Iteration:
    """Train one iteration, and explain it."""
    program, size = session.train, session.spec.iter_size
    now, taken = session.iteration, dict[int, Taken]()

    def take() -> None:
        """Copy what the last batch left; between batches this may be called more than once."""
        iteration, number = map(int, program.clock)
        if iteration == now:
            taken[number] = Taken.of(program)

    weights = [array.copy() for array in program.weights.data]
    history = [{name: array.copy() for name, array in slots.items()} for slots in program.weights.history]
    session.hooks, session.between = (lambda: None, take), take
    session.step()
    parts: dict[int, list[Part]] = {}
    readers = [Reader(program.graph, taken[number], weights, size == 1, parts) for number in range(size)]
    batches = tuple(reader.batch() for reader in readers)
    before = Before(weights, history, taken[size - 1].gradient)
    return Iteration(batches, tuple(updates(session, before, parts)))


def _of_net(document: Document, state: State) -> Trace:
    """The trace of one forward and backward of a net that brings its own values."""
    from netspec.codegen import environment
    from netspec.engine.bind import bind, compile_net
    from netspec.engine.weights import fill, new_weights

    shaped = load_net(document, (), state)
    _check_size(shaped)
    if shaped.graph.inputs:
        blob = shaped.graph.blobs[shaped.graph.inputs[0]]
        layer = shaped.graph.nodes[blob.producer].layer
        help = "trace a solver whose `data` feed it, like {source: {type: Arrays, values: [...]}, batch_size: 1}"
        raise NoNumbersError(f"nothing says which values '{blob.name}' has", at=layer.place("type"), help=help)
    environment.load()
    shaped, memory = compile_net(shaped, "float64", keep=True)
    weights = new_weights(shaped, "float64")
    fill(shaped, weights, 1)
    program = bind(shaped, memory, weights, 1)
    params = tuple(_params(shaped.graph.params, weights.data))
    values = [array.copy() for array in weights.data]
    program.run("prepare", "backward")
    batch = Reader(shaped.graph, Taken.of(program), values, whole=True).batch()
    return Trace(shaped.graph.name, None, params, (Iteration((batch,)),))


def _params(params: Sequence[GraphParam], values: Sequence[Array]) -> Iterator[Group]:
    """The params that the net begins with."""
    for param, array in zip(params, values, strict=True):
        yield Group(
            param.name, tuple(Line(param.name, index, "", float(array[index])) for index in indices(array.shape))
        )


def _check_size(shaped: ShapedGraph) -> None:
    """Raise TooLargeError where there are more values than can be followed."""
    blobs = sum(count(shape) for shape in shaped.blobs)
    params = sum(count(shape) for shape in shaped.params)
    if blobs + params > MOST:
        message = (
            f"net '{shaped.graph.name}' has {counted(blobs, 'value')} in blobs and {params:,} in params; "
            f"a trace shows at most {MOST} together"
        )
        help = "trace a smaller net; `netspec trace two_layer_sigmoid` is one"
        if params < MOST:
            help = "trace a smaller net, or a smaller batch: `data.train.batch_size=1`"
        raise TooLargeError(message, at=_first(shaped), help=help)


def _first(shaped: ShapedGraph) -> Place | None:
    """The place of the first layer."""
    return shaped.graph.nodes[0].layer.place("name") if shaped.graph.nodes else None
