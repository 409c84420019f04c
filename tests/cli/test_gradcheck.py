"""`netspec gradcheck`: what it compares, what it leaves out, and that it finds a wrong gradient wherever that hides."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from netspec.language import document
from tests.helpers.code import forgotten

Cli = Callable[..., tuple[int, str, str]]
Golden = Callable[[str, str], None]

OWN = '''\
"""Bent: y = x^2 + |x|, with a backward that can be wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Vector
from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.layers.base import Layer


@kernel
def forward(x: Vector, y: Vector, part: int, parts: int) -> None:
    """y = x^2 + |x|."""
    for i in range(*span(x.size, part, parts)):
        y[i] = x[i] * x[i] + abs(x[i])


@kernel
def backward(x: Vector, dy: Vector, dx: Vector, factor: float, last: float, zero: float, part: int, parts: int) -> None:
    """dx = (2 x + the sign of x) dy times `factor`; the last element also times `last`; at 0 it is `zero` times dy."""
    for i in range(*span(x.size, part, parts)):
        if x[i] == 0:
            dx[i] = zero * dy[i]
        else:
            dx[i] = (2.0 * x[i] + (1.0 if x[i] > 0 else -1.0)) * dy[i] * factor
        if i == x.size - 1:
            dx[i] *= last


class Bent(Layer):
    """A square and a kink."""

    factor: float = Field(1.0, description="Factor on the gradient; 1 is right.")
    last: float = Field(1.0, description="Factor on the last element of the gradient; 1 is right.")
    zero: float = Field(0.0, description="The gradient at 0, where there is none.")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The bottom's."""
        return bottoms

    def forward(self, run: Run) -> Calls:
        """One pass."""
        yield Call(forward, run.bottom[0], run.top[0])

    def backward(self, run: Run) -> Calls:
        """One pass."""
        if run.bottom_diff[0] is not None:
            arrays = (run.bottom[0], run.top_diff[0], run.bottom_diff[0])
            yield Call(backward, *arrays, self.factor, self.last, self.zero)
'''


@pytest.fixture
def own(cli: Cli, here: Path) -> Iterator[Cli]:
    """`own(layer, ...)`: gradcheck of a net with a layer `bent` behind a ReLU, whose code is forgotten afterwards."""
    (here / "bent.py").write_text(OWN, encoding="utf-8")

    def call(layer: dict[str, Any], *words: Any) -> tuple[int, str, str]:
        layers = [
            {"name": "data", "type": "Input", "shape": [[3, 40, 7]]},
            {"name": "relu", "type": "ReLU", "bottom": "data"},
            {"name": "bent", "type": "Bent", "bottom": "data"} | layer,
        ]
        (here / "net.yaml").write_text(document.dump({"name": "own", "layers": layers}), encoding="utf-8")
        with forgotten():
            return cli("gradcheck", "net.yaml", "--code", "bent.py", *words)

    yield call


def checked(out: str, layer: str = "bent") -> dict[str, Any]:
    """The only gradient of a layer, in JSON."""
    (found,) = next(one for one in json.loads(out)["layers"] if one["name"] == layer)["blobs"]
    return dict(found)


def test_a_wrong_gradient_is_named(own: Cli) -> None:
    code, out, err = own({"factor": 1.001})
    assert code == 6 and "bent" in out
    assert "error[NS507]: layer 'bent' (Bent): backward says that the gradient of its bottom 'data' at (" in err
    assert "--> net.yaml:" in err and "the relative error is 0.001, the limit 1e-05" in err


def test_a_single_wrong_element_is_found_among_many(own: Cli) -> None:
    code, _, err = own({"last": 1.01}, "--samples", 1)
    assert code == 6 and "gradient of its bottom 'data' at (2, 39, 6) is" in err


def test_what_stdout_says_to_machines_is_one_document(own: Cli) -> None:
    code, out, _ = own({"last": 1.01}, "--format", "json")
    assert code == 6 and "NS507" not in out
    one = checked(out)
    assert one["at"] == [2, 39, 6] and abs(one["analytic"] / one["numeric"] - 1.01) < 1e-6
    assert own({"last": 1.01}, "--format", "json", "--limit", 0.1)[0] == 0


def test_kinks_are_left_out_whatever_backward_says_there(own: Cli) -> None:
    """Behind the ReLU half of the values are 0, where Bent has no gradient."""
    for zero in (0.0, 1e6):
        code, out, err = own({"bottom": "relu", "zero": zero}, "--format", "json")
        one = checked(out)
        assert (code, one["error"] < 1e-8) == (0, True), err
        assert one["kinks"] and len(one["kinks"]) + one["elements"] == 20
        assert one["kinked_tops"] > 300 and one["directions"] == 2


def test_a_wrong_gradient_does_not_hide_among_kinks(own: Cli) -> None:
    code, _, err = own({"bottom": "relu", "factor": 1.001})
    assert code == 6 and "layer 'bent'" in err


def test_where_nothing_can_be_compared_nothing_passes(cli: Cli, here: Path) -> None:
    layers = [
        {"name": "data", "type": "Input", "shape": [[3, 5]]},
        {"name": "zeros", "type": "Power", "scale": 0},
        {"name": "relu", "type": "ReLU"},
    ]
    (here / "net.yaml").write_text(document.dump({"name": "zeros", "layers": layers}), encoding="utf-8")
    code, _, err = cli("gradcheck", "net.yaml")
    assert code == 6 and "error[NS508]: layer 'relu' (ReLU): no value of its bottom 'zeros' can be checked" in err
    assert cli("gradcheck", "net.yaml", "--format", "json")[0] == 6


def test_a_base_below_zero_has_no_root(cli: Cli, here: Path) -> None:
    """What is not a number is left out, and a layer with nothing else passes no check."""
    layers = [
        {"name": "data", "type": "Input", "shape": [[3, 5]]},
        {"name": "root", "type": "Power", "power": 0.5},
    ]
    (here / "net.yaml").write_text(document.dump({"name": "roots", "layers": layers}), encoding="utf-8")
    code, out, err = cli("gradcheck", "net.yaml", "--format", "json")
    one = checked(out, "root")
    assert code == 0 and 0 < len(one["kinks"]) < 15 and one["directions"] == 0 and one["error"] < 1e-8, err
    layers[1]["shift"] = -1000
    (here / "net.yaml").write_text(document.dump({"name": "roots", "layers": layers}), encoding="utf-8")
    assert cli("gradcheck", "net.yaml")[0] == 6


@pytest.mark.parametrize("width", (80, 160))
def test_the_screen(width: int, cli: Cli, golden: Golden, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors are rounding errors, so their digits are left out of the golden file."""
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = cli("gradcheck", "lenet")
    assert code == 0 and max(map(cell_len, out.splitlines())) <= width
    shown = re.sub(r"\d\.\de-\d\d", "~.~e-~~", out)
    shown = re.sub(r"(~  )[\d,]+$|(~  )all of it$", "~", shown, flags=re.MULTILINE)
    golden(f"screens/gradcheck_{width}.txt", "".join(line.rstrip() + "\n" for line in shown.splitlines()))


def test_on_the_data_of_a_solver(solver: Callable[..., dict[str, Any]], cli: Cli, here: Path) -> None:
    (here / "solver.yaml").write_text(document.dump(solver()), encoding="utf-8")
    errors = []
    for words in (("--data",), (), ("--data", "--seed", 2), ("--data", "--phase", "test", "--batch", 3)):
        code, out, err = cli("gradcheck", "solver.yaml", "--format", "json", *words)
        assert code == 0, err
        errors.append(json.loads(out)["worst"])
    assert len(set(errors)) == 4 and max(errors) < 1e-5


def test_data_need_a_solver_that_has_some(cli: Cli, here: Path, solver: Callable[..., dict[str, Any]]) -> None:
    code, _, err = cli("gradcheck", "lenet.yaml", "--data")
    assert code == 3 and "lenet.yaml" in err
    (here / "solver.yaml").write_text(document.dump(solver()), encoding="utf-8")
    code, _, err = cli("gradcheck", "solver.yaml", "--data", "--phase", "TEST", "data.test=null")
    assert code in {2, 3} and "data" in err


def test_repeats_by_seed_and_takes_overrides(cli: Cli, here: Path) -> None:
    words = ("gradcheck", "mlp", "layers.ip1.num_output=7", "--format", "csv")
    cli(*words)  # which may compile
    assert cli(*words) == cli(*words) != cli(*words, "--seed", 2)
    assert "ip1,InnerProduct,param,weight,7x784," in cli(*words)[1]
