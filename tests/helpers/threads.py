"""Program of test_driver: nets in many threads at the same time; prints how many results were wrong."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

import netspec
from tests.helpers.forks import SPEC, X

SHARED = netspec.Net(SPEC, seed=100)


def main() -> None:
    nets = [netspec.Net(SPEC, seed=seed) for seed in range(5)]
    right = [net.forward(data=X)["p"] for net in nets]
    own = [SHARED.forward(data=X + seed)["p"] for seed in range(5)]
    wrong: list[Any] = []

    def work(seed: int) -> None:
        for turn in range(20):
            if not np.array_equal(nets[seed].forward(data=X)["p"], right[seed]):
                wrong.append((seed, turn))
            if not np.array_equal(SHARED.forward(data=X + seed)["p"], own[seed]):
                wrong.append((seed, turn, "shared"))
        wrong.extend([] if netspec.Net(SPEC, seed=seed).forward(data=X)["p"].shape == (16, 16, 1, 1) else [seed])

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{len(threads)} done, {len(wrong)} wrong")  # noqa: T201


if __name__ == "__main__":
    main()
