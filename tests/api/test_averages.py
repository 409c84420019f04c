"""Averages of weights in the Python API and on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError, NetspecWarning
from netspec.language.document import dump

Make = Callable[..., dict[str, Any]]


def test_averages_from_python(solver: Make, tmp_path: Path) -> None:
    one = netspec.Solver(solver(average={"type": "ema", "decay": 0.5}))
    start = one.net.params["ip"][0].data.copy()
    one.step()
    np.testing.assert_allclose(one.averages["ip"][0], (start + one.net.params["ip"][0].data) / 2, rtol=1e-5)
    path, net = one.snapshot(tmp_path / "iter_000001.safetensors"), netspec.Net(solver()["net"])
    net.load(path)
    np.testing.assert_array_equal(net.params["ip"][0].data, one.net.params["ip"][0].data)
    net.load(path, average="ema")
    np.testing.assert_array_equal(net.params["ip"][0].data, one.averages["ip"][0])
    with pytest.raises(NetspecError, match="no average of weights of the kind swa"):
        net.load(path, average="swa")
    plain = netspec.Solver(solver())
    with pytest.raises(NetspecError, match="keeps no average"):
        _ = plain.averages
    plain.restore(path)
    with pytest.warns(NetspecWarning, match="does not keep: it is dropped"):
        plain.step()
    one.close()
    plain.close()


def test_a_run_is_tested_with_its_average(
    solver: Make, cli: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    file, run = tmp_path / "s.yaml", tmp_path / "run"
    values = solver(average={"type": "ema", "decay": 0.5}, test_average=True, max_iter=4, base_lr=0.5)
    file.write_text(dump(values), encoding="utf-8")
    assert cli("train", file, "-q", "-o", run)[0] == 0
    scores = [json.loads(cli("test", run, "--format", "json", *more)[1]) for more in ((), ("--ema",))]
    tested = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines() if '"tested"' in line]
    assert scores[0]["loss"] != scores[1]["loss"] == pytest.approx(_loss(tested[-1]))


def _loss(row: dict[str, Any]) -> float:
    """The loss in a row of metrics."""
    return next(
        float(scores["loss"]) for scores in (row, *row.values()) if isinstance(scores, dict) and "loss" in scores
    )
