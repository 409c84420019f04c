"""Small prototxts, and their nets."""

from __future__ import annotations

from pathlib import Path

import netspec


def layer(type: str, bottom: str, top: str, fields: str = "", name: str = "") -> str:
    tops = "".join(f" top: '{each}'" for each in top.split())
    bottoms = "".join(f" bottom: '{each}'" for each in bottom.split())
    return f"layer {{ name: '{name or type}' type: '{type}'{bottoms}{tops} {fields} }}\n"


def data(name: str, *shape: int) -> str:
    dims = " ".join(f"dim: {size}" for size in shape)
    return layer("Input", "", name, f"input_param {{ shape {{ {dims} }} }}", name)


SQUARES = layer("Reduction", "h", "q", "reduction_param { operation: SUMSQ coeff: 0.5 } loss_weight: 1")


def net_of(folder: Path, text: str) -> netspec.Net:
    path = folder / "n.prototxt"
    path.write_text(text)
    return netspec.Net(path, phase="TRAIN")
