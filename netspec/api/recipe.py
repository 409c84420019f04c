"""Recipe: all that a Net is made of besides its arrays, so that copies and pickles can make it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from netspec.api.arguments import BadArgumentError
from netspec.core.errors import Findings
from netspec.core.nodes import Document
from netspec.core.shape import Shape, text
from netspec.engine.bind import Keep, bind, compile_net
from netspec.engine.program import Program
from netspec.engine.weights import Weights, fill_weights, new_weights
from netspec.layers.base import Layer
from netspec.layers.input import Input
from netspec.net.as_caffe import as_caffe, with_gradients
from netspec.net.graph import Gradients, State
from netspec.net.infer import infer
from netspec.net.load import load_net
from netspec.net.shaped import ShapedGraph


@dataclass(frozen=True)
class Recipe:
    """A net's expanded document, and how it is shaped, bound and run."""

    document: Document
    state: State
    batch: int | None
    gradients: Gradients
    dtype: Literal["float32", "float64"]
    seed: int
    threads: int | None
    keep: Keep = True
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    """The shapes of inputs that a caller gave others than are written."""

    @property
    def exact(self) -> bool:
        """Whether the net was read from a prototxt, so that its blobs have Caffe's habits."""
        return self.document.root.at.source.caffe

    def program(self, filled: bool = True, weights: Program | None = None) -> Program:
        """A program on new memory, its params at their fillers' values, at 0, or those of the program `weights`.

        Raises the errors of the spec.
        """
        from netspec.codegen import environment

        environment.load()
        from netspec.codegen import driver

        driver.limit_threads(self.threads)
        shaped, memory = compile_net(self._shaped(), self.dtype, self.keep)
        if weights is not None:
            arrays = _kept(weights, shaped)
        else:
            arrays = fill_weights(shaped, self.dtype, self.seed) if filled else new_weights(shaped, self.dtype)
        return bind(shaped, memory, arrays, self.seed)

    def _shaped(self) -> ShapedGraph:
        """The net with its shapes, and with the gradients that are wanted: in a prototxt's net those of Caffe."""
        exact = self.exact and self.keep is True
        gradients: Gradients = "none" if exact else self.gradients
        shaped = load_net(self.document, (), self.state, self.batch, gradients)
        graph = shaped.graph
        if self.shapes:
            found = Findings()
            graph = replace(graph, nodes=tuple(replace(node, layer=self._resized(node.layer)) for node in graph.nodes))
            shaped = infer(graph, found)
            found.raise_if_any()
        if exact:
            force = self.gradients == "inputs"
            shaped = replace(shaped, graph=with_gradients(graph, as_caffe(graph, True, force), force))
        return shaped

    def _resized(self, layer: Layer) -> Layer:
        """An Input layer with the shapes that a caller gave its tops; other layers as they are."""
        if not isinstance(layer, Input):
            return layer
        shapes = tuple(
            self.shapes.get(top, shape) for top, shape in zip(layer.top_names(), layer.top_shapes(()), strict=True)
        )
        return layer.model_copy(update={"shape": shapes})


def _kept(program: Program, shaped: ShapedGraph) -> Weights:
    """The weights of a program for a net of other shapes. Raises BadArgumentError where a param would not fit."""
    old = program.shaped
    for param, before, after in zip(shaped.graph.params, old.params, shaped.params, strict=True):
        if before != after:
            what = f"with inputs of these shapes, param '{param.name}' would be {text(after)} instead of {text(before)}"
            raise BadArgumentError(what, help="a layer that multiplies whole samples fits samples of one size only")
    fresh = new_weights(shaped, program.plan.dtype)
    same = [array.shape for array in fresh.states.values()] == [one.shape for one in program.weights.states.values()]
    if same:
        return program.weights
    for mine, theirs in zip(
        (*fresh.data, fresh.flat_diff), (*program.weights.data, program.weights.flat_diff), strict=True
    ):
        mine[...] = theirs
    return replace(fresh, turn=program.weights.turn)


def twin(program: Program, seed: int) -> Program:
    """A program like another, with equal contents on memory of its own."""
    weights = new_weights(program.shaped, program.plan.dtype)
    for mine, theirs in zip(weights.data, program.weights.data, strict=True):
        mine[...] = theirs
    for key, array in weights.states.items():
        array[...] = program.weights.states[key]
    weights.flat_diff[:] = program.weights.flat_diff
    copy = bind(program.shaped, program.plan, weights, seed)
    copy.table.threads = program.table.threads
    copy.arena[:] = program.arena[: copy.arena.size]
    copy.clock[:], copy.loss[:] = program.clock, program.loss
    copy.prepare()
    return copy
