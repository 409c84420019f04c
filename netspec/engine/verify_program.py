"""Verifier of programs: the memory that each step touches, the order of steps, and their descriptors."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from netspec.core.verify import Check
from netspec.engine.plan import Key
from netspec.engine.program import SECTIONS, Program, Step
from netspec.net.graph import Node

if TYPE_CHECKING:
    from netspec.core.calls import Array


class Span(NamedTuple):
    """Bytes of memory from `start` to just before `stop`."""

    start: int
    stop: int

    def holds(self, other: Span) -> bool:
        """Whether another span lies inside."""
        return self.start <= other.start and other.stop <= self.stop

    def meets(self, other: Span) -> bool:
        """Whether both have a byte in common."""
        return self.start < other.stop and other.start < self.stop


def span(array: Array) -> Span:
    """The bytes of a contiguous array."""
    start = int(array.__array_interface__["data"][0])
    return Span(start, start + array.nbytes)


def verify_program(program: Program) -> None:
    """Verify that steps run in order, on living memory that was written before, and that descriptors agree with them.

    Raises InvariantError.
    """
    check = Check("Program")
    _order(program, check)
    _Memory(program, check).walk()
    _param_diffs(program, check)
    for number, step in enumerate(program.table.steps):
        check(program.table.describes(number), f"step {number} runs on other arguments than its descriptor", step.layer)


def _order(program: Program, check: Check) -> None:
    """Sections are consecutive, layers run forward and backward in order, and each layer's range holds its steps."""
    at, steps = 0, program.table.steps
    for section in SECTIONS:
        first, last = program.ranges[section]
        check(first == at <= last, f"section '{section}' does not begin where the one before ends")
        inside = {section, "seed"} if section == "backward" else {section}
        check(all(step.section in inside for step in steps[first:last]), f"section '{section}' holds steps of another")
        nodes = [step.node for step in steps[first:last]]
        check(nodes == sorted(nodes, reverse=section == "backward"), f"section '{section}' runs layers out of order")
        at = last
    check(at == len(steps), "steps behind the last section")
    mine: dict[tuple[str, int], list[int]] = {}
    for number, step in enumerate(steps):
        mine.setdefault((step.section, step.node), []).append(number)
    said = {key: list(range(first, last)) for key, (first, last) in program.nodes.items()}
    check(mine == said, "layers have other steps than the program says")


class _Memory:
    """Walks the steps and tracks the pieces of memory that have been written."""

    def __init__(self, program: Program, check: Check) -> None:
        self.program, self.check, self.graph = program, check, program.graph
        self.arena, base = span(program.arena), span(program.arena).start
        weights = program.weights
        self.where = {key: Span(base + p.offset, base + p.offset + p.bytes) for key, p in program.plan.pieces.items()}
        self.written: set[Key] = {("data", self.graph.house(blob)) for blob in self.graph.inputs}
        iterations = (program.iterations.counts, program.iterations.recent)
        signals = (program.clock, program.loss, program.rate, program.gate, program.norm, program.share)
        arrays = (*signals, program.squares, *iterations)
        self.state = [span(array) for array in (*arrays, *weights.whole.values())]
        averages = weights.averages or (None,) * len(weights.data)
        self.params = [
            [span(array) for array in (data, diff, average, *history.values()) if array is not None]
            for data, diff, average, history in zip(weights.data, weights.diff, averages, weights.history, strict=True)
        ]
        base = span(program.fixed).start
        self.fixed: dict[int, list[Span]] = {}
        for key, piece in program.plan.fixed.items():
            own = Span(base + piece.offset, base + piece.offset + piece.bytes)
            self.fixed.setdefault(int(key[1]), []).append(own)
        self.flat, self.stored = span(weights.flat_diff), span(weights.flat_stored)
        self.all = sorted(one for own in self.params for one in own)
        self.numbers = {param.name: param.index for param in self.graph.params}
        self.mine: dict[int, list[Key]] = {}
        for key in program.plan.pieces:
            if key[0] == "work" or (key[0] == "share" and key[1] != "loss"):
                self.mine.setdefault(int(key[1]), []).append(key)

    def walk(self) -> None:
        """Verify the steps of each layer in turn."""
        graph, steps = self.graph, self.program.table.steps
        for blob, (data, diff) in enumerate(zip(self.program.data, self.program.diff, strict=True)):
            right = data.shape == self.program.shaped.blobs[blob] and (diff is None or diff.shape == data.shape)
            self.check(right, "has an array of another shape", blob=graph.blobs[blob].label)
        first = 0
        while first < len(steps):
            section, node = steps[first].section, steps[first].node
            last = first
            while last < len(steps) and (steps[last].section, steps[last].node) == (section, node):
                last += 1
            if node >= 0:
                self.layer(section, graph.nodes[node], steps[first:last])
            else:
                for step in steps[first:last]:
                    self.solver(step)
            first = last

    def layer(self, section: str, node: Node, steps: tuple[Step, ...]) -> None:
        """The steps of one layer in one section touch its own living pieces, and read only pieces that were written."""
        graph, name = self.graph, node.layer.name
        end = 2 * len(graph.nodes)
        if section == "prepare":
            self.prepared(node, steps)
            return
        time = {"forward": node.index, "loss": end // 2}.get(section, end - 1 - node.index)
        served = graph.served(node)
        bottoms = [graph.data_house(b) for b in (*node.bottoms, *(norm.bottoms[0] for norm in served))]
        tops = [graph.house(t) for t in node.tops if "on_read" not in node.fused]
        remade = graph.remakes(node) if section == "backward" else []
        bottoms += [graph.data_house(blob) for one in remade for blob in one.bottoms]
        near: dict[Key, None] = dict.fromkeys(("data", house) for house in (*bottoms, *tops))
        around = [node, *remade, *served] if section == "backward" else []
        near |= {("again", graph.storage[blob]): None for one in around for blob in (*one.bottoms, *one.tops)}
        for one in remade:
            served += graph.served(one)
        for one in (node, *served):
            near |= dict.fromkeys(self.mine.get(one.index, ()))
        diffs = [graph.diff_house(t) for t in node.tops]
        if section in {"backward", "seed"}:
            near |= dict.fromkeys(("diff", house) for house in (*map(graph.diff_house, node.bottoms), *diffs))
            near |= dict.fromkeys(("share", "loss", graph.house(t)) for t in node.tops)
        if section in {"loss", "seed"}:
            near |= dict.fromkeys(("work", graph.counted[top], "count") for top in node.tops if top in graph.counted)
        living = {
            key: self.where[key]
            for key in near
            if key in self.where and self.program.plan.pieces[key].first <= time <= self.program.plan.pieces[key].last
        }
        params = [p for one in (node, *(graph.nodes[i] for i in node.along.values())) for p in one.params]
        states = [span(array) for key, array in self.program.weights.states.items() if key.layer == name]
        fixed = (self.fixed.get(one.index, []) for one in (node, *served))
        weights = [*(self.params[p] for p in params), *fixed, states]
        used = [self.touched(step, living, weights) for step in steps]
        every = {key for keys in used for key in keys}
        if section == "loss":
            read = every
        elif section == "forward":
            read = {key for key in every if key[0] == "data" and key[1] not in tops}
            self.written |= {key for key in every if key[0] == "work" or (key[0] == "data" and key[1] in tops)}
        else:
            self.written |= {("again", graph.storage[one.tops[0]]) for one in remade}
            read = {key for key in every if key[0] in {"data", "again"} or (key[0] == "work" and len(key) == 3)}
            if section == "backward":
                read |= {("diff", house) for house in diffs if ("diff", house) in every}
                self.shares(node, used)
                self.turns(steps, living, name)
            gradients = {key for key in every if key[0] in {"diff", "share"}}
            self.written |= {key for key in gradients if section == "seed" or key[1] not in diffs}
        for key in sorted(read - self.written, key=str):
            self.check(False, f"reads piece {key}, which nobody wrote before", name)

    def prepared(self, node: Node, steps: tuple[Step, ...]) -> None:
        """The steps that prepare a layer touch its params, its fixed memory and tables of integers, nothing else."""
        own = self.fixed.get(node.index, [])
        params = [p for one in (node, *(self.graph.nodes[i] for i in node.along.values())) for p in one.params]
        known = [*own, *(one for p in params for one in self.params[p])]
        for step in steps:
            spans = [(array, span(array)) for array in self.arrays(step)]
            some = any(where.holds(one) for where in own for _, one in spans)
            self.check(some, f"{step.call.kernel!r} prepares nothing", node.layer.name)
            for array, one in spans:
                state = any(where.meets(one) for where in (self.arena, *self.state))
                self.check(not state, f"{step.call.kernel!r} prepares from what changes", node.layer.name)
                if not any(where.holds(one) for where in known):
                    self.foreign(step, array, one)

    def shares(self, node: Node, used: list[set[Key]]) -> None:
        """Each share of a gradient that a layer writes is added to the gradient by the last step that uses it."""
        for key in (key for key in self.mine.get(node.index, ()) if key[0] == "share"):
            house = ("diff", self.graph.diff_house(node.bottoms[int(key[2])]))
            steps = [number for number, keys in enumerate(used) if key in keys]
            added = bool(steps) and used[steps[-1]] == {key, house}
            self.check(added, f"piece {key} is not added to the gradient", node.layer.name)

    def turns(self, steps: tuple[Step, ...], living: dict[Key, Span], name: str) -> None:
        """Scratch of the first turn is not used after that of the second, whose memory it may share."""
        pieces = self.program.plan.pieces
        scratch = [(pieces[key].turn, where) for key, where in living.items() if pieces[key].turn]
        begun = False
        for step in steps:
            held = [{turn for turn, where in scratch if where.holds(span(array))} for array in self.arrays(step)]
            begun = begun or {2} in held
            self.check(not (begun and {1} in held), "uses scratch of its first turn after that of its second", name)

    def touched(self, step: Step, living: dict[Key, Span], weights: list[list[Span]]) -> set[Key]:
        """The pieces that a step's arrays lie in.

        Other arrays must be params of the step's layer, the program's state, tables of integers, or constants.
        """
        found: set[Key] = set()
        for array in self.arrays(step):
            one = span(array)
            if self.arena.meets(one):
                piece = next((key for key, where in living.items() if where.holds(one)), None)
                kernel = repr(step.call.kernel)
                self.check(piece is not None, f"{kernel} touches memory that is not its layer's", step.layer)
                if piece is not None:
                    found.add(piece)
            elif not any(where.holds(one) for own in (self.state, *weights) for where in own):
                self.foreign(step, array, one)
        return found

    def arrays(self, step: Step) -> Iterator[Array]:
        """The arrays among a step's arguments that are not empty."""
        return (array for array in _arrays(step) if array.size)

    def foreign(self, step: Step, array: Array, one: Span) -> None:
        """Verify that an array outside of the plan and the weights is one that no step writes.

        That is a table of integers, or an array that is marked as read-only.
        """
        kernel = repr(step.call.kernel)
        self.check(self.apart(one), f"{kernel} touches a param that is not its layer's", step.layer)
        constant = array.dtype.kind in "iu" or not array.flags.writeable
        self.check(constant, f"{kernel} touches real numbers outside of all known memory", step.layer)

    def solver(self, step: Step) -> None:
        """A step of no layer touches only the program's state and what its section is about.

        That are gradients, partial sums of the watch, the param of an update and what its Calls hand on, or the stored
        params and those pending.
        """
        counting = step.section in {"resume", "suspend", "commit"}
        own = [self.stored] if counting else [self.flat]
        if step.section == "update":
            own = self.params[self.numbers[step.layer]]
        for array in self.arrays(step):
            one = span(array)
            mine = any(where.holds(one) for where in (*self.state, *own))
            private = (
                (counting or step.section in {"watch", "update"}) and self.apart(one) and not self.arena.meets(one)
            )
            self.check(mine or private, f"{step.call.kernel!r} touches memory that is not its own", step.layer)

    def apart(self, one: Span) -> bool:
        """Whether a span has no byte in common with any param or its gradient."""
        at = bisect_left(self.all, one)
        return not (self.flat.meets(one) or any(where.meets(one) for where in self.all[max(0, at - 1) : at + 1]))


def _param_diffs(program: Program, check: Check) -> None:
    """The gradient of every param is cleared, or overwritten by its only layer; then it is watched and used.

    It is watched by a step of the watch, or by the layer's last step that writes it, together with its sum of squares.
    """
    steps, weights = program.table.steps, program.weights
    by_section = {name: steps[first:last] for name, (first, last) in program.ranges.items()}
    if not by_section["watch"]:
        return

    def spans(section: str) -> list[Span]:
        return [span(array) for step in by_section[section] for array in _arrays(step)]

    cleared, watched, updated = spans("clear"), set(spans("watch")), set(spans("update"))
    taken = span(program.squares)
    summed: dict[Span, bool] = {}
    for step in by_section["backward"]:
        own = set(map(span, filter(lambda array: array.size, _arrays(step))))
        summed |= dict.fromkeys(own, any(taken.holds(one) for one in own))
    watched |= {one for one, yes in summed.items() if yes}
    for param, data, diff in zip(program.graph.params, weights.data, weights.diff, strict=True):
        check((diff is not None) == param.learned, f"param '{param.name}' has a gradient, or has none, wrongly")
        if diff is None:
            continue
        one, nodes = span(diff), [(program.graph.nodes[node], slot) for node, slot in param.users]
        storing = [node for node, slot in nodes if node.stores and node.stores[slot]]
        clean = any(where.holds(one) for where in cleared)
        alone = len(storing) == sum(node.backward for node, _ in nodes) == 1
        check(clean or alone, f"the gradient of param '{param.name}' is neither cleared nor overwritten")
        check(clean or not any(where.meets(one) for where in cleared), f"half of '{param.name}' is cleared")
        check(one in watched, f"the gradient of param '{param.name}' is not watched")
        check(one in updated and span(data) in updated, f"param '{param.name}' is not updated")


def _arrays(step: Step) -> Iterator[Array]:
    return (value for value in step.call.values() if hasattr(value, "__array_interface__"))
