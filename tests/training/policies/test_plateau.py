"""plateau: reductions by recorded tests, counted as PyTorch's ReduceLROnPlateau counts them."""

from __future__ import annotations

from typing import Any

import pytest

from netspec.core.counts import Pace
from netspec.training.course import Course
from netspec.training.policies.plateau import Plateau

FLAT = [0.5] * 9
RISING = [0.5, 0.6, 0.59, 0.6, 0.61, 0.61, 0.61, 0.61, 0.7]


def rates(scores: list[float], **fields: Any) -> list[float]:
    """The rate after each test, of base_lr 8; tests are 10 iterations apart."""
    plateau = Plateau.model_validate({"metric": "validation/accuracy", "mode": "max", "factor": 0.5, **fields})
    tests = [(10 * i, {"validation/accuracy": score}) for i, score in enumerate(scores)]
    return [plateau.rate(at, Course(8.0, 100, Pace(None, 1), tests)) for at, _ in tests]


@pytest.mark.parametrize(
    ("scores", "fields", "expected"),
    [
        (FLAT, {"patience": 2}, [8, 8, 8, 4, 4, 4, 2, 2, 2]),
        (FLAT, {"patience": 0}, [8, 4, 2, 1, 0.5, 0.25, 0.125, 0.0625, 0.03125]),
        (FLAT, {"patience": 1, "cooldown": 2}, [8, 8, 4, 4, 4, 4, 2, 2, 2]),
        (FLAT, {"patience": 0, "min_lr": 3.0}, [8, 4, 3, 3, 3, 3, 3, 3, 3]),
        (RISING, {"patience": 1}, [8, 8, 8, 4, 4, 4, 2, 2, 2]),
        (RISING, {"patience": 1, "threshold": 0.015, "threshold_mode": "abs"}, [8, 8, 8, 4, 4, 2, 2, 1, 1]),
        (RISING, {"patience": 1, "threshold": 0.2}, [8, 8, 4, 4, 4, 4, 2, 2, 1]),
        ([-x for x in RISING], {"patience": 1, "mode": "min"}, [8, 8, 8, 4, 4, 4, 2, 2, 2]),
        ([1 - x for x in RISING], {"patience": 1, "mode": "min", "threshold": 0.3}, [8, 8, 4, 4, 2, 2, 1, 1, 1]),
    ],
)
def test_reductions_worked_by_hand(scores: list[float], fields: dict[str, Any], expected: list[float]) -> None:
    assert rates(scores, **fields) == expected


def test_only_tests_up_to_the_iteration_with_that_score_count() -> None:
    plateau = Plateau(metric="test/loss", mode="min", patience=0)
    tests = [
        (0, {"test/loss": 2.0}),
        (5, {"other/loss": 9.0}),
        (5, {"test/loss": 2.0}),
        (9, {"test/loss": 2.0, "test/accuracy": 1.0}),
    ]
    course = Course(1.0, None, Pace(None, 1), tests)
    assert [plateau.rate(t, course) for t in (0, 4, 5, 8, 9, 99)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])
