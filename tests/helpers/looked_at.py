"""A run folder of a tiny training, to look at: images of 6x5, a convolution, a ReLU and a dense layer."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from netspec.training.job import load_solver
from netspec.training.run import run
from tests.conftest import NET


def trained(folder: Path, arrays: Path) -> Path:
    """Train the tiny net of all tests for a few iterations in a folder; returns the folder."""
    data: dict[str, Any] = {
        phase: {
            "source": {"type": "Arrays", "outputs": [str(arrays / f"{phase}_x.npy"), str(arrays / f"{phase}_y.npy")]},
            "batch_size": 4,
            "transform": [{"type": "Scale", "factor": 0.5}],
        }
        for phase in ("train", "test")
    }
    values = {"net": copy.deepcopy(NET), "data": data, "base_lr": 0.1, "lr_policy": "fixed", "max_iter": 8}
    list(run(load_solver(values), folder))
    return folder
