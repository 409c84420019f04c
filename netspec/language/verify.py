"""Verifier of flat documents: no key or variable for expansion is left, and every value has a place in a text."""

from __future__ import annotations

from netspec.core.nodes import Document, Mapping, Node, Scalar, Sequence
from netspec.core.places import Place, SourceText
from netspec.core.verify import Check
from netspec.language.scopes import Wrong

OF_A_DOCUMENT = frozenset({"vars", "defaults", "blocks", "extends"})
OF_A_LAYER = frozenset({"block", "repeat", "when", "insert_before", "insert_after", "replace", "remove"})
"""Keys that no flat document has: expansion, or the merge with the parent, removes them."""


def verify_flat(document: Document, apart: str | None = None) -> None:
    """Verify an expanded document, except for the mapping under the key `apart`. Raises InvariantError.

    A flat document expands to itself: no table, repeat, block or edit is left, and no text uses a variable.
    """
    check = Check(f"flat Document '{document.source.name}'")
    tables = {"vars"} if apart is not None else OF_A_DOCUMENT
    left = tables & document.root.items.keys()
    check(not left, f"still holds {', '.join(sorted(left))}")
    if apart is None:
        _layers(document.root.items.get("layers"), check)
    walk = _Walk(check)
    for key, node in document.root.items.items():
        if key != apart or not isinstance(node, Mapping):
            walk.visit(node)
    walk.table(document.root)


def _layers(node: Node | None, check: Check) -> None:
    """Check that no entry of `layers` stands for other layers."""
    for item in node.items if isinstance(node, Sequence) else ():
        if isinstance(item, Mapping):
            left, name = OF_A_LAYER & item.items.keys(), item.value("name")
            check(not left, f"still holds {', '.join(sorted(left))}", str(name))


class _Walk:
    """Checks every value of a document."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.escaped: dict[int, bool] = {}
        """Whether a SourceText, by its id, holds `$$`."""
        self.lines: dict[int, int] = {}

    def visit(self, node: Node) -> None:
        """Verify a value and all below it."""
        self.place(node.at)
        if isinstance(node, Scalar):
            self.check(not isinstance(node, Wrong), f"holds a value that could not be worked out, at {node.at}")
            if isinstance(node.value, str) and "$" in node.value:
                sources = [node.at.source, *(place.source for place in node.at.chain)]
                self.check(any(map(self.escapes, sources)), f"still holds '{node.value}', at {node.at}")
            return
        if isinstance(node, Mapping):
            self.table(node)
        for item in node.items.values() if isinstance(node, Mapping) else node.items:
            self.visit(item)

    def table(self, node: Mapping) -> None:
        """Check that every key of a mapping has a place."""
        self.check(node.items.keys() == node.keys.keys(), f"has keys without a place, at {node.at}")
        for at in node.keys.values():
            self.place(at)

    def place(self, at: Place) -> None:
        """Check that a place is a line and a column inside its text."""
        key = id(at.source)
        if key not in self.lines:
            self.lines[key] = len(at.source.text) and at.source.text.count("\n") + 1
        self.check(at.line >= 1 and at.column >= 1, f"has a value without a place, in '{at.source.name}'")
        # \r and Unicode line breaks end lines too; the count is right only for a text without them
        inside = at.line <= self.lines[key] or not at.source.text.isascii() or "\r" in at.source.text
        self.check(inside, f"has a value at line {at.line} of '{at.source.name}', which ends before")

    def escapes(self, source: SourceText) -> bool:
        """Whether a text holds `$$`, which becomes a dollar sign, or is Caffe's, where a dollar sign is one."""
        return self.escaped.setdefault(id(source), source.caffe or "$$" in source.text)
