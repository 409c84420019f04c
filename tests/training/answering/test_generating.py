"""Text from a net: step by step equal to the whole sequence at once; draws; what cannot write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.training.answering.generating import Writer, drawn, generate
from netspec.training.answering.trained import Trained, UnfitNetError
from tests.helpers.snapshots import snapshot_of

TEXT = "a rose is a rose is a rose\n" * 9


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    return _snapshot(folder, "character")


def _snapshot(folder: Path, unit: str) -> Path:
    (folder / "rose.txt").write_text(TEXT)
    kinds = 256 if unit == "byte" else len(set(TEXT)) + 1
    net: list[dict[str, Any]] = [
        {"name": "data", "type": "Input", "top": ["text", "next", "cont"], "shape": [5, 2], "batch_axis": 1},
        {"name": "embed", "type": "Embed", "bottom": "text", "input_dim": kinds, "num_output": 3, "bias_term": False},
        {"name": "lstm", "type": "LSTM", "bottom": ["embed", "cont"], "num_output": 4},
        {"name": "scores", "type": "InnerProduct", "axis": 2, "num_output": kinds},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["scores", "next"], "axis": 2},
    ]
    for layer in net[1:4]:
        layer["weight_filler"] = {"type": "uniform", "min": -1, "max": 1}
    source = {"type": "Text", "file": str(folder / "rose.txt"), "steps": 5, "unit": unit}
    data = {"train": {"source": {**source, "split": "train"}, "batch_size": 2}}
    return snapshot_of(folder / f"{unit}.safetensors", net, data)


def test_steps_one_by_one_are_the_whole_sequence(written: Path) -> None:
    trained = Trained(written)
    net = netspec.Net(trained.view.document, batch=1, weights=written)
    numbers = [1, 4, 2, 5, 3]
    whole = net.forward(text=np.array(numbers)[:, None], cont=np.array([0, 1, 1, 1, 1])[:, None])["prob"]
    writer = Writer(trained)
    for step, number in enumerate(numbers):
        np.testing.assert_allclose(writer.read(number), whole[step, 0], rtol=1e-5)


def test_a_text_goes_on_and_is_the_same_for_a_seed(written: Path) -> None:
    first = "".join(generate(Trained(written), 40, "a rose", 0.8, seed=3))
    assert first.startswith("a rose") and len(first) == 46 and set(first) <= set(TEXT)
    assert "".join(generate(Trained(written), 40, "a rose", 0.8, seed=3)) == first
    assert "".join(generate(Trained(written), 20, "a rose", 0.8, seed=3)) == first[:26]
    assert "".join(generate(Trained(written), 40, "a rose", 0.8, seed=4)) != first


def test_at_temperature_0_the_likeliest_character_comes(written: Path) -> None:
    text = "".join(generate(Trained(written), 3, "is", 0))
    trained = Trained(written)
    writer = Writer(trained)
    chances = [writer.read(number) for number in writer.numbers("is")][-1]
    for letter in text[2:]:
        assert letter == writer.characters[chances[:-1].argmax()]
        chances = writer.read(writer.characters.index(letter))


def test_bytes_are_decoded(tmp_path: Path) -> None:
    path = _snapshot(tmp_path, "byte")
    writer = Writer(Trained(path))
    assert writer.bytes and writer.numbers("é") == [0xC3, 0xA9]
    text = "".join(generate(Trained(path), 30, "é"))
    assert text.startswith("é") and 1 < len(text) <= 31


def test_draws_follow_the_probabilities_at_a_temperature() -> None:
    chances = np.array([0.1, 0.0, 0.6, 0.3])
    for temperature in (1.0, 0.5):
        found = np.bincount([drawn(chances, temperature, 1, place) for place in range(4000)], minlength=4) / 4000
        wanted = chances ** (1 / temperature)
        np.testing.assert_allclose(found, wanted / wanted.sum(), atol=0.025)
    assert {drawn(chances, 0, seed, 0) for seed in range(20)} == {2}
    assert {drawn(chances, 0.01, seed, 0) for seed in range(20)} == {2}


def test_what_cannot_write_says_so(written: Path, tmp_path: Path) -> None:
    with pytest.raises(UnfitNetError, match="without 'é'"):
        next(generate(Trained(written), 1, "é"))
    net: list[dict[str, Any]] = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3], [2]]},
        {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 4, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    data = {"train": {"source": {"type": "Arrays", "values": [[[1, 2, 3], [4, 5, 6]], [0, 1]]}, "batch_size": 2}}
    with pytest.raises(UnfitNetError, match="predicts no characters"):
        next(generate(Trained(snapshot_of(tmp_path / "a.safetensors", net, data)), 1))
