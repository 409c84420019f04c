"""The benchmark of all solver types on two hard functions: it leaves none out, and each comes to the target."""

from __future__ import annotations

import pytest

from benchmarks.valley import MOST, PROBLEMS, SETTINGS, TARGET, Descent, descend


def run(problem: str, word: str, most: int = MOST) -> Descent:
    return descend(problem, word, SETTINGS[word][PROBLEMS.index(problem)], most)


def test_every_problem_has_settings() -> None:
    assert all(len(settings) == len(PROBLEMS) for settings in SETTINGS.values())


@pytest.mark.parametrize("problem", PROBLEMS)
def test_second_order_types_need_a_tenth_of_the_iterations_of_tuned_sgd(problem: str) -> None:
    sgd = run(problem, "SGD", 1000).iterations
    assert sgd is not None
    for word in ("LBFGS", "Newton"):
        own = run(problem, word, 100)
        assert own.iterations is not None and own.loss <= TARGET
        assert 10 * own.iterations <= sgd


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("word", SETTINGS)
def test_every_solver_type_comes_to_the_target(word: str, problem: str) -> None:
    assert run(problem, word).iterations is not None
