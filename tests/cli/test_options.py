"""Options that many commands share: home folders, stages and levels, a SOLVER left out."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.language import document, files
from netspec.training.snapshot import latest

Cli = Callable[..., tuple[int, str, str]]
Make = Callable[..., dict[str, Any]]

STAGED = """
name: Staged
layers:
  - {name: data, type: Input, top: [data, label], shape: [[4, 1, 6, 5], [4]]}
  - {name: wide, type: TanH, bottom: data, top: data, include: {stage: wide}}
  - {name: ip, type: InnerProduct, num_output: 3, weight_filler: xavier}
  - {name: loss, type: SoftmaxWithLoss, bottom: [ip, label]}
  - {name: prob, type: Softmax, bottom: ip, include: {stage: deploy, not_stage: wide}}
  - {name: top, type: Softmax, bottom: ip, include: {min_level: 2}}
"""


@pytest.fixture
def home(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder beside the working directory."""
    (here / "home").mkdir()
    (here / "work").mkdir()
    monkeypatch.setenv("HOME", str(here / "home"))
    monkeypatch.chdir(here / "work")
    return here / "home"


def test_a_tilde_is_the_home_folder_in_every_option(
    home: Path, solver: Make, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "s.yaml").write_text(document.dump(solver(max_iter=1)))
    assert cli("train", "~/s.yaml", "--output=~/r", "-q")[0] == 0
    file = latest(home / "r" / "snapshots")
    assert file is not None
    word = f"~/r/snapshots/{file.name}"
    assert cli("train", "~/s.yaml", f"--weights={word}", "-o", "~/tuned", "-q")[0] == 0
    assert cli("train", "~/s.yaml", f"--resume={word}", "max_iter=2", "-q")[0] == 0
    assert len(list((home / "r" / "snapshots").iterdir())) == 2
    assert cli("train", "~/r", "--resume", "max_iter=3", "-q")[0] == 0
    assert cli("train", "~/s.yaml", f"weights={word}", "-o", "~/told", "-q")[0] == 0
    assert cli("test", "~/r", f"--weights={word}", "--format", "json")[0] == 0
    assert cli("test", "~/r")[0] == cli("inspect", "~/r")[0] == cli("check", "~/r")[0] == 0
    assert cli("zoo", "copy", "mlp", "~/mine")[0] == 0 and (home / "mine" / "models" / "mlp.yaml").is_file()
    monkeypatch.setenv("NETSPEC_RUNS_DIR", "~/runs")
    assert cli("train", "~/s.yaml", "-q")[0] == cli("train", "~/s.yaml", "--resume", "-q", "max_iter=2")[0] == 0
    assert [path.name for path in (home / "runs").iterdir()] == ["s-1"]
    assert list(Path().iterdir()) == []  # nothing is called ~ here


def named(cli: Cli, *words: str) -> list[str]:
    """The layers that `inspect` shows."""
    code, out, err = cli("inspect", *words, "--format", "json")
    assert code == 0, err
    return [row["name"] for row in json.loads(out)["rows"]]


def test_stages_and_levels_decide_which_layers_are_seen(here: Path, solver: Make, cli: Cli) -> None:
    (here / "net.yaml").write_text(STAGED)
    (here / "s.yaml").write_text(document.dump(solver(net="net.yaml", stage="wide", level=1, max_iter=1)))
    plain = ["data", "ip", "loss"]
    assert named(cli, "net.yaml") == plain
    assert named(cli, "net.yaml", "--net-stage", "deploy") == [*plain, "prob"]
    assert named(cli, "net.yaml", "--net-stage", "deploy", "--net-stage=wide") == ["data", "wide", *plain[1:]]
    assert named(cli, "net.yaml", "--net-level", "2") == [*plain, "top"]
    assert named(cli, "s.yaml") == ["data", "wide", *plain[1:]]
    assert named(cli, "s.yaml", "--net-level=2") == ["data", "wide", *plain[1:], "top"]
    assert named(cli, "s.yaml", "stage=null", "--net-stage=deploy") == [*plain, "prob"]


def test_a_run_remembers_its_state(here: Path, solver: Make, cli: Cli) -> None:
    """As in Caffe, stages that are typed come to those of the solver, and the level takes the place of its level."""
    (here / "net.yaml").write_text(STAGED)
    (here / "s.yaml").write_text(document.dump(solver(net="net.yaml", stage="deploy", level=1, max_iter=1)))
    assert cli("train", "s.yaml", "--net-stage", "wide", "--net-level", "2", "-q", "-o", "r")[0] == 0
    config = files.read(here / "r" / "config.yaml").plain()
    assert (config["stage"], config["level"]) == (("deploy", "wide"), 2)
    assert named(cli, "r") == ["data", "wide", "ip", "loss", "top"]
    code, _, err = cli("train", "r", "--resume", "max_iter=2")
    assert code == 0 and "level" not in err
    assert cli("train", "s.yaml", "-o", "r", "--resume", "max_iter=3")[0] == 7  # another net
    assert cli("test", "s.yaml", "--weights", latest(here / "r" / "snapshots"), "--net-stage=wide")[0] == 0


def test_expand_leaves_out_what_takes_no_part(here: Path, solver: Make, cli: Cli) -> None:
    """A layer that reads what stands above it says so when the layer above is left out."""
    (here / "net.yaml").write_text(STAGED.replace("top: data, include", "include"))
    (here / "s.yaml").write_text(document.dump(solver(net="net.yaml", stage="wide")))

    def layers(*words: str) -> dict[str, Any]:
        code, out, err = cli("expand", *words, "--format", "json")
        assert code == 0, err
        values = json.loads(out)
        return {layer["name"]: layer.get("bottom") for layer in values.get("net", values)["layers"]}

    everything = {"data": None, "wide": "data", "ip": None, "loss": ["ip", "label"], "prob": "ip", "top": "ip"}
    assert layers("net.yaml") == layers("s.yaml") == everything
    assert list(layers("net.yaml", "--net-stage=wide")) == ["data", "wide", "ip", "loss"]
    assert list(layers("s.yaml", "--net-level=2")) == ["data", "wide", "ip", "loss", "top"]
    assert layers("net.yaml", "--net-stage=deploy") == {
        "data": None, "ip": "wide", "loss": ["ip", "label"], "prob": "ip"
    }  # fmt: skip


def test_a_stage_that_no_layer_names_is_a_slip_of_the_pen(here: Path, solver: Make, cli: Cli) -> None:
    (here / "net.yaml").write_text(STAGED)
    (here / "s.yaml").write_text(document.dump(solver(net="net.yaml")))
    for words in (["inspect", "net.yaml"], ["check", "s.yaml"], ["time", "s.yaml"], ["train", "s.yaml"]):
        code, _, err = cli(*words, "--net-stage", "wode")
        assert code == 2 and "error[NS018]" in err and "did you mean 'wide'?" in err
    assert cli("check", "lenet", "--net-stage", "wode")[0] == 0  # a net without stages is the same in all


def test_the_only_solver_of_a_folder_need_not_be_named(
    here: Path, solver: Make, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = cli("train", "-q")
    assert code == 2 and "which solver? there is none" in err
    (here / "net.yaml").write_text(STAGED)
    (here / "compose.yaml").write_text("services: {web: {image: x}}\n")
    (here / "broken.yaml").write_text("a: [\n")
    (here / ".#my solver.yaml").symlink_to("user@host:1")
    (here / "my solver.yaml").write_text(document.dump(solver(max_iter=1)))
    assert cli("train", "-q")[0] == 0 and (here / "runs" / "my solver-1").is_dir()
    assert cli("train", "max_iter=2", "base_lr=0.2", "-q", "-o", "r")[0] == 0
    assert files.read(here / "r" / "config.yaml").plain()["max_iter"] == 2
    (here / "a.yaml").write_text("extends: my solver.yaml\nmax_iter: 3\n")
    code, _, err = cli("train", "-q")
    assert code == 2 and "has 'a.yaml', 'my solver.yaml'" in err
    monkeypatch.chdir(here / "r")
    assert cli("train", "--resume", "max_iter=4", "-q")[0] == 0  # a run folder is its own solver
    assert len(list((here / "r" / "snapshots").iterdir())) == 2


def test_a_broken_solver_that_is_the_only_one_says_what_is_wrong(here: Path, cli: Cli) -> None:
    (here / "solver.yaml").write_text("net: lenet\nbase_lr: [\n")
    code, _, err = cli("train")
    assert code == 3 and "solver.yaml:" in err


def test_paths_in_a_pipe_start_from_the_current_folder(
    here: Path, solver: Make, arrays: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = solver(max_iter=1, net="net.yaml")
    for phase in ("train", "test"):
        values["data"][phase]["source"]["outputs"] = [f"data/{phase}_{part}.npy" for part in ("x", "y")]
    (here / "data").symlink_to(arrays)
    (here / "net.yaml").write_text(STAGED)
    text = document.dump(values)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert cli("train", "-", "-q")[0] == 0 and (here / "runs" / "Staged-1").is_dir()
    monkeypatch.setattr(sys, "stdin", None)
    code, _, err = cli("check", "-")
    assert code == 3 and "'standard input' is empty" in err


def test_a_zoo_of_ones_own_may_hold_damaged_files(here: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    models, solvers = here / "zoo" / "models", here / "zoo" / "solvers"
    models.mkdir(parents=True)
    solvers.mkdir()
    (models / "mine.yaml").write_text(STAGED)
    (models / "latin.yaml").write_bytes("name: Müller".encode("latin-1"))
    (models / "open.yaml").write_text("layers: [\n")
    (models / "empty.yaml").touch()
    (solvers / "of_mine.yaml").write_text("net: zoo:mine\nmax_iter: 1\n")
    (solvers / "of_another.yaml").write_text("net: ../elsewhere/net.yaml\nmax_iter: 1\n")
    (solvers / "open.yaml").write_text("net: [\n")
    monkeypatch.setenv("NETSPEC_ZOO_PATH", str(here / "zoo"))
    code, out, err = cli("zoo", "list", "--format", "json")
    listed = {entry["name"]: entry for entry in json.loads(out)}
    assert code == 0 and listed["mine"]["solvers"] == ["of_mine"] and "lenet" in listed
    assert not {"latin", "open", "empty"} & set(listed)
    assert all(f"'{name}' is left out" in err for name in ("latin", "open", "empty")) and "lenet" not in err
    assert cli("zoo", "show", "latin")[0] == 0 and cli("zoo", "show", "zoo:mine")[1].strip() == STAGED.strip()
    assert cli("zoo", "copy", "zoo:mine", "mine")[0] == cli("zoo", "copy", "of_another", "other")[0] == 0
    assert (here / "mine" / "solvers" / "of_mine.yaml").is_file()
