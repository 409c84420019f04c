"""What the zoo's solvers need and reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.core import locate
from netspec.language.document import dump, parse
from netspec.training.job import load_solver
from netspec.training.provenance import config
from netspec.training.recipes import recipe


def test_a_solver_on_bundled_data_runs_as_it_stands() -> None:
    assert {name for name in locate.names("solvers") if recipe(name).bundled} == {
        "adding_gru",
        "char_lstm",
        "lenet",
        "lenet_adadelta",
        "lenet_adagrad",
        "lenet_adam",
        "lenet_adamw",
        "lenet_kfac",
        "lenet_lamb",
        "lenet_lion",
        "lenet_nadam",
        "lenet_nesterov",
        "lenet_radam",
        "lenet_rmsprop",
        "iris_mlp",
        "linear_svm",
        "logistic_regression",
        "mlp",
        "overfit_densenet",
        "overfit_resnet20",
        "quadratic",
        "resnet8_fashion",
        "rosenbrock",
        "spirals",
        "transformer_fashion",
        "circuit",
        "sigmoid_neuron",
        "small_convolution",
        "small_pooling",
        "two_layer_sigmoid",
        "two_moons",
    }
    assert recipe("alexnet").data == "Arrays" and recipe("resnet20").data == "Cifar10"
    assert recipe("lenet").reached == {"accuracy": 0.8865}


def test_what_was_reached_belongs_to_one_file(
    here: Path, monkeypatch: pytest.MonkeyPatch, solver: Callable[..., dict[str, Any]]
) -> None:
    folder = here / "solvers"
    folder.mkdir()
    (folder / "parent.yaml").write_text(dump(solver(reached={"accuracy": 0.5})))
    (folder / "child.yaml").write_text("extends: parent\nmax_iter: 3\n")
    monkeypatch.setenv("NETSPEC_ZOO_PATH", str(here))
    assert recipe("parent").reached == {"accuracy": 0.5}
    assert recipe("child").reached == {} and recipe("child").data == "Arrays"
    assert "reached" not in parse(config(load_solver(folder / "parent.yaml"))).plain()
