"""How long does it take to read a table of numbers as text, beside pyarrow's reader and NumPy's loadtxt?

python -m benchmarks.csv_reading [ROWS COLUMNS]      on an idle machine, with pyarrow

A table of normal numbers with all their digits is written, and read by turns: netspec's Csv to an array of samples,
pyarrow's read_csv to its columns, both on all cores. loadtxt reads a share. The exit code is 1 where netspec takes more
than twice pyarrow's time, or where a number differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from netspec.data.sources.csv import Csv

ROUNDS, SHARE = 5, 50


def clocked(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def main() -> int:
    """Print a line for each reader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("columns", nargs="?", type=int, default=20)
    given = parser.parse_args()
    return compare(given.rows, given.columns)


def compare(rows: int, columns: int) -> int:
    """Read by turns, and print the medians; 1 where a target is missed."""
    from pyarrow import csv, table

    values = np.random.default_rng(1).normal(size=(rows, columns))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        csv.write_csv(table({f"c{i}": values[:, i] for i in range(columns)}), path)
        source = Csv(file=str(path))
        source.open(None)  # compiles, or loads from the cache
        times: dict[str, list[float]] = {"netspec": [], "pyarrow": []}
        for _ in range(ROUNDS):
            seconds, data = clocked(lambda: source.open(None))
            times["netspec"].append(seconds)
            same = bool((data.arrays[0] == values).all())
            del data
            times["pyarrow"].append(clocked(lambda: csv.read_csv(path))[0])
        few = rows // SHARE
        loadtxt, _ = clocked(lambda: np.loadtxt(path, delimiter=",", skiprows=1, max_rows=few))
        size = path.stat().st_size
    ours, theirs = (median(times[name]) for name in ("netspec", "pyarrow"))
    print(f"{rows:,} rows of {columns} numbers, {size / 1e6:,.0f} MB; medians of {ROUNDS} rounds")
    print(f"netspec  {ours:7.2f} s  {size / ours / 1e6:6,.0f} MB/s  {'equal numbers' if same else 'OTHER NUMBERS'}")
    print(f"pyarrow  {theirs:7.2f} s  {size / theirs / 1e6:6,.0f} MB/s  netspec takes {ours / theirs:.2f} of its time")
    print(f"loadtxt  {loadtxt * SHARE:7.2f} s  from {few:,} rows")
    return int(ours > 2 * theirs or not same)


if __name__ == "__main__":
    sys.exit(main())
