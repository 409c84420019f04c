"""Losses, inputs, shapes, and BatchNorms inside wider blobs."""

from __future__ import annotations

from tests.helpers.edges.layers import CLASSES, STOPPED, Nets, bn, conv, ended, inside_read_by, of, relu, total, unit
from tests.helpers.specs import ip, loss

PLACES: Nets = {
    "two losses": ended(
        unit("a", 6), ip("early", CLASSES, "a"), loss("early", "first", loss_weight=0.3), unit("b", 8, 3, "a")
    ),
    "gradients of the inputs": ended(
        unit("a", 6), conv("b", 6, 3, "a"), bn("b_bn"), total("sum", "a", "b_bn"), force_backward=True
    ),
    "gradients of an input under a norm": ended(bn("one", "data"), relu("r"), conv("b", 6, 3), force_backward=True),
    "gradients of an input in a sum": ended(
        conv("a", 5), bn("one"), total("sum", "one", "data"), relu("r"), conv("b", 4, 3), force_backward=True
    ),
    "one image": ended(unit("a", 6), unit("b", 8, 3), unit("c", 6, 1), total("sum", "a", "c"), shape=(1, 5, 9, 7)),
    "one pixel of each image": ended(
        unit("a", 6), unit("b", 8, 3), unit("c", 6, 1), total("sum", "a", "c"), shape=(9, 5, 1, 1)
    ),
    "one pixel at all": ended(unit("a", 6), unit("b", 6, 3), total("sum", "a", "b"), shape=(1, 5, 1, 1)),
    "one channel": ended(unit("a", 1), unit("b", 1, 3), total("sum", "a", "b"), conv("c", 4, 3), shape=(3, 1, 9, 7)),
    "many channels": ended(
        unit("a", 67), unit("b", 33, 3), unit("c", 67, 1), total("sum", "a", "c"), relu("r"), unit("d", 35, 3, stride=2)
    ),
    "depthwise and groups": ended(
        unit("a", 24),
        unit("b", 24, 3, group=24),
        unit("c", 24, 3, group=4),
        unit("d", 24, 5, group=24, stride=2),
        unit("e", 7, 1),
    ),
    "strides": ended(unit("a", 6, 3, stride=2), unit("b", 8, 1, stride=2), unit("c", 4, 3)),
    "dense": ended(
        unit("a", 6),
        unit("b", 8, 3, "a"),
        of("Concat", "one", ["a", "b"]),
        bn("one_bn"),
        relu("one_r"),
        conv("c", 4, 3),
        of("Concat", "two", ["one", "c"]),
        bn("two_bn"),
        relu("two_r"),
        conv("d", 6, 3),
        of("Concat", "three", ["two", "d"]),
        bn("three_bn"),
        relu("three_r"),
        conv("e", 9),
        of("Pooling", "pool", pool="AVE", kernel_size=2, stride=2),
        bn("last"),
    ),
    "dense, with a frozen norm between": ended(
        conv("a", 6),
        bn("a_bn", "a"),
        conv("b", 8, 3, "a_bn"),
        of("Concat", "one", ["a", "b"]),
        bn("one_bn", param=STOPPED, use_global_stats=True),
        conv("c", 4, 3),
        of("Concat", "two", ["one", "c"]),
        bn("two_bn"),
        conv("d", 6, 3),
    ),
    "squeezed and excited": ended(
        unit("a", 6),
        of("Pooling", "mean", "a", pool="AVE", global_pooling=True),
        conv("squeeze", 6, 1),
        of("Sigmoid", "gate"),
        of("Flatten", "factors", "gate"),
        of("Scale", "scaled", ["a", "factors"], axis=0),
        conv("b", 4, 3),
    ),
    "norms of rows": ended(unit("a", 6), ip("rows", 8), bn("rows_bn"), relu("r")),
    "adaptive pooling": ended(unit("a", 6), of("AdaptivePooling", "pool", output_size=[2, 3]), conv("b", 4)),
}
"""By losses, inputs and shapes."""
INSIDE: Nets = {
    "inside, read by 1x1": inside_read_by(conv("c", 5)),
    "inside, read by Winograd": inside_read_by(conv("c", 16, 3), width=16),
    "inside, read by 3x3": inside_read_by(conv("c", 5, 3), width=3),
    "inside, read by 5x5": inside_read_by(conv("c", 5, 5)),
    "inside, read by a depthwise convolution": inside_read_by(conv("c", 36, 3, group=36)),
    "inside, read by groups": inside_read_by(conv("c", 32, 3, group=4), width=16),
    "inside, read by a pool": inside_read_by(of("Pooling", "c", pool="AVE", kernel_size=3, stride=1, pad=1)),
    "inside, read by a sum": inside_read_by(conv("b2", 36, 3, "r"), bn("b2_bn"), total("c", "r", "b2_bn")),
    "inside, read with a stride": inside_read_by(
        conv("c", 7, 1, "r", stride=2),
        of("Deconvolution", "d", num_output=6, kernel_size=2, stride=2, weight_filler="msra"),
        shape=(3, 5, 8, 6),
    ),
    "a rectified sum before a norm": ended(
        unit("a", 6),
        conv("b", 6, 3),
        bn("b_bn"),
        total("sum", "a", "b_bn"),
        relu("s"),
        bn("norm"),
        relu("r"),
        conv("c", 6, 3),
        total("more", "s", "c"),
        relu("t"),
    ),
}
"""A BatchNorm's bottom lies inside a wider blob."""
