"""Plug-ins: a package that pip installs is found by its entry points; a faulty package gives one error."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

NET = """\
name: own
layers:
  - {name: data, type: Input, top: [data, label], shape: [[4, 3], [4]]}
  - {name: ip, type: InnerProduct, num_output: 5, weight_filler: {type: ramp, last: 2}}
  - {name: bent, type: Bent, slope: 3}
  - {name: loss, type: SoftmaxWithLoss, bottom: [bent, label]}
"""
WITHOUT = NET.replace("type: Bent, slope: 3", "type: ReLU").replace("{type: ramp, last: 2}", "xavier")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which pip has installed the package of tests/plugin, without a network."""
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(ROOT / "tests" / "plugin", folder / "source")
    offline = ["--no-index", "--no-build-isolation", "--no-deps", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", folder / "site", folder / "source"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def netspec(site: Path, folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """A command with the packages of a folder installed; no other test sees them."""
    path = os.pathsep.join([str(site), str(ROOT)])
    command = [sys.executable, "-m", "netspec", *words]
    env = {**os.environ, "PYTHONPATH": path, **env}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.yaml").write_text(NET)
    return tmp_path


def test_its_layer_and_its_filler_work_in_a_net(site: Path, folder: Path) -> None:
    done = netspec(site, folder, "inspect", "net.yaml", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert "bent,Bent,ip,4x5" in done.stdout
    code = f"""
import netspec, numpy as np
net = netspec.Net({NET!r} and "net.yaml", phase="TRAIN", force_backward=True)
x = np.array([[1, -2, 3], [0, 1, 0], [2, 2, 2], [-1, -1, -1]], np.float32)
net.forward(data=x, label=np.zeros(4))
net.backward()
w = np.linspace(0, 2, 15).reshape(5, 3)
y = x @ w.T
np.testing.assert_allclose(net.blobs["bent"].data, np.where(y > 0, 3 * y, y / 3), rtol=1e-5)
dy = net.blobs["bent"].diff
np.testing.assert_allclose(net.blobs["ip"].diff, np.where(y > 0, 3 * dy, dy / 3), rtol=1e-5)
"""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    ran = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


def test_errors_and_suggestions_know_it(site: Path, folder: Path) -> None:
    done = netspec(site, folder, "check", "net.yaml", "layers.bent.slope=-1", "layers.ip.weight_filler.type=rampp")
    assert done.returncode == 3
    assert "layer 'bent' (Bent): `slope` must be more than 0" in done.stderr
    assert "did you mean 'ramp'?" in done.stderr
    typo = netspec(site, folder, "check", "net.yaml", "layers.bent.type=Bnet")
    assert "there is no layer type 'Bnet'" in typo.stderr and "did you mean 'Bent'?" in typo.stderr
    off = netspec(site, folder, "check", "net.yaml", NETSPEC_PLUGINS="off")
    assert off.returncode == 3 and "there is no layer type 'Bent'" in off.stderr


def test_the_schema_has_it_and_the_generated_pages_do_not(site: Path, folder: Path) -> None:
    schema = json.loads(netspec(site, folder, "schema", "net").stdout)
    slope = schema["definitions"]["layers.Bent"]["properties"]["slope"]
    assert {"type": "number", "exclusiveMinimum": 0} in slope["anyOf"]
    assert "fillers.ramp" in schema["definitions"]
    assert "policies.halving" in json.loads(netspec(site, folder, "schema", "solver").stdout)["definitions"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    code = "import docs, sys; sys.stdout.write(docs.layers() + docs.net_schema() + docs.solver_schema())"
    folder = ROOT / "scripts"
    pages = subprocess.run([sys.executable, "-c", code], cwd=folder, env=env, capture_output=True, text=True)
    assert pages.returncode == 0 and "InnerProduct" in pages.stdout, pages.stderr
    assert not [word for word in ("Bent", "ramp", "halving") if word in pages.stdout]


LOOPS = """
class Fine(Filler): pass
class Gaussian(Filler): pass
class Strange(Filler):
    field: "Nowhere"
thing = 3
"""

WRONG = {
    "takes netspec's word": ({"gaussian": "wrong:Gaussian"}, "'wrong' offers the filler 'gaussian', a word of netspec"),
    "cannot be imported": ({"fine": "wrong.deep:Fine"}, "'wrong.deep:Fine' cannot be imported: ModuleNotFoundError"),
    "is not there": ({"fine": "wrong:Finer"}, "'wrong:Finer' cannot be imported: AttributeError"),
    "is no class": ({"fine": "wrong:thing"}, "'wrong:thing' is no Filler"),
    "is of another room": ({"fine": "pathlib:Path"}, "'pathlib:Path' is no Filler"),
    "goes by another word": ({"fine": "wrong:Strange", "Fine": "wrong:Fine"}, "cannot be imported"),
    "has another word": ({"Fine": "wrong:Fine"}, "offers the filler 'Fine', but its class goes by 'fine'"),
}


def package(site: Path, name: str, entries: dict[str, str], text: str = LOOPS, group: str = "fillers") -> None:
    """Write the files of an installed package: a module, its metadata, its entry points."""
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{word} = {value}" for word, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[netspec.{group}]", *lines]) + "\n")
    (site / f"{name}.py").write_text(f"from netspec.fillers.base import Filler\n{text}")


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_plug_in_is_one_error(case: str, folder: Path) -> None:
    entries, said = WRONG[case]
    package(folder / "site", "wrong", entries)
    (folder / "net.yaml").write_text(
        WITHOUT.replace("xavier", "Fine" if "Fine" in entries and len(entries) == 1 else "fine")
    )
    done = netspec(folder / "site", folder, "inspect", "net.yaml")
    assert done.returncode == 9 and done.stdout == ""
    assert done.stderr.startswith("error[NS011]: the package 'wrong' offers") and said in done.stderr
    assert "NETSPEC_PLUGINS=off" in done.stderr and "Traceback" not in done.stderr
    (folder / "net.yaml").write_text(WITHOUT)
    assert (
        netspec(folder / "site", folder, "inspect", "net.yaml").returncode == 0
    )  # of no account to netspec's own words


def test_two_plug_ins_with_one_word(folder: Path) -> None:
    for name in ("one", "two"):
        package(folder / "site", name, {"fine": f"{name}:Fine"})
    (folder / "net.yaml").write_text(WITHOUT.replace("xavier", "fine"))
    done = netspec(folder / "site", folder, "check", "net.yaml")
    assert done.returncode == 9 and "Traceback" not in done.stderr
    assert "the packages 'one' and 'two' both offer the filler 'fine'" in done.stderr


def test_a_word_is_found_without_importing_other_plug_ins(folder: Path) -> None:
    package(folder / "site", "one", {"fine": "one:Fine"})
    package(folder / "site", "two", {"other": "two:Other"}, "raise RuntimeError('imported')\n")
    (folder / "net.yaml").write_text(WITHOUT.replace("xavier", "fine"))
    assert netspec(folder / "site", folder, "inspect", "net.yaml").returncode == 0
    (folder / "net.yaml").write_text(WITHOUT.replace("xavier", "othr"))
    done = netspec(folder / "site", folder, "inspect", "net.yaml")
    assert "did you mean 'other'?" in done.stderr and "imported" not in done.stderr
