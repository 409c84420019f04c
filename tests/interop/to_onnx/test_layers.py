"""Every layer type that has an ONNX form, and every field that changes its numbers, against onnxruntime."""

from __future__ import annotations

import re

import pytest

from netspec.interop.to_onnx.writing import written
from netspec.layers.base import LAYERS
from tests.interop.to_onnx.agreeing import differences

pytest.importorskip("onnxruntime")

INPUT = "- {name: data, type: Input, shape: [[2, 6, 7, 5]]}\n"
"""An image of 6 channels in batches of 2."""
VECTOR = "- {name: data, type: Input, shape: [[2, 6]]}\n"
LINE = "- {name: data, type: Input, shape: [[2, 4, 9]]}\n"
VOLUME = "- {name: data, type: Input, shape: [[2, 3, 4, 5, 6]]}\n"
STEPS = "- {name: data, type: Input, shape: [[4, 3, 5]], batch_axis: 1}\n"
MARKED = "- {name: data, type: Input, top: [x, cont], shape: [[4, 3, 5], [4, 3]], batch_axis: 1}\n"
TWO = "- {name: data, type: Input, top: [x, other], shape: [[2, 6, 7, 5], [2, 6]]}\n"

CASES = [
    # products
    INPUT + "- {name: y, type: Convolution, num_output: 4, kernel_size: [3, 2], stride: 2, pad: [1, 0], group: 2}",
    INPUT + "- {name: y, type: Convolution, num_output: 4, kernel_size: 3, dilation: 2, pad: 2, bias_term: false}",
    INPUT + "- {name: y, type: Convolution, num_output: 3, kernel_size: [9, 2], stride: 3}",  # wider than the image
    INPUT + "- {name: y, type: Convolution, num_output: 3, kernel_size: 2, axis: 2}",
    INPUT + "- {name: y, type: Convolution, num_output: 3, axis: 3}",
    LINE + "- {name: y, type: Convolution, num_output: 3, kernel_size: 4, stride: 3, pad: 1}",
    VOLUME + "- {name: y, type: Convolution, num_output: 2, kernel_size: [2, 1, 3], dilation: [1, 1, 2]}",
    INPUT + "- {name: y, type: Deconvolution, num_output: 4, kernel_size: 4, stride: [2, 3], pad: 1, group: 2}",
    LINE + "- {name: y, type: Deconvolution, num_output: 3, kernel_size: 3, dilation: 2, bias_term: false}",
    INPUT + "- {name: y, type: InnerProduct, num_output: 3}",
    INPUT + "- {name: y, type: InnerProduct, num_output: 3, axis: 2, transpose: true}",
    INPUT + "- {name: y, type: InnerProduct, num_output: 3, axis: -1}",
    INPUT + "- {name: y, type: InnerProduct, num_output: 3, axis: -1, transpose: true, bias_term: false}",
    VECTOR + "- {name: y, type: InnerProduct, num_output: 3, bias_term: false}",
    INPUT + "- {name: y, type: Maxout, num_output: 3, pieces: 4}",
    INPUT + "- {name: y, type: Maxout, num_output: 3, axis: 3}",
    VECTOR + "- {name: y, type: DropConnect, num_output: 3}",
    VECTOR + "- {name: y, type: Shakeout, num_output: 3, transpose: true}",
    VECTOR + "- {name: y, type: Whiteout, num_output: 3}",
    INPUT + "- {name: y, type: LocallyConnected, num_output: 4, kernel_size: 3, stride: 2, pad: 1, bias_term: false}",
    LINE + "- {name: y, type: LocallyConnected, num_output: 2, kernel_size: 3}",
    INPUT + "- {name: y, type: Im2col, kernel_size: [2, 3], stride: [2, 1], pad: 1, dilation: 2}",
    # pooling
    INPUT + "- {name: y, type: Pooling, kernel_size: 3, stride: 2}",
    INPUT + "- {name: y, type: Pooling, kernel_size: 3, stride: 2, pad: 1}",
    INPUT + "- {name: y, type: Pooling, kernel_size: 3, stride: 2, round_mode: FLOOR}",
    INPUT + "- {name: y, type: Pooling, kernel_size: [2, 3], stride: 3, pad: [1, 0], top: [y, places]}",
    INPUT + "- {name: y, type: Pooling, pool: AVE, kernel_size: 3, stride: 2}",
    INPUT + "- {name: y, type: Pooling, pool: AVE, kernel_size: 3, stride: 2, pad: 1}",
    INPUT + "- {name: y, type: Pooling, pool: AVE, kernel_size: [3, 2], stride: [4, 3], pad: [2, 1]}",
    INPUT + "- {name: y, type: Pooling, pool: AVE, kernel_size: 3, stride: 2, pad: 1, round_mode: FLOOR}",
    INPUT + "- {name: y, type: Pooling, pool: L2, kernel_size: 3, stride: 2, pad: 1}",
    INPUT + "- {name: x, type: AbsVal}\n- {name: y, type: Pooling, pool: STOCHASTIC, kernel_size: 3, stride: 2}",
    INPUT + "- {name: y, type: Pooling, pool: STOCHASTIC, kernel_size: 2, stride: 2}",
    INPUT + "- {name: y, type: Pooling, pool: AVE, global_pooling: true}",
    INPUT + "- {name: y, type: Pooling, global_pooling: true}",
    INPUT + "- {name: y, type: Pooling, pool: L2, global_pooling: true}",
    LINE + "- {name: y, type: Pooling, pool: AVE, kernel_size: 4, stride: 3}",
    INPUT + "- {name: h, type: Threshold}\n"  # equal values
    "- {name: y, type: Pooling, kernel_size: 3, stride: 2, pad: 1, top: [y, places]}",
    VOLUME + "- {name: y, type: Pooling, kernel_size: 3, stride: 2, pad: 1, top: [y, places]}",
    VOLUME + "- {name: y, type: Pooling, pool: AVE, kernel_size: 2, stride: 2}",
    "- {name: data, type: Input, shape: [[2, 3, 7, 8]]}\n- {name: y, type: SPP, pyramid_height: 3, pool: AVE}",
    INPUT + "- {name: y, type: SPP, pyramid_height: 2}",
    INPUT + "- {name: y, type: SPP, pyramid_height: 1}",
    INPUT + "- {name: y, type: AdaptivePooling, output_size: [3, 2]}",
    INPUT + "- {name: y, type: AdaptivePooling, output_size: [3, 2], pool: MAX}",
    INPUT + "- {name: y, type: AdaptivePooling, output_size: [7, 1], pool: MAX}",
    INPUT + "- {name: y, type: AdaptivePooling, output_size: 1}",
    INPUT + "- {name: y, type: FeaturePooling, group_size: 3}",
    INPUT + "- {name: y, type: FeaturePooling, group_size: 2, pool: L2}",
    INPUT + "- {name: y, type: FeaturePooling, group_size: 5, pool: AVE, axis: -1}",
    INPUT + "- {name: p, type: Pooling, kernel_size: 3, stride: 2, top: [p, places]}\n"
    "- {name: y, type: Unpooling, bottom: [p, places, data]}",
    # normalisation
    INPUT + "- {name: y, type: BatchNorm, affine: true, eps: 0.01}",
    INPUT + "- {name: y, type: BatchNorm, use_global_stats: false}",
    INPUT + "- {name: y, type: BatchNorm, use_global_stats: false, running_sums: PLAIN}",
    INPUT + "- {name: y, type: BatchNorm, use_global_stats: false, affine: true}",
    VECTOR + "- {name: y, type: BatchNorm}",
    "- {name: data, type: Input, shape: [[5]]}\n- {name: y, type: BatchNorm, affine: true}",
    INPUT + "- {name: y, type: Scale, bias_term: true}",
    INPUT + "- {name: y, type: Scale, axis: 1, num_axes: 2}",
    INPUT + "- {name: y, type: Scale, num_axes: 0, bias_term: true}",
    INPUT + "- {name: y, type: Scale, num_axes: -1, axis: 2}",
    TWO + "- {name: y, type: Scale, bottom: [x, other], axis: 0}",
    TWO + "- {name: y, type: Scale, bottom: [x, other], axis: 0, bias_term: true}",  # its bias has a row a sample
    INPUT + "- {name: y, type: Bias, axis: 2}",
    TWO + "- {name: y, type: Bias, bottom: [x, other], axis: 0}",
    INPUT + "- {name: y, type: LRN, local_size: 3, alpha: 0.5, beta: 0.6, k: 2}",
    INPUT + "- {name: y, type: LRN, local_size: 3, alpha: 0.5, norm_region: WITHIN_CHANNEL}",
    INPUT + "- {name: y, type: MVN}",
    INPUT + "- {name: y, type: MVN, four_axes: true}",
    VECTOR + "- {name: y, type: MVN, four_axes: true}",
    INPUT + "- {name: y, type: MVN, across_channels: true, eps: 0.1}",
    INPUT + "- {name: y, type: MVN, normalize_variance: false}",
    INPUT + "- {name: y, type: LayerNorm}",
    INPUT + "- {name: y, type: LayerNorm, axis: 1, affine: false, eps: 0.1}",
    INPUT + "- {name: y, type: InstanceNorm}",
    LINE + "- {name: y, type: InstanceNorm, affine: true, eps: 0.1}",
    INPUT + "- {name: y, type: GroupNorm, group: 3}",
    VECTOR + "- {name: y, type: GroupNorm, group: 2, affine: false, eps: 0.1}",
    INPUT + "- {name: y, type: RMSNorm, axis: 2, eps: 0.1}",
    INPUT + "- {name: y, type: RMSNorm, affine: false}",
    INPUT + "- {name: y, type: L2Normalize}",
    INPUT + "- {name: y, type: L2Normalize, affine: true, axis: 1, num_axes: 2}",
    INPUT + "- {name: y, type: L2Normalize, axis: 1, num_axes: -1, eps: 30}",
    # elementwise, all of one bottom
    *(
        INPUT + "\n".join(f"- {{name: y{i}, bottom: data, {words}}}" for i, words in enumerate(some))
        for some in (
            (
                *("type: ReLU", "type: ReLU, negative_slope: 0.3", "type: LeakyReLU", "type: ReLU6", "type: SELU"),
                *(
                    "type: PReLU",
                    "type: PReLU, channel_shared: true",
                    "type: ELU, alpha: 0.3",
                    "type: CELU, alpha: 0.3",
                ),
                *("type: Clip, min: -0.5, max: 0.7", "type: HardTanh, min_val: -0.3, max_val: 0.4", "type: Mish"),
                *("type: GELU", "type: GELU, approximate: tanh", "type: GLU, axis: 1", "type: SiLU", "type: BNLL"),
                *("type: Softplus", "type: Softplus, beta: 2", "type: Swish", "type: Swish, beta: 0.5"),
                *("type: Sigmoid", "type: TanH", "type: Softsign", "type: HardSigmoid", "type: HardSwish"),
                *("type: AbsVal", "type: Softmax", "type: Softmax, axis: -1", "type: Threshold, threshold: 0.2"),
            ),
            (
                *("type: Power", "type: Power, scale: 0.5", "type: Power, power: 2, scale: 0.5, shift: 1"),
                *("type: Exp", "type: Exp, base: 2, scale: 0.5, shift: 1", "type: Tile, tiles: 3, axis: 2"),
                *("type: Dropout", "type: DropPath", "type: SpatialDropout", "type: GaussianNoise"),
                *("type: DropBlock, block_size: 2", "type: Reduction, axis: 2, coeff: 3"),
                *("type: Reduction, axis: 1, operation: ASUM", "type: Reduction, axis: -1, operation: SUMSQ"),
                *("type: Reduction, axis: 1, operation: MEAN", "type: ArgMax, top_k: 4, out_max_val: true"),
                *("type: ArgMax", "type: ArgMax, axis: 1", "type: ArgMax, axis: 1, top_k: 2, out_max_val: true"),
            ),
        )
    ),
    VECTOR + "- {name: y, type: PReLU}",
    INPUT + "- {name: x, type: AbsVal}\n- {name: y, type: Log, base: 2, scale: 0.5, shift: 1}\n"
    "- {name: z, type: Log, bottom: x}\n- {type: Silence, name: quiet, bottom: x}",
    # shapes
    INPUT + "- {name: y, type: Reshape, shape: [0, -1, 5]}",
    INPUT + "- {name: y, type: Reshape, shape: [-1, 14], axis: 1, num_axes: 2}\n- {name: z, type: ReLU}",
    INPUT + "- {name: y, type: Flatten, axis: 2}",
    INPUT + "- {name: y, type: Flatten}",
    INPUT + "- {name: y, type: Flatten, axis: 0, end_axis: 1}",
    INPUT + "- {name: s, type: Slice, axis: 2, slice_point: [1, 4], top: [a, b, c]}",
    INPUT + "- {name: s, type: Slice, top: [a, b]}\n- {name: y, type: Concat, bottom: [b, a], axis: 2}",
    INPUT + "- {name: s, type: Split, top: [a, b]}",
    INPUT + "- {name: small, type: Pooling, kernel_size: 3, stride: 2}\n"
    "- {name: y, type: Crop, bottom: [data, small], axis: 2, offset: [2, 1]}",
    INPUT + "- {name: y, type: Pad, pad_beg: [2, 1], pad_end: [0, 3], value: 2}",
    INPUT + "- {name: y, type: Pad, pad_beg: [2, 1], pad_end: [0, 3], mode: reflect}",
    INPUT + "- {name: y, type: Pad, pad: [1, 2, 3], axis: 1, mode: replicate}",
    INPUT + "- {name: y, type: Permute, order: [0, 2, 3, 1]}",
    INPUT + "- {name: y, type: Permute, order: [2, 0]}",
    "- {name: data, type: Input, shape: [[2, 12, 3, 4]]}\n- {name: y, type: PixelShuffle, upscale_factor: 2}",
    "- {name: data, type: Input, shape: [[2, 3, 4, 6]]}\n- {name: y, type: PixelUnshuffle, downscale_factor: 2}",
    INPUT + "- {name: y, type: ShuffleChannel, group: 3}",
    INPUT + "- {name: y, type: Upsample, scale_factor: [2, 3]}",
    INPUT + "- {name: y, type: Upsample, size: [9, 4]}",
    INPUT + "- {name: y, type: Upsample, mode: bilinear, scale_factor: 2}",
    INPUT + "- {name: y, type: Upsample, mode: bilinear, size: [9, 11]}",
    INPUT + "- {name: y, type: Upsample, mode: bilinear, size: [9, 11], align_corners: true}",
    INPUT + "- {name: y, type: Upsample, mode: bicubic, scale_factor: [2, 1.5]}",
    LINE + "- {name: y, type: Upsample, mode: bilinear, scale_factor: 2}",
    VOLUME + "- {name: y, type: Upsample, scale_factor: 2}",
    INPUT + "- {name: y, type: Interp, zoom_factor: 2, pad_beg: -1, pad_end: -2}",
    INPUT + "- {name: y, type: Interp, height: 9, width: 3}",
    INPUT + "- {name: y, type: Interp, shrink_factor: 2}",
    # arithmetic
    INPUT + "- {name: r, type: ReLU}\n- {name: y, type: Eltwise, bottom: [data, r], coeff: [2, -1]}",
    INPUT + "- {name: r, type: TanH}\n- {name: y, type: Eltwise, bottom: [data, r, data], operation: PROD}",
    INPUT + "- {name: r, type: TanH}\n- {name: y, type: Eltwise, bottom: [data, r], operation: MAX}",
    INPUT + "- {name: h, type: Threshold}\n- {name: y, type: ArgMax, axis: 2, top_k: 3}",
    INPUT + "- {name: h, type: Threshold}\n- {name: y, type: ArgMax}",
    "- {name: data, type: Input, top: [x, at], shape: [[2, 3], [2]]}\n"
    "- {name: h, type: Threshold, bottom: at}\n- {name: y, type: Filter, bottom: [x, h]}",
    "- {name: data, type: Input, top: [x, at], shape: [[2, 3], [2]]}\n- {name: y, type: BatchReindex, bottom: [x, at]}",
    INPUT + "- {name: d, type: DummyData, shape: [7, 5], data_filler: {type: constant, value: 3}}\n"
    "- {name: y, type: Bias, bottom: [data, d], axis: 2}",
    INPUT + "- {name: p, type: Parameter, shape: [7, 5], filler: uniform, top: p}\n"
    "- {name: y, type: Bias, bottom: [data, p], axis: 2}",
    # sequences
    "- {name: data, type: Input, top: [c, g, cont], shape: [[1, 3, 5], [1, 3, 20], [1, 3]], batch_axis: 1}\n"
    "- {name: unit, type: LSTMUnit, bottom: [c, g, cont], top: [next, out]}",
    "- {name: data, type: Input, shape: [[2, 3]]}\n- {name: y, type: Embed, num_output: 4, input_dim: 5}",
    LINE + "- {name: y, type: PositionalEmbedding, max_length: 6}",
    LINE + "- {name: y, type: PositionalEmbedding, kind: SINUSOIDAL}",
    LINE + "- {name: y, type: MultiHeadAttention, num_heads: 3, causal: true, bias_term: false}",
    LINE + "- {name: y, type: MultiHeadAttention, num_heads: 2, head_dim: 5, num_output: 7}",
    "- {name: data, type: Input, top: [q, k, v, m], shape: [[2, 3, 4], [2, 5, 6], [2, 5, 7], [2, 5]]}\n"
    "- {name: h, type: Threshold, bottom: m}\n"
    "- {name: y, type: MultiHeadAttention, bottom: [q, k, v, h], num_heads: 2, key_padding: MASK, causal: true}",
    "- {name: data, type: Input, top: [x, n], shape: [[2, 5, 4], [2]]}\n"
    "- {name: y, type: MultiHeadAttention, bottom: [x, n], num_heads: 2, key_padding: LENGTHS}",
    STEPS + "- {name: y, type: LSTM, num_output: 6, num_layers: 2, bidirectional: true}",
    STEPS + "- {name: y, type: LSTM, num_output: 6, peephole: true}",
    STEPS + "- {name: y, type: GRU, num_output: 6, num_layers: 2, bidirectional: true}",
    STEPS + "- {name: y, type: RNN, num_output: 6, num_layers: 2, bidirectional: true}",
    "- {name: data, type: Input, shape: [[4, 3, 2, 5]], batch_axis: 1}\n- {name: y, type: GRU, num_output: 6}",
    MARKED + "- {name: y, type: LSTM, bottom: [x, cont], num_output: 6, num_layers: 2, bidirectional: true}",
    MARKED + "- {name: y, type: LSTM, bottom: [x, cont], num_output: 6, peephole: true}",
    MARKED + "- {name: y, type: GRU, bottom: [x, cont], num_output: 6, bidirectional: true}",
    MARKED + "- {name: y, type: RNN, bottom: [x, cont], num_output: 6, bidirectional: true}",
    "- {name: data, type: Input, top: [x, cont, s], shape: [[4, 3, 5], [4, 3], [3, 2]], batch_axis: [1, 1, 0]}\n"
    "- {name: y, type: LSTM, bottom: [x, cont, s], num_output: 6, num_layers: 2}",
    "- {name: data, type: Input, top: [x, cont, h, c], shape: [[4, 3, 5], [4, 3], [4, 3, 6], [4, 3, 6]], "
    "batch_axis: 1}\n"
    "- {name: y, type: LSTM, bottom: [x, cont, h, c], top: [y, h1, c1], num_output: 6, num_layers: 2, "
    "bidirectional: true, expose_hidden: true}",
    "- {name: data, type: Input, top: [x, n], shape: [[4, 3, 5], [3]], batch_axis: [1, 0]}\n"
    "- {name: y, type: LSTM, bottom: [x, n], num_output: 6, bidirectional: true, lengths: true}",
    "- {name: data, type: Input, top: [x, n], shape: [[4, 3, 5], [3]], batch_axis: [1, 0]}\n"
    "- {name: y, type: GRU, bottom: [x, n], num_output: 6, num_layers: 2, lengths: true}",
]


@pytest.mark.parametrize("layers", CASES)
def test_a_layer_gives_what_netspec_computes(layers: str) -> None:
    found = differences(layers)
    assert found
    assert all(one.agrees for one in found), found


NO_ONNX = frozenset({"HDF5Output", "Python"})
"""Types that have no ONNX form, besides losses, scores and data, which a deploy view does not have."""


def test_every_other_type_is_written_and_tried() -> None:
    types = {kind.__name__ for kind in written()}
    wanted = {kind.__name__ for kind in LAYERS.members() if kind.purpose not in ("loss", "score", "data")} - NO_ONNX
    tried = {one for case in CASES for one in re.findall(r"type: (\w+)", case)} - {"Input", "constant"}
    assert types >= wanted
    assert tried == types
