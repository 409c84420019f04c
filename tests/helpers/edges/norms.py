"""BatchNorms: what they read, who reads them, how they learn."""

from __future__ import annotations

from tests.helpers.edges.layers import CLASSES, FROZEN, STOPPED, Nets, bn, conv, ended, of, relu, total, unit
from tests.helpers.specs import ip, loss

READERS: Nets = {
    "split": ended(
        unit("a", 6),
        of("Split", "cut", "a", top=["one", "two"]),
        conv("b", 8, 3, "one"),
        conv("c", 8, 1, "two"),
        total("sum", "b", "c"),
    ),
    "reshape": ended(unit("a", 6), of("Reshape", "laid", shape=[0, 6, -1])),
    "reshape to images": ended(unit("a", 6), of("Reshape", "laid", shape=[0, 3, 18, 7]), conv("b", 4, 3)),
    "flatten": ended(unit("a", 6), of("Flatten", "flat")),
    "flatten beside a convolution": ended(
        unit("a", 6),
        of("Flatten", "flat", "a"),
        ip("side", CLASSES, "flat"),
        loss("side", "other"),
        conv("b", 8, 3, "a"),
    ),
    "read twice by a sum": ended(unit("a", 6), total("sum", "a", "a"), conv("b", 4)),
    "read twice by a sum, norm alone": ended(conv("a", 6), bn("norm"), total("sum", "norm", "norm"), conv("b", 4)),
    "read twice by a concat": ended(unit("a", 6), of("Concat", "both", ["a", "a"]), conv("b", 4)),
    "read by a product": ended(
        unit("a", 6), unit("b", 6, 1, "data"), total("times", "a", "b", operation="PROD"), conv("c", 4)
    ),
    "read by a convolution of two bottoms": ended(
        unit("a", 6), unit("b", 6, 3, "data"), conv("two", 8, 3, ["a", "b"], top=["c", "d"]), total("sum", "c", "d")
    ),
    "convolution of two bottoms before norms": ended(
        conv("ahead", 6, 1),
        conv("behind", 6, 3, "data"),
        conv("two", 8, 3, ["ahead", "behind"], top=["c", "d"]),
        bn("c_bn", "c"),
        bn("d_bn", "d"),
        total("sum", "c_bn", "d_bn"),
    ),
    "deconvolution behind": ended(
        unit("a", 6), of("Deconvolution", "up", num_output=4, kernel_size=2, stride=2, weight_filler="msra")
    ),
    "deconvolution before": ended(
        conv("a", 6),
        of("Deconvolution", "up", num_output=4, kernel_size=2, stride=2, weight_filler="msra"),
        bn("norm"),
        relu("r"),
        conv("b", 8, 3),
    ),
    "dropout in place between": ended(
        conv("a", 6),
        bn("norm"),
        relu("r"),
        of("Dropout", "drop", "r", top="r", dropout_ratio=0.4),
        conv("b", 8, 3, "r"),
    ),
    "dropout before the norm": ended(
        conv("a", 6),
        of("Dropout", "drop", "a", top="a", dropout_ratio=0.4),
        bn("norm", "a"),
        relu("r"),
        conv("b", 8, 3),
    ),
    "leaky behind": ended(conv("a", 6), bn("norm"), of("ReLU", "r", negative_slope=0.1), conv("b", 8, 3)),
    "prelu behind": ended(conv("a", 6), bn("norm"), of("PReLU", "r"), conv("b", 8, 3)),
    "sigmoid behind": ended(conv("a", 6), bn("norm"), of("Sigmoid", "r"), conv("b", 8, 3)),
    "dropout behind": ended(conv("a", 6), bn("norm"), of("Dropout", "drop", dropout_ratio=0.4), conv("b", 8, 3)),
    "leaky before": ended(conv("a", 6), of("ReLU", "r", negative_slope=0.1), bn("norm"), conv("b", 8, 3)),
    "sigmoid before": ended(conv("a", 6), of("Sigmoid", "r"), bn("norm"), conv("b", 8, 3)),
    "leaky behind a sum": ended(
        unit("a", 6),
        unit("b", 6, 3),
        total("sum", "a", "b"),
        of("ReLU", "r", negative_slope=0.1),
        conv("c", 4),
        bn("c_bn"),
        total("more", "c_bn", "c_bn"),
    ),
    "leaky behind a norm in a sum": ended(
        unit("a", 6),
        conv("b", 6, 3),
        bn("b_bn"),
        of("ReLU", "r", negative_slope=0.1),
        total("sum", "a", "r"),
        conv("c", 4),
    ),
    "concat of tops": ended(
        unit("a", 6), unit("b", 8, 3, "data"), of("Concat", "both", ["a", "b"]), unit("c", 9, 1, "both")
    ),
    "concat of bottoms": ended(
        conv("a", 6, 1, "data"),
        conv("b", 8, 3, "data"),
        of("Concat", "both", ["a", "b"]),
        bn("norm"),
        relu("r"),
        conv("c", 9),
    ),
    "concat of images": ended(
        unit("a", 6),
        unit("b", 6, 3, "data"),
        of("Concat", "both", ["a", "b"], axis=0),
        ip("x", 5),
        of("Slice", "cut", axis=0, top=["one", "two"]),
        total("sum", "one", "two"),
    ),
    "slice behind": ended(
        unit("a", 6),
        of("Slice", "cut", axis=1, slice_point=[2], top=["one", "two"]),
        conv("b", 8, 3, "one"),
        conv("c", 8, 1, "two"),
        total("sum", "b", "c"),
    ),
    "pooled twice": ended(
        unit("a", 6),
        of("Pooling", "max", "a", pool="MAX", kernel_size=2, stride=2),
        of("Pooling", "mean", "a", pool="AVE", kernel_size=2, stride=2),
        total("sum", "max", "mean"),
        conv("b", 4),
    ),
    "pooled with places": ended(
        unit("a", 6),
        of("Pooling", "max", "a", pool="MAX", kernel_size=2, stride=2, top=["max", "where"]),
        of("Silence", "quiet", "where"),
        conv("b", 4, 1, "max"),
    ),
    "two norms in a row": ended(conv("a", 6), bn("one"), bn("two"), relu("r"), conv("b", 4, 3)),
    "norm of a norm with relu": ended(unit("a", 6), bn("two"), relu("r"), conv("b", 4, 3)),
    "two norms of one blob": ended(
        conv("a", 6),
        bn("one", "a"),
        bn("two", "a"),
        conv("b", 4, 3, "one"),
        conv("c", 4, 1, "two"),
        total("sum", "b", "c"),
    ),
    "a norm and another reader of its bottom": ended(
        conv("a", 6), bn("one", "a"), conv("b", 6, 3, "one"), total("sum", "b", "a")
    ),
    "a norm and a loss on its bottom": ended(conv("a", 6, loss_weight=0.3), bn("one", "a"), conv("b", 6, 3, "one")),
    "a norm of the input": ended(bn("one", "data"), relu("r"), conv("b", 6, 3)),
    "a norm of the input in place": ended(bn("one", "data", top="data"), conv("b", 6, 3, "data")),
    "a norm in place": ended(
        conv("a", 6), bn("one", "a", top="a"), of("ReLU", "r", "a", top="a"), conv("b", 4, 3, "a")
    ),
    "a norm without readers": ended(conv("a", 6), bn("one", "a"), conv("b", 4, 3, "a")),
    "a norm in a loss": ended(conv("a", 6), bn("one", "a", loss_weight=0.2), conv("b", 4, 3, "one")),
    "a norm whose readers learn nothing": ended(
        unit("a", 6), of("Silence", "quiet", "a"), conv("b", 4, 3, "a", propagate_down=[False])
    ),
    "a norm one of whose readers sends nothing": ended(
        unit("a", 6), conv("b", 4, 3, "a", propagate_down=[False]), conv("c", 4, 1, "a"), total("sum", "b", "c")
    ),
}
"""By what stands around a BatchNorm."""
KINDS: Nets = {
    "global stats": ended(conv("a", 6), bn("one", use_global_stats=True), relu("r"), unit("b", 4, 3)),
    "global stats, no affine": ended(
        conv("a", 6), bn("one", use_global_stats=True, affine=False), relu("r"), unit("b", 4, 3)
    ),
    "no affine": ended(conv("a", 6), bn("one", affine=False), relu("r"), unit("b", 4, 3)),
    "a scale without bias": ended(
        conv("a", 6), bn("one", affine=False), of("Scale", "s", bias_term=False), relu("r"), unit("b", 4, 3)
    ),
    "a scale, read beside": ended(
        conv("a", 6),
        bn("one", affine=False),
        of("Scale", "s", "one", bias_term=True),
        conv("b", 4, 3, "s"),
        conv("c", 4, 1, "one"),
        total("sum", "b", "c"),
    ),
    "frozen norm": ended(conv("a", 6), bn("one", param=STOPPED), relu("r"), conv("b", 4, 3)),
    "half frozen norm": ended(
        conv("a", 6), bn("one", param=[*STOPPED[:4], {"lr_mult": 1}]), relu("r"), conv("b", 4, 3)
    ),
    "frozen norm and convolution": ended(conv("a", 6, **FROZEN), bn("one", param=STOPPED), relu("r"), conv("b", 4, 3)),
    "learning norm of a frozen convolution": ended(conv("a", 6, **FROZEN), bn("one"), relu("r"), conv("b", 4, 3)),
    "frozen convolution above the first": ended(unit("a", 6), unit("b", 8, 3, **FROZEN), unit("c", 4, 1)),
    "frozen reader": ended(unit("a", 6), conv("b", 4, 3, **FROZEN)),
    "the norm stops the gradient": ended(conv("a", 6), bn("one", propagate_down=[False]), relu("r"), conv("b", 4, 3)),
    "the relu stops the gradient": ended(
        conv("a", 6), bn("one"), of("ReLU", "r", propagate_down=[False]), conv("b", 4, 3)
    ),
    "a convolution with a bias": ended(conv("a", 6, bias_term=True), bn("one"), relu("r"), conv("b", 4, 3)),
    "a convolution with a relu": ended(conv("a", 6), relu("r"), bn("one"), conv("b", 4, 3)),
    "shared weights": ended(unit("a", 5, param=[{"name": "w"}]), unit("b", 5, param=[{"name": "w"}]), unit("c", 4, 3)),
    "shared weights, one without a norm": ended(
        unit("a", 5, param=[{"name": "w"}]), conv("b", 5, param=[{"name": "w"}]), unit("c", 4, 3)
    ),
    "shared factors": ended(
        conv("a", 6),
        bn("one", param=[*STOPPED[:3], {"name": "f"}, {"name": "c"}]),
        conv("b", 6, 3),
        bn("two", param=[*STOPPED[:3], {"name": "f"}, {"name": "c"}]),
        relu("r"),
        conv("c", 4),
    ),
    "shared statistics": ended(
        conv("a", 6),
        bn("one", affine=False, param=[{"name": n, "lr_mult": 0} for n in "mvs"]),
        conv("b", 6, 3),
        bn("two", affine=False, param=[{"name": n, "lr_mult": 0} for n in "mvs"]),
        relu("r"),
        conv("c", 4),
    ),
}
"""By what a BatchNorm and its convolution are."""
