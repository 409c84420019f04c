"""Embedding: principal components against eigenvectors of the covariance and scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.study.embedding import components, embedding
from netspec.study.shown import NothingToShowError, NotThereError, Shown
from tests.conftest import TEST_SAMPLES, TRAIN_SAMPLES
from tests.helpers.looked_at import trained


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, arrays: Path) -> Shown:
    return Shown(str(trained(tmp_path_factory.mktemp("embedding") / "tiny", arrays)))


def test_components_are_eigenvectors_of_the_covariance() -> None:
    x = np.random.default_rng(3).standard_normal((40, 5)) * [3, 0.5, 2, 1, 0.1] + 7
    points, explained = components(x)
    values, vectors = np.linalg.eigh(np.cov(x.T))
    for axis, number in ((0, -1), (1, -2)):
        own = (x - x.mean(axis=0)) @ vectors[:, number]
        np.testing.assert_allclose(np.abs(points[:, axis]), np.abs(own), rtol=1e-9, atol=1e-9)
        assert explained[axis] == pytest.approx(values[number] / values.sum())
        along = np.linalg.lstsq(points[:, [axis]], x - x.mean(axis=0), rcond=None)[0][0]
        assert along[np.abs(along).argmax()] > 0  # so the picture is never mirrored


def test_components_equal_those_of_scikit_learn() -> None:
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = np.random.default_rng(4).standard_normal((17, 30))  # more values than samples
    points, explained = components(x)
    fitted = decomposition.PCA(2, svd_solver="full")
    np.testing.assert_allclose(np.abs(points), np.abs(fitted.fit_transform(x)), rtol=1e-8)
    np.testing.assert_allclose(explained, fitted.explained_variance_ratio_, rtol=1e-8)


def test_few_samples_and_few_values_have_components_too() -> None:
    points, explained = components(np.array([[1.0], [3.0], [8.0]]))
    np.testing.assert_allclose(points, [[-3, 0], [-1, 0], [4, 0]], atol=1e-12)
    assert explained == (pytest.approx(1.0), 0.0)
    assert components(np.ones((3, 4)))[1] == (0.0, 0.0)


def test_a_blob_of_the_data(shown: Shown, arrays: Path) -> None:
    found = embedding(shown, "ip")
    conv, ip = shown.params("conv"), shown.params("ip")
    x = np.load(arrays / "test_x.npy").astype(np.float64) / 2
    windows = np.lib.stride_tricks.sliding_window_view(x[:, 0], (3, 3), axis=(1, 2))
    planes = np.einsum("nijkl,okl->noij", windows, conv["weight"][:, 0]) + conv["bias"][:, None, None]
    scores = np.maximum(planes, 0).reshape(len(x), -1) @ ip["weight"].T + ip["bias"]
    expected, explained = components(scores)
    np.testing.assert_allclose(found.points, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.explained, explained, rtol=1e-3)
    np.testing.assert_array_equal(found.truth, np.load(arrays / "test_y.npy"))
    assert found.shape == (3,) and found.classes == ("class 0", "class 1", "class 2")


def test_the_blob_is_what_the_last_weights_read(shown: Shown) -> None:
    found = embedding(shown, on="train", samples=9)
    assert found.blob == "relu" and len(found.points) == 9 < TRAIN_SAMPLES
    assert len(embedding(shown, samples=500).points) == TEST_SAMPLES


def test_what_cannot_be_embedded(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotThereError, match="no blob 'fc7'"):
        embedding(shown, "fc7")
    monkeypatch.setattr("netspec.study.embedding._MOST", 50)
    with pytest.raises(NothingToShowError, match="24 values a sample") as caught:
        embedding(shown, "relu")
    assert "--samples 2" in str(caught.value.help)
