"""How fast is a caffemodel read into a net, or written anew as safetensors, and what memory does that take?

python -m benchmarks.caffemodel [MEGABYTES]      on an idle Linux machine

Each way runs in a process of its own. Memory is what it has at its peak above what it had before: of the net, which is
there by then, and of the imports. The exit code is 1 below 200 MB/s, or above 1.5 times the file.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

ROUNDS, WIDTH, CLASSES = 3, 2048, 1000
LEAST, MOST = 200, 1.5


def main() -> int:
    """Write a file, and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("megabytes", nargs="?", type=int, default=250)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(*WAYS[given.way](given.folder))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.megabytes)
        size = (Path(folder) / "net.caffemodel").stat().st_size / 1e6
        return max([compare(way, Path(folder), size) for way in WAYS])


def write(folder: Path, megabytes: int) -> None:
    """A net of inner products of so many megabytes, as Caffe's files."""
    from netspec.formats.caffemodel import Written, parameter, pieces

    draw, text = np.random.default_rng(1), 'input: "data" input_shape { dim: 1 dim: 2048 }\n'
    layers, below = [], "data"
    for number in range(max(1, round(megabytes * 1e6 / (4 * WIDTH * WIDTH)))):
        name, shape = f"ip{number}", (WIDTH, WIDTH)
        text += (
            f'layer {{ name: "{name}" type: "InnerProduct" bottom: "{below}" top: "{name}" '
            f"inner_product_param {{ num_output: {WIDTH} }} }}\n"
        )
        arrays = [draw.random(each, dtype=np.float32) for each in (shape, shape[:1])]
        layers.append(Written(parameter(name, "InnerProduct"), arrays))
        below = name
    (folder / "net.prototxt").write_text(text)
    with (folder / "net.caffemodel").open("wb") as file:
        file.writelines(pieces("net", layers))


def compare(way: str, folder: Path, size: float) -> int:
    """Run a way some times, and print its medians; 1 where it misses an aim."""
    words = [sys.executable, "-m", "benchmarks.caffemodel", "--way", way, "--folder", str(folder)]
    runs = [subprocess.run(words, check=True, capture_output=True, text=True).stdout.split() for _ in range(ROUNDS)]
    seconds, memory = (median(float(run[column]) for run in runs) for column in (0, 1))
    print(f"{way:8} {size:.0f} MB: {size / seconds:,.0f} MB/s, at its peak {memory / size:.2f} times the file")
    return int(size / seconds < LEAST or memory / size > MOST)


def load(folder: Path) -> tuple[float, float]:
    """Into the params of a net that is there."""
    from netspec import Net

    net, path = Net(folder / "net.prototxt"), folder / "net.caffemodel"
    return measured(lambda: net.load(path))


def convert(folder: Path) -> tuple[float, float]:
    """As `netspec import caffe --weights` does it."""
    from netspec.interop.from_caffe import convert_weights

    return measured(
        lambda: convert_weights(folder / "net.prototxt", folder / "net.caffemodel", folder / "net.safetensors")
    )


def measured(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds that a call takes, and the megabytes that the process has more at its peak than before."""
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    start = time.perf_counter()
    call()
    seconds = time.perf_counter() - start
    return seconds, memory("VmHWM") - before


def memory(word: str) -> float:
    """Megabytes of this process, as Linux counts them."""
    lines = Path(f"/proc/{os.getpid()}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(word)) * 1024 / 1e6


WAYS = {"load": load, "convert": convert}

if __name__ == "__main__":
    sys.exit(main())
