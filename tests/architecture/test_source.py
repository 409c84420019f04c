"""Rules of the source: length of modules and functions, use of private names, a contract for every package.

Known breaches of a rule are listed as debt, which may only shrink; `pytest -s` prints it.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import ROOT
from tests.helpers.source import Module, imported, judge, modules

MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 60

LONG_MODULES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}
PRIVATE = {
    "netspec.codegen.cache reaches ._cache": 1,
    "netspec.codegen.cache reaches ._rebuild": 1,
    "netspec.codegen.cache reaches ._reduce": 1,
    "netspec.codegen.kernel reaches ._compile_for_args": 1,
}
"""Private names of other modules that are used, and how often each."""
DOCUMENTED = {"_asdict", "_exit", "_fields", "_make", "_replace"}
"""Names of the standard library that begin with an underscore, but are meant for all."""


def test_modules_are_short_or_say_why_they_are_not() -> None:
    found = {
        module.name: lines
        for module in modules()
        if (lines := module.text.count("\n")) > MOST_LINES
        and not re.search(r"^Long because ", module.doc, re.MULTILINE)
    }
    judge(found, LONG_MODULES, "a long module")


def test_functions_are_short() -> None:
    found = {
        f"{module.name}.{node.name}": lines
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef) and node.end_lineno is not None
        if (lines := node.end_lineno - node.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    judge(found, LONG_FUNCTIONS, "a long function")


def private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in DOCUMENTED


def owned(module: Module) -> set[str]:
    """The names that a module defines: functions, classes, variables, and attributes of its own objects."""
    result: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            result.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            result.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and own(node.value):
            result.add(node.attr)
    return result


def own(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in {"self", "cls"}


KNOWN = {module.name for module in modules()}


def reached(module: Module) -> Iterator[str]:
    """Private names of other modules that a module uses; a private module belongs to its whole package."""
    for name, what in imported(module):
        whole = f"{name}.{what}" if what and f"{name}.{what}" in KNOWN else name
        hidden = next((part for part in whole.split(".") if private(part)), None)
        if hidden and whole.partition(f".{hidden}")[0] != module.package:
            yield f"{module.name} reaches {whole}"
        if whole == name and private(what):
            yield f"{module.name} reaches {name}.{what}"
    mine = owned(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and private(node.attr) and not own(node.value) and node.attr not in mine:
            yield f"{module.name} reaches .{node.attr}"
        elif isinstance(node, ast.ImportFrom) and not (node.module or "").startswith("netspec"):
            package = (node.module or "").partition(".")[0]
            yield from (f"{module.name} reaches {package}'s {a.name}" for a in node.names if private(a.name))


def test_private_names_stay_in_their_module() -> None:
    found: dict[str, int] = {}
    for module in modules():
        for what in reached(module):
            found[what] = found.get(what, 0) + 1
    judge(found, PRIVATE, "a private name")


PACKAGES = [module for module in modules() if module.path.stem == "__init__"]


@pytest.mark.parametrize("module", PACKAGES, ids=lambda module: module.name)
def test_every_package_says_its_contract_in_a_sentence(module: Module) -> None:
    first = " ".join(module.doc.partition("\n\n")[0].split())
    assert len(first.split()) > 5 and "TODO" not in module.doc
    assert module.name == "netspec" or (first.endswith(".") and not re.search(r"\.\s", first)), "one sentence"


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_every_module_says_what_it_holds(module: Module) -> None:
    assert module.doc and not module.doc.startswith(("The same", "TODO"))


def test_no_test_takes_from_another() -> None:
    files = [path for path in (ROOT / "tests").rglob("*.py") if path.name.startswith("test_")]
    taking = [path.name for path in files if re.search(r"^from tests\.(\w+\.)*test_", path.read_text(), re.MULTILINE)]
    assert len(files) > 50 and taking == [], "what two of them need stands in tests/helpers"


CHANGING = frozenset({"append", "add", "clear", "extend", "pop", "setdefault", "update"})
"""Methods that change a container."""


def mutable(node: ast.expr | None) -> bool:
    """Whether an expression makes a mutable container."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in {"dict", "list", "set", "defaultdict", "deque"}
    return isinstance(node, (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp))


def changed(tree: ast.AST) -> set[str]:
    """Variables that a module changes, by a method of containers or by assignment to an item."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if method in CHANGING:
                names.add(name)
            case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store()):
                names.add(name)
    return names


def test_mutable_state_of_modules_is_told() -> None:
    """Print the mutable variables of modules. They are not refused: constant tables are lists and dicts too."""
    for module in modules():
        variables = changed(module.tree)
        for node in module.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if mutable(getattr(node, "value", None)) and names != ["__all__"]:
                for name in names:
                    word = "changed by its module" if name in variables else "a table"
                    print(f"mutable at module level: {module.name}.{name} ({word})")  # noqa: T201


@pytest.mark.parametrize("path", sorted([*(ROOT / "benchmarks").rglob("*.py"), ROOT / "scripts" / "dump"]), ids=str)
def test_what_is_imported_from_netspec_is_there(path: Path) -> None:
    """Benchmarks need torch, which tests run without: their imports would go stale unseen."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("netspec"):
            module = importlib.import_module(node.module or "")
            for name in node.names:
                known = hasattr(module, name.name) or importlib.util.find_spec(f"{node.module}.{name.name}")
                assert known, f"{node.module} has no {name.name}"
