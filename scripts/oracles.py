"""Prints the worst relative error of every layer against PyTorch, forward and gradients, as a table in Markdown.

NETSPEC_ORACLES=FILE python -m pytest tests/layers    (with PyTorch installed)
python scripts/oracles.py FILE
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

KINDS = ("forward", "gradients")


def table(lines: list[str]) -> str:
    """The table of comparisons, each a line of JSON as `tests/helpers/oracle.py` writes it."""
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for line in lines:
        made = json.loads(line)
        found[made["layer"]].append(made)
    rows = ["| Layer | Comparisons | Forward | Gradients |", "|---|---:|---:|---:|"]
    for layer, all_ in sorted(found.items()):
        worst = (max(made[kind] for made in all_) for kind in KINDS)
        rows.append(f"| {layer} | {len(all_)} | {' | '.join(f'{error:.1e}' for error in worst)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table(Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()))
