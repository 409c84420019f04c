"""SolverSpec to Learning: what the update needs of a solver, as values that the engine knows."""

from __future__ import annotations

from netspec.engine.updating import Clip, Learning, Noise, local_decay
from netspec.net.shaped import ShapedGraph
from netspec.prototxt.solver import TYPES
from netspec.training.spec import SolverSpec


def learning_of(spec: SolverSpec, shaped: ShapedGraph, shown: bool) -> Learning:
    """The settings of the update of a net by a solver; `shown` says whether anybody can see the diffs of params."""
    clip, noise = spec.clip_gradients, spec.gradient_noise
    return Learning(
        spec.rule.update,
        local_decay(shaped.graph.params, spec.regularization_type, spec.weight_decay),
        Clip(**{clip.type: clip.limit}) if clip else Clip(),
        spec.iter_size,
        spec.average_loss,
        Noise(noise.eta, noise.gamma) if noise else None,
        spec.rule.preconditioner(shaped, spec.dtype),
        spec.like_caffe and type(spec.rule).__name__ in TYPES and (shown or spec.snapshot_diff),
    )
