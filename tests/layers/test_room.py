"""The room of layer types: each has what its page, its test file and its example need. New files are found by listing.

`pytest tests/layers/test_room.py -k NAME` runs what concerns one type.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args
from unittest import mock

import numpy as np
import pytest

import netspec
from netspec.codegen import environment, simd
from netspec.core.calls import Phase
from netspec.core.rooms import snake
from netspec.engine.gradcheck import gradcheck, random_inputs
from netspec.engine.slopes import Asked
from netspec.layers.base import LAYERS, Layer, Purpose
from netspec.net.labels import label_rules
from tests.helpers.checks import SMALL_GRAIN
from tests.helpers.examples import every
from tests.helpers.programs import shaped

APART = {"Python"}
"""Types that are nothing without a user's code file: `test_python.py` and `docs/plug-ins.md` have their examples."""
TYPES = [cls for cls in LAYERS.members() if LAYERS.owner(cls.__name__) == "netspec" and cls.__name__ not in APART]
each_type = pytest.mark.parametrize("cls", TYPES, ids=lambda cls: cls.__name__)
TESTS = Path(__file__).parent
LIMIT = 1e-5


@each_type
def test_its_page_has_all_parts(cls: type[Layer]) -> None:
    assert cls.purpose in get_args(Purpose), "say its `purpose`, one of these words"
    assert cls.purpose != "other" or "purpose" in vars(cls), "say its `purpose`"
    assert "example" in vars(cls) and re.search(rf"\btype: {cls.__name__}\b", cls.example), "give it an `example`"
    module = inspect.getdoc(sys.modules[cls.__module__]) or ""
    assert module.startswith(f"{cls.__name__}: "), "the file's docstring begins with the name and the formula"
    assert re.search(r"\bSource:\s", module), "the file's docstring says where the formula is from"
    first, *rest = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    assert first.endswith(".") and "\n" not in first, "the class's docstring begins with a sentence on one line"
    assert re.search(r"\bBottoms?:\s|\bBottom none", "\n".join(rest)) or cls.bottoms.most == 0, "say its bottoms"
    assert re.search(r"\bTops?:\s", "\n".join(rest)) or cls.tops.most == 0, "say its tops"


@pytest.mark.parametrize("cls", [cls for cls in TYPES if not cls.fed], ids=lambda cls: cls.__name__)
def test_its_tests_compare_it_with_another_definition(cls: type[Layer]) -> None:
    path = TESTS / f"test_{cls.__module__.rpartition('.')[2]}.py"
    assert path.exists(), f"write tests/layers/{path.name}"
    assert cls.fed or any(_has_oracle(call) for call in _calls(path, "against")), (
        f"{path.name} has no `against(oracle, ...)`, which compares {cls.__name__} with loops of your own"
    )
    assert f'"{cls.__name__}"' in path.read_text(encoding="utf-8"), f"{path.name} never names {cls.__name__}"


def _calls(path: Path, name: str) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == name]


def _has_oracle(call: ast.Call) -> bool:
    """Whether the first argument is more than None."""
    return bool(call.args) and not (isinstance(call.args[0], ast.Constant) and call.args[0].value is None)


def test_an_oracle_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "test_x.py"
    path.write_text("against(None, layer, [x])\nagainst(oracle, layer, [x])\nother(oracle)\n")
    assert [_has_oracle(call) for call in _calls(path, "against")] == [False, True]


@pytest.fixture(params=TYPES, ids=lambda cls: cls.__name__)
def example(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[type[Layer], Path]:
    """A layer type, and a file with its example."""
    path = tmp_path / f"{snake(request.param.__name__)}.yaml"
    path.write_text(f"name: example\nlayers:{request.param.example}", encoding="utf-8")
    return request.param, path


Example = tuple[type[Layer], Path]
Cli = Callable[..., tuple[int, str, str]]


def test_its_example_can_be_inspected(example: Example, cli: Cli) -> None:
    cls, path = example
    code, out, err = cli("inspect", path)
    assert (code, err) == (0, "") and cls.__name__ in out


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_its_example_has_equal_bits_on_any_number_of_threads(example: Example, phase: Phase) -> None:
    cls, path = example
    with mock.patch("netspec.codegen.kernel.GRAIN", SMALL_GRAIN):
        one, two = (_bits(path, phase, threads) for threads in (1, 2))
    assert one.keys() == two.keys()
    for what, bits in one.items():
        assert bits == two[what], f"{cls.__name__}, phase {phase}: 1 and 2 threads differ in {what}"


def _bits(path: Path, phase: Phase, threads: int) -> dict[str, bytes]:
    """All that forward and backward of a net write, and what forward alone writes where layers share memory."""
    net = netspec.Net(path, phase=phase, threads=threads, force_backward=True)
    inputs = dict(zip(net.inputs, random_inputs(net.program.shaped, 1), strict=True))
    net.forward(**inputs)
    random = np.random.default_rng(2)
    diffs, graph = net.program.diff, net.program.graph
    tops = [name for name in net.outputs if diffs[graph.latest(name).index] is not None]
    net.backward(**{name: random.standard_normal(net.blobs[name].data.shape) for name in tops})
    blobs = dict(net.blobs)
    blobs |= {f"{layer}.{i}": blob for layer, held in net.params.items() for i, blob in enumerate(held)}
    found = {f"data of {name}": blob.data.tobytes() for name, blob in blobs.items()}
    found |= {f"diff of {name}": blob.diff.tobytes() for name, blob in blobs.items()}
    short = netspec.Net(path, phase=phase, threads=threads, keep=False).forward(**inputs)
    return found | {f"{name} without keep": top.tobytes() for name, top in short.items()}


def test_its_example_passes_a_gradient_check(example: Example) -> None:
    cls, path = example
    environment.load()
    checked = gradcheck(shaped(str(path)), Asked(limit=LIMIT))
    assert checked.worst <= LIMIT, f"{cls.__name__}: {checked}"
    mine = [layer for layer in checked.layers if layer.type == cls.__name__]
    assert any(layer.blobs or layer.why != "has no gradient" for layer in mine) or not cls.differentiable, mine


@pytest.mark.long
@pytest.mark.parametrize("bytes", [16, 32])
def test_all_examples_at_another_vector_width(bytes: int) -> None:
    """The examples' threads and gradients once more, in a process whose kernels are for narrower vectors."""
    if bytes >= simd.BYTES:
        pytest.skip("no narrower than the host's own")
    command = [sys.executable, "-m", "pytest", "-q", "-k", "example and not another", __file__]
    environ = os.environ | {"NETSPEC_VECTOR_BYTES": str(bytes)}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=1800)
    assert done.returncode == 0, done.stdout[-4000:]


UNSEEN = {
    "Accuracy": "such a score is not the greatest",
    "AveragePrecision": "a position with the ignored label does not count",
    "ConfusionMatrix": "a position with the ignored label does not count",
    "MeanIoU": "a position with the ignored label does not count",
    "ArgMax": "its top is an index",
    "BatchReindex": "it does not take all items",
    "Crop": "it does not look at all values",
    "Eltwise": "Caffe's MAX takes the second of two numbers unless the first is greater",
    "Filter": "such a selector is not 0",
    "Interp": "it may cut off the edges",
    "Slice": "each top has values of its own",
    "SoftmaxWithLoss": "its example ignores a label",
    "Threshold": "a NaN is not above it",
}
"""Types whose tops may be finite where a bottom holds a NaN."""


@pytest.mark.parametrize("place", [0.0, 0.35, 0.5, 0.77])
def test_a_nan_in_any_type_shows(place: float) -> None:
    """One NaN in each input that holds no labels is in all that the net of all types says."""
    net = netspec.Net(every())
    inputs = dict(zip(net.inputs, random_inputs(net.program.shaped, 1), strict=True))
    labels = {net.inputs[rule.output] for rule in label_rules(net.program.shaped)}
    spoilt = inputs.keys() - labels
    for name in spoilt:
        inputs[name].reshape(-1)[int(place * inputs[name].size)] = np.nan
    tops = net.forward(**inputs)
    hidden = {name.partition("/")[0] for name, top in tops.items() if not np.isnan(top).any()}
    hidden &= {name.partition("/")[0] for name in spoilt}
    assert hidden <= set(UNSEEN), f"{sorted(hidden - set(UNSEEN))} hide a NaN"
