"""`netspec test RUN`: its own scores first, then where the net is wrong, kept in the run folder."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec import Run
from netspec.language.document import dump
from netspec.training.job import load_solver
from netspec.training.run import run

Cli = Callable[..., tuple[int, str, str]]

CLASSES, HIGH, WIDE = ("apple", "pear", "plum"), 5, 4


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a folder of noisy pictures, each class brightest in its own row; one pear lies among the plums."""
    folder = tmp_path_factory.mktemp("photos")
    numbers = np.random.default_rng(1)
    for number, name in enumerate(CLASSES):
        (folder / "data" / name).mkdir(parents=True)
        for i in range(7):
            picture = numbers.integers(0, 60, (HIGH, WIDE)).astype(np.uint8)
            picture[1 if (name, i) == ("plum", 3) else number] += 180
            Image.fromarray(picture).save(folder / "data" / name / f"{i}.png")
    source = {"type": "ImageFolder", "folder": str(folder / "data"), "color": "gray"}
    feed = {"source": source, "batch_size": 7, "transform": [{"type": "Scale", "factor": 1 / 255}]}
    layers = [
        {"name": "in", "type": "Input", "top": ["x", "label"], "shape": [[7, 1, HIGH, WIDE], [7]]},
        {"name": "ip", "type": "InnerProduct", "bottom": "x", "num_output": 3, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    values: dict[str, Any] = {"net": {"name": "t", "layers": layers}, "data": {"train": feed, "test": feed}}
    values |= {"base_lr": 0.5, "lr_policy": "fixed", "max_iter": 60, "random_seed": 1}
    with run(load_solver(values), folder / "run") as training:
        list(training)
    (folder / "solver.yaml").write_text(dump(values), encoding="utf-8")
    return folder


def test_a_run_says_which_file_it_gets_wrong(photos: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, said = cli("test", photos / "run")
    assert code == 0, said
    assert out.startswith("output  over 21 samples") and f"kept in {photos / 'run' / 'test' / 'test.json'}" in said
    assert "2 plum" in out and "plum" in out.split("worst samples")[1].splitlines()[3]
    assert out.split("worst samples")[1].splitlines()[3].endswith("plum/3.png")
    kept = json.loads((photos / "run/test/test.json").read_text())
    assert kept["set"] == "test" and kept["samples"] == 21 and kept["weights"] == "iter_000060.safetensors"
    head = kept["heads"][0]
    assert head["classes"] == [*CLASSES] and head["confusion"] == [[7, 0, 0], [0, 7, 0], [0, 1, 6]]
    worst = head["worst"][0]
    assert (worst["label"], worst["prediction"]) == (2, 1) and len(head["worst"]) == 10 and worst["thumbnail"]


def test_forms(photos: Path, cli: Cli) -> None:
    code, out, _ = cli("test", photos / "run", "--format", "json", "--worst", "2")
    answer = json.loads(out)
    assert code == 0 and [*answer] == ["samples", "loss", "heads"] and len(answer["heads"][0]["worst"]) == 2
    code, out, _ = cli("test", photos / "run", "--format", "csv")
    rows = dict(list(csv.reader(io.StringIO(out, newline="")))[1:])
    assert float(rows["loss"]) == answer["loss"] and rows["loss/confusion[2,1]"] == "1"
    assert float(rows["loss/recall[plum]"]) == pytest.approx(6 / 7)
    code, out, said = cli("test", photos / "run", "--plot", photos / "matrix.png")
    assert code == 0 and "drew" in said and (photos / "matrix.png").read_bytes().startswith(b"\x89PNG")


def test_only_a_runs_own_weights_are_kept_there(photos: Path, cli: Cli, tmp_path: Path) -> None:
    weights = photos / "run/snapshots/iter_000060.safetensors"
    (tmp_path / "other.safetensors").write_bytes(weights.read_bytes())
    assert "kept in" not in cli("test", photos / "run", "--weights", tmp_path / "other.safetensors")[2]
    code, _, said = cli(
        "test", photos / "solver.yaml", "--weights", photos / "run", "data.test.limit=9", "--on", "train"
    )
    kept = json.loads((photos / "run/test/train.json").read_text())
    assert code == 0 and said.count("kept in") == 1 and kept["overrides"] == ["data.test.limit=9"]
    (photos / "run/test/train.json").unlink()
    (photos / "run/test/train.json").mkdir()
    code, out, said = cli("test", photos / "run", "--on", "train")
    assert code == 0 and "not kept: " in said and "worst samples" in out
    (photos / "run/test/train.json").rmdir()


def test_from_python_on_any_number_of_threads(photos: Path) -> None:
    one, two = (Run(photos / "run").evaluate(threads=threads, worst=4) for threads in (1, 2))
    assert json.dumps(one) == json.dumps(two) and len(one["heads"][0]["worst"]) == 4
    assert one["scores"] == Run(photos / "run").test()
