"""Validation: plain values to a Model; each error of pydantic becomes a SpecError with place, bound and help."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from netspec.core.errors import Findings, SpecError
from netspec.core.model import Model, by_name, class_of, fields_of, known_as
from netspec.core.nodes import Mapping, Node, Scalar, Sequence, locate
from netspec.core.places import COMMAND_LINE, Place
from netspec.core.rooms import Room
from netspec.core.shape import counted
from netspec.core.spelling import enumerated, suggest
from netspec.language import elsewhere, words


class MissingFieldError(SpecError):
    """A required field is missing."""

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
    """An unknown word where a layer type, filler, policy or phase is selected."""

    code = "NS205"


class InvalidFieldError(SpecError):
    """Fields that contradict each other."""

    code = "NS206"


class ElsewhereError(SpecError):
    """A key of Caffe or another program whose value stands in another place in netspec, or which netspec lacks."""

    code = "NS207"


Path = tuple[Any, ...]


@dataclass(frozen=True)
class Subject:
    """Input of a validation: the class, the values, the node they come from, and how errors name their owner.

    `also` are more keys that a suggestion may name, `others` other programs' names for them. `moved` maps dotted keys
    to a help line, as in `elsewhere`. `hidden` are dotted fields whose absence is not reported.
    """

    cls: type[Any]
    values: dict[str, Any]
    node: Node
    owner: str
    also: Collection[str] = ()
    moved: dict[str, str] = field(default_factory=dict)
    hidden: Collection[str] = ()
    others: dict[str, str] = field(default_factory=dict)


def validate(subject: Subject, found: Findings) -> Any:
    """An instance of the class; None after errors, which go to `found`."""
    try:
        context = {"caffe": subject.node.at.source.caffe}
        return _attached(subject.cls.model_validate(subject.values, context=context), subject.node)
    except ValidationError as error:
        problems = _without_echoes(error.errors())
    extras = [p["loc"] for p in problems if p["type"] == "extra_forbidden"]
    meant = {(*path[:-1], words.meant(str(path[-1]), *_known(subject, path))) for path in extras}
    wrapped = {
        key for path in extras if str(path[-1]).endswith("_param") for key in _keys(subject.values.get(str(path[-1])))
    }
    for problem in problems[: found.MOST]:
        path = problem["loc"]
        if problem["type"] == "missing" and (path in meant or path[-1] in wrapped or dotted(path) in subject.hidden):
            continue
        found.add(_error(problem, subject))
    found.more += len(problems[found.MOST :])
    return None


def _without_echoes(problems: list[Any]) -> list[Any]:
    """The problems without those of lists that are too short only because values in them are wrong."""
    inside = {path[:end] for path in (p["loc"] for p in problems) for end in range(len(path))}
    return [p for p in problems if p["type"] != "too_short" or p["loc"] not in inside]


def _attached(model: Any, node: Node) -> Any:
    """The instance, with its node set as `written`, and so on for the models inside it; defaults have no node."""
    if isinstance(model, tuple):
        items = node.items if isinstance(node, Sequence) else (node,)
        return tuple(_attached(each, item) for each, item in zip(model, items, strict=False))
    if isinstance(model, dict) and isinstance(node, Mapping):
        for name in model.keys() & node.items.keys():
            _attached(model[name], node.items[name])
    if isinstance(model, Model) and model.written is None:
        model.read_from(node)
        said = node.items if isinstance(node, Mapping) else {}
        for name in type(model).model_fields.keys() & said.keys():
            _attached(getattr(model, name), said[name])
    return model


def _keys(value: Any) -> list[str]:
    return list(value) if isinstance(value, dict) else []


def dotted(path: Path) -> str:
    """The names on a path: data.train.batch_size."""
    return ".".join(str(step) for step in path if isinstance(step, str))


def _error(problem: Any, subject: Subject) -> SpecError:
    path: Path = problem["loc"]
    kind, context, given = problem["type"], problem.get("ctx", {}), problem["input"]
    owner, node, name, described = subject.owner, subject.node, dotted(path), _described(subject, path)
    at: Place | None = locate(node, *path)
    if kind == "netspec":
        inner = context.get("field")
        chosen = UnknownWordError if context["text"].startswith("unknown ") else InvalidFieldError
        at = locate(node, *path, *inner.split(".")) if inner else at if path else head(node)
        word, room = context.get("word"), context.get("room")
        help = context.get("hint") if word is None else elsewhere.word_help(room.kind, word, room.words())
        return chosen(f"{owner}: {context['text']}", at=at, help=help)
    if kind == "missing":
        return MissingFieldError(
            f"{owner} lacks `{path[-1]}`{_inside(path)}", at=head(_below(node, path[:-1])), help=described
        )
    if path and path[-1] == "[key]":
        return _unknown_field(path[:-1], subject, (_options(context), {}))
    if kind == "extra_forbidden":
        return _unknown_field(path, subject, _known(subject, path))
    if kind in {"literal_error", "enum"}:
        help = suggest(str(given), _options(context))
        return UnknownWordError(f"{owner}: `{name}` cannot be {say(given)}", at=at, help=help)
    bound = _bound(kind, context)
    if bound:
        length = f"{len(given)}" if kind in {"too_long", "too_short"} and isinstance(given, tuple) else say(given)
        return OutOfRangeError(f"{owner}: `{name}` must be {bound}, not {length}", at=at, help=described)
    wanted = _WANTED.get(kind, problem["msg"][0].lower() + problem["msg"][1:])
    help = _rewritten(kind, given, at) or _form(kind, given, path, subject) or described
    return WrongTypeError(f"{owner}: `{name}` must be {wanted}, not {say(given)}", at=at, help=help)


_WANTED = {
    "count": "iterations, like 500, or epochs, like `5 epochs`",
    "switch": "true, false, iterations, like 500, or epochs, like `5 epochs`",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a word",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "size": "a size, like 4 GiB, 500 MB, or bytes",
    "time": "a time, like 8h, 90m, 1h30m, or seconds",
}


def _bound(kind: str, context: dict[str, Any]) -> str | None:
    texts: dict[str, Callable[[], str]] = {
        "greater_than": lambda: f"more than {context['gt']:g}",
        "greater_than_equal": lambda: f"at least {context['ge']:g}",
        "less_than": lambda: f"less than {context['lt']:g}",
        "less_than_equal": lambda: f"at most {context['le']:g}",
        "too_long": lambda: f"a list of at most {counted(context['max_length'], 'value')}",
        "too_short": lambda: f"a list of at least {counted(context['min_length'], 'value')}",
        "string_too_short": lambda: "a word that is not empty",
        "finite_number": lambda: "a finite number",
    }
    return texts[kind]() if kind in texts else None


def _rewritten(kind: str, given: Any, at: Place | None) -> str | None:
    """A help line: how to write the value that was probably meant."""
    if at and isinstance(given, float) and "$(" in at.source.line(at.line)[at.column - 1 :][: at.length]:
        help = "whole numbers are divided by //; round, ceil and floor make one of any other"
        return help if kind.startswith("int_") else None
    if kind in {"count", "int_type", "int_from_float"} and isinstance(given, float) and given.is_integer():
        return f"write {int(given)}"
    if kind in {"count", "int_type", "float_type"} and isinstance(given, str):
        try:
            float(given)
        except ValueError:
            return None
        return "write it without quotes"
    if kind == "bool_type" and str(given).lower() in {"yes", "no", "on", "off", "y", "n", "0", "1", "true", "false"}:
        return f"write {'true' if str(given).lower() in {'yes', 'on', 'y', '1', 'true'} else 'false'}"
    return None


def _form(kind: str, given: Any, path: Path, subject: Subject) -> str | None:
    """A help line: the mapping that was probably meant by a value in its place, or the keys that it may have."""
    cls = _class_at(subject.cls, subject.values, path) if kind in {"model_type", "model_attributes_type"} else None
    if cls is None:
        return None
    fields = fields_of(cls)
    if given is False:
        return "leave it out"
    first = next((name for name, info in fields.items() if info.is_required()), next(iter(fields)))
    values = {} if given is True else {first: given}
    try:
        cls.model_validate(values)
    except ValidationError:
        return f"its keys: {enumerated(list(fields))}"
    inside = ", ".join(f"{key}: {say(value, bare=True)}" for key, value in values.items())
    return f"say `{next(step for step in reversed(path) if isinstance(step, str))}: {{{inside}}}`"


def _options(context: dict[str, Any]) -> list[str]:
    return str(context.get("expected", "")).replace("'", "").replace(" or ", ", ").split(", ")


def _unknown_field(path: Path, subject: Subject, known: Known) -> SpecError:
    name, at = str(path[-1]), locate(subject.node, *path, key=True)
    text = f"{subject.owner} has no key `{name}`{_inside(path)}"
    moved = None if name in known[1] else elsewhere.key_help(dotted(path), subject.moved)
    if moved is not None:
        return ElsewhereError(text, at=at, help=moved + drop(subject, path))
    if len(path) == 1 and name.endswith("_param"):
        fields = _keys(subject.values.get(name))
        shown = ", ".join(f"{key}: {say(subject.values[name][key], bare=True)}" for key in fields)
        help = "fields stand directly beside `name` and `type`" + (f": {shown}" if shown else "")
        return ElsewhereError(f"{text}: fields are not wrapped here", at=at, help=help)
    here = _class_at(subject.cls, subject.values, path[:-1])
    others = None if name in known[1] else _of_others(here, name)
    advice = others or words.hint(name, *known) or "leave it out"
    return UnknownFieldError(text, at=at, help=advice + drop(subject, path))


def _of_others(cls: type[Any] | None, name: str) -> str | None:
    """A help line: which other members of a class's room have a field of this name."""
    room = next((room for room in Room.every if cls is not None and issubclass(cls, room.base)), None)
    if room is None:
        return None
    owners = [room.word(member) for member in room.members() if name in member.model_fields]
    return f"it belongs to {enumerated(owners)}" if 0 < len(owners) <= _MOST_OWNERS else None


_MOST_OWNERS = 6


def drop(subject: Subject, path: Path) -> str:
    """How to drop a key on the command line, where its `type` was changed there."""
    holder = _below(subject.node, path[:-1])
    word = holder.items.get("type") if isinstance(holder, Mapping) else None
    key = locate(subject.node, *path, key=True)
    if word is None or word.at.source.name != COMMAND_LINE or key.source.name == COMMAND_LINE:
        return ""
    above, dot, _ = word.at.source.text.partition("=")[0].rpartition(".")
    return f"; on the command line `{above}{dot}{path[-1]}=null` drops it"


def _inside(path: Path) -> str:
    return f" in `{dotted(path[:-1])}`" if dotted(path[:-1]) else ""


Known = tuple[Collection[str], dict[str, str]]
"""The valid keys of a mapping, and other programs' names for them."""


def _known(subject: Subject, path: Path) -> Known:
    """The valid keys of the mapping that holds `path`."""
    here = _class_at(subject.cls, subject.values, path[:-1])
    names = set(fields_of(here)) | (set(subject.also) if len(path) == 1 else set())
    others = known_as(here) if here is not None else {}
    return names - {"rule"}, subject.others | others if len(path) == 1 else others


def say(value: Any, bare: bool = False) -> str:
    """A value as it is written in YAML, if it is short; `bare` leaves the quotes out."""
    if isinstance(value, tuple):
        return "[...]" if bare else "a list"
    if isinstance(value, dict):
        return "{...}" if bare else "a mapping"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = str(value) if bare or not isinstance(value, str) else repr(value)
    return text if len(text) < 60 else text[:57] + "..."


def head(node: Node | None) -> Place | None:
    """Place to report a missing key at: the mapping's `name` or `type` if it has one, else its first key."""
    if isinstance(node, Mapping) and node.items:
        said = [node.items[key] for key in ("name", "type") if isinstance(node.items.get(key), Scalar)]
        return said[0].at if said else next(iter(node.keys.values()))
    return node.at if node else None


def _below(node: Node, path: Path) -> Node:
    """The value at `path`, or the deepest that exists; a value that is no list is its own item 0."""
    for step in path:
        if (isinstance(node, Mapping) and step in node.items) or (isinstance(node, Sequence) and isinstance(step, int)):
            node = node.items[step]
    return node


def _class_at(cls: type[Any], values: Any, path: Path) -> type[Any] | None:
    """The model class that holds the value at `path`."""
    here: type[Any] | None = cls
    info: Any = None
    for step in path:
        if isinstance(step, int):
            values = values[step] if isinstance(values, tuple) and step < len(values) else values
            here = class_of(info, values) if info is not None else None
            continue
        if info is not None and by_name(info) and here is not None:
            info, values = None, values.get(step) if isinstance(values, dict) else None
            continue
        info = fields_of(here).get(step)
        if info is None:
            return None
        values = values.get(step) if isinstance(values, dict) else None
        here = class_of(info, values)
    return here


def _described(subject: Subject, path: Path) -> str | None:
    """The name and the schema's description of the field at `path`."""
    names = [i for i, step in enumerate(path) if isinstance(step, str)]
    if not names:
        return None
    here = _class_at(subject.cls, subject.values, path[: names[-1]])
    info = fields_of(here).get(str(path[names[-1]]))
    return f"`{path[names[-1]]}`: {info.description}" if info is not None and info.description else None
