"""Scores as tables that fit the terminal, and in lines of text."""

from __future__ import annotations

import numpy as np
from rich.console import Console

from netspec.training.events import MOST_SHOWN, valued
from netspec.training.events import Tested as Scored
from netspec.training.tester import labelled
from netspec.views.scores import score_tables
from tests.helpers.checks import Array

SCORES: dict[str, Array] = {
    "accuracy": np.array(0.75),
    "each": np.array([0.5, 1.0]),
    "confusion": np.array([[12.0, 0.0, 3.0], [1.0, 105.0, 0.0], [0.0, 0.0, 7.0]]),
    "shares": np.array([[0.25, 0.75], [1.0, 0.0]]),
}


def printed(scores: dict[str, Array], width: int = 80) -> list[str]:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        for table in score_tables(scores, 128, width):
            console.print(table, crop=False)
    return capture.get().splitlines()


def test_scalars_and_vectors_have_rows_and_a_matrix_is_a_grid() -> None:
    assert printed(SCORES) == [
        "output    over 128 samples",
        "──────────────────────────",
        "accuracy            0.7500",
        "each[0]             0.5000",
        "each[1]             1.0000",
        "",
        "confusion[row,column]",
        "    0    1  2",
        "─────────────",
        "0  12    0  3",
        "1   1  105  0",
        "2   0    0  7",
        "",
        "shares[row,column]",
        "        0       1",
        "─────────────────",
        "0  0.2500  0.7500",
        "1  1.0000  0.0000",
    ]


def test_a_matrix_that_does_not_fit_is_said_to_be_elsewhere() -> None:
    assert max(map(len, printed({"m": np.eye(22)}))) == 80 == 2 + 10 * 3 + 12 * 4
    assert printed({"m": np.eye(23)}) == ["m: 23 x 23 values; --format json or csv shows them"]
    assert printed({"m": np.eye(22) / 3}) == ["m: 22 x 22 values; --format json or csv shows them"]
    assert printed({"\x1b[1m": np.eye(23)})[0].startswith("\\x1b[1m: 23 x 23")


def test_values_have_names_by_row_and_column() -> None:
    found = labelled({**SCORES, "shares[0,1]": np.array(9.0)})
    assert found["shares[0,0]"] == 0.25 and found["shares[0,1]"] == 9 and found["shares[0,1]'"] == 0.75
    assert len(labelled({"m": np.zeros((100, 100))})) == 10_000


def test_a_line_says_how_many_values_a_long_blob_has() -> None:
    assert valued(labelled(SCORES), "{:.2f}")[:3] == ["accuracy 0.75", "each[0] 0.50", "each[1] 1.00"]
    long = labelled({"loss": np.array(0.5), "each": np.zeros(MOST_SHOWN + 1), "m[0]": np.array(2.0)})
    assert valued(long, "{:.1f}") == ["loss 0.5", "each (11 values)", "m[0] 2.0"]
    assert str(Scored(7, long, 3, 0.2)).startswith(
        "test at iter 7: loss 0.5000 each (11 values) m[0] 2.0000 (3 samples"
    )
