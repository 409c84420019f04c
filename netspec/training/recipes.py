"""Recipes: which of the zoo's solvers run as they stand, and the scores that they reached."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.core import locate
from netspec.core.errors import Findings
from netspec.language.expand import expand
from netspec.language.extend import open_spec
from netspec.training.spec import solver_spec


@dataclass(frozen=True)
class Recipe:
    """A solver of the zoo: its data, "bundled" where it runs as it stands, else the sources it needs; its scores."""

    solver: str
    data: str
    reached: dict[str, float]

    @property
    def bundled(self) -> bool:
        """Whether it runs as it stands."""
        return self.data == BUNDLED


BUNDLED = "bundled"


def recipe(name: str) -> Recipe:
    """The recipe of a solver's zoo name. Raises every mistake in its file."""
    found = Findings()
    document = expand(open_spec(str(locate.names("solvers")[name]), "solvers"), [], apart="net")
    spec = solver_spec(document, found)
    found.raise_if_any()
    assert spec is not None
    sources = [feed.source for feed in (spec.data.train, *spec.data.scored.values()) if feed is not None]
    needed = dict.fromkeys(type(source).__name__ for source in sources if not source.bundled)
    return Recipe(name, " ".join(needed) or BUNDLED, spec.reached)
