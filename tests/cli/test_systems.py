"""Windows and macOS: nothing is needed that only POSIX or only Linux has. Run here, with those things taken away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

import llvmlite.binding as llvm
import pytest

from netspec.codegen import compile as compiling
from netspec.codegen import cpu
from netspec.core import locate
from netspec.core.cores import cores
from netspec.language.document import dump

ROOT = Path(__file__).parents[2]


def test_commands_need_nothing_that_windows_lacks(here: Path, solver: Callable[..., dict[str, Any]]) -> None:
    (here / "tiny.yaml").write_text(
        dump(solver(test_interval=5, snapshot=5, snapshot_keep=2, display=1)), encoding="utf-8"
    )
    commands = [
        ["check", "tiny.yaml"],
        ["inspect", "lenet"],
        ["zoo", "copy", "mlp", "zoo"],
        ["!", "train", "tiny.yaml", "-o", "run"],
        ["train", "tiny.yaml", "-o", "run", "--resume"],
        ["train", "run", "--resume", "run/snapshots/iter_000015.safetensors"],
        ["test", "run"],
        ["time", "two_layer_sigmoid", "-n", "1"],
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.elsewhere"],
        input="\n".join(map(json.dumps, commands)),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == ["0", "0", "0", "130", "0", "0", "0", "0"], done.stderr
    assert b"\r" not in (here / "run" / "metrics.jsonl").read_bytes()


def test_files_of_claims_have_names_for_windows(tmp_path: Path) -> None:
    names = ["conv.convolve", "netspec.layers.relu:ReLU.value"]
    assert list(compiling.unclaimed(str(tmp_path), names)) == names
    assert not list(compiling.unclaimed(str(tmp_path), names))
    assert not any(":" in path.name for path in tmp_path.iterdir())


def test_a_system_that_does_not_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS tells no affinity, and on ARM no features of the CPU."""

    def refuse() -> None:
        raise RuntimeError("failed to query host cpu features.")

    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(llvm, "get_host_cpu_features", refuse)
    assert cores() == os.cpu_count()
    assert cpu.features() == {}


@pytest.mark.parametrize(
    ("text", "path"),
    [("models/lenet", True), (r"models\lenet", True), ("C:lenet", True), ("lenet", False), ("a=b", False)],
)
def test_paths_of_windows(text: str, path: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locate.os, "sep", "\\")
    monkeypatch.setattr(locate.os, "altsep", "/")
    monkeypatch.setattr(locate, "Path", PureWindowsPath)
    assert locate.is_path(text) is path
