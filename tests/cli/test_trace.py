"""`netspec trace`: its forms, the quiz, and that a layer of the user's own brings its line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.helpers.code import forgotten
from tests.helpers.stderr import quiet

Cli = Callable[..., tuple[int, str, str]]

OWN = '''\
"""Cubed: y = x^3."""

from __future__ import annotations

from netspec.core.worked import Term
from netspec.layers.base_python import PythonLayer


class Cubed(PythonLayer):
    """Cube every value."""

    def top_shapes(self, bottoms):
        """The bottom's shape."""
        return bottoms

    def compute(self, run):
        """The cubes."""
        run.top[0][...] = run.bottom[0] ** 3

    def gradients(self, run):
        """3 x^2 dy."""
        run.bottom_diff[0][...] = 3 * run.bottom[0] ** 2 * run.top_diff[0]

    def worked(self, arrays, index):
        """The cube."""
        yield Term(arrays.bottoms[0][index]).power(3.0).at("y", index)
'''
NET = """\
layers:
  - {name: x, type: Parameter, shape: [1], filler: {type: constant, value: 2}}
  - {name: cube, type: Cubed, loss_weight: 1}
"""


def test_a_layer_of_ones_own_brings_its_line(cli: Cli, here: Path) -> None:
    (here / "cubed.py").write_text(OWN)
    (here / "net.yaml").write_text(NET)
    with forgotten():
        code, out, _ = cli("trace", "net.yaml", "--code", "cubed.py")
    assert code == 0
    assert "    cube[0] = 2^3 = 8\n" in out and "    d x[0] = 1*3*2^2 = 12\n" in out


def test_forms(cli: Cli) -> None:
    made = json.loads(cli("trace", "circuit", "--format", "json")[1])
    assert (made["net"], made["solver"], len(made["iterations"])) == ("Circuit", "SGD", 1)
    line = made["iterations"][0]["batches"][0]["forward"][3]["lines"][0]
    assert line == {"name": "q", "at": [0], "words": "-2 + 5", "value": 3.0}
    rows = list(csv.DictReader(io.StringIO(cli("trace", "circuit", "--format", "csv")[1])))
    assert rows[-1]["arithmetic"] == "-4 - .1*3" and float(rows[-1]["value"]) == -4.3
    assert "| q\\[0\\] " in cli("trace", "circuit", "--format", "md")[1]


def test_two_iterations(cli: Cli) -> None:
    code, out, _ = cli("trace", "circuit", "momentum=0.5", "--iterations", "2")
    assert code == 0
    assert "iteration 2: FORWARD\n" in out
    assert "    momentum of z.value[0] = .5*.3 + .1*3.8 = .53\n" in out
    assert "    z.value[0] = -4.3 - .53 = -4.83\n" in out


@pytest.mark.parametrize("width", [40, 80])
def test_lines_fit(width: int, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    out = cli("trace", "small_convolution")[1]
    assert max(map(cell_len, out.splitlines())) <= width
    assert "BACKWARD: d x is the slope of the loss by x" in " ".join(out.split())


def answered(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let standard input bring a text."""
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_quiz_that_is_answered_rightly(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, "3\n-12\n-4\n3\n-1.6\n5.4\n-4.3\n")
    code, out, err = cli("trace", "circuit", "--quiz")
    assert code == 0 and quiet(err), err
    assert "    q[0] = ? 3\n    right\n" in out
    assert "-2 + 5" not in out
    assert out.endswith("\n7 of 7 right\n")


def test_a_quiz_with_mistakes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, "7\n3\n12\n11\n\n")
    code, out, err = cli("trace", "circuit", "--quiz", "--questions", "3")
    assert code == 6 and "error[NS878]" in err
    assert "    no: too large; compute -2 + 5\n" in out or "    no: " in out
    assert " of 3 right\n" in out


def test_a_quiz_needs_standard_input_and_a_text(cli: Cli) -> None:
    for words in (("-", "--quiz"), ("circuit", "--quiz", "--format", "json")):
        assert cli("trace", *words)[0] == 2
