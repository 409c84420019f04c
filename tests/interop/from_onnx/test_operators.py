"""Every operator that becomes layers, beside onnxruntime."""

import numpy as np
import pytest

from netspec.interop.from_onnx.ops import operators
from tests.interop.from_onnx.models import agrees, helper, model, random, types

X = random(2, 3, 5, 4)
PLANE = random(2, 4, 6, 7)
ROWS = random(2, 5, 6)
I64 = np.int64


def ints(*numbers):
    return np.array(numbers, I64)


CASES = {
    "conv": ("Conv", [X, random(4, 3, 3, 2), random(4)], {"strides": [2, 1], "pads": [1, 0, 1, 0]}, ["Convolution"]),
    "conv_same": ("Conv", [X, random(6, 1, 2, 3)], {"auto_pad": "SAME_UPPER", "group": 3}, ["Pad", "Convolution"]),
    "conv_dilated": ("Conv", [PLANE, random(2, 4, 2, 3)], {"dilations": [2, 3]}, ["Convolution"]),
    "deconv": ("ConvTranspose", [X, random(3, 2, 3, 4)], {"strides": [2, 3], "pads": [1, 1, 1, 1]}, ["Deconvolution"]),
    "deconv_more": (
        "ConvTranspose",
        [X, random(3, 2, 3, 3)],
        {"strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 0]},
        ["Deconvolution", "Slice", "Silence"],
    ),
    "gemm": (
        "Gemm",
        [random(3, 5), random(4, 5), random(4)],
        {"transB": 1, "alpha": 0.5, "beta": 2.0},
        ["InnerProduct"],
    ),
    "matmul": ("MatMul", [ROWS, random(6, 4)], {}, ["InnerProduct"]),
    "matmul_first": ("MatMul", [random(4, 5), ROWS], {}, ["Permute", "InnerProduct", "Permute"]),
    "embed": ("Gather", [random(7, 3), ints(1, 6, 0).reshape(3, 1)], {}, ["Embed"]),
    "max_pool": ("MaxPool", [PLANE], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}, ["Pooling"]),
    "max_pool_ceil": ("MaxPool", [PLANE], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, ["Pooling"]),
    "max_pool_uneven": ("MaxPool", [PLANE], {"kernel_shape": [3, 2], "pads": [0, 1, 2, 0]}, ["Pad", "Pooling"]),
    "mean_pool": ("AveragePool", [PLANE], {"kernel_shape": [3, 2], "strides": [1, 2]}, ["Pooling"]),
    "mean_pool_inner": (
        "AveragePool",
        [PLANE],
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]},
        ["Pooling", "Scale"],
    ),
    "mean_pool_padded": (
        "AveragePool",
        [PLANE],
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
        ["Pooling"],
    ),
    "global_mean": ("GlobalAveragePool", [X], {}, ["Pooling"]),
    "global_max": ("GlobalMaxPool", [X], {}, ["Pooling"]),
    "batch_norm": (
        "BatchNormalization",
        [X, random(3), random(3, seed=1), random(3, seed=2), np.abs(random(3, seed=3)) + 1],
        {"epsilon": 0.01},
        ["BatchNorm"],
    ),
    "instance_norm": ("InstanceNormalization", [X, random(3), random(3, seed=1)], {}, ["InstanceNorm"]),
    "layer_norm": ("LayerNormalization", [X, random(5, 4), random(5, 4, seed=1)], {"axis": 2}, ["LayerNorm"]),
    "lrn": ("LRN", [random(2, 7, 3, 4)], {"size": 5, "alpha": 0.3, "beta": 0.6, "bias": 2.0}, ["LRN"]),
    "lp_norm": ("LpNormalization", [ROWS], {"axis": 1}, ["L2Normalize"]),
    "prelu": ("PRelu", [X, random(3, 1, 1)], {}, ["PReLU"]),
    "prelu_shared": ("PRelu", [X, random(1)], {}, ["PReLU"]),
    "leaky": ("LeakyRelu", [X], {"alpha": 0.3}, ["LeakyReLU"]),
    "hard_sigmoid": ("HardSigmoid", [X], {"alpha": 0.3, "beta": 0.4}, ["Power", "Clip"]),
    "hard_swish": ("HardSwish", [X], {}, ["HardSwish"]),
    "clip": ("Clip", [X, np.float32(-0.5), np.float32(0.7)], {}, ["Clip"]),
    "clip_below": ("Clip", [X, np.float32(0.2)], {}, ["Clip"]),
    "softmax": ("Softmax", [X], {"axis": 2}, ["Softmax"]),
    "log_softmax": ("LogSoftmax", [X], {"axis": 1}, ["Softmax", "Log"]),
    "dropout": ("Dropout", [X, np.float32(0.3)], {}, ["Dropout"]),
    "add_channel": ("Add", [X, random(3, 1, 1)], {}, ["Bias"]),
    "add_number": ("Add", [np.float32(2), X], {}, ["Power"]),
    "sub_from": ("Sub", [random(5, 1), X], {}, ["Power", "Bias"]),
    "sub": ("Sub", [X, random(4)], {}, ["Bias"]),
    "mul_plane": ("Mul", [X, random(5, 4)], {}, ["Scale"]),
    "mul_ends": ("Mul", [X, random(3, 1, 4)], {}, ["Scale"]),
    "div_number": ("Div", [X, np.float32(3)], {}, ["Power"]),
    "div_by": ("Div", [np.float32(3), np.abs(X) + 1], {}, ["Power", "Power"]),
    "pow": ("Pow", [np.abs(X) + 1, np.float32(1.5)], {}, ["Power"]),
    "exp_base": ("Pow", [np.float32(2), X], {}, ["Exp"]),
    "reshape": ("Reshape", [X, ints(0, -1, 4)], {}, ["Reshape"]),
    "flatten": ("Flatten", [X], {"axis": 2}, ["Reshape"]),
    "squeeze": ("Squeeze", [random(2, 1, 3, 1), ints(1, 3)], {}, ["Flatten"]),
    "unsqueeze": ("Unsqueeze", [ROWS, ints(1, -1)], {}, ["Reshape"]),
    "transpose": ("Transpose", [X], {"perm": [0, 2, 3, 1]}, ["Permute"]),
    "slice": ("Slice", [PLANE, ints(1, -3), ints(3, 100), ints(1, 3)], {}, ["Slice", "Silence"] * 2),
    "gather_one": ("Gather", [PLANE, np.array(2, I64)], {"axis": 1}, ["Slice", "Silence", "Reshape"]),
    "pad": ("Pad", [X, ints(0, 0, 1, 2, 0, 0, 0, 3), np.float32(1.5)], {}, ["Pad"]),
    "pad_channels": ("Pad", [X, ints(0, 1, 0, 0, 0, 2, 0, 0)], {"mode": "constant"}, ["Pad"]),
    "pad_reflect": ("Pad", [X, ints(0, 0, 1, 2, 0, 0, 2, 1)], {"mode": "reflect"}, ["Pad"]),
    "pad_cut": ("Pad", [X, ints(0, 0, -1, 0, 0, 0, 0, 1)], {}, ["Slice", "Silence", "Pad"]),
    "expand": ("Expand", [random(2, 1, 4), ints(2, 3, 1)], {}, ["Tile"]),
    "tile": ("Tile", [ROWS, ints(1, 2, 3)], {}, ["Tile", "Tile"]),
    "depth_to_space": ("DepthToSpace", [random(2, 12, 3, 5)], {"blocksize": 2}, ["ShuffleChannel", "PixelShuffle"]),
    "depth_crd": ("DepthToSpace", [random(2, 12, 3, 5)], {"blocksize": 2, "mode": "CRD"}, ["PixelShuffle"]),
    "space_to_depth": ("SpaceToDepth", [PLANE[..., :6]], {"blocksize": 2}, ["PixelUnshuffle", "ShuffleChannel"]),
    "mean_over": ("ReduceMean", [X], {"axes": [1]}, ["Permute", "Reduction", "Reshape"]),
    "mean_planes": ("ReduceMean", [X], {"axes": [2, 3], "keepdims": 0}, ["Pooling", "Flatten"]),
    "sum_last": ("ReduceSum", [X, ints(-1)], {"keepdims": 0}, ["Reduction"]),
    "max_channels": ("ReduceMax", [X], {"axes": [1]}, ["FeaturePooling"]),
    "max_ends": ("ReduceMax", [X], {"axes": [1, -1], "keepdims": 0}, ["FeaturePooling", "FeaturePooling", "Flatten"]),
    "min_rows": ("ReduceMin", [X], {"axes": [2], "keepdims": 0}, None),
    "min_planes": ("ReduceMin", [X], {"axes": [2, 3]}, ["Power", "Pooling", "Power"]),
    "slice_steps": ("Slice", [PLANE, ints(1, 0), ints(6, 7), ints(2, 3), ints(2, 3)], {}, None),
    "slice_steps_whole": ("Slice", [random(2, 3, 9), ints(0), ints(9), ints(2), ints(4)], {}, ["Pooling"]),
    "length": ("ReduceL2", [X], {"axes": [3]}, ["Reduction", "Power", "Reshape"]),
    "max_number": ("Max", [X, np.float32(0.1)], {}, ["Clip"]),
    "resize_nearest": (
        "Resize",
        [X, np.zeros(0, "f"), np.array([1, 1, 2, 3], "f")],
        {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        ["Upsample"],
    ),
    "resize_linear": (
        "Resize",
        [X, np.zeros(0, "f"), np.zeros(0, "f"), ints(2, 3, 7, 9)],
        {"mode": "linear"},
        ["Upsample"],
    ),
    "resize_corners": (
        "Resize",
        [X, np.zeros(0, "f"), np.zeros(0, "f"), ints(2, 3, 7, 9)],
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
        ["Upsample"],
    ),
    "lstm": ("LSTM", [random(4, 3, 5), random(1, 24, 5), random(1, 24, 6), random(1, 48)], {"hidden_size": 6}, None),
    "gru": (
        "GRU",
        [random(4, 3, 5), random(1, 18, 5), random(1, 18, 6), random(1, 36)],
        {"hidden_size": 6, "linear_before_reset": 1},
        None,
    ),
    **{
        name: (name, [X], {}, [type])
        for name, type in {
            **dict(Relu="ReLU", Sigmoid="Sigmoid", Tanh="TanH", Elu="ELU", Selu="SELU", Softplus="Softplus"),
            **dict(Softsign="Softsign", Abs="AbsVal", Exp="Exp", Neg="Power", Mish="Mish", Celu="CELU"),
        }.items()
    },
}
FIRST_CONSTANT = {"embed", "matmul_first", "add_number", "sub_from", "div_by", "exp_base"}
"""Cases whose first input is constant, and whose second is computed."""
NEWER = {"Mish": 18}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_becomes_layers_that_agree(case, tmp_path):
    op, values, attributes, wanted = CASES[case]
    free = 1 if case in FIRST_CONSTANT else 0
    names = [f"in{number}" if values[number].size or number == free else "" for number in range(len(values))]
    constants = {name: value for number, (name, value) in enumerate(zip(names, values, strict=True)) if number != free}
    constants.pop("", None)
    node = helper.make_node(op, names, ["y"], **attributes)
    inputs = {names[free]: values[free]}
    found = agrees(model([node], inputs, constants, NEWER.get(op, 17)), tmp_path, inputs, 1e-5)
    assert wanted is None or types(found) == wanted


BLOBS = {
    "add": ("Add", [X, random(2, 3, 5, 4, seed=1)], ["Eltwise"]),
    "sub": ("Sub", [X, random(2, 3, 5, 4, seed=1)], ["Eltwise"]),
    "gate": ("Mul", [X, random(2, 3, 1, 1)], ["Flatten", "Scale"]),
    "rows": ("Sub", [random(2, 3, 1, 4), X], None),
    "both": ("Add", [random(2, 3, 1, 4), random(2, 1, 5, 4)], ["Tile", "Tile", "Eltwise"]),
    "ratio": ("Div", [X, np.abs(random(2, 3, 5, 4, seed=1)) + 1], ["Power", "Eltwise"]),
    "least": ("Min", [X, random(2, 3, 5, 4, seed=1)], ["Power", "Power", "Eltwise", "Power"]),
    "most": ("Max", [X, random(2, 3, 5, 4, seed=1), random(2, 3, 5, 4, seed=2)], ["Eltwise"]),
    "mean": ("Mean", [X, random(2, 3, 5, 4, seed=1)], ["Eltwise"]),
    "concat": ("Concat", [X, random(2, 2, 5, 4)], ["Concat"]),
}


@pytest.mark.parametrize("case", BLOBS)
def test_an_operator_on_blobs_agrees(case, tmp_path):
    op, values, wanted = BLOBS[case]
    inputs = {f"in{number}": value for number, value in enumerate(values)}
    attributes = {"axis": 1} if op == "Concat" else {}
    found = agrees(model([helper.make_node(op, [*inputs], ["y"], **attributes)], inputs), tmp_path, inputs)
    assert wanted is None or types(found) == wanted


@pytest.mark.parametrize("directions", [1, 2])
def test_states_of_an_lstm_are_bottoms_and_tops(directions, tmp_path):
    inputs = {"x": random(4, 3, 5), "h": random(directions, 3, 6), "c": random(directions, 3, 6, seed=1)}
    constants = {"w": random(directions, 24, 5), "r": random(directions, 24, 6), "b": random(directions, 48)}
    constants["p"] = random(directions, 18)
    names = ["x", "w", "r", "b", "", "h", "c", "p"]
    direction = {1: "forward", 2: "bidirectional"}[directions]
    node = helper.make_node("LSTM", names, ["y", "last", "cell"], hidden_size=6, direction=direction)
    agrees(model([node], inputs, constants, outputs=("y", "last", "cell")), tmp_path, inputs)


def test_softmax_before_opset_13_is_over_all_axes_behind(tmp_path):
    node = helper.make_node("Softmax", ["x"], ["y"], axis=2)
    found = agrees(model([node], {"x": X}, opset=11), tmp_path, {"x": X})
    assert types(found) == ["Reshape", "Softmax", "Reshape"]


def test_upsample_of_opset_9(tmp_path):
    node = helper.make_node("Upsample", ["x", "scales"], ["y"], mode="nearest")
    constants = {"scales": np.array([1, 1, 2, 3], np.float32)}
    found = agrees(model([node], {"x": X}, constants, opset=9), tmp_path, {"x": X})
    assert types(found) == ["Upsample"]


def test_the_largest_values_without_their_places(tmp_path):
    node = helper.make_node("TopK", ["x", "k"], ["y", "places"], axis=2)
    found = agrees(model([node], {"x": PLANE}, {"k": ints(3)}), tmp_path, {"x": PLANE})
    assert types(found) == ["ArgMax"]
    node = helper.make_node("TopK", ["x"], ["y", "places"], axis=2, k=3)
    assert types(agrees(model([node], {"x": PLANE}, opset=9), tmp_path, {"x": PLANE})) == ["ArgMax"]


@pytest.mark.parametrize("last", [0, 1])
def test_which_of_equal_values_is_told(last, tmp_path):
    x = random(2, 5, 3)
    x[:, [1, 3]] = 9 if last else x[:, [1, 3]]
    nodes = [helper.make_node("ArgMax", ["x"], ["at"], axis=1, select_last_index=last)]
    nodes.append(helper.make_node("Cast", ["at"], ["y"], to=1))
    found = agrees(model(nodes, {"x": x}), tmp_path, {"x": x})
    assert [len(layer.notes) for layer in found.layers if layer.fields["type"] == "ArgMax"] == [1 - last]


def test_every_other_operator_is_met_in_an_export():
    """What no case here has is in the PyTorch modules of test_exports.py, or only a name of another."""
    met = {op for op, *_ in CASES.values()} | {op for op, *_ in BLOBS.values()} | {"Upsample", "TopK"}
    elsewhere = {"Gelu", "Swish", "Identity", "Cast", "CastLike", "Split", "Sqrt", "Log", "Reciprocal", "ArgMax", "Sum"}
    rarely = {"GroupNormalization", "RMSNormalization", "ReduceL1", "ReduceSumSquare"}
    assert {*operators()} - met == elsewhere | rarely


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize(
    ("op", "gates", "given", "read"),
    [("LSTM", 4, ("h", "c"), ("y", "yh", "yc")), ("LSTM", 4, ("", "c"), ("", "yh", "yc")),
     ("LSTM", 4, (), ("y", "", "yc")), ("GRU", 3, ("h",), ("y", "yh"))],
)  # fmt: skip
def test_states_that_come_in_and_go_out(op, gates, given, read, directions, tmp_path):
    shapes = {"w": (directions, gates * 6, 5), "r": (directions, gates * 6, 6), "b": (directions, gates * 12)}
    constants = {name: random(*shape) for name, shape in shapes.items()}
    inputs = {"x": random(4, 3, 5)} | {name: random(directions, 3, 6) for name in given if name}
    how = {"direction": "bidirectional"} if directions == 2 else {}
    how |= {"linear_before_reset": 1} if op == "GRU" else {}
    node = helper.make_node(op, ["x", "w", "r", "b", "", *given], read, hidden_size=6, **how)
    proto = model([node], inputs, constants, outputs=[name for name in read if name])
    for value in proto.graph.input:
        value.type.tensor_type.shape.dim[1].dim_param = "N"
    found = agrees(proto, tmp_path, inputs, batch=3)
    assert op in types(found)
