"""Graph to ShapedGraph: shapes of blobs and params, costs and receptive fields of layers, arithmetic in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from netspec.core.errors import CheckFailed, DataError, Findings, NetspecError, SpecError
from netspec.core.receptive import NOTHING_SEEN, ReceptiveField
from netspec.core.shape import Shape, ShapeError, Shapes, count, filled, text, unfilled
from netspec.core.verify import verifying
from netspec.fillers.base import Filler
from netspec.layers.base import Broken
from netspec.net.graph import Graph, Node
from netspec.net.shaped import Cost, ShapedGraph
from netspec.net.spec import NetSpec

MAX_COUNT = 2**40
MAX_AXES = 32


class TooLargeBlobError(ShapeError):
    """A blob of more values than any machine holds, or of more axes than kernels count."""

    code = "NS311"


class FixedBatchError(ShapeError):
    """A layer fits the batch size that the net is written with, but not the batch size that is asked for.

    `hint` is what the layer itself advises.
    """

    code = "NS313"
    hint: str | None = None


class ExpectError(CheckFailed, SpecError):
    """The net's totals are not what its `expect`, or `--expect`, says."""

    code = "NS312"


def infer(graph: Graph, found: Findings, batch: int | None = None) -> ShapedGraph:
    """The shaped graph; `batch` replaces the batch size of every input.

    A layer is passed over where it is broken, or where the shape of a bottom is unknown. Mistakes go to `found`; those
    that the net has at the batch size asked for, and not as it is written, are FixedBatchErrors.
    """
    own = Findings()
    shaped = _inferred(graph, own, batch)
    for error in own if batch is None else _compared(graph, own):
        found.add(error)
    found.more += own.more
    if verifying() and not found and graph.sound:
        from netspec.net.verify import verify_shapes

        verify_shapes(shaped)
    return shaped


def _compared(graph: Graph, errors: Findings) -> list[NetspecError]:
    """Errors at a batch size that was asked for; those not found at the size that is written are FixedBatchErrors."""
    if not errors:
        return []
    written = Findings()
    size = _inferred(graph, Findings(), None).batch
    _inferred(graph, written, size)
    always = {(error.code, error.at) for error in written}
    pairs = ((error, isinstance(error, ShapeError) and (error.code, error.at) not in always) for error in errors)
    return [_fixed(error, size) if fixed else error for error, fixed in pairs]


def _fixed(error: NetspecError, size: int) -> FixedBatchError:
    """The error of a layer that only fits the batch size that is written in the net."""
    hint = f", or mend the layer: {error.help}" if error.help else ""
    help = f"the net is written for batches of {size:,}: choose that batch size{hint}"
    return FixedBatchError(error.message, help=help).changed(at=error.at, hint=error.help)


def _inferred(graph: Graph, found: Findings, batch: int | None) -> ShapedGraph:
    """The shaped graph at a batch size, or at the sizes of its inputs as they are written."""
    known = _Known({}, {}, {}, {})
    costs: list[Cost] = []
    for node in graph.nodes:
        cost = Cost()
        bottoms = tuple(known.blobs[b] for b in node.bottoms if b in known.blobs)
        sound = (
            not isinstance(node.layer, Broken)
            and len(bottoms) == len(node.bottoms)
            and node.layer.bottoms.holds(len(bottoms))
        )
        if sound and node.layer.tops.holds(len(node.tops)):
            try:
                cost = _layer(graph, node, bottoms, known, batch)
            except ShapeError as error:
                found.add(_placed(error, graph, node, known.blobs))
            except DataError as error:
                found.add(
                    error if error.at else error.at_place(node.layer.place(getattr(error, "field", "") or "name"))
                )
        costs.append(cost)
    blobs = tuple(known.blobs.get(i, ()) for i in range(len(graph.blobs)))
    params = tuple(known.params.get(i, ()) for i in range(len(graph.params)))
    axes = tuple(map(known.axes.get, range(len(graph.blobs))))
    fields = tuple(known.fields.get(i, NOTHING_SEEN) for i in range(len(graph.blobs)))
    return ShapedGraph(graph, blobs, params, tuple(costs), axes, fields)


class _Known(NamedTuple):
    """Results of the layers so far, by index: shapes of blobs and params, receptive fields and batch axes of blobs."""

    blobs: dict[int, Shape]
    params: dict[int, Shape]
    fields: dict[int, ReceptiveField]
    axes: dict[int, int | None]


def _layer(graph: Graph, node: Node, bottoms: Shapes, known: _Known, batch: int | None) -> Cost:
    """The cost of one layer; the shapes of its tops and params are added to `known`."""
    layer = node.layer
    tops = layer.top_shapes(bottoms)
    if batch is not None:
        tops = layer.for_batch(tops, batch)
    for shape in tops:
        _bounded(shape, f"layer '{unfilled(layer.name)}' would write")
    fields = layer.receptive_fields(bottoms, [known.fields[b] for b in node.bottoms])
    axes = layer.batch_axes(bottoms, tuple(known.axes[b] for b in node.bottoms))
    for top, shape, field, axis in zip(node.tops, tops, fields, axes, strict=True):
        known.blobs[top], known.fields[top], known.axes[top] = shape, field, axis
    shapes = layer.param_shapes(bottoms)
    learned = stored = 0
    for slot, (index, shape) in enumerate(zip(node.params, shapes, strict=True)):
        param = graph.params[index]
        if index in known.params:
            _agree(graph, node, slot, shape, known.params[index])
            continue
        _bounded(shape, f"layer '{unfilled(layer.name)}' would have a param of")
        _check_filler(param.param.filler, param.param.name, shape)
        known.params[index] = shape
        learned += count(shape) if param.param.learned else 0
        stored += 0 if param.param.learned else count(shape)
    words = layer.shape_arithmetic(bottoms), layer.param_arithmetic(bottoms) if learned else ""
    return Cost(learned, stored, layer.macs(bottoms, tops), *words)


def _bounded(shape: Shape, what: str) -> None:
    """Raise TooLargeBlobError for a shape of too many axes or values."""
    if len(shape) > MAX_AXES:
        raise TooLargeBlobError(f"{what} {len(shape):,} axes", help=f"a blob has at most {MAX_AXES}")
    if count(shape) > MAX_COUNT:
        total = f"{count(shape):,}" if count(shape) < 10**30 else "more than 10^30"
        raise TooLargeBlobError(f"{what} {text(shape)} = {total} values")


def _check_filler(filler: Filler, name: str, shape: Shape) -> None:
    try:
        filler.check(shape)
    except ShapeError as error:
        field = f"{name}_filler" + (f".{error.field}" if error.field else "")
        raise ShapeError(f"the filler of `{name}`: {error.message}", field=field, help=error.help) from None


def _agree(graph: Graph, node: Node, slot: int, shape: Shape, owned: Shape) -> None:
    param = graph.params[node.params[slot]]
    mode = node.layer.param[slot].share_mode
    if shape == owned or (mode == "PERMISSIVE" and count(shape) == count(owned)):
        return
    owner, name = (unfilled(one.layer.name) for one in (graph.nodes[param.users[0][0]], node))
    needed = f"layer '{name}' needs {text(shape)} for the param it shares"
    raise ShapeError(f"{needed}, but its owner, layer '{owner}', has {text(owned)}", field=f"param.{slot}.name")


def _placed(error: ShapeError, graph: Graph, node: Node, blobs: dict[int, Shape]) -> ShapeError:
    """The error with its place and layer, and with name, shape and producer of each bottom that it mentions."""
    words = []
    for b in node.bottoms:
        blob = graph.blobs[b]
        maker = graph.nodes[blob.producer].layer
        made = f", from layer '{maker.name}'" if maker.name != blob.name else ""
        words.append(f"'{blob.name}' ({text(blobs[b])}{made})")
    message = filled(error.message, words)
    if not message.startswith("layer '"):
        message = f"layer '{node.layer.name}' ({node.layer.type}): {message}"
    path = [int(step) if step.isdigit() else step for step in (error.field or "name").split(".")]
    return error.changed(message=message, at=node.layer.place(*path))


TOTALS: dict[str, Callable[[ShapedGraph], int]] = {
    "params": lambda net: net.total_params,
    "macs": lambda net: net.total_macs // max(1, net.batch),
    "stored": lambda net: net.stored_params,
    "layers": lambda net: len(net.graph.nodes),
    "field": lambda net: net.largest_field,
}
"""Totals that can be expected of a net, each with its function; MACs are of one image."""


def expect(
    shaped: ShapedGraph, spec: NetSpec, found: Findings, wanted: Iterable[tuple[str, int]] | None = None
) -> None:
    """Compare the net's totals with `wanted`, or with its `expect`; for `check`, `zoo verify` and `--expect`."""
    for word, number in spec.expect.items() if wanted is None else wanted:
        actual = TOTALS[word](shaped)
        if actual != number:
            said = "`expect`" if wanted is None else "--expect"
            at = spec.place("expect", word) if wanted is None else None
            help = "if the change is meant, take `expect` out, or write the new figures" if wanted is None else None
            message = f"net '{spec.name}' has {_words(word, actual)}, but {said} says {number:,}"
            found.add(ExpectError(message, at=at, help=help))


def _words(word: str, actual: int) -> str:
    special = {"stored": f"{actual:,} stored values", "field": f"a largest receptive field of {actual:,}"}
    return special.get(word, f"{actual:,} {word}")
