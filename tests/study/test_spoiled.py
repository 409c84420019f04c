"""Trainings of the zoo, healthy and spoiled on purpose: the doctor names the fault, and nothing else."""

from __future__ import annotations

import pytest

from netspec.study.doctor import examine
from netspec.training.job import load_solver

WIDE = "{type: gaussian, std: 10}"
BELOW = "{type: constant, value: -10}"
ZERO = "{type: constant, value: 0}"
EQUAL = "{type: constant, value: 0.01}"
LAYERS = ("conv1", "conv2", "ip1", "ip2")


def codes(solver: str, overrides: tuple[str, ...] = ()) -> list[str]:
    return [finding.code for finding in examine(load_solver(solver, overrides)).findings]


@pytest.mark.parametrize("solver", ["lenet", "mlp", "lenet_adam", "lenet_lion", "iris_mlp", "linear_svm", "adding_gru"])
def test_nothing_is_found_in_healthy_trainings(solver: str) -> None:
    assert codes(solver) == []


SPOILED = {
    "weights all 0": ("NS320", *(f"net.layers.{layer}.weight_filler={ZERO}" for layer in LAYERS)),
    "weights of deviation 10": ("NS801", *(f"net.layers.{layer}.weight_filler={WIDE}" for layer in LAYERS)),
    "inputs 0 to 255": ("NS802", "data.train.transform=[]", "data.test.transform=[]"),
    "inputs all 0": (
        "NS803",
        "data.train.transform=[{type: Scale, factor: 0.0}]",
        "data.test.transform=[{type: Scale, factor: 0.0}]",
    ),
    "ReLUs dead by their bias": ("NS806", f"net.layers.ip1.bias_filler={BELOW}"),
    "TEST transform missing": ("NS808", "data.test.transform=[]"),
    "test samples in the training set": ("NS810", "data.test.source.split=train"),
    "frozen layers": ("NS813", 'params=[{match: "conv*", lr_mult: 0}]'),
    "decay 1": ("NS814", "weight_decay=1"),
    "few samples": ("NS815", "data.train.limit=40"),
    "scaled twice": (
        "NS824",
        "data.train.transform=[{type: Scale, factor: 0.00001}]",
        "data.test.transform=[{type: Scale, factor: 0.00001}]",
    ),
    "no ReLU between dense layers": ("NS823", "net={extends: lenet, layers: [{remove: relu1}]}"),
    "a softmax too many": (
        "NS323",
        "net={extends: lenet, layers: [{insert_after: ip2, name: prob, type: Softmax, bottom: ip2, top: prob}, "
        "{name: loss, bottom: [prob, label]}]}",
    ),
    "equal weights": ("NS321", *(f"net.layers.{layer}.weight_filler={EQUAL}" for layer in LAYERS)),
    "rate x1000": ("NS817", "base_lr=10"),
    "rate /1000": ("NS818", "base_lr=0.00001"),
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_spoiled_lenet_gets_the_finding_that_names_its_fault(spoiled: str) -> None:
    code, *overrides = SPOILED[spoiled]
    assert codes("lenet", tuple(overrides)) == [code]
