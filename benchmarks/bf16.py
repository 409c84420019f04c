"""What would activations in bfloat16 bring? An experiment: nothing of it is in the package (decision 76).

python -m benchmarks.bf16 [--chain] [--stage] [--accuracy] [--json FILE] [--write]

`--chain`: convolutions of one pixel with BatchNorm and ReLU, forward and backward, with float32 and with bfloat16 in
memory, beside netspec's net and PyTorch's eager mode and autocast; where the CPU multiplies bfloat16 (AMX, AVX512_BF16)
its instructions run too. `--stage`: a stage of ResNet-20, the passes in it, and the rates of products. `--accuracy`:
ResNet-20 on the bundled images with everything rounded that would be bfloat16, minutes. Without any: chain and stage.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine, results, tables
from benchmarks.bfloat16 import accuracy, peers, stage, tiles
from benchmarks.bfloat16.chain import CASES, KINDS, Case, Chain, drawn, errors, reference
from benchmarks.clock import alternate
from benchmarks.tables import Column
from netspec.codegen import driver

Rows = list[dict[str, Any]]
CHAIN = (
    Column("case", "chain"),
    Column("way", "computed by"),
    Column("ms", "ms", ".1f"),
    Column("fastest", "fastest", ".1f"),
    Column("over", "float32 / it", ".2f"),
    Column("gflops", "GFLOP/s", ".0f"),
    Column("error_y", "error of y", ".1e"),
    Column("error_dw", "of dW", ".1e"),
)
STAGE = (
    Column("what", "what"),
    Column("ms", "ms", ".2f"),
    Column("fastest", "fastest", ".2f"),
    Column("gflops", "GFLOP/s", ".0f"),
)
ACCURACY = (
    Column("kind", "blobs"),
    Column("seed", "seed"),
    Column("epochs", "epochs", "d"),
    Column("accuracy", "accuracy", ".4f"),
    Column("best", "best test", ".4f"),
    Column("loss", "last loss", ".3f"),
)


def chain_rows(case: Case, seconds: float) -> Rows:
    """A row for each way to compute a chain; errors are beside float64. Rivals take turns."""
    values = drawn(case)
    values = values._replace(dy=np.ones_like(values.dy))  # as netspec's nets seed their last top
    judge = reference(values)
    rivals: dict[str, Any] = {
        "netspec's net": peers.NetspecChain(case, values),
        **{kind: Chain(case, values, kind) for kind in (*KINDS, *tiles.usable())},
        **{f"torch {name}": peers.TorchChain(case, values, name) for name in ("eager", "channels_last", "autocast")},
    }
    times = alternate({name: rival.step for name, rival in rivals.items()}, seconds)
    typical = {name: statistics.median(of.steps) for name, of in times.items()}
    found = []
    for name, rival in rivals.items():
        row = {"case": str(case), "way": name, "ms": typical[name], "fastest": min(times[name].steps)}
        row |= {"over": typical["float32"] / typical[name], "gflops": case.flops / typical[name] / 1e6}
        found.append({**row, **errors(rival.results(), judge)})
        if isinstance(rival, Chain):
            rival.close()
    return found


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for part in ("chain", "stage", "accuracy"):
        parser.add_argument(f"--{part}", action="store_true", help=f"only this part, or with others: {part}")
    parser.add_argument("--seconds", type=float, default=10, help="of each race")
    parser.add_argument("--epochs", type=int, default=6, help="of each training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="of the trainings")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument("--write", action="store_true", help="put the tables into benchmarks/README.md")
    given = parser.parse_args()
    driver.limit_threads(2)
    torch.set_num_threads(2)
    peers.keep_memory()
    print("instructions for bfloat16 that work here:", ", ".join(tiles.usable()) or "none")
    usual = not (given.chain or given.stage or given.accuracy)
    found: dict[str, tuple[tuple[Column, ...], Rows]] = {}
    if given.chain or usual:
        found["bf16_chain"] = CHAIN, [row for case in CASES for row in chain_rows(case, given.seconds)]
    if given.stage or usual:
        found["bf16_stage"] = STAGE, stage.rows(given.seconds)
    if given.accuracy:
        found["bf16_accuracy"] = ACCURACY, list(accuracy.rows(given.seeds, given.epochs))
    here = machine.describe(2) if given.json or given.write else None
    for name, (columns, rows) in found.items():
        print(f"\n{tables.markdown(columns, rows)}")
        if given.write and here:
            tables.write(name, results.wrapped(here.sentence), columns, rows)
    if given.json and here:
        given.json.write_text(
            json.dumps({"machine": here.facts, **{name: rows for name, (_, rows) in found.items()}}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
