"""Recurrent layers as loops over layers, directions, rows and steps: what the layers' tests compare with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from netspec.layers._recurrent import Recurrent
from tests.helpers.checks import Array

Cell = Callable[[Array, list[Array], dict[str, Array]], tuple[Array, list[Array]]]
"""(x and what is static, times their weights; states of a row; params by role) -> (output, states)."""


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def lstm_cell(line: Array, states: list[Array], own: dict[str, Array]) -> tuple[Array, list[Array]]:
    h, c = states
    i, f, o, g = np.split(line + own["h"] @ h, 4)
    p = own.get("peephole", np.zeros((3, len(h))))
    fresh = sigmoid(f + p[1] * c) * c + sigmoid(i + p[0] * c) * np.tanh(g)
    out = sigmoid(o + p[2] * fresh) * np.tanh(fresh)
    return out, [out, fresh]


def gru_cell(line: Array, states: list[Array], own: dict[str, Array]) -> tuple[Array, list[Array]]:
    (h,) = states
    (r, z, n), (hr, hz, hn) = np.split(line, 3), np.split(own["h"] @ h + own["own"], 3)
    r, z = sigmoid(r + hr), sigmoid(z + hz)
    out = (1 - z) * np.tanh(n + r * hn) + z * h
    return out, [out]


def rnn_cell(line: Array, states: list[Array], own: dict[str, Array]) -> tuple[Array, list[Array]]:
    h = np.tanh(line + own["h"] @ states[0])
    return np.tanh(own["out"] @ h + own["out_bias"]), [h]


def walked(layer: Recurrent, cell: Cell, bottoms: list[Array], params: list[Array]) -> list[Array]:
    """The tops of a layer, its carried states being 0."""
    place, h, given = layer.places, layer.num_output, iter(params)
    x = bottoms[0].reshape(*bottoms[0].shape[:2], -1)
    t, n = x.shape[:2]
    cont = np.ones((t, n)) if place.cont is None else bottoms[place.cont]
    lengths = np.full(n, t) if place.lengths is None else bottoms[place.lengths]
    last = [np.zeros((layer.num_layers * layer.directions, n, h)) for _ in layer.memories]
    for k, blobs in enumerate(layer._blobs(tuple(b.shape for b in bottoms))):
        own = {blob.role: next(given) for blob in blobs}
        direction = k % layer.directions
        if direction == 0:
            below, x = x if k == 0 else out, np.zeros(0)  # noqa: F821 - the outputs of the layer below
            out = np.zeros((t, n, layer.directions * h))
        for row in range(n):
            steps = range(int(lengths[row]))
            states = [bottoms[at][k, row] for at in place.initial] or [np.zeros(h) for _ in layer.memories]
            for step in reversed(steps) if direction else steps:
                if not direction:
                    states = [state * cont[step, row] for state in states]
                line = own["x"] @ below[step, row] + own["bias"]
                if "static" in own:
                    line = line + own["static"] @ bottoms[place.static or 0][row].reshape(-1)
                value, states = cell(line, states, own)
                out[step, row, direction * h : (direction + 1) * h] = value
                if direction and step:
                    states = [state * cont[step, row] for state in states]
            for array, state in zip(last, states, strict=True):
                array[k, row] = state
    return [out, *last] if layer.expose_hidden else [out]


def oracle(layer: Any, cell: Cell) -> Callable[[list[Array], list[Array]], list[Array]]:
    return lambda bottoms, params: walked(layer, cell, bottoms, params)


VARIANTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "plain": ({}, ["x"]),
    "marked": ({}, ["x", "cont"]),
    "static": ({}, ["x", "cont", "static"]),
    "both ways": ({"bidirectional": True}, ["x", "cont", "static"]),
    "exposed": ({"expose_hidden": True}, ["x", "cont", "states"]),
    "lengths": ({"lengths": True}, ["x", "cont", "lengths"]),
    "everything": (
        {"num_layers": 3, "bidirectional": True, "lengths": True, "expose_hidden": True},
        ["x", "cont", "static", "states", "lengths"],
    ),
}
"""Ways in which recurrent layers are used: their fields, and their bottoms."""


def arrays(words: list[str], memories: int, walks: int, h: int) -> tuple[list[str], list[Array]]:
    """Names and arrays of the bottoms: T = 4, N = 3, D = 5 of 1 x 5, S = 2."""
    rng = np.random.default_rng(3)
    made: dict[str, list[Array]] = {
        "x": [rng.standard_normal((4, 3, 1, 5))],
        "cont": [np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 1, 1]], float)],
        "static": [rng.standard_normal((3, 2))],
        "states": [rng.standard_normal((walks, 3, h)) for _ in range(memories)],
        "lengths": [np.array([4.0, 2.0, 0.0])],
    }
    return [f"{word}{i}" for word in words for i in range(len(made[word]))], [a for word in words for a in made[word]]
