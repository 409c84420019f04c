"""netspec's own source as values: its modules, their trees and what they import. For the tests of the architecture."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "netspec"


@dataclass(frozen=True)
class Module:
    """A file of the package."""

    path: Path

    @property
    def name(self) -> str:
        """netspec.core.shape; a package is named without `__init__`."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        """The package that it stands in, itself if it is one."""
        return self.name if self.path.stem == "__init__" else self.name.rpartition(".")[0]

    @cached_property
    def text(self) -> str:
        """Its source."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax tree."""
        return ast.parse(self.text)

    @property
    def doc(self) -> str:
        """Its docstring."""
        return ast.get_docstring(self.tree) or ""


def modules() -> list[Module]:
    """Every file of the package, bundled data left out."""
    return [Module(path) for path in sorted(PACKAGE.rglob("*.py")) if "bundled" not in path.parts]


def imported(module: Module) -> Iterator[tuple[str, str]]:
    """(module, name) of all that a file imports from netspec, in functions too; of a whole module (module, "")."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.startswith("netspec"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("netspec"):
            yield from ((node.module or "", alias.name) for alias in node.names)


def judge(found: dict[str, int], debt: dict[str, int], what: str) -> None:
    """Fail for an offender that `debt` does not name or that grew, and for a debt that is paid but still named."""
    print(*(f"debt: {what}: {name} ({size})" for name, size in sorted(found.items())), sep="\n")  # noqa: T201
    grown = {name: size for name, size in found.items() if size > debt.get(name, 0)}
    paid = debt.keys() - found.keys()
    assert not grown, f"{what}: {grown}"
    assert not paid, f"paid, so take it off the list of debt: {sorted(paid)}"
