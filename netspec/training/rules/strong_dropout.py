"""StrongDropout: layers that drop nearly everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, Known, Rule
from netspec.training.rules.base_examples import product, solver


class StrongDropoutWarning(Caution):
    """A layer drops so much that hardly anything is left to learn from."""

    code = "NS812"


MOST = 0.9
"""Ratio from which hardly anything is left: one value of ten, which is multiplied by ten."""

FIELDS = ("dropout_ratio", "tau")


def _solver(ratio: float) -> dict[str, Any]:
    return solver([product("hidden"), {"name": "drop", "type": "Dropout", "dropout_ratio": ratio}])


class StrongDropout(Rule):
    """A dropout ratio of nine tenths or more."""

    finding: ClassVar[type[NetspecError]] = StrongDropoutWarning
    wrong: ClassVar[Example] = Example(_solver(0.95))
    fine: ClassVar[Example] = Example(_solver(0.5))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """One warning for each layer."""
        for node in known.learner.graph.nodes if known.learner is not None else ():
            field = next((name for name in FIELDS if name in type(node.layer).model_fields), None)
            if node.layer.purpose == "noise" and field is not None and (ratio := getattr(node.layer, field)) >= MOST:
                text = (
                    f"layer '{node.layer.name}' drops {ratio:.0%} of its values: {1 - ratio:.0%} are left to learn from"
                )
                help = f"`{field}: 0.5` is much already; it is the share that is dropped, not the one that is kept"
                yield StrongDropoutWarning(text, at=node.layer.place(field), help=help)
