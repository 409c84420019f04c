"""Layers whose work is products: convolutions, attention, linear layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from benchmarks.alone.case import Case


def attention(x: list[Tensor], params: list[Tensor], heads: int) -> Tensor:
    """Self-attention, as torch.nn.MultiheadAttention computes it where its probabilities are not asked for."""
    rows, size = x[0].transpose(0, 1), x[0].shape[2]
    return functional.multi_head_attention_forward(
        rows, rows, rows, size, heads, torch.cat(params[:3]), torch.cat(params[4:7]), None, None, False, 0.0,
        params[3], params[7], need_weights=False,
    )[0].transpose(0, 1)  # fmt: skip


def self_attention(size: int, **fields: Any) -> Case:
    """Eight heads on 32 sequences of 128 positions."""
    layer = {"type": "MultiHeadAttention", "num_heads": 8, **fields}
    return Case(layer, [[32, 128, size]], lambda x, p: attention(x, p, 8))


def filters(type: str, shape: list[int], torch: Callable[..., Tensor], **fields: int) -> Case:
    """A Convolution or Deconvolution; PyTorch's function takes its stride, padding and groups by its own words."""
    settings = {"stride": fields.get("stride", 1), "padding": fields.get("pad", 0), "groups": fields.get("group", 1)}
    layer = {"type": type, "weight_filler": "xavier", **fields}
    return Case(layer, [shape], lambda x, p: torch(x[0], *p, **settings))


def locally_connected(x: list[Tensor], p: list[Tensor]) -> Tensor:
    """Windows times filters of their own, place by place in one product of batches; 3x3 filters, padding of 1."""
    windows = functional.unfold(x[0], 3, padding=1).permute(2, 0, 1)
    filters = p[0].reshape(-1, windows.shape[0], windows.shape[2]).permute(1, 2, 0)
    return torch.bmm(windows, filters).permute(1, 2, 0).reshape(len(x[0]), *p[1].shape) + p[1]


CASES: dict[str, Case] = {
    "deconvolution 4x4 stride 2, 64 to 32 of 32x64x32x32": filters(
        "Deconvolution", [32, 64, 32, 32], functional.conv_transpose2d, num_output=32, kernel_size=4, stride=2, pad=1
    ),
    "deconvolution 4x4 stride 2, 128 to 64 of 64x128x8x8": filters(
        "Deconvolution", [64, 128, 8, 8], functional.conv_transpose2d, num_output=64, kernel_size=4, stride=2, pad=1
    ),
    "deconvolution 2x2 stride 2, 128 to 64 of 32x128x16x16": filters(
        "Deconvolution", [32, 128, 16, 16], functional.conv_transpose2d, num_output=64, kernel_size=2, stride=2
    ),
    "deconvolution 3x3x3 stride 2, 16 to 8 of 8x16x8x14x14": filters(
        "Deconvolution", [8, 16, 8, 14, 14], functional.conv_transpose3d, num_output=8, kernel_size=3, stride=2, pad=1
    ),
    "convolution 3x3x3, 16 to 32 of 8x16x16x28x28": filters(
        "Convolution", [8, 16, 16, 28, 28], functional.conv3d, num_output=32, kernel_size=3, pad=1
    ),
    "convolution 3x3x3, 64 to 64 of 4x64x8x28x28": filters(
        "Convolution", [4, 64, 8, 28, 28], functional.conv3d, num_output=64, kernel_size=3, pad=1
    ),
    "convolution 3x3x3, 3 to 32 of 8x3x16x56x56": filters(
        "Convolution", [8, 3, 16, 56, 56], functional.conv3d, num_output=32, kernel_size=3, pad=1
    ),
    "convolution of lines 5, 64 to 128 of 32x64x256": filters(
        "Convolution", [32, 64, 256], functional.conv1d, num_output=128, kernel_size=5, pad=2
    ),
    "convolution of lines 3 stride 2, 32 to 64 of 64x32x1024": filters(
        "Convolution", [64, 32, 1024], functional.conv1d, num_output=64, kernel_size=3, stride=2, pad=1
    ),
    "im2col 3x3 of 32x16x32x32": Case(
        {"type": "Im2col", "kernel_size": 3, "pad": 1},
        [[32, 16, 32, 32]],
        lambda x, p: functional.unfold(x[0], 3, padding=1).reshape(32, 144, 32, 32),
    ),
    "locally connected 3x3, 16 to 32 of 64x16x16x16": Case(
        {"type": "LocallyConnected", "num_output": 32, "kernel_size": 3, "pad": 1, "weight_filler": "xavier"},
        [[64, 16, 16, 16]],
        locally_connected,
    ),
    "attention 32x128x256": self_attention(256),
    "attention 32x128x512": self_attention(512),
    "linear 32x128x256": Case(
        {"type": "InnerProduct", "num_output": 256, "axis": 2, "weight_filler": "xavier"},
        [[32, 128, 256]],
        lambda x, p: functional.linear(x[0], p[0], p[1]),
    ),
    "linear 32x128x512 to 2048": Case(
        {"type": "InnerProduct", "num_output": 2048, "axis": 2, "weight_filler": "xavier"},
        [[32, 128, 512]],
        lambda x, p: functional.linear(x[0], p[0], p[1]),
    ),
}
