"""The tables of the race: titles, columns, and the ratios that stand side by side for several CPUs.

Here is no torch: `benchmarks/results.py` writes the tables from files.
"""

from __future__ import annotations

from typing import NamedTuple

from benchmarks.tables import Column


class Mode(NamedTuple):
    """A kind of race: the word of its files and markers, its title, its columns; the keys that CPUs are compared by."""

    name: str
    title: str
    columns: tuple[Column, ...]
    ratios: tuple[str, ...] = ()

    @property
    def compared(self) -> list[Column]:
        """The columns of the ratios."""
        return [column for column in self.columns if column.key in self.ratios]


_NET = (Column("net", "net"), Column("batch", "batch", "d"))
_TIMES = (
    Column("netspec", "netspec ms", ",.2f"),
    Column("eager", "torch ms", ",.2f"),
    Column("channels_last", "its ch. last", ",.2f"),
)
_OVER = (Column("over_eager", "x torch", ".2f"), Column("over_channels_last", "x ch. last", ".2f"))
_RATES = (
    Column("over_best_fastest", "by minima", ".2f"),
    Column("images", "images/s", ",.0f"),
    Column("gflops", "GFLOP/s", ".0f"),
    Column("share", "of peak", ".0%"),
    Column("best_gflops", "best peer's", ".0f"),
)
"""Medians, their ratios; beside the best peer the ratio of fastest steps, which other load distorts least; rates."""

RACE = Mode(
    "race",
    "Train steps: forward, backward, SGD with momentum and weight decay",
    (
        *_NET,
        *_TIMES,
        Column("keras", "Keras ms", ",.2f"),
        *_OVER,
        Column("over_keras", "x Keras", ".2f"),
        Column("wanted", "wanted"),
        Column("missed", "missed"),
        *_RATES,
        Column("error", "error", ".0e"),
        Column("peer_error", "torch's", ".0e"),
        Column("steps", "steps", "d"),
    ),
    ("over_eager", "over_channels_last", "over_keras"),
)
INFERENCE = Mode(
    "inference",
    "Forward passes of the deployed nets",
    (
        *_NET,
        *_TIMES,
        Column("onnx", "ONNX Runtime ms", ",.2f"),
        *_OVER,
        Column("over_onnx", "x ONNX Runtime", ".2f"),
        Column("missed", "slower than"),
        *_RATES,
        Column("error", "error", ".0e"),
    ),
    ("over_eager", "over_channels_last", "over_onnx"),
)
MEMORY = Mode(
    "memory",
    "Peak memory of ten training steps, MiB beyond the imports",
    (
        *_NET,
        Column("netspec", "netspec MiB", ",.0f"),
        Column("eager", "torch", ",.0f"),
        Column("channels_last", "its channels_last", ",.0f"),
        Column("share", "netspec of torch's", ".0%"),
    ),
    ("share",),
)
SCALING = Mode(
    "scaling",
    "Milliseconds an image, by batch",
    (
        *_NET,
        Column("netspec", "netspec ms/image", ".4f"),
        Column("relative", "beside the largest batch", ".2f"),
        Column("eager", "torch ms/image", ".4f"),
        Column("eager_relative", "beside the largest batch", ".2f"),
        Column("channels_last", "its channels_last", ".4f"),
    ),
    ("relative",),
)
ALONE = Mode(
    "alone",
    "Layers alone, milliseconds forward and backward",
    (
        Column("case", "case"),
        Column("type", "type"),
        Column("shape", "bottoms"),
        Column("forward", "forward", ",.3f"),
        Column("backward", "backward", ",.3f"),
        Column("torch_forward", "torch's forward", ",.3f"),
        Column("torch_backward", "its backward", ",.3f"),
        Column("numpy", "NumPy's both", ",.3f"),
        Column("ratio", "ratio", ".2f"),
    ),
    ("ratio",),
)
WRITTEN = (RACE, INFERENCE, MEMORY, SCALING, ALONE)
"""The modes whose tables stand in benchmarks/README.md."""
