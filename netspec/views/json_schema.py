"""JSON Schemas of nets and solvers for editors: completion, hover, and a mark under what is wrong.

Fields, bounds, defaults and descriptions come from the models, type names from the rooms: a new file of a room is in
the schema at once. Draft 7, with the keywords of yaml-language-server (`enumDescriptions`, `defaultSnippets`,
`errorMessage`, `doNotSuggest`).

A schema describes a file before expansion. So any value may be a `$...`, and a definition `X` lists only the keys that
X may have. The keys that X must have stand apart in `X.needs`, since a parent (`extends`) or `defaults` may give them.

Long because a schema is a single table of definitions, each of which refers to others.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from netspec.core.counts import Count
from netspec.core.model import listed
from netspec.core.rooms import Room
from netspec.data.sources.base import SOURCES
from netspec.data.transforms.base import TRANSFORMS
from netspec.fillers.base import FILLERS
from netspec.layers.base import LAYERS, Layer
from netspec.net.spec import NetSpec
from netspec.training.averages.base import AVERAGES
from netspec.training.policies.base import POLICIES
from netspec.training.regularizers.base import REGULARIZERS
from netspec.training.solvers.base import SOLVERS
from netspec.training.spec import SolverSpec

Schema = dict[str, Any]

CHOICES: tuple[Room[Any], ...] = (AVERAGES, FILLERS, POLICIES, REGULARIZERS, SOURCES, TRANSFORMS)
"""Rooms whose members are written `{type: X, ...}`, or `X` if no other field is required."""

_DRAFT = "http://json-schema.org/draft-07/schema#"
_WORD: Schema = {"type": "string"}
_VALUES: Schema = {"type": ["object", "null"]}
_EDITS = {
    "insert_before": "The layer of the extended net that this one goes before.",
    "insert_after": "The layer of the extended net that this one goes after.",
    "replace": "The layer of the extended net that this one takes the place of.",
}


def net_schema() -> Schema:
    """The schema of a net file."""
    made = _Definitions()
    return {"$schema": _DRAFT, **made.net(), "definitions": made.in_order()}


def solver_schema() -> Schema:
    """The schema of a solver file, a net inside it included."""
    made = _Definitions()
    return {"$schema": _DRAFT, **made.solver(), "definitions": made.in_order()}


class _Generator(GenerateJsonSchema):
    """Pydantic's schema generator, with `{"room": name}` for a choice, and a single item in place of a list of one."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Always false: the title would repeat the field's name."""
        return False

    def function_before_schema(self, schema: Any) -> Schema:
        """The schema of a choice or of one or many items; of other fields pydantic's own."""
        function = schema["function"]["function"]
        room = getattr(function, "__self__", None)
        if isinstance(room, Room):
            return {"room": _name(room)}
        inner = super().function_before_schema(schema)
        return {"anyOf": [inner["items"], inner]} if function is listed else inner

    def dict_schema(self, schema: Any) -> Schema:
        """The schema of a dict; if its keys are an enumeration, each key is a property."""
        inner = super().dict_schema(schema)
        names = inner.get("propertyNames", {}).get("enum")
        return {"type": "object", **_closed(dict.fromkeys(names, inner["additionalProperties"]))} if names else inner

    def null_schema(self, schema: Any) -> Schema:
        """The schema of None, which editors do not offer, since a user seldom writes it."""
        return {"type": "null", "description": "As if it were left out."}

    def default_schema(self, schema: Any) -> Schema:
        """The schema with its default; a default of None, [] or {} is left out."""
        inner = super().default_schema(schema)
        if inner.get("default") in (None, [], {}):
            inner.pop("default", None)
        return inner

    def encode_default(self, dft: Any) -> Any:
        """A default as JSON; a choice as it is written in YAML."""
        if isinstance(dft, Count):
            return dft.plain()
        if not isinstance(dft, BaseModel):
            return super().encode_default(dft)
        said = dft.model_dump(mode="json", exclude_defaults=True)
        room = next((room for room in CHOICES if isinstance(dft, room.base)), None)
        if room is None:
            return said
        word = room.word(type(dft))
        return {"type": word, **said} if said else word


def _is_free(option: Schema) -> bool:
    """Whether a form takes any string, and so a `$...` too."""
    return option.get("type") == "string" and not option.keys() & {"enum", "pattern"}


class _Definitions(dict[str, Schema]):
    """The definitions of a schema, each created at its first use."""

    def __init__(self) -> None:
        super().__init__(variable={"title": "variable", **_WORD, "pattern": "\\$"})

    def in_order(self) -> Schema:
        """The definitions that are not empty, sorted by name."""
        return {name: self[name] for name in sorted(self) if self[name]}

    # --- fields ---

    def fields(self, cls: type[BaseModel]) -> tuple[dict[str, Schema], Schema]:
        """The schemas of the fields of a class, and the schema of its required keys."""
        raw = cls.model_json_schema(schema_generator=_Generator, ref_template="#/definitions/{model}")
        for name, model in raw.get("$defs", {}).items():
            if name not in self:
                self[name] = {
                    "type": "object",
                    **_closed({key: self.written(field) for key, field in model["properties"].items()}),
                }
                self[f"{name}.needs"] = self.needs(model)
        kept = {name: field for name, field in raw["properties"].items() if not cls.model_fields[name].exclude}
        required = [name for name in raw.get("required", []) if name in kept]
        return {name: self.written(field) for name, field in kept.items()}, self.needs(
            {"properties": kept, "required": required}
        )

    def written(self, field: Schema) -> Schema:
        """The schema of a field's value: the value itself, or a `$...`."""
        notes: Schema = {key: field[key] for key in ("description", "default") if key in field}
        said = field.get("anyOf") or [{key: item for key, item in field.items() if key not in notes}]
        options = [self.option(option, notes.get("description", "")) for option in said]
        if not any("room" in option or not option or _is_free(option) for option in said):
            options.insert(len(options) - (options[-1].get("type") == "null"), _ref("variable"))
        return {**notes, **(options[0] if len(options) == 1 else {"anyOf": options})}

    def option(self, option: Schema, description: str) -> Schema:
        """The schema of a form that a field's value may take."""
        if "room" in option:
            return _ref(self.choice(next(room for room in CHOICES if _name(room) == option["room"])))
        if "items" in option:
            # the description makes it differ from the other forms: an editor would else list all their titles
            return {
                **option,
                "items": self.written(option["items"]),
                **({"description": description} if description else {}),
            }
        if "prefixItems" in option:  # a tuple, whose items draft 7 lists under `items`
            rest = {key: value for key, value in option.items() if key != "prefixItems"}
            return {**rest, "items": [self.written(item) for item in option["prefixItems"]], "additionalItems": False}
        if "properties" in option:
            return {**option, "properties": {name: self.written(field) for name, field in option["properties"].items()}}
        return option

    def needs(self, field: Schema) -> Schema:
        """The schema of the required keys of a value, at any depth; empty if none is required."""
        if "room" in field:
            return _ref(f"{field['room']}.needs")
        if "$ref" in field:
            name = field["$ref"].rpartition("/")[2] + ".needs"
            return _ref(name) if self.get(name) else {}
        if "anyOf" in field:
            return _all([self.needs(option) for option in field["anyOf"]])
        inner = {name: self.needs(each) for name, each in field.get("properties", {}).items()}
        items = self.needs(field["items"]) if "items" in field else {}
        result = {
            "required": field.get("required"),
            **_within({name: each for name, each in inner.items() if each}),
            "items": items,
            **field.get("needs", {}),  # what a model says of its keys together
        }
        return {key: value for key, value in result.items() if value}

    # --- rooms ---

    def choice(self, room: Room[Any]) -> str:
        """The definition of a choice, which is written `{type: X, ...}` or `X`."""
        name = _name(room)
        if name in self:
            return name
        self[name] = {}  # set first: a member may hold another member of its room
        cases, needs, bare, snippets, forms = [], [], [], [], []
        for member in room.members():
            word = room.word(member)
            fields, wanted = self.fields(member)
            self[f"{name}.{word}"] = {"title": word, **_closed({"type": _kind(word, member), **fields})}
            cases.append(_when(word, _ref(f"{name}.{word}")))
            needs += [_when(word, wanted)] if wanted else []
            required = wanted.get("required", [])
            if not required:
                bare.append(member)
                forms.append(word)
                continue
            blanks = [f"{field}: ${i}" for i, field in enumerate(required, 1)]
            snippets.append(
                {"label": word, "description": _summary(member), "body": f"^{{type: {word}, {', '.join(blanks)}}}"}
            )
            forms.append(f"{{type: {word}, {', '.join(f'{field}: ...' for field in required)}}}")
        mapping = {
            "type": "object",
            "errorMessage": f"Expected one of {', '.join(forms)}.",
            "allOf": [*cases, {"properties": {"type": _words(room, f"The {room.kind}.")}}],
        }
        words = [_enum(room, bare)] if bare else []
        variable = {**self["variable"], "defaultSnippets": snippets} if snippets else _ref("variable")
        self[name] = {"anyOf": [mapping, *words, variable]}
        self[f"{name}.needs"] = {"required": ["type"], **_every(needs)}
        return name

    def layers(self) -> list[Schema]:
        """Create the definition of every layer type; returns the required keys of each, as cases."""
        common, _ = self.fields(Layer)
        self["layer"] = {"properties": common}
        self["repeat"] = {
            "description": "How often it stands in the net, each reading the one before; inside, $i counts from 0.",
            "anyOf": [{"type": "integer", "minimum": 0}, _ref("variable")],
        }
        self["when"] = {
            "description": "Whether it takes part; left out, its name means what it would have read. Like $(i == 0).",
            "anyOf": [{"type": "boolean"}, _ref("variable")],
        }
        needs = []
        for member in LAYERS.members():
            word = LAYERS.word(member)
            fields, wanted = self.fields(member)
            shared = {
                name: _ref(f"layer/properties/{name}") for name, field in fields.items() if field == common.get(name)
            }
            first = {"name": shared["name"], "type": _kind(word, member)}
            many = {"repeat": _ref("repeat"), "when": _ref("when")}
            self[f"layers.{word}"] = {
                "title": word,
                **_closed({**first, **fields, **shared, **many, **_unsaid(_EDITS)}),
            }
            wanted = {**wanted, "required": [name for name in wanted["required"] if name != "name"]}
            needs.append(_when(word, {key: value for key, value in wanted.items() if value}))
        return [case for case in needs if case["then"]]

    # --- nets ---

    def net(self) -> Schema:
        """The schema of a net."""
        fields, _ = self.fields(NetSpec)
        self["layers.needs"] = _every(self.layers())
        self.entries()
        whole = _within({"layers": {"items": _ref("layers.needs")}})
        keys = {
            **fields,
            "extends": {**_WORD, "description": "The net that this one changes: a file or a zoo name."},
            "vars": {**_VALUES, "description": "Values by name, for `$name` and `$(expression)`."},
            "defaults": self.defaults(),
            "blocks": self.blocks(),
            "layers": {
                "description": "The layers, from the data to the loss; in a net that extends another, what it changes.",
                "type": ["array", "string"],
                "pattern": "\\$",
            },
        }
        extends = {
            "if": _has("extends"),
            "then": {"properties": {"layers": {"items": _ref("edit")}}},
            "else": {"allOf": [{"required": ["layers"]}, {"properties": {"layers": {"items": _ref("entry")}}}]},
        }
        complete = {
            "if": {"anyOf": [_has("extends"), _has("defaults")]},
            "else": {"allOf": [whole, _within({"blocks": {"additionalProperties": whole}})]},
        }
        return {"title": "net", "type": "object", **_closed(keys), "allOf": [extends, complete]}

    def entries(self) -> None:
        """Create the definitions of the entries of `layers`: `entry`, and `edit` for a net that extends another."""
        named = {name: _ref(f"layer/properties/{name}") for name in ("name", "bottom", "include", "exclude")}
        block = {**_WORD, "description": "The block that it is an instance of."}
        given = {**_VALUES, "description": "The block's variables, by name."}
        self["instance"] = {
            "title": "instance of a block",
            **_closed(
                {
                    **named,
                    "block": block,
                    "vars": given,
                    "repeat": _ref("repeat"),
                    "when": _ref("when"),
                    **_unsaid(_EDITS),
                }
            ),
        }
        entry = {
            "title": "layer",
            "type": ["object", "string"],
            "pattern": "\\$",
            "patternErrorMessage": "Expected a layer, like {name: relu1, type: ReLU}.",
        }
        either = [
            *(_when(word, _ref(f"layers.{word}")) for word in LAYERS.words()),
            {
                "if": _has("block"),
                "then": _ref("instance"),
                "else": {"properties": {"type": _words(LAYERS, "What the layer computes.")}},
            },
            {"if": _has("type"), "else": {"properties": {"block": block}}},
            {"properties": {"name": _ref("layer/properties/name")}},
        ]
        new = [{"required": ["name"]}, {"if": _has("block"), "else": {"required": ["type"]}}]
        text = "It edits a layer of the net that this one `extends`; this net extends none."
        unknown = {"properties": dict.fromkeys([*_EDITS, "remove"], False), "errorMessage": text}
        self["entry"] = {**entry, "allOf": [*either, *new, unknown]}
        removed = {"description": "Layers to leave out.", "anyOf": [_WORD, {"type": "array", "items": _WORD}]}
        words = {name: {**_WORD, "description": text} for name, text in _EDITS.items()}
        changes = [
            {"if": {"anyOf": [_has("type"), _has("block"), _has("remove")]}, "else": _ref(self.changed())},
            {"if": _has("remove"), "then": _closed({"remove": removed}), "else": {"properties": words}},
            {"if": {"maxProperties": 0}, "then": {"properties": {"remove": removed}}},
            {"if": {"anyOf": [_has("insert_before"), _has("insert_after")]}, "then": {"allOf": new}},
            {"if": _has("replace"), "then": new[1]},
            {"if": {"anyOf": [_has("replace"), _has("remove")]}, "else": new[0]},
        ]
        self["edit"] = {**entry, "allOf": [*either, *changes]}

    def changed(self) -> str:
        """The definition of an entry that changes a layer or an instance of the extended net: fields of any type."""
        found: dict[str, list[tuple[Schema, Schema]]] = {}
        for definition in ("instance", *(f"layers.{word}" for word in LAYERS.words())):
            for name, field in self[definition]["properties"].items():
                forms = found.setdefault(name, [])
                if field not in [form for form, _ in forms]:
                    forms.append((field, field if "$ref" in field else _ref(f"{definition}/properties/{name}")))
        fields = {}
        for name, forms in found.items():
            first = forms[0][0].get("description", "")
            fields[name] = (
                forms[0][1] if len(forms) == 1 else {"description": first, "anyOf": [form for _, form in forms]}
            )
        self["changed"] = {
            "title": "changed layer",
            **_closed({name: fields[name] for name in fields if name not in {"type", "block"}}),
        }
        return "changed"

    def defaults(self) -> Schema:
        """The schema of `defaults:`."""
        apart = {"name", "type", "bottom", "top", "repeat", "when", *_EDITS}
        given = {}
        for member in LAYERS.members():
            word = LAYERS.word(member)
            names = [name for name in self[f"layers.{word}"]["properties"] if name not in apart]
            fields = {name: _ref(f"layers.{word}/properties/{name}") for name in names}
            given[word] = {"title": word, "description": _summary(member), "type": "object", **_closed(fields)}
        return {
            "description": "Fields by layer type, merged under what a layer says itself.",
            **_VALUES,
            **_closed(given),
        }

    def blocks(self) -> Schema:
        """The schema of `blocks:`."""
        given = {**_VALUES, "description": "The block's variables; the instance must give one that is `~`."}
        layers = {"description": "The block's layers.", "type": "array", "minItems": 1, "items": _ref("entry")}
        block = {
            "title": "block",
            "type": "object",
            "allOf": [{"required": ["layers"]}],
            **_closed({"vars": given, "layers": layers}),
        }
        return {
            "description": "Layers, by name, that stand wherever an entry says `block: NAME`.",
            **_VALUES,
            "additionalProperties": block,
        }

    # --- solvers ---

    def solver(self) -> Schema:
        """The schema of a solver."""
        spec, needs = self.fields(SolverSpec)
        self["net"] = self.net()
        keys: dict[str, Any] = {
            "extends": {**_WORD, "description": "The solver that this one changes: a file or a zoo name."},
            "vars": {**_VALUES, "description": "Values by name, for `$name` and `$(expression)`."},
            "net": {"description": "The net: a file, a zoo name, or written here.", "anyOf": [_WORD, _ref("net")]},
            "type": {**_words(SOLVERS, "The update rule."), "default": "SGD"},
            **spec,
        }
        unused = {name for member in SOLVERS.members() for name in member.unused}
        mostly = [name for name in needs["required"] if name in unused]
        needs = {**needs, "required": [name for name in needs["required"] if name not in unused]}
        known, cases, wanted = dict.fromkeys(keys, True), [], [{"required": ["net"]}, needs]
        for member in SOLVERS.members():
            word = SOLVERS.word(member)
            own, must = self.fields(member)
            self[f"solvers.{word}"] = {
                "title": word,
                **_closed(
                    {**{key: True for key in keys if key not in member.unused}, **own, "type": _kind(word, member)}
                ),
            }
            known |= dict.fromkeys(own, True)
            cases.append(_when(word, _ref(f"solvers.{word}")))
            if word == "SGD":
                cases.append({"if": {"anyOf": [_has("type"), _has("extends")]}, "else": _ref("solvers.SGD")})
                wanted.append({"if": _has("type"), "else": {"required": mostly}})
            wanted.append(_when(word, must) if must else {})
            own_needs = [name for name in mostly if name not in member.unused]
            wanted.append(_when(word, {"required": own_needs}) if own_needs else {})
        complete = {"if": _has("extends"), "else": _all(wanted)}
        return {
            "title": "solver",
            "type": "object",
            **_closed(known),
            "allOf": [*cases, {"properties": keys}, complete],
        }


def _name(room: Room[Any]) -> str:
    return room.package.rpartition(".")[2]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{name}"}


def _closed(properties: dict[str, Any]) -> Schema:
    return {"properties": properties, "additionalProperties": False}


def _unsaid(names: dict[str, str]) -> Schema:
    """A schema of valid words that no editor should offer."""
    return {name: {**_WORD, "doNotSuggest": True} for name in names}


def _within(properties: dict[str, Schema]) -> Schema:
    """A schema with conditions on properties, in a form from which no editor takes words to offer."""
    return {"patternProperties": {f"^{name}$": schema for name, schema in properties.items()}} if properties else {}


def _every(schemas: list[Schema]) -> Schema:
    return {"allOf": schemas} if schemas else {}


def _all(schemas: list[Schema]) -> Schema:
    kept = [schema for schema in schemas if schema]
    return kept[0] if len(kept) == 1 else _every(kept)


def _has(word: str) -> Schema:
    return {"type": "object", "required": [word]}


def _when(word: str, then: Schema) -> Schema:
    return {"if": {**_has("type"), "properties": {"type": {"const": word}}}, "then": then}


def _kind(word: str, cls: type[Any]) -> Schema:
    """The schema of a member's `type`, with the text that an editor shows for it."""
    return {"const": word, "description": _doc(cls), "doNotSuggest": True}


def _words(room: Room[Any], description: str) -> Schema:
    """The schema of a choice's `type`: all type names of the room, or a variable."""
    return {
        "description": description,
        "anyOf": [{**_enum(room, room.members()), "description": description}, _ref("variable")],
    }


def _enum(room: Room[Any], members: list[type[Any]]) -> Schema:
    return {
        "enum": [room.word(member) for member in members],
        "enumDescriptions": [_summary(member) for member in members],
    }


def _doc(cls: type[Any]) -> str:
    """A docstring with each paragraph joined to a single line."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.cleandoc(cls.__doc__ or ""))


def _summary(cls: type[Any]) -> str:
    return _doc(cls).partition("\n")[0]
