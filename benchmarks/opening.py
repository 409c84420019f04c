"""What does it cost to open large data: 100,000 image files, and databases of 300 MB?

python -m benchmarks.opening [--images 100000] [--megabytes 300] [--folder FOLDER]      with h5py and lmdb

The folder has ten classes of PNGs of 8x8, made as hard links to a few files. The databases hold bytes of 3x64x64, as
Caffe writes them. Each line is a process of its own, which imports all that it needs, reads a small folder or database,
and looks at its memory; then it opens the data, reads them whole in batches of 64 that are shuffled, and looks again.
`private` is the peak of what the process holds for itself; `mapped` are pages of files that lie in its address space,
which the system takes back when it needs them. Databases are opened after the system has been asked to forget them, so
that what opening fetches from the disk can be counted. The exit code is 1 where opening the folder takes 100 MB or
more, or a database ever a third of its size, of private memory.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from netspec.data.dataset import Dataset
from netspec.data.sources.base import Source

CLASSES, LINKS, BATCH, SHAPE = 10, 1000, 64, (3, 64, 64)
MOST_MB = 100


def write_folder(folder: Path, images: int) -> None:
    """Write PNGs into ten folders; a file is new after every LINKS links."""
    from PIL import Image

    for number in range(images):
        path = folder / f"class{number % CLASSES}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % LINKS == 0:
            first = path
            pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(path)
        else:
            os.link(first, path)


def samples(count: int) -> Any:
    """Images and labels, one by one."""
    random = np.random.default_rng(1)
    for number in range(count):
        yield random.integers(0, 256, SHAPE, np.uint8), number % CLASSES


def write_hdf5(path: Path, count: int) -> None:
    """Write the samples as two datasets."""
    import h5py

    with h5py.File(path, "w") as file:
        data, labels = file.create_dataset("data", (count, *SHAPE), "u1"), file.create_dataset("label", (count,), "i8")
        for number, (image, label) in enumerate(samples(count)):
            data[number], labels[number] = image, label


def write_lmdb(path: Path, count: int) -> None:
    """Write the samples as Caffe's records."""
    import lmdb

    from netspec.formats.datum import written

    with lmdb.open(str(path), map_size=2**40) as database, database.begin(write=True) as turn:
        for number, (image, label) in enumerate(samples(count)):
            turn.put(b"%08d" % number, written(image, label))


def source(kind: str, path: str) -> Source:
    """The source that reads what was written."""
    from netspec.data.spec import FeedSpec

    names = {"folder": ("ImageFolder", "folder"), "hdf5": ("Hdf5", "files"), "lmdb": ("Lmdb", "path")}
    word, field = names[kind]
    return FeedSpec.model_validate({"source": {"type": word, field: path}, "batch_size": BATCH}).source


class Peak:
    """The most memory, in bytes, that this process held while it was watched: private, and mapped from files."""

    def __init__(self) -> None:
        self.private = self.mapped = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.01):
            self.look()

    def look(self) -> None:
        """Look once."""
        private, mapped = held()
        self.private, self.mapped = max(self.private, private), max(self.mapped, mapped)

    def close(self) -> None:
        """Look no more."""
        self._done.set()
        self._thread.join()
        self.look()


def held() -> tuple[int, int]:
    """Bytes of this process in memory: its own, and those of files that it maps."""
    lines = Path("/proc/self/status").read_text().splitlines()
    said = dict(line.split(":", 1) for line in lines)
    private, mapped = (1024 * int(said[key].split()[0]) for key in ("RssAnon", "RssFile"))
    return private, mapped


def forget(path: Path) -> None:
    """Ask the system to drop the pages of all files that it keeps in memory."""
    os.sync()
    for file in path.rglob("*") if path.is_dir() else [path]:
        with file.open("rb") as handle:
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def fetched() -> int:
    """Bytes that the disk has given this process until now."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(":", 1) for line in lines)["read_bytes"])


def read(data: Dataset) -> None:
    """Read all samples, shuffled."""
    order = np.random.default_rng(2).permutation(len(data))
    for start in range(0, len(order), BATCH):
        data.read(order[start : start + BATCH])


def measure(kind: str, path: str, small: str) -> dict[str, Any]:
    """What a process needs to open and to read data, beyond what it holds when it has read the small ones."""
    read(source(kind, small).open(None))
    private, mapped = held()
    found: dict[str, Any] = {}
    if kind != "folder":
        forget(Path(path))
    peak, begun, disk = Peak(), time.perf_counter(), fetched()
    data = source(kind, path).open(None)
    found |= {"open_seconds": time.perf_counter() - begun, "open_disk": fetched() - disk}
    peak.close()
    found |= {"open_private": peak.private - private, "open_mapped": peak.mapped - mapped}
    peak, begun = Peak(), time.perf_counter()
    read(data)
    found["read_seconds"] = time.perf_counter() - begun
    peak.close()
    return {**found, "read_private": peak.private - private, "read_mapped": peak.mapped - mapped}


def line(name: str, found: dict[str, Any]) -> str:
    """The figures in words."""
    parts = [
        f"{what} {found[f'{what}_seconds']:6.2f} s {found[f'{what}_private'] / 1e6:6.1f} MB private"
        f" {found[f'{what}_mapped'] / 1e6:6.1f} MB mapped"
        for what in ("open", "read")
    ]
    return f"{name:23} {';  '.join(parts)}; {found['open_disk'] / 1e6:.1f} MB from the disk to open it"


def main() -> int:
    """Write the data that are missing, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "netspec_opening")
    parser.add_argument("--child", nargs=3, metavar=("KIND", "PATH", "SMALL"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(*given.child)))
        return 0
    records = given.megabytes * 1_000_000 // int(np.prod(SHAPE))
    writers = {"folder": (write_folder, given.images), "hdf5": (write_hdf5, records), "lmdb": (write_lmdb, records)}
    missed = False
    for kind, (write, count) in writers.items():
        path, small = given.folder / f"{kind}_{count}", given.folder / f"{kind}_{BATCH}"
        for each, size in ((path, count), (small, BATCH)):
            if not each.exists():
                given.folder.mkdir(parents=True, exist_ok=True)
                unfinished = each.with_name("unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.unlink(missing_ok=True) if unfinished.is_file() else None
                write(unfinished, size)
                unfinished.rename(each)
        words = [sys.executable, "-m", "benchmarks.opening", "--child", kind, str(path), str(small)]
        found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        most = MOST_MB * 1e6 if kind == "folder" else given.megabytes * 1e6 / 3
        missed |= max(found["open_private"], found["read_private"] if kind != "folder" else 0) >= most
        print(line(f"{count:,} {'files' if kind == 'folder' else 'records'}, {kind}", found), flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
