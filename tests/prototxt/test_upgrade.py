"""Older versions of Caffe's nets and solvers in the words of its present one, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest

from netspec.core.errors import NetspecError
from netspec.prototxt.parse import parse
from netspec.prototxt.upgrade import UpgradeError
from netspec.prototxt.upgrade_v0 import UpgradeV0Error


def layers(text: str) -> tuple[dict[str, Any], ...]:
    found: tuple[dict[str, Any], ...] = parse(text).root.plain()["layer"]
    return found


def test_layers_of_version_1() -> None:
    text = """
    layers {
      name: "ip" type: INNER_PRODUCT bottom: "a" top: "b"
      blobs_lr: 1 blobs_lr: 2 weight_decay: 0.5 param: "w" blob_share_mode: PERMISSIVE
      inner_product_param { num_output: 3 } include { phase: TEST } loss_weight: 2
    }
    layers { name: "loss" type: SOFTMAX_LOSS bottom: "b" bottom: "label" }
    layers { type: 23 bottom: "b" top: "b" }
    """
    assert layers(text) == (
        {
            "name": "ip",
            "type": "InnerProduct",
            "bottom": ("a",),
            "top": ("b",),
            "inner_product_param": {"num_output": 3},
            "include": ({"phase": "TEST"},),
            "loss_weight": (2.0,),
            "param": ({"name": "w", "share_mode": "PERMISSIVE", "lr_mult": 1.0, "decay_mult": 0.5}, {"lr_mult": 2.0}),
        },
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ("b", "label")},
        {"type": "TanH", "bottom": ("b",), "top": ("b",)},
    )
    assert [note.at.line for note in parse(text).notes] == [2]


def test_every_type_of_version_1_has_a_name() -> None:
    from netspec.formats.caffe_messages import words
    from netspec.layers.base import LAYERS

    for word, number in words("V1LayerParameter.LayerType").items():
        (layer,) = layers(f"layers {{ type: {word} }}")
        if 0 < number < 40:
            assert layer["type"] in LAYERS.words()


def test_transforms_of_version_1_move() -> None:
    (layer,) = layers(
        'layers { type: IMAGE_DATA image_data_param { source: "a.txt" scale: 0.5 mean_file: "m" batch_size: 4 } '
        "transform_param { crop_size: 7 } }"
    )
    assert layer["image_data_param"] == {"source": "a.txt", "batch_size": 4}
    assert layer["transform_param"] == {"crop_size": 7, "scale": 0.5, "mean_file": "m"}
    (layer,) = layers("layer { type: 'Data' data_param { scale: 0.5 } }")
    assert layer["data_param"] == {"scale": 0.5}, "Caffe does not move those of version 2"


def test_layers_of_both_versions() -> None:
    tree = parse('layer { name: "a" } layers { name: "b" type: RELU }')
    assert [layer["name"] for layer in tree.root.plain()["layer"]] == ["b"]
    assert "leaves these layers out" in tree.notes[0].text


def test_layers_of_version_0() -> None:
    text = """
    layers { layer { name: "pad" type: "padding" pad: 2 } bottom: "data" top: "padded" }
    layers {
      layer { name: "conv" type: "conv" num_output: 4 kernelsize: 5 stride: 3 group: 2 biasterm: false
              weight_filler { type: "xavier" } blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0 }
      bottom: "padded" top: "conv"
    }
    layers { layer { name: "pool" type: "pool" pool: AVE kernelsize: 3 stride: 2 pad: 1 } bottom: "conv" top: "pool" }
    layers { layer { name: "norm" type: "lrn" local_size: 3 alpha: 0.1 beta: 0.5 k: 2 } bottom: "pool" top: "norm" }
    layers { layer { name: "d" type: "dropout" dropout_ratio: 0.2 num_output: 3 } bottom: "norm" top: "norm" }
    layers { layer { name: "cat" type: "concat" concat_dim: 0 } bottom: "norm" bottom: "norm" top: "cat" }
    layers { layer { name: "loss" type: "softmax_loss" } bottom: "cat" bottom: "label" }
    """
    conv, pool, norm, drop, cat, loss = layers(text)
    assert conv == {
        "type": "Convolution",
        "bottom": ("data",),
        "top": ("conv",),
        "name": "conv",
        "convolution_param": {
            "num_output": 4,
            "kernel_size": (5,),
            "stride": (3,),
            "group": 2,
            "bias_term": False,
            "weight_filler": {"type": "xavier"},
            "pad": (2,),
        },
        "param": ({"lr_mult": 1.0, "decay_mult": 1.0}, {"lr_mult": 2.0, "decay_mult": 0.0}),
    }
    assert pool["pooling_param"] == {"pool": "AVE", "kernel_size": 3, "stride": 2, "pad": 1}
    assert norm["lrn_param"] == {"local_size": 3, "alpha": 0.1, "beta": 0.5, "k": 2.0}
    assert drop["dropout_param"] == {"dropout_ratio": 0.2}
    assert cat["concat_param"] == {"concat_dim": 0}
    assert loss == {"type": "SoftmaxWithLoss", "bottom": ("cat", "label"), "name": "loss"}
    said = [note.text for note in parse(text).notes]
    assert sum("padding" in text for text in said) == 1 and any("'num_output'" in text for text in said)


@pytest.mark.parametrize(
    ("type", "fields", "want"),
    [
        (
            "data",
            'source: "db" batchsize: 4 scale: 0.5 meanfile: "m" cropsize: 9 mirror: true rand_skip: 3',
            {
                "type": "Data",
                "data_param": {"source": "db", "batch_size": 4, "rand_skip": 3},
                "transform_param": {"scale": 0.5, "mean_file": "m", "crop_size": 9, "mirror": True},
            },
        ),
        (
            "images",
            'source: "l.txt" batchsize: 4 new_height: 8 new_width: 9 shuffle_images: true',
            {
                "type": "ImageData",
                "image_data_param": {
                    "source": "l.txt",
                    "batch_size": 4,
                    "new_height": 8,
                    "new_width": 9,
                    "shuffle": True,
                },
            },
        ),
        (
            "window_data",
            'source: "w" det_fg_threshold: 0.6 det_context_pad: 4 det_crop_mode: "square" cropsize: 5',
            {
                "type": "WindowData",
                "window_data_param": {"source": "w", "fg_threshold": 0.6, "context_pad": 4, "crop_mode": "square"},
                "transform_param": {"crop_size": 5},
            },
        ),
        (
            "hdf5_output",
            'hdf5_output_param { file_name: "o.h5" }',
            {"type": "HDF5Output", "hdf5_output_param": {"file_name": "o.h5"}},
        ),
        (
            "infogain_loss",
            'source: "h.binaryproto"',
            {"type": "InfogainLoss", "infogain_loss_param": {"source": "h.binaryproto"}},
        ),
        (
            "innerproduct",
            "num_output: 7 bias_filler { value: 1 }",
            {
                "type": "InnerProduct",
                "inner_product_param": {"num_output": 7, "bias_filler": {"value": 1.0}},
            },
        ),
    ],
)
def test_fields_of_version_0(type: str, fields: str, want: dict[str, Any]) -> None:
    (layer,) = layers(f'layers {{ layer {{ type: "{type}" {fields} }} }}')
    assert layer == want


def test_padding_that_is_lost() -> None:
    text = 'layers { layer { type: "padding" pad: 1 } bottom: "a" top: "b" } '
    text += 'layers { layer { type: "relu" } bottom: "b" top: "c" } layers { layer { type: "convo" } }'
    with pytest.raises(NetspecError) as raised:
        parse(text)
    assert [type(error) for error in raised.value.errors()] == [UpgradeV0Error] * 2


def test_a_type_of_version_0_that_is_unknown_is_kept_leniently() -> None:
    tree = parse('layers { layer { name: "x" type: "mine" } top: "y" }', lenient=True)
    assert tree.root.plain()["layer"] == ({"type": "mine", "name": "x", "top": ("y",)},)


def test_inputs_become_a_layer() -> None:
    dims = "input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 9 "
    first, second = layers('input: "data" ' + dims + 'layer { name: "r" }')
    assert first == {
        "name": "input",
        "type": "Input",
        "top": ("data",),
        "input_param": {"shape": ({"dim": (1, 3, 8, 9)},)},
    }
    assert second == {"name": "r"}
    (both,) = layers('input: "a" input: "b" input_shape { dim: 2 dim: 3 } input_shape { dim: 5 } ' + dims)
    assert both["top"] == ("a", "b") and both["input_param"]["shape"] == ({"dim": (2, 3)}, {"dim": (5,)})
    assert "layer" not in parse('input: "data" name: "x"').root.plain()
    for text in ('input: "a" input: "b" ' + dims, 'input: "a" input: "b" input_shape { dim: 2 }'):
        with pytest.raises(UpgradeError, match="2 inputs, but"):
            parse(text)


def test_inputs_come_before_layers_of_version_1() -> None:
    text = 'layers { name: "r" type: RELU } input: "data" input_dim: [1, 3, 8, 9]'
    assert [layer["type"] for layer in layers(text)] == ["Input", "ReLU"]


def test_statistics_are_not_learned() -> None:
    three = "param { lr_mult: 1 name: 'm' } param { } param { decay_mult: 3 }"
    (layer,) = layers(f'layer {{ type: "BatchNorm" {three} }}')
    still = {"lr_mult": 0, "decay_mult": 0}
    assert layer["param"] == ({**still, "name": "m"}, still, still)
    (layer,) = layers('layer { type: "BatchNorm" param { lr_mult: 0 } }')
    assert layer["param"] == ({"lr_mult": 0.0},)
    (layer,) = layers(f'layer {{ type: "Scale" {three} }}')
    assert layer["param"][0]["lr_mult"] == 1.0


def test_solver_types() -> None:
    tree = parse('net: "a" solver_type: RMSPROP')
    assert tree.root.plain() == {"net": "a", "type": "RMSProp"}
    assert parse('net: "a" solver_type: 0').root.plain()["type"] == "SGD"
    with pytest.raises(UpgradeError, match="both"):
        parse('net: "a" solver_type: ADAM type: "SGD"')


def test_nets_inside_a_solver() -> None:
    text = 'test_net_param { input: "a" input_dim: [1, 2, 3, 4] } train_net_param { layers { type: RELU } }'
    root = parse(text).root.plain()
    assert root["train_net_param"] == {"layer": ({"type": "ReLU"},)}
    assert root["test_net_param"][0]["layer"][0]["type"] == "Input"
