"""Layer types of Caffe whose fields take more than a copy: one function each, found by the type's word.

What a function does not put, `Given.fields` copies. Source: Caffe caffe.proto and the layers' own files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netspec.core.nodes import Mapping, Node, Sequence
from netspec.prototxt.draft import items, single
from netspec.prototxt.layer import Given, sizes

_OLD_TRANSFORM = ("scale", "mean_file", "crop_size", "mirror")
_OF_TRANSFORM = "Caffe reads it in `transform_param` alone"


def batch_norm(given: Given) -> None:
    """Its own phase decides which statistics it takes; NVIDIA's has learned factors too."""
    message, fork = given.message("batch_norm_param"), ("scale_bias", "scale_filler", "bias_filler")
    given.fields(*fork)
    if message.value("scale_bias"):
        for name, own in zip(fork, ("affine", "weight_filler", "bias_filler"), strict=True):
            if name in message.items:
                given.put(own, given.value(name, message.items[name]), message.keys[name])
    else:
        given.drop("batch_norm_param", fork[1:], "without `scale_bias` there is nothing to fill")
    phase = given.node.items.get("phase")
    if phase is not None and "use_global_stats" not in given.draft.items:
        given.put("use_global_stats", phase.plain() == "TEST", given.node.keys["phase"])


def contrastive_loss(given: Given) -> None:
    """Any number but 0 says that a pair is alike."""
    given.fields()
    given.put("any_label", True)


def data(given: Given) -> None:
    """Caffe's usual database is LevelDB."""
    given.drop("data_param", _OLD_TRANSFORM, _OF_TRANSFORM)
    given.fields(*_OLD_TRANSFORM)
    if "backend" not in given.draft.items:
        given.notes.add("`backend` is not given, and Caffe would take LEVELDB: read as LMDB", given.node.at)


def dropout(given: Given) -> None:
    """In its own phase TEST it drops nothing."""
    given.fields()
    phase = given.node.items.get("phase")
    if phase is not None and phase.plain() == "TEST":
        given.put("dropout_ratio", 0.0, given.node.keys["phase"])


def dummy_data(given: Given) -> None:
    """The lengths of old files are shapes; constants are written once."""
    message = given.message("dummy_data_param")
    if "shape" in message.items:
        _shapes(given, "dummy_data_param")
    else:
        lengths = [_ints(message, name) for name in ("num", "channels", "height", "width")]
        if any(lengths):
            tops = max(map(len, lengths))
            shapes = [[each[min(i, len(each) - 1)] for each in lengths if each] for i in range(tops)]
            at = next(message.keys[name] for name in ("num", "channels", "height", "width") if name in message.keys)
            given.put("shape", shapes, at)
            given.notes.add("`num`, `channels`, `height` and `width` became `shape`", at)
    given.fields("shape", "num", "channels", "height", "width")
    fillers = message.items.get("data_filler")
    if fillers is not None:
        listed = tuple(given.value("data_filler", each) for each in items(fillers))
        given.draft.put("data_filler", single(Sequence(listed, fillers.at)), message.keys["data_filler"])


def eltwise(given: Given) -> None:
    """Factors are read of a sum alone."""
    if given.message("eltwise_param").value("operation") == "MAX":
        given.drop("eltwise_param", ("coeff",), "a maximum has no factors")
        given.fields("coeff")
    else:
        given.fields()


def im2col(given: Given) -> None:
    """Of a convolution's fields it reads the window."""
    unread = ("num_output", "bias_term", "group", "weight_filler", "bias_filler")
    given.drop("convolution_param", unread, "Im2col does not read it")
    given.fields(*unread)


def image_data(given: Given) -> None:
    """No folder is the one that paths start from; images that shrink are not smoothed."""
    given.drop("image_data_param", _OLD_TRANSFORM, _OF_TRANSFORM)
    root, height = (given.message("image_data_param").value(name) for name in ("root_folder", "new_height"))
    given.fields(*_OLD_TRANSFORM, *(["root_folder"] if root == "" else []))
    if height:
        given.put("smooth", False)


def input(given: Given) -> None:
    """Its shapes are lists."""
    _shapes(given, "input_param")


def lrn(given: Given) -> None:
    """Within a channel `k` is not read."""
    if given.message("lrn_param").value("norm_region") == "WITHIN_CHANNEL":
        given.drop("lrn_param", ("k",), "Caffe does not read it within a channel, where it is 1")
        given.fields("k")
    else:
        given.fields()


def mvn(given: Given) -> None:
    """The top has four axes."""
    given.fields()
    given.put("four_axes", True)


def memory_data(given: Given) -> None:
    """What a program puts into memory is not transformed."""
    given.fields()
    if "transform_param" in given.node.items:
        given.read.add("transform_param")
        why = "arrays that a program gives are taken as they are"
        given.notes.left_out("transform_param", why, given.node.keys["transform_param"])


def parameter(given: Given) -> None:
    """Its shape is a list."""
    message = given.message("parameter_param")
    given.put("shape", sizes(message.items.get("shape")), message.keys.get("shape"))
    given.fields("shape")


def pooling(given: Given) -> None:
    """`ceil_mode` of forks is a rounding."""
    message = given.message("pooling_param")
    given.fields("ceil_mode")
    if "ceil_mode" in message.items and "round_mode" not in message.items:
        given.put("round_mode", "CEIL" if message.value("ceil_mode") else "FLOOR", message.keys["ceil_mode"])


def recurrent(given: Given) -> None:
    """Exposed states take no part in the gradient."""
    given.fields()
    if given.draft.items.get("expose_hidden") is not None:
        given.put("state_gradient", False)


def reshape(given: Given) -> None:
    """Its shape is a list."""
    message = given.message("reshape_param")
    given.put("shape", sizes(message.items.get("shape")), message.keys.get("shape"))
    given.fields("shape")


def scale(given: Given) -> None:
    """Without a bias its filler fills nothing."""
    if not given.message("scale_param").value("bias_term"):
        given.drop("scale_param", ("bias_filler",), "without `bias_term` there is nothing to fill")
        given.fields("bias_filler")
    else:
        given.fields()


def softmax_with_loss(given: Given) -> None:
    """SegNet's weights of classes."""
    message, fork = given.message("loss_param"), ("weight_by_label_freqs", "class_weighting")
    if not message.value("weight_by_label_freqs"):
        given.fields()
        return
    given.fields(*fork)
    if "class_weighting" in message.items:
        at = message.keys["class_weighting"]
        given.put("class_weights", message.items["class_weighting"], at)
        if "ignore_label" in message.items:
            given.notes.add("the loss divides by the weights of what counts, and SegNet's by their number", at)
        elif "normalization" not in message.items:
            given.put("normalization", "FULL", at)


def window_data(given: Given) -> None:
    """Windows are changed by `transform_param`."""
    given.drop("window_data_param", _OLD_TRANSFORM, _OF_TRANSFORM)
    root = given.message("window_data_param").value("root_folder")
    given.fields(*_OLD_TRANSFORM, *(["root_folder"] if root == "" else []))


TYPES: dict[str, Callable[[Given], None]] = {
    "BatchNorm": batch_norm,
    "ContrastiveLoss": contrastive_loss,
    "Data": data,
    "Dropout": dropout,
    "DummyData": dummy_data,
    "Eltwise": eltwise,
    "Im2col": im2col,
    "ImageData": image_data,
    "Input": input,
    "LRN": lrn,
    "MVN": mvn,
    "LSTM": recurrent,
    "MemoryData": memory_data,
    "Parameter": parameter,
    "Pooling": pooling,
    "RNN": recurrent,
    "Reshape": reshape,
    "Scale": scale,
    "SoftmaxWithLoss": softmax_with_loss,
    "WindowData": window_data,
}
"""The types that need more than `Given.fields`."""


def _shapes(given: Given, name: str) -> None:
    """A list of shapes, one for each top or one for all."""
    message = given.message(name)
    if "shape" in message.items:
        found: list[Any] = [sizes(each) for each in items(message.items["shape"])]
        given.put("shape", found, message.keys["shape"])


def _ints(message: Mapping, name: str) -> list[int]:
    """The numbers of a repeated field."""
    given: Node | None = message.items.get(name)
    return [each.plain() for each in items(given)]
