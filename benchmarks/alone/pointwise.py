"""Activations, noise and weight noise, beside PyTorch as people write it."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from benchmarks.alone.case import Case

TOKENS, IMAGES, ROWS = [64, 128, 512], [64, 64, 28, 28], [128, 1024]


def drop_block(x: Tensor, p: float, size: int) -> Tensor:
    """As torchvision has it: Bernoulli seeds, grown to blocks by a max pooling."""
    n, c, h, w = x.shape
    gamma = p * h * w / (size**2 * (h - size + 1) * (w - size + 1))
    noise = torch.empty(n, c, h - size + 1, w - size + 1).bernoulli_(gamma)
    noise = functional.pad(noise, [size // 2] * 4)
    kept = 1 - functional.max_pool2d(noise, size, 1, size // 2)
    return x * kept * (kept.numel() / kept.sum())


def drop_path(x: Tensor, p: float) -> Tensor:
    """One draw a sample."""
    return x * (torch.empty(len(x), 1, 1, 1).bernoulli_(1 - p) / (1 - p))


def maxout(x: Tensor, params: list[Tensor], pieces: int) -> Tensor:
    """A product, and the maximum of its pieces."""
    return functional.linear(x, *params).unflatten(-1, (pieces, -1)).amax(-2)


def shakeout(x: Tensor, params: list[Tensor], tau: float, c: float) -> Tensor:
    """A draw an input."""
    w, r = params[0], torch.empty(1, x.shape[1]).bernoulli_(1 - tau) / (1 - tau)
    return functional.linear(x, w * r + c * w.detach().sign() * (r - 1), params[1])


def whiteout(x: Tensor, params: list[Tensor], sigma: float, gamma: float) -> Tensor:
    """Multiplicative noise."""
    w = params[0]
    return functional.linear(x, w * (1 + torch.randn_like(w) * sigma * w.abs() ** (-gamma / 2)), params[1])


def product(type: str, **fields: Any) -> dict[str, Any]:
    """A layer of 1024 outputs."""
    return {"type": type, "num_output": 1024, "weight_filler": "xavier", **fields}


CASES: dict[str, Case] = {
    "gelu": Case({"type": "GELU"}, [TOKENS], lambda x, p: functional.gelu(x[0])),
    "gelu tanh": Case(
        {"type": "GELU", "approximate": "tanh"},
        [TOKENS],
        lambda x, p: functional.gelu(x[0], approximate="tanh"),
    ),
    "silu": Case({"type": "SiLU"}, [TOKENS], lambda x, p: functional.silu(x[0])),
    "mish": Case({"type": "Mish"}, [TOKENS], lambda x, p: functional.mish(x[0])),
    "hard swish": Case({"type": "HardSwish"}, [TOKENS], lambda x, p: functional.hardswish(x[0])),
    "softplus": Case({"type": "Softplus"}, [TOKENS], lambda x, p: functional.softplus(x[0])),
    "selu": Case({"type": "SELU"}, [TOKENS], lambda x, p: functional.selu(x[0])),
    "exp": Case({"type": "Exp"}, [TOKENS], lambda x, p: x[0].exp()),
    "clip": Case({"type": "Clip", "min": -1, "max": 2}, [TOKENS], lambda x, p: x[0].clamp(-1, 2)),
    "glu": Case({"type": "GLU"}, [TOKENS], lambda x, p: functional.glu(x[0])),
    "glu of images": Case({"type": "GLU", "axis": 1}, [IMAGES], lambda x, p: functional.glu(x[0], 1)),
    "spatial dropout": Case({"type": "SpatialDropout"}, [IMAGES], lambda x, p: functional.dropout2d(x[0])),
    "drop path": Case({"type": "DropPath"}, [IMAGES], lambda x, p: drop_path(x[0], 0.5)),
    "drop block": Case(
        {"type": "DropBlock", "dropout_ratio": 0.1},
        [IMAGES],
        lambda x, p: drop_block(x[0], 0.1, 7),
    ),
    "gaussian noise": Case({"type": "GaussianNoise"}, [TOKENS], lambda x, p: x[0] + 0.1 * torch.randn_like(x[0])),
    "max of 2 channels": Case(
        {"type": "FeaturePooling", "group_size": 2},
        [IMAGES],
        lambda x, p: x[0].unflatten(1, (-1, 2)).amax(2),
    ),
    "root of 4 channels": Case(
        {"type": "FeaturePooling", "group_size": 4, "pool": "L2"},
        [IMAGES],
        lambda x, p: x[0].unflatten(1, (-1, 4)).norm(dim=2),
    ),
    "max of 4 in rows": Case(
        {"type": "FeaturePooling", "group_size": 4},
        [[128, 4096]],
        lambda x, p: x[0].unflatten(1, (-1, 4)).amax(2),
    ),
    "maxout": Case(product("Maxout", pieces=2), [ROWS], lambda x, p: maxout(x[0], p, 2)),
    "drop connect": Case(
        product("DropConnect"),
        [ROWS],
        lambda x, p: functional.linear(x[0], functional.dropout(p[0]), p[1]),
    ),
    "shakeout": Case(product("Shakeout"), [ROWS], lambda x, p: shakeout(x[0], p, 0.5, 0.1)),
    "whiteout": Case(product("Whiteout", noise="MULTIPLICATIVE"), [ROWS], lambda x, p: whiteout(x[0], p, 0.1, 1.0)),
    "whiteout added": Case(
        product("Whiteout"),
        [ROWS],
        lambda x, p: functional.linear(x[0], *p) + (0.1 * p[0].abs().sum(1).sqrt()) * torch.randn(len(x[0]), 1024),
    ),
    "inner product": Case(product("InnerProduct"), [ROWS], lambda x, p: functional.linear(x[0], *p)),
}
