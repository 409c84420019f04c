"""`netspec runs`: the list, its order and forms, runs side by side, one run; folders that are no runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from netspec.training.events import Display, Finished
from tests.helpers.runs import TESTS, scored, written

Cli = Callable[..., tuple[int, str, str]]
Golden = Callable[[str, str], None]

CONFIG = (
    "net: {{name: tiny, layers: [{{name: ip, type: InnerProduct, num_output: {0}}}]}}\nbase_lr: {1}\nmax_iter: 30\n"
)


@pytest.fixture
def three(here: Path) -> Path:
    """Three runs, a folder of something else, and a damaged one."""
    runs = here / "runs"
    lines = [Display(i, 0.2 + 2 / (1 + i), {}, 0.01, 1.0, 100.0, 0.0) for i in range(0, 30, 3)]
    written(
        runs / "tiny-1",
        CONFIG.format(3, 0.01),
        [*TESTS[:3], *lines, Finished(30, None, 31.5, 0.0, epoch=3, elapsed=3700)],
    )
    written(runs / "tiny-2", CONFIG.format(3, 0.2), [*TESTS[:1], scored(10, 0.95)])
    written(runs / "tiny-3", CONFIG.format(5, 0.01), [*TESTS[:2], Finished(17, "SIGINT", 17.5, 0.0, elapsed=17.5)])
    (runs / "pictures").mkdir()
    (runs / "notes.txt").touch()
    written(runs / "broken", CONFIG.format(3, 0.1), TESTS)
    (runs / "broken" / "metrics.jsonl").write_text('{"event": "tested"\n{}\n')
    return runs


@pytest.mark.parametrize("width", (40, 80, 160))
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("runs", ["runs"]),
        ("runs_compare", ["runs", "compare", "tiny-1", "tiny-2", "runs/tiny-3"]),
        ("runs_show", ["runs", "show", "tiny-1"]),
    ],
)
def test_screens(
    name: str, words: list[str], width: int, three: Path, cli: Cli, golden: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = cli(*words)
    assert code == 0
    golden(f"screens/{name}_{width}.txt", out)
    assert max(map(cell_len, out.splitlines())) <= width
    assert len(err.splitlines()) == (2 if name == "runs" else 0)


def test_the_list_in_every_form(three: Path, cli: Cli) -> None:
    values = json.loads(cli("runs", "list", "--format", "json")[1])
    assert [one["name"] for one in values] == ["runs/tiny-2", "runs/tiny-1", "runs/tiny-3"]
    assert values[1]["best"] == {"value": 0.9, "iteration": 20, "epoch": 2.0}
    assert values[2]["settings"] == {"base_lr": 0.01, "net.layers.ip.num_output": 5}
    rows = list(csv.DictReader(io.StringIO(cli("runs", "list", "--format", "csv")[1])))
    assert [(row["name"], row["best"], row["base_lr"]) for row in rows] == [
        ("runs/tiny-2", "0.95", "0.2"),
        ("runs/tiny-1", "0.9", "0.01"),
        ("runs/tiny-3", "0.7", "0.01"),
    ]
    assert "| runs/tiny-1 | done | 0.9000 |" in cli("runs", "list", "--format", "md")[1]


def test_order_choice_and_metric(three: Path, cli: Cli) -> None:
    def names(*words: str) -> list[str]:
        rows = csv.DictReader(io.StringIO(cli("runs", "list", "--format", "csv", *words)[1]))
        return [Path(row["name"]).name for row in rows]

    assert names("--sort", "iteration") == ["tiny-2", "tiny-3", "tiny-1"]
    assert names("--sort", "iteration", "--reverse") == ["tiny-1", "tiny-3", "tiny-2"]
    assert names("--where", "base_lr=0.01", "--where", "status=stopped") == ["tiny-3"]
    assert names("--metric", "test/loss") == ["tiny-1", "tiny-3", "tiny-2"]
    code, _, err = cli("runs", "list", "--sort", "base")
    assert code == 2 and "no run has a 'base'" in err


def test_what_is_no_run_is_named(three: Path, cli: Cli) -> None:
    code, out, err = cli("runs")
    assert code == 0 and len(out.splitlines()) == 2 + 3 + 1
    assert "'runs/broken' is left out: this is no JSON" in err
    assert "'runs/pictures' is left out: 'runs/pictures' is not the folder of a run" in err
    assert cli("runs", "show", "pictures")[0] == 2
    code, _, err = cli("runs", "compare", "tiny-1", "tiny-9")
    assert code == 2 and "'runs/tiny-9' is not a folder" in err


def test_no_runs(here: Path, cli: Cli) -> None:
    assert cli("runs", "list", "--format", "json") == (0, "[]\n", "no runs in 'runs'\n")
    code, out, err = cli("runs", "list", "elsewhere")
    assert (code, err) == (0, "no runs in 'elsewhere'\n") and out
