"""Own data with all that is random in a feed: in pieces as at once, on one thread and on two, bit for bit.

In the pieces folders are listed in another order, and images are decoded by several threads. A snapshot alone then
answers as the test saw its net, when the files of the training are gone.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec import Predictor
from netspec.codegen import driver
from netspec.training.job import load_solver
from netspec.training.run import load_tester
from tests.helpers.pieces import drive, same

Values = dict[str, Any]
LAST = 10
IMAGES: list[Values] = [
    {"type": "RandomResizedCrop", "size": 8, "scale": [0.3, 1.0]},
    {"type": "Mirror", "axis": "both"},
    {"type": "Rotate", "degrees": 30},
    {"type": "Elastic", "alpha": 4, "sigma": 2},
]
PIXELS: list[Values] = [
    {"type": "ColorJitter", "brightness": 0.3, "contrast": 0.3, "saturation": 0.3, "hue": 0.1},
    {"type": "Blur", "sigma": [0.3, 1.0], "probability": 0.5},
    {"type": "Noise", "gaussian": 0.1, "salt_pepper": 0.05},
    "Erase",  # type: ignore[list-item]
    {"type": "Normalize", "computed": True},
]


def layers(*others: Values, data: list[list[int]], number: int) -> list[Values]:
    return [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": data},
        {"name": "ip", "type": "InnerProduct", "num_output": number, "weight_filler": "xavier"},
        *others,
    ]


def photographs(folder: Path) -> Values:
    """A folder of photographs of different sizes, split, balanced and mixed."""
    from PIL import Image

    numbers = np.random.default_rng(3)
    for kind in range(3):
        (folder / "photos" / f"class{kind}").mkdir(parents=True)
        for i in range(4 + 3 * kind):
            size = (9 + i, 13 - i % 4, 3)
            Image.fromarray(numbers.integers(0, 256, size, np.uint8)).save(folder / f"photos/class{kind}/{i}.png")
    still = [{"type": "Resize", "size": [8, 8]}, {"type": "Normalize", "computed": True}]
    soft = {"type": "MixUp", "classes": 3, "alpha": 0.4}
    return {
        "net": layers(
            {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
            data=[[4, 3, 8, 8], [4, 3]],
            number=3,
        ),
        "data": {
            "all": {
                "source": {"type": "ImageFolder", "folder": str(folder / "photos")},
                "split": {"train": 0.6, "test": 0.4},
            },
            "train": {"batch_size": 4, "balance": "classes", "transform": [*IMAGES, *PIXELS, soft]},
            "test": {"batch_size": 4, "transform": [*still, {"type": "OneHot", "classes": 3}]},
        },
    }


def table(folder: Path) -> Values:
    """A table with categories and missing values, folds, main axes, and a target in units of its own."""
    numbers = np.random.default_rng(4).normal(size=(23, 3))
    rows = [
        f"{a},{'' if i % 4 == 1 else b},{['red', 'green', 'blue'][i % 3]},{1000 + 300 * c}"
        for i, (a, b, c) in enumerate(numbers.tolist())
    ]
    (folder / "table.csv").write_text("\n".join(["a,b,kind,price", *rows]) + "\n", encoding="utf-8")
    steps = [
        "FillMissing",
        {"type": "PCA", "components": 3, "whiten": True},
        {"type": "Normalize", "computed": True, "output": 1},
    ]
    source = {
        "type": "Csv",
        "file": str(folder / "table.csv"),
        "target": "price",
        "categories": "kind",
        "missing": "keep",
    }
    loss = {"name": "loss", "type": "EuclideanLoss", "bottom": ["ip", "label"]}
    feed = {"batch_size": 4, "transform": steps}
    return {
        "net": layers(loss, data=[[4, 3], [4, 1]], number=1),
        "data": {
            "all": {"source": source, "split": {"train": 0.6, "test": 0.4}, "seed": 2},
            "train": feed,
            "test": feed,
        },
    }


MAKERS = {"photographs": photographs, "table": table}


@pytest.fixture(params=MAKERS)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Values]:
    found = MAKERS[request.param](tmp_path)
    net = {"name": request.param, "layers": found["net"]}
    rates = {
        "base_lr": 0.01,
        "lr_policy": "fixed",
        "max_iter": LAST,
        "snapshot": 2,
        "snapshot_keep": 20,
        "test_interval": 5,
        "display": 1,
    }
    yield {"net": net, "data": found["data"], "random_seed": 5, **rates}
    driver.limit_threads(None)


def test_in_pieces_as_at_once(made: Values, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drive(made, tmp_path / "whole", 1)
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda *where: sorted(listed(*where), reverse=True))
    monkeypatch.setattr(os, "scandir", _Turned)
    dice = random.Random(str(sorted(made["data"])))
    for at in sorted(dice.sample(range(1, LAST), 2)):
        drive(made, tmp_path / "run", dice.choice((1, 2)), at, dice.random() < 0.5)
    drive(made, tmp_path / "run", 2)
    same(tmp_path)


class _Turned:
    """A folder's entries in another order than the system gives them."""

    _scandir = staticmethod(os.scandir)

    def __init__(self, folder: Any = ".") -> None:
        with self._scandir(folder) as entries:
            self._entries = sorted(entries, key=lambda entry: entry.name[::-1], reverse=True)

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return iter(self._entries)

    def __enter__(self) -> _Turned:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def test_a_snapshot_alone_answers_as_the_test_saw_its_net(made: Values, tmp_path: Path) -> None:
    drive(made, tmp_path / "run", 2)
    snapshot = Path(shutil.copy(max((tmp_path / "run/snapshots").glob("iter_*")), tmp_path / "alone.safetensors"))
    tester, _ = load_tester(load_solver(made), snapshot)
    feed = tester.feeds["test"]
    assert feed is not None
    seen: list[np.ndarray] = []
    tester.measure(watching=lambda program, start, size: seen.append(program.data[_blob(program)].copy()))
    values = np.concatenate(seen)
    undo = feed.undo(1)
    inputs = _new_inputs(feed.data, tmp_path)
    shutil.rmtree(tmp_path / "run")
    for path in ("photos", "table.csv"):
        if (tmp_path / path).exists():
            (tmp_path / path).rename(tmp_path / f"hidden {path}")
    found = Predictor(snapshot, blob=None if undo else "ip", batch=4).predict(inputs).values
    np.testing.assert_array_equal(found, undo(values) if undo else values)
    assert np.ptp(values) > 0


def _blob(program: Any) -> int:
    index: int = program.graph.named["ip"].index
    return index


def _new_inputs(data: Any, folder: Path) -> Any:
    """The samples of a test: images, or a table without its targets."""
    if not (folder / "table.csv").exists():
        return [data.read(np.array([i]))[0][0] for i in range(len(data))]
    head, *rows = (folder / "table.csv").read_text(encoding="utf-8").splitlines()
    lines = [line.rpartition(",")[0] for line in (head, *(rows[i] for i in data.index.tolist()))]
    (folder / "new.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "new.csv"
