"""The calls of Caffe's notebook "Classification: instant recognition", on a net and a picture drawn here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import netspec.caffe as caffe
from netspec.core.errors import NetspecError, NetspecWarning

DEPLOY = """
name: "tiny"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 10 dim: 3 dim: 23 dim: 19 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 6 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "norm1" type: "LRN" bottom: "conv1" top: "norm1" lrn_param { local_size: 5 alpha: 0.0001 } }
layer { name: "pool5" type: "Pooling" bottom: "norm1" top: "pool5"
        pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "fc6" type: "InnerProduct" bottom: "pool5" top: "fc6"
        inner_product_param { num_output: 8 weight_filler { type: "xavier" } } }
layer { name: "drop6" type: "Dropout" bottom: "fc6" top: "fc6" }
layer { name: "prob" type: "Softmax" bottom: "fc6" top: "prob" }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deploy.prototxt").write_text(DEPLOY)
    caffe.Net(str(tmp_path / "deploy.prototxt"), caffe.TEST).save(str(tmp_path / "random.caffemodel"))
    picture = Image.new("RGB", (40, 30), (30, 90, 200))
    ImageDraw.Draw(picture).ellipse((8, 5, 30, 25), fill=(220, 160, 40))
    picture.save(tmp_path / "cat.png")
    np.save(tmp_path / "mean.npy", np.random.default_rng(1).uniform(90, 130, (3, 26, 26)))
    return tmp_path


def test_the_notebook(folder: Path) -> None:
    caffe.set_mode_cpu()
    net = caffe.Net(str(folder / "deploy.prototxt"), str(folder / "random.caffemodel"), caffe.TEST)
    mu = np.load(folder / "mean.npy").mean(1).mean(1)
    transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_mean("data", mu)
    transformer.set_raw_scale("data", 255)
    transformer.set_channel_swap("data", (2, 1, 0))
    net.blobs["data"].reshape(5, 3, 23, 19)

    image = caffe.io.load_image(str(folder / "cat.png"))
    transformed_image = transformer.preprocess("data", image)
    net.blobs["data"].data[...] = transformed_image
    output = net.forward()
    output_prob = output["prob"][0]
    top_inds = output_prob.argsort()[::-1][:5]
    assert output["prob"].shape == (5, 8) and top_inds[0] == output_prob.argmax()
    np.testing.assert_allclose(output_prob.sum(), 1, rtol=1e-5)

    shapes = {layer_name: blob.data.shape for layer_name, blob in net.blobs.items()}
    assert shapes["conv1"] == (5, 6, 10, 8) and shapes["pool5"] == (5, 6, 5, 4)
    params = {layer_name: (param[0].data.shape, param[1].data.shape) for layer_name, param in net.params.items()}
    assert params == {"conv1": ((6, 3, 5, 5), (6,)), "fc6": ((8, 120), (8,))}
    assert net.params["conv1"][0].data.transpose(0, 2, 3, 1).shape == (6, 5, 5, 3)
    assert net.blobs["conv1"].data[0, :36].min() >= 0
    assert net.blobs["fc6"].data[0].flat[0] == net.blobs["fc6"].data[0, 0]


def test_a_classifier(folder: Path) -> None:
    words = {"mean": np.load(folder / "mean.npy"), "raw_scale": 255, "channel_swap": (2, 1, 0), "image_dims": (26, 26)}
    made = caffe.Classifier(str(folder / "deploy.prototxt"), str(folder / "random.caffemodel"), **words)
    images = [caffe.io.load_image(folder / "cat.png")] * 3
    crops, middle = made.predict(images), made.predict(images, oversample=False)
    assert crops.shape == middle.shape == (3, 8)
    np.testing.assert_allclose(crops.sum(1), 1, rtol=1e-5)
    whole = caffe.io.resize_image(images[0], (26, 26))
    given = np.array([made.transformer.preprocess("data", one) for one in caffe.io.oversample([whole], (23, 19))])
    np.testing.assert_allclose(crops[0], made.forward(data=given)["prob"].mean(0), rtol=1e-4)
    np.testing.assert_allclose(middle[0], made.forward(data=given)["prob"][4], rtol=1e-4)
    with pytest.raises(NetspecError, match="no images"):
        made.predict([])


def test_a_detector(folder: Path) -> None:
    files = str(folder / "deploy.prototxt"), str(folder / "random.caffemodel")
    made = caffe.Detector(*files, raw_scale=255, mean=[104, 117, 123], channel_swap=(2, 1, 0), context_pad=3)
    windows = [(0, 0, 23, 19), (5, 8, 25, 30)]
    found = made.detect_windows([(folder / "cat.png", windows)])
    assert [one["window"] for one in found] == windows and found[0]["prediction"].shape == (8,)
    image = caffe.io.load_image(folder / "cat.png")
    crop = made.crop(image, (5, 8, 25, 30))
    assert crop.shape == (23, 19, 3)
    beyond = made.transformer.preprocess("data", made.crop(image, (0, 0, 23, 19)))[:, 0, 0]
    np.testing.assert_allclose(beyond, 0, atol=1e-4)
    plain = caffe.Detector(*files)
    np.testing.assert_array_equal(plain.crop(image, windows[1]), image[5:25, 8:30])
    with pytest.raises(NetspecError, match="no windows"):
        made.detect_windows([])


SOLVER = """
net_param {
  layer { name: "data" type: "DummyData" top: "x" top: "t"
          dummy_data_param { shape { dim: 3 dim: 2 } shape { dim: 3 dim: 4 }
                             data_filler { type: "gaussian" } data_filler { type: "gaussian" } } }
  layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param { num_output: 4 } }
  layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "t" top: "loss" }
}
base_lr: 0.1 lr_policy: "fixed" max_iter: 9 type: "Nesterov" momentum: 0.9 random_seed: 1
"""


def test_solvers(tmp_path: Path) -> None:
    path = tmp_path / "solver.prototxt"
    path.write_text(SOLVER)
    for make, word in ((caffe.get_solver, "Nesterov"), (caffe.SGDSolver, "SGD"), (caffe.AdamSolver, "Adam")):
        with make(str(path)) as solver:
            solver.step(2)
            assert solver.iter == 2 and f" {word}:" in repr(solver)
            assert solver.net.params["ip"][0].data.any() and solver.net.blobs["ip"].diff.any()


def test_the_machine() -> None:
    with pytest.warns(NetspecWarning, match="on the CPU"):
        caffe.set_mode_gpu()
    caffe.set_device(0)
    assert {"Convolution", "SoftmaxWithLoss"} <= set(caffe.layer_type_list())
    assert caffe.solver_count() == 1 and not caffe.has_nccl()


def test_a_seed_for_nets_to_come(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caffe.Net, "random_seed", 1)
    drawn = []
    for seed in (1, 2, 1):
        caffe.set_random_seed(seed)
        drawn.append(caffe.Net(folder / "deploy.prototxt", caffe.TEST).params["conv1"][0].data.copy())
    assert np.array_equal(drawn[0], drawn[2]) and not np.array_equal(drawn[0], drawn[1])
