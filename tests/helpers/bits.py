"""Program of test_bits: some iterations of a net on 1 and 2 threads; prints digests of its weights."""

from __future__ import annotations

import hashlib
import sys

import numpy as np

from netspec.codegen import driver
from netspec.engine.bind import bind, compile_net
from netspec.engine.updating import Decay, Learning
from netspec.engine.weights import fill_weights
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.training.solvers.sgd import SGD


def digest(net: str, overrides: list[str], batch: int, threads: int) -> str:
    """Of the weights after three iterations."""
    driver.limit_threads(threads)
    shaped, memory = compile_net(load_net(net, overrides, State("TRAIN"), batch), "float32")
    rule = SGD(momentum=0.9)
    weights = fill_weights(shaped, "float32", 1, rule.state)
    learning = Learning(rule.update, (Decay(l2=5e-4),) * len(shaped.graph.params))
    program = bind(shaped, memory, weights, 1, learning)
    program.rate[0] = 0.01
    random = np.random.default_rng(7)
    for iteration in range(3):
        program.clock[0], program.loss[0] = iteration, 0
        image, label = program.inputs
        image[...] = random.standard_normal(image.shape)
        label[...] = random.integers(0, 7, label.shape)
        program.run("clear", "update")
    assert np.isfinite(program.loss[0])
    return hashlib.sha256(b"".join(array.tobytes() for array in weights.data)).hexdigest()


def main() -> None:
    """One line a number of threads."""
    net, batch, *overrides = sys.argv[1:]
    for threads in (1, 2):
        print(threads, digest(net, overrides, int(batch), threads))  # noqa: T201


if __name__ == "__main__":
    main()
