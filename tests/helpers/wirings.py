"""Random wirings of labels: nets whose layers move labels about, and the same moves in plain NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Moved = Callable[[list[Array]], list[Array]]


@dataclass
class Blob:
    """A blob of labels; `cut` are the tops of a cut of the batch that it is one of."""

    name: str
    shape: tuple[int, ...]
    cut: tuple[int, ...] = ()


@dataclass
class Reader:
    """A layer that reads a blob as labels."""

    blob: str
    classes: int
    ignore: int | None


@dataclass
class Wiring:
    """A net in the making, for batches of `batch` samples.

    `moves` are its layers on labels in NumPy, as (bottoms, tops, function); None for a layer that computes.
    """

    random: np.random.Generator
    phase: str
    batch: int
    layers: list[dict[str, Any]] = field(default_factory=list)
    inputs: dict[str, tuple[int, ...]] = field(default_factory=dict)
    blobs: list[Blob] = field(default_factory=list)
    moves: list[tuple[list[str], list[str], Moved | None]] = field(default_factory=list)
    readers: list[Reader] = field(default_factory=list)

    def pick(self, *choices: Any) -> Any:
        return choices[self.random.integers(len(choices))]

    def put(self, type: str, bottoms: list[Blob], tops: int, moved: Moved | None, **fields: Any) -> list[Blob]:
        """Add a layer on labels; its tops have the shapes that NumPy says."""
        name = f"{type.lower()}{len(self.layers)}"
        names = [f"{name}_{i}" for i in range(tops)]
        below = [blob.name for blob in bottoms]
        self.layers.append({"name": name, "type": type, "bottom": below, "top": names, **fields})
        self.moves.append((below, names, moved))
        arrays = [np.zeros(blob.shape) for blob in bottoms]
        shapes = [array.shape for array in (moved(arrays) if moved else arrays[:1])]
        made = [Blob(word, shape) for word, shape in zip(names, shapes, strict=True)]
        self.blobs += made
        return made

    def grow(self) -> None:
        """Add a random layer that moves labels, or one that computes, behind one of the last blobs."""
        blob = self.pick(*self.blobs[-3:])
        steps = [self.same, self.same, self.shaped, self.shaped, self.sliced, self.sliced, self.joined, self.sampled]
        self.pick(*steps)(blob)

    def same(self, blob: Blob) -> None:
        kind = self.pick("Split", "Power", "Dropout", "Slice", "Concat", "computed")
        if kind == "computed":
            self.put("Power", [blob], 1, None, shift=1)
            return
        tops = self.pick(1, 2, 3) if kind == "Split" else 1
        dropped = {"dropout_ratio": 0.0 if self.phase == "TRAIN" else 0.5}
        fields = {"Dropout": dropped, "Slice": {"axis": 0}, "Concat": {"axis": 0}}
        self.put(kind, [blob], tops, lambda x: x * tops, **fields.get(kind, {}))

    def shaped(self, blob: Blob) -> None:
        rest = int(np.prod(blob.shape[1:]))
        if self.pick(True, False):
            axis = int(self.pick(*range(len(blob.shape))))
            self.put("Flatten", [blob], 1, lambda x: [x[0].reshape((*x[0].shape[:axis], -1))], axis=axis)
            return
        first = self.pick(*(size for size in range(1, rest + 1) if rest % size == 0))
        self.put("Reshape", [blob], 1, lambda x: [x[0].reshape((len(x[0]), first, -1))], shape=[0, first, -1])

    def sliced(self, blob: Blob) -> None:
        axes = [axis for axis, size in enumerate(blob.shape) if axis and size > 1]
        if not axes or blob.shape[0] != self.batch:
            return
        axis = self.pick(*axes)
        size = blob.shape[axis]
        if size % 2 == 0 and self.pick(True, False):
            self.put("Slice", [blob], 2, lambda x: np.split(x[0], 2, axis), axis=axis - len(blob.shape))
            return
        most = self.pick(1, 2) if size > 2 else 1
        points = sorted(self.random.choice(np.arange(1, size), most, replace=False).tolist())
        self.put(
            "Slice", [blob], len(points) + 1, lambda x: np.split(x[0], points, axis), axis=axis, slice_point=points
        )

    def joined(self, blob: Blob) -> None:
        if len(blob.shape) < 2:
            return
        axis = int(self.pick(*range(1, len(blob.shape))))
        rest = (*blob.shape[:axis], *blob.shape[axis + 1 :])
        fitting = [
            other
            for other in self.blobs
            if len(other.shape) == len(blob.shape) and (*other.shape[:axis], *other.shape[axis + 1 :]) == rest
        ]
        self.put("Concat", [blob, self.pick(*fitting)], 1, lambda x: [np.concatenate(x, axis)], axis=axis)

    def sampled(self, blob: Blob) -> None:
        if len(blob.shape) != 4:
            return
        step = self.pick(1, 2)
        fields = {"kernel_size": 1, "stride": step, "round_mode": "FLOOR", "pool": self.pick("MAX", "AVE")}
        self.put("Pooling", [blob], 1, lambda x: [x[0][:, :, ::step, ::step]], **fields)

    def read(self, blob: Blob) -> None:
        """Add a loss or a metric that reads a blob; its scores are an input."""
        name, classes = f"read{len(self.layers)}", int(self.random.integers(2, 6))
        ignore = self.pick(None, None, 1, 255, -1)
        inner = int(np.prod(blob.shape)) // self.batch
        kind = self.pick("SoftmaxWithLoss", "Accuracy", *(["MultiClassHingeLoss"] if inner == 1 else []))
        last = self.pick(True, False) and kind != "MultiClassHingeLoss"
        shape = (inner, classes) if last else (classes, inner)
        self.inputs[f"{name}_scores"] = shape
        fields: dict[str, Any] = {"axis": -1} if last else {}
        if kind == "MultiClassHingeLoss":
            ignore = None
        elif ignore is not None:
            fields["ignore_label"] = ignore
        fields |= self.pick({}, {"include": {"phase": self.phase}})
        self.layers.append({"name": name, "type": kind, "bottom": [f"{name}_scores", blob.name], **fields})
        self.readers.append(Reader(blob.name, classes, ignore))

    def read_cut(self, blob: Blob) -> None:
        """Cut the batch behind its first samples, and read both pieces with other numbers of classes."""
        point = int(self.random.integers(1, self.batch - 1))  # a short batch has a piece behind it too
        pieces = self.put("Slice", [blob], 2, lambda x: np.split(x[0], [point]), axis=0, slice_point=[point])
        inner = int(np.prod(blob.shape[1:]))
        for piece in pieces:
            name, classes = f"read{len(self.layers)}", int(self.random.integers(2, 6))
            self.inputs[f"{name}_all"] = (classes, inner)
            cut = [f"{name}_0", f"{name}_1"]
            both = {"axis": 0, "slice_point": [point], "bottom": f"{name}_all", "top": cut}
            self.layers.append({"name": f"{name}_cut", "type": "Slice", **both})
            mine = cut[pieces.index(piece)]
            self.layers.append({"name": name, "type": "SoftmaxWithLoss", "bottom": [mine, piece.name]})
            self.readers.append(Reader(piece.name, classes, None))

    def ordered(self) -> list[dict[str, Any]]:
        """The layers in a random order in which every bottom is there before it is read."""
        waiting, there, result = list(self.layers), {"x", *self.inputs}, []
        while waiting:
            ready = [layer for layer in waiting if there.issuperset(_words(layer["bottom"]))]
            layer = self.pick(*ready)
            waiting.remove(layer)
            there.update(_words(layer.get("top", layer["name"])))
            result.append(layer)
        return result

    def faults(self, labels: dict[str, Array]) -> set[str]:
        """The wrong labels that readers meet in one batch, as text; those that the net computes are not counted."""
        values = {name: (array, np.ones(array.shape, bool)) for name, array in labels.items()}
        for bottoms, tops, moved in self.moves:
            arrays, known = zip(*(values[name] for name in bottoms), strict=True)
            if moved is None:
                values[tops[0]] = (arrays[0], np.zeros(arrays[0].shape, bool))
                continue
            values |= dict(zip(tops, zip(moved(list(arrays)), moved(list(known)), strict=True), strict=True))
        found = set()
        for reader in self.readers:
            for label, known in zip(*(array.ravel().tolist() for array in values[reader.blob]), strict=True):
                right = label == reader.ignore or label in range(reader.classes)
                found |= {str(label)} if known and not right else set()
        return found


def _words(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def random_wiring(random: np.random.Generator, phase: str, batch: int, cut: bool) -> Wiring:
    """A wiring of one or two inputs of labels, and some readers; with `cut` one reads the batch in pieces."""
    wiring = Wiring(random, phase, batch)
    for i in range(wiring.pick(1, 2)):
        shape = wiring.pick((), (2,), (3,), (3, 4), (2, 3, 4))
        wiring.inputs[f"label{i}"] = shape
        wiring.blobs.append(Blob(f"label{i}", (batch, *shape)))
    for _ in range(random.integers(1, 8)):
        wiring.grow()
    whole = [blob for blob in wiring.blobs if blob.shape[0] == batch]
    for _ in range(random.integers(1, 4)):
        wiring.read(wiring.pick(*wiring.blobs[-4:]))
    if cut:
        wiring.read_cut(wiring.pick(*whole[-4:]))
    return wiring
