"""`blocks`: layers that are written once and used by name; and Frame, the names that an instance of a block sees."""

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
from netspec.language.scopes import BlobName, Scope, Stop, Wrong, is_nothing
from netspec.language.variables import Variables
from netspec.language.words import meant
from netspec.layers.base import Layer

MAX_NESTED = 20
"""Maximum depth of blocks inside blocks."""
INSTANCE = ("name", "block", "bottom", "vars", "repeat", "when", "include", "exclude")
"""Keys of an entry that is an instance of a block."""


class UnknownBlockError(SpecError):
    """An instance names a block that no `blocks:` describes."""

    code = "NS123"


class BlockCycleError(SpecError):
    """A block contains an instance of itself, directly or through other blocks."""

    code = "NS124"


class BadBlockError(SpecError):
    """A block or an instance of a block has the wrong form."""

    code = "NS125"


class MissingVariableError(SpecError):
    """An instance leaves out a variable that its block requires, or gives a variable that the block lacks."""

    code = "NS126"


@dataclass
class Frame:
    """The names that entries of `layers` see: those of the net, or of an instance of a block and what is around it."""

    scope: Scope
    prefix: str = ""
    outer: Frame | None = None
    via: Place | None = None
    own: set[str] = field(default_factory=set)
    """Names that this frame's entries define: their own and those of their tops."""
    answers: dict[str, str] = field(default_factory=dict)
    """Name of an instance or of a repeated layer, to the full name of its last top."""
    rules: dict[str, tuple[Place, Node]] = field(default_factory=dict)
    """`include` or `exclude` of the instance: its place and its value."""
    blocks: tuple[str, ...] = ()

    def resolve(self, name: str) -> str:
        """Full name of the blob that `name` refers to in this frame."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.answers:
                return frame.answers[name]
            if name in frame.own or name.partition("/")[0] in frame.own:
                return frame.prefix + name
            frame = frame.outer
        return name

    def here(self, place: Place) -> Place:
        """A place in a block's text, with the note that it was expanded from this frame's instance."""
        return place.brought(self.via, "expanded from") if self.via else place

    def bottoms(self, node: Node) -> Node:
        """The value of a `bottom` key with every name replaced by the full name of its blob."""
        if isinstance(node, Items):
            return Items(tuple([self.bottoms(item) for item in node.items]), node.at)
        if isinstance(node, Scalar) and isinstance(node.value, str) and not isinstance(node, BlobName):
            return BlobName(self.resolve(node.value), node.at)
        return node

    def tops(self, node: Node) -> Node:
        """The value of a `top` key with full names; the name of an instance stands for its last top."""
        if isinstance(node, Items):
            return Items(tuple([self.tops(item) for item in node.items]), node.at)
        if isinstance(node, Scalar) and isinstance(node.value, str) and not isinstance(node, BlobName):
            return BlobName(self.answers.get(node.value, self.prefix + node.value), node.at)
        return node

    def ruled_once(self, at: Place, what: str, found: Findings) -> None:
        """Report an include or exclude rule inside an instance that has such a rule itself."""
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
        """Name to the block's mapping; None for a block of the wrong form, which is reported already."""
        self.blind = False
        """Whether `blocks` is no mapping, so that no name can be called unknown."""

    def read(self, node: Node | None) -> None:
        """Read the net's `blocks` table and check the form of each block."""
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

    def of(self, node: Node, frame: Frame) -> tuple[str, Mapping] | None:
        """The name and the block that an instance gives; None after an error. Raises Stop on a cycle or deep nests."""
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
        block = self.tables[word]
        return None if block is None else (word, block)

    def unknown_key(self, key: str, word: str, name: str, block: Mapping, at: Place) -> BadBlockError:
        """The error for a key that an instance may not have."""
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
        """Values of the variables that an instance gives, in the scope around it; None after an error.

        `strange` are the instance's unknown keys: a variable of such a name is not reported as missing too.
        """
        declared, table = block.items.get("vars"), item.items.get("vars")
        wanted = self.variables.mapping(declared, "vars", "{width: 64}")
        self.variables.spend(len(wanted), at)
        given: dict[str, Node] = {}
        places = table.keys if isinstance(table, Mapping) else {}
        sound = table is None or isinstance(table, Mapping) or is_nothing(table)
        excused: set[str | None] = set(strange) if sound else set(wanted)
        for name, node in self.variables.mapping(table, "vars", "{width: 64}").items():
            if name not in wanted:
                excused.add(None if self.variables.found.enough else nearest(name, wanted))
                help = self.variables.near(name, wanted) if wanted else f"block '{word}' has no `vars:`"
                place = frame.here(places[name])
                self.variables.found.add(
                    MissingVariableError(f"block '{word}' has no variable '{name}'", at=place, help=help)
                )
                sound = False
            given[name] = self.variables.replaced(node, frame.scope, frame.via)
        places = declared.keys if isinstance(declared, Mapping) else {}
        for name, node in wanted.items():
            if is_nothing(node) and is_nothing(given.get(name)) and name not in excused:
                related = [(f"'{name}' has no value of its own here:", places[name])]
                text = f"the instance of block '{word}' does not give its variable '{name}'"
                self.variables.found.add(
                    MissingVariableError(text, at=at, help=f"like `vars: {{{name}: ...}}`", related=related)
                )
                sound = False
        return given if sound else None
