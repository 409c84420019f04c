"""Shown: which weights and data a word means, and samples as the net takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from netspec.core.errors import UsageError
from netspec.study.shown import NothingToShowError, NotThereError, Shown, forward, of_samples
from netspec.training import snapshot
from tests.conftest import NET, TEST_SAMPLES, TRAIN_SAMPLES
from tests.helpers.looked_at import trained


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, arrays: Path) -> Path:
    return trained(tmp_path_factory.mktemp("shown") / "tiny", arrays)


def test_a_run_a_snapshot_and_a_net_with_weights_are_one_net(folder: Path, tmp_path: Path) -> None:
    file = snapshot.latest(folder / "snapshots")
    assert file is not None
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(file.read_bytes())
    net = tmp_path / "net.yaml"
    net.write_text(str({"name": "tiny", "layers": NET["layers"]}))
    many = [
        Shown(str(folder)),
        Shown(str(file)),
        Shown(str(alone)),
        Shown(str(net), file),
        Shown(str(net), folder),
        Shown(str(folder), alone),
    ]
    weights = snapshot.read(file).weights
    for shown in many:
        own = shown.params("conv")
        assert {name: array.shape for name, array in own.items()} == {"weight": (2, 1, 3, 3), "bias": (2,)}
        for (layer, name), array in weights.items():
            np.testing.assert_array_equal(shown.params(layer)[name], array)
    assert [shown.folder for shown in many] == [folder, folder, None, None, None, folder]


def test_a_sample_by_number_is_transformed_and_knows_its_class(folder: Path, arrays: Path) -> None:
    shown = Shown(str(folder))
    x, y = np.load(arrays / "test_x.npy"), np.load(arrays / "test_y.npy")
    for number in (0, TEST_SAMPLES - 1):
        sample = shown.sample(str(number))
        np.testing.assert_allclose(sample.inputs[0], x[number] / 2, rtol=1e-6)
        assert sample.truth is not None and sample.truth.item() == y[number]
        assert shown.true_name(sample) == f"class {y[number]}"
    train = shown.sample("3", "train")  # in the order of the file, as a test reads it
    np.testing.assert_allclose(train.inputs[0], np.load(arrays / "train_x.npy")[3] / 2, rtol=1e-6)


def test_a_sample_in_a_file_goes_through_the_transforms_of_the_data(folder: Path, arrays: Path, tmp_path: Path) -> None:
    x = np.load(arrays / "test_x.npy")
    np.save(tmp_path / "x.npy", x[5:6])
    sample = Shown(str(folder)).sample(str(tmp_path / "x.npy"))
    np.testing.assert_allclose(sample.inputs[0], x[5] / 2, rtol=1e-6)
    assert sample.truth is None


def test_a_solver_brings_its_data_and_transforms(folder: Path, arrays: Path, tmp_path: Path) -> None:
    solver = tmp_path / "solver.yaml"
    solver.write_text((folder / "config.yaml").read_text())
    shown = Shown(str(solver), folder)
    x = np.load(arrays / "test_x.npy")
    np.testing.assert_allclose(shown.sample("4").inputs[0], x[4] / 2, rtol=1e-6)
    assert len(shown.feed()) == TEST_SAMPLES and len(shown.feed("train")) == TRAIN_SAMPLES
    net = {"layers": NET["layers"], "name": "tiny"}
    (tmp_path / "net.yaml").write_text(str(net))
    np.save(tmp_path / "x.npy", x[4:5])
    alone = Shown(str(tmp_path / "net.yaml"), folder)  # the run says how the data of the net are changed
    for word in ("4", str(tmp_path / "x.npy")):
        np.testing.assert_allclose(alone.sample(word).inputs[0], x[4] / 2, rtol=1e-6)
    assert "factor: 0.5" in solver.read_text()
    solver.write_text(solver.read_text().replace("factor: 0.5", "factor: 3.0"))
    np.testing.assert_allclose(
        Shown(str(solver), folder).sample(str(tmp_path / "x.npy")).inputs[0], x[4] * 3, rtol=1e-6
    )


def test_forward_equals_the_sums_written_out(folder: Path) -> None:
    shown = Shown(str(folder))
    program = shown.program(3)
    x = [shown.sample(str(number)).inputs[0] for number in (0, 1)]
    forward(program, [np.stack(x)])  # two samples in a batch of three
    conv, ip = shown.params("conv"), shown.params("ip")
    for number, image in enumerate(x):
        planes = np.array(
            [
                [[(image[0, i : i + 3, j : j + 3] * w[0]).sum() + b for j in range(3)] for i in range(4)]
                for w, b in zip(conv["weight"], conv["bias"], strict=True)
            ]
        )
        scores = ip["weight"] @ np.maximum(planes, 0).reshape(-1) + ip["bias"]
        graph = program.graph
        np.testing.assert_allclose(of_samples(program, graph.named["ip"].index, 2)[number], scores, rtol=1e-4)
        powers = np.exp(scores - scores.max())
        prob = of_samples(program, graph.named["prob"].index, 2)[number]
        np.testing.assert_allclose(prob, powers / powers.sum(), rtol=1e-4)


def test_samples_of_the_data_are_spread_evenly(folder: Path) -> None:
    shown = Shown(str(folder))
    feed = shown.feed("train")
    numbers = [number for some, _ in shown.batches(feed, 6, 4) for number in some]
    assert numbers == [i * TRAIN_SAMPLES // 6 for i in range(6)]
    every = [some for some, _ in shown.batches(feed, 1000, 10)]
    assert [n for some in every for n in some] == list(range(TRAIN_SAMPLES)) and len(every[-1]) == 3
    for some, batch in shown.batches(feed, 6, 4):
        for n, number in enumerate(some):
            np.testing.assert_array_equal(batch[0][n], feed.batch(number, 1)[0][0])


def test_what_is_not_there_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no run or snapshot 'lenet'"):
        Shown("lenet")
    shown = Shown(str(folder))
    with pytest.raises(NotThereError, match="there is no sample 11: the data have 11"):
        shown.sample("11")
    with pytest.raises(NotThereError, match="no data called 'tests'"):
        shown.feed("tests")
    with pytest.raises(NotThereError, match="no layer 'cnv'") as caught:
        shown.node("cnv")
    assert "conv" in str(caught.value.help)
    with pytest.raises(NotThereError, match="no blob 'label'"):
        shown.blob("label")
    net = tmp_path / "net.yaml"
    net.write_text(str({"layers": NET["layers"]}))
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(shown.path.read_bytes())
    with pytest.raises(NothingToShowError, match="nothing is known of the data"):
        Shown(str(net), alone).feed()
    other = tmp_path / "other.npy"
    np.save(other, np.zeros((1, 2, 6, 5), np.float32))
    with pytest.raises(Exception, match="the net takes 1x6x5"):
        shown.sample(str(other))
