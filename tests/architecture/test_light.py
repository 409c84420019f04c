"""The passes before binding need neither numpy nor numba: to import them and to run them on every net of the zoo."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.helpers.source import Module, modules

LIGHT = ("core", "language", "net", "layers", "lowering", "fillers", "formats", "data", "training.policies", "drawing")
"""Packages in which every module is light; for other packages see MODULES."""
MODULES = (
    *("engine.rewrite", "engine.plan", "engine.verify_rewrite", "engine.verify_plan", "training.spec"),
    *("views.tables", "views.columns", "views.errors", "views.inspection", "views.terminal"),
    *("engine.footprint", "study.units", "study.matching", "study.sides", "study.diff", "views.diff"),
)
HEAVY = ("numpy", "numba", "llvmlite")


def light(module: Module) -> bool:
    name = module.name.removeprefix("netspec.")
    return name in MODULES or any(name == package or name.startswith(f"{package}.") for package in LIGHT)


def run(code: str) -> None:
    """Run code in a process of its own, which must not load numpy or numba."""
    ending = (
        f"import sys\nloaded = set({HEAVY!r}) & set(sys.modules)\nsys.exit(f'loaded {{loaded}}' if loaded else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", f"{code}\n{ending}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_loads_no_numbers() -> None:
    run("\n".join(f"import {module.name}" for module in modules() if light(module)))


def test_the_members_of_all_rooms_load_no_numbers() -> None:
    run("""
from netspec.data.feed import FeedSpec
from netspec.data.sources.base import SOURCES
from netspec.data.transforms.base import TRANSFORMS
from netspec.layers.base import LAYERS
SOURCES.members(), TRANSFORMS.members(), LAYERS.members()
FeedSpec.model_validate({
    "source": {"type": "Arrays", "values": (((1, 2), (3, 4)), (0, 1))}, "batch_size": 2,
    "transform": {"type": "Scale", "factor": 2},
})
""")


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_every_net_of_the_zoo_is_planned_without_numbers(phase: str) -> None:
    run(f"""
from netspec.core import locate
from netspec.engine.plan import plan
from netspec.engine.rewrite import rewrite
from netspec.net.graph import State
from netspec.net.load import load_net
for name in locate.names("models"):
    plan(rewrite(load_net(name, state=State({phase!r}), batch=2)))
""")


def test_nets_and_solvers_are_compared_without_numbers() -> None:
    run("""
from netspec.study.diff import diff
from netspec.views.diff import diff_view
for pair in ("lenet", "alexnet"), ("lenet_adam", "resnet20"):
    diff_view(diff(*pair)).form("json", None)
""")
