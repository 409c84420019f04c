"""Document to NetSpec and SolverSpec: pydantic checks every field, and every error goes back to the place it was written at.

A layer that does not validate is replaced by `Broken`, so that the passes after still check the sound ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

from pydantic import Field, PrivateAttr, ValidationError

from netspec.diagnostics import Findings, Place, SpecError, suggest
from netspec.document import Document, Mapping, Node, Scalar, Sequence, locate
from netspec.feed import FeedSpec
from netspec.layers.base import LAYERS, Broken, Layer
from netspec.model import Listed, Model
from netspec.policies.base import AnyPolicy
from netspec.registry import Room, UnknownWord
from netspec.regularizers.base import AnyRegularizer
from netspec.regularizers.l2 import L2
from netspec.solvers.base import SOLVERS, UpdateRule


class MissingFieldError(SpecError):
    """A field that must be given is not there."""

    code = "NS201"


class UnknownFieldError(SpecError):
    """A key that nothing reads."""

    code = "NS202"


class WrongTypeError(SpecError):
    """A value of the wrong kind: a word where a number belongs."""

    code = "NS203"


class OutOfRangeError(SpecError):
    """A number outside its bounds, or a list of the wrong length."""

    code = "NS204"


class UnknownWordError(SpecError):
    """A word that selects nothing: a layer type, filler, policy, phase."""

    code = "NS205"


class InvalidFieldError(SpecError):
    """Fields that contradict each other."""

    code = "NS206"


class CaffeWrapperError(SpecError):
    """A Caffe field that netspec writes elsewhere."""

    code = "NS207"


class DuplicateNameError(SpecError):
    """Two layers with the same name."""

    code = "NS208"


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


_WRAPPERS = "layers take their fields directly: write them beside `name` and `type`"

_MOVED = {
    "snapshot_prefix": "a run writes into one folder: say `--output DIR` on the command line",
    "solver_mode": "netspec trains on the CPU; leave it out",
    "device_id": "netspec trains on the CPU; leave it out",
    "snapshot_format": "snapshots are safetensors files; leave it out",
    "train_net": "one net file serves every phase: say `net:`",
    "test_net": "one net file serves every phase: say `net:`",
    "gamma": "it belongs to the policy: `lr_policy: {type: step, gamma: ...}`",
    "power": "it belongs to the policy: `lr_policy: {type: inv, power: ...}`",
    "stepsize": "it belongs to the policy: `lr_policy: {type: step, stepsize: ...}`",
    "stepvalue": "it belongs to the policy: `lr_policy: {type: multistep, stepvalue: [...]}`",
    "solver_type": "say `type:`",
    "transform_param": "transforms stand in the solver's `data:`",
    "data_param": "sources stand in the solver's `data:`",
    "blobs_lr": "say `param: [{lr_mult: 1}, {lr_mult: 2}]`",
    "input": "write a layer: {name: data, type: Input, shape: [...]}",
    "input_shape": "write a layer: {name: data, type: Input, shape: [...]}",
    "input_dim": "write a layer: {name: data, type: Input, shape: [...]}",
    "layer": "the list is called `layers`",
}


def net_spec(document: Document, found: Findings) -> NetSpec:
    """The net in an expanded document; what is wrong goes to `found`, and broken layers stand as `Broken`."""
    root = document.root
    layers = _layers(root.items.get("layers"), found)
    owner = "the net"
    values = {key: value for key, value in root.plain().items() if key != "layers"}
    if "layers" not in root.items:
        hint = _typo("layers", root.items) or "a net is a list of layers"
        found.add(MissingFieldError("the net has no `layers`", at=_head(root), help=hint))
        values.pop(next((k for k in values if hint.startswith("did") and f"'{k}'" in hint), ""), None)
    spec: NetSpec | None = validate(NetSpec, {**values, "layers": layers}, root, owner, found)
    if spec is None:
        spec = NetSpec.model_construct(name="net", layers=layers, expect={}, cite=None, force_backward=False)
    spec._document = document
    return spec


def _layers(node: Node | None, found: Findings) -> tuple[Layer, ...]:
    if node is None:
        return ()
    if not isinstance(node, Sequence) or not node.items:
        found.add(WrongTypeError("`layers` must be a list of layers", at=node.at, help="each entry begins with `- name:`"))
        return ()
    layers = tuple(layer(item, index, found) for index, item in enumerate(node.items))
    seen: dict[str, int] = {}
    for index, one in enumerate(layers):
        first = seen.setdefault(one.name, index)
        if first != index:
            at, before = (locate(node, i, "name") for i in (index, first))
            found.add(DuplicateNameError(f"a second layer is called '{one.name}'", at=at, related=[("the first one:", before)]))
    return layers


def layer(node: Node, index: int, found: Findings) -> Layer:
    """The layer in one entry of `layers`, or `Broken`."""
    if not isinstance(node, Mapping):
        found.add(WrongTypeError("a layer is a mapping with `name` and `type`", at=node.at))
        return _broken({}, index, Mapping({}, {}, node.at))
    values = node.plain()
    owner = f"layer '{values['name']}'" if isinstance(values.get("name"), str) else f"layer {index + 1}"
    word = values.pop("type", None)
    result: Layer | None = None
    if not isinstance(word, str):
        hint = _typo("type", node.items) or "like `type: Convolution`"
        found.add(MissingFieldError(f"{owner} has no `type`", at=_head(node), help=hint))
    else:
        try:
            cls = LAYERS.get(word)
        except UnknownWord as unknown:
            at = locate(node, "type")
            found.add(UnknownWordError(f"{owner}: there is no layer type '{word}'", at=at, help=_spelled_out(word) or unknown.hint))
        else:
            result = validate(cls, values, node, f"{owner} ({word})", found)
    if result is None:
        return _broken(values, index, node)
    result._node = node
    return result


def _spelled_out(word: str) -> str | None:
    known = {"Dense": "InnerProduct", "Linear": "InnerProduct", "FullyConnected": "InnerProduct", "Conv2d": "Convolution"}
    known |= {"Conv": "Convolution", "Conv2D": "Convolution", "MaxPool": "Pooling", "MaxPooling2D": "Pooling", "MaxPool2d": "Pooling"}
    known |= {"AvgPool": "Pooling", "CrossEntropyLoss": "SoftmaxWithLoss", "MSELoss": "EuclideanLoss", "Add": "Eltwise"}
    return f"Caffe calls it '{known[word]}'" if word in known else None


def _broken(values: dict[str, Any], index: int, node: Mapping) -> Layer:
    def words(key: str) -> tuple[str, ...] | None:
        value = values.get(key)
        value = (value,) if isinstance(value, str) else value
        return value if isinstance(value, tuple) and all(isinstance(v, str) for v in value) else None

    name = values.get("name")
    stand_in = Broken.model_construct(
        name=name if isinstance(name, str) else f"#{index}",
        bottom=words("bottom"),
        top=words("top"),
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
    values = {key: value for key, value in root.plain().items() if key != "net"}
    word = values.pop("type", "SGD")
    if "net" not in root.items:
        found.add(MissingFieldError("the solver has no `net`", at=_head(root), help=_typo("net", root.items) or "like `net: lenet`"))
    common = {key: values.pop(key) for key in list(values) if key in SolverSpec.model_fields}
    rule: UpdateRule | None = None
    if not isinstance(word, str):
        found.add(WrongTypeError("`type` must be a word", at=locate(root, "type"), help=suggest("", SOLVERS.words())))
    else:
        try:
            cls = SOLVERS.get(word)
        except UnknownWord as unknown:
            found.add(UnknownWordError(f"there is no solver type '{word}'", at=locate(root, "type"), help=unknown.hint))
        else:
            required = {n for n, f in SolverSpec.model_fields.items() if f.is_required() and n not in root.items}
            words = set(SolverSpec.model_fields) - {"rule"} | {"net", "type"}
            for typed in list(values):
                near = _typo(typed, required)
                if near and typed not in cls.model_fields:
                    required.discard(near.split("'")[1])
                    common.setdefault(near.split("'")[1], _ABSENT)
            rule = validate(cls, values, root, f"the solver ({word})", found, words)
    absent = {key for key, value in common.items() if value is _ABSENT}
    common = {key: value for key, value in common.items() if key not in absent}
    spec: SolverSpec | None = validate(SolverSpec, {**common, "rule": rule or UpdateRule()}, root, "the solver", found, hidden=absent)
    if spec is None or rule is None:
        return None
    spec._document = document
    return spec


_ABSENT = object()


def validate(
    cls: type[Any],
    values: dict[str, Any],
    node: Node,
    owner: str,
    found: Findings,
    words: set[str] | None = None,
    hidden: set[str] | None = None,
) -> Any:
    """An instance of `cls`, or None after its errors went to `found` with their places.

    `words` are further keys that a suggestion may name; `hidden` fields whose absence was said already.
    """
    try:
        return cls.model_validate(values)
    except ValidationError as error:
        problems = error.errors()
    extras = [p for p in problems if p["type"] == "extra_forbidden"]
    typos: set[tuple[object, ...]] = set()
    for problem in extras:
        path, known = problem["loc"], set(_fields(cls, values, problem["loc"][:-1])) | (words or set())
        help = suggest(str(path[-1]), known)
        if help and help.startswith("did"):
            typos.add((*path[:-1], help.split("'")[1]))
    for problem in problems:
        if problem["type"] == "missing" and (problem["loc"] in typos or problem["loc"][0] in (hidden or set())):
            continue
        found.add(_error(problem, cls, values, node, owner, words or set()))
    return None


def _error(problem: Any, cls: type[Any], values: dict[str, Any], node: Node, owner: str, words: set[str]) -> SpecError:
    path: tuple[Any, ...] = problem["loc"]
    kind, context, given = problem["type"], problem.get("ctx", {}), problem["input"]
    field = ".".join(str(step) for step in path if isinstance(step, str))
    at = locate(node, *path)
    if kind == "netspec":
        inner = context.get("field")
        at = locate(node, *path, *([inner] if inner else []))
        word_error = context["text"].startswith("unknown ")
        chosen = UnknownWordError if word_error else InvalidFieldError
        return chosen(f"{owner}: {context['text']}", at=at if path or inner else _head(node), help=context.get("hint"))
    if kind == "missing":
        inside = f" in `{'.'.join(str(s) for s in path[:-1] if isinstance(s, str))}`" if len(path) > 1 else ""
        where = locate(node, *path[:-1])
        return MissingFieldError(
            f"{owner} lacks `{path[-1]}`{inside}", at=_head(_below(node, path[:-1])) or where, help=_described(cls, path)
        )
    if kind == "extra_forbidden":
        return _unknown_field(path, cls, values, node, owner, words)
    if kind in {"literal_error", "enum"}:
        options = str(context.get("expected", "")).replace("'", "").replace(" or ", ", ").split(", ")
        return UnknownWordError(f"{owner}: `{field}` cannot be {_say(given)}", at=at, help=suggest(str(given), options))
    bound = _bound(kind, context)
    if bound:
        return OutOfRangeError(f"{owner}: `{field}` must be {bound}, not {_say(given)}", at=at, help=_described(cls, path))
    wanted = _WANTED.get(kind, problem["msg"][0].lower() + problem["msg"][1:])
    return WrongTypeError(f"{owner}: `{field}` must be {wanted}, not {_say(given)}", at=at, help=_described(cls, path))


_WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a word",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _bound(kind: str, context: dict[str, Any]) -> str | None:
    texts: dict[str, Callable[[], str]] = {
        "greater_than": lambda: f"more than {context['gt']:g}",
        "greater_than_equal": lambda: f"at least {context['ge']:g}",
        "less_than": lambda: f"less than {context['lt']:g}",
        "less_than_equal": lambda: f"at most {context['le']:g}",
        "too_long": lambda: f"a list of at most {context['max_length']}",
        "too_short": lambda: f"a list of at least {context['min_length']}",
        "string_too_short": lambda: "a word that is not empty",
        "finite_number": lambda: "a finite number",
    }
    return texts[kind]() if kind in texts else None


def _unknown_field(path: tuple[Any, ...], cls: type[Any], values: dict[str, Any], node: Node, owner: str, words: set[str]) -> SpecError:
    name, at = str(path[-1]), locate(node, *path, key=True)
    if name in _MOVED:
        return CaffeWrapperError(f"{owner} has no key `{name}`", at=at, help=_MOVED[name])
    if name.endswith("_param"):
        return CaffeWrapperError(f"{owner} has no key `{name}`: fields are not wrapped here", at=at, help=_WRAPPERS)
    inside = f" in `{'.'.join(str(s) for s in path[:-1] if isinstance(s, str))}`" if len(path) > 1 else ""
    known = set(_fields(cls, values, path[:-1])) | (words if len(path) == 1 else set())
    return UnknownFieldError(f"{owner} has no key `{name}`{inside}", at=at, help=suggest(name, known - {"rule"}))


def _say(value: Any) -> str:
    text = "a list" if isinstance(value, tuple) else "a mapping" if isinstance(value, dict) else "nothing" if value is None else repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def _head(node: Node | None) -> Place | None:
    """Where a mapping that lacks something begins: its name if it has one, else its first key."""
    if isinstance(node, Mapping) and node.items:
        return node.items["name"].at if isinstance(node.items.get("name"), Scalar) else next(iter(node.keys.values()))
    return node.at if node else None


def _below(node: Node, path: tuple[Any, ...]) -> Node | None:
    for step in path:
        if (isinstance(node, Mapping) and step in node.items) or (
            isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items)
        ):
            node = node.items[step]
        else:
            return None
    return node


def _typo(wanted: str, written: Any) -> str | None:
    help = suggest(wanted, written)
    return help if help and help.startswith("did") else None


def _class_at(cls: type[Any], values: Any, path: tuple[Any, ...]) -> type[Any] | None:
    """The model class that holds the value at `path`."""
    here: type[Any] | None = cls
    for step in path:
        if isinstance(step, int):
            values = values[step] if isinstance(values, tuple) and step < len(values) else values
            continue
        info = getattr(here, "model_fields", {}).get(step)
        if info is None:
            return None
        values = values.get(step) if isinstance(values, dict) else None
        here = _class_of(info, values)
    return here


def _class_of(info: Any, values: Any) -> type[Any] | None:
    candidates = [getattr(meta, "func", None) for meta in info.metadata]
    annotations = [info.annotation, *get_args(info.annotation)]
    for annotation in list(annotations):
        annotations += get_args(annotation)
        candidates += [getattr(meta, "func", None) for meta in getattr(annotation, "__metadata__", ())]
    for candidate in candidates:
        room = getattr(candidate, "__self__", None)
        if isinstance(room, Room):
            value = values[0] if isinstance(values, tuple) and values else values
            word = value.get("type") if isinstance(value, dict) else value
            try:
                return room.get(str(word))
            except UnknownWord:
                return None
    return next((a for a in annotations if isinstance(a, type) and issubclass(a, Model)), None)


def _fields(cls: type[Any], values: Any, path: tuple[Any, ...]) -> list[str]:
    here = _class_at(cls, values, path)
    return list(getattr(here, "model_fields", {}))


def _described(cls: type[Any], path: tuple[Any, ...]) -> str | None:
    """What the schema says about the field at `path`."""
    names = [step for step in path if isinstance(step, str)]
    here = _class_at(cls, {}, tuple(names[:-1])) if names else None
    info = getattr(here, "model_fields", {}).get(names[-1]) if names else None
    return f"`{names[-1]}`: {info.description}" if info is not None and info.description else None
