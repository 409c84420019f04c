"""`netspec export onnx`: the file, what is compared with onnxruntime, exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from netspec.interop import agreement
from netspec.interop.onnx_files import CLASSES

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(cli: Cli, here: Path) -> Path:
    """A run of irises in the working directory."""
    assert cli("train", "iris_mlp", "max_epoch=2", "test_interval=null", "--quiet")[0] == 0
    return here / "runs" / "iris_mlp-1"


def test_a_run_is_written_and_compared_on_its_test_samples(cli: Cli, run: Path) -> None:
    code, out, err = cli("export", "onnx", run, "-o", "iris.onnx", "--verify")
    assert code == 0, err
    rows = out.splitlines()
    assert rows[0].split() == ["inputs", "output", "max|a-b|", "/", "max|b|"]
    assert [row.split()[:4] for row in rows[2:5]] == [
        ["3", "random", "samples", "prob"],
        ["2", "random", "samples", "prob"],
        ["8", "test", "samples", "prob"],
    ]
    assert rows[-1] == "iris.onnx" and "params loaded" in err
    known = {one.key: one.value for one in onnx.load("iris.onnx").metadata_props}
    assert json.loads(known[CLASSES])[0] == "setosa"


def test_a_snapshot_in_its_run_and_a_snapshot_alone(cli: Cli, run: Path) -> None:
    (inside,) = (run / "snapshots").glob("iter_*.safetensors")
    alone = inside.rename(run.parent.parent / "alone.safetensors")
    code, out, _ = cli("export", "onnx", alone, "-o", "alone.onnx", "--verify", "--format", "json")
    assert code == 0
    assert [one["inputs"] for one in json.loads(out)["differences"]] == ["3 random samples", "2 random samples"]
    code, out, _ = cli("export", "onnx", alone.rename(inside), "-o", "run.onnx", "--verify", "--format", "csv")
    assert code == 0 and "8 test samples,prob," in out


def test_test_samples_that_cannot_be_read_are_told(cli: Cli, here: Path) -> None:
    (here / "solver.yaml").write_text(
        "net: {name: tiny, layers: [{name: data, type: Input, top: [x, y], shape: [[2, 3], [2]]},\n"
        "  {name: ip, type: InnerProduct, bottom: x, num_output: 2},\n"
        "  {name: loss, type: SoftmaxWithLoss, bottom: [ip, y]}]}\n"
        "data: {test: {source: {type: Csv, file: none.csv, label: y}, batch_size: 2}}\n"
        "type: SGD\nbase_lr: 0.1\nlr_policy: fixed\nmax_iter: 1\n"
    )
    code, out, err = cli("export", "onnx", "solver.yaml", "-o", "tiny.onnx", "--verify")
    assert code == 0 and "random samples" in out
    assert "note: the weights are those of the fillers" in err
    assert "note: no test samples were compared: " in err and "none.csv" in err


def test_nothing_is_written_over_without_force(cli: Cli, here: Path) -> None:
    (here / "net.onnx").write_text("mine")
    code, out, err = cli("export", "onnx", "iris_mlp", "-o", "net.onnx")
    assert (code, out) == (9, "") and "error[NS525]: 'net.onnx' already exists" in err
    assert (here / "net.onnx").read_text() == "mine"
    assert cli("export", "onnx", "iris_mlp", "-o", "net.onnx", "--force")[:2] == (0, "net.onnx\n")


def test_programs_that_differ_are_a_failed_check(cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "TOLERANCE", -1.0)
    code, _, err = cli("export", "onnx", "iris_mlp", "-o", "net.onnx", "--verify")
    assert code == 6 and "error[NS752]: onnxruntime and netspec differ: 'prob' by" in err
