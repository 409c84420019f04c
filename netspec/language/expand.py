"""Document to Document, before validation: overrides, variables, defaults, repeats and blocks; every value keeps its origin.

`$x` and `$(expression)` become values (`variables.py`); a block's layers stand in the net as `instance/inner`, a repeated entry as
`name/0`, `name/1`...
What comes out is flat: the same net as if it had been written out by hand, and expanding it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Document, Mapping, Node, Scalar, describe, texts
from netspec.core.nodes import Sequence as Items
from netspec.core.places import Place
from netspec.core.rooms import UnknownWord
from netspec.core.spelling import nearest
from netspec.core.verify import verifying
from netspec.language.document import TooLargeError
from netspec.language.override import Override, override, parse_override
from netspec.language.variables import Blob, Scope, Stop, Variables, Wrong, is_nothing, moved
from netspec.language.words import EDITS, LAYER_TYPES, NET_FIELDS, hint, meant
from netspec.layers.base import LAYERS, Layer

TABLES = ("vars", "defaults", "blocks")
"""What expansion reads beside the layers."""
MAX_LAYERS = 8_000
"""Layers that a net may have once blocks and repeats are expanded."""
MAX_ENTRIES = 3 * MAX_LAYERS // 2
"""Entries that are looked at on the way, instances and copies among them."""
MAX_NESTED = 20
"""Blocks inside one another."""


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


class RepeatError(SpecError):
    """`repeat` is no count, or `when` neither true nor false."""

    code = "NS127"


class DefaultsError(SpecError):
    """`defaults:` names a layer type or a field that does not exist."""

    code = "NS128"


class UnknownTableError(SpecError):
    """A key of the net that must be `vars`, `defaults` or `blocks`."""

    code = "NS129"


class DuplicateNameError(SpecError):
    """Two layers with the same name."""

    code = "NS208"


def expand(document: Document, overrides: Iterable[str | Override] = (), apart: str | None = None) -> Document:
    """The flat document. Raises every mistake found.

    Overrides are texts, or parsed where they are for a document inside another. A mapping under the key `apart` stays as it is.
    """
    found = Findings()
    root = document.root
    for one in overrides:
        with found.catching():
            root = override(root, parse_override(one) if isinstance(one, str) else one)
    found.raise_if_any()
    root = _Expander(found).root(root, apart)
    found.raise_if_any()
    flat = replace(document, root=root)
    if verifying():
        from netspec.language.verify import verify_flat

        verify_flat(flat, apart)
    return flat


@dataclass
class _Frame:
    """Where layers are written to: the net itself, or an instance of a block."""

    scope: Scope
    prefix: str = ""
    outer: _Frame | None = None
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
        frame: _Frame | None = self
        while frame is not None:
            if name in frame.answers:
                return frame.answers[name]
            if name in frame.own or name.partition("/")[0] in frame.own:
                return frame.prefix + name
            frame = frame.outer
        return name


_What = Literal["layer", "instance", "top"]
"""What a name is given to; a repeated layer counts as an instance."""

_INSTANCE = ("name", "block", "bottom", "vars", "repeat", "when", "include", "exclude")


class _Expander(Variables):
    """Expands one document; what is wrong goes to `found`."""

    def __init__(self, found: Findings) -> None:
        super().__init__(found)
        self.seen = 0
        """Entries of `layers` that were looked at."""
        self.layers: list[Node] = []
        self.above: str | None = None
        """The blob that an entry without `bottom` reads: the first top of what is written above it."""
        self.asked: Place | None = None
        """Where an instance said that `above` is its bottom, while no layer has read it."""
        self.flat: str | None = None
        """The first top of the last layer written out."""
        self.blocks: dict[str, Mapping | None] = {}
        """None for a block that is not written as one."""
        self.blind = False
        """Whether `blocks` cannot be read."""
        self.defaults: dict[str, Mapping] = {}

    def root(self, root: Mapping, apart: str | None) -> Mapping:
        """The flat document's root."""
        if apart is None and "layers" in root.items and self.misspelled(root):
            return root
        table = root.items.get("vars")
        self.top = Scope(self.declared(table, "{classes: 10}"))
        rest = root.without(*TABLES) if apart is None else root.without("vars")
        try:
            for name in self.top.written:
                self.variable(self.top, name)
            done = {
                key: node if key == apart and isinstance(node, Mapping) else self.replaced(node, self.top, None)
                for key, node in rest.items.items()
                if key != "layers"
            }
            for node in done.values():
                self.count(node, root.at)
            if "layers" in rest.items:
                done["layers"] = self.net(root)
        except Stop:
            return root
        except RecursionError:
            at = self.top.written[self.busy[0][1]].at if self.busy and self.busy[0][0] is self.top else root.at
            self.found.add(TooLargeError("variables and expressions too deep inside one another", at=at))
            return root
        return replace(rest, items={key: done[key] for key in rest.items})

    def misspelled(self, root: Mapping) -> bool:
        """Whether a key must be one of those that expansion reads: what it holds would be missed everywhere."""
        known = {*TABLES, *NET_FIELDS}
        wrong = {key: near for key in root.items if key not in known and (near := nearest(key, known)) in TABLES}
        for key, near in wrong.items():
            if near not in root.items:
                self.found.add(
                    UnknownTableError(f"the net has no key `{key}`", at=root.keys[key], help=f"did you mean '{near}'?")
                )
        return bool(self.found)

    # --- the net ---

    def net(self, root: Mapping) -> Node:
        """The flat list of layers."""
        node = root.items["layers"]
        if isinstance(node, Scalar):
            node = self.replaced(node, self.top, None)
        self.read_defaults(root.items.get("defaults"))
        self.read_blocks(root.items.get("blocks"))
        if not isinstance(node, Items):
            return node
        frame = _Frame(self.top)
        self.entries(node.items, frame)
        return replace(node, items=tuple(self.layers))

    def read_defaults(self, node: Node | None) -> None:
        for word, fields in self.mapping(node, "defaults", "{Convolution: {bias_term: false}}", DefaultsError).items():
            at = node.keys[word] if isinstance(node, Mapping) else None
            try:
                cls = LAYERS.get(word)
            except UnknownWord:
                help = hint(word, LAYERS.words(), LAYER_TYPES)
                self.found.add(
                    DefaultsError(f"`defaults` speaks of '{word}', which is no layer type", at=at, help=help)
                )
                continue
            if not isinstance(fields, Mapping):
                help = "like `Convolution: {bias_term: false}`"
                if not is_nothing(fields):
                    self.found.add(
                        DefaultsError(
                            f"the defaults of {word} are a mapping, not {describe(fields)}", at=fields.at, help=help
                        )
                    )
                continue
            own = {"name", "type", "bottom", "top"}
            known = set(cls.model_fields) - own
            for name, place in fields.keys.items():
                if name not in known:
                    help = "each layer says its own" if name in own else hint(name, known)
                    self.found.add(
                        DefaultsError(f"{word} has no field `{name}` to give a default", at=place, help=help)
                    )
            fields = fields.without(*(name for name in fields.items if name not in known))
            done = self.replaced(fields, self.top, None)
            if isinstance(done, Mapping):
                self.defaults[word] = done

    def read_blocks(self, node: Node | None) -> None:
        self.blind = node is not None and not isinstance(node, Mapping)
        for name, block in self.mapping(
            node, "blocks", "{unit: {vars: {width: 64}, layers: [...]}}", BadBlockError
        ).items():
            layers = block.items.get("layers") if isinstance(block, Mapping) else None
            sound = isinstance(block, Mapping) and isinstance(layers, Items) and bool(layers.items)
            self.blocks[name] = block if isinstance(block, Mapping) and sound else None
            if isinstance(block, Mapping):
                for key, place in block.keys.items():
                    if key not in {"vars", "layers"}:
                        near = nearest(key, ("vars", "layers"))
                        help = f"did you mean '{near}'?" if near else "it holds `vars` and `layers`"
                        self.found.add(BadBlockError(f"block '{name}' has no key `{key}`", at=place, help=help))
                        sound = sound or near == "layers"
                self.declared(block.items.get("vars"), "{width: 64}")
            if not sound:
                at = block.keys["layers"] if isinstance(block, Mapping) and "layers" in block.items else block.at
                text = f"block '{name}' has no {'layers' if isinstance(layers, Items) else 'list of `layers`'}"
                self.found.add(
                    BadBlockError(text, at=at, help=f"like `{name}: {{vars: {{width: 64}}, layers: [...]}}`")
                )

    def entries(self, items: Iterable[Node], frame: _Frame) -> None:
        """Write every entry of `layers`, of the net or of a block, into the flat list."""
        items = [item if isinstance(item, Mapping) else self.replaced(item, frame.scope, frame.via) for item in items]
        for item in items:
            frame.own.update(self.names_in(item, frame))
        seen: dict[str, tuple[Place, _What]] = {}
        for item in items:
            self.look_at(item)
            if not isinstance(item, Mapping):
                self.layers.append(item)
                continue
            item = self.unedited(item, frame)
            if not item.items.keys().isdisjoint(("block", "repeat", "when")):
                self.expanded(item, frame, seen)
                continue
            node = self.replaced(item, frame.scope, frame.via)
            assert isinstance(node, Mapping)
            self.once(node.items.get("name"), "layer", seen)
            top = node.items.get("top")
            for one in top.items if isinstance(top, Items) else (top,):
                self.once(one, "top", seen)
            self.layer(node, frame)

    def look_at(self, item: Node) -> None:
        """Count an entry, or a copy of one. Raises Stop where there are too many, or more mistakes than are said."""
        self.seen += 1
        if self.seen > MAX_ENTRIES:
            self.found.add(TooLargeError(f"more than {MAX_ENTRIES:,} layers, instances and repeats", at=item.at))
            raise Stop
        if self.found.more:
            raise Stop

    def unedited(self, item: Mapping, frame: _Frame) -> Mapping:
        """An entry without the words that edit a parent's layers: they are an error in what extends nothing."""
        for key in EDITS:
            if key in item.items:
                help = "it edits a layer of the net that this one `extends`; this net extends none"
                self.found.add(
                    BadBlockError(f"`{key}` has no meaning here", at=self.here(item.keys[key], frame), help=help)
                )
                item = item.without(key)
        return item

    def once(self, name: Node | None, what: _What, seen: dict[str, tuple[Place, _What]]) -> bool:
        """Whether a name is new, or may be said again: two plain layers of one name are the schema's to refuse."""
        if not isinstance(name, Scalar) or not isinstance(name.value, str) or isinstance(name, Blob):
            return True
        if name.value not in seen:
            seen[name.value] = name.at, what
            return True
        first, before = seen[name.value]
        if "instance" not in {before, what} or what == "top":
            return True
        text = (
            f"a second entry is called '{name.value}'" if before != "top" else f"there is a blob '{name.value}' already"
        )
        self.found.add(
            DuplicateNameError(
                text, at=name.at, related=[("the first one:" if before != "top" else "it is written here:", first)]
            )
        )
        return False

    def names_in(self, item: Node, frame: _Frame) -> Iterator[str]:
        """The names that an entry gives to blobs of its frame."""
        if not isinstance(item, Mapping):
            return
        for key in ("name", "top"):
            node = item.items.get(key)
            for each in node.items if isinstance(node, Items) else (node,):
                if isinstance(each, Scalar) and isinstance(each.value, str):
                    text = self.replaced(each, frame.scope, None, quiet=True) if "$" in each.value else each
                    if isinstance(text, Scalar) and isinstance(text.value, str) and not isinstance(text, Blob):
                        yield text.value

    def expanded(self, item: Mapping, frame: _Frame, seen: dict[str, tuple[Place, _What]]) -> None:
        """An entry with `block`, `repeat` or `when`: as many instances or copies as it says, each reading the one before."""
        name, wanted, number = self.named(item, frame, seen), self.when(item, frame), self.repeat(item, frame)
        if name is None or wanted is None or number is None:
            return
        begin, item, number = self.above, item.without("when"), number if wanted else 0
        for count in range(number):
            self.look_at(item)
            scope, copied, counted = frame.scope, item, Scalar(count, item.at)
            if "repeat" in item.items:
                scope = Scope({"i": counted}, frame.scope)
                copied = item.without("repeat")
                if count and self.above is not None:
                    copied = _after_first(copied, Blob(self.above, self.here(item.items["repeat"].at, frame)))
            within = replace(frame, scope=scope)
            called = f"{name}/{count}" if "repeat" in item.items else name
            if "block" in item.items:
                self.instance(copied, called, within, counted)
            else:
                repeated = item.items["repeat"].at if "repeat" in item.items else None
                node = self.replaced(
                    copied, scope, frame.via or repeated, "expanded from" if frame.via else "repeated by"
                )
                assert isinstance(node, Mapping)
                self.layer(node.with_item("name", Scalar(called, node.items["name"].at), node.keys["name"]), within)
            if self.above is not None:
                frame.answers[called] = self.above
        if number == 0:
            self.above = self.first_bottom(item, frame) or begin
        if self.above is not None:
            frame.answers[name] = self.above

    def named(self, item: Mapping, frame: _Frame, seen: dict[str, tuple[Place, _What]]) -> str | None:
        """The name of an entry with `block`, `repeat` or `when`."""
        node = self.replaced(item.items.get("name", Scalar(None, item.at)), frame.scope, frame.via)
        if isinstance(node, Wrong):
            return None
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
            key = next(key for key in ("block", "repeat", "when") if key in item.items)
            at = node.at if "name" in item.items else self.here(item.keys[key], frame)
            help = {
                "block": "its layers are called name/...",
                "repeat": "its copies are called name/0, name/1, ...",
            }.get(key)
            self.found.add(BadBlockError(f"an entry with `{key}` needs a `name`, a word", at=at, help=help))
            return None
        return node.value if self.once(node, "instance", seen) else None

    def when(self, item: Mapping, frame: _Frame) -> bool | None:
        """Whether an entry takes part."""
        if "when" not in item.items:
            return True
        node = self.replaced(item.items["when"], frame.scope, frame.via)
        if isinstance(node, Wrong):
            return None
        if not isinstance(node, Scalar) or not isinstance(node.value, bool):
            help = "like `when: $(i == 0)`; what is left out of one phase says `include: {phase: TEST}`"
            self.found.add(RepeatError(f"`when` must be true or false, not {describe(node)}", at=node.at, help=help))
            return None
        return node.value

    def repeat(self, item: Mapping, frame: _Frame) -> int | None:
        """How often an entry stands in the net."""
        if "repeat" not in item.items:
            return 1
        node = self.replaced(item.items["repeat"], frame.scope, frame.via)
        if isinstance(node, Wrong):
            return None
        number = node.value if isinstance(node, Scalar) else None
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            help = (
                "whole numbers are divided by //"
                if isinstance(number, float)
                else "like `repeat: 3`; inside, $i counts from 0"
            )
            if isinstance(number, str) and number.isdigit():
                help = "write it without quotes"
            self.found.add(
                RepeatError(f"`repeat` must be a whole number, 0 or more, not {describe(node)}", at=node.at, help=help)
            )
            return None
        if number > MAX_LAYERS:
            text = f"a net has at most {MAX_LAYERS:,} layers, not {number:,} copies of one"
            self.found.add(TooLargeError(text, at=node.at))
            raise Stop
        return number

    def first_bottom(self, item: Mapping, frame: _Frame) -> str | None:
        """The full name of the first bottom that an entry gives."""
        if "bottom" not in item.items:
            return None
        node = self.replaced(item.items["bottom"], frame.scope, None, quiet=True)
        first = node.items[0] if isinstance(node, Items) and node.items else node
        if not isinstance(first, Scalar) or not isinstance(first.value, str):
            return None
        return first.value if isinstance(first, Blob) else frame.resolve(first.value)

    def here(self, place: Place, frame: _Frame) -> Place:
        """A place in a block's text, as the frame's instance brought it into the net."""
        return place.brought(frame.via, "expanded from") if frame.via else place

    # --- blocks ---

    def instance(self, item: Mapping, name: str, frame: _Frame, count: Scalar) -> None:
        """The layers of a block, for one instance of it; `count` is its `$i`."""
        node = self.replaced(item.items["block"], frame.scope, frame.via)
        block = self.block_of(node, frame)
        if block is None:
            return
        word, at = str(node.value), node.at  # type: ignore[union-attr]
        strange = [key for key in item.keys if key not in _INSTANCE]
        for key in strange:
            self.found.add(self.unknown_key(key, word, name, block, self.here(item.keys[key], frame)))
        given = self.arguments(item, word, block, frame, at, strange)
        bottoms = self.bottoms(item, frame)
        if (
            isinstance(bottoms, Items)
            and len(bottoms.items) > 1
            and not any("bottoms" in text for text in texts(block))
        ):
            help = f"block '{word}' reads $bottom, the first; a block that reads several says $bottoms or $(bottoms[1])"
            self.found.add(
                BadBlockError(f"block '{word}' reads one blob, not {len(bottoms.items)}", at=bottoms.at, help=help)
            )
            return
        if given is None or strange or isinstance(bottoms, Wrong):
            return
        given["bottoms"] = bottoms
        for bottom in bottoms.items[:1]:
            given["bottom"] = bottom
            self.above, self.asked = str(bottom.plain()), bottom.at if "bottom" in item.items else None
        given.setdefault("i", count)
        declared = block.items.get("vars")
        scope = Scope(dict(declared.items) if isinstance(declared, Mapping) else {}, self.top, at, frame.scope)
        scope.given = given
        for variable in scope.written:
            self.variable(scope, variable)
        inner = _Frame(
            scope, f"{frame.prefix}{name}/", frame, at, blocks=(*frame.blocks, word), rules=dict(frame.rules)
        )
        for key in ("include", "exclude"):
            if key in item.items:
                self.ruled_once(frame, self.here(item.keys[key], frame), "the block's instance")
                inner.rules[key] = (
                    self.here(item.keys[key], frame),
                    self.replaced(item.items[key], frame.scope, frame.via),
                )
        layers = block.items["layers"]
        assert isinstance(layers, Items)
        self.entries(layers.items, inner)
        frame.answers.update({f"{name}/{answer}": blob for answer, blob in inner.answers.items()})

    def block_of(self, node: Node, frame: _Frame) -> Mapping | None:
        """The block that an instance names."""
        word = node.value if isinstance(node, Scalar) else None
        if isinstance(node, Wrong):
            return None
        if not isinstance(word, str):
            text = f"`block` names a block, not {describe(node)}"
            self.found.add(BadBlockError(text, at=node.at, help="like `block: bottleneck`"))
            return None
        if word not in self.blocks:
            if not self.blind:
                help = self.near(word, self.blocks) if self.blocks else "describe it under `blocks:`"
                self.found.add(UnknownBlockError(f"there is no block '{word}'", at=node.at, help=help))
            return None
        if word in frame.blocks:
            cycle = " -> ".join([*frame.blocks[frame.blocks.index(word) :], word])
            self.found.add(
                BlockCycleError(f"block '{word}' uses itself: {cycle}", at=node.at, help="a net cannot be endless")
            )
            raise Stop
        if len(frame.blocks) >= MAX_NESTED:
            self.found.add(TooLargeError(f"more than {MAX_NESTED} blocks inside one another", at=node.at))
            raise Stop
        return self.blocks[word]

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
        elif near := meant(key, _INSTANCE):
            help = f"did you mean '{near}'?"
        else:
            help = "a block hands values to its layers through its `vars`"
        return BadBlockError(f"an instance of block '{word}' has no key `{key}`", at=at, help=help)

    def arguments(
        self, item: Mapping, word: str, block: Mapping, frame: _Frame, at: Place, strange: Iterable[str]
    ) -> dict[str, Node] | None:
        """The variables that an instance gives, worked out where it stands; `strange` are keys that no instance has."""
        declared, table = block.items.get("vars"), item.items.get("vars")
        wanted = self.mapping(declared, "vars", "{width: 64}")
        self.spend(len(wanted), at)
        given: dict[str, Node] = {}
        sound = table is None or isinstance(table, Mapping) or is_nothing(table)
        excused: set[str | None] = set(strange) if sound else set(wanted)
        for name, node in self.mapping(table, "vars", "{width: 64}").items():
            if name not in wanted:
                excused.add(None if self.found.enough else nearest(name, wanted))
                help = self.near(name, wanted) if wanted else f"block '{word}' has no `vars:`"
                place = self.here(table.keys[name], frame)  # type: ignore[union-attr]
                self.found.add(MissingVariableError(f"block '{word}' has no variable '{name}'", at=place, help=help))
                sound = False
            given[name] = self.replaced(node, frame.scope, frame.via)
        for name, node in wanted.items():
            if is_nothing(node) and is_nothing(given.get(name)) and name not in excused:
                related = [(f"'{name}' has no value of its own here:", declared.keys[name])]  # type: ignore[union-attr]
                text = f"the instance of block '{word}' does not give its variable '{name}'"
                self.found.add(MissingVariableError(text, at=at, help=f"like `vars: {{{name}: ...}}`", related=related))
                sound = False
        return given if sound else None

    def bottoms(self, item: Mapping, frame: _Frame) -> Items | Wrong:
        """The blobs that an instance reads: those it names, or what is written above it."""
        node, at = item.items.get("bottom"), self.here(item.items["block"].at, frame)
        if node is None:
            return Items(() if self.above is None else (Blob(self.above, at),), at)
        node = self.resolved(self.replaced(node, frame.scope, frame.via), frame)
        items = node.items if isinstance(node, Items) else (node,)
        wrong = next((one for one in items if isinstance(one, Wrong)), None)
        if wrong is None and (not items or not all(isinstance(one, Blob) for one in items)):
            self.found.add(
                BadBlockError(
                    "`bottom` of an instance names the blobs it reads", at=node.at, help="like `bottom: pool1`"
                )
            )
        return (
            Items(tuple(items), node.at)
            if items and all(isinstance(one, Blob) for one in items)
            else wrong or Wrong(None, node.at)
        )

    def ruled_once(self, frame: _Frame, at: Place, what: str) -> None:
        """Refuse an include or exclude rule of a layer or an instance where the instance it belongs to has one."""
        if frame.rules:
            place, _ = next(iter(frame.rules.values()))
            text = f"{what} and the instance of the block it stands in both say when it takes part"
            self.found.add(
                BadBlockError(
                    text, at=at, related=[("the instance says it here:", place)], help="say it in one of them"
                )
            )

    # --- layers ---

    def layer(self, node: Mapping, frame: _Frame) -> None:
        """Write one layer: defaults under its fields, its names and blobs in full."""
        items, keys = dict(node.items), dict(node.keys)
        name, word = items.get("name"), items.get("type")
        if isinstance(name, Scalar) and isinstance(name.value, str) and frame.prefix:
            items["name"] = Scalar(frame.prefix + name.value, name.at)
        cls = _class_of(word)
        if isinstance(word, Scalar) and isinstance(word.value, str):
            if word.value in self.defaults:
                self.merge(self.defaults[word.value], items, keys, name.at if isinstance(name, Scalar) else node.at)
            elif cls is None and word.value in self.blocks:
                text = f"'{word.value}' is a block, not a layer type"
                self.found.add(BadBlockError(text, at=word.at, help=f"write `block: {word.value}`"))
        if "bottom" in items:
            items["bottom"] = self.resolved(items["bottom"], frame)
        elif self.above is not None and self.above != self.flat and (cls is None or cls.bottoms.most != 0):
            at = self.asked or (name.at if isinstance(name, Scalar) else node.at)
            items["bottom"], keys["bottom"] = Scalar(self.above, at), at
        if "top" in items:
            items["top"] = self.written(items["top"], frame)
        if frame.rules and ("include" in items or "exclude" in items):
            self.ruled_once(frame, keys["include" if "include" in items else "exclude"], "the layer")
        else:
            for key, (place, rule) in frame.rules.items():
                items[key], keys[key] = rule, place
        said = {key: value for key, value in items.items() if not (is_nothing(value) and _optional(cls, key))}
        flat = Mapping(said, {key: keys[key] for key in said}, node.at)
        self.count(flat, node.at)
        self.layers.append(flat)
        if len(self.layers) > MAX_LAYERS:
            self.found.add(
                TooLargeError(f"more than {MAX_LAYERS:,} layers once blocks and repeats are expanded", at=node.at)
            )
            raise Stop
        self.flat = self.above = _first_top(flat, cls) or self.flat
        self.asked = None

    def merge(self, defaults: Mapping, items: dict[str, Node], keys: dict[str, Place], at: Place) -> None:
        """Give a layer the defaults of its type under what it says itself."""
        self.spend(self.measure(defaults)[0], at)
        for key, value in defaults.items.items():
            if key not in items:
                items[key], keys[key] = moved(value, at, "merged into"), defaults.keys[key].brought(at, "merged into")

    def resolved(self, node: Node, frame: _Frame) -> Node:
        """A bottom's names in full."""
        if isinstance(node, Items):
            return Items(tuple([self.resolved(item, frame) for item in node.items]), node.at)
        if isinstance(node, Scalar) and isinstance(node.value, str) and not isinstance(node, Blob):
            return Blob(frame.resolve(node.value), node.at)
        return node

    def written(self, node: Node, frame: _Frame) -> Node:
        """A top's names in full; that of an instance is its last top, as in bottoms."""
        if isinstance(node, Items):
            return Items(tuple([self.written(item, frame) for item in node.items]), node.at)
        if isinstance(node, Scalar) and isinstance(node.value, str) and not isinstance(node, Blob):
            return Blob(frame.answers.get(node.value, frame.prefix + node.value), node.at)
        return node


def _after_first(item: Mapping, blob: Blob) -> Mapping:
    """A repeated entry from its second copy on: its first bottom is what the copy before gives."""
    node = item.items.get("bottom")
    if node is None:
        return item
    rest = node.items[1:] if isinstance(node, Items) else ()
    return item.with_item("bottom", Items((blob, *rest), node.at), item.keys["bottom"])


def _class_of(word: Node | None) -> type[Layer] | None:
    try:
        return LAYERS.get(word.value) if isinstance(word, Scalar) and isinstance(word.value, str) else None
    except UnknownWord:
        return None


def _optional(cls: type[Layer] | None, key: str) -> bool:
    """Whether `key: ~` is as if the field were not written: where it may be left out."""
    info = cls.model_fields.get(key) if cls is not None else None
    return info is not None and not info.is_required()


def _first_top(layer: Mapping, cls: type[Layer] | None) -> str | None:
    """The first blob that a flat layer writes."""
    node = layer.items.get("top")
    if node is None and (cls is None or (cls.tops.least <= 1 and cls.tops.most != 0)):
        node = layer.items.get("name")
    first = node.items[0] if isinstance(node, Items) and node.items else node
    return first.value if isinstance(first, Scalar) and isinstance(first.value, str) else None
