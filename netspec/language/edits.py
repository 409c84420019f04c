"""Merge of a child's mapping over its parent's, key by key; layers by name, with edits of the parent's layers.

Replaced whole, not merged: a choice (`{type: X, ...}`), a list, a variable, and a block that has `layers`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Mapping, Node, Scalar, describe, texts
from netspec.core.nodes import Sequence as Items
from netspec.core.places import Place
from netspec.core.spelling import nearest, suggest
from netspec.language.words import EDITS, EDITS_ELSEWHERE


class EditError(SpecError):
    """An entry edits a layer that the parent lacks, or adds a layer without the keys that a layer needs."""

    code = "NS131"


def merged(parent: Mapping, child: Mapping, found: Findings) -> Mapping:
    """Merge a net or a solver over its parent.

    Layers are merged by name, also those of a net inside a solver; a variable is replaced whole; other keys one by one.
    """
    items = dict(parent.items)
    for key, node in child.items.items():
        before = parent.items.get(key)
        if key == "layers" and isinstance(before, Items) and isinstance(node, Items):
            items[key] = _Edited(before, found).by(node)
        elif _takes_back(node, before):
            del items[key]
        elif key not in {"net", "vars", "blocks", "defaults"}:
            items[key] = _value(before, node)
        elif not isinstance(before, Mapping) or not isinstance(node, Mapping):
            items[key] = node
        elif key == "net":
            items[key] = merged(before, node, found)
        elif key == "vars":
            _known_variables(parent, child, before, node, found)
            items[key] = _joined(before, node)
        else:
            items[key] = _over(before, node, whole="layers" if key == "blocks" else None)
    return _of(items, parent, child)


def _of(items: dict[str, Node], parent: Mapping, child: Mapping) -> Mapping:
    """A mapping of merged items; each key's place is the child's where the child has the key, else the parent's."""
    keys = {**parent.keys, **child.keys}
    return replace(parent, items=items, keys={key: keys[key] for key in items})


def _over(parent: Mapping, child: Mapping, whole: str | None = None) -> Mapping:
    """Merge `child` over `parent`, key by key; a value that has the key `whole` replaces the parent's."""
    items = dict(parent.items)
    for key, node in child.items.items():
        says = whole is not None and isinstance(node, Mapping) and whole in node.items
        before = items.get(key)
        if key != "vars" and _takes_back(node, parent.items.get(key)):
            del items[key]
        elif key == "vars" and isinstance(node, Mapping) and isinstance(before, Mapping):
            items[key] = _joined(before, node)
        else:
            items[key] = node if says else _value(parent.items.get(key), node)
    return _of(items, parent, child)


def _known_variables(parent: Mapping, child: Mapping, before: Mapping, node: Mapping, found: Findings) -> None:
    """Report the child's variables that the parent lacks and that no text uses: they are misspelled."""
    new = [name for name in node.items if name not in before.items]
    if not new:
        return
    used = {word for root in (parent, child) for text in texts(root) if "$" in text for word in _WORD.findall(text)}
    for name in new:
        if name not in used:
            help = None if found.enough else suggest(name, before.items)
            found.add(
                EditError(f"nothing uses a variable '{name}', and the parent has none", at=node.keys[name], help=help)
            )


_WORD = re.compile(r"[A-Za-z_]\w*")


def _takes_back(node: Node, before: Node | None) -> bool:
    """Whether the child's value is `~` and the parent has a value, which is then removed."""
    return before is not None and isinstance(node, Scalar) and node.value is None


def _joined(before: Mapping, node: Mapping) -> Mapping:
    """The parent's variables updated by the child's; here `~` is a value like any other."""
    return replace(before, items={**before.items, **node.items}, keys={**before.keys, **node.keys})


def _value(before: Node | None, node: Node) -> Node:
    """The child's value, merged with the parent's if both are mappings and the child's selects no other type."""
    if not isinstance(node, Mapping) or "type" in node.items or "block" in node.items:
        return node
    if isinstance(before, Scalar) and isinstance(before.value, str):
        before = Mapping({"type": before}, {"type": before.at}, before.at)  # `step` is {type: step}
    return _over(before, node) if isinstance(before, Mapping) else node


@dataclass(eq=False)
class _Link:
    """A layer as a node of a doubly linked list, which holds the order of the net."""

    node: Node
    before: _Link | None = None
    after: _Link | None = None
    last: _Link | None = None
    """The last layer that was inserted after this layer."""
    new: bool = False
    """Whether the child brings the layer."""
    called: str | None = None
    """The name by which edits find it."""


class _Edited:
    """A parent's layers, edited by a child's entries in order. A linked list keeps thousands of edits fast."""

    def __init__(self, layers: Items, found: Findings) -> None:
        self.found = found
        self.begin = self.end = _Link(Scalar(None, layers.at))
        self.named: dict[str, list[_Link]] = {}
        """The layers of each name: several where they take part in different phases."""
        for node in layers.items:
            self.put(node, self.end)

    def by(self, edits: Items) -> Items:
        """The parent's layers after all edits of the child."""
        for entry in edits.items:
            with self.found.catching():
                self.edit(entry)
        nodes, link = [], self.begin.after
        while link is not None:
            nodes.append(link.node)
            link = link.after
        return Items(tuple(nodes), edits.at)

    def edit(self, entry: Node) -> None:
        """Apply one entry of the child. Raises EditError."""
        if not isinstance(entry, Mapping):
            self.put(entry, self.end)
            return
        for key, at in entry.keys.items():
            if key not in EDITS and (key in EDITS_ELSEWHERE or key.startswith(("insert", "remov", "replac"))):
                word = EDITS_ELSEWHERE.get(key) or nearest(key, EDITS)
                raise EditError(f"no entry says `{key}`", at=at, help=f"did you mean '{word}'?" if word else None)
        said = [key for key in EDITS if key in entry.items]
        if len(said) > 1:
            raise EditError(
                f"`{said[0]}` and `{said[1]}` exclude each other",
                at=entry.keys[said[1]],
                help="one entry makes one change",
            )
        if said == ["remove"]:
            self.remove(entry)
            return
        if said:
            self.change(said[0], entry)
            return
        name, whole = _name(entry), "type" in entry.items or "block" in entry.items
        links = self.named.get(name, []) if name is not None else []
        if links and not (whole and links[0].new):  # the parent's come first
            link = self.only(links, entry.items["name"].at)
            assert isinstance(link.node, Mapping)
            link.node = self.over(link.node, entry, str(name))
        elif whole or name is None:
            self.put(entry, self.end, new=True)
        else:
            near = None if self.found.enough else nearest(name, self.named)
            help = f"did you mean '{near}'?" if near else "a new layer says its `type`"
            raise EditError(
                f"the net that this one extends has no layer '{name}'", at=entry.items["name"].at, help=help
            )

    def over(self, before: Mapping, entry: Mapping, name: str) -> Node:
        """The parent's layer updated by the fields of an entry. Raises EditError."""
        for key, other in (("type", "block"), ("block", "type")):
            if key in entry.items and (other in before.items or entry.value(key) != before.value(key)):
                was = f"{other} {before.value(other)}" if other in before.items else f"{key} {before.value(key)}"
                text = f"layer '{name}' of the net that this one extends is of {was}"
                related = [("it is written here:", before.items["name"].at)]
                help = f"to put another in its place say `replace: {name}`"
                raise EditError(text, at=entry.items[key].at, help=help, related=related)
        return replace(_over(before, entry), at=entry.at)

    def remove(self, entry: Mapping) -> None:
        """Remove the named layer or layers. Raises EditError."""
        node = entry.items["remove"]
        other = next((key for key in entry.keys if key != "remove"), None)
        if other is not None:
            help = f"like `- {{remove: {entry.value('remove')}}}`" if isinstance(node, Scalar) else None
            raise EditError("`remove` stands alone", at=entry.keys[other], help=help)
        for one in node.items if isinstance(node, Items) else (node,):
            with self.found.catching():
                for link in [*self.targets("remove", one)]:
                    self.cut(link)

    def change(self, word: str, entry: Mapping) -> None:
        """Insert a layer, or put it in the place of another. Raises EditError."""
        at = entry.items[word].at
        link = self.only(self.targets(word, entry.items[word]), at)
        target, new = str(_name(link.node)), entry.without(word)
        name = _name(new)
        if word == "replace":
            self.forget(link)
            link.node, link.new = new if "name" in new.items else _named(new, target, at), True
            self.call(link, _name(link.node) or target)
            return
        if name is None or not ("type" in new.items or "block" in new.items):
            lacks = "`type`" if name is not None else "`name` and a `type`"
            if name is None and ("type" in new.items or "block" in new.items):
                lacks = "`name`"
            help = f"like `{{{word}: {target}, name: bn1, type: BatchNorm}}`"
            raise EditError(f"a new layer needs a {lacks}", at=entry.keys[word], help=help)
        if name in self.named and new.items.keys().isdisjoint(("include", "exclude")):
            raise EditError(
                f"there is a layer '{name}' already", at=new.items["name"].at, help="give the new layer another name"
            )
        if word == "insert_before":
            self.put(new, link.before or self.begin, new=True)
        else:
            link.last = self.put(new, link.last if link.last and link.last.before else link, new=True)

    def only(self, links: list[_Link], at: Place) -> _Link:
        """The only one of the layers of a name. Raises EditError where there are several."""
        if len(links) > 1:
            name = _name(links[0].node)
            text = f"{len(links)} layers of the net that this one extends are called '{name}'"
            related = [(f"number {n}:", link.node.at) for n, link in enumerate(links[:4], 1)]
            help = f"`remove: {name}` takes all of them away; new ones may be written then"
            raise EditError(text, at=at, help=help, related=related)
        return links[0]

    def targets(self, word: str, node: Node) -> list[_Link]:
        """The layers of the name that an edit gives. Raises EditError."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            raise EditError(f"`{word}` names a layer, not {describe(node)}", at=node.at, help=f"like `{word}: conv1`")
        links = self.named.get(node.value)
        if links is None:
            raise EditError(
                f"the net that this one extends has no layer '{node.value}'", at=node.at, help=self.near(node.value)
            )
        return links

    def near(self, name: str) -> str | None:
        """A help line with the layer name nearest to `name`; None after many mistakes, since each search takes time."""
        return None if self.found.enough else suggest(name, self.named)

    def put(self, node: Node, before: _Link, new: bool = False) -> _Link:
        """Insert a node into the list behind a link; the link of it."""
        link = _Link(node, before, before.after, new=new)
        if before.after is not None:
            before.after.before = link
        else:
            self.end = link
        before.after = link
        name = _name(node)
        if name is not None:
            self.call(link, name)
        return link

    def cut(self, link: _Link) -> None:
        """Remove a link from the list."""
        before = link.before or self.begin
        before.after = link.after
        if link.after is not None:
            link.after.before = before
        else:
            self.end = before
        link.before = None
        self.forget(link)

    def call(self, link: _Link, name: str) -> None:
        """Let edits find a link by a name."""
        link.called = name
        self.named.setdefault(name, []).append(link)

    def forget(self, link: _Link) -> None:
        """Let no edit find a link."""
        assert link.called is not None
        links = self.named[link.called]
        links.remove(link)
        if not links:
            del self.named[link.called]


def _name(node: Node) -> str | None:
    name = node.items.get("name") if isinstance(node, Mapping) else None
    return name.value if isinstance(name, Scalar) and isinstance(name.value, str) else None


def _named(entry: Mapping, name: str, at: Place) -> Mapping:
    """A copy of an entry whose first key is `name`."""
    return replace(entry, items={"name": Scalar(name, at), **entry.items}, keys={"name": at, **entry.keys})
