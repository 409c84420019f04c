"""Where a layer type of Caffe has its own fields: messages inside LayerParameter, and the fields' names in netspec.

A field has the same name in both unless `RENAMED` says otherwise. Source: Caffe caffe.proto, and those of its forks.
"""

from __future__ import annotations

AUTOMATIC = "(automatic)"
"""The name of the top of a loss that names none, in Caffe."""

MESSAGES: dict[str, tuple[str, ...]] = {
    "Accuracy": ("accuracy_param",),
    "ArgMax": ("argmax_param",),
    "BatchNorm": ("batch_norm_param",),
    "Bias": ("bias_param",),
    "Clip": ("clip_param",),
    "Concat": ("concat_param",),
    "ContrastiveLoss": ("contrastive_loss_param",),
    "Convolution": ("convolution_param",),
    "Crop": ("crop_param",),
    "Data": ("data_param", "transform_param"),
    "Deconvolution": ("convolution_param",),
    "Dropout": ("dropout_param",),
    "DummyData": ("dummy_data_param",),
    "ELU": ("elu_param",),
    "Eltwise": ("eltwise_param",),
    "Embed": ("embed_param",),
    "Exp": ("exp_param",),
    "Flatten": ("flatten_param",),
    "HDF5Data": ("hdf5_data_param",),
    "HDF5Output": ("hdf5_output_param",),
    "HingeLoss": ("hinge_loss_param",),
    "Im2col": ("convolution_param",),
    "ImageData": ("image_data_param", "transform_param"),
    "InfogainLoss": ("infogain_loss_param", "loss_param"),
    "InnerProduct": ("inner_product_param",),
    "Input": ("input_param",),
    "LRN": ("lrn_param",),
    "LSTM": ("recurrent_param",),
    "Log": ("log_param",),
    "MVN": ("mvn_param",),
    "MemoryData": ("memory_data_param",),
    "PReLU": ("prelu_param",),
    "Parameter": ("parameter_param",),
    "Pooling": ("pooling_param",),
    "Power": ("power_param",),
    "Python": ("python_param",),
    "RNN": ("recurrent_param",),
    "ReLU": ("relu_param",),
    "Reduction": ("reduction_param",),
    "Reshape": ("reshape_param",),
    "SPP": ("spp_param",),
    "Scale": ("scale_param",),
    "Sigmoid": ("sigmoid_param",),
    "SigmoidCrossEntropyLoss": ("loss_param",),
    "Slice": ("slice_param",),
    "Softmax": ("softmax_param",),
    "SoftmaxWithLoss": ("softmax_param", "loss_param"),
    "Swish": ("swish_param",),
    "TanH": ("tanh_param",),
    "Threshold": ("threshold_param",),
    "Tile": ("tile_param",),
    "WindowData": ("window_data_param", "transform_param"),
}
"""Layer types of Caffe with fields of their own, and the messages that hold them; the other types have none."""

PLAIN_TYPES = frozenset(
    {
        *("AbsVal", "BNLL", "BatchReindex", "EuclideanLoss", "Filter", "LSTMUnit", "MultinomialLogisticLoss"),
        *("Silence", "Split"),
    }
)
"""Layer types of Caffe without fields of their own."""

FORK_MESSAGES: dict[str, tuple[str, ...]] = {
    "ConvolutionDepthwise": ("convolution_param",),
    "DepthwiseConvolution": ("convolution_param",),
    "Interp": ("interp_param",),
    "Normalize": ("norm_param",),
    "Permute": ("permute_param",),
    "ShuffleChannel": ("shuffle_channel_param",),
    "SmoothL1Loss": ("smooth_l1_loss_param", "loss_param"),
    "Upsample": ("upsample_param",),
}
"""Layer types of well-known forks."""

RENAMED: dict[str, dict[str, str]] = {
    "Normalize": {"scale_filler": "weight_filler"},
}
"""For a type, the fields that netspec calls otherwise: Caffe's name, then netspec's."""

IDLE: dict[str, str] = {
    "cache_images": "images are read as they are needed",
    "debug_info": "the solver says it for all layers",
    "engine": "it chooses whose code computes the layer, and changes nothing here",
    "force_encoded_color": "`force_color` of transform_param says it",
    "force_nd_im2col": "it chooses a slower way to compute, and changes nothing here",
    "prefetch": "batches are prepared beside the training",
    "rand_skip": "data begin with the first sample",
    "share_in_parallel": "there is one process",
}
"""Fields that mean nothing in netspec, and why."""
