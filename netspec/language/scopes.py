"""Scopes: the variables that are visible at a place, and the nodes that stand for blobs and for reported mistakes."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.core.errors import SpecError
from netspec.core.nodes import Mapping, Node, Scalar
from netspec.core.nodes import Sequence as Items
from netspec.core.places import Place

OWN = {"i": "the count of a repeat", "bottom": "what an instance reads", "bottoms": "all that an instance reads"}
"""Variables that netspec sets, so that `vars` may not, and their meanings."""


class UnknownVariableError(SpecError):
    """`$x` is used, but no `vars:` gives x."""

    code = "NS120"


class BadVariableError(SpecError):
    """A variable holds a value that cannot stand where it is used, or is defined by itself."""

    code = "NS121"


class ExpressionError(SpecError):
    """The expression in a `$(...)` cannot be parsed or evaluated."""

    code = "NS122"


class Stop(Exception):
    """The net is too large or recursive, or the mistakes are too many: expansion ends here."""


@dataclass(frozen=True, slots=True)
class BlobName(Scalar):
    """The full name of a blob: unlike a name in the file, it is not looked up in the block around it."""


class FullName(str):
    """The full name of a blob, as a value inside expressions."""


@dataclass(frozen=True, slots=True)
class Wrong(Scalar):
    """Stands for a value whose mistake is reported already: what depends on it is not checked."""


class Scope:
    """Variables by name; a name that is missing here is looked up in `outer`.

    `written` holds unevaluated nodes, `given` values. A value is computed when it is first needed, so that variables
    may use one another in any order.
    """

    def __init__(
        self,
        written: dict[str, Node],
        outer: Scope | None = None,
        via: Place | None = None,
        around: Scope | None = None,
    ) -> None:
        self.written, self.outer = written, outer
        self.via, self.around = via, around
        """For a block's variables: the place of the instance, and the scope around the instance."""
        self.given: dict[str, Node] = {}

    def holder(self, name: str) -> Scope | None:
        """The innermost scope that has the variable; None if no scope has it."""
        scope: Scope | None = self
        while scope is not None and name not in scope.given and name not in scope.written:
            scope = scope.outer
        return scope

    def names(self) -> set[str]:
        """Every variable that can be named here."""
        return {*self.written, *self.given, *(self.outer.names() if self.outer else ())}


def is_nothing(node: Node | None) -> bool:
    """Whether a node is missing or `~`; a Wrong, whose mistake is reported already, is neither."""
    return node is None or (isinstance(node, Scalar) and node.value is None and not isinstance(node, Wrong))


def moved(node: Node, via: Place, how: str) -> Node:
    """A copy of a node whose places say that `via` brought it into the spec; `how` is the verb shown in errors."""
    if isinstance(node, Scalar):
        return Scalar(node.value, node.at.brought(via, how), node.quoted)
    if isinstance(node, Items):
        return Items(tuple([moved(item, via, how) for item in node.items]), node.at.brought(via, how))
    items = {key: moved(item, via, how) for key, item in node.items.items()}
    return Mapping(items, {key: at.brought(via, how) for key, at in node.keys.items()}, node.at.brought(via, how))
