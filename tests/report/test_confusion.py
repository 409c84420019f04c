"""Confusion matrices in a page: counts of few classes in a table, many classes as squares."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from netspec.report.confusion import confusion
from tests.report.runs import Read


def head(matrix: list[list[int]], classes: list[str] | None = None) -> dict[str, Any]:
    return {"size": len(matrix), "classes": classes, "confusion": matrix}


def test_counts_and_shades_of_few_classes() -> None:
    made = confusion(head([[3, 1, 0], [0, 0, 0], [0, 1200, 1]], ["a", "b<", "c"]))
    assert made is not None
    read = Read(made)
    cells = [attributes for tag, attributes in read.elements if tag == "td"][1:]
    assert [cell.get("style") for cell in cells] == [
        "--share: 0.750", "--share: 0.250", None, None, None, None, None, "--share: 0.999", "--share: 0.001"
    ]  # fmt: skip
    assert [cell.get("class") for cell in cells] == ["middle", *[None] * 6, "strong", None]
    assert read.text == "a b< c a 3 1 b< c 1,200 1" and cells[7]["title"] == "c taken for b<"


@pytest.mark.parametrize(("size", "named"), [(26, True), (200, False)])
def test_every_square_of_many_classes(size: int, named: bool) -> None:
    matrix = np.random.default_rng(1).integers(0, 3, (size, size))
    matrix[4] = 0
    made = confusion(head(matrix.tolist(), [f"<{number}>" for number in range(size)]))
    assert made is not None and len(made) < 700_000
    read = Read(made)
    found = np.zeros((size, size))
    for tag, attributes in read.elements:
        if tag == "path":
            for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", attributes["d"] or ""):
                found[int(y), int(x)] = float(attributes["fill-opacity"] or 0)
    shares = matrix / matrix.sum(1, keepdims=True).clip(1)
    assert ((found > 0) == (matrix > 0)).all() and np.abs(found - shares)[found > 0].max() <= 0.1
    assert ("<25>" in read.text) == named


def test_none() -> None:
    assert confusion({"size": 3, "confusion": None}) is None and confusion({"size": 2}) is None
