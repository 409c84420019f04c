"""A net of Caffe in netspec's words: wiring, rules, names, states; what is left out is said; what lacks is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import Mistakes, NetspecError
from netspec.net.graph import State
from netspec.net.load import load_net
from netspec.prototxt.net import net_root
from netspec.prototxt.parse import parse
from tests.prototxt.cases import Case, l

ABSENT = object()
"""Marks a key that is not there."""


def words(text: str, lenient: bool = False) -> tuple[dict[str, Any], list[str]]:
    """The root of a net in plain values, and its notes with their lines."""
    root, notes = net_root(parse(text, lenient=lenient).root, lenient)
    return root.plain(), [f"{note.at.line}: {note.text}" for note in notes]


def layer(text: str) -> tuple[dict[str, Any], list[str]]:
    """A net's only layer."""
    root, notes = words(text)
    (found,) = root["layers"]
    return found, notes


def test_fields_stand_on_the_layer() -> None:
    text = """name: "n"
force_backward: true
layer {
  name: "conv" type: "Convolution" bottom: "x" top: "y"
  param { name: "w" lr_mult: 1 share_mode: PERMISSIVE }  param { lr_mult: 2 decay_mult: 0 name: "" }
  loss_weight: 2
  propagate_down: false
  include { phase: TRAIN stage: "a" not_stage: "b" min_level: 1 }  include { phase: TEST max_level: 3 }
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 pad: 2 weight_filler { type: "xavier" } bias_filler { } }
}
"""
    root, notes = words(text)
    (conv,) = root.pop("layers")
    assert root == {"name": "n", "force_backward": True} and not notes
    assert conv == {
        "name": "conv",
        "type": "Convolution",
        "bottom": "x",
        "top": "y",
        "param": ({"name": "w", "lr_mult": 1, "share_mode": "PERMISSIVE"}, {"lr_mult": 2, "decay_mult": 0}),
        "loss_weight": 2,
        "propagate_down": False,
        "include": (
            {"phase": "TRAIN", "stage": "a", "not_stage": "b", "min_level": 1},
            {"phase": "TEST", "max_level": 3},
        ),
        "num_output": 4,
        "kernel_size": 3,
        "pad": (1, 2),
        "weight_filler": {"type": "xavier"},
        "bias_filler": {"type": "constant"},
    }


@pytest.mark.parametrize(
    ("text", "fields", "notes"),
    [
        (
            l("Pooling", "pooling_param { pool: AVE kernel_size: 2 engine: CUDNN ceil_mode: false }"),
            {"pool": "AVE", "kernel_size": 2, "round_mode": "FLOOR"},
            ["1: `engine` is left out: it chooses whose code computes the layer, and changes nothing here"],
        ),
        (
            l("LRN", "lrn_param { norm_region: WITHIN_CHANNEL k: 3 }"),
            {"norm_region": "WITHIN_CHANNEL"},
            ["1: `k` is left out: Caffe does not read it within a channel, where it is 1"],
        ),
        (
            l("InnerProduct", 'inner_product_param { num_output: 3 weight_filler { type: "xavier" std: 0.1 } }'),
            {"num_output": 3, "weight_filler": {"type": "xavier"}},
            ["1: `std` is left out: a xavier filler does not read it"],
        ),
        (
            l("InnerProduct", 'inner_product_param { num_output: 3 weight_filler { type: "msra" sparse: -1 } }'),
            {"num_output": 3, "weight_filler": {"type": "msra"}},
            [],
        ),
        (l("Scale", "scale_param { filler { } }"), {"filler": {"type": "constant"}}, []),
        (l("GELU"), {}, ["1: Caffe has no layer type 'GELU': read as netspec's layer of that name"]),
        (l("ReLU", "engine: 'x'"), {}, ["1: `engine` is left out: it means nothing to a ReLU layer"]),
        (l("ReLU", "phase: TEST"), {}, ["1: `phase` is left out: it says nothing of when the layer takes part"]),
        (l("BatchNorm", "phase: TEST"), {"use_global_stats": True}, []),
        (l("Dropout", "phase: TEST"), {"dropout_ratio": 0.0}, []),
        (l("ReLU", "blobs { data: 1 }"), {}, ["1: `blobs` is left out: it means nothing to a ReLU layer"]),
        (l("LSTM", "recurrent_param { num_output: 2 expose_hidden: true }"), {"num_output": 2, "expose_hidden": True,
                                                                            "state_gradient": False}, []),
        (l("ContrastiveLoss"), {"any_label": True}, []),
        (l("Reshape", "reshape_param { shape { dim: 0 dim: -1 } axis: 1 }"), {"shape": (0, -1), "axis": 1}, []),
        (l("Parameter", "parameter_param { shape { dim: 2 dim: 3 } }", ""), {"bottom": ABSENT, "shape": (2, 3)}, []),
        (l("DummyData", "dummy_data_param { num: 2 num: 5 channels: 3 height: 1 width: 1 }", "", "y z"),
         {"bottom": ABSENT, "top": ("y", "z"), "shape": ((2, 3, 1, 1), (5, 3, 1, 1))},
         ["1: `num`, `channels`, `height` and `width` became `shape`"]),
        (l("Data", 'data_param { source: "no_such_lmdb" batch_size: 2 crop_size: 4 } transform_param { mirror: true }',
           ""),
         {"bottom": ABSENT, "source": "no_such_lmdb", "batch_size": 2, "transform_param": {"mirror": True}},
         ["1: `crop_size` is left out: Caffe reads it in `transform_param` alone",
          "1: `backend` is not given, and Caffe would take LEVELDB: read as LMDB"]),
        (l("DepthwiseConvolution", "convolution_param { num_output: 6 kernel_size: 3 }"),
         {"type": "Convolution", "num_output": 6, "kernel_size": 3, "group": 6}, []),
        (l("Upsample", "upsample_param { scale: 2 pad_out_h: true }", "x mask"),
         {"type": "Unpooling", "bottom": ("x", "mask"), "kernel_size": (1, 2), "stride": 2}, []),
    ],
)  # fmt: skip
def test_what_becomes_of_fields(text: str, fields: dict[str, Any], notes: list[str]) -> None:
    found, said = layer(text)
    word = text.partition('type: "')[2].partition('"')[0]
    usual = {"name": "y", "type": word, "bottom": "x", "top": "y"}
    assert found == {key: value for key, value in (usual | fields).items() if value is not ABSENT}
    assert said == notes


def test_equal_notes_are_said_once() -> None:
    _, notes = words(l("ReLU", "relu_param { engine: CAFFE }") + l("TanH", "tanh_param { engine: CUDNN }", "y", "z"))
    assert notes == [
        "1: `engine` is left out: it chooses whose code computes the layer, and changes nothing here (2 times)"
    ]


def test_batch_norm_has_caffes_habits() -> None:
    root, _ = words(l("BatchNorm"))
    assert root["defaults"] == {"BatchNorm": {"running_sums": "PLAIN"}}
    assert "defaults" not in words(l("ReLU"))[0]


def test_names_are_made_unique_among_layers_that_meet() -> None:
    text = 'layer { type: "ReLU" bottom: "x" top: "a" }'
    text += 'layer { name: "r" type: "ReLU" bottom: "x" top: "b" }' * 2
    for phase in ("TRAIN", "TEST"):
        text += f'layer {{ name: "d" type: "ReLU" bottom: "x" top: "c" include {{ phase: {phase} }} }}'
    text += 'layer { name: "d" type: "ReLU" bottom: "x" top: "e" exclude { phase: TRAIN } }'
    root, notes = words(text)
    assert [each["name"] for each in root["layers"]] == ["relu0", "r", "r_2", "d", "d", "d_2"]
    assert [note.partition(": ")[2] for note in notes] == [
        "a layer without a name got one",
        "a further layer called 'r' is now 'r_2'",
        "a further layer called 'd' is now 'd_2'",
    ]


def test_an_automatic_top_takes_no_other_blobs_name() -> None:
    first, second = words(l("EuclideanLoss", "", "a b", "") + l("Silence", "", "euclideanloss", ""))[0]["layers"]
    assert first["top"] == "(automatic)" and second["bottom"] == "euclideanloss"
    assert "top" not in layer(l("EuclideanLoss", "", "a b", ""))[0]


def test_a_sign_of_variables_is_text(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(Case(l("ReLU", "", "x", "a$b").replace('name: "a$b"', 'name: "$(1)"'), {"x": (2, 3)}).net)
    shaped = load_net(path)
    assert [node.layer.name for node in shaped.graph.nodes] == ["x", "$(1)"]
    assert shaped.graph.blobs[1].name == "a$b"


def test_a_state_in_the_net_sets_its_stages(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    rule = 'include { stage: "small" }'
    path.write_text('state { phase: TEST level: 2 stage: "small" }' + Case(l("ReLU", rule), {"x": (2, 3)}).net)
    assert words(path.read_text())[0]["state"] == {"level": 2, "stage": "small"}
    for state in (State(), State("TEST", stages=("other",))):
        shaped = load_net(path, state=state)
        assert len(shaped.graph.nodes) == 2 and shaped.graph.state.stages == (*state.stages, "small")


def test_layers_that_lack_are_named_together() -> None:
    text = l("PriorBox", "prior_box_param { min_size: 3 }") + l("ROIPooling", "", "x", "z") + l("Relu", "", "x", "w")
    text += l("CTCLoss", "", "x t", "c")
    with pytest.raises(Mistakes) as caught:
        words(text)
    found = [(each.at.line, each.at.column, each.message, each.help) for each in caught.value.errors() if each.at]
    assert [(line, message.rpartition(", ")[0]) for line, _, message, _ in found] == [
        (1, "layer 'y' is of type 'PriorBox'"),
        (2, "layer 'z' is of type 'ROIPooling'"),
        (3, "layer 'w' is of type 'Relu'"),
        (4, "layer 'c' is of type 'CTCLoss'"),
    ]
    assert found[2][3] == "did you mean 'ReLU'?" and "SSD" in str(found[0][3])


def test_lenient_keeps_them() -> None:
    root, notes = words(l("PriorBox", "prior_box_param { min_size: 3 }"), lenient=True)
    assert root["layers"] == (
        {"name": "y", "type": "PriorBox", "bottom": "x", "top": "y", "prior_box_param": {"min_size": (3,)}},
    )
    assert notes == ["1: netspec has no layer type 'PriorBox': its layers are kept as they stand"]


def test_errors_point_into_the_prototxt(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(Case(l("Pooling", "pooling_param { kernel_size: 9 }"), {"x": (2, 3, 5, 4)}).net)
    with pytest.raises(NetspecError, match="the window is 9 wide") as caught:
        load_net(path)
    assert caught.value.at is not None and caught.value.at.line == 2


def net(case: Case, tmp_path: Path, **blobs: Any) -> Any:
    """A net that went forward and backward, from random numbers where none are given."""
    path = tmp_path / "net.prototxt"
    path.write_text("force_backward: true\n" + case.net)
    made = netspec.Net(path, phase="TRAIN", dtype="float64")
    random = np.random.default_rng(1)
    for name, shape in case.shapes.items():
        made.blobs[name].data[...] = blobs.get(name, random.normal(size=shape))
    made.forward()
    return made


def test_axpy_is_a_scaled_sum(tmp_path: Path) -> None:
    case = Case(l("Axpy", "", "a x b"), {"a": (2, 3, 1, 1), "x": (2, 3, 5, 4), "b": (2, 3, 5, 4)})
    one = net(case, tmp_path)
    a, x, b, y = (one.blobs[name].data for name in ("a", "x", "b", "y"))
    np.testing.assert_allclose(y, a * x + b, rtol=1e-12)


@pytest.mark.parametrize(("wide", "shared"), [(True, True), (True, False), (False, True), (False, False)])
def test_normalize_is_ssds(wide: bool, shared: bool, tmp_path: Path) -> None:
    words = f"across_spatial: {str(wide).lower()} channel_shared: {str(shared).lower()} scale_filler {{ value: 20 }}"
    one = net(Case(l("Normalize", f"norm_param {{ {words} }}"), {"x": (2, 3, 5, 4)}), tmp_path)
    x, y = one.blobs["x"].data, one.blobs["y"].data
    axes = (1, 2, 3) if wide else (1,)
    np.testing.assert_allclose(y, 20 * x / np.sqrt((x * x).sum(axes, keepdims=True) + 1e-10), rtol=1e-9)
    assert [blob.data.shape for blob in one.params["y"]] == [() if shared else (3,)]


def test_segnets_upsample_puts_maxima_back(tmp_path: Path) -> None:
    text = l("Pooling", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }", "x", "p mask")
    one = net(Case(text + l("Upsample", "upsample_param { scale: 2 }", "p mask"), {"x": (2, 3, 6, 4)}), tmp_path)
    x, y = one.blobs["x"].data, one.blobs["y"].data
    most = x.reshape(2, 3, 3, 2, 2, 2).max((3, 5)).repeat(2, 2).repeat(2, 3)
    np.testing.assert_array_equal(y, np.where(x == most, x, 0))


def test_depthwise_convolution_filters_each_channel(tmp_path: Path) -> None:
    fields = 'convolution_param { num_output: 3 kernel_size: 2 bias_term: false weight_filler { type: "gaussian" } }'
    one = net(Case(l("ConvolutionDepthwise", fields), {"x": (2, 3, 5, 4)}), tmp_path)
    x, w, y = one.blobs["x"].data, one.params["y"][0].data, one.blobs["y"].data
    assert w.shape == (3, 1, 2, 2)
    wanted = sum(w[:, 0, u, v][:, None, None] * x[:, :, u : u + 4, v : v + 3] for u in (0, 1) for v in (0, 1))
    np.testing.assert_allclose(y, wanted, rtol=1e-12)


def test_several_layers_of_one_name_have_it_in_caffes_names(tmp_path: Path) -> None:
    """Names by BVLC Caffe 1.0, which takes layers of one name, or without one."""
    text = 'input: "x" input_dim: 2 input_dim: 3 input_dim: 4 input_dim: 5\n'
    text += 'layer { name: "same" type: "AbsVal" bottom: "x" top: "a" }\n'
    text += 'layer { name: "same" type: "AbsVal" bottom: "a" top: "b" }\n'
    text += 'layer { type: "Power" bottom: "b" top: "c" }\n'
    text += 'layer { name: "sum" type: "Eltwise" bottom: "b" bottom: "c" bottom: "c" top: "d" }\n'
    (tmp_path / "net.prototxt").write_text(text)
    net = netspec.Net(tmp_path / "net.prototxt", phase="TEST")
    names = ["x", "a", "b", "b_same_0_split_0", "b_same_0_split_1", "c", "c__0_split_0", "c__0_split_1", "d"]
    assert list(net.blobs) == names
    assert net._layer_names == ["input", "same", "same", "b_same_0_split", "", "c__0_split", "sum"]
    assert {"same", "same_2"} <= net.layer_dict.keys()
