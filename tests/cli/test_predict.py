"""`netspec predict`: forms of answers, files, exit codes; and the deploy view of `inspect` and `expand`."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.helpers.snapshots import snapshot_of

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of photographs, and net.safetensors."""
    root = tmp_path_factory.mktemp("predict")
    random = np.random.default_rng(5)
    for name in ("apple", "pear"):
        (root / "fruit" / name).mkdir(parents=True)
        Image.fromarray(random.integers(0, 256, (5, 6, 3), np.uint8)).save(root / "fruit" / name / "a.png")
    (root / "broken.png").write_text("no image")
    net: list[dict[str, Any]] = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3, 5, 6], [2]]},
        {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 2, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    source = {"type": "ImageFolder", "folder": str(root / "fruit")}
    feed = {"source": source, "batch_size": 2, "transform": [{"type": "Scale", "factor": 0.001}]}
    snapshot_of(root / "net.safetensors", net, {"train": feed})
    return root


def test_a_line_a_file(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    code, out, err = cli("predict", "net.safetensors", "fruit")
    assert code == 0 and not err
    head, rule, first, second = out.splitlines()
    assert head.split() == ["input", "1", "2"] and set(rule) == {"─"}
    assert first.startswith("fruit/apple/a.png") and second.startswith("fruit/pear/a.png")
    assert {"apple", "pear"} <= {*first.split()} and all(len(line) <= 80 for line in out.splitlines())
    assert len(cli("predict", "net.safetensors", "fruit", "-k", "1")[1].splitlines()[2].split()) == 3


def test_forms_for_machines(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    values = json.loads(cli("predict", "net.safetensors", "fruit", "--format", "json")[1])
    assert [one["input"] for one in values] == ["fruit/apple/a.png", "fruit/pear/a.png"]
    best, other = values[0]["top"]
    assert best["probability"] + other["probability"] == pytest.approx(1) and best["class"] in ("apple", "pear")
    rows = list(csv.DictReader(io.StringIO(cli("predict", "net.safetensors", "fruit", "--format", "csv")[1])))
    assert rows[0]["class_1"] == best["class"]
    assert float(rows[0]["probability_1"]) == pytest.approx(best["probability"])
    assert cli("predict", "net.safetensors", "fruit", "--format", "md")[1].startswith("| input | 1 |  | 2 |  |")


def test_broken_inputs_come_at_the_end_with_exit_code_4(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    words = ("predict", "net.safetensors", "broken.png", "fruit/pear/a.png", "gone.png")
    code, out, err = cli(*words)
    assert code == 4 and "fruit/pear/a.png" in out and "broken.png" not in out
    assert "'broken.png' is no image" in err and "there is no file 'gone.png'" in err and "2 errors" in err
    code, out, err = cli(*words, "--format", "json")
    values = json.loads(out)
    assert code == 4 and not err
    assert "is no image" in values[0]["error"] and "top" in values[1] and "error" in values[2]
    code, out, err = cli("predict", "net.safetensors", "gone.png")
    assert (code, out) == (4, "")


def test_files_are_written_in_the_form_of_their_ending(cli: Cli, folder: Path, here: Path) -> None:
    model, fruit = folder / "net.safetensors", folder / "fruit"
    code, out, err = cli("predict", model, fruit, "--blob", "ip", "-o", "features.npy")
    assert (code, out) == (0, "") and "2 answers written to features.npy" in err
    assert np.load("features.npy").shape == (2, 2)
    assert cli("predict", model, fruit, "-o", "all.npy")[0] == 0
    np.testing.assert_allclose(np.load("all.npy").sum(axis=1), 1, rtol=1e-6)
    assert cli("predict", model, fruit, folder / "broken.png", "-o", "a.json")[0] == 4
    assert "error" in json.loads(Path("a.json").read_text())[2]
    code, out, err = cli("predict", model, fruit, "-o", "a.txt")
    assert code == 2 and "does not say in which form" in err
    assert "ip[1]" in cli("predict", model, fruit, "--blob", "ip", "--format", "csv")[1].splitlines()[0]


def test_usage(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    for words, text in (
        (["predict", "net.safetensors"], "predict for what?"),
        (["predict", "gone", "fruit"], "there is no run or snapshot 'gone'"),
        (["predict", "net.safetensors", "fruit", "--blob", "ipp"], "did you mean 'ip'?"),
        (["predict", "net.safetensors", "fruit", "--crops", "10"], "have no Crop"),
        (["predict", "net.safetensors", "--generate", "5"], "predicts no characters"),
    ):
        code, out, err = cli(*words)
        assert (code, out) == (2, "") and text in err


def test_names_of_files_from_standard_input(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"fruit/pear/a.png\n")))
    assert "fruit/pear/a.png" in cli("predict", "net.safetensors", "-")[1]


def test_the_deploy_view_is_shown_and_written(cli: Cli, here: Path) -> None:
    code, out, _ = cli("inspect", "lenet", "--deploy", "--format", "json")
    assert code == 0
    assert '"prob"' in out and "label" not in out and "accuracy" not in out
    code, out, _ = cli("expand", "lenet", "--deploy")
    Path("deploy.yaml").write_text(out)
    assert code == 0 and cli("check", "deploy.yaml")[0] == 0
    view = ("--phase", "TEST", "--format", "json")
    assert cli("inspect", "deploy.yaml", *view)[1] == cli("inspect", "lenet", "--deploy", "--format", "json")[1]
