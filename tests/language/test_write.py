"""Documents as text, and `netspec expand`: the text reads back to equal values, with or without origins."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.core.locate import names
from netspec.language.document import dump, from_python, parse
from netspec.language.expand import expand
from netspec.language.write import MARGIN, origin, write
from netspec.net.digest import digest
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.training.job import load_solver
from tests.conftest import NET
from tests.helpers.plain import VALUES, frozen, types_of

Cli = Callable[..., tuple[int, str, str]]

DOLLARS = st.sampled_from(
    [
        "$",
        "$$",
        "$x",
        "${x}",
        "$(1 + 1)",
        "a$",
        "# no comment",
        "x # y",
        "- a",
        "a: b",
        "\n",
        "é\t",
        "'",
        '"',
        "\\",
        "{",
        "]",
        ",",
    ]
)
NESTED = st.recursive(
    DOLLARS | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(DOLLARS, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(VALUES | st.dictionaries(DOLLARS | st.just("layers") | st.just("net"), NESTED, min_size=1, max_size=4))
def test_what_is_written_is_expanded_to_the_same_values(values: dict[str, Any]) -> None:
    document = from_python(values, "<text>")
    if {"vars", "layers", "blocks", "defaults"} & set(values):
        return  # words of the language
    for origins in (False, True):
        again = expand(parse(write(document, origins))).plain()
        assert again == frozen(values) and types_of(again) == types_of(frozen(values))


def test_a_layer_is_a_line_and_with_origins_a_value_is() -> None:
    net = parse(
        "vars: {n: 20}\nlayers:\n"
        "  - name: conv1\n    type: Convolution\n    num_output: $n\n"
        "  - {name: relu, type: ReLU}\n",
        "n.yaml",
    )
    assert (
        write(expand(net))
        == "layers:\n  - {name: conv1, type: Convolution, num_output: 20}\n  - {name: relu, type: ReLU}"
    )
    rows = write(expand(net), origins=True).splitlines()
    assert rows[3] == f"{'    num_output: 20':<{MARGIN}}  # n.yaml:1:11, put into n.yaml:5:17"
    assert [row.partition("#")[0].rstrip() for row in rows[4:]] == ["  - name: relu", "    type: ReLU"]


def test_origins_name_every_place_on_the_way() -> None:
    text = """blocks:
  a: {layers: [{name: x, type: ReLU}]}
  b: {layers: [{name: y, block: a}]}
defaults: {ReLU: {propagate_down: [false]}}
layers: [{name: data, type: Input}, {name: z, block: b}, {name: r, type: TanH, repeat: 1}]
"""
    flat = expand(parse(text, "n"))
    rows = write(flat, origins=True).splitlines()
    assert [re.sub(" {2,}", "  ", row.strip()) for row in rows[3:]] == [
        "- name: z/y/x  # n:2:23, expanded from n:3:33, expanded from n:5:54",
        "type: ReLU  # n:2:32, expanded from n:3:33, expanded from n:5:54",
        "propagate_down: [false]  # n:4:35, merged into n:2:23, expanded from n:3:33, expanded from n:5:54",
        "- name: r/0  # n:5:65, repeated by n:5:88",
        "type: TanH  # n:5:74, repeated by n:5:88",
    ]
    assert origin(flat.locate("layers", 1, "type")) == "n:2:32, expanded from n:3:33, expanded from n:5:54"


# --- the command ---

BLOCKS = """
# blocks.yaml
name: costs $$5
vars: {width: 4}
blocks:
  unit:
    vars: {w: ~}
    layers: [{name: conv, type: Convolution, num_output: $w, kernel_size: 3, pad: 1}, \
{name: relu, type: ReLU, top: conv}]
layers:
  - {name: data, type: Input, top: [data, label], shape: [[4, 1, 6, 5], [4]]}
  - {name: u, block: unit, repeat: 2, vars: {w: $width}}
  - {name: sum, type: Eltwise, bottom: [u, u/0]}
"""


@pytest.fixture
def blocks(here: Path) -> Path:
    (here / "blocks.yaml").write_text(BLOCKS)
    return here


def test_a_net_is_printed_flat(blocks: Path, cli: Cli) -> None:
    code, out, err = cli("expand", "blocks.yaml", "vars.width=8", "blocks.unit.layers.conv.pad=[1, 1]")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "name: costs $$5",
        "layers:",
        "  - {name: data, type: Input, top: [data, label], shape: [[4, 1, 6, 5], [4]]}",
        "  - {name: u/0/conv, type: Convolution, num_output: 8, kernel_size: 3, pad: [1, 1]}",
        "  - {name: u/0/relu, type: ReLU, top: u/0/conv}",
        "  - {name: u/1/conv, type: Convolution, num_output: 8, kernel_size: 3, pad: [1, 1]}",
        "  - {name: u/1/relu, type: ReLU, top: u/1/conv}",
        "  - {name: sum, type: Eltwise, bottom: [u/1/conv, u/0/conv]}",
    ]
    (blocks / "flat.yaml").write_text(out)
    assert cli("expand", "flat.yaml") == (0, out, "")
    assert load_net("flat.yaml").graph.name == "costs $5"


def test_a_net_is_printed_as_json(blocks: Path, cli: Cli) -> None:
    code, out, err = cli("expand", "blocks.yaml", "--format", "json")
    values = json.loads(out)
    assert (
        (code, err) == (0, "")
        and values["name"] == "costs $5"
        and [layer["name"] for layer in values["layers"]][-1] == "sum"
    )


def test_origins_are_printed_as_comments(blocks: Path, cli: Cli) -> None:
    code, out, err = cli("expand", "blocks.yaml", "vars.width=8", "layers.data.shape=[[4, 1, 8, 8], [4]]", "--origins")
    assert (code, err) == (0, "")
    rows = [row.rstrip() for row in out.splitlines()]
    assert any(
        re.fullmatch(
            r"    num_output: 8 +# command line:1:12, put into blocks.yaml:8:58, expanded from blocks.yaml:11:22", row
        )
        for row in rows
    )
    assert any(re.fullmatch(r"    shape: \[\[4, 1, 8, 8\], \[4\]\] +# command line:1:19", row) for row in rows)
    assert (
        expand(parse(out)).plain()
        == expand(parse(BLOCKS), ["vars.width=8", "layers.data.shape=[[4, 1, 8, 8], [4]]"]).plain()
    )


@pytest.mark.parametrize("inside", [False, True])
def test_a_solver_comes_with_its_net(inside: bool, solver: Callable[..., dict[str, Any]], here: Path, cli: Cli) -> None:
    (here / "net.yaml").write_text(dump(NET))
    (here / "solver.yaml").write_text(
        dump(solver(net=NET if inside else "net.yaml", base_lr="$rate", vars={"rate": 0.25}))
    )
    code, out, err = cli("expand", "solver.yaml", "net.layers.conv.num_output=7", "max_iter=3")
    assert (code, err) == (0, "")
    (here / "flat.yaml").write_text(out)
    job = load_solver("flat.yaml")
    assert job.spec.base_lr == 0.25 and job.spec.max_iter == 3 and "vars" not in parse(out).plain()
    assert digest(job.train.graph) == digest(load_solver("solver.yaml", ["net.layers.conv.num_output=7"]).train.graph)
    assert cli("expand", "flat.yaml") == (0, out, "")
    code, out, err = cli("expand", "solver.yaml", "--origins")
    assert code == 0 and (f"# {'solver' if inside else 'net'}.yaml:" in out.split("layers:")[1].splitlines()[1])


@pytest.mark.parametrize("name", sorted({*names("models"), *names("solvers")}))
def test_what_the_zoo_holds_is_the_same_when_it_is_flat(name: str, here: Path, cli: Cli) -> None:
    code, out, err = cli("expand", name)
    assert (code, err) == (0, "")
    (here / "flat.yaml").write_text(out)
    assert cli("expand", "flat.yaml") == (0, out, "")
    if name in names("models"):
        for phase in ("TRAIN", "TEST"):
            state = State(phase)  # type: ignore[arg-type]
            assert digest(load_net("flat.yaml", state=state).graph) == digest(load_net(name, state=state).graph)


def test_a_name_that_is_a_net_and_a_solver_is_the_net(cli: Cli, here: Path) -> None:
    assert "layers:" in cli("expand", "lenet")[1] and "base_lr" not in cli("expand", "lenet")[1]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["expand", "nowhere"], 3, "neither a file 'nowhere' nor a net of that name"),
        (["expand", "blocks.yaml", "vars.with=1"], 2, "did you mean 'width'?"),
        (["expand", "blocks.yaml", "vars.width=$x"], 3, "no `vars:` gives $x"),
        (["expand", "blocks.yaml", "--origins", "--format", "json"], 2, "--origins are comments"),
    ],
)
def test_mistakes_have_their_exit_codes(words: list[str], code: int, said: str, blocks: Path, cli: Cli) -> None:
    done, out, err = cli(*words)
    assert done == code and said in err + out


def test_neither_numpy_nor_numba_is_imported(blocks: Path) -> None:
    code = """
import sys
import netspec.cli.app as app
try:
    app.main()
finally:
    sys.stderr.write(f"{sorted({'numpy', 'numba'} & set(sys.modules))}")
"""
    for words in (["blocks.yaml"], ["blocks.yaml", "--origins"], ["lenet", "--format", "json"], ["blocks.yaml", "x"]):
        done = subprocess.run(
            [sys.executable, "-c", code, "expand", *words], capture_output=True, text=True, cwd=blocks
        )
        assert done.stderr.endswith("[]") and done.returncode == (2 if "x" in words else 0)
