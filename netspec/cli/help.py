"""Help pages: what a user may write, without the Python types that typer shows."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

PANELS = NETS, TRAINING, TRUST, EXCHANGE, HELP = (
    "Look at nets and solvers",
    "Train and test",
    "See a training and trust it",
    "Exchange with other programs",
    "Help",
)
"""The groups of commands, in the order of the help page."""


def example(text: str) -> str:
    """The end of a command's help page."""
    return f"Example: `{text}`"


class Command(TyperCommand):
    """A command whose help page names values as a user writes them."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, with a word for the value of each: NUMBER, or the words to choose from; flags have none."""
        return [_plain(each) for each in super().get_params(ctx)]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage line; brackets stand around what may be left out alone."""
        return [_usage(piece) for piece in super().collect_usage_pieces(ctx)]


class Group(TyperGroup):
    """A group of commands whose help page shows no types."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, none with a type."""
        return [_plain(each) for each in super().get_params(ctx)]

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, panel by panel: typer has groups of commands behind all commands."""
        panels = {name: getattr(command, "rich_help_panel", None) for name, command in self.commands.items()}
        return sorted(super().list_commands(ctx), key=lambda name: _rank(panels[name]))


def _rank(panel: Any) -> int:
    return PANELS.index(panel) if panel in PANELS else len(PANELS)


def _usage(piece: str) -> str:
    """An argument of the usage line: {SOLVER} -> SOLVER; one whose word has brackets or dots is written as it is."""
    found = re.fullmatch(r"([\[{])(.*)[\]}](\.\.\.)?", piece)
    if found is None:
        return piece
    bracket, word, dots = found.groups()
    if "..." in word or "[" in word:
        return word
    return word + (dots or "") if bracket == "{" else piece


def _plain(param: Any) -> Any:
    if isinstance(param, TyperArgument):
        param.display_type_rich = _nothing  # type: ignore[method-assign]
    elif isinstance(param, TyperOption) and param.metavar is None:
        param.metavar = "" if param.is_flag or param.count else _value(param)
    return param


def _value(option: TyperOption) -> str:
    """The word for an option's value."""
    described = option.type_descriptor
    if described.is_choice:
        return "|".join(str(getattr(choice, "value", choice)) for choice in described.choices or ())
    return "NUMBER" if described.is_ranged else str(option.name).upper()


def _nothing(ctx: Any) -> None:
    return None
