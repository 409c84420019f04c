"""Makes netspec/bundled/iris: Fisher's 150 irises as a table with names, from scikit-learn's wheel.

Run it as `python scripts/bundle_iris.py WHEEL`; WHEEL is the folder in which a wheel of scikit-learn was unpacked or
installed. The same wheel gives the same bytes.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "netspec" / "bundled" / "iris"
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]


def main(wheel: str) -> None:
    """Write the table and the licence."""
    folder = Path(wheel)
    (licence,) = folder.glob("scikit_learn-*.dist-info/**/COPYING")
    with open(folder / "sklearn" / "datasets" / "data" / "iris.csv", encoding="ascii", newline="") as file:
        (_, _, *species), *rows = csv.reader(file)
    TARGET.mkdir(parents=True, exist_ok=True)
    lines = [",".join([*row[:4], species[int(row[4])]]) for row in rows]
    text = "\n".join([",".join(NAMES), *lines, ""])
    (TARGET / "iris.csv").write_bytes(text.encode("ascii"))
    own = licence.read_text(encoding="utf-8").split("\n----\n")[0].rstrip()  # then those of libraries in the wheel
    (TARGET / "LICENSE").write_bytes(f"{own}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
