"""Layers that normalise, and that look up rows."""

from __future__ import annotations

import torch.nn.functional as functional

from benchmarks.alone.case import Case

CASES: dict[str, Case] = {
    "layer norm 32x128x512": Case(
        {"type": "LayerNorm"}, [[32, 128, 512]], lambda x, p: functional.layer_norm(x[0], (512,), p[0], p[1])
    ),
    "layer norm 32x128x256": Case(
        {"type": "LayerNorm"}, [[32, 128, 256]], lambda x, p: functional.layer_norm(x[0], (256,), p[0], p[1])
    ),
    "rms norm 32x128x512": Case(
        {"type": "RMSNorm"}, [[32, 128, 512]], lambda x, p: functional.rms_norm(x[0], (512,), p[0], 1e-6)
    ),
    "group norm 32x64x28x28": Case(
        {"type": "GroupNorm"}, [[32, 64, 28, 28]], lambda x, p: functional.group_norm(x[0], 32, p[0], p[1])
    ),
    "instance norm 32x64x28x28": Case(
        {"type": "InstanceNorm", "affine": True},
        [[32, 64, 28, 28]],
        lambda x, p: functional.instance_norm(x[0], weight=p[0], bias=p[1]),
    ),
    "l2 normalize 32x64x28x28": Case(
        {"type": "L2Normalize"}, [[32, 64, 28, 28]], lambda x, p: functional.normalize(x[0])
    ),
    "embed 32x128 of 10000 to 256": Case(
        {"type": "Embed", "input_dim": 10000, "num_output": 256, "bias_term": False, "weight_filler": "xavier"},
        [[32, 128]],
        lambda x, p: functional.embedding(x[0].long(), p[0]),
    ),
    "embed 64x64 of 65 to 256": Case(
        {"type": "Embed", "input_dim": 65, "num_output": 256, "bias_term": False, "weight_filler": "xavier"},
        [[64, 64]],
        lambda x, p: functional.embedding(x[0].long(), p[0]),
    ),
    "positions 32x128x512": Case({"type": "PositionalEmbedding"}, [[32, 128, 512]], lambda x, p: x[0] + p[0]),
}
