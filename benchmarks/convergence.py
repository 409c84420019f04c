"""Does Winograd's rounding cost accuracy? Trainings with all convolutions direct, and with the default engines.

python -m benchmarks.convergence [lenet] [resnet20] [--seeds 1 2]

LeNet trains on the bundled Fashion-MNIST, 1,500 iterations of 64 images; ResNet-20 on these images with a border of two
zeros and three equal channels, 600 iterations of 128. A difference between engines counts only where it is larger than
the difference between two seeds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import yaml

from benchmarks.accuracy import tests
from netspec.data.sources.fashion_mnist import FashionMNIST

ENGINES = ("DIRECT", "AUTO")


def lenet(folder: Path) -> list[str]:
    """Arguments of `netspec train` for LeNet."""
    return [
        "lenet",
        "max_iter=1500",
        "test_interval=500",
        "test_initialization=false",
        "data.train.source.subset=true",
        "data.test.source.subset=true",
    ]


def resnet20(folder: Path) -> list[str]:
    """Arguments of `netspec train` for ResNet-20; writes its images and its solver."""
    data = {
        split: {"source": {"type": "Arrays", "outputs": _coloured(split, folder)}, "batch_size": 128}
        for split in ("train", "test")
    }
    for feed in data.values():
        feed["transform"] = [{"type": "Scale", "factor": 1 / 128}]
    solver = {
        "net": "resnet20",
        "data": data,
        "type": "SGD",
        "base_lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 0.0001,
        "lr_policy": {"type": "multistep", "gamma": 0.1, "stepvalue": [400, 540]},
        "max_iter": 600,
        "test_interval": 200,
        "test_initialization": False,
    }
    path = folder / "resnet20.yaml"
    path.write_text(yaml.safe_dump(solver))
    fraction = "net.defaults.BatchNorm.moving_average_fraction=0.9"  # 0.999 would test with statistics of long ago
    return [str(path), fraction]


def _coloured(split: Literal["train", "test"], folder: Path) -> list[str]:
    """Write the bundled images, (N, 3, 32, 32), and their labels, (N,). Returns the names of both files."""
    dataset = FashionMNIST(split=split, subset=True).open(None)
    images, labels = dataset.read(np.arange(len(dataset)))
    wide = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2))).repeat(3, axis=1)
    paths = [folder / f"{split}_{name}.npy" for name in ("images", "labels")]
    for path, array in zip(paths, (wide, labels), strict=True):
        np.save(path, array)
    return [str(path) for path in paths]


NETS: dict[str, Callable[[Path], list[str]]] = {"lenet": lenet, "resnet20": resnet20}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.convergence", description="Test accuracy by engine and seed."
    )
    parser.add_argument("nets", nargs="*", default=list(NETS), metavar="NET")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for net in given.nets:
            words = NETS[net](Path(scratch))
            for engine in ENGINES:
                for seed in given.seeds:
                    scores = tests([*words, f"random_seed={seed}", f"net.defaults.Convolution.engine={engine}"])
                    print(
                        f"{net:<10} {engine:<8} seed {seed}: {' '.join(f'{score:.4f}' for score in scores)}", flush=True
                    )


if __name__ == "__main__":
    main()
