"""Imports go one way: the contracts of `.importlinter` hold, and they catch a wrong import in every direction."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.helpers.source import PACKAGE, ROOT, imported, modules


def lint(folder: Path) -> tuple[int, str]:
    """The exit code and the text of import-linter in a folder."""
    env = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"}
    done = subprocess.run(["lint-imports", "--no-logo"], cwd=folder, env=env, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def wrong(text: str) -> set[str]:
    """The imports that import-linter complains about, as "importer -> imported"."""
    return {f"{a} -> {b}" for a, b in re.findall(r"- +(netspec[\w.]*) -> ([\w.]+)", text)}


def test_all_contracts_hold() -> None:
    code, text = lint(ROOT)
    assert code == 0, text


def _under(edge: str, known: str) -> bool:
    """Whether an import is one between two modules or packages."""
    pairs = zip(edge.split(" -> "), known.split(" -> "), strict=True)
    return all(mine == whole or mine.startswith(f"{whole}.") for mine, whole in pairs)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with netspec's modules and its contracts."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / "netspec", ignore=shutil.ignore_patterns("__pycache__", "fashion_mnist"))
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


PLANTS = [
    ("netspec.core.shape", "netspec.layers.base", "packages"),
    ("netspec.formats.idx", "netspec.fillers.base", "packages"),
    ("netspec.fillers.values", "netspec.kernels.copy", "packages"),
    ("netspec.codegen.simd", "netspec.kernels.copy", "packages"),
    ("netspec.kernels.copy", "netspec.layers.relu", "packages"),
    ("netspec.data.prefetch", "netspec.training.events", "packages"),
    ("netspec.data.prefetch", "netspec.layers.base", "packages"),
    ("netspec.lowering.layout", "netspec.data.feed", "packages"),
    ("netspec.layers.relu", "netspec.net.graph", "packages"),
    ("netspec.language.words", "netspec.net.spec", "packages"),
    ("netspec.net.graph", "netspec.engine.plan", "packages"),
    ("netspec.engine.plan", "netspec.training.events", "packages"),
    ("netspec.training.events", "netspec.views.tables", "packages"),
    ("netspec.views.columns", "netspec.cli.base", "packages"),
    ("netspec.training.events", "netspec.api", "packages"),
    ("netspec.layers.relu", "netspec.data.feed", "layer-data"),
    ("netspec.layers.relu", "numba", "numba"),
    ("netspec.engine.plan", "llvmlite", "numba"),
    ("netspec.core.shape", "yaml", "yaml"),
    ("netspec.views.columns", "yaml", "yaml"),
    ("netspec.engine.plan", "typer", "typer"),
    ("netspec.kernels.copy", "typer", "typer"),
    ("netspec.training.policies.base", "netspec.training.solvers.sgd", "rooms"),
    ("netspec.data.sources.base", "netspec.data.transforms.base", "rooms"),
    ("netspec.core.places", "netspec.core.errors", "circles"),
    ("netspec.fillers.base", "netspec.fillers.msra", "circles"),
    ("netspec.language.words", "netspec.language.expand", "language"),
    ("netspec.net.graph", "netspec.net.infer", "net"),
    ("netspec.engine.rewrite", "netspec.engine.plan", "engine"),
    ("netspec.training.job", "netspec.training.session", "training"),
]


CASES = [
    pytest.param(*plant, inside, id=f"{plant[0]} -> {plant[1]}{' in a function' * inside}")
    for plant in PLANTS
    for inside in (False, True)
    if not inside or plant[2] in {"packages", "circles", "numba"}  # one of each type of contract
]


@pytest.mark.parametrize(("importer", "target", "contract", "inside"), CASES)
def test_a_wrong_import_is_caught(copied: Path, importer: str, target: str, contract: str, inside: bool) -> None:
    path = copied / f"{importer.replace('.', '/')}.py"
    before = path.read_text()
    path.write_text(
        f"{before}\n\ndef planted():\n    import {target}\n" if inside else f"{before}\n\nimport {target}\n"
    )
    try:
        code, text = lint(copied)
    finally:
        path.write_text(before)
    assert code != 0
    name = re.search(rf"\[importlinter:contract:{contract}\]\nname = (.*)", (ROOT / ".importlinter").read_text())
    assert name is not None
    broken = text.rpartition("Broken contracts")[2]
    section = broken.partition(f"{name[1]}\n---")[2]
    assert section, f"not caught by: {name[1]}\n{text}"
    assert (f"{importer} -> {target}" in section) or contract == "circles", section


@pytest.mark.parametrize("path", ["newcomer/__init__.py", "newcomer.py", "engine/newcomer.py", "language/newcomer.py"])
def test_a_module_that_no_contract_knows_is_caught(copied: Path, path: str) -> None:
    new = copied / "netspec" / path
    new.parent.mkdir(exist_ok=True)
    new.write_text('"""New."""\n')
    try:
        code, text = lint(copied)
    finally:
        new.unlink()
        if not any(new.parent.glob("*.py")):
            shutil.rmtree(new.parent)
    assert code != 0 and "newcomer" in text, text


def test_every_package_stands_in_the_contracts() -> None:
    text = (ROOT / ".importlinter").read_text()
    listed = re.search(r"contract:packages\].*?\nlayers =\n(.*?)\n\n", text, re.DOTALL)
    assert listed is not None
    layers = {word.strip("()") for word in re.split(r"[\s|]+", listed[1]) if word}
    ours = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    assert ours <= layers
    for contract in ("numba", "typer"):
        section = text.partition(f"contract:{contract}]")[2].partition("forbidden_modules")[0]
        sources = set(re.findall(r"^    netspec\.(\w+)$", section, re.MULTILINE))
        allowed = {"numba": {"kernels", "codegen"}, "typer": {"cli"}}[contract]
        assert sources >= ours - allowed, f"{contract}: {sorted(ours - allowed - sources)}"


def test_no_module_reaches_itself() -> None:
    """There is no circle of imports; imports in functions and for types count, those of `netspec` itself do not."""
    known = {module.name for module in modules()}
    graph: dict[str, set[str]] = {}
    for module in modules():
        if module.name != "netspec":
            targets = {f"{name}.{what}" if f"{name}.{what}" in known else name for name, what in imported(module)}
            graph[module.name] = targets & known - {"netspec", module.name}
    left = set(graph)
    while free := {name for name in left if not graph[name] & left}:
        left -= free
    assert not left, f"these import one another, or what does: {sorted(left)}"
