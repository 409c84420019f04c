"""How long a user waits: --help, inspect, expand, and train until iteration 1 with an empty and with a filled kernel cache.

Run on an idle machine: python benchmarks/startup.py
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LONG = """
blocks:
  unit:
    vars: {width: 8}
    layers:
      - {name: conv, type: Convolution, num_output: $(width + i), kernel_size: 3, pad: 1}
      - {name: relu, type: ReLU}
layers:
  - {name: data, type: Input, shape: [2, 3, 8, 8]}
  - {name: stage, block: unit, repeat: 500}
"""
NETSPEC = [sys.executable, "-m", "netspec"]


def median(words: list[str], runs: int = 9) -> float:
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        subprocess.run([*NETSPEC, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def to_first_iteration(cache: str, folder: Path) -> float:
    """Seconds from the start of the process to the line of iteration 0."""
    subset = ["data.train.source.subset=true", "data.test.source.subset=true"]
    words = [*NETSPEC, "train", "lenet", "max_iter=1", "display=1", "test_initialization=false", "-o", str(folder), *subset]
    begun = time.perf_counter()
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ, "NETSPEC_CACHE_DIR": cache})
    assert process.stderr is not None
    reached = next(time.perf_counter() - begun for line in process.stderr if line.startswith("iter 0"))
    process.stderr.read()
    process.wait()
    return reached


def main() -> None:
    print(f"netspec --help            {median(['--help']):6.2f} s")
    for net in ("lenet", "resnet152"):
        print(f"{f'netspec inspect {net}':<25} {median(['inspect', net]):6.2f} s")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(LONG)
        file.flush()
        print(f"expand, 1,001 layers      {median(['expand', file.name]):6.2f} s")
    with tempfile.TemporaryDirectory() as scratch:
        cache = f"{scratch}/cache"
        cold = to_first_iteration(cache, Path(scratch) / "cold")
        warm = statistics.median(to_first_iteration(cache, Path(scratch) / f"warm{i}") for i in range(5))
    print(f"train lenet, empty cache  {cold:6.2f} s to iteration 1")
    print(f"train lenet, warm cache   {warm:6.2f} s to iteration 1")


if __name__ == "__main__":
    main()
