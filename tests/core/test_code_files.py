"""Code files: their classes in nets, the errors for faulty files, and their record in a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core import code_files
from netspec.core.changes import lines
from netspec.core.code_files import CodeFileError, MissingCodeError
from netspec.core.errors import NetspecError
from netspec.core.rooms import UnknownWord
from netspec.fillers.base import FILLERS, Filler
from netspec.layers.base import LAYERS, Layer
from netspec.net.load import load_net
from tests.helpers.code import FILLER, LAYER, NET, forgotten


@pytest.fixture(autouse=True)
def rooms_as_before() -> Iterator[None]:
    with forgotten():
        yield


def code(folder: Path, text: str, name: str = "own.py") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_classes_of_a_file_are_members_of_their_rooms(tmp_path: Path) -> None:
    assert netspec.load_code(code(tmp_path, LAYER + FILLER.replace("Sevens: every", "Every"))) == ("Cube", "seven")
    assert "Cube" in LAYERS.words() and "seven" in FILLERS.words()
    assert np.all(FILLERS.parse("seven").fill((2, 3), None) == 7.0)
    code(tmp_path, NET, "net.yaml")
    assert load_net(tmp_path / "net.yaml").graph.nodes[2].layer.type == "Cube"


def test_a_file_that_was_loaded_is_not_run_again_until_its_text_changes(tmp_path: Path) -> None:
    counting = f"import sys\nsys.counted = getattr(sys, 'counted', 0) + 1\n{FILLER}"
    path = code(tmp_path, counting)
    netspec.load_code(path)
    netspec.load_code(str(path))
    assert vars(sys)["counted"] == 1
    old = FILLERS.get("seven")
    code(tmp_path, counting.replace("7.0", "8.0"))
    netspec.load_code(path)
    assert vars(sys)["counted"] == 2
    del vars(sys)["counted"]
    assert FILLERS.get("seven") is not old and np.all(FILLERS.parse("seven").fill((1,), None) == 8.0)
    assert len(code_files.recorded()) == 1


def test_what_a_new_text_no_longer_has_is_gone(tmp_path: Path) -> None:
    netspec.load_code(code(tmp_path, FILLER))
    netspec.load_code(code(tmp_path, FILLER.replace("class Seven", "class Eight")))
    assert "eight" in FILLERS.words()
    with pytest.raises(UnknownWord):
        FILLERS.get("seven")


def test_a_text_that_is_wrong_leaves_the_old_one_in_place(tmp_path: Path) -> None:
    netspec.load_code(code(tmp_path, FILLER))
    with pytest.raises(CodeFileError):
        netspec.load_code(code(tmp_path, FILLER + "1 / 0\n"))
    assert FILLERS.get("seven") and len(code_files.recorded()) == 1


def test_a_class_of_a_script_can_be_registered(tmp_path: Path) -> None:
    @netspec.register
    class Nine(Filler):
        def fill(self, shape: Any, random: Any) -> Any:
            return np.full(shape, 9.0)

    assert FILLERS.get("nine") is Nine
    assert code_files.recorded()[0]["name"] == "test_code_files.py"

    @netspec.register
    class Nine(Filler):  # type: ignore[no-redef]  # a notebook's cell that is run again
        pass

    assert FILLERS.get("nine") is Nine
    with pytest.raises(CodeFileError, match="derives from Layer"):
        netspec.register(Path)


WRONG = {
    "syntax": ("x = = 3\n", "1:5", "'own.py' is not Python"),
    "exception": (FILLER + "\nx = {}\nx['y']\n", "16:1", "'own.py' cannot be loaded: KeyError: 'y'"),
    "import": ("import nothing_like_it\n", "1:1", "No module named 'nothing_like_it'"),
    "exit": ("import sys\nsys.exit(0)\n", "2:1", "SystemExit: 0"),
    "in a library": ("import json\njson.loads('{')\n", "2:1", "decoder.py:"),
    "nothing": ("x = 3\n", "", "holds nothing that a net can use"),
    "only imported": ("from netspec.layers.relu import ReLU\n", "", "holds nothing that a net can use"),
    "only a base": (FILLER.replace("Seven", "_Seven"), "", "holds nothing that a net can use"),
    "netspec's word": (
        FILLER.replace("Seven", "Gaussian"), "6:7", "'own.py' defines the filler 'gaussian', which netspec has already"
    ),
    "almost netspec's word": (
        LAYER.replace("Cube", "Relu"), "28:7", "defines the layer type 'Relu', which netspec has already"
    ),
    "unknown type of a field": (FILLER.replace("    def", '    x: "Nowhere" = 1\n\n    def'), "6:7", "not complete"),
    "kernel without its future": (
        LAYER.replace("from __future__ import annotations\n", ""), "13:1", "must begin with `from __future__"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_said_of_a_wrong_file(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, place, said = WRONG[case]
    monkeypatch.chdir(tmp_path)
    code(tmp_path, text)
    before = set(sys.modules)
    with pytest.raises(CodeFileError) as caught:
        netspec.load_code("own.py")
    error = caught.value
    assert said in error.message
    assert str(error.at) == (f"own.py:{place}" if place else "own.py")
    assert error.exit_code == 3
    assert not [name for name in set(sys.modules) - before if name.startswith("own_")]
    assert not any(room.added for room in (LAYERS, FILLERS)) and code_files.recorded() == []


def test_two_files_may_not_have_one_word(tmp_path: Path) -> None:
    netspec.load_code(code(tmp_path, FILLER, "one.py"))
    with pytest.raises(CodeFileError, match=r"'seven', which 'one.py' has already"):
        netspec.load_code(code(tmp_path, FILLER + "# other\n", "two.py"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.py", "there is no code file"), (tmp_path, "cannot be read: Is a directory")):
        with pytest.raises(MissingCodeError, match=said) as caught:
            netspec.load_code(path)
        assert caught.value.exit_code == 2


def test_a_run_asks_for_its_code(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    code_files.ask_for(run)  # no env.json, as in a run that was killed early
    for strange in ("[]", '{"code": 3}', "{", '{"code": [3]}', '{"data": []}'):
        (run / "env.json").write_text(strange)
        code_files.ask_for(run)
    path = code(tmp_path, FILLER)
    (run / "env.json").write_text(json.dumps({"code": [{"name": "own.py", "sha256": "0"}]}))
    with pytest.raises(MissingCodeError, match=r"was trained with the code of 'own.py'") as caught:
        code_files.ask_for(run)
    assert caught.value.help == "say --code own.py, with the path from here; in Python, netspec.load_code"
    netspec.load_code(path)
    code_files.ask_for(run)


def test_changes_of_code() -> None:
    then, now = [{"name": "a.py", "sha256": "1" * 64}], [{"name": "b.py", "sha256": "2" * 64}]
    assert code_files.changes(then, then) == ()
    assert lines(code_files.changes(None, now)) == [f'code."b.py": added ({"2" * 12})']
    assert lines(code_files.changes(then, [{"name": "a.py", "sha256": "3" * 64}, *now])) == [
        f'code."a.py": {"1" * 12} -> {"3" * 12}',
        f'code."b.py": added ({"2" * 12})',
    ]
    assert lines(code_files.changes(then, [])) == [f'code."a.py": removed ({"1" * 12})']


def test_a_yaml_file_alone_never_runs_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = tmp_path / "ran"
    code(tmp_path, f"open({str(ran)!r}, 'w')\n{LAYER}", "Cube.py")
    (tmp_path / "cube.py").write_bytes((tmp_path / "Cube.py").read_bytes())
    for text in (
        NET,
        NET + "code: [Cube.py]\n",
        NET.replace("type: Cube", "type: Cube.py"),
        NET.replace("type: Cube", "type: Cube:Cube"),
        NET.replace("type: Cube", "type: !!python/object:Cube.Cube"),
        NET.replace("type: Cube", "type: ReLU, code: Cube.py"),
    ):
        code(tmp_path, text, "net.yaml")
        with pytest.raises(NetspecError):
            load_net("net.yaml")
    (tmp_path / "env.json").write_text(json.dumps({"code": [{"name": "Cube.py", "sha256": "0"}]}))
    code(tmp_path, NET, "config.yaml")
    with pytest.raises(MissingCodeError):
        load_net("config.yaml")
    assert not ran.exists()


def test_a_class_below_two_others_is_one_member(tmp_path: Path) -> None:
    text = LAYER + "\n\nclass _Base(Cube):\n    pass\n\n\nclass Cubes(_Base):\n    pass\n"
    assert netspec.load_code(code(tmp_path, text)) == ("Cube", "Cubes")
    assert issubclass(LAYERS.get("Cubes"), Layer)
