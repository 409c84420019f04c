"""A solver of Caffe in netspec's words. Source: Caffe solver.cpp, sgd_solver.cpp and its relatives.

It trains in Caffe's way (`loop: caffe`). What belongs to a policy or a solver type stands in it; what means nothing to
them is left out with a note.
"""

from __future__ import annotations

from collections.abc import Mapping as Values
from dataclasses import dataclass
from typing import Any

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Mapping, Node, Note, Scalar, Sequence
from netspec.core.places import Place
from netspec.core.spelling import enumerated
from netspec.prototxt.draft import Draft, Notes, escaped, items, node
from netspec.prototxt.net import net_root
from netspec.prototxt.paths import located


class SolverNetError(SpecError):
    """A solver of Caffe names no net to train, or more than one."""

    code = "NS720"


class TestCountError(SpecError):
    """The tests of a solver of Caffe are not one for each of its nets, or nothing says when to make them."""

    code = "NS721"


class UnusableMomentumError(SpecError):
    """A solver type of Caffe that has no momentum was given one."""

    code = "NS722"


POLICIES: dict[str, tuple[str, ...]] = {
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "exp": ("gamma",),
    "inv": ("gamma", "power"),
    "multistep": ("gamma", "stepvalue"),
    "poly": ("power",),
    "sigmoid": ("gamma", "stepsize"),
}
"""What each policy of Caffe reads."""

TYPES: dict[str, tuple[str, ...]] = {
    "SGD": ("momentum",),
    "Nesterov": ("momentum",),
    "AdaGrad": ("delta",),
    "RMSProp": ("rms_decay", "delta"),
    "AdaDelta": ("momentum", "delta"),
    "Adam": ("momentum", "momentum2", "delta"),
}
"""What each solver type of Caffe reads, besides what all do."""

_OF_POLICIES = ("gamma", "power", "stepsize", "stepvalue")
_OF_TYPES = ("momentum", "momentum2", "rms_decay", "delta")
_SAME = (
    "base_lr",
    "iter_size",
    "weight_decay",
    "regularization_type",
    "average_loss",
    "display",
    "snapshot",
    "snapshot_after_train",
    "snapshot_diff",
)
"""Fields that mean the same in both."""
_OF_TESTS = ("test_interval", "test_initialization")
_LOOP = ("test_compute_loss", "snapshot_prefix", "snapshot_format")
_IDLE = {
    "solver_mode": "netspec computes on the CPU",
    "device_id": "netspec computes on the CPU",
    "layer_wise_reduce": "it is for several GPUs",
}
_NOTHING = 1e-37
"""A limit of the gradient's norm that leaves nothing of any gradient."""
_TRAINED = ("train_net_param", "train_net", "net_param", "net")
"""The fields that name the net to train."""


@dataclass(frozen=True)
class _Tested:
    """A net that is tested: where it is named, its state, and its number of batches."""

    field: str
    net: Node
    at: Place
    state: Mapping | None
    batches: Node


def solver_root(solver: Mapping) -> tuple[Mapping, tuple[Note, ...]]:
    """The root of a solver's document, and notes of what was left out or assumed.

    Raises SolverNetError, TestCountError, UnusableMomentumError.
    """
    found, reading = Findings(), _Reading(solver)
    for part in (reading.nets, reading.plain, reading.rate, reading.rule, reading.keeping, reading.weights):
        with found.catching():
            part()
    found.raise_if_any()
    for key in solver.items:
        if key in _IDLE:
            reading.notes.left_out(key, _IDLE[key], solver.keys[key])
    root = escaped(reading.draft.mapping())
    assert isinstance(root, Mapping)
    return root, reading.notes.all()


class _Reading:
    """A solver while it is put into netspec's words."""

    def __init__(self, solver: Mapping) -> None:
        self.solver, self.notes, self.draft = solver, Notes(), Draft(solver.at)
        self.at = next(iter(solver.keys.values()), solver.at)
        """The place of what is assumed."""

    def copy(self, *names: str, into: Draft | None = None) -> None:
        """Copy fields as they are, where they are written."""
        for name in names:
            if name in self.solver.items:
                (into or self.draft).put(name, self.solver.items[name], self.solver.keys[name])

    def net(self, field: str, value: Node) -> Node:
        """The net that a field holds or names; of a path where it is found."""
        assert not isinstance(value, Sequence)
        root, notes = net_root(value) if isinstance(value, Mapping) else located(value)
        for note in notes:
            self.notes.add(note.text, note.at)
        return root

    def nets(self) -> None:
        """The net to train, and those to test. Raises SolverNetError, TestCountError."""
        solver = self.solver
        there = [name for name in _TRAINED if name in solver.items]
        if len(there) != 1:
            said = (
                f"names {len(there)} nets to train: {enumerated([f'`{name}`' for name in there])}"
                if there
                else "names no net to train"
            )
            help = 'like `net: "train_val.prototxt"`' if not there else "keep one of them"
            at = solver.keys[there[1]] if there else self.at
            raise SolverNetError(f"the solver {said}", at=at, help=help)
        field = there[0]
        self.draft.put("net", self.net(field, solver.items[field]), solver.keys[field])
        state = solver.items.get("train_state")
        own = self.state(state if isinstance(state, Mapping) else None)
        for key, value in own.items():
            self.draft.put(key, value, solver.keys["train_state"])
        tests = self.tests(field)
        if not tests:
            return
        self.copy(*_OF_TESTS)
        first = tests[0]
        if len(tests) == 1 and first.net is solver.items[field] and self.plain_state(first.state) == plain(own):
            self.draft.put("test_iter", first.batches, solver.keys["test_iter"])
            return
        entries = Draft(first.at)
        for number, test in enumerate(tests):
            entry = Draft(test.at)
            if test.net is not solver.items[field]:
                entry.put("net", self.net(test.field, test.net), test.at)
            for key, value in self.state(test.state).items():
                entry.put(key, value, value.at)
            entry.put("test_iter", test.batches, test.batches.at)
            entries.put(f"test{number or ''}", entry.mapping(), test.at)
        self.draft.put("test_nets", entries.mapping(), first.at)

    def tests(self, trained: str) -> list[_Tested]:
        """The nets to test, in Caffe's order. Raises TestCountError."""
        solver = self.solver
        named = [(key, net) for key in ("test_net_param", "test_net") for net in items(solver.items.get(key))]
        batches, states = items(solver.items.get("test_iter")), items(solver.items.get("test_state"))
        generic = trained if trained in ("net", "net_param") else None
        if len(batches) < len(named) or (generic is None and len(batches) > len(named)):
            at = solver.keys.get("test_iter") or solver.keys[named[0][0]]
            wanted, given = f"{len(named)} test net{'s' * (len(named) != 1)}", f"{len(batches)} `test_iter`"
            raise TestCountError(f"{wanted}, but {given}", at=at, help="say `test_iter` once for each test net")
        if generic is not None:
            named += [(generic, solver.items[generic])] * (len(batches) - len(named))
        if states and len(states) != len(named):
            text = f"{len(named)} test{'s' * (len(named) != 1)}, but {len(states)} `test_state`"
            raise TestCountError(text, at=solver.keys["test_state"], help="say `test_state` for each test, or never")
        if named and not solver.value("test_interval"):
            at = solver.keys.get("test_interval") or solver.keys["test_iter"]
            raise TestCountError("nothing says when to test", at=at, help="say `test_interval: 500`")
        return [
            _Tested(key, net, solver.keys[key], state if isinstance(state, Mapping) else None, _at_least_0(each))
            for (key, net), each, state in zip(named, batches, states or [None] * len(named), strict=True)
        ]

    def state(self, state: Mapping | None) -> dict[str, Node]:
        """The stages and the level of a NetState, where they are written."""
        if state is not None and "phase" in state.items:
            self.notes.left_out("phase", "a solver trains in TRAIN and tests in TEST", state.keys["phase"])
        return {} if state is None else {key: state.items[key] for key in ("stage", "level") if key in state.items}

    def plain_state(self, state: Mapping | None) -> dict[str, Any]:
        """The stages and the level of a NetState as plain values."""
        return plain(self.state(state))

    def plain(self) -> None:
        """What means the same in both, and what only its default or its sign tells apart."""
        solver = self.solver
        self.copy(*_SAME)
        for name, least in (("max_iter", 0), ("base_lr", 0.0)):
            if name not in solver.items:
                self.draft.put(name, least, self.at)
        self.copy("max_iter")
        clip = solver.value("clip_gradients")
        if isinstance(clip, (int, float)) and clip > 0:
            self.copy("clip_gradients")
        elif clip == 0:
            self.draft.put("clip_gradients", _NOTHING, solver.keys["clip_gradients"])
            text = f"`clip_gradients: 0` lets no gradient through: it becomes {_NOTHING:g}, as 0 is no limit"
            self.notes.add(text, solver.keys["clip_gradients"])
        if solver.value("debug_info"):
            if solver.value("display"):
                self.copy("debug_info")
            else:
                self.notes.left_out("debug_info", "nothing is displayed", solver.keys["debug_info"])
        seed = solver.value("random_seed")
        if isinstance(seed, int) and seed >= 0:
            self.copy("random_seed")
        else:
            at = solver.keys.get("random_seed", self.at)
            self.notes.add(
                "`random_seed` is 1, so that the training can be repeated: Caffe draws another each time", at
            )

    def rate(self) -> None:
        """The policy with what belongs to it."""
        solver, word = self.solver, self.solver.value("lr_policy")
        if not isinstance(word, str):
            return  # the schema says that it is missing
        at, policy = solver.keys["lr_policy"], Draft(solver.items["lr_policy"].at)
        policy.put("type", solver.items["lr_policy"], at)
        reads = POLICIES.get(word, _OF_POLICIES)
        for name in _OF_POLICIES:
            if name not in reads:
                self.unused(name, f"the policy '{word}' has none")
            elif name in solver.items:
                value = solver.items[name]
                policy.put(name, _rising(value) if name == "stepvalue" else value, solver.keys[name])
            elif word in POLICIES and name != "stepsize":
                policy.put(name, () if name == "stepvalue" else 0.0, at)
        whole = policy.mapping()
        self.draft.put("lr_policy", whole if len(whole.items) > 1 else solver.items["lr_policy"], at)

    def rule(self) -> None:
        """The solver type with what belongs to it. Raises UnusableMomentumError."""
        solver, word = self.solver, self.solver.value("type") or "SGD"
        if "type" in solver.items:
            self.copy("type")
        reads = TYPES.get(word, _OF_TYPES)
        for name in _OF_TYPES:
            if name in reads:
                self.copy(name)
            elif name == "momentum" and solver.value(name):
                text = f"the solver type {word} has no momentum"
                raise UnusableMomentumError(text, at=solver.keys[name], help="leave it out, or choose another type")
            else:
                self.unused(name, f"the solver type {word} has none")

    def unused(self, name: str, why: str) -> None:
        """Leave a field out."""
        if name in self.solver.items:
            self.notes.left_out(name, why, self.solver.keys[name])

    def keeping(self) -> None:
        """Caffe's loop, with what it says of its files."""
        loop = Draft(self.at)
        loop.put("type", "caffe", self.at)
        self.copy(*_LOOP, into=loop)
        prefix = loop.items.get("snapshot_prefix")
        folder, _, name = str(prefix.plain()).rpartition("/") if prefix else ("", "", "")
        if prefix and folder:  # the folder is there, the files are not yet
            found, notes = located(Scalar(folder, prefix.at))
            loop.put("snapshot_prefix", f"{found.value}/{name}", loop.keys["snapshot_prefix"])
            for note in notes:
                self.notes.add(note.text, note.at)
        self.draft.put("loop", loop.mapping() if len(loop.items) > 1 else "caffe", self.at)

    def weights(self) -> None:
        """The files to start from; several may stand in one text, with commas between them."""
        files = []
        for value in items(self.solver.items.get("weights")):
            for text in str(value.plain()).split(","):
                path, notes = located(Scalar(text.strip(), value.at))
                files.append(path)
                for note in notes:
                    self.notes.add(note.text, note.at)
        if files:
            at = self.solver.keys["weights"]
            self.draft.put("weights", files[0] if len(files) == 1 else Sequence(tuple(files), at), at)


def plain(values: Values[str, Node]) -> dict[str, Any]:
    """Nodes as plain values."""
    return {key: value.plain() for key, value in values.items()}


def _at_least_0(count: Node) -> Node:
    """A number of batches: below 0 there are none either."""
    return node(0, count.at) if isinstance(count.plain(), int) and count.plain() < 0 else count


def _rising(values: Node) -> Node:
    """Values of steps, of which each is waited for in turn, so that a smaller one behind a larger means the larger."""
    most, found = 0, []
    for value in items(values):
        most = max(most, value.plain())
        found.append(node(most, value.at))
    return Sequence(tuple(found), values.at)
