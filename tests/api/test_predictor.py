"""Predictor and Run.predict: answers in Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from netspec.training.job import load_solver
from netspec.training.run import run
from tests.conftest import CLASSES, samples


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], netspec.Run]:
    folder = tmp_path_factory.mktemp("runs") / "run"

    def train(solver: dict[str, Any]) -> netspec.Run:
        if not folder.exists():
            list(run(load_solver(solver), folder))
        return netspec.Run(folder)

    return train


def test_a_run_answers_for_samples(solver: Callable[..., dict[str, Any]], trained: Any, tmp_path: Path) -> None:
    one = trained(solver(max_iter=20, snapshot=10))
    image, label = samples(9, 8)
    answers = one.predict(image)
    net = one.net(batch=9)
    net.forward(data=image, label=label)
    scores = net.blobs["ip"].data.astype(np.float64)
    wanted = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers.values, wanted, rtol=1e-4)
    assert len(answers) == 9 and not answers.errors and answers.classes is None
    assert answers.top(1)[2][0][0] == str(wanted[2].argmax())
    early = one.predict(image, snapshot=one.snapshots[0])
    assert not np.array_equal(early.values, answers.values)
    both = netspec.Predictor(one.path, [one.snapshots[0]]).predict(image)
    np.testing.assert_allclose(both.values, (early.values + answers.values) / 2, rtol=1e-6)
    np.save(tmp_path / "x.npy", image)
    np.testing.assert_array_equal(one.predict(tmp_path / "x.npy").values, answers.values)
    assert one.predict(list(image), blob="ip").values.shape == (9, CLASSES)


def test_what_cannot_be_answered(solver: Callable[..., dict[str, Any]], trained: Any) -> None:
    one = trained(solver(max_iter=20, snapshot=10))
    predictor = netspec.Predictor(one.path)
    assert "Predictor" in repr(predictor) and predictor.classes is None
    missing = predictor.predict(["gone.npy"])
    assert np.isnan(missing.values).all() and "there is no file" in missing.errors[0].message
    assert "1 of them errors" in repr(missing)
    wrong = predictor.predict([np.zeros((1, 6, 4))])
    assert "the net takes 1x6x5" in wrong.errors[0].message
    with pytest.raises(NetspecError, match="paths, or arrays of numbers"):
        predictor.predict([object()])
    with pytest.raises(NetspecError, match="not classes"):
        one.predict(samples(2, 1)[0], blob="ip").top()
    with pytest.raises(NetspecError, match="predicts no characters"):
        predictor.generate(3)
    with pytest.raises(NetspecError, match="a temperature of -1"):
        predictor.generate(3, temperature=-1)
