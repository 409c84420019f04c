"""`netspec layers`: every type under its purpose, all about one, plug-ins and code files among them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from netspec.core.rooms import Room
from netspec.data.sources.base import SOURCES
from netspec.data.transforms.base import TRANSFORMS
from netspec.layers.base import LAYERS, Layer
from netspec.views import reference
from tests.helpers.code import LAYER, forgotten

Cli = Callable[..., tuple[int, str, str]]


def test_every_type_is_listed_under_its_purpose(cli: Cli) -> None:
    code, out, _ = cli("layers", "--format", "json")
    listed = json.loads(out)
    assert code == 0 and sorted(one["name"] for one in listed) == LAYERS.words()
    assert all(one["purpose"] == LAYERS.get(one["name"]).purpose and one["summary"] for one in listed)
    titles = [line for line in cli("layers")[1].splitlines() if line and not line.startswith(" ")]
    assert titles == [title for purpose, title in reference.TITLES.items() if purpose in {o["purpose"] for o in listed}]


def test_a_type_shows_all_its_fields(cli: Cli) -> None:
    code, out, _ = cli("layers", "pooling", "--format", "json")
    one = json.loads(out)
    own = LAYERS.get("Pooling").model_fields.keys() - Layer.model_fields.keys()
    assert code == 0 and {field["name"] for field in one["fields"]} == own
    assert one["source"].startswith("Caffe pooling_layer.cpp") and one["tops"] == "1 to 2"
    assert "type: Pooling" in one["example"] and "Source" not in one["formula"]
    shown = cli("layers", "Pooling")[1]
    assert all(f"  {name}: " in shown for name in own)


@pytest.mark.parametrize("room", [SOURCES, TRANSFORMS], ids=["sources", "transforms"])
def test_sources_and_transforms_show_their_fields(room: Room[Any], cli: Cli) -> None:
    for word in room.words():
        asked = f"{room.kind}.{word}" if word in LAYERS.words() else word.lower()
        code, out, _ = cli("layers", asked, "--format", "json")
        one = json.loads(out)
        assert code == 0 and (one["name"], one["purpose"]) == (word, room.kind) and one["summary"]
        assert [field["name"] for field in one["fields"]] == [*room.get(word).model_fields]


def test_a_layer_type_says_that_a_transform_has_its_name(cli: Cli) -> None:
    assert "The transform of this name: netspec layers transform.Crop\n" in cli("layers", "Crop")[1]
    shown = cli("layers", "transform.Crop")[1]
    assert "\nFields\n  size: " in shown and "Bottoms" not in shown
    assert cli("layers", "source.Crop")[0] == 2


def test_the_list_fits_a_terminal(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, cli("layers")[1].splitlines())) <= 80


def test_code_files_are_listed_and_shown(cli: Cli, here: Path) -> None:
    (here / "cube.py").write_text(LAYER)
    with forgotten():
        code, out, err = cli("layers", "--code", "cube.py")
        assert code == 0 and "Others\n  Cube " in out, err
        code, out, _ = cli("layers", "Cube", "--code", "cube.py")
    assert code == 0 and "  factor: number, default 1\n    What it is multiplied by." in out
    assert "Formula\n  y = factor * x^3.\n" in out and "Example" not in out


def test_it_loads_no_numbers() -> None:
    for words in (["layers"], ["layers", "ELU", "--format", "json"]):
        code = f"import sys\nsys.argv = ['netspec', *{words!r}]\nfrom netspec.cli import app\n"
        code += "try:\n    app.main()\nfinally:\n    assert not {'numpy', 'numba'} & set(sys.modules)\n"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
