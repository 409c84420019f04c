"""The wheel: it holds the zoo, the bundled images and their licence, and works outside of a checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.helpers import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(site)
    return site


def netspec(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the unpacked wheel's netspec; PYTHONPATH puts it before an editable install."""
    env = {**os.environ, "PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, "-m", "netspec", *words], cwd=folder, env=env, capture_output=True, text=True
    )


def test_wheel_holds_what_a_user_needs_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    models = {Path(n).name for n in names if n.startswith("netspec/bundled/models/")}
    solvers = {Path(n).name for n in names if n.startswith("netspec/bundled/solvers/")}
    assert models == {p.name for p in (ROOT / "models").glob("*.yaml")} | {"net.schema.json"}
    assert solvers == {p.name for p in (ROOT / "solvers").glob("*.yaml")} | {"solver.schema.json"}
    assert "netspec/py.typed" in names
    assert {"train-images-idx3-ubyte.gz", "LICENSE"} <= {
        Path(n).name for n in names if n.startswith("netspec/bundled/fashion_mnist/")
    }
    assert not [n for n in names if n.endswith((".kernel", ".pyc")) or n.startswith("tests/")]


def test_zoo_names_resolve_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    done = netspec(installed, tmp_path, "inspect", "lenet", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert "conv1,Convolution,data,64x20x24x24" in done.stdout
    listed = netspec(installed, tmp_path, "zoo", "list", "--format", "csv").stdout
    assert "lenet,431080,lenet" in listed
    code = "import netspec, sys; sys.stdout.write(netspec.__file__)"
    here = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert Path(here.stdout).is_relative_to(installed)


def test_wheel_trains_on_the_bundled_images(installed: Path, tmp_path: Path) -> None:
    words = [
        "lenet",
        "max_iter=2",
        "data.train.source.subset=true",
        "data.test.source.subset=true",
        "test_iter=1",
        "-o",
        "run",
    ]
    done = netspec(installed, tmp_path, "train", *words)
    assert done.returncode == 0, done.stderr
    assert "10,000 samples" in done.stderr
    assert (tmp_path / "run" / "snapshots" / "iter_000002.safetensors").is_file()


def test_version_is_said_once(wheel: Path) -> None:
    import netspec as package

    assert wheel.name.startswith(f"netspec-{package.__version__}-")
