"""Verifiers of Graph and ShapedGraph: invariants after each pass, computed in another way than in the pass."""

from __future__ import annotations

from netspec.core.shape import count
from netspec.core.verify import Check
from netspec.net.graph import Gradients, Graph, GraphBlob, GraphParam, Node
from netspec.net.shaped import ShapedGraph


def verify_graph(graph: Graph, gradients: Gradients | None = None, forced: bool = False, stage: str = "Graph") -> None:
    """Verify the wiring of a graph, before or after rewrites; `gradients` is the extent of backward, if known.

    Raises InvariantError.
    """
    check = Check(stage)
    kinds: dict[str, tuple[Node | GraphBlob | GraphParam, ...]]
    kinds = {"layer": graph.nodes, "blob": graph.blobs, "param": graph.params}
    for what, values in kinds.items():
        numbers = [value.index for value in values]
        check(numbers == list(range(len(values))), f"the {what}s are numbered {numbers}")
    _blobs(graph, check)
    _params(graph, check)
    _backward(graph, check)
    if gradients is not None:
        _reached(graph, gradients, forced, check)


def _blobs(graph: Graph, check: Check) -> None:
    """Every blob has one producer, which comes before its readers; versions of a name are consecutive."""
    made = [0] * len(graph.blobs)
    latest: dict[str, GraphBlob] = {}
    for node in graph.nodes:
        name = node.layer.name
        check(node.layer.bottoms.holds(len(node.bottoms)), f"reads {len(node.bottoms)} blobs", name)
        check(node.layer.tops.holds(len(node.tops)), f"writes {len(node.tops)} blobs", name)
        for bottom in node.bottoms:
            blob = graph.blobs[bottom]
            check(blob.producer < node.index, "is read before it is written", name, blob.name)
        for slot, top in enumerate(node.tops):
            blob, made[top] = graph.blobs[top], made[top] + 1
            here = (blob.producer, blob.slot) == (node.index, slot)
            check(here, f"is top {slot} of this layer, but names another producer", name, blob.name)
            if blob.copy_of is None:
                before = latest.get(blob.name)
                follows = blob.version == (0 if before is None else before.version + 1)
                check(follows, f"version {blob.version} does not follow the one before", name, blob.name)
                worked = before is None or before.index in map(graph.original, node.bottoms)
                check(worked, "is written again by a layer that does not read it", name, blob.name)
                latest[blob.name] = blob
    for blob, times in zip(graph.blobs, made, strict=True):
        check(times == 1, f"has {times} producers", blob=blob.name)
        check(blob.loss_weight == _weight(graph, blob), "has another loss weight than its layer says", blob=blob.name)


def _weight(graph: Graph, blob: GraphBlob) -> float:
    """The loss weight that a blob's layer gives it; 0 for a copy in another layout."""
    layer = graph.nodes[blob.producer].layer
    if blob.copy_of is not None:
        return 0.0
    if layer.loss_weight is None:
        return float(layer.is_loss and blob.slot == 0)
    return layer.loss_weight[blob.slot]


def _params(graph: Graph, check: Check) -> None:
    """A param's users are the layers that have it, in order; each layer has as many params as its type declares."""
    users: list[list[tuple[int, int]]] = [[] for _ in graph.params]
    for node in graph.nodes:
        own = len(node.layer.params())
        check(len(node.params) == own, f"has {len(node.params)} params, not {own}", node.layer.name)
        for slot, param in enumerate(node.params):
            users[param].append((node.index, slot))
    for one, found in zip(graph.params, users, strict=True):
        first = graph.nodes[one.users[0][0]].layer.name
        check(one.users == tuple(found), f"param '{one.name}' has other users than it says", first)
        check(one.name.startswith(f"{first}."), f"param '{one.name}' is not named after its owner", first)


def _learns(graph: Graph, node: Node) -> bool:
    """Whether a layer, or a layer that it computes along with itself, has a param that the solver changes."""
    nodes = (node, *(graph.nodes[index] for index in node.along.values()))
    return any(graph.params[param].learned for one in nodes for param in one.params)


def _backward(graph: Graph, check: Check) -> None:
    """A diff is needed exactly where some layer's backward reads or writes it."""
    needed: set[int] = set()
    for node in graph.nodes:
        name, layer = node.layer.name, node.layer
        check(len(node.propagate) == len(node.bottoms), "has not one `propagate` for each bottom", name)
        flowing = [slot for slot, flag in enumerate(node.propagate) if flag]
        check(node.backward or not flowing, "sends gradients down, but does not run backward", name)
        check(
            not layer.without_diff(len(node.bottoms)).intersection(flowing),
            "sends a gradient to a bottom that takes none",
            name,
        )
        if node.backward:
            check(layer.differentiable, "runs backward, but has no gradient", name)
            check(flowing or _learns(graph, node), "runs backward for nothing", name)
            needed.update(node.tops, (node.bottoms[slot] for slot in flowing))
    for blob in graph.blobs:
        said = "a diff that no layer reads or writes" if blob.needs_diff else "no diff, but a layer reads or writes it"
        maker = graph.nodes[blob.producer].layer.name
        check(blob.needs_diff == (blob.index in needed), f"has {said}", maker, blob.name)


def _reached(graph: Graph, gradients: Gradients, forced: bool, check: Check) -> None:
    """Backward runs from losses down to learned params: no layer runs needlessly, and no learning layer is left out."""
    if gradients == "none":
        check(not any(node.backward for node in graph.nodes), "runs backward, though no gradients were asked for")
    if gradients != "loss" or forced:
        return
    for node in graph.nodes:
        name = node.layer.name
        under = any(graph.blobs[top].loss_weight for top in node.tops) or any(
            graph.nodes[reader].propagate[slot] for top in node.tops for reader, slot in graph.readers(top)
        )
        check(under or not node.backward, "runs backward, but no loss depends on it", name)
        idle = under and _learns(graph, node) and not node.backward
        check(not idle, "learns under a loss, but does not run backward", name)
        for slot, bottom in enumerate(node.bottoms):
            learned = graph.nodes[graph.blobs[bottom].producer].backward
            asked = node.layer.propagate_down is None or node.layer.propagate_down[slot]
            check(learned or not node.propagate[slot], "sends a gradient to what does not learn", name)
            check(asked or not node.propagate[slot], "sends a gradient down against `propagate_down`", name)


def verify_shapes(shaped: ShapedGraph) -> None:
    """Verify that shapes and costs agree with what each layer computes from its bottoms. Raises InvariantError."""
    check, graph = Check("ShapedGraph"), shaped.graph
    pairs = ((shaped.blobs, graph.blobs), (shaped.params, graph.params), (shaped.costs, graph.nodes))
    for what, (mine, theirs) in zip(("blobs", "params", "layers"), pairs, strict=True):
        check(len(mine) == len(theirs), f"{len(mine)} values for {len(theirs)} {what}")
    for node in graph.nodes:
        _shape(shaped, node, check)
    sums = (sum(cost.params for cost in shaped.costs), sum(cost.stored for cost in shaped.costs))
    check(sums == (shaped.total_params, shaped.stored_params), "the layers' params do not add up to the net's")
    check(sum(cost.macs for cost in shaped.costs) == shaped.total_macs, "the layers' MACs do not add up to the net's")


def _shape(shaped: ShapedGraph, node: Node, check: Check) -> None:
    """Verify one layer's tops, params and cost."""
    graph, layer, name = shaped.graph, node.layer, node.layer.name
    bottoms, tops, cost = shaped.bottom_shapes(node), shaped.top_shapes(node), shaped.costs[node.index]
    said = layer.top_shapes(bottoms)
    right = tops in (said, layer.for_batch(said, shaped.batch))
    check(right, f"tops of shapes {tops}, where the layer says {said}", name)
    axes = layer.batch_axes(bottoms, tuple(shaped.batch_axes[b] for b in node.bottoms))
    check(axes == tuple(shaped.batch_axes[t] for t in node.tops), "its tops have other batch axes than it says", name)
    params = layer.param_shapes(bottoms)
    for index, shape in zip(node.params, params, strict=True):
        param, known = graph.params[index], shaped.params[index]
        same = shape == known or (param.permissive and count(shape) == count(known))
        check(same, f"param '{param.name}' has shape {known}, where the layer says {shape}", name)
    mine = [i for i in dict.fromkeys(node.params) if graph.params[i].users[0][0] == node.index]
    learned = sum(count(shaped.params[i]) for i in mine if graph.params[i].param.learned)
    stored = sum(count(shaped.params[i]) for i in mine if not graph.params[i].param.learned)
    check((cost.params, cost.stored) == (learned, stored), "its cost counts other params than it owns", name)
    check(cost.macs == layer.macs(bottoms, tops), "its cost has other MACs than the layer says", name)
    fields = layer.receptive_fields(bottoms, [shaped.fields[bottom] for bottom in node.bottoms])
    check(fields == tuple(shaped.fields[t] for t in node.tops), "its tops have other receptive fields", name)
