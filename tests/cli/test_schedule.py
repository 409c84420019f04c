"""`netspec schedule`: chart, rows, and every form of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest
from rich.cells import cell_len

Cli = Callable[..., tuple[int, str, str]]


def test_csv_has_every_iteration(cli: Cli) -> None:
    code, out, err = cli("schedule", "lenet", "max_iter=50", "lr_policy=linear", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, err, len(rows)) == (0, "", 50)
    assert [float(row["rate"]) for row in rows] == pytest.approx([0.01 * (1 - t / 50) for t in range(50)])
    assert rows[-1]["iteration"] == "49" and float(rows[25]["epoch"]) == 25 * 64 / 10_000


def test_json_with_fewer_rows(cli: Cli) -> None:
    words = ("schedule", "lenet", "max_iter=50", "lr_policy={type: exp, gamma: 1e300}", "--every", "20")
    code, out, _ = cli(*words, "--format", "json")
    answer = json.loads(out, parse_constant=pytest.fail)
    assert code == 0 and answer["policy"] == "exp" and answer["iterations"] == 50
    assert [(row["iteration"], row["rate"]) for row in answer["rates"]] == [
        (0, 0.01),
        (20, None),
        (40, None),
        (49, None),
    ]


LONG = ("schedule", "lenet", f"max_iter={10**15}", "lr_policy=cosine", "warmup.length=5000000")


def test_a_training_longer_than_anyone_looks_at(cli: Cli) -> None:
    """Its rates are looked at here and there, so that the answer does not take as long as the training."""
    code, out, _ = cli(*LONG)
    marks = out.rpartition("─")[2]
    assert code == 0 and "at most 1,000,000 iterations" in out
    assert "5,000,000" in marks and "end of warm-up" in marks and "999,999,999,999,999" in marks
    code, out, err = cli(*LONG, "--format", "csv")
    assert (code, out) == (2, "") and "--every 1000000000" in err
    code, out, _ = cli(*LONG, "--format", "csv", "--every", str(10**14))
    assert code == 0 and [row["iteration"][0] for row in csv.DictReader(io.StringIO(out))] == list("01234567899")


@pytest.mark.parametrize("width", [40, 80])
def test_it_fits_the_terminal_without_colours(width: int, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    words = ("lr_policy={type: step, gamma: 0.5, stepsize: 2 epochs}", "warmup={type: exp, length: 500}")
    code, out, err = cli("schedule", "lenet", *words)
    assert (code, err) == (0, "") and "\x1b" not in out
    assert max(map(cell_len, out.splitlines())) <= width
    assert "end of warm-up" in out and "more are left out here" in " ".join(out.split())


def test_a_plateau_depends_on_tests(cli: Cli) -> None:
    code, out, _ = cli("schedule", "lenet", "lr_policy={type: plateau, metric: test/accuracy, mode: max}")
    assert code == 0 and "this is the rate without any reduction" in " ".join(out.split())


def test_markdown(cli: Cli) -> None:
    code, out, _ = cli("schedule", "lenet", "max_iter=3", "--format", "md")
    assert code == 0 and out.splitlines()[0].startswith("| iteration | epoch | rate |")


@pytest.mark.parametrize("words", [("quadratic",), ("quadratic", "type=Newton")])
def test_a_type_without_a_rate_has_no_schedule(words: tuple[str, ...], cli: Cli) -> None:
    code, out, err = cli("schedule", *words)
    assert (code, out) == (2, "") and "has no learning rate" in err
