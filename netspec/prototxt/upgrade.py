"""Nets and solvers of older versions of Caffe in the words of its present one; notes tell what was changed.

Source: Caffe upgrade_proto.cpp.
"""

from __future__ import annotations

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Mapping, Node, Note, Scalar, Sequence
from netspec.core.places import Place
from netspec.core.shape import counted
from netspec.prototxt.upgrade_v0 import upgraded_v0


class UpgradeError(SpecError):
    """A net or solver of an older version of Caffe contradicts itself, or lacks what its layers need."""

    code = "NS705"


_TYPES = {
    "NONE": "",
    "ABSVAL": "AbsVal",
    "ACCURACY": "Accuracy",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "CONCAT": "Concat",
    "CONTRASTIVE_LOSS": "ContrastiveLoss",
    "CONVOLUTION": "Convolution",
    "DATA": "Data",
    "DECONVOLUTION": "Deconvolution",
    "DENSE_IMAGE_DATA": "DenseImageData",
    "DROPOUT": "Dropout",
    "DUMMY_DATA": "DummyData",
    "ELTWISE": "Eltwise",
    "EUCLIDEAN_LOSS": "EuclideanLoss",
    "EXP": "Exp",
    "FLATTEN": "Flatten",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "HINGE_LOSS": "HingeLoss",
    "IM2COL": "Im2col",
    "IMAGE_DATA": "ImageData",
    "IMAGE_SEG_DATA": "ImageSegData",
    "INFOGAIN_LOSS": "InfogainLoss",
    "INNER_PRODUCT": "InnerProduct",
    "LRN": "LRN",
    "MEMORY_DATA": "MemoryData",
    "MULTINOMIAL_LOGISTIC_LOSS": "MultinomialLogisticLoss",
    "MVN": "MVN",
    "POOLING": "Pooling",
    "POWER": "Power",
    "PRELU": "PReLU",
    "RELU": "ReLU",
    "ROI_POOLING": "ROIPooling",
    "SIGMOID": "Sigmoid",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SILENCE": "Silence",
    "SLICE": "Slice",
    "SMOOTH_L1_LOSS": "SmoothL1Loss",
    "SOFTMAX": "Softmax",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "SPLIT": "Split",
    "TANH": "TanH",
    "THRESHOLD": "Threshold",
    "WINDOW_DATA": "WindowData",
}
"""The layer types of V1, an enum, as the names of V2; words that are not here are written in the same way."""

_DATA_PARAMS = {"DATA": "data_param", "IMAGE_DATA": "image_data_param", "WINDOW_DATA": "window_data_param"}
_TRANSFORMS = ("scale", "mean_file", "crop_size", "mirror")
"""Fields that stood in the message of a data layer of V1 before there was `transform_param`."""

_SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}
_INLINE = ("net_param", "train_net_param", "test_net_param")


def upgraded(root: Mapping, kind: str, notes: list[Note], lenient: bool = False) -> Mapping:
    """A net or a solver in Caffe's present words. Raises UpgradeError."""
    return _solver(root, notes, lenient) if kind == "solver" else _net(root, notes, lenient)


def _solver(root: Mapping, notes: list[Note], lenient: bool) -> Mapping:
    old = root.items.get("solver_type")
    if isinstance(old, Scalar):
        at = root.keys["solver_type"]
        if "type" in root.items:
            related = [("the new one", root.keys["type"])]
            raise UpgradeError("'solver_type' and 'type' are both given", at=at, help="keep 'type'", related=related)
        notes.append(Note("solver_type became type", at))
        root = _renamed(root, "solver_type", "type", Scalar(_SOLVER_TYPES[str(old.value)], old.at))
    for key in _INLINE:
        held = root.items.get(key)
        if isinstance(held, Mapping):
            root = root.with_item(key, _net(held, notes, lenient), root.keys[key])
        elif isinstance(held, Sequence):
            nets = tuple(_net(net, notes, lenient) for net in held.items if isinstance(net, Mapping))
            root = root.with_item(key, Sequence(nets, held.at), root.keys[key])
    return root


def _net(root: Mapping, notes: list[Note], lenient: bool) -> Mapping:
    if "layers" in root.items:
        root = _from_v1(root, notes, lenient)
    if "input" in root.items:
        root = _with_input_layer(root, notes)
    layers = root.items.get("layer")
    if isinstance(layers, Sequence):
        fixed = tuple(_fixed_statistics(layer, notes) for layer in layers.items)
        root = root.with_item("layer", Sequence(fixed, layers.at), root.keys["layer"])
    return root


def _from_v1(root: Mapping, notes: list[Note], lenient: bool) -> Mapping:
    at = root.keys["layers"]
    if "layer" in root.items:
        notes.append(Note("`layer` beside `layers`: Caffe leaves these layers out", root.keys["layer"]))
        root = root.without("layer")
    layers = root.items["layers"]
    assert isinstance(layers, Sequence)
    found = Findings()
    items: list[Mapping] = [layer for layer in layers.items if isinstance(layer, Mapping)]
    if any("layer" in layer.items for layer in items):
        notes.append(Note("a net of Caffe's version 0: its layers were upgraded", at))
        items = upgraded_v0(items, notes, found, lenient)
    else:
        notes.append(Note("a net of Caffe's version 1: its layers were upgraded", at))
    new: list[Node] = [_layer(_with_transforms(layer, notes)) for layer in items]
    found.raise_if_any()
    return _renamed(root, "layers", "layer", Sequence(tuple(new), layers.at))


def _renamed(root: Mapping, old: str, new: str, node: Node) -> Mapping:
    """A copy in which a field has another name and value, and its old place among the others."""
    items = {new if key == old else key: node if key == old else value for key, value in root.items.items()}
    keys = {new if key == old else key: place for key, place in root.keys.items()}
    return Mapping(items, keys, root.at)


def _with_transforms(layer: Mapping, notes: list[Note]) -> Mapping:
    """A data layer of V1 whose transforms stand in `transform_param`."""
    key = _DATA_PARAMS.get(layer.value("type") or "", "")
    data = layer.items.get(key)
    if not isinstance(data, Mapping):
        return layer
    moved = [name for name in _TRANSFORMS if name in data.items]
    if not moved:
        return layer
    at = data.keys[moved[0]]
    transform = layer.items.get("transform_param")
    if not isinstance(transform, Mapping):
        transform = Mapping({}, {}, at)
    for name in moved:
        transform = transform.with_item(name, data.items[name], data.keys[name])
    notes.append(Note(f"{', '.join(moved)} of {key} became fields of transform_param", at))
    return layer.with_item(key, data.without(*moved), layer.keys[key]).with_item("transform_param", transform, at)


_MULTIPLIERS = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}
"""The lists of a V1 layer that became fields of `param`."""


def _layer(layer: Mapping) -> Mapping:
    """A layer of V1 as a layer of V2: the type's name, and a `param` for every blob."""
    items: dict[str, Node] = {}
    keys: dict[str, Place] = {}
    for key, node in layer.items.items():
        if key in _MULTIPLIERS:
            continue
        if key == "type" and isinstance(node, Scalar):
            node = Scalar(_TYPES.get(str(node.value), node.value), node.at, quoted=True)
        items[key], keys[key] = node, layer.keys[key]
    params: list[Mapping] = []
    for key, name in _MULTIPLIERS.items():
        values = layer.items.get(key)
        for place, value in enumerate(values.items if isinstance(values, Sequence) else ()):
            if place == len(params):
                params.append(Mapping({}, {}, value.at))
            params[place] = params[place].with_item(name, value, value.at)
    if params:
        items["param"], keys["param"] = Sequence(tuple(params), params[0].at), params[0].at
    return Mapping(items, keys, layer.at)


def _with_input_layer(root: Mapping, notes: list[Note]) -> Mapping:
    """A net whose inputs are tops of an Input layer, the first of its layers. Raises UpgradeError."""
    at = root.keys["input"]
    names = root.items["input"]
    assert isinstance(names, Sequence)
    shapes = _input_shapes(root, names)
    root = root.without("input", "input_shape", "input_dim")
    if shapes is None:
        notes.append(Note("`input` without shapes: Caffe leaves it out", at))
        return root
    notes.append(Note("the inputs of the net became an Input layer", at))
    param = Mapping({"shape": shapes}, {"shape": shapes.at}, shapes.at)
    items: dict[str, Node] = {
        "name": Scalar("input", at, quoted=True),
        "type": Scalar("Input", at, quoted=True),
        "top": names,
        "input_param": param,
    }
    first = Mapping(items, {**dict.fromkeys(items, at), "input_param": shapes.at}, at)
    held = root.items.get("layer")
    rest = held.items if isinstance(held, Sequence) else ()
    return root.with_item("layer", Sequence((first, *rest), at), root.keys.get("layer", at))


def _input_shapes(root: Mapping, names: Sequence) -> Sequence | None:
    """The shape of each input, from `input_shape` or four numbers of `input_dim` each; None where there is neither."""
    shapes, dims = root.items.get("input_shape"), root.items.get("input_dim")
    many = len(names.items)
    if isinstance(shapes, Sequence):
        if len(shapes.items) < many:
            text = f"{counted(many, 'input')}, but {counted(len(shapes.items), 'input_shape')}"
            raise UpgradeError(text, at=shapes.at, help="say one for each input")
        return Sequence(shapes.items[:many], shapes.at)
    if not isinstance(dims, Sequence):
        return None
    if len(dims.items) < 4 * many:
        text = f"{counted(many, 'input')}, but {counted(len(dims.items), 'number')} of input_dim"
        raise UpgradeError(text, at=dims.at, help="say four for each input: num, channels, height and width")
    fours = [dims.items[4 * place : 4 * place + 4] for place in range(many)]
    made = tuple(Mapping({"dim": Sequence(four, four[0].at)}, {"dim": four[0].at}, four[0].at) for four in fours)
    return Sequence(made, dims.at)


def _fixed_statistics(layer: Node, notes: list[Note]) -> Node:
    """A BatchNorm layer with three `param`s, whose multipliers Caffe sets to 0: its blobs are statistics."""
    params = layer.items.get("param") if isinstance(layer, Mapping) else None
    if not isinstance(layer, Mapping) or not isinstance(params, Sequence):
        return layer
    if layer.value("type") != "BatchNorm" or len(params.items) != 3:
        return layer
    if any(_multiplier(param, "lr_mult") != 0 for param in params.items):
        notes.append(Note("BatchNorm's statistics are not learned: their lr_mult became 0", layer.keys["param"]))
    zero = [_set_zero(param) for param in params.items]
    return layer.with_item("param", Sequence(tuple(zero), params.at), layer.keys["param"])


def _multiplier(param: Node, key: str) -> float:
    value = param.value(key) if isinstance(param, Mapping) else None
    return 1.0 if value is None else float(value)


def _set_zero(param: Node) -> Node:
    assert isinstance(param, Mapping)
    for key in ("lr_mult", "decay_mult"):
        at = param.keys.get(key, param.at)
        param = param.with_item(key, Scalar(0, at), at)
    return param
