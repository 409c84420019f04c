"""Layers and nets in few words."""

from __future__ import annotations

from typing import Any

from tests.helpers.specs import ip, loss

SHAPE, CLASSES = (3, 5, 9, 7), 4
Layers = list[dict[str, Any]]
Nets = dict[str, dict[str, Any]]


def conv(name: str, outputs: int, kernel: int = 1, bottom: Any = None, **fields: Any) -> dict[str, Any]:
    size = {
        "num_output": outputs,
        "kernel_size": kernel,
        "pad": kernel // 2,
        "weight_filler": "msra",
        "bias_term": False,
    }
    return of("Convolution", name, bottom, **{**size, **fields})


def bn(name: str, bottom: Any = None, **fields: Any) -> dict[str, Any]:
    filler = {"type": "gaussian", "std": 0.7}
    fields = (
        {"affine": True, "weight_filler": filler, "bias_filler": filler, **fields}
        if fields.get("affine", 1)
        else fields
    )
    return of("BatchNorm", name, bottom, moving_average_fraction=0.9, **fields)


def of(kind: str, name: str, bottom: Any = None, **fields: Any) -> dict[str, Any]:
    """A layer; without `bottom` it reads the one before it."""
    return {"name": name, "type": kind, **fields} | ({} if bottom is None else {"bottom": bottom})


def relu(name: str, bottom: Any = None) -> dict[str, Any]:
    return of("ReLU", name, bottom)


def total(name: str, *bottoms: str, **fields: Any) -> dict[str, Any]:
    return of("Eltwise", name, list(bottoms), **fields)


def unit(name: str, outputs: int, kernel: int = 1, bottom: Any = None, **fields: Any) -> Layers:
    """A convolution, a BatchNorm and a ReLU."""
    return [conv(f"{name}_conv", outputs, kernel, bottom, **fields), bn(f"{name}_bn"), relu(name)]


def ended(*layers: Any, shape: tuple[int, ...] = SHAPE, bottom: Any = None, **fields: Any) -> dict[str, Any]:
    """A net of these layers, or lists of layers, and a classifier of what the last one makes, or of `bottom`."""
    flat = [one for each in layers for one in (each if isinstance(each, list) else [each])]
    data = of("Input", "data", top=["data", "label"], shape=[list(shape), [shape[0]]])
    return {"name": "edge", **fields, "layers": [data, *flat, ip("ip", CLASSES, bottom), loss("ip")]}


FROZEN = {"param": [{"lr_mult": 0}]}
STOPPED = [{"lr_mult": 0}] * 5
"""Params of a BatchNorm that does not learn."""


def inside_read_by(*readers: Any, width: int = 18, **fields: Any) -> dict[str, Any]:
    """A BatchNorm whose bottom lies inside a wider blob, and who reads its top."""
    more = [
        *unit("a", width, bottom="data"),
        conv("b", width, 3, "a"),
        of("Concat", "one", ["a", "b"]),
        bn("norm"),
        relu("r"),
    ]
    last = of("Concat", "two", ["one", readers[-1]["name"]])
    return ended(more, *readers, last, bn("last"), **fields)
