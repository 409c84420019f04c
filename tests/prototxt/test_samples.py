"""Nets of Caffe whose data are not there: shapes by the fields of their data layers, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from netspec.core.nodes import Note
from netspec.prototxt.document import document
from netspec.prototxt.net import net_root
from netspec.prototxt.parse import parse
from tests.prototxt.cases import l

HEAD = l("InnerProduct", "inner_product_param { num_output: 2 }", "data", "ip") + l(
    "SoftmaxWithLoss", "", "ip label", "loss"
)
MEANS = "mean_value: 104 mean_value: 117 mean_value: 123"


def bringing(type: str, fields: str, phase: str, tops: str = "data label") -> str:
    """A data layer of one phase, whose source is not there."""
    message = {"Data": "data_param", "ImageData": "image_data_param", "WindowData": "window_data_param"}[type]
    backend = "backend: LMDB" if type == "Data" else ""
    param = f'{message} {{ source: "no/{phase}" batch_size: 3 {backend}'
    text = l(type, f"include {{ phase: {phase} }} {fields.replace('PARAM', param)}", "", tops)
    return text if "PARAM" in fields else text.replace("include", f"{param} }} include", 1)


def twins(type: str, fields: str) -> str:
    """A net with a data layer of one name in each phase."""
    return "".join(bringing(type, fields, phase) for phase in ("TRAIN", "TEST")) + HEAD


def notes(text: str) -> tuple[Note, ...]:
    return net_root(parse(text).root)[1]


@pytest.mark.parametrize(
    ("type", "fields", "shape", "assumed"),
    [
        ("Data", f"transform_param {{ crop_size: 5 {MEANS} }}", (3, 5, 5), False),
        ("Data", "transform_param { crop_size: 5 mean_value: 1 mean_value: 2 }", (2, 5, 5), False),
        ("Data", "transform_param { crop_size: 5 mean_value: 104 }", (3, 5, 5), True),
        ("Data", "transform_param { crop_size: 5 }", (3, 5, 5), True),
        ("Data", "transform_param { crop_size: 5 force_gray: true }", (1, 5, 5), True),
        ("ImageData", "PARAM new_height: 4 new_width: 6 }", (3, 4, 6), False),
        ("ImageData", "PARAM new_height: 4 new_width: 6 is_color: false }", (1, 4, 6), False),
        ("ImageData", "PARAM new_height: 8 new_width: 9 } transform_param { crop_size: 5 }", (3, 5, 5), False),
        ("ImageData", "transform_param { crop_size: 5 }", (3, 5, 5), False),
        ("WindowData", "transform_param { crop_size: 7 }", (3, 7, 7), False),
    ],
)
def test_fields_tell_the_shape(type: str, fields: str, shape: tuple[int, ...], assumed: bool) -> None:
    text = twins(type, fields)
    for phase in ("TRAIN", "TEST"):
        net = netspec.Net(document(text), phase=phase)
        assert net.blobs["data"].data.shape == (3, *shape)
        assert net.blobs["label"].data.shape == (3,)
    said = [note.text for note in notes(text) if "is not there" in note.text]
    assert len(said) == 2 and all(" x ".join(map(str, shape)) in one for one in said)
    assert [("ASSUMED" in one) for one in said] == [assumed] * 2


def test_such_a_net_runs_on_what_it_is_given() -> None:
    net = netspec.Net(document(twins("Data", "transform_param { crop_size: 5 }")), phase="TRAIN")
    x = np.random.default_rng(3).normal(size=(3, 3, 5, 5)).astype(np.float32)
    net.forward(data=x, label=np.zeros(3, np.float32))
    weight, bias = (param.data for param in net.params["ip"])
    assert np.allclose(net.blobs["ip"].data, x.reshape(3, -1) @ weight.T + bias, atol=1e-5)


def test_a_data_layer_without_labels_has_one_shape() -> None:
    text = bringing("Data", "transform_param { crop_size: 5 }", "TEST", "data") + l("ReLU", "", "data", "y")
    assert netspec.Net(document(text), phase="TEST").blobs["y"].data.shape == (3, 3, 5, 5)


def test_data_that_are_there_are_not_guessed_at(tmp_path: Path) -> None:
    (tmp_path / "no").mkdir()
    (tmp_path / "no" / "TEST").write_text("")
    text = bringing("ImageData", "PARAM new_height: 4 new_width: 6 }", "TEST")
    root, said = net_root(parse(text, folder=tmp_path).root)
    assert not said and "shape" not in root.plain()["layers"][0]


@pytest.mark.parametrize("fields", ["", f"transform_param {{ {MEANS} }}", "transform_param { scale: 0.5 }"])
def test_without_a_shape_the_help_says_how_to_give_it(fields: str, tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(twins("Data", fields))
    with pytest.raises(NetspecError) as caught:
        netspec.Net(path, phase="TRAIN")
    (error,) = caught.value.errors()
    assert error.code == "NS601" and error.help is not None
    assert "relative to the file" not in error.help and "in one above the file" in error.help
    override = error.help.rpartition("like '")[2].rstrip("'")
    for phase in ("TRAIN", "TEST"):
        net = netspec.Net(path, phase=phase, overrides=[override])
        assert net.blobs["data"].data.shape == (3, 3, 224, 224)


def test_a_phase_is_a_net_of_its_own() -> None:
    text = bringing("Data", "transform_param { crop_size: 5 }", "TRAIN") + bringing("Data", "", "TEST") + HEAD
    assert netspec.Net(document(text), phase="TRAIN").blobs["ip"].data.shape == (3, 2)
    with pytest.raises(NetspecError, match="no/TEST"):
        netspec.Net(document(text), phase="TEST")


def test_a_training_says_that_the_data_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(twins("Data", "transform_param { crop_size: 5 }"))
    path = tmp_path / "solver.prototxt"
    path.write_text('net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 2 test_iter: 1 test_interval: 1')
    with pytest.raises(NetspecError, match=r"there is no file '.*no/TRAIN'"):
        netspec.Solver(str(path)).step(1)
