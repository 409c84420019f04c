"""Curves in characters: a chart for each panel, the signs of its lines, legends and notes, in 80 columns."""

from __future__ import annotations

from typing import Any

from rich.cells import cell_len

from netspec.study.curves import Wish, curves
from netspec.views.curves import curves_text
from tests.helpers.curves import COURSE, displayed, record, scored

BRAILLE = {chr(code) for code in range(0x2801, 0x2900)}


def text_of(*names: str, width: int | None = 80, **wish: Any) -> list[str]:
    runs = [record(name, *COURSE, base_lr=(i + 1) / 10) for i, name in enumerate(names)]
    return curves_text(curves(runs, Wish(**wish)), width).splitlines()


def test_one_run() -> None:
    found = text_of("r")
    assert found[0] == "r" and "best test accuracy 0.9000, iteration 2" in found
    heads = [line for line in found if " by iteration" in line]
    assert heads == [
        "loss by iteration",
        "accuracy by iteration",
        "learning rate by iteration",
        "gradient norm by iteration, logarithmic",
        "update / weight by iteration, logarithmic",
        "dead units (relu) by iteration",
    ]
    signs = found[found.index("loss by iteration") + 1]
    assert signs.endswith("train  o test")
    loss = found[found.index("loss by iteration") + 2 :][:12]
    assert any(BRAILLE & {*line} for line in loss) and any("o" in line for line in loss)
    assert max(map(cell_len, found)) <= 80


def test_several_runs_have_letters() -> None:
    found = text_of("left", "right", only=("loss", "rate"))
    assert found[:2] == ["a  left: base_lr 0.1", "b  right: base_lr 0.2"]
    heads = [line for line in found if " by " in line]
    assert heads == ["loss (train) by iteration", "loss (test) by iteration", "learning rate by iteration"]
    chart = "".join(found[found.index(heads[1]) + 1 :][:12])
    assert "b" in chart and "a" not in chart  # both lines are the same, the second hides the first
    assert not BRAILLE & {*"".join(found)}


def test_letters_stand_where_their_run_lies() -> None:
    runs = [record(name, displayed(0, loss), displayed(9, loss)) for name, loss in (("low", 1.0), ("high", 2.0))]
    found = curves_text(curves(runs, Wish(only=("loss",))), None).splitlines()
    rows = {letter: [i for i, line in enumerate(found) if f"{letter * 5}" in line] for letter in "ab"}
    assert len(rows["a"]) == len(rows["b"]) == 1 and rows["b"] < rows["a"]


def test_every_width_and_odd_names() -> None:
    for width in (40, 60, 132):
        assert max(map(cell_len, text_of("r", width=width))) <= width
    odd = text_of("x\x1b[1m[bold]")
    assert odd[0] == r"x\x1b[1m[bold]"
    point = curves_text(curves([record("r", scored(0, accuracy=0.5))]), 80)
    assert "accuracy (test) by iteration" in point and BRAILLE & {*point}
    lost = curves_text(curves([record("r", displayed(0, float("nan")))], Wish(only=("loss",))), 80)
    assert "no value is finite" in lost
