"""Activations that Caffe does not have, as rows of those that it has."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from netspec.interop.to_caffe.case import CaffeLayer, Case, Convert
from netspec.interop.to_caffe.direct import messages


def _one(type: str, **fields: Any) -> Convert:
    """A converter to a single layer of a type, whose fields are given: `_one("Clip", clip_param={...})`."""

    def convert(case: Case) -> Iterator[CaffeLayer]:
        yield case.caffe(type, **fields)

    return convert


def _leaky_relu(case: Case) -> Iterator[CaffeLayer]:
    """ReLU with a slope."""
    yield case.caffe("ReLU", relu_param={"negative_slope": _value(case, "negative_slope")})


def _hard_tanh(case: Case) -> Iterator[CaffeLayer]:
    """Clip."""
    yield case.caffe("Clip", clip_param={"min": _value(case, "min_val"), "max": _value(case, "max_val")})


def _value(case: Case, field: str) -> float:
    return float(getattr(case.layer, field))


def _relu6(case: Case) -> Iterator[CaffeLayer]:
    """Clip; forks call it ReLU6."""
    if case.forks:
        yield case.caffe("ReLU6")
    else:
        yield case.caffe("Clip", clip_param={"min": 0.0, "max": 6.0})


def _sixths(case: Case) -> tuple[list[CaffeLayer], CaffeLayer]:
    """(x + 3) / 6 on the way, and its clip to [0, 1], which is written to the case's tops."""
    shifted, name = case.step("Power", "shift", case.bottoms, power_param={"scale": 1 / 6, "shift": 0.5})
    return [shifted], case.caffe("Clip", name, clip_param={"min": 0.0, "max": 1.0})


def _hard_sigmoid(case: Case) -> Iterator[CaffeLayer]:
    """Clip of Power."""
    before, last = _sixths(case)
    yield from before
    yield last


def _hard_swish(case: Case) -> Iterator[CaffeLayer]:
    """x times a HardSigmoid."""
    before, _ = _sixths(case)
    yield from before
    clip, gate = case.step("Clip", "gate", before[0].name, clip_param={"min": 0.0, "max": 1.0})
    yield clip
    yield _product(case, gate)


def _product(case: Case, other: str) -> CaffeLayer:
    """The bottom times a blob, into the case's tops."""
    return case.caffe("Eltwise", [*case.bottoms, other], eltwise_param={"operation": "PROD"})


def _softplus(case: Case) -> Iterator[CaffeLayer]:
    """BNLL of beta x, divided by beta."""
    beta = _value(case, "beta")
    if beta == 1:
        yield case.caffe("BNLL")
        return
    scaled, name = case.step("Power", "scaled", case.bottoms, power_param={"scale": beta})
    yield scaled
    plus, name = case.step("BNLL", "plus", name)
    yield plus
    yield case.caffe("Power", name, power_param={"scale": 1 / beta})


def _mish(case: Case) -> Iterator[CaffeLayer]:
    """x times the TanH of a BNLL."""
    plus, name = case.step("BNLL", "plus", case.bottoms)
    yield plus
    gate, name = case.step("TanH", "gate", name)
    yield gate
    yield _product(case, name)


def _softsign(case: Case) -> Iterator[CaffeLayer]:
    """x times 1 / (1 + |x|)."""
    size, name = case.step("AbsVal", "size", case.bottoms)
    yield size
    gate, name = case.step("Power", "gate", name, power_param={"power": -1.0, "shift": 1.0})
    yield gate
    yield _product(case, name)


def _celu(case: Case) -> Iterator[CaffeLayer]:
    """alpha times the ELU of x / alpha."""
    alpha = _value(case, "alpha")
    scaled, name = case.step("Power", "scaled", case.bottoms, power_param={"scale": 1 / alpha})
    yield scaled
    bent, name = case.step("ELU", "elu", name)
    yield bent
    yield case.caffe("Power", name, power_param={"scale": alpha})


def _selu(case: Case) -> Iterator[CaffeLayer]:
    """An ELU with a factor."""
    bent, name = case.step("ELU", "elu", case.bottoms, elu_param={"alpha": 1.6732632423543772})
    yield bent
    yield case.caffe("Power", name, power_param={"scale": 1.0507009873554805})


def _gelu(case: Case) -> Iterator[CaffeLayer]:
    """The form with tanh, factor by factor."""
    if getattr(case.layer, "approximate", "none") != "tanh":
        raise case.refused("Caffe has no erf; it has what `approximate: tanh` takes", "approximate")
    root = math.sqrt(2 / math.pi)
    square, name = case.step("Power", "square", case.bottoms, power_param={"power": 2.0})
    yield square
    cube, name = case.step("Eltwise", "cube", [*case.bottoms, name], eltwise_param={"operation": "PROD"})
    yield cube
    coefficients = {"operation": "SUM", "coeff": [root, root * 0.044715]}
    inner, name = case.step("Eltwise", "inner", [*case.bottoms, name], eltwise_param=coefficients)
    yield inner
    bent, name = case.step("TanH", "tanh", name)
    yield bent
    gate, name = case.step("Power", "gate", name, power_param={"scale": 0.5, "shift": 0.5})
    yield gate
    yield _product(case, name)


def _glu(case: Case) -> Iterator[CaffeLayer]:
    """The first half times the Sigmoid of the second."""
    axis = int(getattr(case.layer, "axis", -1))
    first, second = case.fresh("values"), case.fresh("gates")
    yield case.caffe("Slice", top=[first, second], name=case.fresh("halves"), slice_param={"axis": axis})
    gate, name = case.step("Sigmoid", "gate", second)
    yield gate
    yield case.caffe("Eltwise", [first, name], eltwise_param={"operation": "PROD"})


def _noise(case: Case) -> Iterator[CaffeLayer]:
    """Nothing, in a net that only answers: a Power that leaves its bottom as it is."""
    if not case.deploy:
        raise case.refused("Caffe has no such noise")
    yield case.caffe("Power")


def _noisy_product(case: Case) -> Iterator[CaffeLayer]:
    """The product alone, in a net that only answers."""
    if not case.deploy:
        raise case.refused("Caffe has no such noise")
    lost = set(type(case.layer).model_fields)  # those of the noise do nothing here
    yield case.caffe("InnerProduct", blobs=case.params, messages=messages(case, "InnerProduct", *lost - _PRODUCT))


_PRODUCT = {"num_output", "bias_term", "axis", "transpose", "weight_filler", "bias_filler"}

CONVERTERS: dict[str, Convert] = {
    "CELU": _celu,
    "DropBlock": _noise,
    "DropConnect": _noisy_product,
    "DropPath": _noise,
    "GELU": _gelu,
    "GLU": _glu,
    "GaussianNoise": _noise,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _hard_swish,
    "HardTanh": _hard_tanh,
    "LeakyReLU": _leaky_relu,
    "Mish": _mish,
    "ReLU6": _relu6,
    "SELU": _selu,
    "Shakeout": _noisy_product,
    "SiLU": _one("Swish"),
    "Softplus": _softplus,
    "Softsign": _softsign,
    "SpatialDropout": _noise,
    "Whiteout": _noisy_product,
}
