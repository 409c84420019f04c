"""Program of test_driver: nets and a Solver in forked processes; prints a line for each thing that went right."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import warnings
from typing import Any

import numpy as np

import netspec
from netspec.codegen import driver

SPEC: dict[str, Any] = {
    "name": "B",
    "layers": [
        {"name": "data", "type": "Input", "shape": [16, 8, 32, 32]},
        {"name": "c", "type": "Convolution", "num_output": 16, "kernel_size": 3, "weight_filler": "xavier"},
        {"name": "p", "type": "Pooling", "global_pooling": True, "pool": "AVE"},
    ],
}
X = np.random.default_rng(0).normal(size=(16, 8, 32, 32))


def score(seed: int) -> float:
    return float(netspec.Net(SPEC, seed=seed).forward(data=X)["p"].sum())


def nested(seed: int) -> float:
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.map(score, [seed])[0]


class Forever(threading.Thread):
    """Runs a net until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.net, self.stop = netspec.Net(SPEC, seed=9), False

    def run(self) -> None:
        while not self.stop:
            self.net.forward(data=X)


def in_child(work: Any) -> int:
    """The exit code of a forked process: 0 where the work returns something true, 9 where it never ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns where there are threads
        child = os.fork()
    if child == 0:
        try:
            threading.Timer(100, os._exit, (9,)).start()
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def weights(solver: netspec.Solver) -> bytes:
    return b"".join(blob.data.tobytes() for blobs in solver.net.params.values() for blob in blobs)


def main() -> None:
    right = [score(1), score(2)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print("pool", pool.map(score, [1, 2]) == right)  # noqa: T201
    one = netspec.Net(SPEC, seed=1)
    print("a net of the parent", in_child(lambda: float(one.forward(data=X)["p"].sum()) == right[0]))  # noqa: T201
    print("nested", in_child(lambda: in_child(lambda: score(2) == right[1] and driver.limit_threads(None) == 1) == 0))  # noqa: T201
    busy = Forever()
    busy.start()
    codes = {in_child(lambda: score(1) == right[0] and len(busy.net.forward(data=X)) == 1) for _ in range(3)}
    print("while a thread runs a net", *codes)  # noqa: T201
    busy.stop = True
    busy.join()
    solver = netspec.Solver(sys.argv[1])
    solver.step(3)

    def goes_on() -> bool:
        other = netspec.Solver(sys.argv[1])
        other.step(5)
        solver.step(2)
        return weights(other) == weights(solver)

    print("a Solver", in_child(goes_on))  # noqa: T201
    solver.step(2)
    before = weights(solver)
    solver.restore(solver.snapshot(sys.argv[2]))
    print("the parent", weights(solver) == before and score(2) == right[1])  # noqa: T201


if __name__ == "__main__":
    main()
