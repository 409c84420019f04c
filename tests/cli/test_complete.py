"""Completion as a shell asks for it: by the protocol of typer's scripts, and by bash itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from netspec.cli.app import main
sys.argv = ["netspec"]
try:
    main()
finally:
    loud = [name for name in ("numpy", "numba", "llvmlite") if name in sys.modules]
    sys.stderr.write(" ".join(loud))
"""


def asked(folder: Path, line: str, **env: str) -> list[str]:
    """What bash is told for the last word of a line."""
    words = {"_NETSPEC_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=folder, capture_output=True, text=True, env={**os.environ, **words, **env}
    )
    assert (done.returncode, done.stderr) == (0, ""), "an error, or a library that is slow to load"
    return [word for word in done.stdout.splitlines() if word]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("runs/lenet-1", "runs/[odd]-2", "runs/no run", "nets"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("runs/lenet-1", "runs/[odd]-2"):
        (tmp_path / name / "config.yaml").write_text("net: lenet\n")
    (tmp_path / "runs/lenet-1/metrics.csv").write_text("iteration,epoch,loss,rate,gradient,test/accuracy,elapsed\n")
    (tmp_path / "local.yaml").write_text("layers: [{name: data, type: Input, shape: [2, 3]}]\n")
    (tmp_path / ".#local.yaml").write_text("")
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "broken.yaml").write_text("net: [}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("netspec tr", ["train", "trace"]),
        ("netspec inspect li", ["linear_svm"]),
        ("netspec inspect lo", ["local.yaml", "logistic_regression"]),
        ("netspec inspect nets", ["nets/"]),
        ("netspec train runs/", ["runs/no run/", "runs/[odd]-2", "runs/lenet-1"]),
        ("netspec test runs/l", ["runs/lenet-1"]),
        ("netspec zoo copy mlp", ["mlp"]),
        ("netspec plot l", ["lenet-1"]),
        ("netspec plot lenet-1 --only s", ["scores"]),
        ("netspec plot lenet-1 --only te", ["test/accuracy"]),
        ("netspec plot lenet-1 nothing --metric te", ["test/accuracy"]),
        ("netspec explain NS52", ["NS520", "NS521", "NS522", "NS523", "NS524", "NS525", "NS526", "NS528"]),
        ("netspec train lenet base", ["base_lr="]),
        ("netspec train lenet net.layers.conv1.num", ["net.layers.conv1.num_output="]),
        ("netspec train lenet data.train.b", ["data.train.balance=", "data.train.batch_size="]),
        ("netspec train lenet lr_policy.g", ["lr_policy.gamma="]),
        ("netspec train alexnet vars.", ["vars.folder="]),
        ("netspec inspect lenet layers.conv", ["layers.conv1.", "layers.conv2."]),
        ("netspec inspect lenet layers.ip1.num", ["layers.ip1.num_output="]),
        ("netspec inspect resnet20 blocks.residual.layers.conv1.eng", ["blocks.residual.layers.conv1.engine="]),
        ("netspec train nothing base", []),
        ("netspec train broken.yaml base", []),
        ("netspec test lenet --on t", ["test", "train"]),
    ],
)
def test_words_that_are_offered(line: str, wanted: list[str], folder: Path) -> None:
    assert asked(folder, line) == wanted


def test_the_only_key_with_keys_below_is_gone_into(folder: Path) -> None:
    """The shell would put a space behind it."""
    found = asked(folder, "netspec train lenet net.layers.loss")
    assert "net.layers.loss.loss_weight=" in found and "net.layers.loss." not in found


def test_zsh_gets_what_a_word_means(folder: Path) -> None:
    line = {"_NETSPEC_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "netspec explain NS30"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=folder, capture_output=True, text=True, env={**os.environ, **line}
    )
    assert '"NS302":"A bottom names a blob that no earlier layer produces."' in done.stdout


def test_bash_completes(folder: Path, tmp_path: Path) -> None:
    """The script that `netspec --show-completion` prints, called as bash calls it."""
    command = tmp_path / "bin" / "netspec"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom netspec.cli.app import main\nmain()\n")
    command.chmod(0o755)
    script = """
eval "$(_NETSPEC_COMPLETE=source_bash netspec)"
COMP_WORDS=(netspec inspect mobile) COMP_CWORD=2
_netspec_completion netspec
echo "${COMPREPLY[@]}"
"""
    env = {**os.environ, "PATH": f"{command.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, env=env)
    assert (done.stdout, done.stderr) == ("mobilenet_v1\n", "")
