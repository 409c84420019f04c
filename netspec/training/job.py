"""A solver file's name to a Job: the training that it describes, with the shaped net of each phase."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netspec.core.calls import Phase
from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Document, Mapping, Node
from netspec.language.document import from_python
from netspec.language.extend import extended, open_spec
from netspec.net.graph import Graph, State
from netspec.net.infer import ShapedGraph, infer
from netspec.net.load import WrongFileError, check_other_phase, solver_document
from netspec.net.spec import NetSpec, net_spec
from netspec.net.wire import graph
from netspec.training.spec import SolverSpec, solver_spec


class NothingToLearnError(SpecError):
    """The training net has no loss, or no param that learns."""

    code = "NS308"


class NoDataError(SpecError):
    """A net has Inputs, but the solver has no data for its phase."""

    code = "NS530"


@dataclass(frozen=True)
class Job:
    """A training: the solver, the net, and the shaped net of each phase. `document` is the solver with its net written inside."""

    spec: SolverSpec
    net: NetSpec
    train: ShapedGraph
    test: ShapedGraph | None
    document: Document
    base: Path

    @property
    def name(self) -> str:
        """The solver file's name without its ending."""
        return self.spec.document.path.stem if self.spec.document.path else self.net.name

    def shaped(self, phase: Phase, batch: int) -> ShapedGraph:
        """The net of one phase at another batch size."""
        found = Findings()
        of = self.train if phase == "TRAIN" else self.test
        assert of is not None
        result = infer(of.graph, found, batch)
        found.raise_if_any()
        return result

    def node(self, phase: Phase) -> Node | None:
        """The part of the solver file that describes a phase's data."""
        data = self.spec.document.root.items.get("data")
        return data.items.get(phase.lower()) if isinstance(data, Mapping) else None


def load_solver(reference: str | Path | dict[str, Any], overrides: Sequence[str] = (), keep: bool = False) -> Job:
    """The job in a solver file (or a zoo name, or plain values). Raises every mistake found in it and in its net.

    `keep` prepares nets whose backward may start from any top.
    """
    found = Findings()
    given = extended(from_python(reference, "<solver>"), "solvers") if isinstance(reference, dict) else None
    raw = given or open_spec(str(reference), "solvers")
    if "net" not in raw.root.items and "layers" in raw.root.items:
        at = raw.root.keys["layers"]
        raise WrongFileError(
            f"'{raw.source.name}' is a net, not a solver", at=at, help="a solver names its net: `net: this-file.yaml`"
        )
    document, net_document_of = solver_document(raw, overrides)
    spec = solver_spec(document, found)
    net: NetSpec | None = None
    if net_document_of:
        with found.catching():
            net = net_spec(net_document_of(), found)
    if net is None or spec is None:
        if net is not None:
            infer(graph(net, State(), found), found)
            check_other_phase(net, State("TEST"), found, None)
        found.raise_if_any()
        raise AssertionError("a solver without errors has a net")
    spec._document = document
    train, test = _phases(spec, net, found, keep)
    found.raise_if_any()
    resolved = document.root.with_item("net", net.document.root, document.root.at)
    return Job(spec, net, train, test, replace(document, root=resolved), raw.path.parent if raw.path else Path())


def _phases(spec: SolverSpec, net: NetSpec, found: Findings, keep: bool) -> tuple[ShapedGraph, ShapedGraph | None]:
    """The shaped nets of training and, where there are test data or a net that needs none, of testing."""
    root = spec.document.root
    train_graph = graph(net, State("TRAIN", spec.level, spec.stage), found, "any" if keep else "loss")
    _check_data(train_graph, spec, found)
    if not found:
        _check_learning(train_graph, found)
    train = infer(train_graph, found, spec.data.train.batch_size if spec.data.train else None)
    test_state = State("TEST", spec.level, spec.stage)
    test: ShapedGraph | None = None
    wants = spec.data.test is not None or (spec.test_interval is not None)
    if wants and any(map(test_state.keeps, net.layers)):
        others = Findings()
        test_graph = graph(net, test_state, others, "any" if keep else "none")
        test = infer(test_graph, others, spec.data.test.batch_size if spec.data.test else None)
        found.merge(others)
        _check_data(test_graph, spec, found)
        if spec.data.test is None and spec.test_iter is None and not test_graph.inputs:
            help = "say how many batches of the net's own data a test takes"
            found.add(
                NoDataError("a test without test data needs `test_iter`", at=root.keys["test_interval"], help=help)
            )
    return train, test


def _check_data(net: Graph, spec: SolverSpec, found: Findings) -> None:
    feed = spec.data.train if net.phase == "TRAIN" else spec.data.test
    word = net.phase.lower()
    names = [net.blobs[i].name for i in net.inputs]
    root = spec.document.root
    at = root.keys.get("data") or root.keys.get("net")
    if names and feed is None:
        listed = ", ".join(f"'{name}'" for name in names)
        text = f"the net has the inputs {listed} in phase {net.phase}, but the solver has no `data: {word}:`"
        found.add(
            NoDataError(
                text, at=at, help=f"like `{word}: {{source: {{type: FashionMNIST, split: {word}}}, batch_size: 64}}`"
            )
        )


def _check_learning(net: Graph, found: Findings) -> None:
    at = net.nodes[-1].place() if net.nodes else None
    if not net.losses:
        help = "end it with a loss layer, like SoftmaxWithLoss"
        found.add(NothingToLearnError(f"net '{net.name}' has no loss in phase TRAIN", at=at, help=help))
    elif not net.params:
        help = "give it a layer with weights, like InnerProduct"
        found.add(
            NothingToLearnError(
                f"net '{net.name}' has nothing to learn: none of its layers has a param", at=at, help=help
            )
        )
    elif not any(param.learned for param in net.params):
        found.add(NothingToLearnError(f"net '{net.name}' has nothing to learn: every lr_mult is 0", at=at))


def settings(job: Job) -> dict[str, Any]:
    """What a snapshot says about its solver, so that a resume can tell what changed; of paths only the last part, so that it may move."""
    spec = job.spec
    keep = {
        "base_lr",
        "lr_policy",
        "max_iter",
        "iter_size",
        "weight_decay",
        "regularization_type",
        "clip_gradients",
        "random_seed",
        "dtype",
    }
    values = {key: value for key, value in job.document.root.plain().items() if key in keep}
    values["data"] = with_paths(job, lambda path: Path(path).name).get("data", {})
    values |= {
        key: getattr(spec, key) for key in keep if key not in values and not hasattr(getattr(spec, key), "model_dump")
    }
    values["type"] = type(spec.rule).__name__
    values |= spec.rule.model_dump()
    return {key: _jsonable(value) for key, value in values.items()}


def with_paths(job: Job, change: Callable[[str], str]) -> dict[str, Any]:
    """The resolved solver as plain values, every path in it changed."""

    def changed(value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return [changed(item) for item in value]
        return change(value) if isinstance(value, str) else value

    values = job.document.plain()
    if "weights" in values:
        values["weights"] = changed(values["weights"])
    for phase in ("train", "test"):
        feed = getattr(job.spec.data, phase)
        if feed is None:
            continue
        written = values["data"][phase]
        steps = written.get("transform", ())
        parts = [
            (feed.source, written["source"]),
            *zip(feed.transform, steps if isinstance(steps, tuple) else (steps,), strict=True),
        ]
        for model, plain in parts:
            for name in model.path_fields() if isinstance(plain, dict) else ():
                if name in plain:
                    plain[name] = changed(plain[name])
    return values


def _jsonable(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return [_jsonable(item) for item in value]
    return {key: _jsonable(item) for key, item in value.items()} if isinstance(value, dict) else value
