"""Solver file to Job: the training that it describes, with the shaped net of each phase."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from netspec.core.calls import Phase
from netspec.core.counts import Pace
from netspec.core.errors import Findings, SpecError, UsageError
from netspec.core.model import changed_at, spec_paths
from netspec.data.joined import JoinedSpec
from netspec.data.spec import FeedsSpec
from netspec.engine.weights import same_params, shared_params
from netspec.language.asked import NOTHING_ASKED, AskedState
from netspec.language.files import read
from netspec.language.paths import layer_paths
from netspec.language.references import Documents, Reference, is_net, open_net, open_solver
from netspec.net.graph import Graph, ParamKey, State
from netspec.net.infer import infer
from netspec.net.learning import unmoved
from netspec.net.shaped import ShapedGraph
from netspec.net.spec import NetSpec, net_spec
from netspec.net.wire import wire, within
from netspec.training.brought import brought_by, scored
from netspec.training.course import Course
from netspec.training.lengths import check_lengths
from netspec.training.nets import specs
from netspec.training.patterns import applied
from netspec.training.scorelog import Tests
from netspec.training.spec import SolverSpec
from netspec.training.watch import Watch, feeds_of, watch

PHASES: tuple[Phase, ...] = ("TRAIN", "TEST")
TESTING: Mapping[str, Any] = MappingProxyType({"base_lr": 1.0, "lr_policy": "fixed", "max_iter": 1})
"""What a solver must say, where it only tests."""


class NothingToLearnError(SpecError):
    """The training net has no loss, or no param that learns and that a loss reaches."""

    code = "NS308"


class NoDataError(SpecError):
    """A net has Inputs, but the solver has no data for its phase."""

    code = "NS530"


class WaitingInputError(SpecError):
    """In a phase of a net a layer brings data, and another waits for data beside it."""

    code = "NS641"


class NoEpochsError(SpecError):
    """The length of a training is in epochs, and it has no data of which it knows the number."""

    code = "NS556"


@dataclass(frozen=True)
class Job:
    """A training: the solver, the net, and the shaped net of each phase that was loaded.

    `nets` has no TEST without test data, and no TRAIN where weights are only tested. `tested` are, by name, the nets
    that the solver tests in the place of its own TEST phase, each as a job without a TRAIN net. `values` are the plain
    values of the solver with its net inside, as written, after overrides and expansion. `base` is the folder that their
    relative paths start from. `watch` says which tests choose the best weights and the end.
    """

    name: str
    spec: SolverSpec
    net: NetSpec
    nets: Mapping[Phase, ShapedGraph]
    values: dict[str, Any]
    base: Path
    watch: Watch = field(default_factory=Watch)
    tested: Mapping[str, Job] = field(default_factory=dict)

    @property
    def train(self) -> ShapedGraph:
        """The shaped net of TRAIN."""
        return self.nets["TRAIN"]

    @property
    def test(self) -> ShapedGraph | None:
        """The shaped net of TEST, if there is one; the first of several."""
        first = next(iter(self.tested.values()), None)
        return self.nets.get("TEST") if first is None else first.test

    def tests(self) -> dict[str, ShapedGraph]:
        """The net of every test by its name: that of the feed that it is tested on, or its own."""
        own = self.nets.get("TEST")
        found = {} if own is None else dict.fromkeys(feeds_of(self.spec), own)
        return found | {name: job.phase("TEST") for name, job in self.tested.items()}

    def phase(self, phase: Phase) -> ShapedGraph:
        """The shaped net of a phase. Raises UsageError where the job has no test data."""
        if phase == "TRAIN":
            return self.train
        if self.test is None:
            name = self.spec.written.at.source.name if self.spec.written else self.name
            raise UsageError(f"'{name}' has no test data", help="add `data: test:` to the solver")
        return self.test

    @property
    def batch(self) -> int:
        """Samples of a training batch."""
        feed = self.spec.data.train
        return feed.batch_size if feed else self.train.batch

    def pace(self, samples: int | None) -> Pace:
        """How iterations and epochs relate, with so many training samples an epoch, None where there are no data."""
        return Pace(samples, self.batch * self.spec.iter_size)

    def last(self, samples: int | None) -> int | None:
        """Iterations to train, with so many training samples an epoch; None where that is not known without data."""
        spec = self.spec
        epochs = spec.max_epoch if samples is not None else None
        ends = (spec.max_iter, None if epochs is None else self.pace(samples).end(epochs))
        return min((end for end in ends if end is not None), default=None)

    def course(self, samples: int | None, tests: Tests = ()) -> Course:
        """What the rate depends on, with so many training samples an epoch, None where there are no data."""
        return Course(self.spec.base_lr, self.last(samples), self.pace(samples), tests)

    def shaped(self, phase: Phase, batch: int) -> ShapedGraph:
        """The net of one phase at another batch size."""
        feed = self.spec.feed(phase)
        if feed is not None and feed.net_batch is None:
            return self.phase(phase)
        found = Findings()
        result = infer(self.phase(phase).graph, found, batch)
        found.raise_if_any()
        return result

    def with_paths(self, change: Callable[[str], str]) -> dict[str, Any]:
        """A copy of `values` with `change` applied to every path."""
        result: dict[str, Any] = self.values
        tested = self.values.get("test_nets", {})
        nets = [layer_paths(tested[name].get("net"), "test_nets", name, "net") for name in tested]
        for path in chain(spec_paths(SolverSpec, self.values), layer_paths(self.values.get("net"), "net"), *nets):
            result = changed_at(result, path, change)
        return result


def load_solver(
    reference: Reference,
    overrides: Sequence[str] = (),
    keep: bool = False,
    phases: tuple[Phase, ...] = PHASES,
    asked: AskedState = NOTHING_ASKED,
    given: bool = False,
) -> Job:
    """The job in a solver file (or a zoo name, or plain values). Raises every mistake found in it and in its net.

    `keep` prepares nets whose backward may start from any top. `phases` are those that will run: only their nets and
    data must be there. `given`: in a solver of Caffe's, inputs without data are filled by the caller.
    """
    found = Findings()
    return job_of(open_solver(reference, found, overrides, asked), found, keep, phases, given)


def with_solver(reference: str, asked: AskedState = NOTHING_ASKED) -> Reference:
    """A solver that only tests, where a reference is the file of a net whose data layers bring its test data.

    Of a prototxt it tests in Caffe's way. What is no such file stays as it is. Raises the errors of the net.
    """
    path = Path(reference)
    if not path.is_file() or not is_net(read(path)):
        return reference
    found, document = Findings(), open_net(reference)
    net = net_spec(document, found)
    found.raise_if_any()
    assert net is not None
    if brought_by(net, State("TEST", asked.level or net.state.level, asked.stages)) is None:
        return reference
    values = {"net": str(path), **TESTING}
    return values | ({"loop": "caffe"} if document.root.at.source.caffe else {})


def job_of(
    opened: Documents,
    found: Findings,
    keep: bool = False,
    phases: tuple[Phase, ...] = PHASES,
    given: bool = False,
) -> Job:
    """The job of an opened solver. Raises the mistakes in `found`, and all in the solver and in its net."""
    spec, net = specs(opened, found)
    given = given and spec.like_caffe
    nets: dict[Phase, ShapedGraph] = {}
    if "TRAIN" in phases:
        nets["TRAIN"] = _train(spec, net, found, keep, given)
    others = Findings()
    tested: dict[str, Job] = {}
    if "TEST" in phases and spec.test_nets:
        tested = _tested(opened, spec, net, others, keep, given)
    elif spec.like_caffe and spec.test_iter is None and phases == PHASES:
        pass  # Caffe tests nothing without `test_iter`
    elif "TEST" in phases and (test := _test(spec, net, others, keep, given)) is not None:
        nets["TEST"] = test
    watched = watch(spec, nets.get("TEST"), others) if phases == PHASES and not others else Watch()
    found.merge(others)
    for test in [*(job.phase("TEST") for job in tested.values()), *([nets["TEST"]] if "TEST" in nets else [])]:
        with found.catching():
            if "TRAIN" in nets and not found:
                shared_params(test, nets["TRAIN"])
    found.raise_if_any()
    name = opened.path.stem if opened.path else _file_name(net.name)
    return Job(name, spec, net, nets, opened.flat.plain(), opened.base, watched, tested)


def _tested(
    opened: Documents, spec: SolverSpec, net: NetSpec, found: Findings, keep: bool, given: bool
) -> dict[str, Job]:
    """The jobs of a solver's test nets by name, each with the data that its net brings. Mistakes go to `found`."""
    jobs: dict[str, Job] = {}
    for name, entry in spec.test_nets.items():
        own = opened.tested.get(name)
        its = net if own is None else net_spec(own, found)
        its = applied(spec.params, its, found) if own is not None and spec.params else its
        level = entry.level or its.state.level
        state = {
            "stage": entry.stage,
            "level": level,
            "test_iter": spec.test_iter if entry.test_iter is None else entry.test_iter,
        }
        feed = brought_by(its, State("TEST", level, entry.stage))
        data = FeedsSpec.model_construct(tests={} if feed is None else {name: scored(feed)})
        one = spec.model_copy(update={**state, "data": data, "test_nets": {}})
        shaped = _test(one, its, found, keep, given)
        if shaped is None:
            text = f"no layer of net '{its.name}' takes part in the test '{name}'"
            found.add(NoDataError(text, at=spec.place("test_nets", name)))
            continue
        jobs[name] = Job(name, one, its, {"TEST": shaped}, opened.flat.plain(), opened.base)
    return jobs


def _file_name(text: str) -> str:
    """A text as part of a file's name: letters, digits, dots and dashes of it."""
    return re.sub(r"[^\w.-]+", "_", text)[:100].lstrip(".") or "net"


def _train(spec: SolverSpec, net: NetSpec, found: Findings, keep: bool, given: bool) -> ShapedGraph:
    """The shaped net of TRAIN, which must have data, a loss and params."""
    graph = wire(net, State("TRAIN", spec.level, spec.stage), found, "any" if keep else "loss")
    if not given:
        _check_data(graph, spec, found)
    check_lengths(spec, spec.data.train is not None and bool(graph.inputs), found)
    if spec.max_epoch is not None and (spec.data.train is None or not graph.inputs):
        text = "`max_epoch` needs training data in the solver: without them nobody knows how long an epoch is"
        found.add(NoEpochsError(text, at=spec.place("max_epoch", key=True), help="say `max_iter`"))
    if not found and not spec.like_caffe:
        _check_learning(graph, spec, found)
    shaped = infer(graph, found, spec.data.train.net_batch if spec.data.train else None)
    if not found:
        with found.catching():
            spec.rule.check(shaped, spec.dtype)
    return shaped


def _test(spec: SolverSpec, net: NetSpec, found: Findings, keep: bool, given: bool) -> ShapedGraph | None:
    """The shaped net of TEST, if there are data to test on or it needs none; it takes the batches of every feed."""
    state = State("TEST", spec.level, spec.stage)
    feed = spec.feed("TEST")
    wanted = feed is not None or spec.test_interval is not None
    if not wanted or not any(map(within(net, state).keeps, net.layers)):
        return None
    graph = wire(net, state, found, "any" if keep else "none")
    result = infer(graph, found, feed.net_batch if feed else None)
    others = {one.batch_size for one in spec.data.scored.values()} - {feed.batch_size if feed else None}
    for batch in sorted(others) if graph.inputs and not found else ():
        infer(graph, found, batch)
    if not given:
        _check_data(graph, spec, found)
    if feed is None and spec.test_iter is None and not graph.inputs:
        at, help = spec.place("test_interval", key=True), "say how many batches of the net's own data a test takes"
        found.add(NoDataError("a test without test data needs `test_iter`", at=at, help=help))
    return result


def _check_data(net: Graph, spec: SolverSpec, found: Findings) -> None:
    feed = spec.feed(net.phase)
    word = net.phase.lower()
    names = [net.blobs[i].name for i in net.inputs]
    if isinstance(feed, JoinedSpec) and len(feed.among(net.inputs)) < len(net.inputs):
        fed = [node.layer for node in net.nodes if node.layer.fed]
        bringing = next(layer for layer in fed if layer.brings is not None)
        waiting = next(layer for layer in fed if layer.brings is None)
        text = f"layer '{bringing.name}' brings data to phase {net.phase}, but '{waiting.name}' waits for others"
        help = "give the data of all in the solver's `data:`"
        found.add(WaitingInputError(text, at=waiting.place(), help=help))
    if names and feed is None:
        at = spec.place("net" if spec.data.written is None else "data", key=True)
        listed = ", ".join(f"'{name}'" for name in names)
        text = f"the net has the inputs {listed} in phase {net.phase}, but the solver has no `data: {word}:`"
        found.add(
            NoDataError(
                text, at=at, help=f"like `{word}: {{source: {{type: FashionMNIST, split: {word}}}, batch_size: 64}}`"
            )
        )


def _check_learning(net: Graph, spec: SolverSpec, found: Findings) -> None:
    at = net.nodes[-1].layer.place() if net.nodes else None
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
        frozen = [pattern.place("lr_mult") for pattern in spec.params if pattern.lr_mult == 0]
        text = f"net '{net.name}' has nothing to learn: every lr_mult is 0"
        found.add(NothingToLearnError(text, at=frozen[-1] if frozen else at))
    elif len(unmoved(net, [None] * len(net.params))) == sum(param.learned for param in net.params):
        text = f"net '{net.name}' has nothing to learn: no loss reaches a param that may change"
        found.add(NothingToLearnError(text, at=at, help="is there a `propagate_down: false`, or an `lr_mult: 0`?"))


def trained_keys(job: Job) -> dict[ParamKey, ParamKey]:
    """For every param of the TEST net its key in the TRAIN net: a shared param may have another owner there.

    Only the wiring of the TRAIN net is looked at, which may have mistakes.
    """
    spec, test = job.spec, job.phase("TEST").graph
    train = wire(job.net, State("TRAIN", spec.level, spec.stage), Findings(), "none")
    return {test.owners[own]: train.owners[other] for own, other in same_params(test, train).items()}
