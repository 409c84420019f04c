"""Nets learn: deep ones 64 repeated images by heart, trained by the zoo's command; a transformer its first batches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


def losses(tmp_path: Path, *words: str) -> list[float]:
    """The loss of every iteration of `netspec train WORDS`."""
    command = [sys.executable, "-m", "netspec", "train", *words, "display=1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [row["loss"] for row in rows if row["event"] == "display"]


@pytest.mark.parametrize(
    ("solver", "overrides"),
    [  # as far as it takes
        ("overfit_resnet20", ["max_iter=24"]),
        ("overfit_densenet", ["max_iter=56", "base_lr=0.2", "net.vars.depth=22"]),
    ],
)
def test_64_images_are_learnt_by_heart(solver: str, overrides: list[str], tmp_path: Path) -> None:
    found = losses(tmp_path, solver, *overrides)
    assert found[0] > 2  # ten classes: ln 10 = 2.3
    assert found[-1] < 0.05


def test_resnet20_trains_on_cifar10(tmp_path: Path) -> None:
    """Pictures of one brightness for each class, in the files of the binary version."""
    rng = np.random.default_rng(3)
    for name, count in (*((f"data_batch_{i}.bin", 48) for i in range(1, 6)), ("test_batch.bin", 20)):
        records = rng.integers(0, 30, (count, 1 + 3 * 32 * 32), dtype=np.uint8)
        records[:, 0] = np.arange(count) % 10
        records[:, 1:] += 20 * records[:, :1]
        (tmp_path / name).write_bytes(records.tobytes())
    found = losses(
        tmp_path, "resnet20", f"vars.folder={tmp_path}", "max_iter=6", "data.train.batch_size=64", "base_lr=0.02"
    )
    assert len(found) == 6
    assert found[-1] < found[0]


def test_a_transformer_learns(tmp_path: Path) -> None:
    """The first 40 of the iterations that `netspec train transformer_fashion` takes."""
    found = losses(tmp_path, "transformer_fashion", "max_iter=40", "test_interval=40", "net.vars.width=32")
    assert found[0] > 2
    assert sum(found[-8:]) / 8 < 1.4
