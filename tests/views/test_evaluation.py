"""Tables of an evaluation: within 80 columns, whatever there is to say; and one value a row."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from netspec.views.evaluation import evaluation_rows, evaluation_tables

Values = dict[str, Any]

QUOTIENTS = {"precision": 0.5, "recall": 0.25, "f1": 1 / 3}


def shown(*heads: Values, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=1000, markup=False, highlight=False)
    for table in evaluation_tables(heads, width):
        console.print(table, crop=False)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines())


def classes(size: int, names: bool = True, matrix: bool = True, count: int = 7) -> Values:
    worst = {"label": 1, "prediction": 0, "probability": 0.75, "label_probability": 0.125, "thumbnail": None}
    return {
        "name": "loss",
        "task": "classes",
        "classes": [f"class {i}" for i in range(size)] if names else None,
        "size": size,
        "positions": 1234,
        "places": 1,
        "accuracy": 0.8125,
        "roc_auc": 0.75,
        "roc_auc_exact": size < 100,
        "ece": 0.125,
        "macro": QUOTIENTS,
        "by_class": [{**QUOTIENTS, "f1": (i * 7 % 11) / 11, "support": 1000 + i, "roc_auc": None} for i in range(size)],
        "confusion": [[count] * size for _ in range(size)] if matrix else None,
        "confused": [[1, 0, 1500], [0, 1, 3]],
        "worst": [{"sample": 7, "name": f"{'folder/' * 20}7.png", "loss": 12.5, **worst}],
    }


def test_ten_classes_by_names() -> None:
    text = shown(classes(10))
    assert text.startswith("\nloss: 1,234 samples, 10 classes\n")
    assert "ROC-AUC, one against the rest  0.7500" in text and "precision, macro mean" in text
    assert "by class\nclass    precision  recall      F1  support  ROC-AUC" in text
    assert "true class  0  1  2  3" in text and "\n3 class 3   7  7" in text
    assert " 12.5000  class 1  class 0     0.7500  ..." in " " + text.split("worst samples of loss")[1].splitlines()[3]
    assert text.endswith("folder/7.png")


@pytest.mark.parametrize(
    "head", [classes(10), classes(25, count=12345), classes(1000, matrix=False), classes(2, False)]
)
def test_no_line_is_too_wide(head: Values) -> None:
    assert max(map(cell_len, shown(head).splitlines())) <= 80


def test_a_thousand_classes_are_said_by_the_worst_of_them() -> None:
    text = shown(classes(1000, matrix=False))
    assert "by class: 25 of the lowest F1, of 1,000" in text and "one against the rest (of counts)" in text
    assert "confused most" in text and "class 1     class 0      1,500" in text
    nothing = classes(1000, matrix=False) | {"confused": []}
    assert "no class is taken for another" in shown(nothing)


def test_labels_numbers_and_maps() -> None:
    worst = {"sample": 3, "name": None, "loss": 0.5, "thumbnail": None}
    labels = classes(3) | {"task": "labels", "exact": 0.5, "micro": QUOTIENTS}
    labels["worst"] = [{**worst, "labels": [], "predictions": [0, 1, 2], "probabilities": [0.5, 0.75, 1.0]}]
    text = shown(labels)
    assert "all labels right" in text and "none   class 0, class 1, ...  0.5000, 0.7500, ...  sample 3" in text
    rows = [{"rmse": 1e6 * i, "mae": 0.001, "r2": -i} for i in range(2)]
    numbers = {
        "name": "far",
        "task": "numbers",
        "classes": None,
        "size": 2,
        "values": 94,
        "rmse": 3.5,
        "mae": 2,
        "r2": 0.5,
    }
    numbers |= {"by_output": rows, "worst": [{**worst, "target": [1.5, 2, 3], "prediction": [4]}]}
    text = shown(numbers)
    assert "far: 94 values" in text and "1       1e+06  0.001   -1" in text and "all       3.5      2  0.5" in text
    assert "1.5, 2, ...  4" in text
    maps = classes(3) | {"worst": [{**worst, "positions": 100, "wrong": 93}]}
    assert "93 of 100 wrong" in shown(maps)


def test_one_value_a_row() -> None:
    rows = dict(evaluation_rows([classes(2)]))
    assert rows["loss/accuracy"] == 0.8125 and rows["loss/macro/recall"] == 0.25
    assert rows["loss/precision[class 1]"] == 0.5 and rows["loss/confusion[0,1]"] == 7
    assert not [key for key in rows if "worst" in key or "exact" in key or "roc_auc[" in key]
