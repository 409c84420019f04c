"""Predictions: against softmax(x W + b) by hand, and loops over windows; inputs of every kind, and broken ones."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netspec.core.errors import UsageError
from netspec.data.facts import Facts, OutputFacts
from netspec.training import snapshot
from netspec.training.answering.predicting import EnsembleError, Predictor, ten_windows
from netspec.training.answering.trained import NoNetError, Trained, UnfitNetError
from tests.helpers.snapshots import snapshot_of

C, H, W, CLASSES = 3, 5, 6, 4
Maker = Callable[..., Path]


def layers(shape: list[int], outputs: int = CLASSES, loss: str = "SoftmaxWithLoss", truth: tuple[int, ...] = ()) -> Any:
    return [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, *shape], [2, *truth]]},
        {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": outputs, "weight_filler": "xavier"},
        {"name": "loss", "type": loss, "bottom": ["ip", "label"]},
    ]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four folders of two images each, all of one size; names by their classes."""
    root = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(5)
    for name in ("ant", "bee", "cat", "dog"):
        (root / name).mkdir()
        for i in range(2):
            Image.fromarray(random.integers(0, 256, (H, W, C), np.uint8)).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def of_photos(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    feed = {"source": {"type": "ImageFolder", "folder": str(photos)}, "batch_size": 2}
    feed["transform"] = [{"type": "Scale", "factor": 0.01}]
    return snapshot_of(tmp_path_factory.mktemp("a") / "photos.safetensors", layers([C, H, W]), {"train": feed})


def by_hand(path: Path, x: np.ndarray, activation: str = "softmax") -> np.ndarray:
    """softmax(x W^T + b) of samples (N, ...), sample by sample."""
    weights = {str(key): array.astype(np.float64) for key, array in snapshot.read(path).weights.items()}
    rows = []
    for sample in x.astype(np.float64):
        score = weights["ip.weight"] @ sample.reshape(-1) + weights["ip.bias"]
        e = np.exp(score - score.max())
        rows.append(e / e.sum() if activation == "softmax" else score)
    return np.array(rows)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).transpose(2, 0, 1)


def test_a_folder_of_images_is_answered_in_order_with_the_names_of_classes(photos: Path, of_photos: Path) -> None:
    found = Predictor([Trained(of_photos)]).predict([str(photos)])
    files = sorted(photos.glob("*/*.png"))
    assert found.names == [str(file) for file in files]
    wanted = by_hand(of_photos, np.stack([pixels(file) for file in files]) * 0.01)
    np.testing.assert_allclose(found.array(), wanted, rtol=1e-5)
    assert found.labels == ("ant", "bee", "cat", "dog")
    best = found.top(3, 2)
    order = np.argsort(-wanted[3])[:2]
    assert [number for number, _ in best] == order.tolist()
    assert [value for _, value in best] == pytest.approx(wanted[3][order], rel=1e-5)


def test_a_snapshot_alone_is_enough(photos: Path, of_photos: Path, tmp_path: Path) -> None:
    image = shutil.copy(photos / "bee" / "1.png", tmp_path / "x.png")
    alone = Path(shutil.copy(of_photos, tmp_path / "alone.safetensors"))
    hidden = photos.rename(photos.with_name("hidden"))
    try:
        found = Predictor([Trained(alone)]).predict([image])
    finally:
        hidden.rename(photos)
    np.testing.assert_allclose(found.array(), by_hand(alone, pixels(Path(image))[None] * 0.01), rtol=1e-5)


def test_what_cannot_be_read_is_an_error_of_its_own(photos: Path, of_photos: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    Image.new("RGB", (W + 1, H)).save(tmp_path / "wide.png")
    good = str(photos / "cat" / "0.png")
    words = [str(tmp_path / "text.png"), good, str(tmp_path / "wide.png"), str(tmp_path / "gone.png"), good]
    found = Predictor([Trained(of_photos)]).predict(words)
    assert found.names == words and sorted(found.errors) == [0, 2, 3]
    assert [error.exit_code for error in found.errors.values()] == [4, 4, 4]
    assert all(Path(words[i]).name in error.message for i, error in found.errors.items())
    assert f"it is {C}x{H}x{W + 1}; the net takes {C}x{H}x{W}" in found.errors[2].message
    array = found.array()
    assert np.isnan(array[[0, 2, 3]]).all() and np.isfinite(array[[1, 4]]).all()
    np.testing.assert_array_equal(array[1], array[4])


def test_a_folder_is_read_as_the_source_of_folders_reads_it(photos: Path, of_photos: Path, tmp_path: Path) -> None:
    """2 before 10, nothing hidden, and a link to a folder that it lies in is not followed."""
    for name in ("10.png", "2.png", "sub/1.png", "__MACOSX/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(photos / "ant" / "0.png", tmp_path / name)
    (tmp_path / "sub" / "up").symlink_to(tmp_path)
    found = Predictor([Trained(of_photos)]).predict([str(tmp_path)])
    assert found.names == [str(tmp_path / name) for name in ("2.png", "10.png", "sub/1.png")]


def test_an_empty_folder(of_photos: Path, tmp_path: Path) -> None:
    (tmp_path / ".hidden.png").write_bytes(b"")
    found = Predictor([Trained(of_photos)]).predict([str(tmp_path)])
    assert "holds no images" in found.errors[0].message


@pytest.mark.parametrize("batch", [1, 3, 16])
def test_the_batch_size_changes_nothing(of_photos: Path, batch: int) -> None:
    x = np.random.default_rng(1).integers(0, 256, (7, C, H, W)).astype(np.uint8)
    found = Predictor([Trained(of_photos)], batch=batch).predict_arrays(x)
    np.testing.assert_allclose(found.array(), by_hand(of_photos, x * 0.01), rtol=1e-5)
    assert found.names == [f"[{i}]" for i in range(7)]


def test_standard_input_is_an_image_an_array_or_names_of_files(photos: Path, of_photos: Path, tmp_path: Path) -> None:
    file, other = photos / "dog" / "0.png", photos / "ant" / "1.png"
    predictor = Predictor([Trained(of_photos)])
    wanted = by_hand(of_photos, np.stack([pixels(file), pixels(other)]) * 0.01)
    image = predictor.predict(["-"], io.BytesIO(file.read_bytes()))
    assert image.names == ["stdin"]
    np.testing.assert_allclose(image.array(), wanted[:1], rtol=1e-5)
    out = io.BytesIO()
    np.save(out, np.stack([pixels(file), pixels(other)]))
    array = predictor.predict(["-"], io.BytesIO(out.getvalue()))
    assert array.names == ["stdin[0]", "stdin[1]"]
    np.testing.assert_allclose(array.array(), wanted, rtol=1e-5)
    names = predictor.predict(["-"], io.BytesIO(f"{file}\n{other}\n".encode()))
    assert names.names == [str(file), str(other)]
    np.testing.assert_allclose(names.array(), wanted, rtol=1e-5)
    assert "empty" in predictor.predict(["-"], io.BytesIO()).errors[0].message
    assert "no sound .npy" in predictor.predict(["-"], io.BytesIO(out.getvalue()[:60])).errors[0].message


def test_an_ensemble_is_the_mean_of_probabilities(photos: Path, of_photos: Path, tmp_path: Path) -> None:
    feed = {"source": {"type": "ImageFolder", "folder": str(photos)}, "batch_size": 2}
    other = snapshot_of(tmp_path / "b.safetensors", layers([C, H, W]), {"train": feed}, random_seed=7)
    file = photos / "ant" / "0.png"
    x = pixels(file)[None].astype(float)
    found = Predictor([Trained(of_photos), Trained(other)]).predict([str(file), str(file.with_name("gone.png"))])
    wanted = (by_hand(of_photos, x * 0.01) + by_hand(other, x)) / 2
    np.testing.assert_allclose(found.array()[:1], wanted, rtol=1e-5)
    assert sorted(found.errors) == [1]


def test_nets_of_other_classes_do_not_answer_together(photos: Path, of_photos: Path, tmp_path: Path) -> None:
    feed = {"source": {"type": "ImageFolder", "folder": str(photos)}, "batch_size": 2}
    five = snapshot_of(tmp_path / "five.safetensors", layers([C, H, W], 5), {"train": feed})
    with pytest.raises(EnsembleError, match="answers with 5 classes"):
        Predictor([Trained(of_photos), Trained(five)])
    renamed = Trained(of_photos)
    outputs = (OutputFacts(shape=(C, H, W)), OutputFacts(shape=(), classes=("ant", "bug", "cat", "dog")))
    renamed.facts = Facts(outputs=outputs)
    with pytest.raises(EnsembleError, match=r"class 1 is 'bug' in .*, and 'bee' in"):
        Predictor([Trained(of_photos), renamed])


def test_ten_windows_are_four_corners_the_middle_and_their_mirror_images() -> None:
    x = np.random.default_rng(2).normal(size=(2, 3, 7, 9))
    h, w = 4, 5
    found = ten_windows(x, h, w)
    assert found.shape == (2, 10, 3, h, w)
    for n in range(2):
        for k, (top, left) in enumerate([(0, 0), (0, 4), (3, 0), (3, 4), (1, 2)]):
            for c in range(3):
                for i in range(h):
                    for j in range(w):
                        assert found[n, k, c, i, j] == x[n, c, top + i, left + j]
                        assert found[n, 5 + k, c, i, j] == x[n, c, top + i, left + w - 1 - j]


def test_ten_crops_are_cut_where_the_crop_stands(photos: Path, tmp_path: Path) -> None:
    transform = [{"type": "Scale", "factor": 0.01}, {"type": "Crop", "size": [3, 4]}, {"type": "Scale", "factor": 2}]
    feed = {"source": {"type": "ImageFolder", "folder": str(photos)}, "batch_size": 3, "transform": transform}
    path = snapshot_of(tmp_path / "crop.safetensors", layers([C, 3, 4]), {"train": feed})
    files = [photos / "ant" / "0.png", photos / "bee" / "1.png"]
    found = Predictor([Trained(path)], crops=10).predict([str(file) for file in files])
    for i, file in enumerate(files):
        windows = ten_windows(pixels(file)[None] * 0.02, 3, 4)[0]
        np.testing.assert_allclose(found.array()[i], by_hand(path, windows).mean(axis=0), rtol=1e-5)


def test_means_of_the_training_come_with_the_snapshot_for_crops_too(photos: Path, tmp_path: Path) -> None:
    mean = {"type": "SubtractMean", "computed": "pixel"}
    transform = [mean, {"type": "Crop", "size": [3, 4]}, mean, {"type": "Scale", "factor": 0.01}]
    feed = {"source": {"type": "ImageFolder", "folder": str(photos)}, "batch_size": 2, "transform": transform}
    path = snapshot_of(tmp_path / "mean.safetensors", layers([C, 3, 4]), {"train": feed})
    every = np.stack([pixels(file) for file in sorted(photos.glob("*/*.png"))]).astype(float)
    first = every.mean(axis=0)
    second = (every - first)[:, :, 1:4, 1:5].mean(axis=0)
    file = photos / "cat" / "1.png"
    x = pixels(file)[None] - first
    hidden = photos.rename(photos.with_name("hidden"))
    try:
        words = [str(hidden / "cat" / "1.png")]
        middle = Predictor([Trained(path)]).predict(words).array()
        ten = Predictor([Trained(path)], crops=10).predict(words).array()
    finally:
        hidden.rename(photos)
    np.testing.assert_allclose(middle, by_hand(path, (x[:, :, 1:4, 1:5] - second) * 0.01), rtol=1e-4)
    windows = (ten_windows(x, 3, 4)[0] - second) * 0.01
    np.testing.assert_allclose(ten[0], by_hand(path, windows).mean(axis=0), rtol=1e-4)


def test_an_image_is_no_row_of_the_table_that_a_net_was_trained_on(photos: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(24.0).reshape(4, 6))
    np.save(tmp_path / "y.npy", np.arange(4) % CLASSES)
    source = {"type": "Arrays", "outputs": [str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]}
    transform = [{"type": "Normalize", "computed": "feature"}]
    data = {"train": {"source": source, "batch_size": 2, "transform": transform}}
    path = snapshot_of(tmp_path / "rows.safetensors", layers([6]), data)
    found = Predictor([Trained(path)]).predict([str(photos)])
    assert re.search(r"is 3x\d+x\d+; the net was trained on samples of 6", found.errors[0].message)


def test_values_are_given_in_the_units_of_their_targets(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(4, 6)), random.normal(size=(4, 2)) * 50 + 1000
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    source = {"type": "Arrays", "outputs": [str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]}
    transform = [{"type": "Normalize", "output": 1, "computed": "feature"}]
    data = {"train": {"source": source, "batch_size": 2, "transform": transform}}
    path = snapshot_of(tmp_path / "values.safetensors", layers([6], 2, "EuclideanLoss", (2,)), data)
    (tmp_path / "y.npy").unlink()
    found = Predictor([Trained(path)]).predict_arrays(x).array()
    wanted = by_hand(path, x, "none") * y.std(axis=0) + y.mean(axis=0)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_ten_crops_need_a_crop(of_photos: Path, arrays_of: Maker) -> None:
    with pytest.raises(UnfitNetError, match="have no Crop"):
        Predictor([Trained(of_photos)], crops=10)
    with pytest.raises(UnfitNetError, match="ten crops are of images"):
        Predictor([Trained(arrays_of([6], 2, "EuclideanLoss", (2,)))], crops=10)
    with pytest.raises(UsageError, match="--crops 5"):
        Predictor([Trained(of_photos)], crops=5)


@pytest.fixture
def arrays_of(tmp_path: Path) -> Maker:
    def make(shape: list[int], outputs: int, loss: str, truth: tuple[int, ...]) -> Path:
        x = np.random.default_rng(3).normal(size=(4, *shape))
        np.save(tmp_path / "x.npy", x)
        np.save(tmp_path / "y.npy", np.zeros((4, *truth)))
        source = {"type": "Arrays", "outputs": [str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]}
        data = {"train": {"source": source, "batch_size": 2}}
        return snapshot_of(tmp_path / "arrays.safetensors", layers(shape, outputs, loss, truth), data)

    return make


def test_values_of_an_array(arrays_of: Maker, tmp_path: Path) -> None:
    path = arrays_of([6], 2, "EuclideanLoss", (2,))
    found = Predictor([Trained(path)]).predict([str(tmp_path / "x.npy")])
    assert (found.kind, found.blob, found.names[1]) == ("values", "ip", f"{tmp_path / 'x.npy'}[1]")
    np.testing.assert_allclose(found.array(), by_hand(path, np.load(tmp_path / "x.npy"), "none"), rtol=1e-5)


def test_any_blob_of_the_deploy_view(of_photos: Path) -> None:
    x = np.random.default_rng(1).integers(0, 256, (3, C, H, W)).astype(np.uint8)
    found = Predictor([Trained(of_photos, "ip")]).predict_arrays(x)
    assert found.kind == "values"
    np.testing.assert_allclose(found.array(), by_hand(of_photos, x * 0.01, "none"), rtol=1e-4, atol=1e-5)
    with pytest.raises(UsageError, match="has no blob 'loss'"):
        Trained(of_photos, "loss")


def test_classes_of_a_map_are_shares_of_its_places(tmp_path: Path) -> None:
    net: list[dict[str, Any]] = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[1, 2, 3, 4], [1, 3, 4]]},
        {"name": "scale", "type": "Scale", "bottom": "data"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["scale", "label"]},
    ]
    np.save(tmp_path / "x.npy", np.zeros((2, 2, 3, 4)))
    np.save(tmp_path / "y.npy", np.zeros((2, 3, 4)))
    source = {"type": "Arrays", "outputs": [str(tmp_path / "x.npy"), str(tmp_path / "y.npy")]}
    path = snapshot_of(tmp_path / "map.safetensors", net, {"train": {"source": source, "batch_size": 1}})
    x = np.zeros((1, 2, 3, 4))
    x[0, 1, 0, :] = 1  # class 1 in 4 of 12 places; elsewhere a tie, which the first class wins
    found = Predictor([Trained(path)]).predict_arrays(x)
    assert found.top(0, 2) == [(0, pytest.approx(8 / 12)), (1, pytest.approx(4 / 12))]
    assert found.array().shape == (1, 3, 4, 2)


def test_weights_without_their_net(of_photos: Path, tmp_path: Path) -> None:
    state = snapshot.read(of_photos)
    snapshot.write(tmp_path / "bare.safetensors", snapshot.Snapshot(None, state.weights))
    with pytest.raises(NoNetError, match="but not their net"):
        Trained(tmp_path / "bare.safetensors")


def test_a_snapshot_without_facts_answers_with_numbers(of_photos: Path, photos: Path, tmp_path: Path) -> None:
    state = snapshot.read(of_photos)
    assert state.data.classes(1) == ("ant", "bee", "cat", "dog") and state.data.outputs[0].shape == (C, H, W)
    old = {key: value for key, value in vars(state).items() if key != "data"}
    snapshot.write(tmp_path / "old.safetensors", snapshot.Snapshot(**old))
    found = Predictor([Trained(tmp_path / "old.safetensors")]).predict([str(photos / "ant" / "0.png")])
    assert found.labels is None and found.label(2) == "2" and not found.errors


def test_a_net_of_two_inputs_is_not_fed(tmp_path: Path) -> None:
    net: list[dict[str, Any]] = [
        {"name": "data", "type": "Input", "top": ["a", "b", "label"], "shape": [[2, 3], [2, 3], [2]]},
        {"name": "sum", "type": "Eltwise", "bottom": ["a", "b"]},
        {"name": "ip", "type": "InnerProduct", "num_output": CLASSES, "weight_filler": "xavier"},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip", "label"]},
    ]
    values = [np.zeros((2, 3)).tolist()] * 2 + [[0, 1]]
    data = {"train": {"source": {"type": "Arrays", "values": values}, "batch_size": 2}}
    with pytest.raises(UnfitNetError, match=r"takes 2 inputs \('a', 'b'\)"):
        Predictor([Trained(snapshot_of(tmp_path / "two.safetensors", net, data))])


def test_a_net_that_brings_its_data_answers_without_them(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    random = np.random.default_rng(0)
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["data"], file["label"] = random.normal(size=(4, 3)), np.array([0, 1, 2, 3.0])
    (tmp_path / "list.txt").write_text(str(tmp_path / "d.h5"))
    net: list[dict[str, Any]] = layers([3])
    net[0] = {"name": "data", "type": "HDF5Data", "top": ["data", "label"], "batch_size": 2}
    net[0]["source"] = str(tmp_path / "list.txt")
    path = snapshot_of(tmp_path / "h5.safetensors", net, {})
    (tmp_path / "d.h5").unlink()
    x = random.normal(size=(3, 3))
    found = Predictor([Trained(path)]).predict_arrays(x)
    np.testing.assert_allclose(found.array(), by_hand(path, x), rtol=1e-4)
