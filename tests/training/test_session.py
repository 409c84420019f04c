"""What an iteration leaves behind is written by its last call: stored params, losses, the number of iterations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec.engine.program import Iterations
from netspec.training.blame import NotFiniteLossError
from netspec.training.session import Session
from tests.helpers.sessions import session, weights

Make = Callable[..., dict[str, Any]]


def with_norm(solver: Make, **changes: Any) -> Session:
    values = solver(**changes)
    values["net"]["layers"][2] = {"name": "norm", "type": "BatchNorm", "moving_average_fraction": 0.5}
    return session(values)


@pytest.mark.parametrize("size", [1, 2])
def test_stored_params_are_held_back_until_the_iteration_counts(solver: Make, size: int) -> None:
    one, whole = with_norm(solver, iter_size=size), with_norm(solver, iter_size=size)
    whole.step()
    program, before = one.train, weights(one)
    program.rate[0] = one.rate
    for sub in range(size):
        one._batch(sub)
        program.clock[:] = 0, sub
        program.run("resume" if sub else "clear", "suspend")
        assert all(np.array_equal(array, before[name]) for name, array in weights(one).items())
    program.run("watch", "commit")
    assert one.iteration == 1 and one.losses == whole.losses
    after = weights(whole)
    assert all(np.array_equal(array, after[name]) for name, array in weights(one).items())
    assert after["norm.scale_factor"][0] == (1 if size == 1 else 1.5)
    one.close()
    whole.close()


@pytest.mark.parametrize("size", [1, 3])
def test_what_a_bad_iteration_stored_is_forgotten(solver: Make, size: int) -> None:
    one = with_norm(solver, iter_size=size)
    one.step()
    one.train.weights.data[one.train.weights.index("ip.bias")][1] = np.nan
    before = weights(one)
    with pytest.raises(NotFiniteLossError, match=r"iteration 1: param 'ip\.bias' is not finite"):
        one.step()
    assert one.iteration == 1 and len(one.losses) == 1
    assert all(np.array_equal(array, before[name], equal_nan=True) for name, array in weights(one).items())
    one.close()


def test_the_last_losses_are_kept_in_a_ring(solver: Make) -> None:
    one, every = session(solver(average_loss=3)), session(solver(average_loss=100))
    for _ in range(5):
        assert one.step() == every.step()
    assert one.losses == every.losses[-3:] and len(every.losses) == 5
    assert one.loss == pytest.approx(sum(every.losses[-3:]) / 3)
    one.train.iterations.set(7, every.losses)
    assert (one.iteration, one.losses) == (7, every.losses[-3:])
    one.close()
    every.close()


def test_iterations_without_losses() -> None:
    iterations = Iterations(np.zeros(3, np.int64), np.zeros(4))
    assert (iterations.iteration, iterations.losses) == (0, ())
    iterations.set(3, (1.0, 2.0))
    assert (iterations.iteration, iterations.losses) == (3, (1.0, 2.0))
