"""The picture of curves: its lines, axes, legends and words, and the same picture inside a page."""

from __future__ import annotations

import re
from itertools import combinations
from math import nan
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from netspec.core.outputs import ExistsError
from netspec.pictures.curves import drawings, figure, plot_curves
from netspec.pictures.palette import style
from netspec.pictures.saving import NothingToPlotError, settings
from netspec.study.curves import Wish, curves
from netspec.training.runs import RunRecord
from tests.helpers.curves import COURSE, debugged, displayed, record, scored

pytest.importorskip("matplotlib")


def made_of(records: list[RunRecord], **wish: Any) -> Any:
    """The figure of some runs."""
    with settings():
        return figure(curves(records, Wish(**wish)))


def drawn(records: list[RunRecord], **wish: Any) -> Any:
    """The figure, drawn once so that all that it has is laid out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    made = made_of(records, **wish)
    with settings():
        FigureCanvasAgg(made).draw()
    return made


def words(made: Any) -> str:
    """All texts of a figure that a reader sees, and those of its legends."""
    from matplotlib.text import Text

    return "\n".join(text.get_text() for text in made.findobj(Text) if text.get_visible())


def points(line: Any) -> list[tuple[float, float]]:
    return list(zip(*line.get_data(), strict=True))


def test_a_panel_has_the_lines_of_its_quantities() -> None:
    made = made_of([record("r", *COURSE)])
    titles = [axes.get_title(loc="left") for axes in made.axes]
    assert titles == [
        "loss", "accuracy", "learning rate", "gradient norm", "update / weight", "dead units (relu)",
    ]  # fmt: skip
    loss, accuracy, _, gradient, updates, dead = made.axes
    train, test = loss.lines
    assert points(train) == [(0, 4.0), (1, 1.0), (2, 2.0), (3, 0.5)] and points(test) == [(0, 3.0), (2, 1.0), (4, 0.5)]
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["train", "test"]
    assert points(accuracy.lines[-1]) == [(2, 0.9)] and accuracy.lines[-1].get_marker() == "*"
    assert [axes.get_yscale() for axes in (loss, gradient, updates)] == ["linear", "log", "log"]
    assert updates.lines[-1].get_ydata() == [1e-3, 1e-3] and dead.get_ylim() == (-0.03, 1.03)
    assert {axes.get_xlim() for axes in made.axes} == {loss.get_xlim()}
    assert "star: the best test, 0.9" in words(made) and "\nr\n" in words(made)


def test_lines_differ_in_more_than_colour() -> None:
    (axes,) = made_of([record("r", *COURSE)], only=("updates",)).axes
    looks = [(line.get_color(), line.get_marker()) for line in axes.lines[:3]]
    assert all(a != b and c != d for (a, c), (b, d) in combinations(looks, 2))
    styles = [style(number) for number in range(24)]
    assert len({(one.color, one.dashes) for one in styles}) == len({(one.marker, one.dashes) for one in styles}) == 24


def test_several_runs_have_their_colours_and_a_legend() -> None:
    made = made_of([record(name, *COURSE, base_lr=rate) for name, rate in (("_a", 0.1), ("$b_1$", 0.2))])
    loss = made.axes[0]
    assert [line.get_color() for line in loss.lines] == [style(run).color for run in (0, 0, 1, 1)]
    assert [line.get_marker() for line in loss.lines] == ["None", style(0).marker, "None", style(1).marker]
    assert r"_a: base_lr 0.1" in words(made) and r"\$b_1\$: base_lr 0.2" in words(made)
    legend = loss.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["train", "test"]
    assert {handle.get_color() for handle in legend.legend_handles} & {style(0).color, style(1).color} == set()


def test_a_legend_of_many_names_stands_below_its_panel() -> None:
    with settings():
        made = figure(curves([record("r", *COURSE)], Wish(only=("loss", "updates"))))
        made.draw_without_rendering()
    loss, updates = made.axes
    above, below = (axes.get_legend().get_window_extent() for axes in (loss, updates))
    assert above.y0 > loss.bbox.y1 - 5 and below.y1 < updates.xaxis.label.get_window_extent().y0 + 1
    assert below.x0 >= updates.bbox.x0 - 60 and below.x1 <= made.bbox.x1 and below.y0 >= 0


def test_further_tests_of_several_runs_have_hollow_markers() -> None:
    runs = [record(name, scored(0, loss=1.0), scored(3, "validation", loss=2.0), displayed(0, 1.0)) for name in "ab"]
    (axes,) = made_of(runs, only=("loss",)).axes
    looks = [(line.get_marker(), line.get_fillstyle()) for line in axes.lines]
    assert looks == [("o", "full"), ("o", "full"), ("o", "none"), ("s", "full"), ("s", "full"), ("s", "none")]
    assert [handle.get_fillstyle() for handle in axes.get_legend().legend_handles][1:] == ["full", "none"]


def test_smoothing_is_said_and_leaves_what_was_recorded() -> None:
    made = made_of([record("r", *COURSE)], only=("loss",), smooth=3)
    raw, smooth, _ = made.axes[0].lines
    assert points(raw) == [(0, 4.0), (1, 1.0), (2, 2.0), (3, 0.5)] and points(smooth)[1] == (1, 7 / 3)
    assert raw.get_alpha() < 0.5 and raw.get_linewidth() < smooth.get_linewidth()
    assert "faint: before smoothing" in words(made) and "mean of 3 values" in words(made)


def test_axes_as_they_are_asked_for() -> None:
    loss, _ = drawn([record("r", *COURSE)], only=("loss", "rate"), log="xy", along="epoch").axes
    assert (loss.get_xscale(), loss.get_yscale(), loss.get_xlabel()) == ("log", "log", "epoch")
    assert [text.get_text() for text in loss.get_yticklabels()].count("1") == 1  # no powers of ten
    (rate,) = drawn([record("r", *COURSE)], only=("rate",)).axes
    assert all(float(text.get_text().replace("\N{MINUS SIGN}", "-")).is_integer() for text in rate.get_xticklabels())


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_an_odd_first_panel_has_the_room_of_two(count: int) -> None:
    many = {f"score{i}": 0.5 for i in range(count)}
    made = drawn([record("r", scored(0, **many))], only=("scores",))
    sides = [axes.get_position().width for axes in made.axes]
    assert len(sides) == count and (sides[0] > 1.5 * sides[-1]) == (count in {3, 7})


def test_no_text_lies_outside_the_picture_or_on_a_panel() -> None:
    name = "a run of a long name " * 4
    made = drawn([record(f"{name}{i}", *COURSE, base_lr=i / 100, smooth="y" * 30) for i in range(20)], smooth=3)
    renderer = made.canvas.get_renderer()
    panels = [axes.get_window_extent(renderer) for axes in made.axes]
    for legend in made.subfigs[1].legends:
        box = legend.get_window_extent(renderer)
        assert box.x0 >= 0 and box.x1 <= made.bbox.x1 and box.y1 <= min(panel.y0 for panel in panels)
        (notes,) = made.subfigs[1].texts
        assert notes.get_window_extent(renderer).y1 <= box.y0
    for one, other in combinations(panels, 2):
        assert not one.overlaps(other)


def test_long_names_of_params_are_cut() -> None:
    recorded = [debugged(1, 0.1, 0.2, 0.3, 0.4, name="a_block_of_a_long_name/" * 3)]
    (axes,) = drawn([record("r", *recorded)], only=("updates",)).axes
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert len(names) == 4 and all(len(name) == 24 and "…" in name and "weight" in name for name in names)
    assert axes.get_position().width > 0.5


def test_one_point_and_a_diverged_run_are_drawn() -> None:
    made = made_of([record("once", scored(0, accuracy=0.5)), record("lost", displayed(0, 1.0), displayed(1, nan))])
    accuracy = next(axes for axes in made.axes if "accuracy" in axes.get_title(loc="left"))
    assert accuracy.lines[0].get_marker() == style(0).marker
    assert "lost: loss is not finite, first at iteration 1" in words(made)


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_equal_runs_give_equal_files(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    few = Wish(only=("loss", "updates"))
    one, two = (tmp_path / f"{name}.{kind}" for name in "ab")
    plot_curves(one, [record("r", *COURSE)], few)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.setitem(matplotlib.rcParams, "lines.linewidth", 7.0)
    plot_curves(two, [record("r", *COURSE)], few)
    assert one.read_bytes() == two.read_bytes() and b"netspec" in one.read_bytes()
    plot_curves(one, [record("r", *COURSE)], Wish(only=("loss",)))  # a picture of netspec's is drawn anew
    assert one.read_bytes() != two.read_bytes()
    for kind in ("png", "svg", "pdf"):
        mine = tmp_path / f"mine.{kind}"
        mine.write_bytes(b"notes on netspec")
        with pytest.raises(ExistsError):
            plot_curves(mine, [record("r", *COURSE)], few)
    with pytest.raises(NothingToPlotError):
        plot_curves(tmp_path / "a.eps", [record("r", *COURSE)], few)  # one kind more would need a mark of its own


def test_drawings_inside_a_page() -> None:
    odd = '<script>& id="a" url(#b) #010203'
    few = Wish(only=("loss", "updates"))
    made = drawings([record("r", *COURSE), record(odd, *COURSE)], few)
    assert [name.startswith(word) for (name, _), word in zip(made.runs, ("r", odd), strict=True)] == [True, True]
    assert [look for _, look in made.runs] == [style(0), style(1)] and any("dotted" in note for note in made.notes)
    assert drawings([record("r", *COURSE)], few).runs == ()
    texts = made.panels
    trees = [ElementTree.fromstring(text) for text in texts]
    assert trees[0].tag.endswith("svg") and texts[0].startswith("<svg")
    ids = [{each.get("id") for each in tree.iter() if each.get("id")} for tree in trees]
    assert ids[0] and not ids[0] & ids[1]
    assert {link[1:] for link in re.findall(r'href="(#[^"]+)"', texts[0])} <= ids[0]
    assert set(re.findall(r"url\(#([^)]+)\)\"", texts[0])) <= ids[0]
    assert "<style" not in texts[0] and "<metadata" not in texts[0] and "<script" not in texts[0]
    assert set(re.findall(r"https?://[^\"<\s]*", texts[0])) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    colors = set(re.findall(r": (#[0-9a-f]{6})\b", texts[0]))
    assert colors <= {style(number).color.lower() for number in range(7)} and "currentColor" in texts[0]
    shown = "".join(trees[0].itertext())
    assert "loss" in shown and "update / weight" in "".join(trees[1].itertext())


def test_drawings_of_panels_are_even() -> None:
    shown = drawings([record("r", *COURSE)]).panels
    trees = [ElementTree.fromstring(text) for text in shown]
    spines = [tree.find(f".//*[@id='curves{number}-patch_3']/{{*}}path") for number, tree in enumerate(trees)]
    left = {spine.get("d", "").split()[1] for spine in spines if spine is not None}
    assert len(shown) == len(spines) > 3 and len(left) == 1
