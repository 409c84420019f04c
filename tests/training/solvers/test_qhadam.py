"""QHAdam against its definition for one weight, and against Adam, which it is with nu = nu2 = 1."""

from __future__ import annotations

from math import sqrt

import pytest
from pydantic import ValidationError

from netspec.training.solvers.adam import Adam
from netspec.training.solvers.qhadam import QHAdam
from tests.helpers.updates import DECAYS, Step, follow, path


def definition(rule: QHAdam) -> Step:
    def step(t: int, w: float, g: float, decay: float, rate: float, kept: dict[str, float]) -> float:
        g += decay
        kept["m"] = rule.momentum * kept["m"] + (1 - rule.momentum) * g
        kept["v"] = rule.momentum2 * kept["v"] + (1 - rule.momentum2) * g**2
        m, v = kept["m"] / (1 - rule.momentum**t), kept["v"] / (1 - rule.momentum2**t)
        above, below = (1 - rule.nu) * g + rule.nu * m, (1 - rule.nu2) * g**2 + rule.nu2 * v
        return w - rate * above / (sqrt(below) + rule.delta)

    return step


@pytest.mark.parametrize(("l1", "l2"), DECAYS)
@pytest.mark.parametrize(
    "rule", [QHAdam(), QHAdam(momentum=0.8, momentum2=0.9, delta=0.3, nu=0.6, nu2=0.3)], ids=["plain", "set"]
)
def test_definition(rule: QHAdam, l1: float, l2: float) -> None:
    follow(rule, definition(rule), l1, l2, m=0.0, v=0.0)


def test_with_the_averages_alone_it_is_adam() -> None:
    # the paper's Adam, whose delta Caffe's has times sqrt(1 - momentum2^t): here too small to matter
    rule = QHAdam(momentum=0.9, nu=1.0, nu2=1.0, delta=1e-17)
    assert path(rule, 20) == pytest.approx(path(Adam(momentum=0.9, delta=1e-17), 20), rel=1e-12)


def test_fields() -> None:
    rule = QHAdam()
    assert (rule.momentum, rule.momentum2, rule.nu, rule.nu2) == (0.995, 0.999, 0.7, 1.0)  # the paper's
    for fields in ({"nu": 1.1}, {"nu2": -0.1}):
        with pytest.raises(ValidationError):
            QHAdam(**fields)
