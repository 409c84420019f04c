"""`--code FILE.py`: on every command that takes a net; recorded in a run, and asked for when the run goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from netspec.language import document
from netspec.training import snapshot
from tests.helpers.code import FILLER, LAYER, forgotten

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def own(cli: Cli) -> Iterator[Cli]:
    """The command line; the code that a command loads is gone when it ends, as with a process."""

    def call(*words: Any) -> tuple[int, str, str]:
        with forgotten():
            return cli(*words)

    yield call


@pytest.fixture
def folder(here: Path, solver: Callable[..., dict[str, Any]]) -> Path:
    """A folder with cube.py, seven.py, net.yaml and solver.yaml, which need both."""
    values = solver(max_iter=4, snapshot=2, base_lr=0.001)  # a cubic net soon blows up
    layers = values["net"]["layers"]
    layers[2] = {"name": "cube", "type": "Cube"}
    layers[3]["bias_filler"] = "seven"
    (here / "net.yaml").write_text(document.dump({"name": "own", "layers": layers}))
    (here / "solver.yaml").write_text(document.dump(values | {"net": "net.yaml"}))
    (here / "cube.py").write_text(LAYER)
    (here / "seven.py").write_text(FILLER)
    return here


CODE = ("--code", "cube.py", "--code", "seven.py")


@pytest.mark.parametrize(
    "words",
    [
        ["check", "net.yaml", "solver.yaml"],
        ["expand", "net.yaml"],
        ["inspect", "net.yaml"],
        ["inspect", "net.yaml", "--stage", "program"],
        ["time", "net.yaml", "-n", "1"],
    ],
    ids=lambda words: " ".join(words),
)
def test_every_command_that_takes_a_net_takes_code(words: list[str], own: Cli, folder: Path) -> None:
    code, out, err = own(*words, *CODE)
    assert code == 0, err
    assert out
    if words[0] != "expand":
        code, out, err = own(*words)
        assert code == 3 and "there is no layer type 'Cube'" in err


def test_the_schema_has_the_members_of_a_code_file(own: Cli, folder: Path) -> None:
    with_code, without = (json.loads(own("schema", "net", *words)[1])["definitions"] for words in (CODE, ()))
    assert with_code.keys() - without.keys() >= {"layers.Cube", "fillers.seven"}
    assert "factor" in with_code["layers.Cube"]["properties"]


def test_the_zoo_list_takes_code_for_nets_of_a_shelf(own: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "shelf" / "models").mkdir(parents=True)
    (folder / "net.yaml").rename(folder / "shelf" / "models" / "own.yaml")
    monkeypatch.setenv("NETSPEC_ZOO_PATH", str(folder / "shelf"))
    assert "own" in own("zoo", "list", "--format", "csv", *CODE)[1]


def test_suggestions_know_the_members(own: Cli, folder: Path) -> None:
    code, _, err = own("check", "net.yaml", "layers.cube.type=Cueb", *CODE)
    assert code == 3 and "did you mean 'Cube'?" in err
    code, _, err = own("check", "net.yaml", "layers.cube.faktor=3", *CODE)
    assert code == 3 and "did you mean 'factor'?" in err


def test_a_run_remembers_its_code_and_asks_for_it(own: Cli, folder: Path) -> None:
    code, _, err = own("train", "solver.yaml", "-o", "run", *CODE)
    assert code == 0, err
    record = json.loads((folder / "run" / "env.json").read_text())["code"]
    assert [one["name"] for one in record] == ["cube.py", "seven.py"] and all(
        len(one["sha256"]) == 64 for one in record
    )
    assert snapshot.read(folder / "run" / "snapshots" / "iter_000004.safetensors").solver["code"] == record
    for words in (
        ("train", "run", "--resume"),
        ("train", "solver.yaml", "-o", "run", "--resume"),
        ("train", "solver.yaml", "--resume", "run"),
        ("train", "solver.yaml", "--resume", "run/snapshots/iter_000002.safetensors"),
        ("test", "run"),
        ("train", "run/config.yaml", "-o", "other"),
    ):
        code, _, err = own(*words)
        assert code == 2 and "trained with the code of 'cube.py' and 'seven.py', which is not given" in err, words
        assert "no layer type" not in err
    code, _, err = own("test", "run", "--code", "cube.py")
    assert code == 2 and "say --code seven.py" in err
    assert own("test", "run", *CODE)[0] == 0
    code, _, err = own("train", "run", "--resume", "max_iter=6", *CODE)
    assert code == 0 and "changed since:\n  max_iter: 4 -> 6\n" in err


def test_a_run_goes_on_with_edited_code_and_says_so(own: Cli, folder: Path) -> None:
    assert own("train", "solver.yaml", "-o", "run", *CODE)[0] == 0
    (folder / "seven.py").write_text(FILLER + "# edited\n")
    code, _, err = own("train", "run", "--resume", "run/snapshots/iter_000002.safetensors", *CODE)
    assert code == 0 and '\n  code."seven.py": ' in err and "cube.py" not in err
    (folder / "seven.py").write_text(FILLER)
    code, _, err = own("test", "run", *CODE)
    assert code == 0 and 'changed: code."seven.py": ' in err


def test_the_same_bits_whether_or_not_it_was_interrupted(own: Cli, folder: Path) -> None:
    assert own("train", "solver.yaml", "-o", "whole", *CODE)[0] == 0
    assert own("train", "solver.yaml", "-o", "half", "max_iter=2", *CODE)[0] == 0
    assert own("train", "half", "--resume", "max_iter=4", *CODE)[0] == 0
    last = [(folder / run / "snapshots" / "iter_000004.safetensors").read_bytes() for run in ("whole", "half")]
    assert last[0] == last[1]


def test_without_code_nothing_is_recorded(own: Cli, folder: Path) -> None:
    plain = ["net.layers.cube.type=ReLU", "net.layers.ip.bias_filler=constant"]
    assert own("train", "solver.yaml", "-o", "run", *plain)[0] == 0
    assert "code" not in json.loads((folder / "run" / "env.json").read_text())
    assert "code" not in snapshot.read(folder / "run" / "snapshots" / "iter_000004.safetensors").solver
