"""Layer, the base of all layer types: fields, shapes, parameters, cost, documentation and Calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from netspec.core.beside import Beside
from netspec.core.calls import Calls, Phase, Run, Workspace
from netspec.core.chain import gradients
from netspec.core.metric import Metric
from netspec.core.model import Aka, Listed, Model, NotNegative
from netspec.core.nodes import Mapping
from netspec.core.places import Place
from netspec.core.receptive import ReceptiveField, union
from netspec.core.rooms import Room
from netspec.core.shape import Shape, Shapes
from netspec.core.task import Task
from netspec.core.worked import LayerArrays, Term, Worked
from netspec.fillers.base import Filler
from netspec.layers._arity import MANY as MANY
from netspec.layers._arity import NONE as NONE
from netspec.layers._arity import ONE as ONE
from netspec.layers._arity import TWO as TWO
from netspec.layers._arity import Arity as Arity

if TYPE_CHECKING:
    from netspec.core.calls import Arrays, Move

Purpose = Literal[
    "data",
    "product",
    "activation",
    "pooling",
    "normalization",
    "noise",
    "sequence",
    "shape",
    "arithmetic",
    "loss",
    "score",
    "other",
]
"""What a layer type is for: the headings under which reference pages and `netspec layers` list the types."""

BatchAxes = tuple[int | None, ...]
"""For each blob the batch axis; None where no length depends on the number of samples."""


@dataclass(frozen=True)
class Param:
    """A param blob of a layer: its name within the layer, its filler, whether the solver may learn it."""

    name: str
    filler: Filler
    learned: bool = True


@dataclass(frozen=True)
class Abilities:
    """Abilities of a layer's kernels: all that the rewrites and the memory plan ask of a layer.

    `layouts`: how its blobs of four axes may lie in memory, the best first; with both it follows its first bottom.
    `reads`: which data backward reads, "bottom", "top"; the memory plan frees the rest early.
    `along`: layer types that it can compute along with itself where they alone read its top: ReLU (slope 0), Scale; an
    Eltwise, where it can add its result to the other bottom.
    `folds`: layer types that it can take into its weight and bias where params stand still: BatchNorm, Scale.
    `in_place`: whether top 0 may lie in the memory of bottom 0, and bottom 0's diff in that of the top's.
    `adds`: whether backward can add to its bottoms' diffs (`Run.bottom_add`).
    `stores`: whether backward can overwrite its params' diffs (`Run.param_add`); else they are cleared first, and it
    adds.
    `hands`: whether backward can leave the top's diff, masked, where it lies, as that of its bottoms.
    `thins`: whether it can compute only every so many lines and columns of top 0 (`Run.every`).
    """

    layouts: tuple[str, ...] = ("NCHW",)
    reads: frozenset[str] = frozenset({"bottom", "top"})
    along: frozenset[str] = frozenset()
    folds: frozenset[str] = frozenset()
    in_place: bool = False
    adds: bool = False
    stores: bool = False
    hands: bool = False
    thins: bool = False


@dataclass(frozen=True)
class Passing:
    """How zeros and equal channels pass through a layer: the facts by which rules judge whether a net can learn.

    `zeros`: top 0 is 0 where "all" bottoms and all `added` params are; of a product where "any" bottom is; None: not
    known. `stops`: where the bottom is 0, no gradient passes. `factor`: the slot of the param that all of the bottom is
    multiplied with, so that a param of zeros gives a top of 0, and no gradient to the bottom. `added`: slots of params
    that are added; the gradient of the others is 0 where the bottom is.
    `channels`: "alike" where each channel is computed alone and by one rule, so that equal channels stay equal and get
    equal gradients; "mixed" where each is a sum over all channels, weighted by a row of the factor.
    """

    zeros: Literal["all", "any"] | None = None
    stops: bool = False
    factor: int | None = None
    added: frozenset[int] = frozenset()
    channels: Literal["alike", "mixed"] | None = None


NOTHING: frozenset[str] = frozenset()
BY_CHANNEL = frozenset({"BatchNorm", "Scale"})
"""Value of `Abilities.folds` of layers with a weight and a bias by channel."""
BOTTOM, TOP = frozenset({"bottom"}), frozenset({"top"})
"""Values of `Abilities.reads`: backward reads the bottoms, or the tops."""
ANY_LAYOUT = ("NHWC", "NCHW")


class ParamSpec(Model, defer_build=False):
    """Settings of one param blob of a layer. Source: Caffe's ParamSpec."""

    name: str | None = Field(None, description="Layers whose params bear the same name share them.", min_length=1)
    share_mode: Literal["STRICT", "PERMISSIVE"] = Field(
        "STRICT", description="Shared shapes must be equal, or only their counts."
    )
    lr_mult: NotNegative | None = Field(
        None, description="Factor on the learning rate (default 1); 0 freezes the param."
    )
    decay_mult: NotNegative | None = Field(None, description="Factor on the weight decay (default 1).")


class StateRule(Model, defer_build=False):
    """When a layer takes part. Source: Caffe's NetStateRule."""

    phase: Phase | None = Field(None, description="Only in this phase.")
    min_level: int | None = Field(None, description="Only at this level or above.")
    max_level: int | None = Field(None, description="Only at this level or below.")
    stage: Listed[str] = Field((), description="Only when all of these stages are set.")
    not_stage: Listed[str] = Field((), description="Only when none of these stages is set.")


class Layer(Model):
    """One computation from bottoms to tops.

    A subclass declares its arity, its fields, its shapes and its Calls; the file's docstring has the formula.
    """

    bottoms: ClassVar[Arity] = ONE
    tops: ClassVar[Arity] = ONE
    is_loss: ClassVar[bool] = False
    is_score: ClassVar[bool] = False
    """Whether its first top says how good the net is: the higher, the better."""
    differentiable: ClassVar[bool] = True
    fed: ClassVar[bool] = False
    """Whether its tops are filled from outside: by a feed, or by the caller of a Net."""
    counts: ClassVar[bool] = False
    """Whether its tops hold only some of the items that they are planned for; forward leaves their number in a
    workspace `count`, int32 (1,)."""
    no_diff: ClassVar[frozenset[int]] = frozenset()
    """Bottoms that never receive a gradient (labels)."""
    shape_only: ClassVar[frozenset[int]] = frozenset()
    """Those of `no_diff` that are read for their shape alone: where something is learned below, no gradient is lost."""
    label_word: ClassVar[str] = "label"
    """What errors call the whole numbers that `classes` bounds: label, index, length."""
    purpose: ClassVar[Purpose] = "other"
    example: ClassVar[str] = ""
    """The layers of a small net around one of its type, as YAML; reference pages show it, and tests train it.

    Its Inputs are fed with normal numbers, and with random classes where a layer reads labels.
    """

    name: str = Field(description="Name of the layer; no other that takes part with it has it.", min_length=1)
    bottom: Annotated[Listed[str] | None, Aka("from", "input", "inputs")] = Field(
        None, description="Blobs it reads; left out: the first top of the layer above."
    )
    top: Annotated[Listed[str] | None, Aka("output", "outputs")] = Field(
        None, description="Blobs it writes; left out: the layer's name."
    )
    param: Listed[ParamSpec] = Field((), description="Settings of its param blobs, weight first.")
    loss_weight: Listed[float] | None = Field(None, description="Weight of each top in the loss.")
    propagate_down: Listed[bool] | None = Field(None, description="For each bottom: whether a gradient flows to it.")
    include: Listed[StateRule] | None = Field(
        None, description="The layer is kept when any of these rules matches, like {phase: TEST}."
    )
    exclude: Listed[StateRule] | None = Field(
        None, description="The layer is dropped when any of these rules matches, like {phase: TEST}."
    )

    @property
    def abilities(self) -> Abilities:
        """Abilities of its kernels; here the least: row-major blobs, nothing along, all data kept for backward."""
        return Abilities()

    @property
    def passing(self) -> Passing:
        """How zeros and equal channels pass; here nothing is known, and nothing is judged."""
        return Passing()

    @property
    def inner_activation(self) -> tuple[str, dict[str, Any]] | None:
        """Of a loss, the layer type that its first bottom goes through inside it, with fields; None without one."""
        return None

    @property
    def alone(self) -> bool:
        """Whether item n of its tops (axis 0) depends on item n of its bottoms alone; then it may read a Filter."""
        return False

    @property
    def brings(self) -> Model | None:
        """The data that it brings with it, as a FeedSpec of a solver; None for all but Caffe's data layers."""
        return None

    def without_diff(self, bottoms: int) -> frozenset[int]:
        """The bottoms, of so many, that never receive a gradient."""
        return self.no_diff

    def place(self, *path: str | int, key: bool = False) -> Place | None:
        """The place where a field was written, or else the layer's name; None where Python code made the layer."""
        if isinstance(self.written, Mapping) and path and path[0] in self.written.items:
            return super().place(*path, key=key)
        return super().place("name")

    @property
    def type(self) -> str:
        """The word that selects this layer in YAML."""
        return type(self).__name__

    def top_names(self) -> tuple[str, ...]:
        """The tops as written, or the layer's name."""
        if self.top is not None:
            return self.top
        return (self.name,) if self.tops.least <= 1 and self.tops.most != 0 else ()

    def identity(self) -> dict[str, Any]:
        """The fields that decide what it computes: a snapshot's net is known by them. Wiring and fillers are not.

        Fields at their defaults are left out, so that a field that is added later changes no identity. A layer type
        whose fields can say one thing in several ways has one way here.
        """
        fields = self.model_dump(exclude={*Layer.model_fields}, exclude_defaults=True)
        return {name: value for name, value in fields.items() if not name.endswith("filler")}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """The shape of each top. Raises ShapeError."""
        raise NotImplementedError

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """The arithmetic of the first top's shape, as text; empty when it is the bottom's shape."""
        return ""

    def params(self) -> tuple[Param, ...]:
        """The param blobs, weight first."""
        return ()

    def param_shapes(self, bottoms: Shapes) -> Shapes:
        """The shape of each param blob."""
        return ()

    def param_arithmetic(self, bottoms: Shapes) -> str:
        """The arithmetic of the number of parameters, as text: (5*5*1+1)*20 = 520."""
        return ""

    def macs(self, bottoms: Shapes, tops: Shapes) -> int:
        """Multiply-accumulates of one forward pass over the whole batch; only products with parameters count."""
        return 0

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The region of the net's input that each value of a top depends on; here the union of the bottoms' fields.

        `fields[i]` is the region that each value of bottom i depends on.
        """
        return union(bottoms, fields)

    def receptive_fields(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> tuple[ReceptiveField, ...]:
        """The receptive field of each top; here all have the same."""
        return (self.receptive_field(bottoms, fields),) * len(self.top_names())

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """For each top, the axis whose length grows with the batch; None where there is none.

        `axes[i]` is that axis of bottom i. Here every top has the axis of the first bottom that has one.
        """
        return (next((axis for axis in axes if axis is not None), None),) * len(self.top_names())

    def for_batch(self, tops: Shapes, batch: int) -> Shapes:
        """The shapes of the tops at another batch size: only layers that are fed from outside change them."""
        return tops

    def aliases(self, phase: Phase) -> bool:
        """Whether every top is bottom 0 under another shape: they share memory, and nothing runs."""
        return False

    def moves(self, phase: Phase) -> Move | None:
        """Itself as a function of arrays, where it only moves values; None where it computes.

        Labels are followed through it. Here a layer whose tops are its bottom's memory gives the bottom their shapes.
        """
        return self._reshaped if self.aliases(phase) else None

    def _reshaped(self, bottoms: Arrays) -> Arrays:
        return tuple(bottoms[0].reshape(shape) for shape in self.top_shapes((bottoms[0].shape,)))

    def pitched(self, bottoms: Shapes) -> bool:
        """Whether top 0 and its diff, with channels last, may lie inside wider blobs, as arrays with strides."""
        return False

    def reads_pitched(self, bottoms: Shapes) -> bool:
        """Whether its only bottom and that one's diff, with channels last, may lie so; then it adds to that diff."""
        return False

    def squares(self, bottoms: Shapes) -> frozenset[int]:
        """Slots of the params whose gradients' sums of squares backward leaves in `Run.param_squares`; here none."""
        return frozenset()

    def beside(self, bottoms: Shapes) -> Beside:
        """What it can do for BatchNorms beside it; here nothing."""
        return Beside()

    def every(self, bottoms: Shapes) -> tuple[int, int]:
        """It reads no more of its bottom than every so many lines and columns; (1, 1): it may read all."""
        return 1, 1

    def dense(self) -> Layer:
        """The layer that computes the same from a bottom of just the pixels of `every`."""
        return self

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """For each bottom that holds labels: (number of classes, the label that is ignored).

        The same for whole numbers that name something else, whose word is `label_word`.
        """
        return {}

    def chance(self, bottoms: Shapes) -> float | None:
        """The loss of a guess that finds all classes equally likely; None where it is not known."""
        return None

    def task(self, bottoms: Shapes) -> Task | None:
        """What it asks of bottom 0, with the truth in bottom 1; None where it does not say."""
        return None

    def metric(self, bottoms: Shapes) -> Metric | None:
        """How its tops without a batch axis come about over several batches; None where it does not say."""
        return None

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Memory that its Calls need beside the blobs; `backward` says whether a backward will follow."""
        return {}

    def states(self, bottoms: Shapes) -> dict[str, Shape]:
        """Arrays that each batch leaves to the next: 0 at first and before every test, and kept in snapshots.

        Each phase has its own, and no gradient passes through them.
        """
        return {}

    def forward(self, run: Run) -> Calls:
        """Calls that write the tops from the bottoms."""
        raise NotImplementedError

    def backward(self, run: Run) -> Calls:
        """Calls that write or add to each wanted bottom diff, and each wanted param diff.

        By default they write bottom diffs and add to param diffs; `run.bottom_add` and `run.param_add` say otherwise,
        where `abilities` offer it.
        """
        raise NotImplementedError

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """Explanations of the value of top 0 at an index, values on the way first; none where a layer has none."""
        yield from ()

    def worked_top(self, arrays: LayerArrays, top: int, index: tuple[int, ...]) -> Iterator[Worked]:
        """Explanations of the value of any top; here of a layer that moves values, and of top 0 of all others."""
        move = self.moves(arrays.phase)
        if move is not None:
            yield Term(move(tuple(arrays.bottoms))[top][index]).at("y", index)
        elif top == 0:
            yield from self.worked(arrays, index)

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """Explanations of the gradient of every value of its bottoms and params; here by the chain rule."""
        yield from gradients(arrays, self.worked_top, self.without_diff(len(arrays.bottoms)))


class Broken(Layer):
    """Stands in for a layer that did not validate, so that later passes can check the other layers."""

    bottoms: ClassVar[Arity] = Arity(0, None)
    tops: ClassVar[Arity] = Arity(0, None)


def one_axis(fields: dict[str, Any], old: str, usual: int = 1) -> dict[str, Any]:
    """The fields of an identity with the axis under its own name, where Caffe's `old` word for it may be given."""
    kept = {name: value for name, value in fields.items() if name not in {"axis", old}}
    axis = fields.get(old, fields.get("axis", usual))
    return kept if axis == usual else kept | {"axis": axis}


LAYERS: Room[Layer] = Room("netspec.layers", Layer, "layer type")
