"""The zoo: every net's totals against published or hand-counted figures, every solver sound, everything found by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netspec import locate, zoo
from netspec.diagnostics import Findings
from netspec.infer import expect
from netspec.load import load_net, load_solver

MODELS = sorted(locate.names("models"))
SOLVERS = sorted(locate.names("solvers"))

PUBLISHED = {
    "lenet": (431_080, 2_293_000),  # Caffe examples/mnist
    "cifar10_quick": (145_578, 12_354_176),  # Caffe examples/cifar10
    "mlp": (784 * 500 + 500 + 500 * 300 + 300 + 300 * 10 + 10, 784 * 500 + 500 * 300 + 300 * 10),
    "logistic_regression": (784 * 10 + 10, 784 * 10),
    "linear_svm": (784 * 10 + 10, 784 * 10),
    "two_layer_sigmoid": (2 * 2 + 2 + 2 * 2 + 2, 2 * 2 + 2 * 2),
}


@pytest.mark.parametrize("name", MODELS)
def test_totals_are_the_published_ones(name: str) -> None:
    shaped = load_net(name)
    assert (shaped.total_params, shaped.total_macs // shaped.batch) == PUBLISHED[name]
    found = Findings()
    expect(shaped, found)
    assert not found
    assert shaped.graph.spec.expect, "a zoo net says what it expects"
    assert shaped.graph.spec.cite, "a zoo net says where it comes from"


@pytest.mark.parametrize("name", SOLVERS)
def test_solver_is_sound_and_trains_a_zoo_net(name: str) -> None:
    job = load_solver(name)
    assert job.spec.document.path is not None
    assert job.net.document.path is not None
    assert job.net.document.path.parent.name == "models"


@pytest.mark.parametrize("name", MODELS)
def test_every_net_has_a_solver(name: str) -> None:
    assert {entry.name: entry.solvers for entry in zoo.entries()}[name]


def test_filters_of_the_course_example() -> None:
    """A 32x32x3 input through ten 5x5 filters, stride 1, pad 2: 32x32x10 and 760 parameters (CS231n, convolutional networks)."""
    net = {
        "layers": [
            {"name": "data", "type": "Input", "shape": [[1, 3, 32, 32]]},
            {"name": "conv", "type": "Convolution", "num_output": 10, "kernel_size": 5, "stride": 1, "pad": 2},
        ]
    }
    shaped = load_net(net)
    assert shaped.blobs[-1] == (1, 10, 32, 32)
    assert shaped.total_params == 760
    assert shaped.costs[1].shape_words == "(32+2*2-5)/1+1 = 32"
    assert shaped.costs[1].param_words == "(5*5*3+1)*10 = 760"


def test_copy_gives_files_that_work_where_they_are(tmp_path: Path) -> None:
    paths = zoo.copy("lenet", tmp_path)
    assert sorted(p.relative_to(tmp_path).as_posix() for p in paths) == ["models/lenet.yaml", "solvers/lenet.yaml"]
    assert load_solver(tmp_path / "solvers" / "lenet.yaml").net.document.path == tmp_path / "solvers" / ".." / "models" / "lenet.yaml"


def test_a_file_wins_over_a_zoo_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate.find("lenet", "models").parent.name == "models"
    Path("lenet").write_text("layers: []")
    assert locate.find("lenet", "models") == Path("lenet")


def test_own_shelf_comes_before_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "lenet.yaml").write_text("name: mine")
    monkeypatch.setenv("NETSPEC_ZOO_PATH", str(tmp_path))
    assert locate.names("models")["lenet"] == tmp_path / "models" / "lenet.yaml"


@pytest.mark.parametrize("name", MODELS)
def test_looking_at_a_net_loads_no_numbers(name: str) -> None:
    code = f"""
import sys
sys.argv = ["netspec", "inspect", {name!r}]
from netspec.cli.app import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
heavy = [m for m in ("numpy", "numba", "llvmlite") if m in sys.modules]
sys.exit(f"loaded {{heavy}}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
