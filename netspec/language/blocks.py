"""`blocks`: layers that are written once and used by name, and the frame in which an instance of a block is written out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from netspec.core.errors import Findings, SpecError
from netspec.core.model import known_as
from netspec.core.nodes import Mapping, Node, Scalar, describe
from netspec.core.nodes import Sequence as Items
from netspec.core.places import Place
from netspec.core.spelling import nearest
from netspec.language.document import TooLargeError
from netspec.language.scopes import Blob, Scope, Stop, Wrong, is_nothing
from netspec.language.variables import Variables
from netspec.language.words import meant
from netspec.layers.base import Layer

MAX_NESTED = 20
"""Blocks inside one another."""
INSTANCE = ("name", "block", "bottom", "vars", "repeat", "when", "include", "exclude")
"""Keys of an entry that is an instance of a block."""


class UnknownBlockError(SpecError):
    """An instance names a block that no `blocks:` describes."""

    code = "NS123"


class BlockCycleError(SpecError):
    """A block uses itself, through however many others."""

    code = "NS124"


class BadBlockError(SpecError):
    """A block, or an instance of one, is not written as one."""

    code = "NS125"


class MissingVariableError(SpecError):
    """An instance does not give a variable that its block wants, or gives one that it does not know."""

    code = "NS126"


@dataclass
class Frame:
    """Where layers are written to: the net itself, or an instance of a block."""

    scope: Scope
    prefix: str = ""
    outer: Frame | None = None
    via: Place | None = None
    own: set[str] = field(default_factory=set)
    """Names that are this frame's: of its entries and their tops."""
    answers: dict[str, str] = field(default_factory=dict)
    """The blob that the name of an instance or of a repeated layer stands for."""
    rules: dict[str, tuple[Place, Node]] = field(default_factory=dict)
    """`include` or `exclude` of the instance."""
    blocks: tuple[str, ...] = ()

    def resolve(self, name: str) -> str:
        """The full name of the blob that a name means here."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.answers:
                return frame.answers[name]
            if name in frame.own or name.partition("/")[0] in frame.own:
                return frame.prefix + name
            frame = frame.outer
        return name

    def here(self, place: Place) -> Place:
        """A place in a block's text, as this frame's instance brought it into the net."""
        return place.brought(self.via, "expanded from") if self.via else place

    def bottoms(self, node: Node) -> Node:
        """A bottom's names in full."""
        if isinstance(node, Items):
            return Items(tuple([self.bottoms(item) for item in node.items]), node.at)
        if isinstance(node, Scalar) and isinstance(node.value, str) and not isinstance(node, Blob):
            return Blob(self.resolve(node.value), node.at)
        return node

    def tops(self, node: Node) -> Node:
        """A top's names in full; that of an instance is its last top, as in bottoms."""
        if isinstance(node, Items):
            return Items(tuple([self.tops(item) for item in node.items]), node.at)
        if isinstance(node, Scalar) and isinstance(node.value, str) and not isinstance(node, Blob):
            return Blob(self.answers.get(node.value, self.prefix + node.value), node.at)
        return node

    def ruled_once(self, at: Place, what: str, found: Findings) -> None:
        """Refuse an include or exclude rule of a layer or an instance where the instance it belongs to has one."""
        if self.rules:
            place, _ = next(iter(self.rules.values()))
            text = f"{what} and the instance of the block it stands in both say when it takes part"
            related = [("the instance says it here:", place)]
            found.add(BadBlockError(text, at=at, related=related, help="say it in one of them"))


class Blocks:
    """The blocks of a net, by name."""

    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.tables: dict[str, Mapping | None] = {}
        """None for a block that is not written as one."""
        self.blind = False
        """Whether the table cannot be read."""

    def read(self, node: Node | None) -> None:
        """Read the table of a net."""
        self.blind = node is not None and not isinstance(node, Mapping)
        for name, block in self.variables.mapping(
            node, "blocks", "{unit: {vars: {width: 64}, layers: [...]}}", BadBlockError
        ).items():
            layers = block.items.get("layers") if isinstance(block, Mapping) else None
            sound = isinstance(block, Mapping) and isinstance(layers, Items) and bool(layers.items)
            self.tables[name] = block if isinstance(block, Mapping) and sound else None
            if isinstance(block, Mapping):
                for key, place in block.keys.items():
                    if key not in {"vars", "layers"}:
                        near = nearest(key, ("vars", "layers"))
                        help = f"did you mean '{near}'?" if near else "it holds `vars` and `layers`"
                        self.variables.found.add(
                            BadBlockError(f"block '{name}' has no key `{key}`", at=place, help=help)
                        )
                        sound = sound or near == "layers"
                self.variables.declared(block.items.get("vars"), "{width: 64}")
            if not sound:
                at = block.keys["layers"] if isinstance(block, Mapping) and "layers" in block.items else block.at
                text = f"block '{name}' has no {'layers' if isinstance(layers, Items) else 'list of `layers`'}"
                self.variables.found.add(
                    BadBlockError(text, at=at, help=f"like `{name}: {{vars: {{width: 64}}, layers: [...]}}`")
                )

    def of(self, node: Node, frame: Frame) -> Mapping | None:
        """The block that an instance names."""
        word = node.value if isinstance(node, Scalar) else None
        if isinstance(node, Wrong):
            return None
        if not isinstance(word, str):
            text = f"`block` names a block, not {describe(node)}"
            self.variables.found.add(BadBlockError(text, at=node.at, help="like `block: bottleneck`"))
            return None
        if word not in self.tables:
            if not self.blind:
                help = self.variables.near(word, self.tables) if self.tables else "describe it under `blocks:`"
                self.variables.found.add(UnknownBlockError(f"there is no block '{word}'", at=node.at, help=help))
            return None
        if word in frame.blocks:
            cycle = " -> ".join([*frame.blocks[frame.blocks.index(word) :], word])
            self.variables.found.add(
                BlockCycleError(f"block '{word}' uses itself: {cycle}", at=node.at, help="a net cannot be endless")
            )
            raise Stop
        if len(frame.blocks) >= MAX_NESTED:
            self.variables.found.add(TooLargeError(f"more than {MAX_NESTED} blocks inside one another", at=node.at))
            raise Stop
        return self.tables[word]

    def unknown_key(self, key: str, word: str, name: str, block: Mapping, at: Place) -> BadBlockError:
        """The error of a key that an instance does not have."""
        declared = block.items.get("vars")
        if key == "type":
            return BadBlockError(
                "an entry is a layer or an instance of a block, not both", at=at, help="leave out `type` or `block`"
            )
        if isinstance(declared, Mapping) and key in declared.items:
            help = f"`{key}` is a variable of the block: `vars: {{{key}: ...}}`"
        elif key == "top":
            help = f"it needs none: the block's last top answers to '{name}'"
        elif near := meant(key, INSTANCE, known_as(Layer)):
            help = f"did you mean '{near}'?"
        else:
            help = "a block hands values to its layers through its `vars`"
        return BadBlockError(f"an instance of block '{word}' has no key `{key}`", at=at, help=help)

    def arguments(
        self, item: Mapping, word: str, block: Mapping, frame: Frame, at: Place, strange: Iterable[str]
    ) -> dict[str, Node] | None:
        """The variables that an instance gives, worked out where it stands; `strange` are keys that no instance has."""
        declared, table = block.items.get("vars"), item.items.get("vars")
        wanted = self.variables.mapping(declared, "vars", "{width: 64}")
        self.variables.spend(len(wanted), at)
        given: dict[str, Node] = {}
        sound = table is None or isinstance(table, Mapping) or is_nothing(table)
        excused: set[str | None] = set(strange) if sound else set(wanted)
        for name, node in self.variables.mapping(table, "vars", "{width: 64}").items():
            if name not in wanted:
                excused.add(None if self.variables.found.enough else nearest(name, wanted))
                help = self.variables.near(name, wanted) if wanted else f"block '{word}' has no `vars:`"
                place = frame.here(table.keys[name])  # type: ignore[union-attr]
                self.variables.found.add(
                    MissingVariableError(f"block '{word}' has no variable '{name}'", at=place, help=help)
                )
                sound = False
            given[name] = self.variables.replaced(node, frame.scope, frame.via)
        for name, node in wanted.items():
            if is_nothing(node) and is_nothing(given.get(name)) and name not in excused:
                related = [(f"'{name}' has no value of its own here:", declared.keys[name])]  # type: ignore[union-attr]
                text = f"the instance of block '{word}' does not give its variable '{name}'"
                self.variables.found.add(
                    MissingVariableError(text, at=at, help=f"like `vars: {{{name}: ...}}`", related=related)
                )
                sound = False
        return given if sound else None
