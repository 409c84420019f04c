"""`defaults`: the fields that a net gives to every layer of a type, unless the layer has them itself."""

from __future__ import annotations

from netspec.core.errors import SpecError
from netspec.core.model import known_as
from netspec.core.nodes import Mapping, Node, describe
from netspec.core.places import Place
from netspec.core.rooms import UnknownWord
from netspec.language.elsewhere import word_help
from netspec.language.scopes import is_nothing, moved
from netspec.language.variables import Variables
from netspec.language.words import hint
from netspec.layers.base import LAYERS


class DefaultsError(SpecError):
    """`defaults:` names a layer type or a field that does not exist."""

    code = "NS128"


class Defaults:
    """The defaults of a net, by layer type."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.tables: dict[str, Mapping] = {}

    def read(self, node: Node | None) -> None:
        """Read the table of a net."""
        for word, fields in self.variables.mapping(
            node, "defaults", "{Convolution: {bias_term: false}}", DefaultsError
        ).items():
            at = node.keys[word] if isinstance(node, Mapping) else None
            try:
                cls = LAYERS.get(word)
            except UnknownWord:
                help = word_help("layer type", word, LAYERS.words())
                self.variables.found.add(
                    DefaultsError(f"`defaults` speaks of '{word}', which is no layer type", at=at, help=help)
                )
                continue
            if not isinstance(fields, Mapping):
                help = "like `Convolution: {bias_term: false}`"
                if not is_nothing(fields):
                    self.variables.found.add(
                        DefaultsError(
                            f"the defaults of {word} are a mapping, not {describe(fields)}", at=fields.at, help=help
                        )
                    )
                continue
            own = {"name", "type", "bottom", "top"}
            known = set(cls.model_fields) - own
            for name, place in fields.keys.items():
                if name not in known:
                    help = "each layer says its own" if name in own else hint(name, known, known_as(cls))
                    self.variables.found.add(
                        DefaultsError(f"{word} has no field `{name}` to give a default", at=place, help=help)
                    )
            fields = fields.without(*(name for name in fields.items if name not in known))
            self.tables[word] = self.variables.replaced(fields, self.variables.top, None)

    def merge(self, word: str, items: dict[str, Node], keys: dict[str, Place], at: Place) -> None:
        """Add the defaults of a layer's type to `items` and `keys`, for the fields that the layer lacks."""
        defaults = self.tables.get(word)
        if defaults is None:
            return
        self.variables.spend(self.variables.measure(defaults)[0], at)
        for key, value in defaults.items.items():
            if key not in items:
                items[key], keys[key] = moved(value, at, "merged into"), defaults.keys[key].brought(at, "merged into")
