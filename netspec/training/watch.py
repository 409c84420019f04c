"""Watch: the score that a training is watched by, its best test, and whether the training has come to gain nothing.

All of it follows from the recorded tests, so that nothing else has to be stored for a training that resumes. A score is
called FEED/blob, such as validation/accuracy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netspec.core.counts import Count
from netspec.core.errors import Findings, SpecError
from netspec.core.places import Place
from netspec.net.shaped import ShapedGraph
from netspec.training.goals import Best, EarlyStop, Mode
from netspec.training.policies.plateau import Plateau
from netspec.training.scorelog import Test, Tests, after
from netspec.training.scores import scalars
from netspec.training.spec import SolverSpec


class UnknownMetricError(SpecError):
    """A training is watched by a score that no test has, or of which nobody knows whether more is better."""

    code = "NS554"


class NeverTestedError(SpecError):
    """A training is watched by the score of a feed that is tested only at its end."""

    code = "NS555"


@dataclass(frozen=True)
class Metric:
    """A score, and whether more of it is better."""

    name: str
    higher: bool

    @property
    def feed(self) -> str:
        """The feed that it is a score of."""
        return self.name.partition("/")[0]

    def first(self, outputs: Mapping[str, float]) -> dict[str, float]:
        """The outputs of a test on its feed, with this score in front."""
        blob = self.name.partition("/")[2]
        return {name: outputs[name] for name in sorted(outputs, key=lambda name: name != blob)}

    def gain(self, score: float, than: float) -> float:
        """By how much a score is better than another."""
        return score - than if self.higher else than - score

    def best(self, tests: Tests) -> tuple[int, float] | None:
        """The iteration and the score of the first of the best tests, if there is one."""
        return after(tests, None, _best, self)

    def waited(self, tests: Tests, min_gain: float) -> int:
        """How many tests there were since one was better by more than `min_gain` than all before it."""
        return after(tests, (-math.inf, 0), _waited, self, min_gain)[1]

    def score(self, test: Test) -> float | None:
        """This score of a test; None where the test lacks it, or it is not finite."""
        score = test[1].get(self.name)
        return score if score is not None and math.isfinite(score) else None


def _best(best: tuple[int, float] | None, test: Test, metric: Metric) -> tuple[int, float] | None:
    """The best test after one more, as its iteration and its score."""
    score = metric.score(test)
    if score is None or (best is not None and metric.gain(score, best[1]) <= 0):
        return best
    return test[0], score


def _waited(state: tuple[float, int], test: Test, metric: Metric, min_gain: float) -> tuple[float, int]:
    """The last score that was a gain, more being better, and the tests since, after one more."""
    best, waited = state
    score = metric.score(test)
    if score is None:
        return state
    own = metric.gain(score, 0.0)
    return (own, 0) if own > best + min_gain else (best, waited + 1)


@dataclass(frozen=True)
class Stop:
    """The end of a training by a metric: after `patience` tests in a row without a gain of more than `min_gain`."""

    metric: Metric
    patience: int
    min_gain: float
    restore: bool

    def over(self, tests: Tests) -> bool:
        """Whether these tests end the training."""
        return self.metric.waited(tests, self.min_gain) >= self.patience

    def why(self, tests: Tests) -> str:
        """Why they do, and which test was the best."""
        waited = self.metric.waited(tests, self.min_gain)
        found = self.metric.best(tests)
        best = f"; best {found[1]:.4f} at iter {found[0]}" if found else ""
        return f"{self.metric.name} has gained nothing in {waited} test{'s' * (waited != 1)}{best}"


@dataclass(frozen=True)
class Watch:
    """By which metric the best weights are kept, and what ends the training early; None where the solver says nothing.

    `metric` is the one that a training is judged by: that of the best weights, that of the early stop, or the first
    score of the watched feed.
    """

    metric: Metric | None = None
    best: Metric | None = None
    stop: Stop | None = None

    def over(self, tests: Tests) -> bool:
        """Whether these tests end the training."""
        return self.stop is not None and self.stop.over(tests)


def watch(spec: SolverSpec, test: ShapedGraph | None, found: Findings) -> Watch:
    """What a solver says on its best weights and its early end; mistakes go to `found`. `test` is its TEST net.

    The score that a plateau policy looks at is checked too.
    """
    names = _Names(spec, test)
    if isinstance(spec.lr_policy, Plateau):
        names.metric("lr_policy", spec.lr_policy, found)
    best = names.metric("best", spec.best, found) if spec.best else None
    early = spec.early_stop
    own = names.metric("early_stop", early, found) if early else None
    stop = Stop(own, early.patience, early.min_gain, early.restore_best) if early and own else None
    if stop and stop.restore:
        if best is not None and best != stop.metric:
            text = f"the weights of the best {best.name} are kept, and those of the best {stop.metric.name} restored"
            at = spec.place("early_stop", "metric")
            help = "say one `metric` and one `mode` for both, or `restore_best: false`"
            found.add(UnknownMetricError(text, at=at, help=help))
        best = best or stop.metric
    return Watch(best or own or names.first(), best, stop)


def metric_of(spec: SolverSpec, test: ShapedGraph | None, metric: str | None, mode: Mode | None) -> Metric | None:
    """A metric by its name, by default the first score of the watched feed; None where no test has it, or no mode."""
    return _Names(spec, test).chosen(metric, mode)


class _Names:
    """The scores of all tests of a training."""

    def __init__(self, spec: SolverSpec, test: ShapedGraph | None) -> None:
        self._spec = spec
        self._feeds = () if test is None else feeds_of(spec)
        self._higher = {} if test is None else dict(_outputs(test))
        self._all = [f"{feed}/{blob}" for feed in self._feeds for blob in self._higher]

    def first(self) -> Metric | None:
        """The first output of a layer that scores, such as Accuracy, on the watched feed; else its first loss."""
        ordered = sorted((blob for blob, higher in self._higher.items() if higher is not None), key=self._loss)
        feed = self._spec.data.watched or next(iter(self._feeds), None)
        return Metric(f"{feed}/{ordered[0]}", not self._loss(ordered[0])) if ordered and feed else None

    def _loss(self, blob: str) -> bool:
        return not self._higher[blob]

    def chosen(self, metric: str | None, mode: Mode | None) -> Metric | None:
        """The metric of a name; None where no test has it, or nobody knows whether more is better."""
        first = self.first()
        name = (first.name if first else None) if metric is None else metric
        higher = {full: self._higher[full.partition("/")[2]] for full in self._all}.get(name or "")
        if name not in self._all or (higher is None and mode is None):
            return None
        return Metric(name, mode == "max" if mode else bool(higher))

    def metric(self, key: str, said: Best | EarlyStop | Plateau, found: Findings) -> Metric | None:
        """The metric of `best`, `early_stop` or a plateau policy; what is wrong with it goes to `found`."""
        at = self._spec.place(key, "metric", key=said.metric is None)
        chosen = self.chosen(said.metric, said.mode)
        if chosen is None:
            found.add(self._unknown(key, said, at))
            return None
        feed = chosen.feed
        if interval_of(self._spec, feed) is None:
            text = f"`{key}` looks at '{chosen.name}', but '{feed}' is tested only at the end"
            where = "" if feed == (self._spec.data.watched or self._feeds[0]) else f" below `{feed}:` of `data:`"
            help = f"say `test_interval: 500`{where}, or `1 epoch`"
            found.add(NeverTestedError(text, at=at, help=help))
            return None
        return chosen

    def _unknown(self, key: str, said: Best | EarlyStop | Plateau, at: Place | None) -> SpecError:
        if said.metric in self._all:
            text = f"`{key}` looks at '{said.metric}', and nobody knows whether more of it is better"
            return UnknownMetricError(text, at=at, help="say `mode: max` or `mode: min`")
        if said.metric is None and not self._all:
            text = f"`{key}` needs tests, and this training has none"
            return UnknownMetricError(text, at=at, help="add `validation:` to `data:`, and `test_interval:`")
        which = (
            f"no test has the score '{said.metric}'" if said.metric is not None else "no test has an accuracy or a loss"
        )
        help = f"one of: {', '.join(self._all)}" if self._all else "add `validation:` to `data:`"
        return UnknownMetricError(f"`{key}`: {which}", at=at, help=help)


def feed_of(scores: Mapping[str, float]) -> str:
    """The feed that a test with these scores was made on."""
    return next(iter(scores), "").partition("/")[0]


def feeds_of(spec: SolverSpec) -> tuple[str, ...]:
    """The names of the feeds that the TEST net is tested on, or of the nets; `test` where the net has its own data."""
    return tuple(spec.test_nets) or tuple(spec.data.scored) or ("test",)


def interval_of(spec: SolverSpec, feed: str) -> Count | None:
    """The interval of the tests on a feed: its own; of the watched feed that of the solver; None: only at the end."""
    own = spec.data.scored.get(feed)
    if own is not None and own.test_interval is not None:
        return own.test_interval
    if spec.test_nets:
        return spec.test_interval
    return spec.test_interval if feed == (spec.data.watched or feeds_of(spec)[0]) else None


def _outputs(test: ShapedGraph) -> Iterator[tuple[str, bool | None]]:
    """The scalar outputs of a TEST net, and whether more is better: of a score yes, of a loss no, else unknown."""
    net = test.graph
    for blob in (net.blobs[b] for b in scalars(test)):
        score = net.nodes[blob.producer].layer.is_score and blob.slot == 0
        yield blob.name, True if score else False if blob.loss_weight else None
