"""The page "Coming from Caffe": its commands give what it shows, its tables name what there is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import netspec.caffe
from netspec.cli.app import app
from netspec.layers.base import LAYERS
from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "caffe.md").read_text(encoding="utf-8")
BLOCKS = [(language, text) for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.S | re.M)]
NET, SOLVER = (text for language, text in BLOCKS if language == "prototxt")
LAYERS_YAML, SOLVER_YAML = (text for language, text in BLOCKS if language == "yaml")
SHOWN = [part for language, text in BLOCKS if not language for part in re.split(r"^\$ ", text, flags=re.M)[1:]]
COMMANDS = [(part.split("\n", 1)[0], part.split("\n", 1)[1].rstrip("\n") if "\n" in part else "") for part in SHOWN]
FIRST = [line for language, text in BLOCKS if not language and "$" not in text for line in text.splitlines()][:2]


def _section(title: str) -> str:
    return PAGE.split(f"# {title}\n")[1].split("\n#")[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("caffe_page")
    (folder / "lenet_train_test.prototxt").write_text(NET)
    (folder / "lenet_solver.prototxt").write_text(SOLVER)
    return folder


@pytest.fixture
def folder(made: Path, monkeypatch: pytest.MonkeyPatch, cli: Callable[..., tuple[int, str, str]]) -> Path:
    monkeypatch.chdir(made)
    monkeypatch.setenv("COLUMNS", "80")
    if not (made / "train_lmdb").exists():
        pytest.importorskip("lmdb")
        for line in FIRST:
            feed = "data.train" if "--on train" in line else "data.test"
            code, _, err = cli(*line.split()[1:], f"{feed}.limit=128")
            assert code == 0, err
    return made


def _run(cli: Callable[..., tuple[int, str, str]], begin: str) -> list[tuple[str, str]]:
    """What the page shows of the commands that begin so, with what they say (stdout before stderr)."""
    found = []
    for line, shown in COMMANDS:
        if line.startswith(f"netspec {begin}"):
            code, out, err = cli(*line.split()[1:])
            assert code == 0, err
            found.append((shown, out + err))
    assert found
    return found


@pytest.mark.parametrize("begin", ["check", "inspect", "import caffe lenet_"])
def test_commands_say_what_the_page_shows(folder: Path, cli: Callable[..., tuple[int, str, str]], begin: str) -> None:
    for shown, said in _run(cli, begin):
        assert {line for line in shown.splitlines() if line.rstrip() not in said} == set()
    if begin.startswith("import"):
        net, solver = (folder / "net.yaml").read_text(), (folder / "solver.yaml").read_text()
        assert SOLVER_YAML in solver
        for layer in re.split(r"^(?=  - )", LAYERS_YAML.removeprefix("layers:\n"), flags=re.M):
            assert layer in net


def _options(command: Any, words: list[str]) -> set[str]:
    """The options of the command that these words name."""
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    return {name for param in command.params for name in param.opts}


@pytest.fixture
def root(cli: Callable[..., tuple[int, str, str]]) -> Any:
    """The command line as click sees it, its commands registered."""
    cli("--version")
    return get_command(app)


def test_the_options_of_the_page_exist(root: Any) -> None:
    for line in re.findall(r"netspec [^`\n#]*--[^`\n#]*", PAGE):
        known = _options(root, line.split()[1:3]) | {"--help"}
        assert set(re.findall(r"--[a-z-]+", line)) <= known, line
    asked = set(re.findall(r"^\| `(--[a-z]+)[^|]*` \|", PAGE, re.M))
    assert asked <= _options(root, ["import", "caffe"]) | _options(root, ["import", "onnx"])


def test_the_commands_of_the_page_exist(root: Any) -> None:
    known = root.commands
    for word in re.findall(r"`netspec ([a-z]+)", PAGE):
        assert word in known
    alone = PAGE.split("Without a counterpart in Caffe: ")[1].split(";")[0]
    assert {word.split()[0] for word in re.findall(r"`([^`]+)`", alone)} <= set(known)


def test_what_the_table_of_pycaffe_names_is_there() -> None:
    rows = [
        line
        for line in _section("Scripts for pycaffe").splitlines()
        if line.startswith("| `") and "not there" not in line
    ]
    for name in {name for row in rows for name in re.findall(r"`caffe\.([\w.]+)", row)}:
        there: object = netspec.caffe
        for part in name.split("."):
            there = getattr(there, part)


def test_layers_that_forks_become_are_there() -> None:
    becomes = "".join(line.split("|")[2] for line in _section("Layers of forks").splitlines() if line.startswith("| "))
    for word in ("Convolution", "Permute", "LocallyConnected", "L2Normalize", "Unpooling", "Upsample", "Eltwise"):
        assert word in becomes and word in LAYERS.words()


def test_links_lead_somewhere() -> None:
    headings = {line.lstrip("# ").lower().replace(" ", "-") for line in PAGE.splitlines() if line.startswith("#")}
    for link in re.findall(r"\]\(([^)]+)\)", PAGE):
        assert link[1:] in headings if link.startswith("#") else (ROOT / "docs" / link).exists(), link


@pytest.mark.long
def test_the_walk_runs(folder: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    pytest.importorskip("onnxruntime")
    for made in folder.glob("*.yaml"):
        made.unlink()  # of the tests before: an import writes over nothing
    for line, _ in COMMANDS:
        code, _, err = cli(
            *line.replace("--resume full.solverstate max_iter=1200", "--resume full.solverstate max_iter=1001").split()[
                1:
            ]
        )
        assert code == 0, f"{line}\n{err}"
    scope: dict[str, object] = {}
    exec(next(text for language, text in BLOCKS if language == "python"), scope)
