"""Work beside the preparation: it ends when it must, changes no value, and its errors are not lost."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec.core import rng
from netspec.engine.beside import STRETCH, Beside, lay
from netspec.engine.weights import zeros
from tests.helpers.sessions import session, weights


def test_the_fill_is_whole_when_it_was_waited_for() -> None:
    values, begun = np.zeros(7), threading.Event()

    def fill() -> None:
        begun.wait()
        values[:] = range(7)

    with Beside(fill, ()) as work:
        begun.set()
        work.wait_filled()
        assert values.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_what_the_fill_raises_is_raised_where_it_is_waited_for() -> None:
    def fill() -> None:
        raise ZeroDivisionError("of the fill")

    with pytest.raises(ZeroDivisionError, match="of the fill"), Beside(fill, ()) as work:
        work.wait_filled()


def test_no_thread_outlives_the_block_that_an_error_ends() -> None:
    before = set(threading.enumerate())
    with pytest.raises(KeyError), Beside(lambda: None, (zeros(2**24),)):
        raise KeyError
    assert set(threading.enumerate()) == before


def test_a_machine_that_starts_no_thread_fills_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    values = np.zeros(3)
    with Beside(lambda: values.fill(5), ()) as work:
        work.wait_filled()
    assert values.tolist() == [5, 5, 5]


def test_laying_memory_keeps_what_the_array_holds() -> None:
    array = zeros(3 * STRETCH + 100)
    array[:: 2**12 + 1] = 7
    expected = array.copy()
    lay(array, threading.Event())
    np.testing.assert_array_equal(array, expected)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is laid on Linux alone")
def test_memory_is_laid_inside_the_array_and_not_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    ended, stretches = threading.Event(), list[tuple[int, int]]()

    class Library:
        @staticmethod
        def madvise(at: ctypes.c_void_p, size: ctypes.c_size_t, advice: int) -> int:
            stretches.append((at.value or 0, size.value))
            if len(stretches) == 2:
                ended.set()
            return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library)
    array = zeros(5 * STRETCH)
    lay(array, ended)
    (first, size), (second, _) = stretches
    assert size == STRETCH
    assert second == first + size
    assert 0 <= first - array.ctypes.data < 2**16


def test_params_of_a_session_are_what_their_own_streams_give(solver: Callable[..., dict[str, Any]]) -> None:
    values = solver(random_seed=3)
    product = next(layer for layer in values["net"]["layers"] if layer["name"] == "ip")
    product["weight_filler"] = {"type": "gaussian", "std": 0.5}
    product["bias_filler"] = {"type": "uniform", "min": -1, "max": 1}
    one = session(values)
    found = weights(one)
    one.close()
    weight, bias = (rng.generator(3, "filler", name) for name in ("ip.weight", "ip.bias"))
    shape = found["ip.weight"].shape
    np.testing.assert_array_equal(found["ip.weight"], weight.normal(0.0, 0.5, shape).astype(np.float32))
    np.testing.assert_array_equal(found["ip.bias"], bias.uniform(-1.0, 1.0, shape[:1]).astype(np.float32))
