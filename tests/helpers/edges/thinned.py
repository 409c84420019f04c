"""Sums that are read, or nearly, by strided convolutions of one tap alone; images are 9 x 7."""

from __future__ import annotations

from tests.helpers.edges.layers import FROZEN, STOPPED, Layers, Nets, bn, conv, ended, of, relu, total, unit

TWO: Layers = [*unit("a", 6), conv("b", 6, 3, "a"), bn("b_bn")]
"""The bottoms of a sum: a block's shortcut and its last BatchNorm."""
SUM: Layers = [*TWO, total("sum", "a", "b_bn"), relu("r")]


def stage(stride: object = 2, bottom: str = "r") -> Layers:
    """The first block of a stage: a projection and a branch, both strided."""
    return [
        conv("p", 8, 1, bottom, stride=stride),
        bn("p_bn"),
        *unit("c", 5, 1, bottom, stride=stride),
        conv("d", 8, 3, "c"),
        bn("d_bn"),
        total("next", "p_bn", "d_bn"),
        relu("s"),
        conv("e", 4, 3),
    ]


THIN: Nets = {
    "a thinned sum": ended(SUM, stage()),
    "a thinned sum, the shortcut last": ended(TWO, total("sum", "b_bn", "a"), relu("r"), stage()),
    "a thinned sum of other lines than columns": ended(SUM, stage([3, 2])),
    "a thinned sum of all lines": ended(SUM, stage([1, 2])),
    "a thinned sum of one pixel": ended(SUM, stage([9, 7])),
    "a thinned sum without a ReLU": ended(TWO, total("sum", "a", "b_bn"), stage(bottom="sum")),
    "a thinned sum with factors": ended(TWO, total("sum", "a", "b_bn", coeff=[1, -0.5]), relu("r"), stage()),
    "a thinned sum with one reader": ended(SUM, conv("c", 4, 1, stride=2)),
    "a thinned sum of two norms": ended(
        unit("x", 6),
        conv("a", 6, 1, "x"),
        bn("a_bn"),
        conv("b", 6, 3, "x"),
        bn("b_bn"),
        total("sum", "a_bn", "b_bn"),
        relu("r"),
        stage(),
    ),
    "a thinned sum of rectified norms": ended(
        unit("a", 6), unit("b", 6, 3, "data"), total("sum", "a", "b"), stage(bottom="sum")
    ),
    "a thinned sum with the input": ended(
        conv("b", 5, 3), bn("b_bn"), total("sum", "b_bn", "data"), relu("r"), stage()
    ),
    "a thinned sum, one bottom needs no gradient": ended(
        conv("a", 6, **FROZEN),
        bn("one", param=STOPPED),
        unit("b", 6, 3, "data"),
        total("sum", "one", "b"),
        relu("r"),
        stage(),
    ),
    "a thinned sum, one bottom is stopped": ended(
        TWO, total("sum", "a", "b_bn", propagate_down=[True, False]), relu("r"), stage()
    ),
    "a thinned sum of a sum": ended(
        TWO,
        total("one", "a", "b_bn"),
        relu("one_r"),
        conv("x", 6, 3),
        bn("x_bn"),
        total("sum", "one_r", "x_bn"),
        relu("r"),
        stage(),
    ),
    "a thinned sum whose shortcut is read before": ended(
        TWO,
        unit("x", 6, 3, "a"),
        total("sum", "a", "b_bn"),
        relu("r"),
        stage(),
    ),
    "a thinned sum of convolutions": ended(
        conv("a", 6, 1, "data"), conv("b", 6, 3, "data"), total("sum", "a", "b"), relu("r"), stage()
    ),
    "two thinned sums": ended(
        SUM,
        conv("q", 6, 1, "r", stride=2),
        bn("q_bn"),
        unit("f", 6, 1, "r", stride=2),
        total("more", "q_bn", "f"),
        relu("t"),
        stage(2, "t"),
    ),
}
"""In each of them `sum` is thinned."""

WHOLE: Nets = {
    "a sum read at all pixels too": ended(SUM, conv("more", 5, 3, "r"), of("Silence", "quiet"), stage()),
    "a sum read with two strides": ended(
        SUM, conv("x", 4, 1, "r", stride=3), of("Silence", "quiet"), conv("c", 4, 1, "r", stride=2)
    ),
    "a sum read with padding": ended(SUM, conv("c", 4, 1, "r", stride=2, pad=1)),
    "a sum read in groups": ended(SUM, conv("c", 4, 1, "r", stride=2, group=2)),
    "a sum read by filters of three taps": ended(SUM, conv("c", 4, 3, "r", stride=2)),
    "a sum of three read apart": ended(TWO, conv("x", 6, 1, "a"), total("sum", "a", "b_bn", "x"), relu("r"), stage()),
    "a maximum read apart": ended(TWO, total("sum", "a", "b_bn", operation="MAX"), relu("r"), stage()),
    "a sum that a loss sees, read apart": ended(TWO, total("sum", "a", "b_bn", loss_weight=0.1), stage(bottom="sum")),
    "a sum of a blob with itself, read apart": ended(unit("a", 6), total("sum", "a", "a"), relu("r"), stage()),
}
"""In none of them."""

THINNED: Nets = {**THIN, **WHOLE}
