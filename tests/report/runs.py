"""Small runs that reports are made of, and a reader of the pages."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from netspec.training.job import load_solver
from netspec.training.run import run

Values = dict[str, Any]

HIGH, WIDE = 5, 4
HOSTILE = ("<script>alert(1)<", '"><img src=x onerror=alert(2)>', "pear & plum\u202e")
"""Names of classes that a page must show as they are."""


def trained(folder: Path, values: Values, **more: Any) -> Path:
    """The run folder of a short training."""
    values = {"base_lr": 0.5, "lr_policy": "fixed", "max_iter": 20, "display": 5, "random_seed": 1} | values | more
    with run(load_solver(values), folder) as training:
        list(training)
    return folder


def photos(folder: Path, classes: tuple[str, ...] = HOSTILE, layer: str = "ip</style><b>") -> Values:
    """A solver on a folder of pictures, each class brightest in its own row."""
    numbers = np.random.default_rng(1)
    for number, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for i in range(7):
            picture = numbers.integers(0, 60, (HIGH, WIDE)).astype(np.uint8)
            picture[number] += 180
            Image.fromarray(picture).save(folder / name / f"{i}.png")
    source = {"type": "ImageFolder", "folder": str(folder), "color": "gray"}
    feed = {"source": source, "batch_size": 7, "transform": [{"type": "Scale", "factor": 1 / 255}]}
    layers = [
        {"name": "in", "type": "Input", "top": ["x", "label"], "shape": [[7, 1, HIGH, WIDE], [7]]},
        {"name": layer, "type": "InnerProduct", "bottom": "x", "num_output": 3, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": [layer, "label"]},
    ]
    return {"net": {"name": "<i>net", "layers": layers}, "data": {"train": feed, "test": feed}, "test_interval": 10}


def dense(folder: Path, loss: str, x: np.ndarray, t: np.ndarray, outputs: int) -> Values:
    """A solver of an InnerProduct with a loss on arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in {"x": x.astype(np.float32), "t": t}.items():
        np.save(folder / f"{name}.npy", array)
    source = {"type": "Arrays", "outputs": [str(folder / "x.npy"), str(folder / "t.npy")]}
    feed = {"source": source, "batch_size": len(x)}
    layers = [
        {"name": "in", "type": "Input", "top": ["x", "t"], "shape": [[1, *x.shape[1:]], [1, *t.shape[1:]]]},
        {"name": "ip", "type": "InnerProduct", "bottom": "x", "num_output": outputs, "weight_filler": "xavier"},
        {"name": "loss", "type": loss, "bottom": ["ip", "t"]},
    ]
    return {"net": {"name": "t", "layers": layers}, "data": {"train": feed, "test": feed}}


class Read(HTMLParser):
    """What a browser would find in a page: its elements with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._hidden = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._hidden = tag if tag in {"style", "title"} else ""

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._hidden = ""

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}
