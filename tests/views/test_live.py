"""The live lines of a training, built from plain values, at every width of a terminal."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from netspec.training.events import Progress
from netspec.views.live import TrainingLine, sparkline

NOW = Progress(60, 310, 0.71, 0.01, 128, 0.51239, 50, {"accuracy": 0.8125}, 2.56)
TESTED = {"accuracy": 0.25, "loss": 1.5}
LOSSES = (2.0, 1.0, 0.6, 0.5124)


class Shown:
    """The lines of a training that has run for two seconds, from iteration 10 on, on a clock that stands still."""

    def __init__(self, now: Progress = NOW, tested: dict[str, float] = TESTED) -> None:
        self.clock, self.now = 100.0, replace(now, iteration=10)
        self.console = Console(width=200, file=io.StringIO(), color_system=None)
        options = {"get_time": lambda: self.clock, "disable": True}
        self.line = TrainingLine(lambda: self.now, self.console, **options)
        self.line.tested, self.line.best = tested, 0.75 if tested else None
        steps = ((100.5, 20), (101.0, 35), (101.5, 50), (102.0, now.iteration))
        for (self.clock, iteration), mean in zip(steps, LOSSES, strict=True):
            self.now = replace(now, iteration=iteration, mean=mean, waited=0.3 * (self.clock - 100))
            self.at(200)
        self.now = replace(self.now, mean=now.mean)

    def at(self, width: int) -> str:
        self.console.width = width
        self.console.file = io.StringIO()
        self.console.print(self.line.get_renderable())
        return self.console.file.getvalue()


FAR = "iter 60/310 epoch 2.56 lr 0.01 3,413 img/s waiting for data 30% eta 0:00:10"
WELL = "loss 0.5124 █▃▁▁ accuracy 0.8125 (mean of 50) test accuracy 0.2500 loss 1.5000 best 0.7500"
WIDTHS = {
    160: (f"━━ {FAR}", WELL),
    94: (f"━━ {FAR}", WELL),
    80: (f"━━ {FAR.replace(' for data', '')}", WELL.replace(" loss 1.5000", "")),
    60: (
        "iter 60/310 epoch 2.56 3,413 img/s waiting 30% eta 0:00:10",
        "loss 0.5124 █▃▁▁ accuracy 0.8125 test 0.2500 best 0.7500",
    ),
    50: ("iter 60 epoch 2.56 waiting 30% eta 0:00:10", "loss 0.5124 █▃▁▁ test 0.2500 best 0.7500"),
    40: ("iter 60 waiting 30% eta 0:00:10", "loss 0.5124 █▃▁▁ test 0.2500 best 0.7500"),
    36: ("iter 60 waiting 30% eta 0:00:10", "loss 0.5124 test 0.2500 best 0.7500"),
    30: ("iter 60 eta 0:00:10", "loss 0.5124 test 0.2500"),
}


def test_a_test_has_the_name_of_its_data() -> None:
    shown = Shown()
    shown.line.feed = "validation"
    assert "validation accuracy 0.2500 loss 1.5000 best" in shown.at(200)
    assert shown.at(50).rstrip().endswith("validation 0.2500 best 0.7500")


def test_a_sparkline_has_the_shape_of_its_values() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([7.0, 7.0, float("nan"), 0.0, 0.0, 3.5, 3.5], 3) == "█▁▅"
    assert sparkline([1.0, 1.0], 8) == "▁▁" and sparkline([1.0], 8) == ""


def test_data_that_are_there_are_not_spoken_of() -> None:
    shown = Shown()
    for shown.clock in (104.0, 106.0, 108.0):
        shown.at(200)
    assert "waiting" not in shown.at(200)


def test_losses_of_a_long_training_stay_few() -> None:
    shown = Shown()
    for iteration in range(100, 4000):
        shown.line._note(replace(NOW, iteration=iteration, mean=float(iteration)))
    assert 200 < len(shown.line._losses) <= 512 and len(sparkline(shown.line._losses, 16)) == 16


def test_what_a_narrow_terminal_keeps() -> None:
    shown = Shown()
    found = {width: tuple(" ".join(line.split()) for line in shown.at(width).splitlines()) for width in WIDTHS}
    assert found == WIDTHS
    assert all(cell_len(line) <= width for width in WIDTHS for line in shown.at(width).splitlines())


def test_of_many_scores_the_first_stays() -> None:
    shown = Shown(replace(NOW, scores={"accuracy": 0.8125, "top5": 0.9, "iou": 0.1}))
    assert "loss 0.5124 █▃▁▁ accuracy 0.8125 test" in shown.at(60) and "top5 0.9" in shown.at(100)


def test_before_the_first_iteration_and_without_data_or_tests() -> None:
    shown = Shown(replace(NOW, epoch=None, scores={}, over=1), {})
    first, second = shown.at(120).splitlines()
    assert second.strip() == "loss 0.5124 █▃▁▁" and "epoch" not in first
    shown.now = replace(NOW, iteration=0, over=0, epoch=0.0)
    shown.line._losses.clear()
    first, second = shown.at(120).splitlines()
    assert "iter 0/310 epoch 0.00" in first and not second.strip()


@given(
    st.integers(40, 200),
    st.floats(1e-9, 1e9),
    st.integers(1, 10**7),
    st.dictionaries(st.text("ab[名]{}", min_size=1, max_size=30), st.floats(0, 1), max_size=4),
)
def test_it_never_wraps(width: int, loss: float, last: int, scores: dict[str, float]) -> None:
    shown = Shown(replace(NOW, mean=loss, last=last + 60, scores=scores), scores)
    text = shown.at(width)
    assert text.count("\n") == 2 and max(map(cell_len, text.splitlines())) <= width
    assert f"loss {loss:.4g}" in text and "eta " in text
    if scores and width >= 60:
        assert f"{next(iter(scores.values())):.4f}" in text


def test_the_line_is_drawn_and_taken_away_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    console = Console(width=60, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    with TrainingLine(lambda: NOW, console) as line:
        line.refresh()
        console.print("a test")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "loss 0.5124" in text and "a test" in text
    assert "\x1b[J" in text, "what a resize left over is erased"
    assert text.endswith("\x1b[2K") and "\x1b[?25h" in text
