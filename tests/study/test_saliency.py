"""Saliency: the gradient of a score against finite differences of the net written out in NumPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.study.saliency import saliency
from netspec.study.shown import NothingToShowError, NotThereError, Shown
from tests.helpers.looked_at import trained
from tests.helpers.snapshots import snapshot_of


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, arrays: Path) -> Shown:
    return Shown(str(trained(tmp_path_factory.mktemp("saliency") / "tiny", arrays)))


def score(shown: Shown, x: np.ndarray, number: int) -> float:
    """The score of a class for an image (1, 6, 5), in float64."""
    conv, ip = shown.params("conv"), shown.params("ip")
    windows = np.lib.stride_tricks.sliding_window_view(x[0].astype(np.float64), (3, 3))
    planes = np.einsum("ijkl,okl->oij", windows, conv["weight"][:, 0].astype(np.float64)) + conv["bias"][:, None, None]
    return float(ip["weight"][number].astype(np.float64) @ np.maximum(planes, 0).reshape(-1) + ip["bias"][number])


@pytest.mark.parametrize("wanted", [None, "1"])
def test_the_gradient_is_the_slope_of_the_score(shown: Shown, wanted: str | None) -> None:
    samples = [shown.sample(str(number)) for number in (0, 4, 7)]
    found = saliency(shown, samples, wanted)
    assert found.blob == "ip"  # the score, before the softmax
    for sample, one in zip(samples, found.found, strict=True):
        x = sample.inputs[0]
        scores = [score(shown, x, number) for number in range(3)]
        assert one.number == (1 if wanted else int(np.argmax(scores)))
        assert one.score == pytest.approx(scores[one.number], rel=1e-4)
        slopes, h = np.zeros_like(x, np.float64), 1e-5
        for place in np.ndindex(x.shape):
            there, back = x.astype(np.float64), x.astype(np.float64)
            there[place] += h
            back[place] -= h
            slopes[place] = (score(shown, there, one.number) - score(shown, back, one.number)) / (2 * h)
        np.testing.assert_allclose(one.gradient, slopes, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(one.strength, np.abs(slopes[0]), rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(one.share, (x * slopes)[0], rtol=1e-3, atol=1e-5)
        assert one.truth == f"class {int(sample.truth.item())}"  # type: ignore[union-attr]
    assert np.abs(found.found[0].gradient).max() > 0.01


def test_a_class_that_is_not_there(shown: Shown) -> None:
    with pytest.raises(NotThereError, match="there is no class '3'") as caught:
        saliency(shown, [shown.sample("0")], "3")
    assert "3 classes" in str(caught.value.help)


def test_several_channels_show_their_largest_gradient(tmp_path: Path) -> None:
    layers: list[dict[str, Any]] = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3, 6, 5], [2]]},
        {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 2, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    source = {"type": "Random", "shape": [3, 6, 5], "samples": 4, "classes": 2, "values": "uniform"}
    file = snapshot_of(tmp_path / "n.safetensors", layers, {"train": {"source": source, "batch_size": 2}})
    shown = Shown(str(file))
    (one,) = saliency(shown, [shown.sample("1")], "1").found
    weight = shown.params("ip")["weight"][1].reshape(3, 6, 5)
    np.testing.assert_allclose(one.gradient, weight, rtol=1e-6)
    np.testing.assert_allclose(one.strength, np.abs(weight).max(axis=0), rtol=1e-6)
    np.testing.assert_allclose(one.share, (one.x * weight).sum(axis=0), rtol=1e-5)


def test_no_gradient_reaches_whole_numbers(tmp_path: Path) -> None:
    layers: list[dict[str, Any]] = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3], [2]]},
        {
            "name": "embed",
            "type": "Embed",
            "bottom": "data",
            "input_dim": 7,
            "num_output": 4,
            "weight_filler": "xavier",
        },
        {"name": "ip", "type": "InnerProduct", "num_output": 2, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    for name, values in (("x", np.arange(12).reshape(4, 3) % 7), ("y", np.arange(4) % 2)):
        np.save(tmp_path / f"{name}.npy", values)
    source = {"type": "Arrays", "outputs": [str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]}
    file = snapshot_of(tmp_path / "n.safetensors", layers, {"train": {"source": source, "batch_size": 2}})
    np.save(tmp_path / "one.npy", np.arange(3)[None])
    shown = Shown(str(file))
    with pytest.raises(NothingToShowError, match="no gradient of 'ip' reaches the input 'data'"):
        saliency(shown, [shown.sample(str(tmp_path / "one.npy"))])
