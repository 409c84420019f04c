"""Averages of weights in snapshots: written, restored, and tested in place of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.core.errors import Caution, SnapshotError, UsageError
from netspec.engine.weights import Weights, params_by_key
from netspec.net.graph import ParamKey
from netspec.net.shaped import ShapedGraph
from netspec.training.averages.base import AVERAGES, Average
from netspec.training.snapshot import Slot, Snapshot

if TYPE_CHECKING:
    from netspec.core.calls import Array


class OtherAverageWarning(Caution):
    """A snapshot has averages that the solver does not keep, or lacks those that it keeps."""

    code = "NS544"


class NoAverageError(SnapshotError):
    """A snapshot has no average of weights of the kind that is asked for."""

    code = "NS545"


def averages(average: Average | None, shaped: ShapedGraph, weights: Weights) -> dict[Slot, Array]:
    """The averages by kind and param, as snapshots hold them: a shared param's under each layer that has it."""
    if average is None:
        return {}
    kind, indices = AVERAGES.word(type(average)), shaped.graph.param_keys
    arrays = params_by_key(shaped, weights.averaged)
    return {(kind, key): array for key, array in arrays.items() if weights.averages[indices[key]] is not None}


def other_average(own: Mapping[Slot, Array], state: Snapshot) -> OtherAverageWarning | None:
    """The warning where a snapshot has other averages than the solver keeps, `own`; None where it has these."""
    if own.keys() == state.averages.keys():
        return None
    kept, held = ("/".join(sorted({kind for kind, _ in each})) for each in (own, state.averages))
    if not own:
        return OtherAverageWarning(
            f"the snapshot has an average of weights ({held}), which this training does not keep: it is dropped",
            help=f"to keep it, say `average: {{type: {held}, ...}}` as before",
        )
    has = f"has the average {held}" if held else "has no average of weights"
    return OtherAverageWarning(
        f"the snapshot {has}: the average {kept} begins with the weights of iteration {state.iteration:,}"
    )


def averaged(state: Snapshot, kind: str, path: Path) -> Snapshot:
    """A snapshot with averages of a kind in place of its weights. Raises NoAverageError."""
    own: dict[ParamKey, Array] = {key: array for (of, key), array in state.averages.items() if of == kind}
    if not own:
        held = sorted({of for of, _ in state.averages})
        help = f"it has {' and '.join(held)}" if held else f"train with `average: {{type: {kind}, ...}}`"
        raise NoAverageError(f"'{path}' has no average of weights of the kind {kind}", help=help)
    return replace(state, weights=state.weights | own)


def kind_of(ema: bool, swa: bool) -> str | None:
    """The kind of average that a command line asks for. Raises UsageError where it asks for both."""
    if ema and swa:
        raise UsageError("--ema and --swa: which average?", help="say one of them")
    return "ema" if ema else "swa" if swa else None
