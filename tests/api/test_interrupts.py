"""A Solver that is interrupted at any moment: an iteration counts whole, or has changed nothing."""

from __future__ import annotations

import ctypes
import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from tests.helpers.interrupts import Moments, interrupted_after
from tests.helpers.mutations import seeds

LAST = 12
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")

State = dict[str, Any]
Make = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """An interrupt may come between Python's own lines that close a file; it is closed, with a warning, when freed."""
    yield
    gc.collect()


def values(solver: Make, iter_size: int) -> dict[str, Any]:
    """A solver with all kinds of state: running statistics, history, losses, random masks, shuffled batches."""
    result = solver(iter_size=iter_size, average_loss=3, clip_gradients=1.5)
    norm = {"name": "norm", "type": "BatchNorm", "moving_average_fraction": 0.7}
    result["net"]["layers"][2:2] = [norm, {"name": "scale", "type": "Scale", "bias_term": True}]
    result["net"]["layers"].insert(-2, {"name": "drop", "type": "Dropout", "bottom": "ip"})
    for layer in result["net"]["layers"][-2:]:
        layer["bottom"] = ["drop", "label"]
    return result


def state(solver: netspec.Solver) -> State:
    params = {f"{name} {i}": p.data.copy() for name, ps in solver.net.params.items() for i, p in enumerate(ps)}
    slots = [array for own in solver.net.program.weights.history for array in own.values()]
    history = {f"history {i}": array.copy() for i, array in enumerate(slots)}
    return {
        **params,
        **history,
        "losses": np.array(solver.net.program.iterations.losses),
        "loss": np.array(solver.loss),
    }


def equal(one: State, other: State) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[key], other[key], equal_nan=True) for key in one)


@pytest.fixture(scope="module")
def references() -> dict[int, list[State]]:
    """The states of uninterrupted trainings after 0, 1, ... iterations, by iter_size."""
    return {}


def reference(references: dict[int, list[State]], solver: Make, iter_size: int) -> list[State]:
    if iter_size not in references:
        with netspec.Solver(values(solver, iter_size)) as whole:
            states = [state(whole)]
            for _ in range(LAST):
                whole.step()
                states.append(state(whole))
        references[iter_size] = states
    return references[iter_size]


def attempt(work: Callable[[], Any]) -> bool:
    """Whether a KeyboardInterrupt came out of the work."""
    try:
        work()
    except KeyboardInterrupt:
        return True
    return False


@pytest.mark.parametrize("seed", seeds(6))
@pytest.mark.parametrize("iter_size", [1, 3])
def test_an_interrupt_before_any_operation(
    references: dict[int, list[State]], solver: Make, iter_size: int, seed: int
) -> None:
    """Also two interrupts, the second while the first is on its way out."""
    right, random = reference(references, solver, iter_size), np.random.default_rng(seed)
    with netspec.Solver(values(solver, iter_size)) as one:
        one.step()
        with Moments() as moments:
            one.step()
        for _ in range(4):
            first = int(random.integers(1, moments.count + 1))
            with Moments(first, first + int(random.integers(1, 9))):
                assert attempt(one.step)
            assert equal(state(one), right[one.iter]), f"interrupted before operation {first}, at iteration {one.iter}"
            one.step()
            assert equal(state(one), right[one.iter]), f"after an interrupt before operation {first}"


timed = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers that send signals here")


@timed
@pytest.mark.parametrize("seed", seeds(6))
@pytest.mark.parametrize("iter_size", [1, 3])
def test_a_signal_at_any_time(references: dict[int, list[State]], solver: Make, iter_size: int, seed: int) -> None:
    right, random = reference(references, solver, iter_size), np.random.default_rng(seed)
    with netspec.Solver(values(solver, iter_size)) as one:
        for _ in range(4):

            def some() -> None:
                with interrupted_after(float(random.uniform(1e-5, 2e-3))):
                    one.step(2)

            attempt(some)
            assert equal(state(one), right[one.iter])
            one.step()
            assert equal(state(one), right[one.iter])


@timed
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # files that others had just opened
@pytest.mark.parametrize("seed", seeds(3))
def test_a_signal_while_it_solves_or_tests(
    references: dict[int, list[State]], solver: Make, tmp_path: Path, seed: int
) -> None:
    """It goes on to the same end, from snapshots that it writes between."""
    right, random = reference(references, solver, 3), np.random.default_rng(seed)
    changes = values(solver, 3) | {"max_iter": LAST, "test_interval": 2, "display": 1}
    works = (netspec.Solver.solve, netspec.Solver.test, lambda one: list(one.events()))
    with netspec.Solver(changes) as one:
        for work in (*works, *works):

            def some(work: Callable[[netspec.Solver], Any] = work) -> None:
                with interrupted_after(float(random.uniform(1e-4, 2e-2))):
                    work(one)

            attempt(some)
            assert equal(state(one), right[one.iter])
            one.restore(one.snapshot(tmp_path / "one.safetensors"))
            assert equal(state(one), right[one.iter])
        one.solve()
        assert one.iter == LAST and equal(state(one), right[LAST])


def test_an_exception_that_another_thread_sets(references: dict[int, list[State]], solver: Make) -> None:
    right, random = reference(references, solver, 3), np.random.default_rng(5)
    with netspec.Solver(values(solver, 3)) as one:
        for _ in range(10):
            begun = threading.Event()

            def train(begun: threading.Event = begun) -> None:
                begun.set()
                attempt(lambda: one.step(LAST - one.iter))

            one.close()
            thread = threading.Thread(target=train)
            thread.start()
            begun.wait()
            # CPython may give the exception to a thread that this one is starting
            while one._session._cursor._ahead is None and thread.is_alive():
                time.sleep(0)
            thread.join(float(random.uniform(0, 2e-3)))
            if thread.is_alive():
                target = ctypes.c_ulong(thread.ident or 0)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(target, ctypes.py_object(KeyboardInterrupt))
            thread.join()
            assert equal(state(one), right[one.iter])
            if one.iter == LAST:
                break


def test_an_iteration_that_diverges_changes_nothing(solver: Make) -> None:
    """Not the running statistics either, which some batches of the iteration had changed."""
    changes = values(solver, 3)
    with netspec.Solver(changes) as one:
        one.step(2)
        before = state(one)
        one.net.params["ip"][0].data[0, 0] = np.inf
        with pytest.raises(NetspecError, match=r"param 'ip\.weight' is not finite"):
            one.step()
        after = state(one)
        after["ip 0"][0, 0] = before["ip 0"][0, 0]
        assert one.iter == 2 and equal(before, after)


def test_an_error_of_the_data_changes_nothing(solver: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from netspec.core.errors import DataError
    from netspec.data.feed import Feed

    with netspec.Solver(values(solver, 3)) as one:
        fill = Feed.fill

        def broken(self: Feed, position: int, into: Any) -> None:
            if position == 16:  # the second batch of the second iteration
                raise DataError("gone")
            fill(self, position, into)

        with monkeypatch.context() as patch:
            patch.setattr(Feed, "fill", broken)
            one.step()
            before = state(one)
            for _ in range(2):
                with pytest.raises(DataError, match="gone"):
                    one.step()
                assert one.iter == 1 and equal(before, state(one))
        one.step()  # the data are back
        assert one.iter == 2


def test_handlers_of_signals_are_the_callers(solver: Make) -> None:
    before = signal.getsignal(signal.SIGINT)
    with netspec.Solver(values(solver, 1)) as one:
        one.step(2)
    assert signal.getsignal(signal.SIGINT) is before
