"""What one command takes, all take: nets, solvers, run folders, zoo names and pipes, by paths of any form.

A mutation run draws a command, a kind of reference and a path. Every net has a name of its own, which tells what was
read.
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.language import document, files
from netspec.language.document import dump
from tests.helpers.mutations import seeds
from tests.helpers.trees import NAMES, Tree

Cli = Callable[..., tuple[int, str, str]]
COMMANDS = ("inspect", "check", "expand", "time", "train", "test")


def net(name: str, outputs: int) -> dict[str, Any]:
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3], [2]]},
        {"name": "ip", "type": "InnerProduct", "num_output": outputs, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
        {"name": "prob", "type": "Softmax", "bottom": "ip", "include": {"stage": "deploy", "min_level": 2}},
    ]
    return {"name": name, "layers": layers}


class World:
    """A tree with nets, solvers and runs in it, and what the commands say of them."""

    def __init__(self, seed: int, root: Path) -> None:
        self.random = random.Random(seed)
        self.tree = Tree(root, self.random)
        self.tree.grow()
        self.root = root
        np.save(root / "data.npy", np.ones((5, 3), np.float32))
        np.save(root / "label.npy", np.zeros(5, np.int64))

    def spec(self, kind: str) -> tuple[Path, str, int]:
        """A net or solver, or a run folder, somewhere in the tree; its file, and the name and outputs of its net."""
        place = self.random.choice(self.tree.folders)
        name = f"Net {self.random.randrange(10**9)}"
        outputs = self.random.randint(2, 9)
        values = net(name, outputs)
        if kind != "net":
            source = {"type": "Arrays", "outputs": [str(self.root / "data.npy"), str(self.root / "label.npy")]}
            feeds = {phase: {"source": source, "batch_size": 2} for phase in ("train", "test")}
            values = {"net": values, "data": feeds, "base_lr": 0.1, "lr_policy": "fixed", "max_iter": 1}
        if kind == "run":
            place = place / f"run {self.random.choice(NAMES)}"
            place.mkdir(exist_ok=True)
        file = place / ("config.yaml" if kind == "run" else f"spec {self.random.choice(NAMES)}.yaml")
        file.write_text(dump(values).replace("$", "$$"), encoding="utf-8")
        return file, name, outputs

    def typed(self, file: Path, run: bool) -> str:
        """A path to a file, or to the folder of a run, as a user might type it in the current folder."""
        path = self.tree.path(Path(), file.parent if run else file)
        choice = self.random.random()
        if choice < 0.15:
            path = os.path.abspath(os.path.realpath(path))
        elif choice < 0.3:  # HOME is the root of the tree
            path = "~/" + os.path.relpath(os.path.realpath(path), os.path.realpath(self.root))
        elif not path.startswith(("/", ".")):
            path = "./" + path
        return path + (self.random.choice(["", "/", "/."]) if run else "")


@contextmanager
def piped(kind: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A reference to a pipe that gives the text of a file."""
    content = file.read_bytes()
    if kind == "-":
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        yield "-"
    elif kind == "descriptor":
        end, begin = os.pipe()
        os.write(begin, content)
        os.close(begin)
        yield f"/dev/fd/{end}"
        os.close(end)
    else:
        os.mkfifo("pipe")
        writer = threading.Thread(target=Path("pipe").write_bytes, args=(content,), daemon=True)
        writer.start()
        yield "./pipe"
        writer.join(10)


def said(command: str, out: str) -> str:
    """The name of the net in the answer of a command."""
    if command in {"inspect", "time"}:
        return str(json.loads(out)["net"])
    if command == "expand":
        values = json.loads(out)
        return str(values.get("net", values)["name"])
    return out


@pytest.mark.parametrize("seed", seeds(30))
def test_every_command_takes_every_reference(seed: int, here: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(here))
    world = World(seed, here)
    chance = world.random
    command, kind = chance.choice(COMMANDS), chance.choice(["net", "solver", "run"])
    if command in {"train", "test"} and kind == "net":
        kind = "solver"
    file, name, outputs = world.spec(kind)
    os.chdir(chance.choice(world.tree.folders))
    form = chance.choice(["path", "path", "path", "-", "descriptor", "fifo"])
    words: list[str] = {"time": ["-n", "1"], "train": ["-q", "-o", str(here / "out")]}.get(command, [])
    words += ["--format", "json"] if command in {"inspect", "time", "expand", "test"} else []
    if command == "test":
        first = here / "first"
        assert cli("train", file, "-q", "-o", first)[0] == 0
        words += ["--weights", str(first / "snapshots" / "iter_000001.safetensors")]
    deploy = chance.random() < 0.5
    words += ["--net-stage=deploy", "--net-level=2"] if deploy else []
    if form == "path":
        code, out, err = cli(command, *words, "--", world.typed(file, kind == "run"))
    else:
        with piped(form, file, monkeypatch) as reference:
            code, out, err = cli(command, *words, "--", reference)
    assert code == 0, err
    if command == "train":
        values = files.read(here / "out" / "config.yaml").plain()
        assert values["net"]["name"] == name
        assert values.get("stage") == (("deploy",) if deploy else None) and values.get("level") == (
            2 if deploy else None
        )
    elif command == "test":
        assert json.loads(out)["samples"] == 5
    elif command == "check":
        assert (f"a sound net, {4 * outputs} parameters" if kind == "net" else f"net '{name}'") in out
    else:
        assert said(command, out) == name
        assert ('"prob"' in out) == (deploy or command == "expand")


def test_a_name_of_a_file_breaks_no_line(here: Path, cli: Cli) -> None:
    file = here / "a,b:c%\nlayers: x.yaml"
    file.write_text(dump(net("odd", 4)))
    code, out, _ = cli("expand", file.name, "--origins")
    assert code == 0 and document.parse(out).plain() == document.parse(file.read_text()).plain()
    file.write_text("layers: 3\n")
    code, out, _ = cli("check", file.name, "--format", "github")
    (line,) = out.splitlines()
    assert code == 3 and line.startswith("::error file=a%2Cb%3Ac%25%0Alayers%3A x.yaml,line=1,col=9,title=NS203::")


@pytest.mark.skipif(os.name == "nt" or sys.platform == "darwin", reason="the system takes only names that are text")
def test_names_that_are_no_text(here: Path, solver: Callable[..., dict[str, Any]], cli: Cli) -> None:
    """A solver and a run may be called so; a path that config.yaml cannot hold is refused before the training."""
    name = os.fsdecode(b"s\xff")
    (here / f"{name}.yaml").write_text(dump(solver(max_iter=1)))
    assert cli("train", f"{name}.yaml", "-q")[0] == cli("train", f"runs/{name}-1", "--resume", "-q")[0] == 0
    (here / name).mkdir()
    source = {"type": "Arrays", "outputs": ["x.npy", "y.npy"]}
    np.save(here / name / "x.npy", np.ones((5, 3), np.float32))
    np.save(here / name / "y.npy", np.zeros(5, np.int64))
    values = solver(max_iter=1, net=net("odd", 4), data={"train": {"source": source, "batch_size": 2}})
    (here / name / "s.yaml").write_text(dump(values))
    code, _, err = cli("train", f"{name}/s.yaml", "-q", "-o", "r")
    assert code == 9 and "config.yaml cannot hold the path" in err
    assert not (here / "r").exists()
