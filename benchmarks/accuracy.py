"""Accuracy of LeNet on the bundled images after 1,500 iterations, and on all of Fashion-MNIST with Caffe's solver.

python -m benchmarks.accuracy [subset]
python -m benchmarks.accuracy full [SEED ...]        about eight minutes a seed on two cores

`full` needs Debian's package dataset-fashion-mnist.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path


def tests(words: list[str]) -> list[float]:
    """The accuracies of a run's tests, in order."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        subprocess.run([sys.executable, "-m", "netspec", "train", "-q", "-o", str(folder), *words], check=True)
        rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [row["outputs"]["accuracy"] for row in rows if row["event"] == "tested"]


def main() -> None:
    """Print the accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="?", choices=("subset", "full"), default="subset")
    parser.add_argument("seeds", nargs="*", type=int, default=[1, 2, 3], help="of trainings on the full set")
    given = parser.parse_args()
    if given.images == "subset":
        subset = ["data.train.source.subset=true", "data.test.source.subset=true"]
        scores = tests(["lenet", "max_iter=1500", "test_interval=250", *subset])
        print("bundled subset, 1,500 iterations of 64:", " ".join(f"{s:.4f}" for s in scores))
        return
    for seed in given.seeds:
        scores = tests(["lenet", f"random_seed={seed}"])
        last = scores[-5:]
        print(
            f"full set, seed {seed}: last five {' '.join(f'{s:.4f}' for s in last)}, mean {sum(last) / 5:.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
