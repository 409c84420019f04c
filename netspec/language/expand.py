"""Document to flat Document, before validation: applies overrides, variables, defaults, repeats and blocks.

`$x` and `$(expression)` become values (`variables.py`). A block's layers are named `instance/inner`, the copies of a
repeated entry `name/0`, `name/1`, ... The result is the net that one would write by hand without these tools;
expanding it again changes nothing. Every value keeps the place it was written at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Document, Mapping, Node, Scalar, describe, texts
from netspec.core.nodes import Sequence as Items
from netspec.core.places import Place
from netspec.core.spelling import nearest
from netspec.core.verify import verifying
from netspec.language.blocks import INSTANCE, BadBlockError, Blocks, Frame
from netspec.language.document import TooLargeError
from netspec.language.elsewhere import NET, key_help
from netspec.language.flat import MAX_LAYERS, FlatLayers
from netspec.language.override import Override, override, parse_override
from netspec.language.scopes import BlobName, Scope, Stop, Wrong
from netspec.language.variables import Variables
from netspec.language.words import EDITS, NET_FIELDS

TABLES = ("vars", "defaults", "blocks")
"""Keys of a net that expansion reads besides `layers`."""
MAX_ENTRIES = 3 * MAX_LAYERS // 2
"""Maximum number of entries that expansion visits, instances and copies included."""


class RepeatError(SpecError):
    """`repeat` is not a whole number from 0, or `when` is neither true nor false."""

    code = "NS127"


class UnknownTableError(SpecError):
    """A key of the net that is a misspelled `vars`, `defaults` or `blocks`."""

    code = "NS129"


class DuplicateNameError(SpecError):
    """Two layers of the same phase, level and stages have one name."""

    code = "NS208"


def expand(document: Document, overrides: Iterable[str | Override] = (), apart: str | None = None) -> Document:
    """Expand a document to a flat document. Raises every mistake found.

    Overrides are texts, or parsed for a document inside another. A mapping under the key `apart` stays as it is.
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


_What = Literal["layer", "instance", "top"]
"""Kind of thing that has a name; a repeated layer counts as an instance."""


class _Expander(Variables):
    """Expands one document; mistakes go to `found`."""

    def __init__(self, found: Findings) -> None:
        super().__init__(found)
        self.seen = 0
        """Number of entries of `layers` visited so far."""
        self.blocks = Blocks(self)
        self.flat = FlatLayers(self, self.blocks)

    def root(self, root: Mapping, apart: str | None) -> Mapping:
        """The root mapping of the flat document."""
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
        """Report misspelled names of tables, whose contents would be missed everywhere. True after any mistake."""
        known = {*TABLES, *NET_FIELDS}
        strange = (key for key in root.items if key not in known and key_help(key, NET) is None)
        wrong = {key: near for key in strange if (near := nearest(key, known)) in TABLES}
        for key, near in wrong.items():
            if near not in root.items:
                self.found.add(
                    UnknownTableError(f"the net has no key `{key}`", at=root.keys[key], help=f"did you mean '{near}'?")
                )
        return bool(self.found)

    # --- the net ---

    def net(self, root: Mapping) -> Node:
        """Expand the value of `layers` to the flat list of layers."""
        node = root.items["layers"]
        if isinstance(node, Scalar):
            node = self.replaced(node, self.top, None)
        self.flat.defaults.read(root.items.get("defaults"))
        self.blocks.read(root.items.get("blocks"))
        if not isinstance(node, Items):
            return node
        frame = Frame(self.top)
        self.entries(node.items, frame)
        return replace(node, items=tuple(self.flat.layers))

    def entries(self, items: Iterable[Node], frame: Frame) -> None:
        """Append every entry of `layers`, of the net or of a block, to the flat list."""
        items = [item if isinstance(item, Mapping) else self.replaced(item, frame.scope, frame.via) for item in items]
        for item in items:
            frame.own.update(self.names_in(item, frame))
        seen: dict[str, tuple[Place, _What]] = {}
        for item in items:
            self.look_at(item)
            if not isinstance(item, Mapping):
                self.flat.layers.append(item)
                continue
            item = self.unedited(item, frame)
            if not item.items.keys().isdisjoint(("block", "repeat", "when")):
                self.expanded(item, frame, seen)
                continue
            node = self.replaced(item, frame.scope, frame.via)
            self.once(node.items.get("name"), "layer", seen)
            top = node.items.get("top")
            for one in top.items if isinstance(top, Items) else (top,):
                self.once(one, "top", seen)
            self.flat.write(node, frame)

    def look_at(self, item: Node) -> None:
        """Count an entry or a copy of an entry. Raises Stop when entries or mistakes are too many."""
        self.seen += 1
        if self.seen > MAX_ENTRIES:
            self.found.add(TooLargeError(f"more than {MAX_ENTRIES:,} layers, instances and repeats", at=item.at))
            raise Stop
        if self.found.more:
            raise Stop

    def unedited(self, item: Mapping, frame: Frame) -> Mapping:
        """An entry without the keys that edit a parent's layers, each reported: the net extends no other."""
        for key in EDITS:
            if key in item.items:
                help = "it edits a layer of the net that this one `extends`; this net extends none"
                self.found.add(BadBlockError(f"`{key}` has no meaning here", at=frame.here(item.keys[key]), help=help))
                item = item.without(key)
        return item

    def once(self, name: Node | None, what: _What, seen: dict[str, tuple[Place, _What]]) -> bool:
        """Whether a name is new or may be repeated; else report it. Validation refuses equal names of plain layers."""
        if not isinstance(name, Scalar) or not isinstance(name.value, str) or isinstance(name, BlobName):
            return True
        if name.value not in seen:
            seen[name.value] = name.at, what
            return True
        first, before = seen[name.value]
        if "instance" not in {before, what} or what == "top":
            return True
        if before == "top":
            text, where = f"there is a blob '{name.value}' already", "it is written here:"
        else:
            text, where = f"a second entry is called '{name.value}'", "the first one:"
        self.found.add(DuplicateNameError(text, at=name.at, related=[(where, first)]))
        return False

    def names_in(self, item: Node, frame: Frame) -> Iterator[str]:
        """Names that an entry defines in its frame: its own and those of its tops."""
        if not isinstance(item, Mapping):
            return
        for key in ("name", "top"):
            node = item.items.get(key)
            for each in node.items if isinstance(node, Items) else (node,):
                if isinstance(each, Scalar) and isinstance(each.value, str):
                    text = self.replaced(each, frame.scope, None, quiet=True) if "$" in each.value else each
                    if isinstance(text, Scalar) and isinstance(text.value, str) and not isinstance(text, BlobName):
                        yield text.value

    def expanded(self, item: Mapping, frame: Frame, seen: dict[str, tuple[Place, _What]]) -> None:
        """Append the instances or copies that an entry with `block`, `repeat` or `when` stands for.

        The first bottom of each copy is the last top of the copy before.
        """
        name, wanted, number = self.named(item, frame, seen), self.when(item, frame), self.repeat(item, frame)
        if name is None or wanted is None or number is None:
            return
        begin, item, number = self.flat.above, item.without("when"), number if wanted else 0
        for count in range(number):
            self.look_at(item)
            scope, copied, counted = frame.scope, item, Scalar(count, item.at)
            if "repeat" in item.items:
                scope = Scope({"i": counted}, frame.scope)
                copied = item.without("repeat")
                if count and self.flat.above is not None:
                    copied = _after_first(copied, BlobName(self.flat.above, frame.here(item.items["repeat"].at)))
            within = replace(frame, scope=scope)
            called = f"{name}/{count}" if "repeat" in item.items else name
            if "block" in item.items:
                self.instance(copied, called, within, counted)
            else:
                repeated = item.items["repeat"].at if "repeat" in item.items else None
                how = "expanded from" if frame.via else "repeated by"
                node = self.replaced(copied, scope, frame.via or repeated, how)
                node = node.with_item("name", Scalar(called, node.items["name"].at), node.keys["name"])
                self.flat.write(node, within)
            if self.flat.above is not None:
                frame.answers[called] = self.flat.above
        if number == 0:
            self.flat.above = self.first_bottom(item, frame) or begin
        if self.flat.above is not None:
            frame.answers[name] = self.flat.above

    def named(self, item: Mapping, frame: Frame, seen: dict[str, tuple[Place, _What]]) -> str | None:
        """The name of an entry with `block`, `repeat` or `when`; None after an error."""
        node = self.replaced(item.items.get("name", Scalar(None, item.at)), frame.scope, frame.via)
        if isinstance(node, Wrong):
            return None
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or not node.value:
            key = next(key for key in ("block", "repeat", "when") if key in item.items)
            at = node.at if "name" in item.items else frame.here(item.keys[key])
            help = {
                "block": "its layers are called name/...",
                "repeat": "its copies are called name/0, name/1, ...",
            }.get(key)
            self.found.add(BadBlockError(f"an entry with `{key}` needs a `name`, a word", at=at, help=help))
            return None
        return node.value if self.once(node, "instance", seen) else None

    def when(self, item: Mapping, frame: Frame) -> bool | None:
        """The value of an entry's `when`: whether the entry is in the net. None after an error."""
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

    def repeat(self, item: Mapping, frame: Frame) -> int | None:
        """The value of an entry's `repeat`, 1 without it; None after an error."""
        if "repeat" not in item.items:
            return 1
        node = self.replaced(item.items["repeat"], frame.scope, frame.via)
        if isinstance(node, Wrong):
            return None
        number = node.value if isinstance(node, Scalar) else None
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            help = "like `repeat: 3`; inside, $i counts from 0"
            if isinstance(number, float):
                help = "whole numbers are divided by //"
            if isinstance(number, str) and number.isdigit():
                help = "write it without quotes"
            text = f"`repeat` must be a whole number, 0 or more, not {describe(node)}"
            self.found.add(RepeatError(text, at=node.at, help=help))
            return None
        if number > MAX_LAYERS:
            text = f"a net has at most {MAX_LAYERS:,} layers, not {number:,} copies of one"
            self.found.add(TooLargeError(text, at=node.at))
            raise Stop
        return number

    def first_bottom(self, item: Mapping, frame: Frame) -> str | None:
        """The full name of the first blob in an entry's `bottom`, if it has one."""
        if "bottom" not in item.items:
            return None
        node = self.replaced(item.items["bottom"], frame.scope, None, quiet=True)
        first = node.items[0] if isinstance(node, Items) and node.items else node
        if not isinstance(first, Scalar) or not isinstance(first.value, str):
            return None
        return first.value if isinstance(first, BlobName) else frame.resolve(first.value)

    # --- blocks ---

    def instance(self, item: Mapping, name: str, frame: Frame, count: Scalar) -> None:
        """Append the layers of a block for one instance; `count` is its `$i`."""
        node = self.replaced(item.items["block"], frame.scope, frame.via)
        named = self.blocks.of(node, frame)
        if named is None:
            return
        (word, block), at = named, node.at
        strange = [key for key in item.keys if key not in INSTANCE]
        for key in strange:
            self.found.add(self.blocks.unknown_key(key, word, name, block, frame.here(item.keys[key])))
        given = self.blocks.arguments(item, word, block, frame, at, strange)
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
            self.flat.above, self.flat.asked = str(bottom.plain()), bottom.at if "bottom" in item.items else None
        given.setdefault("i", count)
        declared = block.items.get("vars")
        scope = Scope(dict(declared.items) if isinstance(declared, Mapping) else {}, self.top, at, frame.scope)
        scope.given = given
        for variable in scope.written:
            self.variable(scope, variable)
        inner = Frame(scope, f"{frame.prefix}{name}/", frame, at, blocks=(*frame.blocks, word), rules=dict(frame.rules))
        for key in ("include", "exclude"):
            if key in item.items:
                frame.ruled_once(frame.here(item.keys[key]), "the block's instance", self.found)
                rule = self.replaced(item.items[key], frame.scope, frame.via)
                inner.rules[key] = (frame.here(item.keys[key]), rule)
        layers = block.items["layers"]
        assert isinstance(layers, Items)
        self.entries(layers.items, inner)
        frame.answers.update({f"{name}/{answer}": blob for answer, blob in inner.answers.items()})

    def bottoms(self, item: Mapping, frame: Frame) -> Items | Wrong:
        """The blobs that an instance reads: its `bottom`, else the first top of the layer above it."""
        node, at = item.items.get("bottom"), frame.here(item.items["block"].at)
        if node is None:
            return Items(() if self.flat.above is None else (BlobName(self.flat.above, at),), at)
        node = frame.bottoms(self.replaced(node, frame.scope, frame.via))
        items = node.items if isinstance(node, Items) else (node,)
        wrong = next((one for one in items if isinstance(one, Wrong)), None)
        if items and all(isinstance(one, BlobName) for one in items):
            return Items(tuple(items), node.at)
        if wrong is None:
            text = "`bottom` of an instance names the blobs it reads"
            self.found.add(BadBlockError(text, at=node.at, help="like `bottom: pool1`"))
        return wrong or Wrong(None, node.at)


def _after_first(item: Mapping, blob: BlobName) -> Mapping:
    """An entry for its second or a later copy: its first bottom is `blob`, the top of the copy before."""
    node = item.items.get("bottom")
    if node is None:
        return item
    rest = node.items[1:] if isinstance(node, Items) else ()
    return item.with_item("bottom", Items((blob, *rest), node.at), item.keys["bottom"])
