"""Small nets of Caffe: for each layer type, every field that its messages have.

A case is a text of layers, `l(TYPE, FIELDS, BOTTOMS, TOPS)` each, and the shapes of what they read. Blobs called `t`
hold labels.
"""

from __future__ import annotations

from typing import NamedTuple

Shape = tuple[int, ...]


class Case(NamedTuple):
    """Layers, and the shape of each blob that they read."""

    text: str
    shapes: dict[str, Shape]

    @property
    def net(self) -> str:
        """The whole net, which begins with its inputs."""
        sizes = {name: " ".join(f"dim: {size}" for size in shape) for name, shape in self.shapes.items()}
        heads = [l("Input", f"input_param {{ shape {{ {dims} }} }}", "", name) for name, dims in sizes.items()]
        return "".join((*heads, self.text))


def l(type: str, fields: str = "", bottoms: str = "x", tops: str = "y") -> str:  # noqa: E743
    """A layer called after its first top, or its type."""
    blobs = [f'bottom: "{name}"' for name in bottoms.split()] + [f'top: "{name}"' for name in tops.split()]
    name = (tops.split() or [type.lower()])[0]
    return f'layer {{ name: "{name}" type: "{type}" {" ".join(blobs)} {fields} }}\n'


X: dict[str, Shape] = {"x": (2, 6, 5, 4)}
FILLED = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "constant" value: 0.1 }'
SCORES: dict[str, Shape] = {"x": (4, 5), "t": (4,)}
GAINS: dict[str, Shape] = {**SCORES, "h": (5, 5)}
MAPS: dict[str, Shape] = {"x": (2, 5, 3, 4), "t": (2, 3, 4)}
PAIR: dict[str, Shape] = {"x": (4, 5), "t": (4, 5)}
THREE: dict[str, Shape] = {"x": (2, 3, 5, 4), "z": (2, 3, 5, 4), "w": (2, 3, 5, 4)}
STEPS: dict[str, Shape] = {"x": (3, 2, 4), "cont": (3, 2), "s": (2, 3), "h": (1, 2, 5), "c": (1, 2, 5)}
IMAGES = "transform_param { scale: 0.5 mirror: true crop_size: 4 mean_value: 1 force_color: true }"
OLD = 'scale: 2 mean_file: "m.binaryproto" crop_size: 3 mirror: true batch_size: 3'


def of(type: str, message: str, *fields: str, shapes: dict[str, Shape] = X, bottoms: str = "x") -> list[Case]:
    """A case for each text of fields in the message of a type."""
    return [Case(l(type, f"{message} {{ {text} }}", bottoms), shapes) for text in fields]


def plain(*types: str) -> list[Case]:
    """A case without fields for each type."""
    return [Case(l(type), X) for type in types]


_WINDOWS = (
    "num_output: 4 kernel_size: 3",
    "num_output: 4 kernel_size: 3 stride: 2 pad: 1",
    "num_output: 4 kernel_h: 3 kernel_w: 2 stride_h: 1 stride_w: 2 pad_h: 1 pad_w: 0",
    "num_output: 4 kernel_size: 2 dilation: 2",
    "num_output: 4 kernel_size: 3 kernel_size: 2 pad: 1 pad: 0 stride: 2 stride: 1 dilation: 1 dilation: 2",
    "num_output: 4 axis: 3",
    "num_output: 4 kernel_size: 3 force_nd_im2col: true engine: CAFFE",
)
_FILTERS = ("num_output: 6 kernel_size: 3 group: 3", "num_output: 4 kernel_size: 3 bias_term: false", *_WINDOWS)
_POOLS = (
    "kernel_size: 3 stride: 2 pad: 1",
    "kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 pad_h: 1 pad_w: 1",
    "global_pooling: true",
    "kernel_size: 2 stride: 2 round_mode: FLOOR engine: CAFFE",
    "kernel_size: 3 stride: 2 ceil_mode: false",
)
_LOSSES = (
    "",
    "ignore_label: 1",
    "normalization: FULL",
    "normalization: NONE",
    "normalize: false",
    "normalization: VALID normalize: false",
)

NEURONS = [
    *plain(
        "AbsVal", "BNLL", "Sigmoid", "TanH", "ReLU", "ELU", "Swish", "Exp", "Power", "PReLU", "Dropout", "Threshold"
    ),
    *of("ReLU", "relu_param", "negative_slope: 0.1 engine: CAFFE", "negative_slope: -0.5"),
    *of("Sigmoid", "sigmoid_param", "engine: CAFFE"),
    *of("TanH", "tanh_param", "engine: CAFFE"),
    *of("ELU", "elu_param", "alpha: 0.5"),
    *of("Swish", "swish_param", "beta: 1.5"),
    *of("Exp", "exp_param", "base: 2 scale: 3 shift: 1"),
    *of("Log", "log_param", "base: 2 scale: 3 shift: 9"),
    *of("Power", "power_param", "power: 0.37 scale: 0.83 shift: -2.4", "power: 2 scale: 0 shift: 3"),
    *of("PReLU", "prelu_param", "channel_shared: true filler { value: 0.3 }"),
    *of("Dropout", "dropout_param", "dropout_ratio: 0.7", "dropout_ratio: 0"),
    *of("Clip", "clip_param", "min: -1 max: 0.5"),
    *of("Threshold", "threshold_param", "threshold: 0.5"),
]
PRODUCTS = [
    *of("Convolution", "convolution_param", *(f"{text} {FILLED}" for text in _FILTERS)),
    *of("Deconvolution", "convolution_param", *(f"{text} {FILLED}" for text in _FILTERS)),
    *of("Im2col", "convolution_param", *(f"{text} bias_term: true group: 1 {FILLED}" for text in _WINDOWS)),
    *of("Convolution", "convolution_param", f"num_output: 4 kernel_size: 2 {FILLED}", shapes={"x": (2, 3, 4, 5, 4)}),
    Case(
        l("Convolution", "convolution_param { num_output: 4 kernel_size: 3 }", "x z", "y y2"),
        {"x": (2, 3, 6, 4), "z": (2, 3, 6, 4)},
    ),
    *of("InnerProduct", "inner_product_param", f"num_output: 7 axis: 2 transpose: true bias_term: false {FILLED}"),
    *of("Embed", "embed_param", f"num_output: 7 input_dim: 5 bias_term: true {FILLED}", shapes={"x": (4, 2)}),
]
POOLING = [
    *of("Pooling", "pooling_param", *(f"pool: {how} {text}" for how in ("MAX", "AVE") for text in _POOLS)),
    Case(l("Pooling", "pooling_param { pool: MAX kernel_size: 3 }", "x", "y mask"), X),
    *of("Pooling", "pooling_param", "pool: STOCHASTIC kernel_size: 3 stride: 2"),
    *of("SPP", "spp_param", "pyramid_height: 1", "pyramid_height: 2 pool: AVE engine: CAFFE"),
]
NORMS = [
    *plain("BatchNorm", "LRN", "MVN", "Softmax"),
    *of("BatchNorm", "batch_norm_param", "use_global_stats: false eps: 0.1 moving_average_fraction: 0.9"),
    *of("LRN", "lrn_param", "local_size: 3 alpha: 2 beta: 0.5 k: 2 engine: CAFFE"),
    *of("LRN", "lrn_param", "local_size: 3 norm_region: WITHIN_CHANNEL k: 2"),
    *of("MVN", "mvn_param", "across_channels: true eps: 0.1 normalize_variance: false"),
    *of("Softmax", "softmax_param", "axis: -1 engine: CAFFE"),
]
ARITHMETIC = [
    *plain("Scale", "Bias", "Reduction"),
    *of("Scale", "scale_param", 'axis: 0 num_axes: 2 bias_term: true filler { } bias_filler { type: "uniform" }'),
    *of("Scale", "scale_param", "bias_filler { value: 1 }", "axis: 0 num_axes: 0", "num_axes: -1"),
    *of("Bias", "bias_param", "axis: -1 num_axes: 1 filler { value: 2 }"),
    *of("Scale", "scale_param", "axis: 0", shapes={"x": (2, 6, 5, 4), "s": (2, 6)}, bottoms="x s"),
    *of("Bias", "bias_param", "axis: 2", shapes={"x": (2, 6, 5, 4), "s": (5, 4)}, bottoms="x s"),
    *of("Reduction", "reduction_param", "operation: ASUM axis: 2 coeff: 2.3", "operation: MEAN axis: -1"),
    *of("Eltwise", "eltwise_param", "", "operation: PROD stable_prod_grad: false", shapes=THREE, bottoms="x z w"),
    *of("Eltwise", "eltwise_param", "operation: MAX", "coeff: 1 coeff: -0.5 coeff: 2", shapes=THREE, bottoms="x z w"),
    *of("Eltwise", "eltwise_param", "operation: MAX coeff: 1 coeff: 2", shapes=THREE, bottoms="x z"),
    *of("ArgMax", "argmax_param", "top_k: 3", "out_max_val: true top_k: 2", "axis: -2"),
]
MOVES = [
    *plain("Flatten", "Split"),
    *of("Flatten", "flatten_param", "axis: 0 end_axis: -2"),
    *of("Reshape", "reshape_param", "shape { dim: 0 dim: -1 dim: 1 dim: 1 }", "shape { dim: 1 } axis: 2 num_axes: 0"),
    *of("Concat", "concat_param", "axis: -1", "concat_dim: 2", shapes=THREE, bottoms="x z"),
    Case(l("Slice", "slice_param { axis: 1 slice_point: 2 slice_point: 3 }", "x", "y a b"), X),
    Case(l("Slice", "slice_param { slice_dim: 1 }", "x", "y a"), X),
    *of("Tile", "tile_param", "axis: 2 tiles: 3"),
    *of(
        "Crop",
        "crop_param",
        "axis: 2 offset: 1 offset: 2",
        shapes={"x": (2, 4, 5, 4), "r": (2, 3, 4, 2)},
        bottoms="x r",
    ),
    Case(l("BatchReindex", "", "x t"), {"x": (5, 4, 3, 2), "t": (6,)}),
    Case(l("Filter", "", "x t"), {"x": (4, 3, 6, 2), "t": (4, 1, 1, 1)}),
    Case(l("Split", "", "x", "a y") + l("Silence", "", "a", ""), X),
    Case(l("Parameter", "parameter_param { shape { dim: 3 dim: 4 } }", ""), X),
]
LOSSES = [
    *of("SoftmaxWithLoss", "loss_param", *_LOSSES, shapes=MAPS, bottoms="x t"),
    *of("SoftmaxWithLoss", "softmax_param", "axis: 1 engine: CAFFE", shapes=SCORES, bottoms="x t"),
    *of("SigmoidCrossEntropyLoss", "loss_param", *_LOSSES, shapes=PAIR, bottoms="x t"),
    Case(l("EuclideanLoss", "loss_weight: 3.7", "x t"), PAIR),
    *of("HingeLoss", "hinge_loss_param", "norm: L2", shapes=SCORES, bottoms="x t"),
    Case(l("Softmax", "", "x", "p") + l("MultinomialLogisticLoss", "", "p t"), SCORES),
    *of("InfogainLoss", "infogain_loss_param", "axis: 1", shapes=GAINS, bottoms="x t h"),
    *of("InfogainLoss", "loss_param", "normalization: FULL ignore_label: 1", shapes=GAINS, bottoms="x t h"),
    *of("ContrastiveLoss", "contrastive_loss_param", "margin: 2 legacy_version: true",
        shapes={"x": (5, 2), "z": (5, 2), "t": (5,)}, bottoms="x z t"),
    Case(l("Accuracy", "accuracy_param { top_k: 2 axis: 1 ignore_label: 1 }", "x t", "y by_class"), MAPS),
]  # fmt: skip
SEQUENCES = [
    *of("LSTM", "recurrent_param", f"num_output: 5 debug_info: true {FILLED}", shapes=STEPS, bottoms="x cont s"),
    *of("RNN", "recurrent_param", f"num_output: 5 debug_info: true {FILLED}", shapes=STEPS, bottoms="x cont"),
    Case(l("LSTM", "recurrent_param { num_output: 5 expose_hidden: true }", "x cont h c", "y hT cT"), STEPS),
    Case(l("RNN", "recurrent_param { num_output: 5 expose_hidden: true }", "x cont h", "y hT"), STEPS),
    Case(l("LSTMUnit", "", "c g t", "c2 h2"), {"c": (1, 2, 3), "g": (1, 2, 12), "t": (1, 2)}),
]
DATA = [
    Case(l("DummyData", 'dummy_data_param { shape { dim: 5 dim: 3 } data_filler { type: "gaussian" } }', ""), {}),
    Case(l("DummyData", "dummy_data_param { num: 5 channels: 3 height: 2 width: 4 num: 1 }", "", "y z"), {}),
    Case(
        l("MemoryData", f"memory_data_param {{ batch_size: 2 channels: 3 height: 4 width: 5 }} {IMAGES}", "", "y t"), {}
    ),
]
FORKS = [
    *plain("ReLU6", "Mish", "Normalize"),
    *of("Interp", "interp_param", "height: 9 width: 7", "zoom_factor: 2 pad_beg: 0 pad_end: -1", "shrink_factor: 2"),
    *of("ShuffleChannel", "shuffle_channel_param", "group: 3"),
    *of("Permute", "permute_param", "order: 0 order: 2 order: 3 order: 1"),
    *of("Transpose", "transpose_param", "dim: 1 dim: 0 dim: 2 dim: 3"),
    *of("Normalize", "norm_param", "", "across_spatial: false channel_shared: false scale_filler { value: 20 }"),
    *of("Normalize", "norm_param", "across_spatial: false channel_shared: true eps: 1e-6"),
    *of("DepthwiseConvolution", "convolution_param", f"num_output: 6 kernel_size: 3 {FILLED}"),
    *of("ConvolutionDepthwise", "convolution_param", f"num_output: 6 kernel_size: 3 group: 1 {FILLED}"),
    *of("Local", "local_param", "num_output: 2 kernel_size: 3"),
    *of("SpatialDropout", "spatial_dropout_param", "dropout_ratio: 0.3"),
    *of("Upsample", "upsample_param", "scale: 2", 'height: 9 width: 7 mode: "bilinear"'),
    Case(
        l("Pooling", "pooling_param { pool: MAX kernel_size: 2 stride: 2 }", "x", "p mask")
        + l("Upsample", "upsample_param { scale: 2 pad_out_h: true }", "p mask"),
        X,
    ),
    Case(l("Axpy", "", "a x b"), {"a": (2, 6, 1, 1), "x": (2, 6, 5, 4), "b": (2, 6, 5, 4)}),
    *of("BN", "bn_param", "bn_mode: INFERENCE scale_filler { value: 2 }", "shift_filler { value: 0.001 }"),
    *of("BN", "bn_param", "slope_filler { value: 1 } frozen: true momentum: 0.95"),
    *of("BNData", "bn_param", "scale_filler { value: 1 } moving_average: true decay: 0.05"),
    Case(l("ReLU") + l("BN", "", "y", "y") + l("Normalize", "norm_param { }", "y", "y"), X),
    Case(l("ReLU") + l("Axpy", "", "a y x", "y"), {**X, "a": (2, 6, 1, 1)}),
    Case(l("ReLU") + l("Axpy", "", "a x y", "y"), {**X, "a": (2, 6, 1, 1)}),
    *of("BatchNorm", "batch_norm_param", "scale_bias: true scale_filler { value: 2 } bias_filler { value: 1 }"),
    *of("BatchNorm", "batch_norm_param", "scale_bias: false scale_filler { value: 2 } engine: CUDNN"),
    *of("Dropout", "dropout_param", "scale_train: true sample_weights_test: false"),
    *of("Interp", "interp_param", "zoom_factor: 3 height: 0 width: 0"),
    Case(
        l(
            "SoftmaxWithLoss",
            f"loss_param {{ weight_by_label_freqs: true ignore_label: 3{' class_weighting: 0.5' * 5} }}",
            "x t",
        ),
        MAPS,
    ),
    *of("SmoothL1Loss", "smooth_l1_loss_param", "sigma: 3", shapes=PAIR, bottoms="x t"),
]
CASES = [
    *(*NEURONS, *PRODUCTS, *POOLING, *NORMS, *ARITHMETIC, *MOVES, *LOSSES, *SEQUENCES, *DATA, *FORKS),
]

UNREAD = [
    l("Data", f'data_param {{ source: "d" backend: LMDB rand_skip: 1 prefetch: 2 force_encoded_color: true {OLD} }}',
      ""),
    l("ImageData", f'image_data_param {{ source: "l" root_folder: "" new_height: 9 new_width: 8 is_color: false '
      f"shuffle: true rand_skip: 1 {OLD} }} {IMAGES}", "", "y t"),
    l("WindowData", f'window_data_param {{ source: "w" root_folder: "r" fg_threshold: 0.6 bg_threshold: 0.4 '
      f'fg_fraction: 0.5 context_pad: 1 crop_mode: "square" cache_images: true {OLD} }} {IMAGES}', "", "y t"),
    l("Data", f'data_param {{ source: "d" batch_size: 3 }} {IMAGES}', ""),
    l("HDF5Data", 'hdf5_data_param { source: "h" batch_size: 3 shuffle: true }', ""),
    l("Data", 'data_param { source: "d" batch_size: 3 } '
      'transform_param { mean_file: "m.binaryproto" force_gray: true }', "", "y t"),
    l("HDF5Output", 'hdf5_output_param { file_name: "out.h5" }', "x t", ""),
    l("Python", 'python_param { module: "m" layer: "Own" param_str: "$x" share_in_parallel: true }'),
    l("InfogainLoss", 'infogain_loss_param { source: "h.binaryproto" } loss_param { normalize: false }', "x t"),
]  # fmt: skip
"""Layers that need files, or that are refused."""
