"""Graph to ShapedGraph: the shape of every blob and param, and the cost of every layer, with the arithmetic in words."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.diagnostics import Findings, SpecError
from netspec.graph import Graph, Node
from netspec.layers.base import Broken
from netspec.shape import Shape, ShapeError, Shapes, count, text

MAX_COUNT = 2**40
MAX_AXES = 32


class TooLargeBlobError(ShapeError):
    """A blob of more values than any machine holds, or of more axes than kernels count."""

    code = "NS311"


class ExpectError(SpecError):
    """The net's totals are not what its `expect` says."""

    code = "NS312"
    exit_code = 6


@dataclass(frozen=True)
class Cost:
    """What one layer costs: learned and stored parameters, MACs of a forward pass over the batch, and the words behind them."""

    params: int
    stored: int
    macs: int
    shape_words: str
    param_words: str


@dataclass(frozen=True)
class ShapedGraph:
    """A graph whose blobs and params have shapes. `blobs[i]` belongs to `graph.blobs[i]`; empty tuples are scalars."""

    graph: Graph
    blobs: Shapes
    params: Shapes
    costs: tuple[Cost, ...]

    @property
    def batch(self) -> int:
        """First axis of the first input; 1 without inputs."""
        shapes = [self.blobs[i] for i in self.graph.inputs if self.blobs[i]]
        return shapes[0][0] if shapes else 1

    @property
    def total_params(self) -> int:
        """Learned parameters, shared ones counted once."""
        return sum(count(shape) for shape, p in zip(self.params, self.graph.params, strict=True) if p.param.learned)

    @property
    def stored_params(self) -> int:
        """Values that are kept with the weights but not learned (running statistics)."""
        return sum(count(shape) for shape, p in zip(self.params, self.graph.params, strict=True) if not p.param.learned)

    @property
    def total_macs(self) -> int:
        """Multiply-accumulates of one forward pass over the batch."""
        return sum(cost.macs for cost in self.costs)

    def bottom_shapes(self, node: Node) -> Shapes:
        """The shapes a layer reads."""
        return tuple(self.blobs[b] for b in node.bottoms)

    def top_shapes(self, node: Node) -> Shapes:
        """The shapes a layer writes."""
        return tuple(self.blobs[t] for t in node.tops)


def infer(graph: Graph, found: Findings, batch: int | None = None) -> ShapedGraph:
    """The shaped graph; `batch` replaces the first axis of every input. A layer whose bottoms are unknown is passed over."""
    blobs: dict[int, Shape] = {}
    params: dict[int, Shape] = {}
    costs: list[Cost] = []
    for node in graph.nodes:
        cost = Cost(0, 0, 0, "", "")
        bottoms = tuple(blobs[b] for b in node.bottoms if b in blobs)
        sound = not isinstance(node.layer, Broken) and len(bottoms) == len(node.bottoms) and node.layer.bottoms.holds(len(bottoms))
        if sound and node.layer.tops.holds(len(node.tops)):
            try:
                cost = _layer(graph, node, bottoms, blobs, params, batch)
            except ShapeError as error:
                found.add(_placed(error, graph, node, blobs))
        costs.append(cost)
    shapes = tuple(blobs.get(i, ()) for i in range(len(graph.blobs)))
    return ShapedGraph(graph, shapes, tuple(params.get(i, ()) for i in range(len(graph.params))), tuple(costs))


def _layer(graph: Graph, node: Node, bottoms: Shapes, blobs: dict[int, Shape], params: dict[int, Shape], batch: int | None) -> Cost:
    layer = node.layer
    tops = layer.top_shapes(bottoms)
    if layer.type == "Input":
        tops = tuple(tops[i] if i < len(tops) else tops[-1] for i in range(len(node.tops)))
        if batch is not None:
            tops = tuple((batch, *shape[1:]) if shape else shape for shape in tops)
    for shape in tops:
        _bounded(shape, f"layer '{layer.name}' would write")
    for top, shape in zip(node.tops, tops, strict=True):
        blobs[top] = shape
    shapes = layer.param_shapes(bottoms)
    learned = stored = 0
    for slot, (index, shape) in enumerate(zip(node.params, shapes, strict=True)):
        param = graph.params[index]
        if index in params:
            _agree(graph, node, slot, shape, params[index])
            continue
        _bounded(shape, f"layer '{layer.name}' would have a param of")
        _check_filler(param.param.filler, param.param.name, shape)
        params[index] = shape
        learned += count(shape) if param.param.learned else 0
        stored += 0 if param.param.learned else count(shape)
    return Cost(
        learned, stored, layer.macs(bottoms, tops), layer.shape_arithmetic(bottoms), layer.param_arithmetic(bottoms) if learned else ""
    )


def _bounded(shape: Shape, what: str) -> None:
    """Raise TooLargeBlobError for a shape that no machine holds."""
    if len(shape) > MAX_AXES:
        raise TooLargeBlobError(f"{what} {len(shape):,} axes", help=f"a blob has at most {MAX_AXES}")
    if count(shape) > MAX_COUNT:
        total = f"{count(shape):,}" if count(shape) < 10**30 else "more than 10^30"
        raise TooLargeBlobError(f"{what} {text(shape)} = {total} values")


def _check_filler(filler: object, name: str, shape: Shape) -> None:
    try:
        filler.check(shape)  # type: ignore[attr-defined]
    except ShapeError as error:
        field = f"{name}_filler" + (f".{error.field}" if error.field else "")
        raise ShapeError(f"the filler of `{name}`: {error.message}", field=field, help=error.help) from None


def _agree(graph: Graph, node: Node, slot: int, shape: Shape, owned: Shape) -> None:
    param = graph.params[node.params[slot]]
    if shape == owned or (param.permissive and count(shape) == count(owned)):
        return
    owner = graph.nodes[param.users[0][0]].layer.name
    raise ShapeError(
        f"layer '{node.layer.name}' needs {text(shape)} for the param it shares, but its owner, layer '{owner}', has {text(owned)}",
        field=f"param.{slot}.name",
    )


def _placed(error: ShapeError, graph: Graph, node: Node, blobs: dict[int, Shape]) -> ShapeError:
    """The error with its place, its layer's name, and for every bottom it speaks of the name, shape and producer."""
    words = []
    for b in node.bottoms:
        blob = graph.blobs[b]
        maker = graph.nodes[blob.producer].layer
        made = f", from layer '{maker.name}'" if maker.name != blob.name else ""
        words.append(f"'{blob.name}' ({text(blobs[b])}{made})")
    message = error.message
    for i, word in enumerate(words):
        message = message.replace(f"{{bottom[{i}]}}", word)
    if not message.startswith("layer '"):
        message = f"layer '{node.layer.name}' ({node.layer.type}): {message}"
    path = [int(step) if step.isdigit() else step for step in (error.field or "name").split(".")]
    result = type(error)(message, help=error.help)
    result.at = node.place(*path)
    return result


def expect(shaped: ShapedGraph, found: Findings) -> None:
    """Compare the net's totals with its `expect`; only `check` and `zoo verify` ask."""
    spec = shaped.graph.spec
    actual = {"params": shaped.total_params, "macs": shaped.total_macs // max(1, shaped.batch)}
    for word, wanted in spec.expect.items():
        if actual[word] != wanted:
            text_ = f"net '{spec.name}' has {actual[word]:,} {word}, but `expect` says {wanted:,}"
            found.add(ExpectError(text_, at=spec.document.locate("expect", word)))
