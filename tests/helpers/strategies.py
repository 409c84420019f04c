"""Random small nets as plain values: branches, layers in place, several losses, frozen and shared params."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

N, CLASSES = 2, 3
SHAPE = (N, 3, 6, 5)

Net = dict[str, Any]
_SMOOTH = ("Sigmoid", "TanH", "Dropout")
_FILLER = {"type": "gaussian", "std": 0.2}


class _Writer:
    """Adds layers, and remembers the shape of every blob's last version."""

    def __init__(self, draw: Any, smooth: bool) -> None:
        self.draw, self.smooth = draw, smooth
        self.layers: list[dict[str, Any]] = [
            {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [list(SHAPE), [N]]}
        ]
        self.blobs: dict[str, tuple[int, ...]] = {"data": SHAPE}
        self.shared: dict[tuple[int, int], str] = {}

    def chance(self, percent: int) -> bool:
        return self.draw(st.integers(0, 99)) >= 100 - percent

    def pick(self, keep: Any = lambda shape: True) -> str | None:
        """A blob whose shape will do, the latest more often: deep nets say more than wide ones."""
        fit = [name for name, shape in self.blobs.items() if keep(shape)]
        return self.draw(st.sampled_from(fit + fit[-1:] * 2)) if fit else None

    def add(
        self, kind: str, bottom: list[str], shape: tuple[int, ...] | None, top: str | None = None, /, **fields: Any
    ) -> str:
        name = f"{kind.lower()}{len(self.layers)}"
        layer = {"name": name, "type": kind, "bottom": bottom, **fields}
        if top is not None:
            layer["top"] = top
        self.layers.append(layer)
        if shape is not None:
            self.blobs.pop(top or name, None)  # the newest stand last
            self.blobs[top or name] = shape
        return top or name

    def param(self) -> dict[str, Any]:
        """Sometimes a frozen layer, a frozen bias, or other rates."""
        choice = self.draw(st.integers(0, 5))
        given = {
            1: [{"lr_mult": 0}, {"lr_mult": 0}],
            2: [{"lr_mult": 1}, {"lr_mult": 0}],
            3: [{"lr_mult": 2, "decay_mult": 0.5}],
        }
        return {"param": given[choice]} if choice in given else {}

    def weight(self) -> dict[str, Any]:
        """Sometimes a share in the loss, in the middle of the net."""
        return {"loss_weight": self.draw(st.sampled_from([0.5, -0.25]))} if self.chance(15) else {}

    def convolution(self) -> None:
        bottom = self.pick(lambda s: len(s) == 4 and s[2] >= 2 and s[3] >= 2)
        if bottom is None:
            return
        n, c, h, w = self.blobs[bottom]
        k, kernel, pad, stride = (self.draw(st.integers(*span)) for span in ((1, 4), (1, 2), (0, 1), (1, 2)))
        group = 2 if c % 2 == 0 and k % 2 == 0 and self.chance(30) else 1
        size = tuple((x + 2 * pad - kernel) // stride + 1 for x in (h, w))
        fields = {
            "num_output": k,
            "kernel_size": kernel,
            "pad": pad,
            "stride": stride,
            "group": group,
            "weight_filler": _FILLER,
        }
        self.add("Convolution", [bottom], (n, k, *size), **fields, **self.param())

    def pooling(self) -> None:
        bottom = self.pick(lambda s: len(s) == 4 and s[2] >= 2 and s[3] >= 2)
        if bottom is not None:
            n, c, h, w = self.blobs[bottom]
            pool = "AVE" if self.smooth else self.draw(st.sampled_from(["MAX", "AVE"]))
            self.add("Pooling", [bottom], (n, c, h - 1, w - 1), pool=pool, kernel_size=2, stride=1)

    def inner_product(self, bottom: str | None = None, outputs: int | None = None) -> str:
        bottom = bottom or self.pick()
        assert bottom is not None
        count = 1
        for size in self.blobs[bottom][1:]:
            count *= size
        outputs = outputs or self.draw(st.integers(1, 5))
        fields: dict[str, Any] = {"num_output": outputs, "weight_filler": _FILLER}
        if self.chance(40):
            known = (count, outputs) in self.shared
            name = self.shared.setdefault((count, outputs), f"shared{len(self.shared)}")
            fields["param"] = [
                {"name": name} if known else {"name": name, "lr_mult": self.draw(st.sampled_from([0, 1, 2]))}
            ]
        else:
            fields |= self.param()
        return self.add("InnerProduct", [bottom], (self.blobs[bottom][0], outputs), **fields)

    def neuron(self) -> None:
        kind = self.draw(st.sampled_from(_SMOOTH if self.smooth else ("ReLU", *_SMOOTH)))
        bottom = self.pick(lambda s: True)
        assert bottom is not None
        top = bottom if self.chance(50) else None
        fields = {"dropout_ratio": 0.3} if kind == "Dropout" else {}
        self.add(kind, [bottom], self.blobs[bottom], top, **fields, **self.weight())

    def flatten(self) -> None:
        bottom = self.pick()
        assert bottom is not None
        n, *rest = self.blobs[bottom]
        count = 1
        for size in rest:
            count *= size
        top = bottom if self.chance(30) else None
        self.add("Flatten", [bottom], (n, count), top, **self.weight())

    def concat(self) -> None:
        first = self.pick()
        assert first is not None
        shape = self.blobs[first]
        others = [
            name for name, s in self.blobs.items() if len(s) == len(shape) and (s[0], *s[2:]) == (shape[0], *shape[2:])
        ]
        bottoms = [first, *self.draw(st.lists(st.sampled_from(others), min_size=0, max_size=2))]
        self.add("Concat", bottoms, (shape[0], sum(self.blobs[b][1] for b in bottoms), *shape[2:]))

    def branches(self) -> None:
        """Convolutions of one blob, side by side."""
        bottom = self.pick(lambda s: len(s) == 4)
        if bottom is None:
            return
        n, _, h, w = self.blobs[bottom]
        names, total = [], 0
        for _ in range(self.draw(st.integers(1, 3))):
            k, pad = self.draw(st.integers(1, 4)), self.draw(st.integers(0, 1))
            fields = {"num_output": k, "kernel_size": 2 * pad + 1, "pad": pad, "weight_filler": _FILLER}
            names.append(self.add("Convolution", [bottom], (n, k, h, w), **fields, **self.param()))
            total += k
            if not self.smooth and self.chance(50):
                self.add("ReLU", names[-1:], (n, k, h, w), names[-1])
        self.add("Concat", [*names, *([bottom] if self.chance(30) else [])], (n, total, h, w))
        if self.layers[-1]["bottom"][-1] == bottom:
            self.blobs[self.layers[-1]["name"]] = (n, total + self.blobs[bottom][1], h, w)
        if self.chance(80):
            for name in names:
                self.blobs.pop(name)  # nobody else reads them

    def eltwise(self) -> None:
        first = self.pick()
        assert first is not None
        same = [name for name, s in self.blobs.items() if s == self.blobs[first]]
        bottoms = [first, *self.draw(st.lists(st.sampled_from(same), min_size=1, max_size=2))]
        operation = self.draw(st.sampled_from(["SUM", "PROD"] if self.smooth else ["SUM", "PROD", "MAX"]))
        fields = {"coeff": [0.5, -1.0, 2.0][: len(bottoms)]} if operation == "SUM" and self.chance(40) else {}
        self.add("Eltwise", bottoms, self.blobs[first], operation=operation, **fields)

    def cut(self) -> None:
        """Slice or Split: several tops of one layer."""
        bottom = self.pick()
        assert bottom is not None
        shape, tops = self.blobs[bottom], [f"cut{len(self.layers)}_{i}" for i in range(self.draw(st.integers(1, 3)))]
        axis = self.draw(st.integers(0, len(shape) - 1))
        if axis > 0 and shape[axis] >= len(tops) and self.chance(60):
            points = list(range(1, len(tops)))
            lengths = [1] * len(points) + [shape[axis] - len(points)]
            self.add("Slice", [bottom], None, axis=axis, slice_point=points, top=tops)
        else:
            lengths = [shape[axis]] * len(tops)
            self.add("Split", [bottom], None, top=tops)
        for top, length in zip(tops, lengths, strict=True):
            self.blobs[top] = (*shape[:axis], length, *shape[axis + 1 :])

    def reshape(self) -> None:
        bottom = self.pick(lambda s: len(s) == 4)
        if bottom is not None:
            n, c, h, w = self.blobs[bottom]
            self.add("Reshape", [bottom], (n, h, c * w), shape=[0, h, -1], **self.weight())

    def batch_norm(self) -> None:
        bottom = self.pick()
        assert bottom is not None
        top = bottom if self.chance(50) else None
        fields: dict[str, Any] = {"affine": True, "weight_filler": _FILLER} if self.chance(50) else {}
        fields |= {"use_global_stats": True} if self.chance(20) else {}
        self.add("BatchNorm", [bottom], self.blobs[bottom], top, eps=0.5, **fields, **self.weight())

    def scale(self) -> None:
        bottom = self.pick()
        assert bottom is not None
        shape = self.blobs[bottom]
        top = bottom if self.chance(30) else None
        others = [name for name, s in self.blobs.items() if s == shape[: len(s)]]
        kind, filler = self.draw(st.sampled_from(["Scale", "Bias"])), {"type": "gaussian", "std": 0.5}
        if self.chance(40):
            self.add(kind, [bottom, self.draw(st.sampled_from(others))], shape, top, axis=0)
        else:
            bias = {"bias_term": self.chance(50)} if kind == "Scale" else {}
            self.add(
                kind, [bottom], shape, top, filler=filler, num_axes=self.draw(st.integers(-1, len(shape) - 1)), **bias
            )

    def lrn(self) -> None:
        bottom = self.pick(lambda s: len(s) == 4)
        if bottom is not None:
            region = self.draw(st.sampled_from(["ACROSS_CHANNELS", "WITHIN_CHANNEL"]))
            self.add("LRN", [bottom], self.blobs[bottom], local_size=3, norm_region=region, alpha=0.5, **self.weight())

    def power(self) -> None:
        bottom = self.pick()
        assert bottom is not None
        self.add(
            "Power", [bottom], self.blobs[bottom], power=self.draw(st.sampled_from([0, 1, 2, 3])), scale=0.5, shift=0.25
        )

    def softmax(self) -> None:
        bottom = self.pick()
        assert bottom is not None
        self.add("Softmax", [bottom], self.blobs[bottom])

    def distance(self) -> None:
        first = self.pick()
        assert first is not None
        same = [name for name, s in self.blobs.items() if s == self.blobs[first]]
        other = self.draw(st.sampled_from(same))
        stopped = {"propagate_down": [True, False]} if not self.smooth and self.chance(30) else {}
        self.add(
            "EuclideanLoss", [first, other], None, loss_weight=self.draw(st.sampled_from([1, 0.3, -0.5])), **stopped
        )

    def classify(self) -> None:
        scores = self.inner_product(self.pick(), CLASSES)
        if self.chance(50):
            self.add("Accuracy", [scores, "label"], None)
        tops = {"top": [f"loss{len(self.layers)}", f"prob{len(self.layers)}"]} if self.chance(30) else {}
        self.layers.append(
            {"name": f"loss{len(self.layers)}", "type": "SoftmaxWithLoss", "bottom": [scores, "label"], **tops}
        )


_STEPS = (
    "convolution",
    "pooling",
    "inner_product",
    "neuron",
    "neuron",
    "flatten",
    "concat",
    "eltwise",
    "softmax",
    "distance",
    "classify",
)
_STEPS += ("branches", "cut", "reshape", "batch_norm", "scale", "lrn", "power")


@st.composite
def nets(draw: Any, most: int = 9, smooth: bool = False) -> Net:
    """A net on `data` and `label` that ends in a loss; `smooth` leaves out kinks and `propagate_down`."""
    writer = _Writer(draw, smooth)
    writer.convolution()
    for step in draw(st.lists(st.sampled_from(_STEPS), max_size=most)):
        getattr(writer, step)()
    writer.layers.append(
        {
            "name": "scores",
            "type": "InnerProduct",
            "bottom": writer.pick(),
            "num_output": CLASSES,
            "weight_filler": _FILLER,
        }
    )
    writer.layers.append({"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["scores", "label"]})
    return {"name": "random", "layers": writer.layers}
