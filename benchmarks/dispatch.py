"""Cost of the driver: LeNet's table with an empty kernel in each step, in as many parts, beside the real table.

python -m benchmarks.dispatch [--rounds 400]
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from netspec.codegen.driver import limit_threads
from netspec.core.calls import Call
from netspec.engine.bind import bind, compile_net
from netspec.engine.program import Step, Table
from netspec.engine.updating import Decay, Learning
from netspec.engine.weights import fill_weights
from netspec.kernels import copy
from netspec.net.load import load_net
from netspec.training.solvers.sgd import SGD


def median(table: Table, rounds: int) -> float:
    """Milliseconds of running a table."""
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        table.run(0, len(table.steps))
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times)


def main() -> None:
    """Print the two times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=400, help="of which the median is taken")
    rounds = parser.parse_args().rounds
    threads = limit_threads(2)
    shaped, memory = compile_net(load_net("lenet"), "float32")
    rule = SGD(momentum=0.9)
    learning = Learning(rule.update, (Decay(l2=5e-4),) * len(shaped.graph.params))
    program = bind(shaped, memory, fill_weights(shaped, "float32", 1, rule.state), 1, learning)
    nothing = np.zeros(0, np.float32)
    empty = [
        Step(step.section, step.layer, step.node, Call(copy.fill, nothing, 0.0), step.parts)
        for step in program.table.steps
    ]
    real, bare = median(program.table, rounds), median(Table(empty, "float32"), rounds)
    driver = f"of which the driver {1000 * bare:.0f} us = {100 * bare / real:.1f} %"
    print(f"{len(empty)} steps on {threads} threads: {real:.3f} ms, {driver}")


if __name__ == "__main__":
    main()
