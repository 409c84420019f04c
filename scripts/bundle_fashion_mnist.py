"""Makes netspec/bundled/fashion_mnist: the first 1,000 training and 200 test images of each class, in their order.

Run it as `python scripts/bundle_fashion_mnist.py [FOLDER]`; FOLDER holds the four idx files (default: where Debian's
package dataset-fashion-mnist puts them). The same input gives the same bytes under the same zlib.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np

from netspec.data.sources.fashion_mnist import DEBIAN
from netspec.formats.idx import read_idx

TARGET = Path(__file__).resolve().parent.parent / "netspec" / "bundled" / "fashion_mnist"
CLASSES = 10


def main(folder: Path) -> None:
    """Write the four files of the subset."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for stem, each in (("train", 1000), ("t10k", 200)):
        images = read_idx(folder / f"{stem}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{stem}-labels-idx1-ubyte.gz")
        kept = np.sort(np.concatenate([np.flatnonzero(labels == c)[:each] for c in range(CLASSES)]))
        write_idx(TARGET / f"{stem}-images-idx3-ubyte.gz", images[kept])
        write_idx(TARGET / f"{stem}-labels-idx1-ubyte.gz", labels[kept])


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write bytes of any rank as a gzipped idx file without a time stamp."""
    header = bytes((0, 0, 0x08, array.ndim)) + np.array(array.shape, ">i4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes(), 9, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEBIAN)
