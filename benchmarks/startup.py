"""Waiting time of a user: --help, inspect, expand, and train until iteration 1 with an empty and a filled kernel cache.

python -m benchmarks.startup        on an idle machine
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml

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


def lenet(folder: Path) -> list[str]:
    """Arguments of `netspec train` for LeNet, with its test net."""
    return ["lenet", "data.train.source.subset=true", "data.test.source.subset=true"]


def resnet50(folder: Path) -> list[str]:
    """Arguments of `netspec train` for ResNet-50 on eight images of noise, with a test net."""
    random = np.random.default_rng(1)
    np.save(folder / "images.npy", random.standard_normal((8, 3, 224, 224)).astype(np.float32))
    np.save(folder / "labels.npy", np.arange(8))
    feed = {"source": {"type": "Arrays", "outputs": ["images.npy", "labels.npy"]}, "batch_size": 8}
    solver = {
        "net": "resnet50",
        "data": {"train": feed, "test": feed},
        "base_lr": 0.001,
        "lr_policy": "fixed",
        "momentum": 0.9,
        "weight_decay": 0.0001,
    }
    (folder / "resnet50.yaml").write_text(yaml.safe_dump(solver))
    return [str(folder / "resnet50.yaml")]


def to_first_iteration(training: list[str], cache: str, folder: Path) -> float:
    """Seconds from the start of the process to the line of iteration 0."""
    words = [
        *NETSPEC,
        "train",
        *training,
        "max_iter=1",
        "display=1",
        "test_initialization=false",
        "snapshot_after_train=false",
    ]
    words += ["-o", str(folder)]
    begun = time.perf_counter()
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env={**os.environ, "NETSPEC_CACHE_DIR": cache})
    assert process.stderr is not None
    reached = next(time.perf_counter() - begun for line in process.stderr if line.startswith("iter 0"))
    process.stderr.read()
    process.wait()
    return reached


def main() -> None:
    """Print the times."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(f"netspec --help            {median(['--help']):6.2f} s")
    for net in ("lenet", "resnet152"):
        print(f"{f'netspec inspect {net}':<25} {median(['inspect', net]):6.2f} s")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(LONG)
        file.flush()
        print(f"expand, 1,001 layers      {median(['expand', file.name]):6.2f} s")
    for training in (lenet, resnet50):
        with tempfile.TemporaryDirectory() as scratch:
            words, cache = training(Path(scratch)), f"{scratch}/cache"
            cold = to_first_iteration(words, cache, Path(scratch) / "cold")
            warm = statistics.median(to_first_iteration(words, cache, Path(scratch) / f"warm{i}") for i in range(5))
        print(f"train {training.__name__}, empty cache  {cold:6.2f} s to iteration 1")
        print(f"train {training.__name__}, warm cache   {warm:6.2f} s to iteration 1")


if __name__ == "__main__":
    main()
