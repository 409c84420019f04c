"""The picture of a sweep: its lines, its axes, the suggested rate."""

from __future__ import annotations

from pathlib import Path

import pytest

from netspec.study.lr_find import Point, Search, Sweep
from netspec.training.job import load_solver

pytest.importorskip("matplotlib")


def swept() -> Search:
    """Two equal sweeps."""
    smoothed = [2.0] * 20 + [2.0 - 0.1 * i for i in range(11)] + [1.0, 1.5, 40.0]
    points = tuple(Point(1e-6 * 1.5**i, loss + 0.1 * (-1) ** i, loss) for i, loss in enumerate(smoothed))
    job = load_solver("iris_mlp", phases=("TRAIN",))
    return Search(tuple(Sweep(job, 1e-6, 10.0, 40, points, True) for _ in range(2)))


def test_lines_and_axes() -> None:
    from netspec.pictures.lr_find import figure
    from netspec.pictures.saving import settings

    found = swept()
    one = found.typical
    with settings():
        axes = figure(found).axes[0]
        raw, smoothed, other, suggested = axes.get_lines()
        assert list(raw.get_ydata()) == [point.loss for point in one.points]
        assert list(smoothed.get_xdata()) == [point.rate for point in one.points]
        assert list(other.get_ydata()) == list(smoothed.get_ydata())
        assert set(suggested.get_xdata()) == {one.suggestion}
        assert axes.get_xscale() == "log" and axes.get_ylim()[1] < 3  # the end of the sweep leaves the picture
        labels = [text.get_text() for text in axes.get_legend().get_texts()]
        assert labels == ["loss", "smoothed", "smoothed, other seeds", f"suggested: {one.suggestion:.2g}"]


def test_equal_sweeps_give_equal_files(tmp_path: Path) -> None:
    from netspec.pictures.lr_find import plot_search

    for name in ("a.png", "b.png"):
        plot_search(tmp_path / name, swept())
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
