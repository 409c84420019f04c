"""Scopes: which variables have which values where, and what stands for a name that cannot be worked out."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.core.errors import SpecError
from netspec.core.nodes import Mapping, Node, Scalar
from netspec.core.nodes import Sequence as Items
from netspec.core.places import Place

OWN = {"i": "the count of a repeat", "bottom": "what an instance reads", "bottoms": "all that an instance reads"}
"""Variables that are not the user's to give."""


class UnknownVariableError(SpecError):
    """`$x` is used, but no `vars:` gives x."""

    code = "NS120"


class BadVariableError(SpecError):
    """A variable holds something that cannot stand where it is used, or is given by itself."""

    code = "NS121"


class ExpressionError(SpecError):
    """What stands in `$(...)` cannot be read or carried out."""

    code = "NS122"


class Stop(Exception):
    """The net grew beyond all bounds: nothing more is looked at."""


@dataclass(frozen=True, slots=True)
class Blob(Scalar):
    """The full name of a blob: unlike a name that is written, it is not looked up in the block it stands in."""


class FullName(str):
    """The full name of a blob as a value of expressions."""


@dataclass(frozen=True, slots=True)
class Wrong(Scalar):
    """Stands where a mistake was made that is told already: what depends on it is not judged."""


class Scope:
    """Variables by name, given on demand, so that they may name one another in any order; what is not here is asked of `outer`."""

    def __init__(
        self,
        written: dict[str, Node],
        outer: Scope | None = None,
        via: Place | None = None,
        around: Scope | None = None,
    ) -> None:
        self.written, self.outer = written, outer
        self.via, self.around = via, around
        """For a block's variables: the instance that they are worked out for, and the variables where it stands."""
        self.given: dict[str, Node] = {}

    def holder(self, name: str) -> Scope | None:
        """The nearest scope that has a variable."""
        scope: Scope | None = self
        while scope is not None and name not in scope.given and name not in scope.written:
            scope = scope.outer
        return scope

    def names(self) -> set[str]:
        """Every variable that can be named here."""
        return {*self.written, *self.given, *(self.outer.names() if self.outer else ())}


def is_nothing(node: Node | None) -> bool:
    """Whether a node is left out, or `~`; a mistake that is told already is not."""
    return node is None or (isinstance(node, Scalar) and node.value is None and not isinstance(node, Wrong))


def moved(node: Node, via: Place, how: str) -> Node:
    """A node as `via` brought it into the spec."""
    if isinstance(node, Scalar):
        return Scalar(node.value, node.at.brought(via, how), node.quoted)
    if isinstance(node, Items):
        return Items(tuple([moved(item, via, how) for item in node.items]), node.at.brought(via, how))
    items = {key: moved(item, via, how) for key, item in node.items.items()}
    return Mapping(items, {key: at.brought(via, how) for key, at in node.keys.items()}, node.at.brought(via, how))
