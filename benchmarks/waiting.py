"""How long does a training wait for its data? ResNet-20 from a folder of images, beside the same images in memory.

python -m benchmarks.waiting [--iterations 60] [--threads 2] [--folder FOLDER]      on an idle machine

Batches of 128 images, 32x32 in three colours. The feeds are: arrays in memory; a folder with a PNG of each image; a
folder of JPEGs of 256x256 (1/f noise, quality 90), of which each becomes a random part, resized to 32x32. All are
normalised and mirrored. `waits` is what the session counts: the share of the time in which the net has nothing to work
on. Decoding needs the same cores as the net, so `ms` beside those of arrays shows what it costs altogether. The exit
code is 1 where a training waits for 3 % of its time or more.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import yaml
from PIL import Image

from benchmarks import noise
from netspec.data.sources.fashion_mnist import CLASSES, FashionMNIST
from netspec.training.job import load_solver
from netspec.training.session import Session

BATCH, WARM, MOST = 128, 10, 0.03
NORMAL = {"type": "Normalize", "mean": [73.0], "deviation": [90.0]}


def bundled(images: int) -> tuple[Any, Any]:
    """The first bundled images with a border of 2 zeros, in three equal channels, (N, 3, 32, 32), and their labels."""
    x, labels = FashionMNIST(split="train", subset=True).open(None).read(np.arange(images))
    return np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2))).repeat(3, axis=1), labels


def feeds(folder: Path, images: int) -> dict[str, dict[str, Any]]:
    """What is raced, by its name: the fields `source` and `transform` of a feed. Writes the files that are missing."""
    x, labels = bundled(images)
    arrays, pngs, photos = folder / "arrays", folder / "pngs", folder / "photos"
    arrays.mkdir(parents=True, exist_ok=True)
    np.save(arrays / "x.npy", x)
    np.save(arrays / "labels.npy", labels)
    for number, (pixels, label) in enumerate(zip(x, labels, strict=True)):
        path = pngs / CLASSES[label] / f"{number}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.transpose(1, 2, 0)).save(path)
    noise.write(photos, images)
    moved = [NORMAL, {"type": "Crop", "size": 32, "pad": 4}, "Mirror"]
    names = [str(arrays / name) for name in ("x.npy", "labels.npy")]
    return {
        "arrays in memory": {"source": {"type": "Arrays", "outputs": names}, "transform": moved},
        "PNGs, 32x32": {"source": {"type": "ImageFolder", "folder": str(pngs)}, "transform": moved},
        "JPEGs, 256x256": {
            "source": {"type": "ImageFolder", "folder": str(photos)},
            "transform": [{"type": "RandomResizedCrop", "size": 32}, "Mirror", NORMAL],
        },
    }


def session(folder: Path, feed: dict[str, Any], threads: int) -> Session:
    """A training of the zoo's ResNet-20 on a feed, with the paper's solver but a smaller rate."""
    solver = {
        "net": "resnet20",
        "data": {"train": {**feed, "batch_size": BATCH}},
        "type": "SGD",
        "base_lr": 0.01,
        "momentum": 0.9,
        "weight_decay": 0.0001,
        "lr_policy": "fixed",
        "max_iter": 10**6,
    }
    path = folder / "solver.yaml"
    path.write_text(yaml.safe_dump(solver))
    return Session(load_solver(str(path)), threads=threads)


def measure(folder: Path, feed: dict[str, Any], iterations: int, threads: int) -> tuple[list[float], float]:
    """The seconds of each iteration after the first ones, and the share of them that was waited."""
    with closing(session(folder, feed, threads)) as training:
        for _ in range(WARM):
            training.step()
        before, seconds = training.progress.waited, []
        for _ in range(iterations):
            begun = time.perf_counter()
            training.step()
            seconds.append(time.perf_counter() - begun)
        return seconds, (training.progress.waited - before) / sum(seconds)


def main() -> int:
    """Print a line for each feed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--iterations", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "netspec_waiting")
    given = parser.parse_args()
    worst, fastest = 0.0, None
    for name, feed in feeds(given.folder, given.images).items():
        seconds, waits = measure(given.folder, feed, given.iterations, given.threads)
        worst, pace = max(worst, waits), median(seconds)
        fastest = fastest or pace
        rate = BATCH * len(seconds) / sum(seconds)
        times = f"{1000 * pace:7.1f} ms an iteration  x{pace / fastest:.2f}  {rate:6,.0f} img/s"
        print(f"{name:17} {times}  waits {waits:.2%}", flush=True)
    return int(worst >= MOST)


if __name__ == "__main__":
    sys.exit(main())
