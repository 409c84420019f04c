"""Document to NetSpec and SolverSpec: pydantic checks every field, and every error goes back to the place it was written at.

A layer that does not validate is replaced by `Broken`, so that the passes after still check the sound ones.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import Field, PrivateAttr

from netspec import words
from netspec.diagnostics import Findings, suggest
from netspec.document import Document, Mapping, Node, Scalar, Sequence, locate
from netspec.expand import DuplicateNameError
from netspec.feed import FeedSpec
from netspec.layers.base import LAYERS, Broken, Layer
from netspec.model import Listed, Model
from netspec.policies.base import AnyPolicy
from netspec.registry import UnknownWord
from netspec.regularizers.base import AnyRegularizer
from netspec.regularizers.l2 import L2
from netspec.solvers.base import SOLVERS, UpdateRule
from netspec.validate import (
    MissingFieldError,
    Subject,
    UnknownFieldError,
    UnknownWordError,
    WrongTypeError,
    head,
    say,
    validate,
)


class NetSpec(Model):
    """A net as it was written: its layers in order."""

    name: str = Field("net", description="What the net is called.")
    cite: str | None = Field(None, description="The paper it comes from.")
    expect: dict[Literal["params", "macs"], int] = Field({}, description="Totals that `check` compares: params, macs per image.")
    force_backward: bool = Field(False, description="Compute gradients for every bottom, inputs included.")
    layers: tuple[Any, ...] = Field(description="The layers, from the data to the loss.")

    _document: Document | None = PrivateAttr(None)

    @property
    def document(self) -> Document:
        """The document this net was read from."""
        assert self._document is not None
        return self._document


class FeedsSpec(Model):
    """The data of each phase."""

    train: FeedSpec | None = Field(None, description="What the TRAIN net's Inputs are fed with.")
    test: FeedSpec | None = Field(None, description="What the TEST net's Inputs are fed with.")


class SolverSpec(Model):
    """A training as it was written, apart from its net and the fields of its solver type."""

    data: FeedsSpec = Field(FeedsSpec(), description="What feeds the net's Input tops, in order.")
    base_lr: float = Field(gt=0, description="Learning rate before the policy.")
    lr_policy: AnyPolicy = Field(description="The rate as a function of the iteration.")
    max_iter: int = Field(gt=0, description="Iterations to train.")
    iter_size: int = Field(1, gt=0, description="Batches whose gradients are added before one update.")
    weight_decay: float = Field(0.0, ge=0, description="Strength of the regularizer.")
    regularization_type: AnyRegularizer = Field(L2(), description="L1 or L2.")
    clip_gradients: float | None = Field(None, gt=0, description="Largest L2 norm of the summed gradient; left out: no limit.")
    test_interval: int | None = Field(None, gt=0, description="Iterations between tests; left out: only at the end.")
    test_iter: int | None = Field(None, gt=0, description="Batches of a test; left out: every test sample exactly once.")
    test_initialization: bool = Field(True, description="Test once before the first iteration.")
    display: int = Field(0, ge=0, description="Iterations between progress lines; 0: none.")
    average_loss: int = Field(1, gt=0, description="Losses that the displayed one is the mean of.")
    snapshot: int = Field(0, ge=0, description="Iterations between snapshots; 0: only at the end.")
    snapshot_keep: int = Field(3, gt=0, description="How many of the latest snapshots are kept.")
    snapshot_after_train: bool = Field(True, description="Write a snapshot after the last iteration.")
    random_seed: int = Field(1, ge=0, lt=2**63, description="Seed of fillers, shuffling, transforms and Dropout.")
    dtype: Literal["float32", "float64"] = Field("float32", description="Number type of blobs and params.")
    weights: str | None = Field(None, description="Snapshot to start from (fine-tuning).")
    stage: Listed[str] = Field((), description="Stages that the nets' include and exclude rules see.")
    level: int = Field(0, description="Level that the nets' include and exclude rules see.")
    rule: UpdateRule = Field(exclude=True, description="The solver type with its own fields.")

    _document: Document | None = PrivateAttr(None)

    @property
    def document(self) -> Document:
        """The document this solver was read from."""
        assert self._document is not None
        return self._document


def net_spec(document: Document, found: Findings) -> NetSpec:
    """The net in an expanded document; what is wrong goes to `found`, and broken layers stand as `Broken`."""
    root = document.root
    key = "layers" if "layers" in root.items else _typo("layers", root, NetSpec.model_fields)
    if key is None:
        found.add(MissingFieldError("the net has no `layers`", at=head(root), help="a net is a list of layers"))
    layers = _layers(root.items.get(key or "layers"), found)
    values = {**root.without("layers").plain(), "layers": layers}
    spec: NetSpec | None = validate(
        Subject(NetSpec, values, root, "the net", ("vars", "defaults", "blocks", "extends"), words.NET_MOVED), found
    )
    if spec is None:
        spec = NetSpec.model_construct(name="net", layers=layers, expect={}, cite=None, force_backward=False)
    spec._document = document
    return spec


def _typo(wanted: str, node: Mapping, known: Collection[str]) -> str | None:
    """The key that was probably meant to be `wanted`."""
    return next((key for key in node.items if key not in known and words.meant(key, {*known, wanted}) == wanted), None)


def _layers(node: Node | None, found: Findings) -> tuple[Layer, ...]:
    if node is None:
        return ()
    if not isinstance(node, Sequence) or not node.items:
        help = "each entry begins with `- name:`"
        if isinstance(node, Mapping) and node.items:
            name = next(iter(node.items))
            help += f", like `- {{name: {name}, type: ...}}`"
        found.add(WrongTypeError("`layers` must be a list of layers", at=node.at, help=help))
        return ()
    layers: list[Layer] = []
    for index, item in enumerate(node.items):
        if found.more:
            break  # more mistakes than are said
        layers.append(layer(item, index, found))
    seen: dict[str, int] = {}
    for index, one in enumerate(layers):
        first = seen.setdefault(one.name, index)
        if first != index:
            at, before = (locate(node, i, "name") for i in (index, first))
            found.add(DuplicateNameError(f"a second layer is called '{one.name}'", at=at, related=[("the first one:", before)]))
    return tuple(layers)


def layer(node: Node, index: int, found: Findings) -> Layer:
    """The layer in one entry of `layers`, or `Broken`."""
    if not isinstance(node, Mapping):
        example = str(node.value) if isinstance(node, Scalar) and node.value in LAYERS.words() else "ReLU"
        help = f"like `- {{name: {example.lower()}{index}, type: {example}}}`"
        found.add(WrongTypeError("a layer is a mapping with `name` and `type`", at=node.at, help=help))
        return _broken({}, index, Mapping({}, {}, node.at))
    values = node.plain()
    owner = f"layer '{values['name']}'" if isinstance(values.get("name"), str) else f"layer {index + 1}"
    key = "type" if "type" in values else _typo("type", node, ())
    if key and key != "type":
        found.add(UnknownFieldError(f"{owner} has no key `{key}`", at=node.keys[key], help="did you mean 'type'?"))
    word: Any = values.pop(key) if key else None
    result: Layer | None = None
    if key is None:
        found.add(MissingFieldError(f"{owner} has no `type`", at=head(node), help="like `type: Convolution`"))
    elif not isinstance(word, str):
        found.add(WrongTypeError(f"{owner}: `type` must be a word, not {say(word)}", at=locate(node, key), help="like `type: Convolution`"))
    else:
        try:
            cls = LAYERS.get(word)
        except UnknownWord:
            at, text = locate(node, key), f"{owner}: there is no layer type '{word}'"
            found.add(UnknownWordError(text, at=at, help=words.hint(word, LAYERS.words(), words.LAYER_TYPES)))
        else:
            result = validate(
                Subject(cls, values, node, f"{owner} ({word})", also=["type", "block", "repeat", "when"], moved=words.LAYER_MOVED), found
            )
    if result is None:
        return _broken(values, index, node)
    result._node = node
    return result


def _broken(values: dict[str, Any], index: int, node: Mapping) -> Layer:
    def names(key: str) -> tuple[str, ...] | None:
        value = values.get(key)
        value = (value,) if isinstance(value, str) else value
        return value if isinstance(value, tuple) and all(isinstance(v, str) for v in value) else None

    name = values.get("name")
    stand_in = Broken.model_construct(
        name=name if isinstance(name, str) else f"#{index}",
        bottom=names("bottom"),
        top=names("top"),
        include=None,
        exclude=None,
        param=(),
        loss_weight=None,
        propagate_down=None,
    )
    stand_in._node = node
    return stand_in


def solver_spec(document: Document, found: Findings) -> SolverSpec | None:
    """The training in an expanded document, without its net; None when a field that everything needs is wrong."""
    root = document.root
    values = root.without("net").plain()
    word = values.pop("type", "SGD")
    known = set(SolverSpec.model_fields) | {"net", "type"}
    if "net" not in root.items and _typo("net", root, known) is None:
        found.add(MissingFieldError("the solver has no `net`", at=head(root), help="like `net: lenet`"))
    cls: type[UpdateRule] | None = None
    if not isinstance(word, str):
        help = suggest("", SOLVERS.words())
        found.add(WrongTypeError(f"`type` must be a word, not {say(word)}", at=locate(root, "type"), help=help))
    else:
        try:
            cls = SOLVERS.get(word)
        except UnknownWord:
            help = words.hint(word, SOLVERS.words(), words.SOLVER_TYPES)
            found.add(UnknownWordError(f"there is no solver type '{word}'", at=locate(root, "type"), help=help))
    owner = f"the solver ({word})" if cls else "the solver"
    fields = set(cls.model_fields) if cls else _all_fields()
    own = {key: values.pop(key) for key in list(values) if key in fields}
    rule = validate(Subject(cls, own, root, owner), found) if cls else None
    moved = words.SOLVER_MOVED | _policy_fields(values) | _fields_of_others(values)
    hidden = [f"lr_policy.{key}" for key in words.POLICY_FIELDS if key in values]
    subject = Subject(SolverSpec, {**values, "rule": rule or UpdateRule()}, root, owner, fields | {"net", "type"}, moved, hidden)
    spec: SolverSpec | None = validate(subject, found)
    if spec is None or rule is None:
        return None
    spec._document = document
    return spec


def _all_fields() -> set[str]:
    """The fields of all solver types, when nobody knows which was meant."""
    return {name for member in SOLVERS.members() for name in member.model_fields}


def _fields_of_others(values: dict[str, Any]) -> dict[str, str]:
    """What to say of fields that only other solver types have."""
    types = {key: [SOLVERS.word(m) for m in SOLVERS.members() if key in m.model_fields] for key in values.keys() - SolverSpec.model_fields}
    return {key: f"it belongs to the solver type{'s' * (len(of) > 1)} {' and '.join(of)}" for key, of in types.items() if of}


def _policy_fields(values: dict[str, Any]) -> dict[str, str]:
    """What to say of a policy's fields that stand beside `lr_policy`, as in Caffe."""
    written = {key: values[key] for key in words.POLICY_FIELDS if key in values}
    policy = values.get("lr_policy")
    inside = policy if isinstance(policy, dict) else {"type": policy if isinstance(policy, str) else "step"}
    fields = ", ".join(f"{key}: {say(value, bare=True)}" for key, value in {**inside, **written}.items())
    return dict.fromkeys(written, f"it belongs to the policy: `lr_policy: {{{fields}}}`")
