"""What follows from the recorded tests: as from a list read anew, and every test is read once."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from netspec.core.counts import Pace
from netspec.training.course import Course
from netspec.training.policies.plateau import Plateau
from netspec.training.scorelog import ScoreLog, Test, Tests, after, text
from netspec.training.watch import Metric, Stop

HIGH, LOW = Metric("validation/accuracy", True), Metric("validation/loss", False)
PLATEAUS = [
    Plateau(metric="validation/accuracy", mode="max", patience=1, cooldown=1),
    Plateau(metric="validation/loss", mode="min", patience=0, threshold=0.01, threshold_mode="abs", factor=0.9),
]


class Scores(Mapping[str, float]):
    """Scores that count how often they are read."""

    def __init__(self, scores: Mapping[str, float]) -> None:
        self._scores, self.read = scores, 0

    def __getitem__(self, name: str) -> float:
        self.read += 1
        return self._scores[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scores)

    def __len__(self) -> int:
        return len(self._scores)


def asked(tests: Tests, iteration: int) -> list[Any]:
    """All that is asked of the tests before an iteration."""
    course = Course(1.0, None, Pace(None, 1), tests)
    watched = [(metric.best(tests), metric.waited(tests, 0.0), metric.waited(tests, 0.1)) for metric in (HIGH, LOW)]
    stop = Stop(HIGH, 3, 0.05, True)
    return [*watched, stop.over(tests), stop.why(tests), *(plateau.rate(iteration, course) for plateau in PLATEAUS)]


@pytest.mark.parametrize("seed", range(5))
def test_a_log_says_what_a_list_says(seed: int) -> None:
    """After every test, and where it is asked after some of them only; a log of the first tests goes on alike."""
    rng = random.Random(seed)
    log, plain = ScoreLog(), list[Test]()
    for iteration in range(0, 80, 2):
        scores = {
            "validation/accuracy": rng.choice((0.1, 0.5, 0.55, 0.6, float("nan"))),
            "validation/loss": rng.random(),
        }
        test = (iteration, scores if rng.random() < 0.8 else {"test/accuracy": 0.3})
        log.append(test)
        plain.append(test)
        if rng.random() < 0.6:
            assert asked(log, iteration) == asked(plain, iteration) == asked(ScoreLog(plain), iteration)
    for iteration in (0, 3, 40, 41, 100):  # the rate of an iteration that is past, too
        before = [test for test in plain if test[0] <= iteration]
        rates = [
            [plateau.rate(iteration, Course(1.0, None, Pace(None, 1), given)) for plateau in PLATEAUS]
            for given in (log, before)
        ]
        assert rates[0] == rates[1]


def test_every_test_is_read_once() -> None:
    """Or else an iteration would cost the more, the more tests a training has made."""
    log = ScoreLog()
    for iteration in range(500):
        log.append((iteration, Scores({"validation/accuracy": 1 / (1 + iteration), "validation/loss": 0.5})))
        for _ in range(3):
            asked(log, iteration)
    most = {scores.read for _, scores in log if isinstance(scores, Scores)}
    assert most == {log[0][1].read}  # type: ignore[attr-defined]
    assert most < {*range(20)}


def test_steps_with_other_settings_are_apart() -> None:
    def add(total: float, test: tuple[int, Mapping[str, float]], name: str) -> float:
        return total + test[1][name]

    log = ScoreLog([(0, {"a": 1.0, "b": 2.0}), (1, {"a": 4.0, "b": 8.0})])
    assert [after(log, 0.0, add, name) for name in "abab"] == [5, 10, 5, 10]
    log.append((2, {"a": 16.0, "b": 32.0}))
    assert [after(log, 0.0, add, name) for name in "ba"] == [42, 21]


def test_the_text_of_a_log_is_that_of_its_tests() -> None:
    log = ScoreLog()
    assert text(log) == "[]"
    for iteration in range(5):
        log.append((iteration, {"b": iteration / 3, "a": -0.0}))
        log.append((iteration, {}))
        assert text(log) == text(tuple(log)) == json.dumps(log, sort_keys=True)
    assert json.loads(text(log)) == [list(test) for test in log]
