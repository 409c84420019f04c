"""Nets of lines, volumes and enlarged images: no rewrite, and nothing that is made of params once, changes a number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.engine.bind import bind, compile_net
from netspec.engine.program import Program
from netspec.engine.rewrite import REWRITES
from netspec.engine.weights import fill_weights
from tests.helpers.programs import SEED, Net, feed, gradients, poisoned, shaped, training
from tests.helpers.specs import loss

Fields = dict[str, Any]
WITHOUT = tuple(sorted(REWRITES))


def product(name: str, type: str = "Convolution", **fields: Any) -> Fields:
    fillers = {"weight_filler": "xavier", "bias_filler": {"type": "uniform", "min": 0.1, "max": 0.9}}
    return {"name": name, "type": type, "num_output": 5, **fillers, **fields}


def relu(name: str) -> Fields:
    return {"name": name, "type": "ReLU"}


def after(shape: list[int], *layers: Fields) -> Net:
    inputs = {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [shape, [shape[0]]]}
    last: list[Fields] = [{"name": "flat", "type": "InnerProduct", "num_output": 3, "weight_filler": "xavier"}]
    return {"name": "axes", "layers": [inputs, *layers, *last, loss("flat")]}


NORM = {"name": "norm", "type": "BatchNorm", "affine": True}
NETS: dict[str, Net] = {
    "lines": after([4, 3, 9], product("a", kernel_size=3), relu("r"), product("b", kernel_size=2, group=5)),
    "volumes": after(
        [2, 3, 4, 6, 5],
        product("a", kernel_size=3, pad=1),
        relu("r"),
        product("b", kernel_size=2, stride=2),
        relu("s"),
        product("c", "Deconvolution", kernel_size=3, stride=2),
    ),
    "volumes by minimal filtering": after(
        [2, 6, 3, 5, 4],
        product("a", kernel_size=3, pad=1, num_output=16),
        product("b", "Deconvolution", kernel_size=3, pad=1, num_output=16),
        product("c", kernel_size=3, pad=1, num_output=17),
    ),
    "enlarged images": after(
        [2, 3, 4, 6],
        product("a", kernel_size=3, pad=1),
        NORM,
        product("b", "Deconvolution", kernel_size=4, stride=2, pad=1),
        relu("r"),
        product("c", kernel_size=3, bottom=["r", "r"], top=["one", "two"]),
        {"name": "sum", "type": "Eltwise", "bottom": ["one", "two"]},
    ),
    "channels along axis 2": after(
        [2, 3, 4, 6],
        product("a", kernel_size=3, pad=1),
        product("b", kernel_size=3, axis=2),
        relu("r"),
        product("c", "Deconvolution", kernel_size=2, axis=2),
        product("d", "LocallyConnected", kernel_size=2),
        {"name": "e", "type": "Im2col", "kernel_size": 2},
        product("f", kernel_size=1),
    ),
    "points": after([4, 6], product("a", kernel_size=1), {**NORM, "name": "n"}, relu("r")),
}


@pytest.mark.parametrize("name", NETS)
def test_training(name: str) -> None:
    one, plain = training(NETS[name], keep=False), training(NETS[name], without=WITHOUT)
    for iteration in range(2):
        mine, theirs = gradients(one, iteration), gradients(plain, iteration)
        np.testing.assert_allclose(one.loss[0], plain.loss[0], rtol=1e-10)
        for param, diff in theirs.items():
            small = max(1e-14, 1e-9 * np.abs(diff).max())  # that of a bias below a BatchNorm is 0 but for rounding
            np.testing.assert_allclose(mine[param], diff, rtol=1e-8, atol=small, err_msg=param)
        for program in (one, plain):
            program.run("update")


def bound(given: Net, without: tuple[str, ...]) -> Program:
    one, memory = compile_net(shaped(given, "TEST"), "float64", False, without)
    return bind(one, memory, fill_weights(one, "float64", SEED), SEED, arena=poisoned(memory.arena))


@pytest.mark.parametrize("name", NETS)
def test_testing(name: str) -> None:
    """Params stand still: filters are packed once, before the first of several batches."""
    one, plain = bound(NETS[name], ()), bound(NETS[name], WITHOUT)
    for program in (one, plain):
        for key, array in zip(program.weights.names, program.weights.data, strict=True):
            array[...] = np.random.default_rng(len(key)).uniform(0.3, 1.5, array.shape)
    for iteration in range(3):
        for program in (one, plain):
            feed(program, iteration)
            program.forward()
        np.testing.assert_allclose(one.loss[0], plain.loss[0], rtol=1e-10)
        assert np.isfinite(one.loss[0])
