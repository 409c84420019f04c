"""What a probe of a training shows, as lines of text and as plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from netspec.core.shape import counted
from netspec.core.visible import visible
from netspec.training.probe import BlobProbe, HeadProbe, InputProbe, LabelProbe, Probe, WeightProbe

MOST_CLASSES = 12
"""Classes whose counts are shown one by one."""


def probe_lines(probe: Probe) -> list[str]:
    """The first loss beside that of a guess, the data, and a row for each layer."""
    lines = [*_losses(probe), *_data(probe)]
    blobs, weights = list(_blob_rows(probe.blobs)), list(_weight_rows(probe.weights))
    head = ["layer", "type", "mean", "deviation", "gradient", ""]
    lines += ["", f"activations over {counted(probe.seen, 'sample')}", *_aligned(head, blobs)]
    if weights:
        head = ["param", "size", "gradient/size", "first step/size", ""]
        lines += ["", f"weights at rate {probe.rate:.4g}", *_aligned(head, weights)]
    return lines


def probe_values(probe: Probe) -> dict[str, Any]:
    """A probe as values of JSON."""
    return {**asdict(probe), "guess": probe.guess}


def _losses(probe: Probe) -> Iterator[str]:
    guess = f"; a guess has {probe.guess:.4g}" if probe.guess is not None else ""
    decay = f", with decay {probe.loss + probe.penalty:.4g}" if probe.penalty else ""
    yield f"{'loss':<10}{probe.loss:.4g} before the first step{decay}{guess}"
    if len(probe.heads) > 1:
        yield from (f"{'':<10}{_head(head)}" for head in probe.heads)


def _head(head: HeadProbe) -> str:
    guess = "" if head.guess is None else f"; a guess has {head.guess:.4g}"
    return f"{visible(head.layer)} ({head.type}): {head.loss:.4g}, weight {head.weight:g}{guess}"


def _data(probe: Probe) -> Iterator[str]:
    yield from (f"{'input':<10}{_input(one)}" for one in probe.data.inputs)
    yield from (f"{'labels':<10}{_labels(one)}" for one in probe.data.labels)


def _input(one: InputProbe) -> str:
    same = f", {one.constant:,} of {one.features:,} values constant" if one.constant else ""
    bad = f", {one.bad:,} not finite" if one.bad else ""
    moments = f"mean {one.mean:.3g}, deviation {one.deviation:.3g}"
    return f"{one.feed}: {visible(one.name)} {one.least:.4g} to {one.most:.4g}, {moments}{same}{bad}"


def _labels(one: LabelProbe) -> str:
    counts, used = one.counts, sum(count > 0 for count in one.counts)
    each = " ".join(f"{count:,}" for count in counts)
    if len(counts) > MOST_CLASSES:
        each = f"{min(counts):,} to {max(counts):,} of each"
    elif len(set(counts)) == 1:
        each = f"{counts[0]:,} of each"
    return f"{one.feed}: {visible(one.name)} {one.looked:,} in {used} of {len(counts)} classes, {each}"


def _blob_rows(blobs: tuple[BlobProbe, ...]) -> Iterator[list[str]]:
    for blob in blobs:
        notes = [f"{blob.dead:.0%} dead"] if blob.dead else []
        notes += [f"{blob.saturated:.0%} saturated"] if blob.saturated else []
        notes += [f"{blob.bad:,} not finite"] if blob.bad else []
        gradient = "-" if blob.gradient is None else f"{blob.gradient:.2g}"
        mean = 0.0 if abs(blob.mean) < 1e-6 * blob.deviation else blob.mean  # the rest of a sum of rounded numbers
        yield [visible(blob.layer), blob.type, f"{mean:.3g}", f"{blob.deviation:.3g}", gradient, ", ".join(notes)]


def _weight_rows(weights: tuple[WeightProbe, ...]) -> Iterator[list[str]]:
    for one in weights:
        if one.usual is not None:
            figures = ["-" if figure is None else f"{figure:.2g}" for figure in (one.gradient, one.step)]
            note = "" if one.learned else "frozen"
            yield [f"{visible(one.layer)}.{one.param}", f"{one.size:.3g}", *figures, note]


def _aligned(head: list[str], rows: list[list[str]]) -> list[str]:
    """Rows of cells as lines: words to the left, numbers to the right."""
    words = 2 if "type" in head else 1
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(row: list[str]) -> str:
        cells = [cell.ljust(width) for cell, width in zip(row[:words], widths, strict=False)]
        cells += [cell.rjust(width) for cell, width in zip(row[words:-1], widths[words:], strict=False)]
        return "  ".join([*cells, row[-1]]).rstrip()

    return [line(row) for row in (head, *rows)]
