"""Resize and Upsample: images of another size."""

from __future__ import annotations

from typing import Any

from netspec.core.shape import text
from netspec.interop.from_onnx.building import Blob, Lack
from netspec.interop.from_onnx.op import Op, axis_in, plain, short

MODES = {"nearest": "nearest", "linear": "bilinear", "bilinear": "bilinear", "cubic": "bicubic"}


def resize(op: Op) -> Blob:
    """Resize, and Upsample: an Upsample, where its places are netspec's."""
    x = op.blob()
    mode = MODES.get(op.word("mode", "nearest"))
    if mode is None or len(x.shape) < 3:
        raise Lack(f"mode = {op.word('mode', 'nearest')} of {text(x.shape)}")
    op.only("antialias", 0)
    op.only("exclude_outside", 0)
    op.only("keep_aspect_ratio_policy", "stretch")
    scales, sizes = _asked(op, x)
    places = op.word("coordinate_transformation_mode", "half_pixel" if op.opset >= 11 else "asymmetric")
    if all(size == old for size, old in zip(sizes, x.shape[2:], strict=True)):
        return x
    _known_places(op, x, mode, places, sizes)
    fields: dict[str, Any] = {"mode": mode, "align_corners": places == "align_corners" or None}
    if scales is not None:
        wanted: list[float] = [int(scale) if float(scale).is_integer() else scale for scale in scales]
        return op.expect(op.layer("Upsample", x, scale_factor=plain(wanted), **fields), (*x.shape[:2], *sizes))
    return op.layer("Upsample", x, size=plain(sizes), **fields)


def _asked(op: Op, x: Blob) -> tuple[list[float] | None, list[int]]:
    """The factors behind the channels, None where sizes are given, and the sizes."""
    axes = list(range(len(x.shape)))
    if "axes" in op.node.attributes:
        axes = [axis_in(axis, len(x.shape)) for axis in op.listed("axes") or ()]
    first = 1 if op.node.op == "Upsample" or op.opset < 11 else 2
    given = op.node.attributes.get("scales")
    if op.has(3):
        whole = dict(zip(axes, (int(size) for size in op.constant(3, "sizes").reshape(-1)), strict=False))
        if any(whole.get(axis, x.shape[axis]) != x.shape[axis] for axis in (0, 1)):
            raise Lack("sizes that change the batch or the channels")
        return None, [whole.get(axis, x.shape[axis]) for axis in range(2, len(x.shape))]
    scales = given if isinstance(given, tuple) else tuple(op.constant(first, "scales").reshape(-1))
    factors = dict(zip(axes, (short(float(scale)) for scale in scales), strict=False))
    if any(factors.get(axis, 1.0) != 1 for axis in (0, 1)) or min(factors.values(), default=1.0) <= 0:
        raise Lack(f"scales = {list(factors.values())}")
    behind = [factors.get(axis, 1.0) for axis in range(2, len(x.shape))]
    return behind, [int(size * scale) for size, scale in zip(x.shape[2:], behind, strict=True)]


def _known_places(op: Op, x: Blob, mode: str, places: str, sizes: list[int]) -> None:
    """Raise Lack where new pixels are taken from other places than Upsample's."""
    said = f"mode = {op.word('mode', 'nearest')}, coordinate_transformation_mode = {places}"
    if mode == "nearest":
        rounding = op.word("nearest_mode", "round_prefer_floor" if op.opset >= 11 else "floor")
        multiple = all(size % old == 0 for size, old in zip(sizes, x.shape[2:], strict=True))
        centred = places in ("half_pixel", "pytorch_half_pixel") and rounding.startswith("round_prefer") and multiple
        if not (centred or (places == "asymmetric" and rounding == "floor")):
            raise Lack(f"{said}, nearest_mode = {rounding}")
        return
    if places == "pytorch_half_pixel" and min(sizes) == 1:
        raise Lack(f"{said} to a single pixel")
    if places not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise Lack(said)
    if mode == "bicubic" and op.number("cubic_coeff_a", -0.75) != -0.75:
        raise Lack(f"cubic_coeff_a = {op.number('cubic_coeff_a', -0.75)}")


OPS = {"Resize": resize, "Upsample": resize}
