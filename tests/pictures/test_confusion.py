"""The picture of a confusion matrix."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.core.optional import NoLibraryError
from netspec.core.outputs import WriteError
from netspec.pictures.confusion import plot
from netspec.pictures.saving import NothingToPlotError, ask_for_library

HEAD: dict[str, Any] = {"name": "$loss$", "task": "classes", "size": 3, "classes": ["a", "b$", "$c$"]}
MATRIX = [[8, 0, 0], [0, 8, 0], [8, 0, 0]]


def test_the_diagonal_is_dark_where_classes_are_right(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot(tmp_path / "m.png", [{**HEAD, "confusion": MATRIX}])
    pixels = np.asarray(Image.open(tmp_path / "m.png").convert("L")).astype(float)
    dark = pixels < 100
    rows, columns = dark.mean(axis=1), dark.mean(axis=0)
    assert 0.05 < dark.mean() < 0.4 and rows.max() > 0.2 and columns.max() > 0.4  # two squares in the first column
    assert plot(tmp_path / "n.png", [{**HEAD, "confusion": MATRIX}]) is None
    assert (tmp_path / "m.png").read_bytes() == (tmp_path / "n.png").read_bytes()


def test_what_cannot_be_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(NothingToPlotError, match="tells no classes apart"):
        plot(tmp_path / "m.png", [{"name": "far", "task": "numbers"}])
    with pytest.raises(NothingToPlotError, match="its classes are too many"):
        plot(tmp_path / "m.png", [{**HEAD, "confusion": None}])
    with pytest.raises(WriteError, match="cannot be written"):
        plot(tmp_path / "no" / "m.png", [{**HEAD, "confusion": MATRIX}])
    with pytest.raises(NothingToPlotError, match="no files like 'm'"):
        ask_for_library(Path("m"), "--plot")


def test_without_matplotlib_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(NoLibraryError, match="--plot needs the library matplotlib"):
        ask_for_library(Path("m.png"), "--plot")
