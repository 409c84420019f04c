"""`netspec diff`: its sides by words, paths and a pipe; its forms; its exit codes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

Cli = Callable[..., tuple[int, str, str]]

NET = """
layers:
  - {name: data, type: Input, shape: [5, 3]}
  - {name: ip, type: InnerProduct, num_output: 4}
"""


def test_exit_codes(cli: Cli) -> None:
    assert cli("diff", "lenet", "lenet", "--exit-code")[0] == 0
    assert cli("diff", "lenet", "layers.conv1.pad=2")[0] == 0
    code, _, err = cli("diff", "lenet", "layers.conv1.pad=2", "--exit-code")
    assert code == 6
    assert "differ in 5 layers (1 changed, 4 affected)" in " ".join(err.split())
    code, _, err = cli("diff", "lenet")
    assert code == 2 and "nothing says what 'lenet' is compared with" in err
    code, _, err = cli("diff", "lenet", "lenett")
    assert code == 3
    assert "did you mean 'lenet'?" in err


def test_json_is_a_single_document(cli: Cli) -> None:
    code, out, err = cli("diff", "lenet", "layers.ip1.num_output=300", "--exit-code", "--format", "json")
    assert (code, err) == (6, "")
    found = json.loads(out)
    assert found["differ"]
    assert found["counts"]["changed"] == 1
    (change,) = found["layers"][0]["changes"]
    assert change == {"path": "num_output", "before": 500, "after": 300}
    assert found["after"]["params"] - found["before"]["params"] == -200 * (801 + 10)


def test_csv_and_markdown_have_every_layer(cli: Cli) -> None:
    _, out, _ = cli("diff", "lenet", "alexnet", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    gained = sum(int(row["params_after"]) - int(row["params_before"]) for row in rows)
    assert gained == 60_965_224 - 431_080
    _, out, _ = cli("diff", "lenet", "alexnet", "--format", "md")
    assert out.count("\n| ") == len(rows) + 1


def test_a_pipe_and_a_prototxt(cli: Cli, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "a.prototxt").write_text(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 5 dim: 3 } } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 } }\n'
    )
    (here / "b.yaml").write_text(NET)
    assert cli("diff", "a.prototxt", "b.yaml", "--exit-code")[0] == 0
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(NET.replace("4", "7").encode())))
    code, out, _ = cli("diff", "a.prototxt", "-", "--exit-code")
    assert code == 6
    assert "num_output: 4 -> 7" in out


def test_names_are_shown_as_text(cli: Cli, here: Path) -> None:
    (here / "a.yaml").write_text(NET)
    (here / "b.yaml").write_text(NET.replace("name: ip", 'name: "[red]\\e[31m:smile:"'))
    code, out, _ = cli("diff", "a.yaml", "b.yaml")
    assert code == 0
    assert "\x1b" not in out
    assert "[red]" in out
