"""A Solver and its nets in several threads."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

import netspec


def test_a_training_goes_on_while_others_use_its_nets(solver: Callable[..., dict[str, Any]]) -> None:
    """Each of them sees the weights of a whole iteration, and changes nothing."""
    last = 30
    seen: list[np.ndarray] = []
    with netspec.Solver(solver()) as plain, netspec.Solver(solver()) as one:
        right = [plain.net.params["ip"][0].data.copy()]
        for _ in range(last):
            plain.step()
            right.append(plain.net.params["ip"][0].data.copy())
        scores = plain.test()
        done = threading.Event()

        def watch(look: Callable[[], Any]) -> None:
            while not done.is_set():
                result = look()
                if isinstance(result, netspec.Net):
                    seen.append(result.params["ip"][0].data)

        looks: list[Callable[[], Any]] = [
            one.test,
            one.net.forward,
            one.test_nets[0].forward,
            lambda: copy.deepcopy(one.net),
            lambda: pickle.loads(pickle.dumps(one.test_nets[0])),
        ]
        threads = [threading.Thread(target=watch, args=(look,)) for look in looks]
        for thread in threads:
            thread.start()
        one.step(last)
        done.set()
        for thread in threads:
            thread.join()
        np.testing.assert_array_equal(one.net.params["ip"][0].data, right[last])
        assert one.test() == scores
    known = {array.tobytes() for array in right}
    assert seen and all(array.tobytes() in known for array in seen)
