"""The page "Your own layers": its example works, and the output it shows is printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.rooms import Room
from netspec.net.load import load_net
from netspec.study import doctor
from netspec.views import json_schema
from tests.helpers import ROOT
from tests.helpers.checks import blob, check_layer, make_layer
from tests.helpers.code import forgotten

PAGE = (ROOT / "docs" / "plug-ins.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(here: Path) -> Iterator[Path]:
    for name, text in re.findall(r"^```\w+\n# (\S+)\n(.*?)^```$", PAGE, re.S | re.M):
        (here / name).write_text(f"# {name}\n{text}", encoding="utf-8")
    with forgotten():
        yield here


def test_commands_print_what_the_page_shows(folder: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    block = re.findall(r"^```\n(\$ netspec check soft.*?)^```$", PAGE, re.S | re.M)[0]
    shown = re.findall(r"^\$ netspec (.*?)\n(.*?)(?=^\$|\Z)", block, re.S | re.M)
    assert len(shown) == 2
    for words, text in shown:
        _, out, err = cli(*words.split())
        assert (out + err).rstrip() == text.rstrip()


def test_the_layer_is_right(folder: Path) -> None:
    scope: dict[str, Any] = {}
    exec(re.findall(r"^```python\n(import netspec\n.*?)^```$", PAGE, re.S | re.M)[0], scope)
    net, rng = scope["net"], np.random.default_rng(1)
    net.forward(data=rng.standard_normal((2, 1, 28, 28)), label=np.array([3, 5]))
    net.backward()
    x, dy = (net.blobs[name] for name in ("ip1", "act"))
    root = np.sqrt(x.data**2 + 2.0)
    np.testing.assert_allclose(dy.data, (x.data + root) / 2, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(x.diff, dy.diff * (1 + x.data / root) / 2, rtol=1e-5, atol=1e-7)


def test_the_layer_of_two_formulas_is_right(folder: Path) -> None:
    netspec.load_code("isru.py")
    net = netspec.Net("soft.yaml", phase="TRAIN", batch=2, overrides=["layers.act={name: act, type: ISRU}"])
    rng = np.random.default_rng(1)
    net.forward(data=rng.standard_normal((2, 1, 28, 28)), label=np.array([3, 5]))
    net.backward()
    x, y = (net.blobs[name] for name in ("ip1", "act"))
    r = 1 / np.sqrt(1 + x.data**2)
    np.testing.assert_allclose(y.data, x.data * r, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(x.diff, y.diff * r**3, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    "layer",
    [
        {"type": "SmoothMax", "beta": 3.0},
        {"type": "Python", "module": "smooth_max", "layer": "SmoothMax", "param_str": {"beta": 3}},
    ],
)
def test_the_layer_in_numpy_is_right(folder: Path, layer: dict[str, Any]) -> None:
    netspec.load_code("smooth_max.py")
    x = blob(2, 3, 5)
    result = check_layer(make_layer(**layer), [x])
    wanted = np.log(np.exp(3 * np.float32(x)).sum(axis=1, keepdims=True)) / 3
    np.testing.assert_allclose(result.tops[0], wanted, rtol=1e-5)


def test_the_layer_of_pycaffes_style_is_right(folder: Path) -> None:
    netspec.load_code("tens.py")
    x = blob(2, 3)
    result = check_layer(make_layer("Python", module="tens", layer="TimesTen"), [x])
    np.testing.assert_allclose(result.tops[0], 10 * np.float32(x), rtol=1e-6)


def test_the_error_of_a_run_is_the_one_on_the_page(folder: Path, cli: Callable[..., tuple[int, str, str]]) -> None:
    run = folder / "runs" / "soft"
    run.mkdir(parents=True)
    (run / "config.yaml").touch()
    (run / "env.json").write_text('{"code": [{"name": "squareplus.py", "sha256": "0"}]}')
    words, text = re.findall(r"^\$ netspec (train runs/soft .*?)\n(.*?)^```$", PAGE, re.S | re.M)[0]
    code, _, err = cli(*words.split())
    assert code == 2 and err.rstrip() == text.rstrip()


def test_the_page_names_all_rooms_and_their_words() -> None:
    assert json_schema.CHOICES and load_net and doctor  # all rooms are imported
    rooms = [room for room in Room.every if room.package.startswith("netspec.")]
    assert len(rooms) == 11
    for room in rooms:
        word = room.word(type("SquarePlus", (), {}))
        assert f"| `{room.base.__module__}.{room.base.__qualname__}` | `{word}` |" in PAGE
        assert f".{room.package.rpartition('.')[2]}`" in PAGE.partition("## As a package")[2]
