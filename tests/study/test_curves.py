"""Curves: which panels there are, what lines stand in them, how they are smoothed, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.study.curves import ALL, NoCurvesError, Wish, curves, smoothed
from netspec.study.quantities import UnknownCurveError
from netspec.training import events
from tests.helpers.curves import COURSE, debugged, displayed, record, scored


def lines(wish: Wish = ALL, *recorded: events.Event, **settings: Any) -> dict[str, dict[str, list[tuple[Any, ...]]]]:
    """Of one run the points by panel and line."""
    found = curves([record("r", *(recorded or COURSE), **settings)], wish)
    return {panel.title: {line.name: [*line.points] for line in panel.lines} for panel in found.panels}


def test_every_quantity_stands_in_its_panel() -> None:
    assert lines() == {
        "loss": {"train": [(0, 4.0), (1, 1.0), (2, 2.0), (3, 0.5)], "test": [(0, 3.0), (2, 1.0), (4, 0.5)]},
        "accuracy": {
            "train": [(0, 0.0), (1, 0.5), (2, 0.5), (3, 1.0)],
            "test": [(0, 0.1), (2, 0.9), (4, 0.8)],
        },
        "learning rate": {"": [(0, 0.1), (1, 0.05), (2, 0.1 / 3), (3, 0.025)]},
        "gradient norm": {"": [(0, 2.0), (1, 2.0), (2, 2.0), (3, 2.0)]},
        "update / weight": {
            "ip0.weight": [(1, 1e-3), (3, 1e-4)],
            "ip1.weight": [(1, 1e-2), (3, 1e-2)],
            "ip2.weight": [(3, 1e-1)],
        },
        "dead units": {"relu": [(1, 0.25), (3, 0.25)]},
    }


@pytest.mark.parametrize(
    ("along", "xs", "name"), [("epoch", [0, 0.4, 0.8], "epoch"), ("time", [0, 1.0, 2.0], "seconds of training")]
)
def test_the_x_axis(along: Any, xs: list[float], name: str) -> None:
    assert [x for x, _ in lines(Wish(along))["loss"]["test"]] == pytest.approx(xs)
    assert curves([record("r", *COURSE)], Wish(along)).along == name


def test_a_long_training_is_counted_in_hours() -> None:
    end = events.Display(100, 1.0, {}, 0.1, 1.0, 1.0, 0.0, elapsed=36000.0)
    found = curves([record("r", displayed(0, 2.0), end)], Wish("time", only=("loss",)))
    assert (found.along, found.panels[0].lines[0].points) == ("hours of training", ((0, 2.0), (10, 1.0)))


def test_the_best_test_is_the_one_of_the_metric() -> None:
    def best(**wish: Any) -> dict[str, Any]:
        found = curves([record("r", *COURSE)], Wish(**wish))
        return {panel.title: line.best for panel in found.panels for line in panel.lines if line.best}

    assert best() == {"accuracy": (2, 0.9)}
    assert best(metric="test/loss", only=("loss", "accuracy")) == {"loss": (4, 0.5)}
    with pytest.raises(UnknownCurveError, match="no run has recorded 'test/acuracy'") as caught:
        best(metric="test/acuracy")
    assert caught.value.help == "did you mean 'test/accuracy'?"


def test_only_what_is_asked_for() -> None:
    assert [*lines(Wish(only=("rate", "accuracy")))] == ["learning rate", "accuracy"]
    assert lines(Wish(only=("test/loss",))) == {"loss": {"test": [(0, 3.0), (2, 1.0), (4, 0.5)]}}
    assert lines(Wish(only=("data/relu/y",))) == {"data/relu/y": {"data/relu/y": [(1, 0.5), (3, 0.5)]}}
    with pytest.raises(UnknownCurveError, match="'updates'") as caught:
        lines(Wish(only=("updates",)), displayed(0, 1.0))
    assert "debug_info: true" in str(caught.value.help)


def test_several_losses_and_losses_by_any_name() -> None:
    net = {"layers": [{"name": "far", "type": "EuclideanLoss"}]}
    assert lines(ALL, scored(0, far=2.0), scored(3, feed="validation", far=1.0), net=net) == {
        "loss": {"test": [(0, 2.0)], "validation": [(3, 1.0)]}
    }
    assert [*lines(ALL, scored(0, loss1=2.0, loss2=1.0))["loss"]] == ["test loss1", "test loss2"]


def test_values_of_a_vector_are_drawn_where_they_are_asked_for() -> None:
    scored = events.Tested(0, {"recall[0]": 0.5, "recall[1]": 0.25}, 10, 0.1, epoch=0.0)
    assert [*lines(ALL, displayed(0, 1.0), scored)] == ["loss", "learning rate", "gradient norm"]
    assert lines(Wish(only=("test/recall[1]",)), scored) == {"test/recall[1]": {"test/recall[1]": [(0, 0.25)]}}


def test_many_scores_are_left_out_and_counted() -> None:
    many = {f"score{i}": 0.5 for i in range(8)} | {"accuracy": 0.5}
    found = curves([record("r", scored(0, **many))])
    assert [panel.title for panel in found.panels] == ["accuracy", *(f"score{i}" for i in range(5))]
    assert found.notes[0] == "3 more scores: name them by `--only`"
    assert len(curves([record("r", scored(0, **many))], Wish(only=("scores",))).panels) == 9


def test_many_params_and_several_runs_are_a_median_between_extremes() -> None:
    nine = [record("r", debugged(1, *(10.0**-i for i in range(9))), debugged(2, None, 0.5, nan, *[None] * 6))]
    two = [record("r", *COURSE), record("q", *COURSE)]
    (line,) = curves(nine, Wish(only=("updates",))).panels[0].lines
    assert (line.name, line.points) == ("median of params", ((1, 1e-4), (2, 0.5)))
    assert line.low == ((1, 1e-8), (2, 0.5)) and line.high == ((1, 1.0), (2, 0.5))
    both = curves(two, Wish(only=("updates",))).panels[0].lines
    assert [(one.run, one.points) for one in both] == [(run, ((1, 5.5e-3), (3, 1e-2))) for run in (0, 1)]


def test_smoothing_spares_tests_and_rates_and_is_said() -> None:
    found = curves([record("r", *COURSE)], Wish(smooth=3))
    loss, accuracy, rate = found.panels[:3]
    assert loss.lines[0].points == ((0, 4.0), (1, 7 / 3), (2, pytest.approx(3.5 / 3)), (3, 0.5))
    assert [y for _, y in loss.lines[0].raw] == [4.0, 1.0, 2.0, 0.5]
    assert not loss.lines[1].raw and accuracy.lines[0].raw and not rate.lines[0].raw
    assert found.notes == ("smoothed: the mean of 3 values around each; tests and rates are as recorded",)
    assert "mean of 5 values" in curves([record("r", *COURSE)], Wish(smooth=4)).notes[0]


@given(st.lists(st.floats(-10, 10) | st.sampled_from([nan, inf]), max_size=30), st.integers(1, 12))
def test_smoothing_is_the_mean_of_as_many_values_on_either_side(values: list[float], count: int) -> None:
    found = [y for _, y in smoothed(tuple(enumerate(values)), count)]
    for i, value in enumerate(values):
        reach = min(count // 2, i, len(values) - 1 - i)
        around = [v for v in values[i - reach : i + reach + 1] if abs(v) < inf]
        expected = sum(around) / len(around) if abs(value) < inf else value
        assert found[i] == pytest.approx(expected, nan_ok=True)


def test_logarithmic_axes() -> None:
    def logs(*recorded: events.Event, **wish: Any) -> dict[str, bool]:
        return {panel.title: panel.log for panel in curves([record("r", *recorded)], Wish(**wish)).panels}

    plain = {"loss": False, "accuracy": False, "learning rate": False, "gradient norm": True, "update / weight": True}
    assert logs(*COURSE) == plain | {"dead units": False}
    asked = plain | {"loss": True, "learning rate": True, "dead units": True}
    assert logs(*COURSE, log="y") == asked  # an accuracy of 0 has no place on such an axis
    said = [curves([record("r", *COURSE)], Wish(log=axes)).notes for axes in ("y", "xy")]
    assert said[0] == ("not logarithmic, as it has values of 0 or less: accuracy",)
    assert said[1] == ("a logarithmic axis has no 0: what was recorded there is left out",)
    assert lines(Wish(log="x"))["loss"]["test"] == [(2, 1.0), (4, 0.5)]
    exploded = [displayed(i, 10.0 ** max(0, i - 5)) for i in range(12)]
    assert logs(*exploded, only=("loss",)) == {"loss": True}  # else all but the last would lie on the axis


def test_what_is_not_finite_is_said() -> None:
    notes = curves([record("r", displayed(0, 1.0), displayed(1, nan), displayed(2, inf), scored(2, loss=nan))]).notes
    assert notes[:2] == (
        "r: loss is not finite, first at iteration 1",
        "r: test/loss is not finite, first at iteration 2",
    )
    assert notes[2:] == ("no update ratios and dead units: `debug_info: true` in the solver records them",)


def test_how_a_run_failed_is_said() -> None:
    failed = replace(record("r", *COURSE), failure="error[NS504]: the loss is nan\n  = help: lower base_lr")
    assert curves([failed]).notes == ("r: ended by error[NS504]: the loss is nan",)


def test_the_displayed_loss_may_be_a_mean() -> None:
    assert curves([record("r", *COURSE, average_loss=20)]).notes == ("train loss: the mean of the last 20 iterations",)
    both = [record("r", *COURSE, average_loss=20), record("q", *COURSE)]
    assert curves(both).notes[0] == "train loss: the mean of the last `average_loss` iterations"


def test_what_was_not_recorded() -> None:
    with pytest.raises(NoCurvesError, match="no progress line and no test is recorded in 'q', 'r' yet"):
        curves([record("q"), record("r")])
    begun = curves([record("q", *COURSE), record("r")])
    assert begun.runs == ("q", "r") and {line.run for panel in begun.panels for line in panel.lines} == {0}
    assert begun.notes == ("r: nothing is recorded yet",)
    without = events.Tested(4, {"accuracy": 1.0}, 10, 0.1)
    with pytest.raises(NoCurvesError, match="'r' counts no epochs"):
        curves([record("r", without)], Wish("epoch"))
    with pytest.raises(NoCurvesError, match="'r' has recorded no times"):
        curves([record("r", without)], Wish("time"))
    alone = curves([record("r", displayed(0, 1.0))], Wish("time"))  # nothing has passed at the start
    assert alone.panels[0].lines[0].points == ((0.0, 1.0),)
