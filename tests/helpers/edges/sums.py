"""Sums, whose gradient may be that of their bottoms."""

from __future__ import annotations

from tests.helpers.edges.layers import FROZEN, STOPPED, Nets, bn, conv, ended, of, relu, total, unit
from tests.helpers.specs import ip

SUMS: Nets = {
    "a sum with the input": ended(conv("a", 5), bn("one"), total("sum", "one", "data"), relu("r"), conv("b", 4, 3)),
    "a sum of the input and the input": ended(total("sum", "data", "data"), unit("b", 4, 3)),
    "a sum of norms, one needs no gradient": ended(
        conv("a", 6, **FROZEN),
        bn("one", param=STOPPED),
        unit("b", 6, 3, "data"),
        total("sum", "one", "b"),
        relu("r"),
        conv("c", 4),
    ),
    "a sum one of whose bottoms is stopped": ended(
        unit("a", 6),
        unit("b", 6, 3, "data"),
        total("sum", "a", "b", propagate_down=[True, False]),
        relu("r"),
        conv("c", 4),
    ),
    "a sum of three": ended(
        unit("a", 6),
        unit("b", 6, 3, "a"),
        conv("c", 6, 1, "b"),
        bn("c_bn"),
        total("sum", "a", "b", "c_bn"),
        relu("r"),
        conv("d", 4, 3),
    ),
    "a sum of three, two alike": ended(
        unit("a", 6), conv("c", 6, 3, "a"), bn("c_bn"), total("sum", "a", "c_bn", "a"), relu("r"), conv("d", 4, 3)
    ),
    "a sum with factors": ended(
        unit("a", 6),
        conv("c", 6, 3, "a"),
        bn("c_bn"),
        total("sum", "a", "c_bn", coeff=[1, -0.5]),
        relu("r"),
        conv("d", 4, 3),
    ),
    "a sum before a norm": ended(
        conv("a", 6, 1, "data"), conv("b", 6, 3, "data"), total("sum", "a", "b"), bn("one"), relu("r"), conv("c", 4, 3)
    ),
    "a sum before a norm that others read": ended(
        unit("a", 6),
        conv("b", 6, 3, "a"),
        total("sum", "a", "b"),
        bn("one"),
        relu("r"),
        conv("c", 6, 3),
        total("more", "sum", "c"),
        bn("last"),
    ),
    "sums of sums": ended(
        unit("a", 6),
        conv("b", 6, 3, "a"),
        bn("b_bn"),
        total("one", "a", "b_bn"),
        total("two", "one", "a"),
        total("three", "two", "one"),
        relu("r"),
        conv("c", 4),
    ),
    "a sum of rectified convolutions": ended(
        conv("a", 6, 1, "data"),
        relu("a_r"),
        conv("b", 6, 3, "data"),
        relu("b_r"),
        total("sum", "a_r", "b_r"),
        conv("c", 4),
    ),
    "a sum of a norm and a rectified convolution": ended(
        conv("a", 6, 1, "data"),
        conv("b", 6, 3, "data"),
        relu("b_r"),
        bn("one", "a"),
        total("sum", "one", "b_r"),
        conv("c", 4),
    ),
    "a sum of rectified rows": ended(
        ip("a", 6, "data"), relu("a_r"), ip("b", 6, "data"), relu("b_r"), total("sum", "a_r", "b_r")
    ),
    "a sum of rectified norms": ended(
        unit("a", 6, 1, "data"), unit("b", 6, 3, "data"), total("sum", "a", "b"), conv("c", 4)
    ),
    "a rectified sum in a sum": ended(
        unit("a", 6, 1, "data"),
        conv("b", 6, 3, "data"),
        conv("c", 6, 1, "data"),
        total("one", "b", "c"),
        relu("one_r"),
        total("two", "a", "one_r"),
        conv("d", 4),
    ),
    "a rectified sum in a sum, read first": ended(
        conv("b", 6, 3, "data"),
        conv("c", 6, 1, "data"),
        conv("a", 6, 1, "data"),
        bn("a_bn"),
        total("one", "b", "c"),
        relu("one_r"),
        total("two", "one_r", "a_bn"),
        conv("d", 4),
    ),
    "a rectified product in a sum": ended(
        conv("a", 6, 1, "data"),
        bn("a_bn"),
        conv("b", 6, 3, "data"),
        conv("c", 6, 1, "data"),
        total("one", "b", "c", operation="PROD"),
        relu("one_r"),
        total("two", "one_r", "a_bn"),
        conv("d", 4),
    ),
    "a sum in a sum whose shortcut is read between": ended(
        conv("a", 6, 1, "data"),
        bn("a_bn"),
        conv("x", 6, 3, "data"),
        bn("x_bn"),
        relu("x_r"),
        conv("y", 6, 1, "x_r"),
        total("one", "a_bn", "y"),
        total("two", "one", "x_r"),
        conv("d", 4),
    ),
    "a sum in a sum beside a rectified convolution": ended(
        conv("a", 6, 1, "data"),
        bn("a_bn"),
        conv("x", 6, 3, "data"),
        relu("x_r"),
        conv("y", 6, 1, "data"),
        total("one", "a_bn", "y"),
        total("two", "one", "x_r"),
        conv("d", 4),
    ),
    "a sum that a loss sees": ended(
        unit("a", 6),
        conv("b", 6, 3, "a"),
        bn("b_bn"),
        total("sum", "a", "b_bn", loss_weight=0.1),
        relu("r", "sum"),
        conv("c", 4),
    ),
    "a sum whose bottom a loss sees": ended(
        unit("a", 6),
        conv("b", 6, 3, "a"),
        bn("b_bn", loss_weight=0.1),
        total("sum", "a", "b_bn"),
        relu("r", "sum"),
        conv("c", 4),
    ),
    "a sum that nobody reads backward": ended(
        unit("a", 6), unit("b", 6, 3, "a"), total("sum", "a", "b"), of("Silence", "quiet", "sum"), conv("c", 4, 1, "b")
    ),
    "a maximum": ended(unit("a", 6), unit("b", 6, 3, "data"), total("most", "a", "b", operation="MAX"), conv("c", 4)),
    "a shortcut read late": ended(
        unit("one", 6, 1, "data"),
        unit("two", 6, 3, "data"),
        unit("more", 6, 1, "two"),
        total("sum", "one", "two"),
        total("both", "sum", "more"),
        conv("last", 4),
    ),
    "a projection whose norm comes first": ended(
        unit("a", 6),
        conv("p", 8, 1, "a"),
        bn("p_bn"),
        unit("b", 6, 3, "a"),
        conv("c", 8, 1, "b"),
        bn("c_bn"),
        total("sum", "p_bn", "c_bn"),
        relu("r"),
        conv("d", 8, 3),
        bn("d_bn"),
        total("next", "r", "d_bn"),
        relu("s"),
        conv("e", 4),
    ),
    "both bottoms from one convolution": ended(
        conv("a", 6), bn("one", "a"), bn("two", "a"), total("sum", "one", "two"), relu("r"), conv("b", 4)
    ),
}
