import subprocess
import sys

import pytest

from netspec.data.sources.base import SOURCES

MODULES = ["netspec.core.rng", "netspec.data.feed", "netspec.data.sources", "netspec.data.transforms"]


def test_the_room_lists_its_sources():
    assert SOURCES.words() == ["Arrays", "Cifar10", "FashionMNIST", "Idx"]


@pytest.mark.parametrize("cls", SOURCES.members())
def test_every_source_and_field_says_what_it_is(cls):
    assert cls.__doc__
    assert all(field.description for field in cls.model_fields.values())


def test_importing_loads_neither_numpy_nor_numba():
    code = """
import pkgutil, sys
import netspec.core.rng, netspec.data.feed, netspec.data.sources, netspec.data.transforms
from netspec.sources.base import SOURCES
from netspec.transforms.base import TRANSFORMS
SOURCES.members(), TRANSFORMS.members()
netspec.data.feed.FeedSpec.model_validate({
    "source": {"type": "Arrays", "values": (((1, 2), (3, 4)), (0, 1))}, "batch_size": 2, "transform": {"type": "Scale", "factor": 2},
})
loaded = {"numpy", "numba"} & set(sys.modules)
sys.exit(f"loaded {loaded}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
