"""Verifier of rewrites: what they must not change, and conditions on the fields of layers and blobs that they set."""

from __future__ import annotations

from netspec.core.shape import count
from netspec.core.verify import Check, InvariantError
from netspec.engine.conversion import Conversion
from netspec.engine.verify_fusing import verify_fused
from netspec.engine.verify_thinning import verify_thinned, verify_thinning
from netspec.layers.batch_norm import BatchNorm
from netspec.layers.concat import Concat
from netspec.layers.eltwise import Eltwise
from netspec.layers.relu import ReLU
from netspec.net.graph import Graph, GraphBlob, Node
from netspec.net.shaped import ShapedGraph
from netspec.net.verify import verify_graph


def verify_rewritten(before: ShapedGraph, after: ShapedGraph, name: str, laid: bool) -> None:
    """Verify the graph after a rewrite; `laid` says whether layouts have been chosen. Raises InvariantError."""
    check = Check(f"ShapedGraph after rewrite '{name}'")
    verify_graph(after.graph, stage=check.stage)
    _unchanged(before, after, name == "thin", check)
    if name == "thin":
        verify_thinning(before, after, check)
    _storage(after, check)
    _along(after.graph, check)
    if laid:
        _layouts(after, check)
    for node in after.graph.nodes:
        if node.folds:
            _folded(after, node, check)
        if node.onto is not None or "Eltwise" in node.along:
            _onto(after, node, check)
        if node.in_place:
            _in_place(after, node, check)
        _gradients(after.graph, node, check)
    _inside(after, check)
    verify_fused(after, check)
    verify_thinned(after, check)


def _unchanged(before: ShapedGraph, after: ShapedGraph, thins: bool, check: Check) -> None:
    """Layers, blobs, params, losses and totals are unchanged; only conversions and their blobs are new.

    Where a rewrite `thins` sums, `verify_thinning` looks at shapes and at layers.
    """
    one, other = before.graph, after.graph
    check(len(after.blobs) == len(other.blobs), "not every blob has a shape")
    check(len(after.costs) == len(other.nodes), "not every layer has a cost")
    old = [node for node in other.nodes if not isinstance(node.layer, Conversion)]
    known = [node for node in one.nodes if not isinstance(node.layer, Conversion)]
    check([node.layer.name for node in old] == [node.layer.name for node in known], "other layers than before")
    for mine, theirs in zip(old, known, strict=True):
        name = mine.layer.name
        check(thins or mine.layer is theirs.layer, "the layer was exchanged", name)
        check(mine.tops == theirs.tops and mine.params == theirs.params, "other tops or params than before", name)
        read = [list(map(graph.original, node.bottoms)) for graph, node in ((other, mine), (one, theirs))]
        check(read[0] == read[1], "other bottoms than before", name)
        check(after.costs[mine.index] == before.costs[theirs.index], "another cost than before", name)
    for left, right in zip(other.blobs, one.blobs, strict=False):
        same = (left.name, left.version, left.slot, left.loss_weight, left.copy_of)
        kept = same == (right.name, right.version, right.slot, right.loss_weight, right.copy_of)
        check(kept, "changed", "", left.name)
        alike = thins or after.blobs[left.index] == before.blobs[right.index]
        check(alike, "another shape than before", "", left.name)
    for blob in other.blobs[len(one.blobs) :]:
        check(blob.copy_of is not None, "a new blob that is no copy of another", "", blob.name)
    check(after.params == before.params, "other shapes of params than before")
    for new, param in zip(other.params, one.params, strict=True):
        check((new.name, new.lr_mult, new.decay_mult) == (param.name, param.lr_mult, param.decay_mult), "another param")
    check(other.losses == one.losses and other.inputs == one.inputs, "other losses or inputs than before")
    check(after.total_macs == before.total_macs, "other totals than before")


def _storage(shaped: ShapedGraph, check: Check) -> None:
    """Blobs that share memory have equally many values, in the same order; the memory belongs to the first of them."""
    graph = shaped.graph
    for blob, storage in zip(graph.blobs, graph.storage, strict=True):
        maker = graph.nodes[blob.producer].layer.name
        check(graph.storage[storage] == storage, "lies in the memory of a blob that has none", maker, blob.name)
        same = count(shaped.blobs[blob.index]) == count(shaped.blobs[storage])
        check(same, f"lies in the memory of '{graph.blobs[storage].label}', which has another size", maker, blob.name)


def _along(graph: Graph, check: Check) -> None:
    """Every absorbed layer has one host, which can compute its type.

    Between host and absorbed layer there are only absorbed layers, and no other layer reads the blobs between them.
    """
    hosts: dict[int, Node] = {}
    for node in graph.nodes:
        for word, index in node.along.items():
            guest = graph.nodes[index]
            able = node.layer.abilities.along | node.layer.abilities.folds
            check(word in able, f"cannot compute a {word} along with itself", node.layer.name)
            check(guest.layer.type == word and guest.absorbed, f"computes no absorbed {word}", node.layer.name)
            check(index not in hosts and not node.absorbed, "is computed twice", guest.layer.name)
            hosts[index] = node
    for node in graph.nodes:
        if not node.absorbed:
            continue
        name, host = node.layer.name, hosts.get(node.index)
        if host is None:
            raise InvariantError(check.stage, "is absorbed, but no layer computes it", name)
        reads = [
            blob
            for blob in map(graph.blobs.__getitem__, node.bottoms)
            if hosts.get(blob.producer, graph.nodes[blob.producer]) is host
        ]
        check(bool(reads), "does not read its host's result", name)
        blob, below = reads[0], graph.nodes[reads[0].producer]
        alone = len(graph.readers(blob.index)) == 1 and len(node.tops) == len(below.tops) == 1
        check(alone and not (blob.loss_weight or blob.kept), "reads a blob that is wanted elsewhere", name, blob.name)
        check(not isinstance(node.layer, ReLU) or node.layer.negative_slope == 0, "has a slope", name)
        last = [graph.nodes[index].layer.type for index in sorted(host.along.values())][-1]
        check("ReLU" not in host.along or last == "ReLU", "is computed after its host rectified", name)
        check(host.backward or not node.backward, "runs backward, but its host does not", name)
        flows = any(host.propagate) or any(graph.params[param].learned for param in host.params)
        check(node.propagate[0] or not (host.backward and flows), "stops a gradient that its host sends on", name)


def _folded(shaped: ShapedGraph, node: Node, check: Check) -> None:
    """No param changes; the layer's filters have the channels of a BatchNorm by running statistics, then of a Scale."""
    graph, name = shaped.graph, node.layer.name
    check(graph.still, "takes factors into its weights, but params change", name)
    guests = {word: graph.nodes[index] for word, index in node.along.items() if word in node.layer.abilities.folds}
    norm, scale = guests.get("BatchNorm"), guests.get("Scale")
    weight = node.layer.param_shapes(shaped.bottom_shapes(node))[0]
    for guest in guests.values():
        fits = len(shaped.blobs[guest.tops[0]]) in {2, 4} and shaped.blobs[guest.tops[0]][1] == weight[0]
        sizes = {shaped.params[param] for param in guest.params} <= {(weight[0],), (1,)}
        check(fits and sizes, "has not one factor for each filter of its host", guest.layer.name)
        check(len(guest.bottoms) == 1, "takes its factors from a blob", guest.layer.name)
    if norm is not None and isinstance(norm.layer, BatchNorm):
        check(norm.layer.running(graph.phase), "normalises by the batch", norm.layer.name)
        check(scale is None or norm.index < scale.index, "comes behind the factors", norm.layer.name)


def _onto(shaped: ShapedGraph, node: Node, check: Check) -> None:
    """A layer adds to the other bottom of a sum of two; that is complete by then, and nobody else reads it later."""
    graph, name = shaped.graph, node.layer.name
    check(node.onto is not None and "Eltwise" in node.along, "adds to a blob, but computes no sum", name)
    guest, onto = graph.nodes[node.along["Eltwise"]], graph.blobs[node.onto or 0]
    layer = guest.layer
    plain = isinstance(layer, Eltwise) and layer.operation == "SUM" and {*layer.coeff} <= {1.0}
    check(plain and len(guest.bottoms) == 2, "is no plain sum of two", layer.name)
    check(onto.index in guest.bottoms, "is added to, but the sum does not read it", layer.name, onto.name)
    check(graph.still, "adds to a blob that backward may read", name, onto.name)
    top = graph.blobs[node.tops[0]]
    alike = shaped.blobs[top.index] == shaped.blobs[onto.index] and top.layout == onto.layout
    check(alike, "adds to a blob of another shape or layout", name, onto.name)
    own = {top.index, *(t for index in node.along.values() for t in graph.nodes[index].tops)}
    for blob in (one for one in graph.blobs if graph.storage[one.index] == graph.storage[top.index]):
        if blob.index in own or graph.nodes[blob.producer].index > node.index:
            continue
        check(not (blob.loss_weight or blob.kept or blob.index in graph.inputs), "is wanted as it was", name, blob.name)
        for index, _ in graph.readers(blob.index):
            reader = graph.hosts.get(index, graph.nodes[index])
            early = reader.index < node.index or index == guest.index or not graph.runs(reader)
            check(early, f"is read by layer '{reader.layer.name}' after it was added to", name, blob.name)
    begun = graph.nodes[onto.producer]
    check(
        graph.hosts.get(begun.index, begun).index < node.index, "adds to a blob before it is written", name, onto.name
    )


def _layouts(shaped: ShapedGraph, check: Check) -> None:
    """Each layer supports its layout, its blobs of four axes have that layout, and only conversions change layouts."""
    graph = shaped.graph
    for blob in graph.blobs:
        flat = len(shaped.blobs[blob.index]) != 4
        check(not flat or blob.layout == "NCHW", "has not four axes, but a layout", "", blob.name)
    for node in graph.nodes:
        name, layouts = node.layer.name, node.layer.abilities.layouts
        for blob in (graph.blobs[i] for i in (*node.bottoms, *node.tops) if len(shaped.blobs[i]) == 4):
            if isinstance(node.layer, Conversion):
                turned = (blob.layout == node.layer.to) == (blob.index in node.tops)
                check(turned, "does not turn its bottom's layout into its top's", name, blob.name)
            else:
                check(blob.layout == node.layout, f"lies as {blob.layout}, not {node.layout}", name, blob.name)
                check(node.absorbed or node.layout in layouts, f"does not take {node.layout}", name, blob.name)
    for blob in graph.blobs:
        if blob.copy_of is not None:
            source = graph.blobs[blob.copy_of]
            other = source.layout != blob.layout and shaped.blobs[source.index] == shaped.blobs[blob.index]
            check(other, "is no copy in another layout", graph.nodes[blob.producer].layer.name, blob.name)


def _in_place(shaped: ShapedGraph, node: Node, check: Check) -> None:
    """A layer in place overwrites only values and gradients that no other layer needs, in forward or backward."""
    graph, name = shaped.graph, node.layer.name
    home = graph.storage[node.bottoms[0]]
    check(node.layer.abilities.in_place and len(node.tops) == 1 and graph.runs(node), "cannot work in place", name)
    check(shaped.blobs[node.bottoms[0]] == shaped.blobs[node.tops[0]], "works in place on another shape", name)
    check(home not in graph.inputs, "works in place on an input", name)
    check(not (node.backward and "bottom" in node.reads), "overwrites what its own backward reads", name)
    newer = {node.tops[0]}
    older: list[GraphBlob] = []
    shared = (one for one in graph.blobs if graph.storage[one.index] == home)
    for blob in sorted(shared, key=lambda one: one.producer):  # blobs of conversions have the last indices
        maker = graph.nodes[blob.producer]
        derived = bool(maker.bottoms) and (maker.in_place or not graph.runs(maker)) and maker.bottoms[0] in newer
        if derived:
            newer.add(blob.index)
        elif blob.index not in newer:
            older.append(blob)
    for blob in older:
        maker = graph.nodes[blob.producer]
        wanted = blob.loss_weight or blob.kept or not graph.readers(blob.index)
        check(not wanted, "overwrites a blob that is a result", name, blob.name)
        if graph.runs(maker):
            kept = "top" in maker.reads or (maker.in_place and maker.reads)
            check(not kept, f"overwrites what the backward of layer '{maker.layer.name}' reads", name, blob.name)
            check(node.propagate[0] or not maker.backward, "lets its top's gradient flow on", name, blob.name)
        for index, slot in graph.readers(blob.index):
            reader = graph.nodes[index]
            mine = slot == 0 and (index == node.index or (reader.in_place and index < node.index))
            check(mine or not graph.runs(reader), f"overwrites what layer '{reader.layer.name}' reads", name, blob.name)
    if node.backward:
        given = any(graph.nodes[index].propagate[slot] for top in newer for index, slot in graph.readers(top))
        check(given, "works in place on a gradient that nobody writes", name)
        check(not any(graph.blobs[top].loss_weight for top in newer), "works in place on the gradient of a loss", name)


def _gradients(graph: Graph, node: Node, check: Check) -> None:
    """A layer adds to gradients if its kernels can; it overwrites those of params if no other layer adds to them."""
    name = node.layer.name
    check(not node.adds or node.layer.abilities.adds, "cannot add to its bottoms' gradients", name)
    check(len(node.stores) in {0, len(node.params)}, "has not one `stores` for each param", name)
    hosts = [one for one in graph.nodes if node.index in one.along.values()] if node.absorbed else [node]
    for index, yes in zip(node.params, node.stores, strict=False):
        if yes:
            param = graph.params[index]
            able = node.backward and param.learned and all(host.layer.abilities.stores for host in hosts)
            check(able, f"cannot overwrite the gradient of param '{param.name}'", name)
            alone = sum(graph.nodes[user].backward for user, _ in param.users) == 1
            check(alone, f"overwrites the gradient of param '{param.name}', to which others add", name)


def _inside(shaped: ShapedGraph, check: Check) -> None:
    """A blob inside a Concat's top lies where the Concat would copy it, and so do Concats' tops inside others' tops.

    Its producer must be able to write there, and others who read it, to read there and to add to its gradient.
    """
    graph = shaped.graph
    taken: dict[int, list[tuple[int, int]]] = {}
    for blob in graph.blobs:
        if blob.inside is None:
            continue
        maker, (whole, first) = graph.nodes[blob.producer], blob.inside
        name, wide = maker.layer.name, graph.blobs[whole]
        check(graph.storage[blob.index] == blob.index, "lies inside another, but has no memory", name, blob.name)
        check(wide.inside is None, f"lies inside '{wide.label}', which has no memory", name, blob.name)
        able = len(maker.tops) == 1 and maker.layer.pitched(shaped.bottom_shapes(maker))
        check(able, "writes into a wider blob, but has no kernels for that", name, blob.name)
        last = blob.layout == wide.layout == "NHWC"
        check(last, "lies inside another, but its channels are not last", name, blob.name)
        mine = [one for one in graph.blobs if graph.storage[one.index] == blob.index]
        at = [at for one in mine for at in graph.readers(one.index) if not graph.nodes[at[0]].absorbed]
        joining = [(graph.nodes[index], slot) for index, slot in at if _joins(graph, index, whole)]
        others = [graph.nodes[index] for index, _ in at if not _joins(graph, index, whole)]
        wanted = any(one.loss_weight or one.kept for one in mine)
        check(len(joining) == 1 and not wanted, f"lies inside '{wide.label}', but others look at it", name, blob.name)
        joins, slot = joining[0]
        begin = (graph.blobs[joins.tops[0]].inside or (whole, 0))[1]
        where, width = (
            begin + sum(shape[1] for shape in shaped.bottom_shapes(joins)[:slot]),
            shaped.blobs[blob.index][1],
        )
        check(first == where, f"begins at channel {first} of '{wide.label}', not {where}", name, blob.name)
        check(first + width <= shaped.blobs[whole][1], f"lies beyond the channels of '{wide.label}'", name, blob.name)
        if not isinstance(maker.layer, Concat):
            for start, end in taken.setdefault(whole, []):
                check(first + width <= start or end <= first, "overlaps what lies beside it", name, blob.name)
            taken[whole].append((first, first + width))
        flows = not blob.needs_diff or (wide.needs_diff and joins.propagate[slot])
        check(flows, f"needs a gradient, but '{wide.label}' has none for it", name, blob.name)
        for other in others:
            _reads_inside(shaped, other, blob, check)
        overwritten = any(node.in_place and graph.storage[node.tops[0]] == whole for node in graph.nodes)
        reread = "top" in maker.reads or any("bottom" in other.reads for other in others)
        check(not (reread and overwritten), "reads in backward what is overwritten", name, blob.name)


def _joins(graph: Graph, index: int, whole: int) -> bool:
    """Whether a layer is a Concat whose top is a wide blob, or lies inside that."""
    node = graph.nodes[index]
    return isinstance(node.layer, Concat) and graph.runs(node) and graph.house(node.tops[0]) == whole


def _reads_inside(shaped: ShapedGraph, node: Node, blob: GraphBlob, check: Check) -> None:
    """A layer that reads what lies inside a wider blob has kernels for that.

    Where it sends a gradient on, it adds to what a reader of the whole writes, which runs later, so earlier in
    backward.
    """
    graph, name, whole = shaped.graph, node.layer.name, shaped.graph.house(blob.index)
    able = graph.runs(node) and len(node.bottoms) == 1 and node.layer.reads_pitched(shaped.bottom_shapes(node))
    check(able and not node.in_place, "reads inside a wider blob, but has no kernels for that", name, blob.name)
    if not any(node.propagate):
        return
    check(node.adds, "overwrites a part of a gradient", name, blob.name)
    firsts = [
        index
        for one in graph.blobs
        if graph.storage[one.index] == whole
        for index, slot in graph.readers(one.index)
        if graph.nodes[index].propagate[slot] and graph.runs(graph.nodes[index]) and not graph.nodes[index].in_place
    ]
    check(bool(firsts) and max(firsts) > node.index, "adds to a gradient that nobody wrote", name, blob.name)
