"""A Caffe in small: nets of a few layer types as Caffe runs them, array by array, in slow NumPy.

Every layer reads and writes the data and diffs of named blobs in place, as Caffe's do, so that what is left in any
diff is what a script for Caffe would see. Layers are (type, name, bottoms, tops, fields) as in a prototxt.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

Row = tuple[str, str, list[str], list[str], dict[str, Any]]


class Blob:
    def __init__(self, shape: tuple[int, ...]) -> None:
        self.data, self.diff = np.zeros(shape), np.zeros(shape)


def with_splits(rows: list[Row]) -> list[Row]:
    """insert_splits.cpp: a Split behind every top that several layers read, or one layer and a loss weight."""
    last: dict[str, tuple[int, int]] = {}
    source: dict[tuple[int, int], tuple[int, int]] = {}
    readers: Counter[tuple[int, int]] = Counter()
    for i, (_, _, bottoms, tops, fields) in enumerate(rows):
        for j, bottom in enumerate(bottoms):
            source[i, j] = last[bottom]
            readers[last[bottom]] += 1
        for j, top in enumerate(tops):
            last[top] = (i, j)
            readers[i, j] += bool(fields.get("loss_weight"))
    taken: Counter[tuple[int, int]] = Counter()
    found: list[Row] = []
    for i, (kind, name, bottoms, tops, fields) in enumerate(rows):
        renamed = []
        for j, bottom in enumerate(bottoms):
            at = source[i, j]
            if readers[at] > 1:
                renamed.append(f"{bottom}_{rows[at[0]][1]}_{at[1]}_split_{taken[at]}")
                taken[at] += 1
            else:
                renamed.append(bottom)
        fields = dict(fields)
        found.append((kind, name, renamed, tops, fields))
        for j, top in enumerate(tops):
            if readers[i, j] > 1:
                split = f"{top}_{name}_{j}_split"
                weight = fields.pop("loss_weight", 0)
                taken[i, j] += bool(weight)
                parts = [f"{split}_{k}" for k in range(readers[i, j])]
                found.append(("Split", split, [top], parts, {"loss_weight": weight}))
    return found


class SmallCaffe:
    def __init__(self, rows: list[Row], params: dict[str, list[np.ndarray]]) -> None:
        self.rows = with_splits(rows)
        self.blobs: dict[str, Blob] = {}
        self.params = {name: [Blob(value.shape) for value in values] for name, values in params.items()}
        for name, values in params.items():
            for mine, value in zip(self.params[name], values, strict=True):
                mine.data[...] = value
        need: dict[str, bool] = {}
        for kind, name, bottoms, tops, fields in self.rows:
            for top, shape in zip(tops, self.shapes(kind, name, bottoms, tops, fields), strict=True):
                if top not in bottoms:
                    self.blobs[top] = Blob(shape)
                if kind in ("Flatten", "Reshape", "Split"):  # in Caffe from the layer's first forward on
                    self.blobs[top].data = self.blobs[bottoms[0]].data.reshape(shape)
            if fields.get("loss_weight") or (kind == "EuclideanLoss" and "loss_weight" not in fields):
                self.blobs[tops[0]].diff[...] = fields.get("loss_weight", 1)
            learns = any(fields.get("lr_mult", 1) for _ in self.params.get(name, []))
            runs = learns or any(need[bottom] for bottom in bottoms)
            fields["propagate"] = list(fields.get("propagate_down", [need[bottom] for bottom in bottoms]))
            fields["backward"] = runs
            need |= {top: need.get(top, False) or runs for top in tops}
        under: set[str] = set()
        skipped: set[str] = set()
        for kind, _, bottoms, tops, fields in reversed(self.rows):
            weight = fields.get("loss_weight", 1 if kind == "EuclideanLoss" else 0)
            counts = bool(weight) or any(top in under for top in tops)
            if fields["backward"] and all(top in skipped for top in tops):
                fields["backward"], fields["propagate"] = False, [False] * len(bottoms)
            if not counts:
                fields["backward"], fields["propagate"] = False, [False] * len(bottoms)
            under |= set(bottoms if counts else [])
            skipped |= {b for b, flag in zip(bottoms, fields["propagate"], strict=True) if not flag}

    def shapes(self, kind: str, name: str, bottoms: list[str], tops: list[str], fields: Any) -> list[tuple[int, ...]]:
        below = [self.blobs[bottom].data.shape for bottom in bottoms]
        if kind == "Input":
            return [fields["shape"]] * len(tops)
        if kind == "InnerProduct":
            return [(below[0][0], len(self.params[name][0].data))]
        if kind in ("Flatten", "Reshape"):
            return [(below[0][0], int(np.prod(below[0][1:])))]
        if kind == "EuclideanLoss":
            return [()]
        return [below[0]] * len(tops)

    def forward(self, first: int = 0, last: int | None = None) -> None:
        for kind, name, bottoms, tops, fields in self.rows[first : None if last is None else last + 1]:
            x, y = [self.blobs[b].data for b in bottoms], [self.blobs[t].data for t in tops]
            w = [param.data for param in self.params.get(name, [])]
            if kind == "InnerProduct":
                y[0][...] = x[0].reshape(len(x[0]), -1) @ w[0].T + w[1]
            elif kind == "ReLU":
                y[0][...] = np.maximum(x[0], 0) + 0.25 * np.minimum(x[0], 0)
            elif kind == "Scale":
                fields["input"] = x[0].copy()
                y[0][...] = x[0] * w[0].reshape(1, -1, *[1] * (x[0].ndim - 2))
            elif kind == "Eltwise":
                y[0][...] = sum(x)
            elif kind == "EuclideanLoss":
                y[0][...] = ((x[0] - x[1]) ** 2).sum() / 2 / len(x[0])
            elif kind in ("Flatten", "Reshape", "Split"):
                for top in tops:
                    self.blobs[top].data = x[0].reshape(self.blobs[top].data.shape)
            elif kind == "Dropout":
                y[0][...] = x[0]

    def backward(self, first: int | None = None, last: int = 0) -> None:
        for kind, name, bottoms, tops, fields in reversed(self.rows[last : None if first is None else first + 1]):
            if not fields["backward"]:
                continue
            x, dx = ([getattr(self.blobs[b], part) for b in bottoms] for part in ("data", "diff"))
            dy = [self.blobs[top].diff for top in tops]
            params, down = self.params.get(name, []), fields["propagate"]
            if kind == "InnerProduct":
                flat = x[0].reshape(len(x[0]), -1)
                if fields.get("lr_mult", 1):
                    params[0].diff += dy[0].T @ flat
                    params[1].diff += dy[0].sum(0)
                if down[0]:
                    dx[0][...] = (dy[0] @ params[0].data).reshape(dx[0].shape)
            elif kind == "ReLU" and down[0]:
                dx[0][...] = dy[0] * np.where(x[0] > 0, 1, 0.25)
            elif kind == "Scale":
                over = tuple(axis for axis in range(dy[0].ndim) if axis != 1)
                product = dy[0] * fields["input"]
                params[0].diff += product.sum(over)
                if bottoms[0] != tops[0]:
                    dx[0][...] = product  # scratch, which a gradient overwrites
                if down[0]:
                    dx[0][...] = dy[0] * params[0].data.reshape(1, -1, *[1] * (dy[0].ndim - 2))
            elif kind == "Eltwise":
                for slot, flag in enumerate(down):
                    if flag:
                        dx[slot][...] = dy[0]
            elif kind == "EuclideanLoss":
                for slot, sign in ((0, 1), (1, -1)):
                    if down[slot]:
                        dx[slot][...] = sign * float(dy[0]) * (x[0] - x[1]) / len(x[0])
            elif kind == "Dropout" and down[0]:
                dx[0][...] = dy[0]
            elif kind == "Split" and down[0]:
                dx[0][...] = sum(dy)
            elif kind in ("Flatten", "Reshape"):
                self.blobs[bottoms[0]].diff = dy[0].reshape(dx[0].shape)  # from here on one memory for both


def prototxt(rows: list[Row], params: dict[str, list[np.ndarray]]) -> str:
    """The text of a net."""
    text = 'name: "small"\n'
    for kind, name, bottoms, tops, fields in rows:
        text += f'layer {{ name: "{name}" type: "{kind}"'
        text += "".join(f' bottom: "{bottom}"' for bottom in bottoms) + "".join(f' top: "{top}"' for top in tops)
        text += "".join(f" propagate_down: {str(flag).lower()}" for flag in fields.get("propagate_down", ()))
        if "loss_weight" in fields:
            text += f" loss_weight: {fields['loss_weight']}"
        text += f" param {{ lr_mult: {fields['lr_mult']} }}" * len(params.get(name, ())) if "lr_mult" in fields else ""
        if kind == "Input":
            shape = " ".join(f"dim: {size}" for size in fields["shape"])
            text += f" input_param {{ shape {{ {shape} }} }}"
        elif kind == "InnerProduct":
            text += f" inner_product_param {{ num_output: {len(params[name][0])} }}"
        elif kind == "ReLU":
            text += " relu_param { negative_slope: 0.25 }"
        elif kind == "Reshape":
            text += " reshape_param { shape { dim: 0 dim: -1 } }"
        text += " }\n"
    return text
