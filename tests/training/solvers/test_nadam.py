"""NAdam against its definition for one weight, with the product of momenta taken step by step."""

from __future__ import annotations

from math import prod, sqrt

import pytest
from pydantic import ValidationError

from netspec.kernels import update_moments
from netspec.training.solvers.nadam import NAdam
from tests.helpers.updates import DECAYS, Step, follow


def definition(rule: NAdam) -> Step:
    def momentum(t: int) -> float:
        return rule.momentum * (1 - 0.5 * 0.96 ** (t * rule.momentum_decay))

    def step(t: int, w: float, g: float, decay: float, rate: float, kept: dict[str, float]) -> float:
        g += decay
        kept["product"] *= momentum(t)
        kept["m"] = rule.momentum * kept["m"] + (1 - rule.momentum) * g
        kept["v"] = rule.momentum2 * kept["v"] + (1 - rule.momentum2) * g**2
        ahead = momentum(t + 1) * kept["m"] / (1 - kept["product"] * momentum(t + 1))
        ahead += (1 - momentum(t)) * g / (1 - kept["product"])
        return w - rate * ahead / (sqrt(kept["v"] / (1 - rule.momentum2**t)) + rule.delta)

    return step


@pytest.mark.parametrize(("l1", "l2"), DECAYS)
@pytest.mark.parametrize(
    "rule", [NAdam(), NAdam(momentum=0.8, momentum2=0.9, delta=0.3, momentum_decay=1.0)], ids=["plain", "set"]
)
def test_definition(rule: NAdam, l1: float, l2: float) -> None:
    follow(rule, definition(rule), l1, l2, product=1.0, m=0.0, v=0.0)


@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 0.004), (0.9999, 0.0), (0.9999, 5.0), (0.0, 0.004)])
@pytest.mark.parametrize("iteration", [0, 1, 50, 700, 20_000])
def test_the_product_of_momenta_follows_from_the_iteration(iteration: int, momentum: float, decay: float) -> None:
    """No state holds it, so that a training resumes exactly; factors that no longer count are left out."""
    now, coming, product = update_moments._momenta.py_func(momentum, decay, iteration)
    every = [momentum * (1 - 0.5 * 0.96 ** (t * decay)) for t in range(1, iteration + 3)]
    assert (now, coming) == pytest.approx(every[-2:], rel=1e-12)
    assert 1 - product == pytest.approx(1 - prod(every[:-1]), rel=1e-12)


def test_a_late_iteration_takes_no_longer_than_an_early_one() -> None:
    """Factors that have risen to the momentum are a power of it: there are not a billion of them to multiply."""
    momentum, decay, late = 1 - 1e-9, 5.0, 10**9
    rising = prod(1 - 0.5 * 0.96 ** (t * decay) for t in range(1, 1000))
    _, _, product = update_moments._momenta.py_func(momentum, decay, late - 1)
    assert product == pytest.approx(rising * momentum**late, rel=1e-12)


def test_fields() -> None:
    rule = NAdam()
    assert (rule.momentum, rule.momentum2, rule.delta, rule.momentum_decay) == (0.9, 0.999, 1e-8, 0.004)
    with pytest.raises(ValidationError):
        NAdam(momentum_decay=-1.0)
