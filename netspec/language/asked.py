"""The state that a command line asks for: stages and a level, which `include` and `exclude` rules of layers see."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.core.errors import UsageError
from netspec.core.model import listed
from netspec.core.nodes import Document, Mapping, Scalar
from netspec.core.nodes import Sequence as Items
from netspec.core.places import COMMAND_LINE, Place, SourceText
from netspec.core.spelling import suggest
from netspec.language.scopes import is_nothing


class UnknownStageError(UsageError):
    """The command line asks for a stage that no layer of the net names, although layers name others."""

    code = "NS018"


@dataclass(frozen=True)
class AskedState:
    """Stages and a level that a command line asks for. As in Caffe, a solver's stages stay, and its level gives way."""

    stages: tuple[str, ...] = ()
    level: int | None = None

    def checked(self, net: Document) -> Document:
        """A flat net, unless its layers name stages and none of them is asked for. Raises UnknownStageError."""
        named = _stages(net)
        for stage in self.stages if named else ():
            if stage not in named:
                text, at = f"no layer of the net names the stage '{stage}'", _typed("--net-stage", stage).at
                raise UnknownStageError(text, at=at, help=suggest(stage, named))
        return net

    def added_to(self, root: Mapping) -> Mapping:
        """A solver's root with these stages behind its own, and this level in place of its own."""
        before = root.items.get("stage")
        if self.stages and not isinstance(before, Mapping):
            kept = before.items if isinstance(before, Items) else (before,)
            held = tuple(node for node in kept if node is not None and not is_nothing(node))
            said = {node.value for node in held if isinstance(node, Scalar)}
            new = (_typed("--net-stage", stage) for stage in dict.fromkeys(self.stages) if stage not in said)
            items = (*held, *new)
            root = root.with_item("stage", Items(items, items[-1].at), root.keys.get("stage", items[-1].at))
        if self.level is not None:
            node = _typed("--net-level", self.level)
            root = root.with_item("level", node, node.at)
        return root


def _stages(net: Document) -> set[str]:
    """Every stage that a rule of a flat net's layers names."""
    layers = net.root.items.get("layers")
    found: set[str] = set()
    for layer in layers.items if isinstance(layers, Items) else ():
        for key in ("include", "exclude"):
            rules = listed(layer.value(key)) if isinstance(layer, Mapping) else None
            for rule in rules or ():
                for word in ("stage", "not_stage") if isinstance(rule, dict) else ():
                    found.update(str(stage) for stage in listed(rule.get(word)) or ())
    return found


def _typed(option: str, value: str | int) -> Scalar:
    """The value of an option, placed on the command line."""
    source = SourceText(COMMAND_LINE, f"{option} {value}")
    return Scalar(value, Place(source, 1, len(option) + 2, max(1, len(str(value)))), quoted=True)


NOTHING_ASKED = AskedState()
