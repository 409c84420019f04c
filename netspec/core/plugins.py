"""Plug-ins: members of rooms that installed packages offer by entry points. They are listed without being imported.

The entry-point group of a room is named after its folder (`netspec.layers`). The name of the entry point is the word
that selects the member in YAML.
"""

from __future__ import annotations

import os
import traceback
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from netspec.core.errors import MachineError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

HELP = "mend or uninstall the package; NETSPEC_PLUGINS=off leaves all plug-ins out"


class PluginError(MachineError):
    """An installed package offers a member that cannot be taken in."""

    code = "NS011"


@dataclass(frozen=True)
class Offer:
    """A word that an installed package offers, and the entry point that its class is imported from."""

    word: str
    package: str
    entry: EntryPoint = field(repr=False)


def offers(group: str, kind: str) -> dict[str, Offer]:
    """Offers of installed packages to a room, by word. Raises PluginError when two packages offer the same word."""
    if os.environ.get("NETSPEC_PLUGINS") == "off":
        return {}
    from importlib.metadata import entry_points

    found: dict[str, Offer] = {}
    for entry in entry_points(group=group):
        offer = Offer(entry.name, entry.dist.name if entry.dist else entry.module, entry)
        other = found.setdefault(entry.name, offer)
        if (other.package, other.entry.value) != (offer.package, entry.value):
            one, two = sorted((other.package, offer.package))
            text = f"the packages '{one}' and '{two}' both offer the {kind} '{entry.name}'"
            raise PluginError(text, help=f"uninstall one of the two; {HELP.partition('; ')[2]}")
    return found


def load(offer: Offer, base: type[Any], kind: str) -> type[Any]:
    """Import the class behind an offer. Raises PluginError."""
    said = f"the package '{offer.package}' offers the {kind} '{offer.word}', but '{offer.entry.value}'"
    try:
        member = offer.entry.load()
        if not isinstance(member, type) or not issubclass(member, base):
            raise PluginError(f"{said} is no {base.__name__}", help=HELP)
        complete(member)
    except PluginError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{said} cannot be imported: {reason(error)}", help=HELP) from None
    return member


def module(word: str) -> ModuleType | None:
    """The module that an installed package offers under a word in the group `netspec.modules`. Raises PluginError."""
    offer = offers("netspec.modules", "module").get(word)
    if offer is None:
        return None
    said = f"the package '{offer.package}' offers the module '{word}', but '{offer.entry.value}'"
    try:
        found = offer.entry.load()
    except (Exception, SystemExit) as error:
        raise PluginError(f"{said} cannot be imported: {reason(error)}", help=HELP) from None
    if not isinstance(found, ModuleType):
        raise PluginError(f"{said} is no module", help=HELP)
    return found


def complete(member: type[Any]) -> None:
    """Let pydantic build a class now, so that a faulty field is reported when the class is loaded."""
    rebuild = getattr(member, "model_rebuild", None)
    if rebuild is not None:
        rebuild()


def reason(error: BaseException, known: str = "") -> str:
    """An exception in one line: its class, the first line of its text, its origin unless that is the file `known`."""
    first = str(error).strip().partition("\n")[0]
    text = f"{type(error).__name__}: {first}" if first else type(error).__name__
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen")]
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames and frames[-1].filename != known else text
