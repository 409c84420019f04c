"""Images a second from a folder of JPEGs to batches of a net, beside torch's DataLoader with the same operations.

python -m benchmarks.images [--images 2000] [--threads 2] [--folder FOLDER]      on an idle machine, with PyTorch

The folder is made once: JPEGs of 1/f noise, 256x256, quality 90. Each image becomes a random part of it, resized to
224x224 with antialiasing, mirrored in half of the cases, and normalised by channel: float32 CHW, in batches of 64.
torch's DataLoader has as many worker processes, which call Pillow and NumPy (`resize` with a `box`, as torchvision's
RandomResizedCrop comes down to). The rivals take turns, an epoch each; the first is not counted. The decoders alone
read the same files, on the same number of threads: Pillow by hand, and netspec's source.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import noise
from netspec.data.feed import open_feed
from netspec.data.image_files import ImageFiles
from netspec.data.prefetch import Prefetcher
from netspec.data.spec import FeedSpec

BATCH, SIZE = 64, 224
MEAN, DEVIATION = (123.7, 116.3, 103.5), (58.4, 57.1, 57.4)


class Files:
    """torch's dataset: a file decoded by Pillow, and the operations by Pillow and NumPy."""

    def __init__(self, files: list[str]) -> None:
        self.files = files
        self.mean = np.array(MEAN, np.float32)[:, None, None]
        self.factor = 1 / np.array(DEVIATION, np.float32)[:, None, None]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        random = np.random.default_rng()
        image = Image.open(self.files[index]).convert("RGB")
        box = part(random, *image.size)
        image = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=box)
        x = np.asarray(image)
        x = x[:, ::-1] if random.random() < 0.5 else x
        return (x.transpose(2, 0, 1).astype(np.float32) - self.mean) * self.factor, index % noise.CLASSES


def part(random: np.random.Generator, width: int, height: int) -> tuple[int, int, int, int]:
    """A random part of an image, as torchvision's RandomResizedCrop draws it: left, top, right, bottom."""
    for _ in range(10):
        area = random.uniform(0.08, 1) * width * height
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(random.integers(0, width - w + 1)), int(random.integers(0, height - h + 1))
            return left, top, left + w, top + h
    return 0, 0, width, height


def of_torch(files: list[str], workers: int) -> Callable[[], None]:
    """An epoch of torch's DataLoader, whose processes live on between epochs."""
    from torch.utils.data import DataLoader

    loader: Any = DataLoader(Files(files), BATCH, shuffle=True, num_workers=workers, persistent_workers=True)

    def epoch() -> None:
        seen = sum(len(labels) for _, labels in loader)
        assert seen == len(files)

    epoch()  # its processes are forked now, while no other threads hold locks
    return epoch


def of_netspec(folder: Path, readers: int) -> Callable[[], None]:
    """An epoch of a feed, whose threads live on between epochs."""
    normalise = [{"type": "Normalize", "mean": list(MEAN), "deviation": list(DEVIATION)}]
    transform = [{"type": "RandomResizedCrop", "size": [SIZE]}, "Mirror", *normalise]
    spec = {"source": {"type": "ImageFolder", "folder": str(folder)}, "batch_size": BATCH, "transform": transform}
    feed = open_feed(FeedSpec.model_validate(tuples(spec)), "TRAIN", 1)
    into = feed.buffers(BATCH)
    prefetch = Prefetcher(feed, 0, BATCH, readers=readers)
    batches = len(feed) // BATCH + 1

    def epoch() -> None:
        for _ in range(batches):
            prefetch.take(into)
        assert abs(into[0]).mean() < 2

    epoch.images = batches * BATCH  # type: ignore[attr-defined]
    return epoch


def tuples(value: Any) -> Any:
    """Plain values as a document has them: its lists are tuples."""
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def decoding(files: list[str], threads: int) -> Callable[[], None]:
    """All files decoded by Pillow alone."""

    def one(file: str) -> None:
        np.asarray(Image.open(file).convert("RGB"))

    def epoch() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(one, files, chunksize=BATCH))

    return epoch


def reading(folder: Path, files: list[str], threads: int) -> Callable[[], None]:
    """All files decoded by netspec's source."""
    data = ImageFiles("", folder, [str(Path(file).relative_to(folder)) for file in files], "rgb", size=(256, 256))
    batches = [np.arange(start, min(start + BATCH, len(files))) for start in range(0, len(files), BATCH)]

    def epoch() -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(data.read, batches))

    return epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "netspec_noise")
    given = parser.parse_args()
    noise.write(given.folder, given.images)
    files = [str(path) for path in sorted(given.folder.glob("*/*.jpg"))][: given.images]
    rivals = {
        f"torch DataLoader, {given.threads} workers": of_torch(files, given.threads),
        f"netspec, {given.threads} threads": of_netspec(given.folder, given.threads),
        f"Pillow decoding alone, {given.threads} threads": decoding(files, given.threads),
        f"netspec decoding alone, {given.threads} threads": reading(given.folder, files, given.threads),
    }
    speeds: dict[str, list[float]] = {name: [] for name in rivals}
    for number in range(given.rounds + 1):
        for name, epoch in rivals.items():
            begun = time.perf_counter()
            epoch()
            speed = getattr(epoch, "images", len(files)) / (time.perf_counter() - begun)
            speeds[name] += [speed] if number else []
    for name, found in speeds.items():
        print(f"{name:40} {statistics.median(found):7,.0f} img/s   ({min(found):,.0f} to {max(found):,.0f})")
    torch, ours, pillow, source = (statistics.median(found) for found in speeds.values())
    print(f"netspec / torch: {ours / torch:.2f}; decoding, netspec / Pillow: {source / pillow:.2f}")


if __name__ == "__main__":
    main()
